//! The files of Secret, ConfigMap, downward API and projected volumes: what they hold, and how they are put in place at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Permissions;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{PermissionsExt, symlink};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    ConfigMapProjection, DownwardAPIVolumeFile, KeyToPath, Pod, ProjectedVolumeSource, SecretProjection,
    Volume,
};

use crate::downward;
use crate::objects::{Kind, Objects, Wanted};

const DEFAULT_MODE: i32 = 0o644;
/// The link that is swapped; as a kubelet names it.
const DATA: &str = "..data";

/// One file. Not `Debug`: it may hold a secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) path: Utf8PathBuf,
    pub(crate) mode: u32,
    pub(crate) bytes: Vec<u8>,
}

/// A volume of these kinds in the one form that covers all: a projected volume. `None` for other kinds.
pub(crate) fn as_projected(volume: &Volume) -> Option<ProjectedVolumeSource> {
    use k8s_openapi::api::core::v1::{DownwardAPIProjection, VolumeProjection};
    let one = |default_mode, projection| {
        Some(ProjectedVolumeSource {
            default_mode,
            sources: Some(vec![projection]),
        })
    };
    if let Some(secret) = &volume.secret {
        let secret_projection = SecretProjection {
            items: secret.items.clone(),
            name: secret.secret_name.clone().unwrap_or_default(),
            optional: secret.optional,
        };
        one(
            secret.default_mode,
            VolumeProjection {
                secret: Some(secret_projection),
                ..Default::default()
            },
        )
    } else if let Some(map) = &volume.config_map {
        let projection = ConfigMapProjection {
            items: map.items.clone(),
            name: map.name.clone(),
            optional: map.optional,
        };
        one(
            map.default_mode,
            VolumeProjection {
                config_map: Some(projection),
                ..Default::default()
            },
        )
    } else if let Some(fields) = &volume.downward_api {
        let projection = DownwardAPIProjection {
            items: fields.items.clone(),
        };
        one(
            fields.default_mode,
            VolumeProjection {
                downward_api: Some(projection),
                ..Default::default()
            },
        )
    } else {
        volume.projected.clone()
    }
}

/// The objects that a volume refers to.
pub(crate) fn wanted(volume: &ProjectedVolumeSource) -> Wanted {
    let secrets = volume
        .sources
        .iter()
        .flatten()
        .filter_map(|source| source.secret.as_ref());
    let maps = volume
        .sources
        .iter()
        .flatten()
        .filter_map(|source| source.config_map.as_ref());
    secrets
        .map(|secret| (Kind::Secret, secret.name.clone()))
        .chain(maps.map(|map| (Kind::ConfigMap, map.name.clone())))
        .collect()
}

/// The files of a volume; `tokens` holds a service account token by its path. Of two files with one path the later counts.
pub(crate) fn files(
    pod: &Pod,
    volume: &ProjectedVolumeSource,
    objects: &Objects,
    tokens: &BTreeMap<String, String>,
    address: IpAddr,
) -> Result<Vec<File>, String> {
    let mode = volume.default_mode.unwrap_or(DEFAULT_MODE);
    let mut files = BTreeMap::new();
    let mut put = |path: &str, mode: i32, bytes: Vec<u8>| {
        let path = inside(path)?;
        files.insert(
            path.clone(),
            File {
                path,
                mode: mode.cast_unsigned() & 0o777,
                bytes,
            },
        );
        Ok::<(), String>(())
    };
    for source in volume.sources.iter().flatten() {
        if let Some(SecretProjection {
            items,
            name,
            optional,
        }) = &source.secret
        {
            for (path, mode, bytes) in values(objects, Kind::Secret, name, items.as_deref(), *optional, mode)?
            {
                put(&path, mode, bytes)?;
            }
        } else if let Some(ConfigMapProjection {
            items,
            name,
            optional,
        }) = &source.config_map
        {
            for (path, mode, bytes) in
                values(objects, Kind::ConfigMap, name, items.as_deref(), *optional, mode)?
            {
                put(&path, mode, bytes)?;
            }
        } else if let Some(fields) = &source.downward_api {
            for item in fields.items.iter().flatten() {
                put(
                    &item.path,
                    item.mode.unwrap_or(mode),
                    downward_value(pod, item, address)?.into_bytes(),
                )?;
            }
        } else if let Some(token) = &source.service_account_token {
            let value = tokens.get(&token.path).ok_or("no service account token yet")?;
            put(&token.path, mode, value.clone().into_bytes())?;
        } else {
            return Err("a projected source of this kind cannot be had on the local cluster".to_owned());
        }
    }
    Ok(files.into_values().collect())
}

