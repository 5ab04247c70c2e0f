//! Programs out of images, and charts out of archives, from servers on loopback that speak the registry's protocol (OCI
//! distribution specification): what is taken, and the sentence for each way it can go wrong.

mod support;

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use harness_artifacts::{ArtifactError, Platform, Resolved, Silent};
use harness_model::{Exit, Origin};
use serde_json::{Value, json};
use support::{Place, closed_port, serve, sha256};

const PROGRAM: &[u8] = b"#!/bin/sh\necho tool v1\n";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A registry with one repository `tool`, by digest; the tag `v1` is an index.
#[derive(Default)]
struct Registry {
    blobs: HashMap<String, Vec<u8>>,
    manifests: HashMap<String, (&'static str, Vec<u8>)>,
}

impl Registry {
    /// The image `tool:v1` for this machine and for another, each of two layers; returns the digest of ours.
    fn with_tool() -> (Self, String) {
        let mut registry = Registry::default();
        let base = registry.blob(layer("tool", b"of the base image"));
        let ours = registry.blob(layer("tool", PROGRAM));
        let other = registry.blob(layer("tool", b"for another machine"));
        let ours = registry.manifest(MANIFEST, &image(&[&base, &ours]));
        let other = registry.manifest(MANIFEST, &image(&[&base, &other]));
        let platform = Platform::host();
        let entry = |(digest, size): &(String, usize), os: &str, arch: &str| json!({ "mediaType": MANIFEST, "digest": digest, "size": size, "platform": { "os": os, "architecture": arch } });
        let entries = [
            entry(&other, "linux", "s390x"),
            entry(&ours, platform.os, platform.arch),
        ];
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
        let (digest, _) = registry.manifest(INDEX, &index);
        let tagged = registry.manifests[&digest].clone();
        registry.manifests.insert("v1".to_owned(), tagged);
        (registry, ours.0.trim_start_matches("sha256:").to_owned())
    }

    fn blob(&mut self, bytes: Vec<u8>) -> Value {
        let digest = format!("sha256:{}", sha256(&bytes));
        let size = bytes.len();
        self.blobs.insert(digest.clone(), bytes);
        json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest, "size": size })
    }

    fn manifest(&mut self, kind: &'static str, content: &Value) -> (String, usize) {
        let bytes = content.to_string().into_bytes();
        let digest = format!("sha256:{}", sha256(&bytes));
        let size = bytes.len();
        self.manifests.insert(digest.clone(), (kind, bytes));
        (digest, size)
    }

    /// Serves it; returns the address of the image `tool` there, with its tag to fill in.
    async fn serve(self) -> String {
        let routes = Router::new()
            .route("/v2/", get(|| async { StatusCode::OK }))
            .route("/v2/tool/manifests/{reference}", get(manifest))
            .route("/v2/tool/blobs/{digest}", get(blob))
            .with_state(Arc::new(self));
        let base = serve(routes).await;
        format!("{}/tool:{{version}}", base.replace("http://", "oci://"))
    }
}

async fn manifest(State(registry): State<Arc<Registry>>, Path(reference): Path<String>) -> Response {
    match registry.manifests.get(&reference) {
        Some((kind, bytes)) => ([(header::CONTENT_TYPE, *kind)], bytes.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn blob(State(registry): State<Arc<Registry>>, Path(digest): Path<String>) -> Response {
    match registry.blobs.get(&digest) {
        Some(bytes) => bytes.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn image(layers: &[&Value]) -> Value {
    let config = json!({ "mediaType": "application/vnd.oci.image.config.v1+json", "digest": format!("sha256:{}", sha256(b"{}")), "size": 2 });
    json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers })
}

/// A compressed layer with one file.
fn layer(name: &str, content: &[u8]) -> Vec<u8> {
    archive(&[(name, content)])
}

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut head = tar::Header::new_gnu();
        head.set_size(content.len() as u64);
        head.set_mode(0o755);
        builder
            .append_data(&mut head, name, *content)
            .expect("a tar in memory");
    }
    let tar = builder.into_inner().expect("a tar in memory");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).expect("a gzip in memory");
    gzip.finish().expect("a gzip in memory")
}

/// Pins of the program `tool`: v1 from an image, v0 from a Go module.
fn pins(url: &str, sha256: Option<&str>) -> String {
    let image = support::release(url, Some("tool"), sha256);
    support::tool(true, "").replace("version = \"v1\"\ndefault", "version = \"v0\"\ndefault")
        + "\n[[part]]\nname = \"tool\"\nversion = \"v1\"\nkind = \"program\"\n"
        + &image
}

async fn resolve(place: &Place) -> Result<Resolved, ArtifactError> {
    let mut parts = place
        .resolver()
        .resolve_all(&[("tool", Some("v1"))], &Silent)
        .await?;
    Ok(parts.remove("tool").expect("what was asked for is in the answer"))
}

