//! Which engine answers, told from what its client says. With a real engine: `live_engine.rs`.
//!
//! Scripts stand in for clients of engines that this machine does not have.

use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use camino_tempfile::Utf8TempDir;
use harness_images::{Engine, ImageError};
use harness_model::Exit;

/// A client that answers `docker --version`, `docker version …` and `docker info …` so.
fn client(folder: &Utf8Path, name: &str, server: &str, info: &str) -> Utf8PathBuf {
    let path = folder.join("docker");
    let script =
        format!("#!/bin/sh\ncase $1 in --version) {name};; version) {server};; info) {info};; esac\n");
    fs_err::write(&path, script).expect("the folder is ours");
    fs_err::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("the file is ours");
    path
}

const DOCKER: &str = "echo Docker version 28.2.2";
const SERVER: &str = r#"echo '{"Version":"28.2.2","Components":[{"Name":"Engine"}]}'"#;
const ROOTFUL: &str = r#"echo '["name=seccomp,profile=default"]'"#;

#[tokio::test]
async fn an_engine_that_will_not_do_is_named_with_an_offer_of_local() {
    let cases = [
        (
            "echo podman version 4.3.1",
            SERVER,
            ROOTFUL,
            "podman version 4.3.1 is no engine for these images",
        ),
        (
            DOCKER,
            r#"echo '{"Version":"4.3.1","Components":[{"Name":"Podman Engine"}]}'"#,
            ROOTFUL,
            "podman 4.3.1 is no engine for these images",
        ),
        (
            DOCKER,
            SERVER,
            r#"echo '["name=seccomp","name=rootless"]'"#,
            "Docker 28.2.2 in rootless mode is no engine for these images",
        ),
        (
            DOCKER,
            "echo null; echo warning >&2; echo 'Cannot connect to the Docker daemon' >&2; exit 1",
            ROOTFUL,
            "no Docker engine answers here (Cannot connect to the Docker daemon)",
        ),
    ];

    for (name, server, info, words) in cases {
        let folder = Utf8TempDir::new().expect("a temporary folder");
        let client = client(folder.path(), name, server, info);

        let error = Engine::find_by(client.as_str())
            .await
            .expect_err("it is no Docker engine that runs as root");

        let sentence = error.to_string();
        assert!(sentence.starts_with(words), "{sentence}");
        assert!(sentence.contains("`--cluster local`"), "{sentence}");
        assert_eq!(error.exit(), Exit::Environment);
    }
}

#[tokio::test]
async fn a_docker_engine_that_runs_as_root_is_taken() {
    let folder = Utf8TempDir::new().expect("a temporary folder");
    let client = client(folder.path(), DOCKER, SERVER, ROOTFUL);

    let engine = Engine::find_by(client.as_str()).await.expect("it is one");

    assert_eq!(engine.version(), "28.2.2");
}

#[tokio::test]
async fn no_client_is_no_engine() {
    let error = Engine::find_by("/nowhere/docker")
        .await
        .expect_err("there is no such program");

    assert!(matches!(error, ImageError::NoEngine { .. }), "{error}");
}