fn downward_value(pod: &Pod, item: &DownwardAPIVolumeFile, address: IpAddr) -> Result<String, String> {
    match (&item.field_ref, &item.resource_field_ref) {
        (Some(field), _) => downward::field(pod, &field.field_path, address),
        (None, Some(selector)) => downward::resource(pod, None, selector),
        (None, None) => Ok(String::new()),
    }
}

type Value = (String, i32, Vec<u8>);

fn values(
    objects: &Objects,
    kind: Kind,
    name: &str,
    items: Option<&[KeyToPath]>,
    optional: Option<bool>,
    mode: i32,
) -> Result<Vec<Value>, String> {
    let optional = optional == Some(true);
    let data = match objects.find(kind, name) {
        None if optional => return Ok(Vec::new()),
        _ => objects.get(kind, name)?,
    };
    let Some(items) = items.filter(|items| !items.is_empty()) else {
        return Ok(data
            .iter()
            .map(|(key, value)| (key.clone(), mode, value.clone()))
            .collect());
    };
    let mut found = Vec::new();
    for item in items {
        match data.get(&item.key) {
            Some(value) => found.push((item.path.clone(), item.mode.unwrap_or(mode), value.clone())),
            None if optional => {}
            None => return Err(format!("references non-existent {kind} key: {}", item.key)),
        }
    }
    Ok(found)
}

/// A path that stays in its volume and clear of the names kept for swapping.
fn inside(path: &str) -> Result<Utf8PathBuf, String> {
    let clean = Utf8Path::new(path);
    let plain = clean
        .components()
        .all(|part| matches!(part, camino::Utf8Component::Normal(_)));
    if plain && !path.is_empty() && !path.starts_with("..") {
        Ok(clean.to_owned())
    } else {
        Err(format!("volume path {path:?} leaves its volume"))
    }
}

