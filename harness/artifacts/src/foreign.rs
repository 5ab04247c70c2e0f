//! A program of the user's own that stands for a part (`--arc-manager PATH`).

use std::os::unix::fs::PermissionsExt;

use camino::Utf8Path;
use harness_model::{Origin, Part};

use crate::{ArtifactError, Resolved, digest};

/// Takes the file at `path` for the part `name`. Its version is not known, so the report says `foreign`. Hashes: blocks.
///
/// # Errors
/// [`ArtifactError::Foreign`] if it is not an executable file.
pub fn foreign(name: &str, path: &Utf8Path) -> Result<Resolved, ArtifactError> {
    let refused = |cause: String| ArtifactError::Foreign {
        name: name.to_owned(),
        path: path.to_string(),
        cause,
    };
    let absolute = path.canonicalize_utf8().map_err(|e| refused(e.to_string()))?;
    let metadata = fs_err::metadata(&absolute).map_err(|e| refused(e.to_string()))?;
    if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
        return Err(refused("it is not an executable file".to_owned()));
    }
    let (_, sha256) = digest::of_path(&absolute).map_err(|e| refused(e.to_string()))?;
    let origin = Origin::Foreign {
        path: path.to_string(),
        sha256,
    };
    let part = Part {
        name: name.to_owned(),
        version: "foreign".to_owned(),
        origin,
    };
    Ok(Resolved {
        path: absolute,
        part,
        chart: None,
        cached: true,
        seconds: 0.0,
    })
}

#[cfg(test)]
mod tests {
    use harness_model::Exit;

    use super::*;

    #[test]
    fn a_file_that_cannot_be_run_is_refused() {
        let dir = camino_tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("manager");
        fs_err::write(&path, "text").expect("a small file");

        let error = foreign("arc-manager", &path).expect_err("a text file is no program");

        assert_eq!(
            error.to_string(),
            format!(
                "{path} cannot stand for arc-manager: it is not an executable file; name an executable file"
            )
        );
        assert_eq!(error.exit(), Exit::Usage);
    }

    #[test]
    fn a_program_is_reported_by_its_digest() {
        let resolved = foreign("arc-manager", Utf8Path::new("/bin/sh")).expect("every machine has /bin/sh");

        let Origin::Foreign { path, sha256 } = resolved.part.origin else {
            panic!("the origin must be foreign")
        };
        assert_eq!(path, "/bin/sh");
        assert!(digest::is_sha256(&sha256));
    }
}
