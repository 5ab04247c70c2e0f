//! The real parts of a run: which, of what version, and where they lie.
//!
//! What it is not: how a part is had is the crate `harness-artifacts`' business.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use harness_artifacts::{Options, Resolved, Resolver};
use harness_model::{ArcServer, Check, Claim, Event, Part, Plan};

use super::order::{ArcParts, PartPaths};

/// The parts of a local run, as `kind/versions.toml` calls them.
const PARTS: [&str; 10] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
    "helm",
    "cert-manager-controller",
    "cert-manager-cainjector",
    "cert-manager-webhook",
    "cert-manager-chart",
];

/// ARC's manager with a clock that can be moved.
const ARC_CLOCK: &str = "arc-manager-clock";

/// A program and the chart that goes with it.
const ARC: [&str; 2] = ["arc-manager", "arc-chart"];

/// Everything that a run needs.
pub(crate) struct Provisioned {
    /// By the part's name.
    parts: BTreeMap<String, Resolved>,
    /// Other versions of ARC, by version, each by the part's name.
    other_arcs: BTreeMap<String, BTreeMap<String, Resolved>>,
    /// What the ARC under test is upgraded to.
    target: Option<ArcParts>,
    version: String,
}

/// The versions of ARC that these checks want besides the one under test.
pub(crate) fn other_arcs(plan: &Plan, checks: &[Check]) -> BTreeSet<String> {
    let wanted = checks.iter().filter_map(|check| match &check.claims {
        Claim::OwnArc(own) => own.version.clone(),
        Claim::SharedArc | Claim::WholePlane => None,
    });
    let target = plan.upgrade.iter().map(|upgrade| upgrade.to.clone());
    let wanted = wanted.chain(target);
    wanted.filter(|version| *version != plan.arc).collect()
}

/// The programs of ARC besides the manager that these checks want, each with its version.
pub(crate) fn servers(plan: &Plan, checks: &[Check]) -> BTreeSet<(String, ArcServer)> {
    let mut wanted = BTreeSet::new();
    for check in checks {
        if let Claim::OwnArc(own) = &check.claims {
            let version = own.version.as_ref().unwrap_or(&plan.arc);
            wanted.extend(own.servers.iter().map(|server| (version.clone(), *server)));
        }
    }
    wanted
}

/// Obtains the parts; a foreign manager is taken as it is. `controlled`: also the manager with a clock that can be moved.
pub(crate) async fn provision(
    plan: &Plan,
    other_arcs: &BTreeSet<String>,
    servers: &BTreeSet<(String, ArcServer)>,
    controlled: bool,
) -> anyhow::Result<Provisioned> {
    let resolver = Resolver::open(Options {
        kind_dir: Utf8Path::new(&plan.repository).join("kind"),
        cache_dir: None,
        offline: plan.offline,
        path: None,
    })?;
    let mut wanted: Vec<(&str, Option<&str>)> = PARTS.map(|part| (part, None)).to_vec();
    wanted.push(("arc-chart", Some(plan.arc.as_str())));
    if plan.arc_manager.is_none() {
        wanted.push(("arc-manager", Some(plan.arc.as_str())));
    }
    if controlled {
        wanted.push((ARC_CLOCK, Some(plan.arc.as_str())));
    }
    let of_version = |version: &str| {
        let of_it = servers.iter().filter(move |(of, _)| of == version);
        of_it.map(|(_, server)| server.part()).collect::<Vec<_>>()
    };
    let foreign_server = plan.arc_webhook_server.as_deref();
    let webhook_server = ArcServer::GithubWebhook.part();
    let tested = of_version(&plan.arc);
    let pinned = tested
        .iter()
        .filter(|part| foreign_server.is_none() || **part != webhook_server);
    wanted.extend(pinned.map(|part| (*part, Some(plan.arc.as_str()))));
    let progress = harness_artifacts::for_stderr();
    let mut parts = resolver.resolve_all(&wanted, progress.as_ref()).await?;
    if let Some(path) = &plan.arc_manager {
        parts.insert(
            "arc-manager".to_owned(),
            harness_artifacts::foreign("arc-manager", Utf8Path::new(path))?,
        );
    }
    if let Some(path) = foreign_server.filter(|_| tested.contains(&webhook_server)) {
        let foreign = harness_artifacts::foreign(webhook_server, Utf8Path::new(path))?;
        parts.insert(webhook_server.to_owned(), foreign);
    }
    if let Some(folder) = &plan.arc_build {
        stand_in(&mut parts, Utf8Path::new(folder))?;
    }
    if let (Some(path), Some(chart)) = (&plan.arc_chart, parts.get_mut("arc-chart")) {
        // Its origin stays the version's: what a test changed in a copy is no release of its own.
        chart.path = Utf8PathBuf::from(path);
    }
    let mut others = BTreeMap::new();
    for version in other_arcs {
        let parts = ARC.into_iter().chain(of_version(version));
        let wanted: Vec<_> = parts.map(|part| (part, Some(version.as_str()))).collect();
        let resolved = resolver.resolve_all(&wanted, progress.as_ref()).await?;
        others.insert(version.clone(), resolved);
    }
    let target = plan.upgrade.as_ref().map(|upgrade| {
        let parts = others.get(&upgrade.to).unwrap_or(&parts);
        let foreign = |path: &Option<String>| path.clone().map(Utf8PathBuf::from);
        let mut target = arc(parts, &upgrade.to)?;
        target.manager = foreign(&upgrade.to_manager).unwrap_or(target.manager);
        target.chart = foreign(&upgrade.to_chart).unwrap_or(target.chart);
        anyhow::Ok(target)
    });
    let target = target.transpose()?;
    Ok(Provisioned {
        parts,
        other_arcs: others,
        target,
        version: plan.arc.clone(),
    })
}

