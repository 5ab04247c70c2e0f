//! What the tests of this crate share: a folder of pins, a stand-in for `go`, a release server on loopback.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use axum::Router;
use camino::{Utf8Path, Utf8PathBuf};
use camino_tempfile::Utf8TempDir;
use fs_err as fs;
use harness_artifacts::{Options, Platform, Progress, Resolver, Update};

/// A `kind/` folder, a cache and a folder of programs, all temporary.
pub(crate) struct Place {
    dir: Utf8TempDir,
    go: bool,
}

impl Place {
    /// With this `versions.toml`, and without Go.
    pub(crate) fn new(versions: &str) -> Self {
        let dir = camino_tempfile::tempdir().expect("a temporary folder");
        let place = Place { dir, go: false };
        fs::create_dir_all(place.kind().join("modules/tool")).expect("a folder");
        fs::create_dir_all(place.path("bin")).expect("a folder");
        fs::write(place.kind().join("versions.toml"), versions).expect("the pins are written");
        for (name, text) in [
            ("go.mod", "module example.org/pins\n\ngo 1.21\n"),
            ("go.sum", ""),
            (
                "main.go",
                "package main\n\nfunc main() { println(\"tool \" + version) }\n\nvar version = \"unknown\"\n",
            ),
        ] {
            fs::write(place.module().join(name), text).expect("the module is written");
        }
        place
    }

    /// Puts a shell script in the place of `go`. It may append to `$LOG`; `out` is what follows `-o`.
    pub(crate) fn with_go(mut self, script: &str) -> Self {
        let text = format!(
            "#!/bin/sh\nLOG='{}'\necho \"$*\" >>\"$LOG\"\n\
             if [ \"$1\" = env ]; then echo go1.99.0; exit 0; fi\n\
             out=; before=; for word in \"$@\"; do [ \"$before\" = -o ] && out=$word; before=$word; done\n{script}\n",
            self.log()
        );
        let path = self.path("bin/go");
        fs::write(&path, text).expect("the script is written");
        fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("the script can be run");
        self.go = true;
        self
    }

    pub(crate) fn options(&self) -> Options {
        let tools = if self.go { ":/usr/bin:/bin" } else { "" };
        Options {
            kind_dir: self.kind(),
            cache_dir: Some(self.cache()),
            offline: false,
            path: Some(OsString::from(format!("{}{tools}", self.path("bin")))),
        }
    }

    pub(crate) fn resolver(&self) -> Resolver {
        Resolver::open(self.options()).expect("the pins are readable")
    }

    pub(crate) fn offline(&self) -> Resolver {
        Resolver::open(Options {
            offline: true,
            ..self.options()
        })
        .expect("the pins are readable")
    }

    pub(crate) fn path(&self, relative: &str) -> Utf8PathBuf {
        self.dir.path().join(relative)
    }

    pub(crate) fn kind(&self) -> Utf8PathBuf {
        self.path("kind")
    }

    pub(crate) fn module(&self) -> Utf8PathBuf {
        self.path("kind/modules/tool")
    }

    pub(crate) fn cache(&self) -> Utf8PathBuf {
        self.path("cache")
    }

    /// The arguments of each use of the `go` stand-in, a line each.
    pub(crate) fn log(&self) -> Utf8PathBuf {
        self.path("go.log")
    }

    /// How often `go build` was run.
    pub(crate) fn builds(&self) -> usize {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        log.lines().filter(|line| line.starts_with("build ")).count()
    }

    /// What is left of unfinished work.
    pub(crate) fn leftovers(&self) -> Vec<Utf8PathBuf> {
        let Ok(keys) = fs::read_dir(self.cache().join("tmp")) else {
            return Vec::new();
        };
        let below = |key: std::io::Result<fs::DirEntry>| fs::read_dir(key.expect("readable").path());
        keys.flat_map(|key| below(key).expect("readable"))
            .map(|entry| Utf8PathBuf::try_from(entry.expect("readable").path()).expect("UTF-8"))
            .collect()
    }
}

/// Pins of one program `tool`, with the given sources.
pub(crate) fn tool(module: bool, release: &str) -> String {
    let source = if module {
        "module = \"tool\"\npackage = \".\"\n"
    } else {
        ""
    };
    format!(
        "{MODULE}\n[[part]]\nname = \"tool\"\nversion = \"v1\"\ndefault = true\nkind = \"program\"\n{source}{release}"
    )
}

/// Pins of two programs of one module.
pub(crate) fn pair() -> String {
    let part = |name| {
        format!(
            "\n[[part]]\nname = \"{name}\"\nversion = \"v1\"\ndefault = true\nkind = \"program\"\n\
             module = \"tool\"\npackage = \"example.org/pins/cmd/{name}\"\n"
        )
    };
    format!("{MODULE}{}{}", part("one"), part("two"))
}

const MODULE: &str = "[module.tool]\ndir = \"modules/tool\"\npath = \"example.org/tool\"\nversion = \"v1\"\n\
                      ldflags = \"-X main.version=v1\"\nfirst_build_seconds = 90\n";

/// A release table, locked for this platform if a digest is given.
pub(crate) fn release(url: &str, member: Option<&str>, sha256: Option<&str>) -> String {
    let member = member.map_or_else(String::new, |member| format!("member = \"{member}\"\n"));
    let locked = sha256.map_or_else(String::new, |sha256| {
        format!("\n[part.release.sha256]\n{} = \"{sha256}\"\n", Platform::host())
    });
    format!("\n[part.release]\nurl = \"{url}\"\n{member}{locked}")
}

/// Serves `router` on loopback until the test's runtime ends; returns `http://127.0.0.1:PORT`.
pub(crate) async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// Answers one connection after the other with these raw bytes, then closes it.
pub(crate) async fn serve_raw(answer: &'static [u8]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _read = socket.read(&mut request).await;
            let _written = socket.write_all(answer).await;
        }
    });
    format!("http://{address}")
}

/// A loopback address where nothing listens.
pub(crate) async fn closed_port() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    drop(listener);
    format!("http://{address}")
}

/// Records the kinds and notes of updates.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<String>>>);

impl Recorder {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().expect("no test panics while it holds this").clone()
    }
}

impl Progress for Recorder {
    fn update(&self, update: Update<'_>) {
        let line = match update {
            Update::Planned { steps, usual } => format!("plan {} ({} s)", steps.join("; "), usual.as_secs()),
            Update::Started { step } => format!("start {}", step.what),
            Update::Running { detail, .. } => format!("run {detail}"),
            Update::Finished { step, succeeded, .. } => format!("end {} {succeeded}", step.what),
            Update::Note { text } => format!("note {text}"),
        };
        self.0
            .lock()
            .expect("no test panics while it holds this")
            .push(line);
    }
}

/// The digest of `bytes`, by a second implementation: coreutils.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let dir = camino_tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("bytes");
    fs::write(&path, bytes).expect("a small file");
    let output = std::process::Command::new("sha256sum")
        .arg(&path)
        .output()
        .expect("coreutils are there");
    String::from_utf8(output.stdout).expect("hex is text")[..64].to_owned()
}

pub(crate) fn read(path: &Utf8Path) -> String {
    fs::read_to_string(path).expect("the file is there")
}
