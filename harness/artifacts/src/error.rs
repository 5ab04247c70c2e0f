//! Why a part could not be had. Each message is one sentence: the part, the cause, the cure.

use std::io;

use camino::Utf8Path;
use harness_model::Exit;

/// A part could not be resolved, listed or locked.
///
/// The cause stands in the message itself, since these sentences are shown alone; there is no further chain to print.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// `versions.toml`, or the module folder that it names, is not usable.
    #[error("the table of pins {path} is not usable: {reason}; correct it there")]
    Pins {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No part has this name.
    #[error("there is no part `{name}`; there is: {known}")]
    UnknownPart {
        /// As asked for.
        name: String,
        /// What exists.
        known: String,
    },
    /// The part exists, this version of it does not.
    #[error("{name} {version} is not pinned in kind/versions.toml; there is: {known}")]
    UnknownVersion {
        /// The part's name.
        name: String,
        /// As asked for.
        version: String,
        /// What exists.
        known: String,
    },
    /// The part's only source is a release without a recorded digest.
    #[error(
        "{part} is unlocked: no SHA-256 is recorded for {url}; record it with `cargo xtask artifacts lock {name}`"
    )]
    Unlocked {
        /// Name and version.
        part: String,
        /// Name alone, with the version unless it is the default one: `arc-chart@v0.27.5`.
        name: String,
        /// The release.
        url: String,
    },
    /// This version cannot be had here; others can.
    #[error("{cause}; what can be had: {versions}")]
    OtherVersions {
        /// Why this one cannot.
        cause: Box<ArtifactError>,
        /// Those that can.
        versions: String,
    },
    /// There is nothing to lock.
    #[error(
        "{part} has no release to lock: it is built from {module}, which its go.sum pins; name another part"
    )]
    NoRelease {
        /// Name and version.
        part: String,
        /// The Go module.
        module: String,
    },
    /// The part has no Go module, so there is no source to change.
    #[error("{part} is not built from a Go module, so its source cannot be changed; name a version that is")]
    NoModule {
        /// Name and version.
        part: String,
    },
    /// The part must be built, and there is no Go.
    #[error(
        "{part} cannot be built: there is no `go` on PATH{download}; install Go 1.25 or newer and run again"
    )]
    NoToolchain {
        /// Name and version.
        part: String,
        /// Why it was not downloaded either, as `, and ...`, or empty.
        download: String,
    },
    /// The Go on PATH is older than the module asks for and may not fetch a newer one.
    #[error("{part} cannot be built by the Go on PATH ({line}); install a newer Go and run again")]
    OldToolchain {
        /// Name and version.
        part: String,
        /// Go's own words.
        line: String,
    },
    /// The server or the network refused a release.
    #[error(
        "the download of {part} from {url} was refused ({cause}); allow that address, or fill the cache on a machine that may reach it"
    )]
    Refused {
        /// Name and version.
        part: String,
        /// The address.
        url: String,
        /// Status or connection error.
        cause: String,
    },
    /// Go could not download modules.
    #[error(
        "Go was refused a module that {part} needs ({line}); allow Go's module proxy, or set GOPROXY to one that answers"
    )]
    ModulesRefused {
        /// Name and version.
        part: String,
        /// Go's own words.
        line: String,
    },
    /// A downloaded file is not the recorded one.
    #[error(
        "{part} from {url} has the wrong SHA-256 (expected {expected}, got {got}) and was thrown away; find out why the release changed before you change kind/versions.toml"
    )]
    WrongDigest {
        /// Name and version.
        part: String,
        /// The address.
        url: String,
        /// The recorded digest.
        expected: String,
        /// The file's.
        got: String,
    },
    /// A Go module is not the one in `go.sum`.
    #[error(
        "a Go module that {part} needs does not match its recorded checksum ({line}); find out why it changed, and never switch verification off"
    )]
    ModuleDigest {
        /// Name and version.
        part: String,
        /// Go's own words.
        line: String,
    },
    /// The connection ended before the file did.
    #[error("the download of {part} from {url} broke off after {got} of {expected} bytes; run again")]
    Truncated {
        /// Name and version.
        part: String,
        /// The address.
        url: String,
        /// As the server announced, in bytes.
        expected: u64,
        /// As received, in bytes.
        got: u64,
    },
    /// The downloaded archive has the right digest but not the right content.
    #[error(
        "{part} from {url} has no usable `{member}` in it ({cause}); correct `member` in kind/versions.toml"
    )]
    Archive {
        /// Name and version.
        part: String,
        /// The address.
        url: String,
        /// The path in the archive.
        member: String,
        /// What is wrong.
        cause: String,
    },
    /// The disk is full.
    #[error(
        "no space is left for {part} while writing {path}; free some, or set GHES_HARNESS_CACHE to a larger disk"
    )]
    DiskFull {
        /// Name and version, or what was written.
        part: String,
        /// Where.
        path: String,
    },
    /// `go build` failed for a reason of its own.
    #[error("the Go build of {part} failed ({tail}); try `go build -mod=readonly` in {dir}")]
    Build {
        /// Name and version.
        part: String,
        /// The last lines of Go's output.
        tail: String,
        /// The module's folder.
        dir: String,
    },
    /// The toolchain's `time.Now` cannot be changed.
    #[error(
        "{part} cannot have a controlled clock: {file} does not begin `func Now` as Go 1.24 to 1.26 do; build with one of those"
    )]
    Overlay {
        /// Name and version.
        part: String,
        /// The toolchain's file.
        file: String,
    },
    /// The part is not in the cache and `--offline` forbids to fetch it.
    #[error(
        "{part} is not in the cache and --offline forbids to fetch it ({cause}); run once without --offline"
    )]
    Offline {
        /// Name and version.
        part: String,
        /// What would have been fetched.
        cause: String,
    },
    /// The module's chart is not what the pin says.
    #[error("the chart {part} cannot be assembled: {reason}; correct its entry in kind/versions.toml")]
    Chart {
        /// Name and version.
        part: String,
        /// What is wrong.
        reason: String,
    },
    /// A program that the user named cannot be used.
    #[error("{path} cannot stand for {name}: {cause}; name an executable file")]
    Foreign {
        /// The part it should stand for.
        name: String,
        /// As given.
        path: String,
        /// What is wrong.
        cause: String,
    },
    /// A file operation failed.
    #[error("{operation} for {part} failed ({cause}); check the rights on that path")]
    File {
        /// Name and version, or what it was for.
        part: String,
        /// What was tried, with its path.
        operation: String,
        /// The operating system's answer.
        cause: String,
    },
}

