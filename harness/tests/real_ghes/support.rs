//! The mock as a process, the program under test as another, and what may be asked of both.

use std::process::{Output, Stdio};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use camino_tempfile::Utf8TempDir;
use harness_model::Redactor;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// A target of each scope.
pub(crate) const TARGETS: [&str; 6] = [
    "--enterprise",
    "acme",
    "--organization",
    "staging",
    "--repository",
    "staging/hello",
];

/// Longest wait for a program.
const DEADLINE: Duration = Duration::from_secs(120);
/// A token of the old form, which no shape gives away.
pub(crate) const TOKEN: &str = "5f1dcafe90ab12cd34ef56ab78cd90ef12ab34cd";
/// One that may read repositories and no more.
pub(crate) const WEAK: &str = "0badcafe90ab12cd34ef56ab78cd90ef12ab34cd";
/// One that may do all but make webhooks.
pub(crate) const CORE: &str = "c0decafe90ab12cd34ef56ab78cd90ef12ab34cd";
/// A name of the mock that is no name of this machine.
pub(crate) const STAGING: &str = "staging.example.com";

/// A mock GHES in a process of its own.
pub(crate) struct Mock {
    pub(crate) url: String,
    pub(crate) folder: Utf8TempDir,
    admin_url: String,
    admin_token: String,
    http: reqwest::Client,
    _process: Child,
}

/// What the program printed, and how it ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Mock {
    /// A server with a marked enterprise, organization and repository, and an organization that nobody marked.
    pub(crate) async fn start() -> Mock {
        Mock::start_with("3.9.0", "").await
    }

    pub(crate) async fn start_with(version: &str, repositories: &str) -> Mock {
        let folder = Utf8TempDir::new().expect("a temporary folder can be made");
        let world = format!(
            "version: {version}\n\
             enterprises: [{{slug: acme}}]\n\
             organizations:\n\
             \x20 - {{login: staging, enterprise: acme, variables: {{GHES_E2E_TARGET: orgs/staging enterprises/acme}}}}\n\
             \x20 - {{login: production, enterprise: acme, variables: {{GHES_E2E_TARGET: orgs/staging}}}}\n\
             users: [{{login: octocat}}]\n\
             tokens:\n\
             \x20 - {{user: octocat, token: {TOKEN}, scopes: [repo, workflow, \"admin:org\", \"admin:org_hook\", delete_repo, \"manage_runners:enterprise\"]}}\n\
             \x20 - {{user: octocat, token: {WEAK}, scopes: [repo]}}\n\
             \x20 - {{user: octocat, token: {CORE}, scopes: [repo, workflow, \"admin:org\", delete_repo]}}\n\
             repositories:\n\
             \x20 - {{owner: staging, name: hello, variables: {{GHES_E2E_TARGET: repos/staging/hello}}}}\n\
             \x20 - {{owner: production, name: hello}}\n\
             {repositories}"
        );
        let file = folder.path().join("world.yaml");
        fs_err::write(&file, world).expect("the folder is writable");
        let mut process = Command::new(sibling("mock-ghes"))
            .args([
                "--listen",
                "127.0.0.1:0",
                "--tls",
                "--stdin-lifeline",
                "--name",
                STAGING,
            ])
            .args([
                "--world",
                file.as_str(),
                "--data",
                folder.path().join("data").as_str(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the mock's program starts; `cargo build --workspace --bins` makes it");
        let stdout = process.stdout.take().expect("stdout is piped");
        let line = tokio::time::timeout(DEADLINE, BufReader::new(stdout).lines().next_line())
            .await
            .expect("the mock gets ready")
            .expect("stdout is readable")
            .expect("the mock prints a line");
        let line: Value = serde_json::from_str(&line).expect("the line is JSON");
        let text = |name: &str| line[name].as_str().expect("the line has it").to_owned();
        let ca = text("ca");
        fs_err::write(folder.path().join("ca.pem"), &ca).expect("the folder is writable");
        fs_err::write(folder.path().join("token"), format!("{TOKEN}\n")).expect("the folder is writable");
        let ca = reqwest::Certificate::from_pem(ca.as_bytes()).expect("the CA is PEM");
        let http = reqwest::Client::builder().tls_certs_only([ca]).no_proxy().build();
        Mock {
            url: text("url"),
            admin_url: text("admin_url"),
            admin_token: text("admin_token"),
            http: http.expect("a client can be built"),
            folder,
            _process: process,
        }
    }

    /// Host and port.
    pub(crate) fn host(&self) -> &str {
        self.url.strip_prefix("https://").expect("it serves TLS")
    }

    pub(crate) fn port(&self) -> &str {
        self.host().rsplit(':').next().expect("it has a port")
    }

    pub(crate) fn ca(&self) -> String {
        self.folder.path().join("ca.pem").into_string()
    }

    /// `ghes VERB` against it, with its CA, the full token and JSON.
    pub(crate) async fn ghes(&self, verb: &str, more: &[&str]) -> Ended {
        let token = self.folder.path().join("token");
        let ca = self.ca();
        let given = ["--ca", &ca, "--token-file", token.as_str(), "--format", "json"];
        finish(self.command(verb).args(given).args(more)).await
    }

    /// `ghes VERB` against it, with its host on the list and nothing else.
    pub(crate) fn command(&self, verb: &str) -> Command {
        let mut command = program();
        command.args(["ghes", verb, "--ghes", &self.url]);
        command.env("GHES_HOSTS", self.host());
        command
    }

    async fn call(&self, method: Method, url: String, token: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.http.request(method, url).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.expect("the mock answers");
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or_default())
    }

    /// A REST call with the full token.
    pub(crate) async fn rest(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}/api/v3/{path}", self.url);
        let (status, answer) = self.call(method, url, TOKEN, body).await;
        assert!(status < 300, "{path}: {status} {answer}");
        answer
    }

    /// A call of the mock's remote control.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}/{path}", self.admin_url);
        let (status, answer) = self.call(method, url, &self.admin_token, body).await;
        assert!(status < 300, "{path}: {status} {answer}");
        answer
    }

    /// Requests go wrong like this; absent count: until the end.
    pub(crate) async fn fault(&self, target: &str, kind: Value, count: Option<u32>) {
        let rule = json!({"target": target, "kind": kind, "count": count});
        self.admin(Method::POST, "faults", Some(rule)).await;
    }

    /// Every request that was no remote control's, as `METHOD PATH`. What the mock itself told webhooks is none.
    pub(crate) async fn requests(&self) -> Vec<String> {
        let records = self.admin(Method::GET, "ledger", None).await;
        let text = |record: &Value, name: &str| record[name].as_str().unwrap_or_default().to_owned();
        let records = records.as_array().expect("the ledger is a list").iter();
        records
            .filter(|record| record["route"] != "webhook delivery")
            .map(|record| format!("{} {}", text(record, "method"), text(record, "path")))
            .filter(|request| !request.contains(" /_admin/"))
            .collect()
    }

    /// The requests that were no GET.
    pub(crate) async fn writes(&self) -> Vec<String> {
        let mut requests = self.requests().await;
        requests.retain(|request| !request.starts_with("GET "));
        requests
    }

    /// The ledger's file, which must not have a token either.
    pub(crate) fn assert_clean(&self) {
        let ledger = fs_err::read_to_string(self.folder.path().join("data/ledger.jsonl"));
        assert_tokenless(&ledger.expect("the mock writes its ledger"));
    }
}

