//! Which program stands for which image.

use camino::Utf8PathBuf;

/// What runs in place of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// A program of ours, as the image's entrypoint.
    Run {
        /// The program on the host; containers find it at [`Program::mounted_at`].
        program: Utf8PathBuf,
        /// What follows it where the pod names no `command` and no `args`.
        args: Vec<String>,
    },
    /// The image's content is userland that the host has too: the container's own command runs with the host's programs.
    HostUserland,
    /// Nothing can stand for it: the container waits, and says why.
    Waiting {
        /// As in a container status.
        reason: String,
        /// As in a container status.
        message: String,
    },
}

impl Program {
    /// Where a container finds the program of [`Program::Run`].
    #[must_use]
    pub fn mounted_at(&self) -> Option<Utf8PathBuf> {
        match self {
            Self::Run { program, .. } => {
                Some(Utf8PathBuf::from("/entrypoint").join(program.file_name().unwrap_or("program")))
            }
            _ => None,
        }
    }

    /// The main process: the pod's `command` replaces the entrypoint, its `args` replace the default arguments.
    /// Empty for [`Program::Waiting`].
    #[must_use]
    pub fn argv(&self, command: &[String], args: &[String]) -> Vec<String> {
        let (entrypoint, default_args) = match self {
            Self::Run { args, .. } => (
                self.mounted_at()
                    .map(|path| vec![path.into_string()])
                    .unwrap_or_default(),
                args.clone(),
            ),
            Self::HostUserland => (Vec::new(), vec!["sh".to_owned()]),
            Self::Waiting { .. } => (Vec::new(), Vec::new()),
        };
        match (command.is_empty(), args.is_empty()) {
            (true, true) => [entrypoint, default_args].concat(),
            (true, false) => [entrypoint, args.to_vec()].concat(),
            (false, _) => [command, args].concat(),
        }
    }
}

/// Image patterns and their programs; the first match counts.
#[derive(Debug, Clone, Default)]
pub struct ImageTable {
    rows: Vec<(String, Option<Program>)>,
}

impl ImageTable {
    /// The table of the local cluster: `runner` stands for `summerwind/actions-runner` in all its variants but those that
    /// bring Docker, the host's userland for `debian`, `ubuntu`, `busybox` and `bash`.
    #[must_use]
    pub fn standard(runner: Utf8PathBuf) -> Self {
        let mut table = Self::default().without("summerwind/actions-runner-dind*");
        table = table.with(
            "summerwind/actions-runner*",
            Program::Run {
                program: runner,
                args: Vec::new(),
            },
        );
        for userland in ["debian", "ubuntu", "busybox", "bash"] {
            table = table.with(userland, Program::HostUserland);
        }
        table
    }

    /// One more row, after those that are there. A pattern is `repository` or `repository:tag`, each with `*` for anything; a
    /// registry and leading path of an image need not be named, and a pattern without tag takes every tag.
    #[must_use]
    pub fn with(mut self, pattern: &str, program: Program) -> Self {
        self.rows.push((pattern.to_owned(), Some(program)));
        self
    }

    /// Says that nothing stands for images of this pattern, whatever later rows say.
    #[must_use]
    pub fn without(mut self, pattern: &str) -> Self {
        self.rows.push((pattern.to_owned(), None));
        self
    }

    /// What stands for an image; [`Program::Waiting`] where nothing does.
    #[must_use]
    pub fn program(&self, image: &str) -> Program {
        self.rows
            .iter()
            .find(|(pattern, _)| matches(pattern, image))
            .and_then(|(_, program)| program.clone())
            .unwrap_or_else(|| unavailable(image))
    }
}

fn unavailable(image: &str) -> Program {
    Program::Waiting {
        reason: "ImagePullBackOff".to_owned(),
        message: format!("image {image} cannot run on the local cluster: take `--cluster kind`"),
    }
}