#[tokio::test]
async fn a_program_is_taken_out_of_the_image_with_the_recorded_digest() {
    let (registry, digest) = Registry::with_tool();
    let url = registry.serve().await;
    let place = Place::new(&pins(&url, Some(&digest)));

    let resolved = resolve(&place).await.expect("the image has the recorded digest");

    assert_eq!(support::read(&resolved.path).as_bytes(), PROGRAM);
    assert_eq!(
        resolved.part.origin,
        Origin::Release {
            url: url.replace("{version}", "v1"),
            sha256: digest
        }
    );
    assert!(place.leftovers().is_empty());
}

#[tokio::test]
async fn locking_records_the_digest_of_this_platforms_manifest() {
    let (registry, digest) = Registry::with_tool();
    let url = registry.serve().await;
    let place = Place::new(&pins(&url, None));

    let unlocked = resolve(&place).await.expect_err("no digest vouches for it");
    let names = ["tool@v1".to_owned()];
    let locked = harness_artifacts::lock(&place.resolver(), &names, "2026-11-25", &Silent)
        .await
        .expect("the registry answers");

    let image = url.replace("{version}", "v1");
    assert_eq!(
        unlocked.to_string(),
        format!(
            "tool v1 is unlocked: no SHA-256 is recorded for {image}; record it with `cargo xtask artifacts lock tool@v1`; what can be \
             had: v0"
        )
    );
    assert_eq!(locked[0].sha256, digest);
    resolve(&place).await.expect("it is locked now");
}

#[tokio::test]
async fn another_image_than_the_recorded_one_is_refused() {
    let (mut registry, digest) = Registry::with_tool();
    let recorded = format!("sha256:{digest}");
    let mut changed = registry.manifests[&recorded].clone();
    changed.1.push(b'\n');
    let got = sha256(&changed.1);
    registry.manifests.insert(recorded, changed);
    let url = registry.serve().await;
    let place = Place::new(&pins(&url, Some(&digest)));

    let error = resolve(&place)
        .await
        .expect_err("the manifest is not the recorded one");

    assert_eq!(
        error.to_string(),
        format!(
            "tool v1 from {} has the wrong SHA-256 (expected {digest}, got {got}) and was thrown away; find out why the release changed \
             before you change kind/versions.toml",
            url.replace("{version}", "v1")
        )
    );
}

#[tokio::test]
async fn a_layer_that_is_not_what_the_manifest_names_is_refused() {
    let (mut registry, digest) = Registry::with_tool();
    for bytes in registry.blobs.values_mut() {
        bytes.push(0);
    }
    let place = Place::new(&pins(&registry.serve().await, Some(&digest)));

    let error = resolve(&place).await.expect_err("no layer is what it should be");

    assert!(matches!(error, ArtifactError::WrongDigest { .. }), "{error}");
    assert!(!place.cache().join("parts").exists(), "nothing may look finished");
}

#[tokio::test]
async fn an_image_without_the_program_is_refused() {
    let mut registry = Registry::default();
    let only = registry.blob(layer("elsewhere", PROGRAM));
    let (digest, _) = registry.manifest(MANIFEST, &image(&[&only]));
    let url = registry.serve().await;
    let place = Place::new(&pins(&url, Some(digest.trim_start_matches("sha256:"))));

    let error = resolve(&place).await.expect_err("the program is not there");

    assert_eq!(
        error.to_string(),
        format!(
            "tool v1 from {} has no usable `tool` in it (it is in no layer of the image); correct `member` in kind/versions.toml",
            url.replace("{version}", "v1")
        )
    );
}

#[tokio::test]
async fn where_no_registry_answers_the_sentence_ends_with_what_can_be_had() {
    let closed = closed_port().await.replace("http://", "oci://");
    let place = Place::new(&pins(
        &format!("{closed}/tool:{{version}}"),
        Some(&"0".repeat(64)),
    ));

    let error = resolve(&place).await.expect_err("nothing listens there");

    let text = error.to_string();
    assert!(
        text.starts_with(&format!(
            "the download of tool v1 from {closed}/tool:v1 was refused ("
        )),
        "{text}"
    );
    assert!(text.ends_with("; what can be had: v0"), "{text}");
    assert_eq!(error.exit(), Exit::Environment);
}

#[tokio::test]
async fn a_chart_is_taken_out_of_its_released_archive() {
    let archive = archive(&[
        (
            "tool/Chart.yaml",
            b"name: tool\nversion: 0.2.0\nappVersion: 0.1.0\n",
        ),
        ("tool/templates/role.yaml", b"{{ .Values.a }}\n"),
    ]);
    let digest = sha256(&archive);
    let base = serve(Router::new().route("/tool.tgz", get(move || async move { archive }))).await;
    let part = "[[part]]\nname = \"tool\"\nversion = \"v1\"\ndefault = true\nkind = \"chart\"\n\n[part.chart]\nfolder = \"tool\"\n\
                version = \"0.2.0\"\napp_version = \"0.1.0\"\n";
    let place =
        Place::new(&(part.to_owned() + &support::release(&format!("{base}/tool.tgz"), None, Some(&digest))));

    let resolved = resolve(&place).await.expect("the archive holds the chart");

    assert_eq!(resolved.part.version, "0.2.0");
    assert_eq!(
        support::read(&resolved.path.join("templates/role.yaml")),
        "{{ .Values.a }}\n"
    );
}
