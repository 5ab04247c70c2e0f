//! The Go toolchain as a child process: builds programs and finds module folders.
//!
//! Go verifies every module against the committed `go.sum` (`-mod=readonly`); nothing here weakens that. The user's
//! GOPROXY, GOFLAGS and GOSUMDB stand. What it is not: an installer of Go.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::watch;

use crate::{ArtifactError, ModulePin, Platform, clock};

/// Runs `"$@"` and kills the whole process group when standard input ends: when the future that holds the other end is
/// dropped, and also when this process is killed and can no longer see to anything.
const LIFELINE: &str = r#"
exec 3<&0
(read -r _ <&3; kill -KILL 0) >/dev/null 2>&1 &
watch=$!
"$@" 3<&- </dev/null
status=$?
kill "$watch"
exit "$status"
"#;

/// Lines of Go's output that an error quotes.
const TAIL: usize = 5;

/// A Go toolchain.
#[derive(Debug, Clone)]
pub(crate) struct Go {
    program: PathBuf,
    path: OsString,
    platform: Platform,
    offline: bool,
}

/// One use of it, for messages and for its place.
#[derive(Debug, Clone)]
pub(crate) struct Job<'a> {
    /// Name and version of what is made.
    pub(crate) part: &'a str,
    /// Folder of our `go.mod`.
    pub(crate) dir: &'a Utf8Path,
    /// Where Go may leave temporary files; goes away with the workspace.
    pub(crate) scratch: &'a Utf8Path,
    /// What Go is at.
    pub(crate) detail: &'a watch::Sender<String>,
}

impl Go {
    /// The first `go` on `path` (else on PATH).
    pub(crate) fn find(path: Option<&OsStr>, platform: Platform, offline: bool) -> Option<Self> {
        let path = path.map(OsStr::to_owned).or_else(|| std::env::var_os("PATH"))?;
        let program = std::env::split_paths(&path)
            .map(|dir| dir.join("go"))
            .find(|program| {
                fs_err::metadata(program).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
            })?;
        Some(Go {
            program,
            path,
            platform,
            offline,
        })
    }

    /// The version that builds in this folder, for example `go1.26.8`.
    pub(crate) async fn version(&self, job: &Job<'_>) -> Result<String, ArtifactError> {
        Ok(self.run(job, &["env", "GOVERSION"]).await?.trim().to_owned())
    }

    /// The folder of the toolchain that builds in this folder.
    pub(crate) async fn root(&self, job: &Job<'_>) -> Result<Utf8PathBuf, ArtifactError> {
        Ok(self.run(job, &["env", "GOROOT"]).await?.trim().into())
    }

    /// Builds main packages with one `go build`; each program gets its package's last name in the folder `out`, or, if
    /// there is only one, is `out` itself. `overlay` gives them a clock that can be moved.
    pub(crate) async fn build(
        &self,
        job: &Job<'_>,
        ldflags: &str,
        packages: &[&str],
        overlay: Option<&Utf8Path>,
        out: &Utf8Path,
    ) -> Result<(), ArtifactError> {
        // -v names each compiled package: that is the progress. -buildvcs=false: our commit is not the part's version.
        let mut args = vec![
            "build",
            "-v",
            "-mod=readonly",
            "-trimpath",
            "-buildvcs=false",
            "-ldflags",
            ldflags,
        ];
        if let Some(overlay) = overlay {
            args.extend(["-overlay", overlay.as_str(), "-tags", clock::TAGS]);
        }
        args.push("-o");
        args.push(out.as_str());
        args.extend(packages);
        self.run(job, &args).await.map(drop)
    }

    /// The folder of the pinned module in Go's module cache, downloaded and verified if need be.
    pub(crate) async fn module_dir(
        &self,
        job: &Job<'_>,
        pin: &ModulePin,
    ) -> Result<Utf8PathBuf, ArtifactError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Module {
            version: String,
            dir: Option<Utf8PathBuf>,
        }
        for attempt in 0..2 {
            if attempt == 1 {
                self.run(job, &["mod", "download", &pin.path]).await?;
            }
            let answer = self
                .run(job, &["list", "-mod=readonly", "-m", "-json", &pin.path])
                .await?;
            let module: Module = serde_json::from_str(&answer).map_err(|e| ArtifactError::Build {
                part: job.part.to_owned(),
                tail: format!("`go list -m -json` gave no module: {e}"),
                dir: job.dir.to_string(),
            })?;
            if module.version != pin.version {
                return Err(ArtifactError::Pins {
                    path: job.dir.join("go.mod").to_string(),
                    reason: format!("it selects {} {}, not {}", pin.path, module.version, pin.version),
                });
            }
            if let Some(dir) = module.dir {
                return Ok(dir);
            }
        }
        Err(ArtifactError::Build {
            part: job.part.to_owned(),
            tail: format!("Go downloaded {} and names no folder for it", pin.path),
            dir: job.dir.to_string(),
        })
    }

    /// Runs Go and returns its standard output.
    async fn run(&self, job: &Job<'_>, args: &[&str]) -> Result<String, ArtifactError> {
        let failed = |e: &io::Error| ArtifactError::file(job.part, "run Go in", job.dir, e);
        let mut command = Command::new("/bin/sh");
        command
            .arg("-c")
            .arg(LIFELINE)
            .arg("go-lifeline")
            .arg(&self.program)
            .args(args);
        command.current_dir(job.dir).process_group(0);
        command
            .env("PATH", &self.path)
            .env("CGO_ENABLED", "0")
            .env("GOWORK", "off")
            .env("GOTMPDIR", job.scratch);
        command
            .env("GOOS", self.platform.os)
            .env("GOARCH", self.platform.arch);
        if self.offline {
            command.env("GOPROXY", "off");
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| failed(&e))?;

        // Held until Go has ended; see LIFELINE.
        let lifeline = child.stdin.take();
        let stdout = child.stdout.take().expect("standard output is piped");
        let stderr = child.stderr.take().expect("standard error is piped");
        let (status, output, tail) = tokio::join!(child.wait(), whole(stdout), follow(stderr, job.detail));
        drop(lifeline);

        if status.map_err(|e| failed(&e))?.success() {
            return output.map_err(|e| failed(&e));
        }
        Err(explain(job, &tail.map_err(|e| failed(&e))?))
    }
}