/// Another program of the workspace.
fn sibling(name: &str) -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_BIN_EXE_harness")).with_file_name(name)
}

/// The program under test, in an environment without anything of this machine's that it would read.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    for name in [
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "no_proxy",
    ] {
        command.env_remove(name);
    }
    command.env_remove("GHES_TOKEN").env_remove("GHES_HOSTS");
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs it to its end. Nothing that it prints has a token.
pub(crate) async fn finish(command: &mut Command) -> Ended {
    let output: Output = tokio::time::timeout(DEADLINE, command.output())
        .await
        .expect("the program ends")
        .expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("it prints text");
    let ended = Ended {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    };
    assert_tokenless(&ended.stdout);
    assert_tokenless(&ended.stderr);
    ended
}

pub(crate) fn assert_tokenless(text: &str) {
    let redactor = Redactor::default();
    for token in [TOKEN, WEAK, CORE] {
        redactor.learn(token);
    }
    assert!(!redactor.finds_secret(text), "a token stands in: {text}");
}

impl Ended {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!(
                "stdout is no JSON ({error}): {:?}; stderr: {}",
                self.stdout, self.stderr
            )
        })
    }

    /// It ended so, and said why in one sentence that has these words.
    pub(crate) fn assert_refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
        assert!(self.stderr.starts_with("error: "), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in {}", self.stderr);
        }
    }
}
