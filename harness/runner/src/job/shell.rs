//! Which program runs a script, and how: the values of `shell:`.

use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};

use super::steps::StepError;

/// Where programs are looked for if the environment does not say.
pub(crate) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How a script is started.
pub(crate) struct Shell {
    pub(crate) program: String,
    /// `{0}` stands for the script file.
    pub(crate) arguments: Vec<String>,
    pub(crate) extension: &'static str,
}

impl Shell {
    /// The shells of GitHub's documentation of `shell:`.
    pub(crate) fn choose(wanted: Option<&str>, path: &str) -> Result<Self, StepError> {
        let (program, arguments, extension) = match wanted {
            None if find("bash", path).is_some() => ("bash", "-e {0}", ".sh"),
            None | Some("sh") => ("sh", "-e {0}", ".sh"),
            Some("bash") => ("bash", "--noprofile --norc -e -o pipefail {0}", ".sh"),
            Some("python") => ("python", "{0}", ".py"),
            Some("pwsh") => ("pwsh", "-command . '{0}'", ".ps1"),
            Some(custom) => match custom.split_once(' ') {
                Some((program, arguments)) if arguments.contains("{0}") => (program, arguments, ""),
                _ => {
                    return Err(StepError::Refused(format!(
                        "Invalid shell option '{custom}'. Shell must be a valid built-in (bash, sh, pwsh, python) or a format string containing '{{0}}'"
                    )));
                }
            },
        };
        let found = find(program, path)
            .ok_or_else(|| StepError::Refused(format!("{program}: command not found in PATH {path}")))?;
        Ok(Self {
            program: found.into_string(),
            arguments: arguments.split_whitespace().map(str::to_owned).collect(),
            extension,
        })
    }
}

/// The first executable of that name.
fn find(program: &str, path: &str) -> Option<Utf8PathBuf> {
    if program.contains('/') {
        return Some(Utf8PathBuf::from(program));
    }
    path.split(':')
        .map(|folder| Utf8Path::new(folder).join(program))
        .find(|candidate| {
            fs_err::metadata(candidate)
                .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(wanted: Option<&str>) -> String {
        let shell = Shell::choose(wanted, DEFAULT_PATH).expect("the shell is there");
        let name = shell.program.rsplit('/').next().unwrap_or_default();
        format!("{name} {}", shell.arguments.join(" "))
    }

    #[test]
    fn shells_are_started_as_documented() {
        assert_eq!(line(None), "bash -e {0}");
        assert_eq!(line(Some("bash")), "bash --noprofile --norc -e -o pipefail {0}");
        assert_eq!(line(Some("sh")), "sh -e {0}");
        assert_eq!(line(Some("env -i bash {0} x")), "env -i bash {0} x");
    }

    #[test]
    fn unknown_shells_are_refused() {
        let unknown = Shell::choose(Some("fish"), DEFAULT_PATH)
            .err()
            .expect("fish is not built in");
        let missing = Shell::choose(Some("no-such-shell {0}"), DEFAULT_PATH)
            .err()
            .expect("it does not exist");

        assert!(unknown.to_string().contains("Invalid shell option 'fish'"));
        assert!(missing.to_string().contains("no-such-shell: command not found"));
    }
}
