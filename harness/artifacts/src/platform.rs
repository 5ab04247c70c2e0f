//! The machine that the parts run on, in the spelling of Go and of the release pages.

use std::fmt;

/// Operating system and processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Platform {
    /// Go's name, for example `linux`.
    pub os: &'static str,
    /// Go's name, for example `amd64`.
    pub arch: &'static str,
}

impl Platform {
    /// The platform of this program.
    #[must_use]
    pub fn host() -> Self {
        let os = match std::env::consts::OS {
            "macos" => "darwin",
            other => other,
        };
        let arch = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            other => other,
        };
        Platform { os, arch }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.os, self.arch)
    }
}