/// Puts the files into a volume's folder such that a reader sees the old set or the new one: files in a fresh folder, `..data` a link
/// to it that is swapped by rename, and a link per top-level name through `..data` (as a kubelet's atomic writer does).
pub(crate) fn swap(volume: &Utf8Path, files: &[File]) -> io::Result<()> {
    fs_err::create_dir_all(volume)?;
    let data = volume.join(DATA);
    let old = data.read_link_utf8().ok();
    let fresh = format!("..{}", Timestamp::now().strftime("%Y_%m_%d_%H_%M_%S.%9f"));
    let folder = volume.join(&fresh);
    fs_err::create_dir(&folder)?;
    for file in files {
        let path = folder.join(&file.path);
        if let Some(parent) = path.parent() {
            fs_err::create_dir_all(parent)?;
        }
        fs_err::write(&path, &file.bytes)?;
        fs_err::set_permissions(&path, Permissions::from_mode(file.mode))?;
    }
    let next = volume.join("..data_tmp");
    symlink(&fresh, &next)?;
    fs_err::rename(&next, &data)?;

    let names: BTreeSet<&str> = files
        .iter()
        .filter_map(|file| Some(file.path.components().next()?.as_str()))
        .collect();
    for entry in volume.read_dir_utf8()? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.starts_with("..") && !names.contains(name) && entry.file_type()?.is_symlink() {
            fs_err::remove_file(entry.path())?;
        }
    }
    for name in names {
        let link = volume.join(name);
        if link.symlink_metadata().is_err() {
            symlink(Utf8Path::new(DATA).join(name), &link)?;
        }
    }
    match old {
        Some(old) => fs_err::remove_dir_all(volume.join(old)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn projected(volume: serde_json::Value) -> ProjectedVolumeSource {
        let volume: Volume = serde_json::from_value(volume).expect("the volume must parse");
        as_projected(&volume).expect("the volume is of these kinds")
    }

    fn written(
        volume: &ProjectedVolumeSource,
        objects: &Objects,
    ) -> Result<Vec<(String, u32, String)>, String> {
        let pod = serde_json::from_value(json!({"metadata": {"name": "p", "labels": {"a": "1"}}}))
            .expect("the pod must parse");
        let tokens = BTreeMap::from([("token".to_owned(), "jwt".to_owned())]);
        let address = "10.99.0.1".parse().expect("an address");
        let files = files(&pod, volume, objects, &tokens, address)?;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Ok(files
            .into_iter()
            .map(|file| (file.path.into_string(), file.mode, text(file.bytes)))
            .collect())
    }

    #[test]
    fn the_default_token_volume_has_its_three_files() {
        let volume = projected(
            json!({"name": "v", "projected": {"defaultMode": 0o400, "sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [{"path": "sub/namespace", "mode": 0o444, "fieldRef": {"fieldPath": "metadata.name"}}]}},
            ]}}),
        );
        let objects = Objects::default().with(
            Kind::ConfigMap,
            "kube-root-ca.crt",
            &[("ca.crt", "PEM"), ("other", "x")],
        );

        let files = written(&volume, &objects).expect("everything is there");

        let file = |path: &str, mode, text: &str| (path.to_owned(), mode, text.to_owned());
        let expected = [
            file("ca.crt", 0o400, "PEM"),
            file("sub/namespace", 0o444, "p"),
            file("token", 0o400, "jwt"),
        ];
        assert_eq!(files, expected);
    }

    #[test]
    fn missing_objects_are_named_unless_optional() {
        let secret = |optional| {
            projected(json!({"name": "v", "secret": {"secretName": "gone", "optional": optional}}))
        };

        assert_eq!(
            written(&secret(false), &Objects::default()),
            Err("secret \"gone\" not found".to_owned())
        );
        assert_eq!(written(&secret(true), &Objects::default()), Ok(Vec::new()));
    }

    #[test]
    fn a_path_out_of_the_volume_is_refused() {
        let objects = Objects::default().with(Kind::Secret, "s", &[("k", "v")]);
        for path in ["../x", "/etc/x", "a/../../b", ""] {
            let volume = projected(
                json!({"name": "v", "secret": {"secretName": "s", "items": [{"key": "k", "path": path}]}}),
            );

            assert!(written(&volume, &objects).is_err(), "{path:?} must be refused");
        }
    }

    #[test]
    fn a_swap_replaces_all_files_at_once() {
        let dir = camino_tempfile::tempdir().expect("a temporary folder");
        let file = |path: &str, text: &str| File {
            path: path.into(),
            mode: 0o640,
            bytes: text.into(),
        };
        let read = |path: &str| std::fs::read_to_string(dir.path().join(path)).ok();

        swap(dir.path(), &[file("a", "1"), file("d/b", "1")]).expect("the first write must succeed");
        let first = dir.path().join(DATA).read_link_utf8().expect("a link");
        swap(dir.path(), &[file("a", "2"), file("c", "2")]).expect("the second write must succeed");

        assert_eq!(
            (read("a"), read("c"), read("d/b")),
            (Some("2".into()), Some("2".into()), None)
        );
        assert!(!dir.path().join(first).exists(), "the old folder must be gone");
        let mode = std::fs::metadata(dir.path().join("a"))
            .expect("the file is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o640);
    }
}
