//! Flags whose value cannot be used, and the files that flags name.

use camino::Utf8Path;

/// A flag has a value that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("--{flag} {value}: {why}")]
pub(crate) struct Unusable {
    pub(crate) flag: &'static str,
    pub(crate) value: String,
    pub(crate) why: String,
}

/// Writes the file that the flag names.
pub(crate) fn write_file(flag: &'static str, file: &Utf8Path, text: &str) -> Result<(), Unusable> {
    std::fs::write(file, text).map_err(|cause| Unusable {
        flag,
        value: file.to_string(),
        why: format!("cannot be written: {cause}; name a file in a folder that is there"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_is_told_with_its_flag() {
        let error = write_file("html", Utf8Path::new("/nonexistent/diff.html"), "")
            .expect_err("there is no such folder");

        assert_eq!(
            error.to_string(),
            "--html /nonexistent/diff.html: cannot be written: No such file or directory (os error 2); \
             name a file in a folder that is there"
        );
    }
}