impl ArtifactError {
    /// How the program should end: an unknown part or version, a bad pin or a bad path is usage, all else is the environment.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            ArtifactError::Pins { .. }
            | ArtifactError::UnknownPart { .. }
            | ArtifactError::UnknownVersion { .. }
            | ArtifactError::NoRelease { .. }
            | ArtifactError::NoModule { .. }
            | ArtifactError::Foreign { .. } => Exit::Usage,
            ArtifactError::OtherVersions { cause, .. } => cause.exit(),
            _ => Exit::Environment,
        }
    }

    /// A failed file operation; a full disk (or quota) is told apart from the rest.
    pub(crate) fn file(part: &str, operation: &str, path: &Utf8Path, cause: &io::Error) -> Self {
        if is_full(cause) {
            return ArtifactError::DiskFull {
                part: part.to_owned(),
                path: path.to_string(),
            };
        }
        ArtifactError::File {
            part: part.to_owned(),
            operation: format!("{operation} {path}"),
            cause: innermost(cause),
        }
    }
}

/// The last cause of a chain: the operating system's own words, without the wrapping of each layer.
pub(crate) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

fn is_full(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_from_other_write_errors() {
        let mut full = fs_err::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("Linux has /dev/full");

        let refused = full
            .write_all(b"x")
            .and_then(|()| full.flush())
            .expect_err("a write to /dev/full must fail");
        let error = ArtifactError::file("etcd v3", "write", Utf8Path::new("/cache/x"), &refused);

        assert_eq!(
            error.to_string(),
            "no space is left for etcd v3 while writing /cache/x; free some, or set GHES_HARNESS_CACHE to a larger disk"
        );
        assert_eq!(error.exit(), Exit::Environment);
    }
}
