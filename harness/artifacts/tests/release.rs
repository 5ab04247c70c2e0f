//! Releases from a server on loopback: what is taken, and the sentence for each way it can go wrong.

mod support;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use harness_artifacts::{Options, Resolved, Resolver, Silent};
use harness_model::{Exit, Origin};
use support::{Place, Recorder, closed_port, release, serve, serve_raw, sha256, tool};

const PROGRAM: &[u8] = b"#!/bin/sh\necho tool v1\n";

async fn resolve(resolver: &Resolver) -> Result<Resolved, harness_artifacts::ArtifactError> {
    let mut parts = resolver.resolve_all(&[("tool", None)], &Silent).await?;
    Ok(parts.remove("tool").expect("what was asked for is in the answer"))
}

fn serving(path: &str, body: Vec<u8>) -> Router {
    Router::new().route(path, get(move || async move { body }))
}

#[tokio::test]
async fn a_locked_release_is_downloaded_once_and_then_cached_offline() {
    let base = serve(serving("/v1/tool", PROGRAM.to_vec())).await;
    let digest = sha256(PROGRAM);
    let place = Place::new(&tool(
        false,
        &release(&format!("{base}/{{version}}/tool"), None, Some(&digest)),
    ));

    let first = resolve(&place.resolver())
        .await
        .expect("the release has the recorded digest");
    let again = resolve(&place.offline()).await.expect("it is cached now");

    assert_eq!(
        first.part.origin,
        Origin::Release {
            url: format!("{base}/v1/tool"),
            sha256: digest
        }
    );
    assert_eq!((first.cached, again.cached), (false, true));
    assert_eq!(again.path, first.path);
    let mode = fs_err::metadata(&again.path)
        .expect("the program is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o755);
    assert!(place.leftovers().is_empty());
}

#[tokio::test]
async fn a_program_is_taken_out_of_its_archive() {
    let archive = archive_with("tool-v1/tool");
    let digest = sha256(&archive);
    let base = serve(serving("/tool.tar.gz", archive)).await;
    let url = format!("{base}/tool.tar.gz");
    let place = Place::new(&tool(
        false,
        &release(&url, Some("tool-{version}/tool"), Some(&digest)),
    ));

    let resolved = resolve(&place.resolver())
        .await
        .expect("the archive holds the program");

    assert_eq!(support::read(&resolved.path).as_bytes(), PROGRAM);
}

#[tokio::test]
async fn an_archive_without_the_program_is_refused() {
    let archive = archive_with("elsewhere/tool");
    let digest = sha256(&archive);
    let base = serve(serving("/tool.tar.gz", archive)).await;
    let url = format!("{base}/tool.tar.gz");
    let place = Place::new(&tool(
        true,
        &release(&url, Some("tool-{version}/tool"), Some(&digest)),
    ));

    let error = resolve(&place.resolver())
        .await
        .expect_err("the member is not there");

    assert_eq!(
        error.to_string(),
        format!(
            "tool v1 from {url} has no usable `tool-v1/tool` in it (it is not in the archive); correct `member` in kind/versions.toml"
        )
    );
}

#[tokio::test]
async fn a_wrong_digest_is_refused_even_where_go_could_build() {
    let base = serve(serving("/tool", PROGRAM.to_vec())).await;
    let expected = "0".repeat(64);
    let place = Place::new(&tool(
        true,
        &release(&format!("{base}/tool"), None, Some(&expected)),
    ))
    .with_go("echo built >\"$out\"");

    let error = resolve(&place.resolver()).await.expect_err("the digest differs");

    assert_eq!(
        error.to_string(),
        format!(
            "tool v1 from {base}/tool has the wrong SHA-256 (expected {expected}, got {}) and was thrown away; find out why the release changed before you change kind/versions.toml",
            sha256(PROGRAM)
        )
    );
    assert_eq!(error.exit(), Exit::Environment);
    assert_eq!(place.builds(), 0);
    assert!(!place.cache().join("parts").exists(), "nothing may look finished");
    assert!(place.leftovers().is_empty());
}

#[tokio::test]
async fn a_truncated_file_is_refused() {
    let base = serve_raw(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nonly this").await;
    let place = Place::new(&tool(
        false,
        &release(&format!("{base}/tool"), None, Some(&"0".repeat(64))),
    ));

    let error = resolve(&place.resolver()).await.expect_err("the body ends early");

    assert_eq!(
        error.to_string(),
        format!("the download of tool v1 from {base}/tool broke off after 9 of 1000 bytes; run again")
    );
    assert_eq!(error.exit(), Exit::Environment);
}

#[tokio::test]
async fn a_refusing_server_is_named_with_its_status() {
    for status in [
        StatusCode::FORBIDDEN,
        StatusCode::NOT_FOUND,
        StatusCode::BAD_GATEWAY,
    ] {
        let base = serve(Router::new().route("/tool", get(move || async move { status }))).await;
        let place = Place::new(&tool(
            false,
            &release(&format!("{base}/tool"), None, Some(&"0".repeat(64))),
        ));

        let error = resolve(&place.resolver()).await.expect_err("the server refuses");

        assert_eq!(
            error.to_string(),
            format!(
                "the download of tool v1 from {base}/tool was refused (HTTP status {status}); allow that address, or fill the cache on a machine that may reach it"
            )
        );
    }
}

#[tokio::test]
async fn a_refused_connection_is_named() {
    let base = closed_port().await;
    let place = Place::new(&tool(
        false,
        &release(&format!("{base}/tool"), None, Some(&"0".repeat(64))),
    ));

    let error = resolve(&place.resolver())
        .await
        .expect_err("nothing listens there");

    let text = error.to_string();
    assert!(
        text.starts_with(&format!("the download of tool v1 from {base}/tool was refused (")),
        "{text}"
    );
    assert!(text.contains("onnection refused"), "{text}");
    assert_eq!(error.exit(), Exit::Environment);
}

#[tokio::test]
async fn a_refused_download_falls_back_to_the_go_build_and_says_so() {
    let base = closed_port().await;
    let place = Place::new(&tool(
        true,
        &release(&format!("{base}/tool"), None, Some(&"0".repeat(64))),
    ))
    .with_go("echo built >\"$out\"");
    let recorder = Recorder::default();

    let parts = place
        .resolver()
        .resolve_all(&[("tool", None)], &recorder)
        .await
        .expect("Go builds it");

    assert_eq!(
        parts["tool"].part.origin,
        Origin::GoModule {
            module: "example.org/tool@v1".to_owned()
        }
    );
    let lines = recorder.lines();
    let note = lines
        .iter()
        .find(|line| line.starts_with("note "))
        .expect("the fallback must be told");
    let begin = format!("note tool v1 is built from its Go module, since {base}/tool was refused (");
    assert!(note.starts_with(&begin), "{note}");
}

#[tokio::test]
async fn neither_download_nor_go_is_one_sentence() {
    let base = closed_port().await;
    let place = Place::new(&tool(
        true,
        &release(&format!("{base}/tool"), None, Some(&"0".repeat(64))),
    ));

    let error = resolve(&place.resolver())
        .await
        .expect_err("there is no source left");

    let text = error.to_string();
    let begin = format!("tool v1 cannot be built: there is no `go` on PATH, and {base}/tool was refused (");
    assert!(text.starts_with(&begin), "{text}");
    assert!(
        text.ends_with("); install Go 1.25 or newer and run again"),
        "{text}"
    );
    assert_eq!(error.exit(), Exit::Environment);
}

#[tokio::test]
async fn an_unlocked_release_is_refused_until_it_is_locked() {
    let base = serve(serving("/tool", PROGRAM.to_vec())).await;
    let place = Place::new(&tool(false, &release(&format!("{base}/tool"), None, None)));

    let error = resolve(&place.resolver())
        .await
        .expect_err("no digest vouches for it");
    let offline = harness_artifacts::lock(&place.offline(), &[], "2026-11-24", &Silent).await;
    let locked = harness_artifacts::lock(&place.resolver(), &[], "2026-11-24", &Silent).await;

    assert_eq!(
        error.to_string(),
        format!(
            "tool v1 is unlocked: no SHA-256 is recorded for {base}/tool; record it with `cargo xtask artifacts lock tool`"
        )
    );
    assert!(
        offline
            .expect_err("locking needs the network")
            .to_string()
            .contains("--offline forbids")
    );
    let locked = locked.expect("the file can be downloaded");
    assert_eq!(locked[0].sha256, sha256(PROGRAM));
    let text = support::read(&place.kind().join("versions.toml"));
    assert!(
        text.contains(&format!("# computed from {base}/tool on 2026-11-24\n")),
        "{text}"
    );
    resolve(&place.resolver()).await.expect("it is locked now");
}

#[tokio::test]
async fn offline_a_locked_release_is_a_clear_refusal() {
    let place = Place::new(&tool(
        false,
        &release("http://127.0.0.1:9/tool", None, Some(&"0".repeat(64))),
    ));

    let error = resolve(&place.offline())
        .await
        .expect_err("it is not in the cache");

    assert_eq!(
        error.to_string(),
        "tool v1 is not in the cache and --offline forbids to fetch it (its release is http://127.0.0.1:9/tool); run once without --offline"
    );
    assert_eq!(error.exit(), Exit::Environment);
}

/// The disk is a tmpfs of 256 KiB in a user and mount namespace of its own: this test runs itself again inside it.
#[tokio::test]
async fn a_full_disk_is_one_sentence() {
    const INSIDE: &str = "HARNESS_ARTIFACTS_TEST_SMALL_DISK";
    if let Ok(disk) = std::env::var(INSIDE) {
        let base = serve(serving("/tool", vec![7; 1 << 20])).await;
        let place = Place::new(&tool(
            false,
            &release(&format!("{base}/tool"), None, Some(&"0".repeat(64))),
        ));
        let cache_dir = Some(disk.clone().into());
        let resolver = Resolver::open(Options {
            cache_dir,
            ..place.options()
        })
        .expect("the pins are readable");

        let error = resolve(&resolver)
            .await
            .expect_err("1 MiB does not fit into 256 KiB");

        let text = error.to_string();
        assert!(
            text.starts_with(&format!("no space is left for tool v1 while writing {disk}/tmp/")),
            "{text}"
        );
        assert!(
            text.ends_with("; free some, or set GHES_HARNESS_CACHE to a larger disk"),
            "{text}"
        );
        assert_eq!(error.exit(), Exit::Environment);
        return;
    }
    let disk = camino_tempfile::tempdir().expect("a temporary folder");

    let output = tokio::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .arg("mount -t tmpfs -o size=256k small \"$0\" && exec \"$@\"")
        .arg(disk.path())
        .arg(std::env::current_exe().expect("a test has a path"))
        .args(["--exact", "a_full_disk_is_one_sentence"])
        .env(INSIDE, disk.path())
        .output()
        .await
        .expect("util-linux is there");

    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("1 passed"), "{text}");
}

fn archive_with(member: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    let mut header = tar::Header::new_gnu();
    header.set_size(PROGRAM.len() as u64);
    header.set_mode(0o644);
    archive
        .append_data(&mut header, "README", PROGRAM)
        .expect("memory has room");
    archive
        .append_data(&mut header, member, PROGRAM)
        .expect("memory has room");
    let mut gzip = archive.into_inner().expect("memory has room");
    gzip.flush().expect("memory has room");
    gzip.finish().expect("memory has room")
}
