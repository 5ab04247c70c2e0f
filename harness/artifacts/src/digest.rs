//! SHA-256 of bytes, files and folders, as lowercase hex.

use std::io::{self, Read};

use aws_lc_rs::digest::{Context, SHA256};
use camino::{Utf8Path, Utf8PathBuf};

/// A digest under way.
pub(crate) struct Hasher(Context);

impl Hasher {
    pub(crate) fn new() -> Self {
        Hasher(Context::new(&SHA256))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Adds a field with its length, so that no two different lists of fields give the same bytes.
    pub(crate) fn field(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    pub(crate) fn hex(self) -> String {
        self.0
            .finish()
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// Whether `text` can be a SHA-256 in lowercase hex.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Size in bytes and digest of a file, or of a folder (over the relative paths and contents of its files, sorted). Blocks.
///
/// # Errors
/// A file that cannot be read.
pub fn of_path(path: &Utf8Path) -> io::Result<(u64, String)> {
    let mut hasher = Hasher::new();
    if !fs_err::metadata(path)?.is_dir() {
        let size = feed(&mut hasher, path)?;
        return Ok((size, hasher.hex()));
    }
    let mut size = 0;
    for relative in files_below(path)? {
        let (file_size, digest) = of_path(&path.join(&relative))?;
        hasher.field(relative.as_str().as_bytes());
        hasher.field(digest.as_bytes());
        size += file_size;
    }
    Ok((size, hasher.hex()))
}

/// Size in bytes of a file, or of all files of a folder.
pub(crate) fn size_of(path: &Utf8Path) -> io::Result<u64> {
    let metadata = fs_err::metadata(path)?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    files_below(path)?.into_iter().try_fold(0, |sum, relative| {
        Ok(sum + fs_err::metadata(path.join(relative))?.len())
    })
}

/// Relative paths of all files below a folder, sorted.
pub(crate) fn files_below(root: &Utf8Path) -> io::Result<Vec<Utf8PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![Utf8PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(root.join(&folder))? {
            let entry = entry?;
            let name = entry.file_name().into_string().map_err(|name| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{} is not UTF-8", name.display()),
                )
            })?;
            let relative = folder.join(name);
            if entry.file_type()?.is_dir() {
                folders.push(relative);
            } else {
                found.push(relative);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn feed(hasher: &mut Hasher, path: &Utf8Path) -> io::Result<u64> {
    let mut file = fs_err::File::open(path)?;
    let mut buffer = vec![0; 1 << 16];
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(size);
        }
        hasher.update(&buffer[..read]);
        size += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_published_test_value_of_abc() {
        let dir = camino_tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("abc");
        fs_err::write(&path, "abc").expect("a small file");

        let (size, digest) = of_path(&path).expect("the file is there");

        assert_eq!(size, 3);
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            digest,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert!(is_sha256(&digest));
    }

    #[test]
    fn a_folder_changes_its_digest_when_a_byte_moves_from_one_file_to_the_next() {
        let one = camino_tempfile::tempdir().expect("a temporary folder");
        let two = camino_tempfile::tempdir().expect("a temporary folder");
        for (dir, a, b) in [(&one, "xy", "z"), (&two, "x", "yz")] {
            fs_err::create_dir(dir.path().join("deep")).expect("a folder");
            fs_err::write(dir.path().join("a"), a).expect("a small file");
            fs_err::write(dir.path().join("deep/b"), b).expect("a small file");
        }

        let (first, second) = (of_path(one.path()), of_path(two.path()));

        let (first, second) = (first.expect("readable"), second.expect("readable"));
        assert_eq!((first.0, second.0), (3, 3));
        assert_ne!(first.1, second.1);
    }
}
