//! The files through which a step speaks to the runner: `GITHUB_ENV`, `GITHUB_OUTPUT`, `GITHUB_PATH`, `GITHUB_STEP_SUMMARY`.

use camino::{Utf8Path, Utf8PathBuf};
use uuid::Uuid;

/// A file command cannot be understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum FileCommandError {
    #[error("Invalid format '{0}'")]
    Assignment(String),
    #[error("Invalid value. Matching delimiter not found '{0}'")]
    Delimiter(String),
    #[error("Invalid format '{0}'. Name must not be empty")]
    Name(String),
}

/// The files of one step. Removed when dropped.
pub(crate) struct FileCommands {
    env: Utf8PathBuf,
    output: Utf8PathBuf,
    path: Utf8PathBuf,
    summary: Utf8PathBuf,
    state: Utf8PathBuf,
}

impl FileCommands {
    /// Empty files in `folder`.
    pub(crate) fn create(folder: &Utf8Path) -> std::io::Result<Self> {
        fs_err::create_dir_all(folder)?;
        let id = Uuid::new_v4().simple();
        let file = |kind: &str| -> std::io::Result<Utf8PathBuf> {
            let path = folder.join(format!("{kind}_{id}"));
            fs_err::write(&path, "")?;
            Ok(path)
        };
        Ok(Self {
            env: file("set_env")?,
            output: file("set_output")?,
            path: file("add_path")?,
            summary: file("step_summary")?,
            state: file("save_state")?,
        })
    }

    /// What a step is told.
    pub(crate) fn variables(&self) -> [(&'static str, &Utf8Path); 5] {
        [
            ("GITHUB_ENV", &self.env),
            ("GITHUB_OUTPUT", &self.output),
            ("GITHUB_PATH", &self.path),
            ("GITHUB_STEP_SUMMARY", &self.summary),
            ("GITHUB_STATE", &self.state),
        ]
    }

    pub(crate) fn env(&self) -> Result<Vec<(String, String)>, FileCommandError> {
        pairs(&read(&self.env))
    }

    pub(crate) fn outputs(&self) -> Result<Vec<(String, String)>, FileCommandError> {
        pairs(&read(&self.output))
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        read(&self.path)
            .lines()
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect()
    }

    pub(crate) fn summary(&self) -> String {
        read(&self.summary)
    }
}

impl Drop for FileCommands {
    fn drop(&mut self) {
        for (_, path) in self.variables() {
            // A step may have removed its file.
            let _ = fs_err::remove_file(path);
        }
    }
}

/// A step may have removed the file or written anything into it.
fn read(path: &Utf8Path) -> String {
    fs_err::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

/// `name=value` lines, and `name<<DELIMITER` … `DELIMITER` for values of several lines.
fn pairs(text: &str) -> Result<Vec<(String, String)>, FileCommandError> {
    let mut pairs = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text
        .split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line));
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let (name, value) = match (line.find('='), line.find("<<")) {
            (Some(equals), heredoc) if heredoc.is_none_or(|heredoc| equals < heredoc) => {
                (&line[..equals], line[equals + 1..].to_owned())
            }
            (_, Some(heredoc)) => {
                let delimiter = &line[heredoc + 2..];
                let mut value = Vec::new();
                loop {
                    match lines.next() {
                        Some(line) if line == delimiter => break,
                        Some(line) => value.push(line),
                        None => return Err(FileCommandError::Delimiter(delimiter.to_owned())),
                    }
                }
                (&line[..heredoc], value.join("\n"))
            }
            _ => return Err(FileCommandError::Assignment(line.to_owned())),
        };
        if name.is_empty() {
            return Err(FileCommandError::Name(line.to_owned()));
        }
        pairs.push((name.to_owned(), value));
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_heredocs_are_read() {
        let text = "a=1\n\nb=x=y\r\nc<<EOF\nfirst\nsecond=2\n\nEOF\nd=\ne=a<<b\n";

        let pairs = pairs(text).expect("the file is well formed");

        let expected = [
            ("a", "1"),
            ("b", "x=y"),
            ("c", "first\nsecond=2\n"),
            ("d", ""),
            ("e", "a<<b"),
        ];
        assert_eq!(
            pairs,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn broken_files_are_refused() {
        assert_eq!(
            pairs("novalue"),
            Err(FileCommandError::Assignment("novalue".to_owned()))
        );
        assert_eq!(
            pairs("a<<EOF\nx\n"),
            Err(FileCommandError::Delimiter("EOF".to_owned()))
        );
        assert_eq!(pairs("=x"), Err(FileCommandError::Name("=x".to_owned())));
    }
}