async fn whole(mut stream: impl AsyncRead + Unpin) -> io::Result<String> {
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

/// Shows each line as the detail and keeps the last ones that say more than a package's name.
async fn follow(stream: impl AsyncRead + Unpin, detail: &watch::Sender<String>) -> io::Result<Vec<String>> {
    let mut lines = BufReader::new(stream).split(b'\n');
    let mut tail = VecDeque::new();
    let mut packages = 0_u32;
    while let Some(line) = lines.next_segment().await? {
        let line = String::from_utf8_lossy(&line).trim().to_owned();
        if line.is_empty() {
            continue;
        }
        if line.contains([' ', ':']) {
            detail.send_replace(line.clone());
            tail.push_back(line);
            // Twice the quoted lines: the telling one may come before the last.
            if tail.len() > 2 * TAIL {
                tail.pop_front();
            }
        } else {
            packages += 1;
            detail.send_replace(format!("{packages} packages compiled, now {line}"));
        }
    }
    Ok(tail.into())
}

/// What Go's words mean.
fn explain(job: &Job<'_>, tail: &[String]) -> ArtifactError {
    let part = job.part.to_owned();
    let find = |signs: &[&str]| {
        tail.iter()
            .find(|line| signs.iter().any(|sign| line.contains(sign)))
            .cloned()
    };
    if find(&["no space left on device", "disk quota exceeded"]).is_some() {
        return ArtifactError::DiskFull {
            part,
            path: format!("{} or Go's build cache", job.scratch),
        };
    }
    if let Some(line) = find(&["checksum mismatch", "SECURITY ERROR", "missing go.sum entry"]) {
        return ArtifactError::ModuleDigest { part, line };
    }
    if let Some(cause) = find(&["GOPROXY=off", "GOPROXY list is not the empty string"]) {
        return ArtifactError::Offline { part, cause };
    }
    if let Some(line) = find(&["requires go >= ", "go.mod requires go", "invalid go version"]) {
        return ArtifactError::OldToolchain { part, line };
    }
    if let Some(line) = find(&[
        "dial tcp",
        "no such host",
        "i/o timeout",
        "TLS handshake",
        "reading http",
        "Get \"http",
    ]) {
        return ArtifactError::ModulesRefused { part, line };
    }
    let start = tail.len().saturating_sub(TAIL);
    let tail = if tail.is_empty() {
        "Go said nothing".to_owned()
    } else {
        tail[start..].join(" | ")
    };
    ArtifactError::Build {
        part,
        tail,
        dir: job.dir.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(line: &str) -> ArtifactError {
        let (detail, _) = watch::channel(String::new());
        let job = Job {
            part: "etcd v3",
            dir: Utf8Path::new("/kind/etcd"),
            scratch: Utf8Path::new("/cache/tmp"),
            detail: &detail,
        };
        explain(
            &job,
            &[
                "# go.etcd.io/etcd".to_owned(),
                line.to_owned(),
                "go: exit status 1".to_owned(),
            ],
        )
    }

    #[test]
    fn gos_words_become_sentences_with_part_cause_and_cure() {
        let cases = [
            (
                "write $WORK/b001/_pkg_.a: no space left on device",
                "no space is left for etcd v3 while writing /cache/tmp or Go's build cache; free some, or set GHES_HARNESS_CACHE to a larger disk",
            ),
            (
                "verifying m@v1: checksum mismatch",
                "a Go module that etcd v3 needs does not match its recorded checksum (verifying m@v1: checksum mismatch); find out why it changed, and never switch verification off",
            ),
            (
                "m@v1: module lookup disabled by GOPROXY=off",
                "etcd v3 is not in the cache and --offline forbids to fetch it (m@v1: module lookup disabled by GOPROXY=off); run once without --offline",
            ),
            (
                "go: go.mod requires go >= 1.25.0 (running go 1.19; GOTOOLCHAIN=local)",
                "etcd v3 cannot be built by the Go on PATH (go: go.mod requires go >= 1.25.0 (running go 1.19; GOTOOLCHAIN=local)); install a newer Go and run again",
            ),
            (
                "m@v1: Get \"https://proxy.example/m\": dial tcp 192.0.2.1:443: connect: connection refused",
                "Go was refused a module that etcd v3 needs (m@v1: Get \"https://proxy.example/m\": dial tcp 192.0.2.1:443: connect: connection refused); allow Go's module proxy, or set GOPROXY to one that answers",
            ),
            (
                "main.go:3:1: syntax error",
                "the Go build of etcd v3 failed (# go.etcd.io/etcd | main.go:3:1: syntax error | go: exit status 1); try `go build -mod=readonly` in /kind/etcd",
            ),
        ];

        for (line, sentence) in cases {
            assert_eq!(explained(line).to_string(), sentence);
            assert_eq!(explained(line).exit(), harness_model::Exit::Environment);
        }
    }
}
