//! Takes a program out of a container image of a registry: for versions that upstream releases as images only.
//!
//! An image's digest is that of its manifest for one platform; the manifest names its layers by digest, so that one recorded
//! SHA-256 vouches for every byte (OCI image specification, "Content Descriptors"). What it is not: a container runtime;
//! nothing is run, and no file of an image is used but the one that the pin names.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::{DigestError, OciDistributionError};
use oci_client::manifest::{ImageIndexEntry, OciDescriptor, OciImageManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use tokio::sync::watch;

use crate::error::innermost;
use crate::release::{CONNECT, Download, STALLED};
use crate::{ArtifactError, Pin, Platform};

/// What the address of an image begins with in `kind/versions.toml`, as Helm and other tools write it.
pub(crate) const SCHEME: &str = "oci://";

/// An image of a registry: who asks for it, and by what name.
struct Image<'a> {
    part: &'a str,
    /// With [`SCHEME`].
    url: &'a str,
    reference: Reference,
    client: Client,
}

/// Asks the registry for the manifest of the image's tag for `platform`: its digest, and the bytes of its layers.
pub(crate) async fn manifest(
    pin: &Pin,
    platform: Platform,
    detail: &watch::Sender<String>,
) -> Result<Download, ArtifactError> {
    let (part, url) = (pin.label(), address(pin, platform));
    let image = Image::open(&part, &url, None, platform)?;
    detail.send_replace(format!("asking {url}"));
    let (manifest, digest) = image.manifest().await?;
    let size = manifest.layers.iter().map(size).sum();
    Ok(Download {
        path: Utf8PathBuf::new(),
        sha256: digest.trim_start_matches("sha256:").to_owned(),
        size,
        url,
    })
}

/// Leaves the pin's program in the folder `into` as `program`, taken from the image with the recorded digest.
///
/// Of several layers that have the file the last one counts. Layers are asked for from the last on, since the program
/// usually lies there.
pub(crate) async fn program(
    pin: &Pin,
    platform: Platform,
    into: &Utf8Path,
    program: &Utf8Path,
    detail: &watch::Sender<String>,
) -> Result<Download, ArtifactError> {
    let (part, url) = (pin.label(), address(pin, platform));
    let digest = pin
        .release_digest(platform)
        .expect("only called for locked parts");
    let member = pin
        .release_member(platform)
        .expect("checked when the pins were read");
    let image = Image::open(&part, &url, Some(digest), platform)?;
    detail.send_replace(format!("asking {url}"));
    let (manifest, _) = image.manifest().await?;

    let mut transferred = 0;
    for (index, layer) in manifest.layers.iter().enumerate().rev() {
        let path = into.join(format!("{}.layer-{index}", pin.name));
        detail.send_replace(format!(
            "layer {} of {}, {} MB",
            index + 1,
            manifest.layers.len(),
            size(layer) >> 20
        ));
        image.layer(layer, &path).await?;
        transferred += size(layer);
        let take = {
            let (path, member, program) = (path.clone(), member.clone(), program.to_owned());
            move || take_out(&path, &member, &program)
        };
        let found = tokio::task::spawn_blocking(take)
            .await
            .expect("unpacking does not panic");
        let found = found.map_err(|e| image.unusable(&member, &innermost(&e)))?;
        fs::remove_file(&path).map_err(|e| ArtifactError::file(&part, "remove", &path, &e))?;
        if found {
            return Ok(Download {
                path: program.to_owned(),
                sha256: digest.to_owned(),
                size: transferred,
                url,
            });
        }
    }
    Err(image.unusable(&member, "it is in no layer of the image"))
}

