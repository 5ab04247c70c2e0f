//! Downloads a release, refuses every file but the recorded one, and takes the program or the chart out of it.
//!
//! One attempt: where a part can also be built, the resolver goes on with that.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use futures::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;

use crate::digest::Hasher;
use crate::error::innermost;
use crate::{ArtifactError, ChartPin, Pin, Platform, chart, image};

/// To reach a server at all.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);
/// Without a single byte.
pub(crate) const STALLED: Duration = Duration::from_secs(30);

/// A downloaded file, or what was taken from an image.
#[derive(Debug)]
pub(crate) struct Download {
    /// Empty if only a digest was asked for.
    pub(crate) path: Utf8PathBuf,
    pub(crate) url: String,
    pub(crate) sha256: String,
    /// In bytes.
    pub(crate) size: u64,
}

/// The digest of the release of `pin`, whatever it is: of the file, downloaded into `into`, or of the image's manifest.
pub(crate) async fn digest(
    pin: &Pin,
    platform: Platform,
    into: &Utf8Path,
    detail: &watch::Sender<String>,
) -> Result<Download, ArtifactError> {
    if pin.is_image() {
        image::manifest(pin, platform, detail).await
    } else {
        download(pin, platform, into, detail).await
    }
}

async fn download(
    pin: &Pin,
    platform: Platform,
    into: &Utf8Path,
    detail: &watch::Sender<String>,
) -> Result<Download, ArtifactError> {
    let part = pin.label();
    let url = pin
        .release_url(platform)
        .expect("only called for parts with a release");
    let refused = |cause: String| ArtifactError::Refused {
        part: part.clone(),
        url: url.clone(),
        cause,
    };
    let path = into.join(format!("{}.download", pin.name));
    let failed = |e: &io::Error| ArtifactError::file(&part, "write", &path, e);

    detail.send_replace(format!("asking {url}"));
    let client = reqwest::Client::builder()
        .user_agent("ghes-harness")
        .connect_timeout(CONNECT)
        .read_timeout(STALLED)
        .build()
        .map_err(|e| refused(innermost(&e)))?;
    let response = client
        .get(&url)
        .send()
        .await
        .map_err(|e| refused(innermost(&e)))?;
    if !response.status().is_success() {
        return Err(refused(format!("HTTP status {}", response.status())));
    }
    let announced = response.content_length();

    let mut file = fs::tokio::File::create(&path).await.map_err(|e| failed(&e))?;
    let mut hasher = Hasher::new();
    let mut size = 0_u64;
    let mut body = response.bytes_stream();
    while let Some(chunk) = body.next().await {
        let chunk = match (chunk, announced) {
            (Ok(chunk), _) => chunk,
            (Err(e), Some(expected)) if size < expected && !e.is_timeout() => {
                return Err(ArtifactError::Truncated {
                    part,
                    url,
                    expected,
                    got: size,
                });
            }
            (Err(e), _) => return Err(refused(format!("after {size} bytes: {}", innermost(&e)))),
        };
        hasher.update(&chunk);
        size += chunk.len() as u64;
        file.write_all(&chunk).await.map_err(|e| failed(&e))?;
        detail.send_replace(match announced {
            Some(expected) => format!("{} of {} MB", size >> 20, expected >> 20),
            None => format!("{} MB", size >> 20),
        });
    }
    file.flush().await.map_err(|e| failed(&e))?;
    Ok(Download {
        path,
        url,
        sha256: hasher.hex(),
        size,
    })
}

/// Downloads the release of `pin`, checks it against the recorded digest and leaves the part in `into`: an executable program,
/// or a chart's folder.
pub(crate) async fn part(
    pin: &Pin,
    platform: Platform,
    into: &Utf8Path,
    detail: &watch::Sender<String>,
) -> Result<(Utf8PathBuf, Download), ArtifactError> {
    let program = into.join(&pin.name);
    if pin.is_image() {
        let taken = image::program(pin, platform, into, &program, detail).await?;
        make_executable(&pin.label(), &program)?;
        return Ok((program, taken));
    }
    let expected = pin
        .release_digest(platform)
        .expect("only called for locked parts")
        .to_owned();
    let download = download(pin, platform, into, detail).await?;
    if download.sha256 != expected {
        let (part, url) = (pin.label(), download.url);
        return Err(ArtifactError::WrongDigest {
            part,
            url,
            expected,
            got: download.sha256,
        });
    }
    let (label, member, chart) = (pin.label(), pin.release_member(platform), pin.chart.clone());
    let unpack = {
        let (archive, url) = (download.path.clone(), download.url.clone());
        move || match chart {
            Some(chart) => place_chart(&label, &url, &archive, &chart, &program),
            None => place(&label, &url, &archive, member.as_deref(), &program).map(|()| program),
        }
    };
    let made = tokio::task::spawn_blocking(unpack)
        .await
        .expect("unpacking does not panic")?;
    Ok((made, download))
}

/// The chart of an archive as Helm packages it, assembled below `into`.
fn place_chart(
    part: &str,
    url: &str,
    archive: &Utf8Path,
    chart: &ChartPin,
    into: &Utf8Path,
) -> Result<Utf8PathBuf, ArtifactError> {
    let unpacked = into.join("unpacked");
    let file = fs::File::open(archive).map_err(|e| ArtifactError::file(part, "read", archive, &e))?;
    // `unpack` refuses paths that lead out of the folder.
    tar::Archive::new(flate2::read::GzDecoder::new(file))
        .unpack(&unpacked)
        .map_err(|e| ArtifactError::Archive {
            part: part.to_owned(),
            url: url.to_owned(),
            member: chart.folder.to_string(),
            cause: innermost(&e),
        })?;
    chart::assemble(part, chart, &unpacked, into)
}

fn place(
    part: &str,
    url: &str,
    downloaded: &Utf8Path,
    member: Option<&str>,
    program: &Utf8Path,
) -> Result<(), ArtifactError> {
    let failed = |e: &io::Error| ArtifactError::file(part, "write", program, e);
    match member {
        None => fs::rename(downloaded, program).map_err(|e| failed(&e))?,
        Some(member) => {
            let unusable = |cause: String| ArtifactError::Archive {
                part: part.to_owned(),
                url: url.to_owned(),
                member: member.to_owned(),
                cause,
            };
            let file = fs::File::open(downloaded).map_err(|e| failed(&e))?;
            let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
            let entries = archive.entries().map_err(|e| unusable(innermost(&e)))?;
            let mut found = None;
            for entry in entries {
                let entry = entry.map_err(|e| unusable(innermost(&e)))?;
                if entry.path().is_ok_and(|path| path.as_os_str() == member) {
                    found = Some(entry);
                    break;
                }
            }
            let mut entry = found.ok_or_else(|| unusable("it is not in the archive".to_owned()))?;
            let mut out = fs::File::create(program).map_err(|e| failed(&e))?;
            io::copy(&mut entry, &mut out).map_err(|e| failed(&e))?;
        }
    }
    make_executable(part, program)
}

fn make_executable(part: &str, program: &Utf8Path) -> Result<(), ArtifactError> {
    fs::set_permissions(program, std::fs::Permissions::from_mode(0o755))
        .map_err(|e| ArtifactError::file(part, "make executable", program, &e))
}
