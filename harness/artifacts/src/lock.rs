//! Records the digest of a release, computed from the downloaded file, in `kind/versions.toml`.
//!
//! Trust on first use, and said so: a comment names the address and the day. The file keeps its order and its comments.

use camino::Utf8Path;
use toml_edit::{DocumentMut, Item, Table, value};

use crate::pins::FILE;
use crate::progress::{Plan, watched};
use crate::{ArtifactError, Pin, Progress, Resolver, Source, release};

/// A recorded digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    /// Name and version.
    pub part: String,
    /// Where the file came from.
    pub url: String,
    /// Hex SHA-256 of the file.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
}

/// Downloads the releases of `names` (of all parts, if empty) that have no digest for this platform yet, and records it.
///
/// A name is `etcd`, for its default version, or `etcd@v3.6.13`. Of an image only the manifest is asked for.
///
/// Each digest is written as soon as it is known. `today` stands in its comment, for example `2026-11-24`.
///
/// # Errors
/// [`ArtifactError::Offline`] if the network is forbidden, [`ArtifactError::NoRelease`] for a part that has none, and
/// those of a download. What was recorded before stays.
pub async fn lock(
    resolver: &Resolver,
    names: &[String],
    today: &str,
    progress: &dyn Progress,
) -> Result<Vec<Locked>, ArtifactError> {
    let unlocked = unlocked(resolver, names)?;
    if let Some(pin) = unlocked.first().filter(|_| resolver.offline) {
        let url = pin.release_url(resolver.platform).unwrap_or_default();
        return Err(ArtifactError::Offline {
            part: pin.label(),
            cause: format!("its digest is computed from {url}"),
        });
    }
    let plan = Plan::new(unlocked.iter().map(|pin| pin.label()).collect(), 0, progress);
    let mut locked = Vec::new();
    for (index, pin) in unlocked.iter().enumerate() {
        let (detail, seen) = tokio::sync::watch::channel(String::new());
        let work = async {
            let workspace = resolver.cache.workspace("lock", &pin.label(), || ()).await?;
            release::digest(pin, resolver.platform, workspace.path(), &detail).await
        };
        let file = watched(&plan.step(index), progress, seen, work).await?;
        record(
            &resolver.kind_dir,
            pin,
            &resolver.platform.to_string(),
            &file.url,
            &file.sha256,
            today,
        )?;
        locked.push(Locked {
            part: pin.label(),
            url: file.url,
            sha256: file.sha256,
            size: file.size,
        });
    }
    Ok(locked)
}

fn unlocked<'a>(resolver: &'a Resolver, names: &[String]) -> Result<Vec<&'a Pin>, ArtifactError> {
    let pins = &resolver.pins;
    let mut asked = Vec::new();
    for name in names {
        let pin = match name.split_once('@') {
            Some((name, version)) => pins.select(name, Some(version))?,
            None => pins.select(name, None)?,
        };
        asked.push(pin.label());
        if pin.release.is_none() {
            let module = pin
                .source
                .as_ref()
                .map(Source::module)
                .unwrap_or_default()
                .to_owned();
            return Err(ArtifactError::NoRelease {
                part: pin.label(),
                module: format!("Go module {module}"),
            });
        }
    }
    let asked = |pin: &&Pin| names.is_empty() || asked.contains(&pin.label());
    let open = |pin: &&Pin| pin.release.is_some() && pin.release_digest(resolver.platform).is_none();
    Ok(pins.parts.iter().filter(asked).filter(open).collect())
}

fn record(
    kind_dir: &Utf8Path,
    pin: &Pin,
    platform: &str,
    url: &str,
    sha256: &str,
    today: &str,
) -> Result<(), ArtifactError> {
    let path = kind_dir.join(FILE);
    let unusable = |reason: &str| ArtifactError::Pins {
        path: path.to_string(),
        reason: reason.to_owned(),
    };
    let failed = |e: &std::io::Error| ArtifactError::file(&pin.label(), "write", &path, e);

    let text = fs_err::read_to_string(&path).map_err(|e| failed(&e))?;
    let text = with_digest(
        &text,
        pin,
        platform,
        sha256,
        &format!("computed from {url} on {today}"),
    )
    .map_err(|reason| unusable(&reason))?;
    // Beside the file and renamed: an interrupted write must not cost the pins.
    let mut beside = camino_tempfile::NamedUtf8TempFile::new_in(kind_dir).map_err(|e| failed(&e))?;
    let mode = fs_err::metadata(&path).map_err(|e| failed(&e))?.permissions();
    std::io::Write::write_all(&mut beside, text.as_bytes()).map_err(|e| failed(&e))?;
    beside.as_file().set_permissions(mode).map_err(|e| failed(&e))?;
    beside.as_file().sync_all().map_err(|e| failed(&e))?;
    beside.persist(&path).map_err(|e| failed(&e.error))?;
    Ok(())
}

/// The text with one more digest under `[part.release.sha256]`, and a comment above it.
fn with_digest(text: &str, pin: &Pin, platform: &str, sha256: &str, comment: &str) -> Result<String, String> {
    let mut document: DocumentMut = text
        .parse()
        .map_err(|e: toml_edit::TomlError| e.message().to_owned())?;
    let parts = document.get_mut("part").and_then(Item::as_array_of_tables_mut);
    let is_it = |part: &&mut Table| {
        let field = |name| part.get(name).and_then(Item::as_str);
        field("name") == Some(&pin.name) && field("version") == Some(&pin.version)
    };
    let part = parts.and_then(|parts| parts.iter_mut().find(is_it));
    let release = part
        .and_then(|part| part.get_mut("release"))
        .and_then(Item::as_table_mut);
    let release = release.ok_or_else(|| format!("{} has no table [part.release] any more", pin.label()))?;
    let digests = release
        .entry("sha256")
        .or_insert_with(|| Item::Table(Table::new()));
    let digests = digests
        .as_table_mut()
        .ok_or_else(|| format!("sha256 of {} is not a table", pin.label()))?;
    digests.insert(platform, value(sha256));
    if let Some(mut key) = digests.key_mut(platform) {
        key.leaf_decor_mut().set_prefix(format!("# {comment}\n"));
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_digest_leaves_the_rest_of_the_file_as_it_was() {
        let text = "# Head.\n\n[[part]] # first\nname = \"a\"\nversion = \"1\"\ndefault = true\nkind = \"program\"\n\n\
                    [part.release]\nurl = \"http://127.0.0.1/a\"\n\n# Second.\n[[part]]\nname = \"b\"\n";
        let pin = Pin {
            name: "a".into(),
            version: "1".into(),
            default: true,
            chart: None,
            source: None,
            release: None,
        };

        let edited = with_digest(
            text,
            &pin,
            "linux-amd64",
            &"0".repeat(64),
            "computed from there on that day",
        );

        let expected = text.replace(
            "/a\"\n\n",
            &format!(
                "/a\"\n\n[part.release.sha256]\n# computed from there on that day\nlinux-amd64 = \"{}\"\n\n",
                "0".repeat(64)
            ),
        );
        assert_eq!(edited.expect("the part is there"), expected);
    }
}