fn matches(pattern: &str, image: &str) -> bool {
    let (repository, tag) = split(image);
    let (wanted_repository, wanted_tag) = split(pattern);
    // `registry:5000/mirror/debian` is `debian` too.
    let mut tails = std::iter::successors(Some(repository), |rest| {
        rest.split_once('/').map(|(_, rest)| rest)
    });
    tails.any(|tail| glob(wanted_repository, tail))
        && wanted_tag.is_none_or(|wanted| glob(wanted, tag.unwrap_or("latest")))
}

/// Repository and tag. A digest is no tag, and neither is a registry's port.
fn split(image: &str) -> (&str, Option<&str>) {
    let image = image.split_once('@').map_or(image, |(image, _)| image);
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (image, None),
    }
}

fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|text| {
            (0..=text.len())
                .filter(|at| text.is_char_boundary(*at))
                .any(|at| glob(rest, &text[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table() -> ImageTable {
        ImageTable::standard("/target/harness-runner".into())
    }

    #[test]
    fn the_standard_table_knows_its_images() {
        let runner = Program::Run {
            program: "/target/harness-runner".into(),
            args: Vec::new(),
        };
        for (image, expected) in [
            ("summerwind/actions-runner", &runner),
            ("summerwind/actions-runner:latest", &runner),
            ("summerwind/actions-runner:v2.309.0-ubuntu-22.04", &runner),
            ("docker.io/summerwind/actions-runner:ubuntu-22.04", &runner),
            (
                "registry.local:5000/mirror/summerwind/actions-runner@sha256:00",
                &runner,
            ),
            ("debian", &Program::HostUserland),
            ("debian:12-slim", &Program::HostUserland),
            ("docker.io/library/busybox:1.36", &Program::HostUserland),
            ("localhost:5000/bash", &Program::HostUserland),
        ] {
            assert_eq!(&table().program(image), expected, "{image} must have its program");
        }
    }

    #[test]
    fn what_needs_docker_waits_and_says_what_to_do() {
        for image in [
            "docker:dind",
            "docker:24-dind-rootless",
            "summerwind/actions-runner-dind:latest",
            "nginx",
            "notdebian",
            "",
        ] {
            let program = table().program(image);

            let message = format!("image {image} cannot run on the local cluster: take `--cluster kind`");
            assert_eq!(
                program,
                Program::Waiting {
                    reason: "ImagePullBackOff".to_owned(),
                    message
                }
            );
        }
    }

    #[test]
    fn a_pattern_may_name_a_tag() {
        let table = ImageTable::default().with("docker:*dind*", Program::HostUserland);

        assert_eq!(table.program("docker:24-dind"), Program::HostUserland);
        assert_ne!(
            table.program("docker:24"),
            Program::HostUserland,
            "another tag must not match"
        );
        assert_ne!(
            table.program("docker"),
            Program::HostUserland,
            "no tag means latest"
        );
    }

    #[test]
    fn command_and_args_replace_what_the_image_says() {
        let own = Program::Run {
            program: "/target/harness-runner".into(),
            args: vec!["run".to_owned()],
        };
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();

        assert_eq!(own.argv(&[], &[]), words("/entrypoint/harness-runner run"));
        assert_eq!(
            own.argv(&[], &words("x y")),
            words("/entrypoint/harness-runner x y")
        );
        assert_eq!(own.argv(&words("c"), &[]), words("c"));
        assert_eq!(own.argv(&words("c"), &words("x")), words("c x"));
        assert_eq!(Program::HostUserland.argv(&[], &[]), words("sh"));
    }

    proptest! {
        #[test]
        fn a_mirror_prefix_changes_nothing(prefix in "[a-z]{1,8}(\\.[a-z]{2,5})?(:[0-9]{2,5})?", tag in "[a-z0-9.-]{1,12}") {
            let plain = table().program(&format!("summerwind/actions-runner:{tag}"));
            let mirrored = table().program(&format!("{prefix}/summerwind/actions-runner:{tag}"));

            prop_assert_eq!(plain, mirrored);
        }
    }
}