impl Provisioned {
    /// Every part, as the report names it.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let others = self.other_arcs.values().flat_map(BTreeMap::values);
        self.parts
            .values()
            .chain(others)
            .map(|resolved| resolved.part.clone())
            .collect()
    }

    /// The guide's versions beside those that are tested.
    pub(crate) fn guide_versions(&self) -> Vec<Event> {
        let versions = fixtures::guide_versions().into_iter().map(|guide| {
            let tested = self.parts.get(&guide.tested_part).map_or_else(
                || guide.tested.clone(),
                |resolved| match &resolved.chart {
                    Some(chart) => format!("{} (made for {})", chart.version, chart.app_version),
                    None => resolved.part.version.clone(),
                },
            );
            Event::GuideVersion {
                part: guide.part.clone(),
                guide: guide.version.clone(),
                tested,
                reason: guide.reason.clone(),
            }
        });
        versions.collect()
    }

    /// Where they lie.
    pub(crate) fn paths(&self) -> anyhow::Result<PartPaths> {
        let path = |name: &str| path(&self.parts, name);
        let mut other_arcs = BTreeMap::new();
        for (version, parts) in &self.other_arcs {
            other_arcs.insert(version.clone(), arc(parts, version)?);
        }
        let arc = arc(&self.parts, &self.version)?;
        let controlled_arc = self.parts.get(ARC_CLOCK).map(|resolved| ArcParts {
            manager: resolved.path.clone(),
            ..arc.clone()
        });
        Ok(PartPaths {
            etcd: path("etcd")?,
            kube_apiserver: path("kube-apiserver")?,
            kube_controller_manager: path("kube-controller-manager")?,
            kube_scheduler: path("kube-scheduler")?,
            kubectl: path("kubectl")?,
            helm: path("helm")?,
            cert_manager_controller: path("cert-manager-controller")?,
            cert_manager_cainjector: path("cert-manager-cainjector")?,
            cert_manager_webhook: path("cert-manager-webhook")?,
            cert_manager_chart: path("cert-manager-chart")?,
            arc,
            controlled_arc,
            target: self.target.clone(),
            other_arcs,
        })
    }
}

/// Puts the programs of a folder, which are called as their parts, in the place of these. The same manager serves with and without a controlled clock.
fn stand_in(parts: &mut BTreeMap<String, Resolved>, folder: &Utf8Path) -> anyhow::Result<()> {
    for (name, resolved) in parts {
        let program = folder.join(if name == ARC_CLOCK { ARC[0] } else { name });
        if program.is_file() {
            *resolved = harness_artifacts::foreign(name, &program)?;
        }
    }
    Ok(())
}

fn arc(parts: &BTreeMap<String, Resolved>, version: &str) -> anyhow::Result<ArcParts> {
    Ok(ArcParts {
        version: version.to_owned(),
        manager: path(parts, ARC[0])?,
        chart: path(parts, ARC[1])?,
        servers: ArcServer::ALL
            .into_iter()
            .filter_map(|server| Some((server, parts.get(server.part())?.path.clone())))
            .collect(),
    })
}

fn path(parts: &BTreeMap<String, Resolved>, name: &str) -> anyhow::Result<Utf8PathBuf> {
    let resolved = parts.get(name);
    let resolved = resolved.with_context(|| format!("the part {name} was not resolved"))?;
    Ok(resolved.path.clone())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use harness_model::Origin;

    use super::*;

    #[test]
    fn a_build_stands_for_its_part_on_either_clock_and_for_no_other() {
        let folder = camino_tempfile::tempdir().expect("a temporary folder");
        let program = folder.path().join(ARC[0]);
        std::fs::write(&program, "").expect("the folder is ours");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("the file is ours");
        let pinned = |name: &str| {
            let part = Part {
                name: name.to_owned(),
                version: "v0.27.6".to_owned(),
                origin: Origin::Ours,
            };
            let resolved = Resolved {
                path: Utf8PathBuf::from("/cache").join(name),
                part,
                chart: None,
                cached: true,
                seconds: 0.0,
            };
            (name.to_owned(), resolved)
        };
        let server = ArcServer::GithubWebhook.part();
        let mut parts: BTreeMap<String, Resolved> = [ARC[0], ARC_CLOCK, server].map(pinned).into();

        stand_in(&mut parts, folder.path()).expect("the program can be run");

        let program = program.canonicalize_utf8().expect("it is there");
        assert_eq!(parts[ARC[0]].path, program);
        assert_eq!(parts[ARC_CLOCK].path, program);
        assert_eq!(parts[server].path, Utf8Path::new("/cache").join(server));
    }
}