impl<'a> Image<'a> {
    /// Without a digest, the image that the tag means today.
    fn open(
        part: &'a str,
        url: &'a str,
        digest: Option<&str>,
        platform: Platform,
    ) -> Result<Self, ArtifactError> {
        let name = url.strip_prefix(SCHEME).unwrap_or(url);
        let reference: Reference =
            name.parse()
                .map_err(|e: oci_client::ParseError| ArtifactError::Refused {
                    part: part.to_owned(),
                    url: url.to_owned(),
                    cause: format!("it is not the name of an image: {e}"),
                })?;
        let reference = match digest {
            Some(digest) => reference.clone_with_digest(format!("sha256:{digest}")),
            None => reference,
        };
        // As Docker does it: a registry on this machine's loopback needs no TLS, every other one does.
        let registry = reference.resolve_registry().to_owned();
        let protocol = if is_loopback(&registry) {
            ClientProtocol::HttpsExcept(vec![registry])
        } else {
            ClientProtocol::Https
        };
        let client = Client::new(ClientConfig {
            protocol,
            platform_resolver: Some(Box::new(move |entries| of_platform(entries, platform))),
            connect_timeout: Some(CONNECT),
            read_timeout: Some(STALLED),
            user_agent: "ghes-harness",
            ..ClientConfig::default()
        });
        Ok(Image {
            part,
            url,
            reference,
            client,
        })
    }

    async fn manifest(&self) -> Result<(OciImageManifest, String), ArtifactError> {
        let asked = self
            .client
            .pull_image_manifest(&self.reference, &RegistryAuth::Anonymous);
        asked.await.map_err(|e| self.refused(&e))
    }

    async fn layer(&self, layer: &OciDescriptor, into: &Utf8Path) -> Result<(), ArtifactError> {
        let failed = |e: &io::Error| ArtifactError::file(self.part, "write", into, e);
        let file = fs::tokio::File::create(into).await.map_err(|e| failed(&e))?;
        match self.client.pull_blob(&self.reference, layer, file).await {
            Ok(()) => Ok(()),
            Err(OciDistributionError::IoError(e)) => Err(failed(&e)),
            Err(e) => Err(self.refused(&e)),
        }
    }

    fn refused(&self, error: &OciDistributionError) -> ArtifactError {
        let (part, url) = (self.part.to_owned(), self.url.to_owned());
        match error {
            OciDistributionError::DigestError(DigestError::VerificationError { expected, actual }) => {
                ArtifactError::WrongDigest {
                    part,
                    url,
                    expected: expected.trim_start_matches("sha256:").to_owned(),
                    got: actual.trim_start_matches("sha256:").to_owned(),
                }
            }
            other => ArtifactError::Refused {
                part,
                url,
                cause: innermost(other),
            },
        }
    }

    fn unusable(&self, member: &str, cause: &str) -> ArtifactError {
        ArtifactError::Archive {
            part: self.part.to_owned(),
            url: self.url.to_owned(),
            member: member.to_owned(),
            cause: cause.to_owned(),
        }
    }
}

fn address(pin: &Pin, platform: Platform) -> String {
    pin.release_url(platform)
        .expect("only called for parts with a release")
}

/// In bytes.
fn size(layer: &OciDescriptor) -> u64 {
    u64::try_from(layer.size).unwrap_or_default()
}

fn is_loopback(registry: &str) -> bool {
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// The digest of the entry for `platform`.
fn of_platform(entries: &[ImageIndexEntry], platform: Platform) -> Option<String> {
    let entry = entries.iter().find(|entry| {
        entry.platform.as_ref().is_some_and(|of| {
            of.os.to_string() == platform.os && of.architecture.to_string() == platform.arch
        })
    });
    entry.map(|entry| entry.digest.clone())
}

/// Whether the layer has the file; if so it is in `program` then. Blocks.
fn take_out(layer: &Utf8Path, member: &str, program: &Utf8Path) -> io::Result<bool> {
    // Gzip or none: what Docker and BuildKit write unless told otherwise. The first two bytes tell (RFC 1952, 2.3.1).
    let mut file = fs::File::open(layer)?;
    let mut magic = [0; 2];
    let read = io::Read::read(&mut file, &mut magic)?;
    io::Seek::rewind(&mut file)?;
    let content: Box<dyn io::Read> = if magic[..read] == [0x1f, 0x8b] {
        Box::new(flate2::read::MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    for entry in tar::Archive::new(content).entries()? {
        let mut entry = entry?;
        let is_it = entry.header().entry_type().is_file()
            && entry
                .path()?
                .to_str()
                .is_some_and(|path| path.trim_start_matches("./").trim_start_matches('/') == member);
        if is_it {
            let mut out = fs::File::create(program)?;
            io::copy(&mut entry, &mut out)?;
            return Ok(true);
        }
    }
    Ok(false)
}
