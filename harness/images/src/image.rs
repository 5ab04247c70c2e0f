//! Which images there are: their programs, users and entry points, as upstream's images have them.
//!
//! kubeadm's manifests and the charts rely on these: they name programs by path or by name on `PATH`, or give arguments alone.

use crate::ImageError;

/// One image.
#[derive(Debug, Clone, Copy)]
pub struct Image {
    /// Its name here.
    pub name: &'static str,
    /// What is in it.
    pub programs: &'static [Program],
    /// `uid:gid`; the charts' `runAsNonRoot` needs numbers.
    pub user: &'static str,
    /// The program that arguments alone are for.
    pub entrypoint: &'static str,
}

/// A part, and its place in the image.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// The part's name in `kind/versions.toml`.
    pub part: &'static str,
    /// Absolute.
    pub path: &'static str,
}

/// The user of cert-manager's images, and of those that are made from `distroless/static:nonroot`.
const CERT_MANAGER: &str = "1000:1000";
const NONROOT: &str = "65532:65532";
const ROOT: &str = "0:0";

/// All images, in the order in which they are built.
pub const IMAGES: [Image; 10] = [
    one("etcd", ROOT, &[program("etcd", "/usr/local/bin/etcd")]),
    one(
        "kube-apiserver",
        ROOT,
        &[program("kube-apiserver", "/usr/local/bin/kube-apiserver")],
    ),
    one(
        "kube-controller-manager",
        ROOT,
        &[program(
            "kube-controller-manager",
            "/usr/local/bin/kube-controller-manager",
        )],
    ),
    one(
        "kube-scheduler",
        ROOT,
        &[program("kube-scheduler", "/usr/local/bin/kube-scheduler")],
    ),
    // Upstream's has another user and, on the file, the capability to bind port 53, which a layer of plain files has not.
    one("coredns", ROOT, &[program("coredns", "/coredns")]),
    one(
        "cert-manager-controller",
        CERT_MANAGER,
        &[program(
            "cert-manager-controller",
            "/app/cmd/controller/controller",
        )],
    ),
    one(
        "cert-manager-cainjector",
        CERT_MANAGER,
        &[program(
            "cert-manager-cainjector",
            "/app/cmd/cainjector/cainjector",
        )],
    ),
    one(
        "cert-manager-webhook",
        CERT_MANAGER,
        &[program("cert-manager-webhook", "/app/cmd/webhook/webhook")],
    ),
    one(
        "actions-runner-controller",
        NONROOT,
        &[
            program("arc-manager", "/manager"),
            program("arc-github-webhook-server", "/github-webhook-server"),
            program("arc-actions-metrics-server", "/actions-metrics-server"),
        ],
    ),
    one(
        "kube-rbac-proxy",
        NONROOT,
        &[program("kube-rbac-proxy", "/usr/local/bin/kube-rbac-proxy")],
    ),
];

const fn program(part: &'static str, path: &'static str) -> Program {
    Program { part, path }
}

/// The first program is the entry point.
const fn one(name: &'static str, user: &'static str, programs: &'static [Program]) -> Image {
    Image {
        name,
        programs,
        user,
        entrypoint: programs[0].path,
    }
}

/// The images of these names; all of them if none is named.
pub(crate) fn select(names: &[String]) -> Result<Vec<Image>, ImageError> {
    let known = || IMAGES.map(|image| image.name).join(", ");
    if let Some(name) = names
        .iter()
        .find(|name| IMAGES.iter().all(|image| image.name != **name))
    {
        return Err(ImageError::Unknown {
            name: name.clone(),
            known: known(),
        });
    }
    let wanted = |image: &Image| names.is_empty() || names.iter().any(|name| name == image.name);
    Ok(IMAGES.into_iter().filter(wanted).collect())
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;
    use harness_artifacts::Pins;

    use super::*;

    #[test]
    fn every_program_of_an_image_is_a_pinned_part_at_an_absolute_path() {
        let kind_dir = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../kind");
        let pins = Pins::read(&kind_dir).expect("the committed pins are readable");

        for program in IMAGES.iter().flat_map(|image| image.programs) {
            let pin = pins
                .select(program.part, None)
                .expect("images are made of pinned parts");

            assert!(pin.chart.is_none(), "{} is a chart", program.part);
            assert!(program.path.starts_with('/'), "{}", program.path);
        }
    }

    #[test]
    fn an_unknown_image_names_what_exists() {
        let error = select(&["etcd".to_owned(), "node".to_owned()]).expect_err("there is no such image");

        assert!(
            error
                .to_string()
                .starts_with("there is no image `node`; there is: etcd, kube-apiserver, "),
            "{error}"
        );
        assert_eq!(error.exit(), harness_model::Exit::Usage);
    }
}
