//! What goes into an image: its digest, which becomes its tag, and its one layer as a tar stream.
//!
//! Times and owners in the layer are constants, so equal inputs give equal bytes.

use std::io::{self, Write};

use aws_lc_rs::digest::{SHA256, digest};
use camino::Utf8PathBuf;
use fs_err::File;
use tar::{Builder, EntryType, Header};

use crate::Image;

/// Before every name and label: what of an engine is ours.
pub(crate) const OURS: &str = "ghes-harness";
/// Changes when the way of making an image changes in a manner that its inputs do not show.
const GENERATION: &str = "1";

/// An image with its programs found.
#[derive(Debug, Clone)]
pub struct Content {
    image: Image,
    /// In the order of the image's programs.
    files: Vec<Utf8PathBuf>,
    digest: String,
}

impl Content {
    /// Hashes the programs. Blocks.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(image: Image, files: Vec<Utf8PathBuf>) -> io::Result<Self> {
        let mut inputs = vec![
            GENERATION.to_owned(),
            image.name.to_owned(),
            image.user.to_owned(),
            image.entrypoint.to_owned(),
        ];
        for (program, file) in image.programs.iter().zip(&files) {
            let (_, sha256) = harness_artifacts::sha256_of(file)?;
            inputs.extend([program.path.to_owned(), sha256]);
        }
        // No input has a line break, so no two lists give one text.
        let digest = digest(&SHA256, inputs.join("\n").as_bytes())
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Content { image, files, digest })
    }

    /// The image.
    #[must_use]
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The digest of all inputs, in hex.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Name and tag in the engine.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{OURS}/{}:{}", self.image.name, &self.digest[..16])
    }

    /// The image's configuration, as `docker import --change` takes it.
    pub(crate) fn changes(&self) -> [String; 4] {
        [
            "ENV PATH=/usr/local/bin".to_owned(),
            format!("USER {}", self.image.user),
            format!("ENTRYPOINT [\"{}\"]", self.image.entrypoint),
            format!("LABEL {OURS}.inputs={}", self.digest),
        ]
    }

    /// Writes the layer. Blocks.
    ///
    /// # Errors
    /// A program that cannot be read, or a writer that refuses.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let mut tar = Builder::new(out);
        let mut folders: Vec<String> = Vec::new();
        for (program, file) in self.image.programs.iter().zip(&self.files) {
            let path = program.path.trim_start_matches('/');
            for (at, _) in path.match_indices('/') {
                let folder = path[..=at].to_owned();
                if !folders.contains(&folder) {
                    tar.append_data(&mut header(EntryType::Directory, 0o755, 0), &folder, io::empty())?;
                    folders.push(folder);
                }
            }
            let program = File::open(file)?;
            let size = program.metadata()?.len();
            tar.append_data(&mut header(EntryType::Regular, 0o755, size), path, program)?;
        }
        // Programs write scratch files there; a scratch image has no such folder.
        tar.append_data(&mut header(EntryType::Directory, 0o1777, 0), "tmp/", io::empty())?;
        tar.into_inner()?.flush()
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

#[cfg(test)]
mod tests {
    use camino_tempfile::Utf8TempDir;

    use super::*;
    use crate::Program;

    const IMAGE: Image = Image {
        name: "two",
        programs: &[
            Program {
                part: "a",
                path: "/usr/local/bin/a",
            },
            Program {
                part: "b",
                path: "/b",
            },
        ],
        user: "1:1",
        entrypoint: "/b",
    };

    fn content(image: Image, folder: &Utf8TempDir, second: &str) -> Content {
        let files: Vec<Utf8PathBuf> = ["a", "b"].map(|name| folder.path().join(name)).into();
        fs_err::write(&files[0], "first").expect("a small file");
        fs_err::write(&files[1], second).expect("a small file");
        Content::read(image, files).expect("the files are there")
    }

    #[test]
    fn whatever_goes_in_changes_the_tag_and_nothing_else_does() {
        let (here, there) = (Utf8TempDir::new(), Utf8TempDir::new());
        let (here, there) = (here.expect("a folder"), there.expect("a folder"));

        let first = content(IMAGE, &here, "second").reference();

        assert_eq!(content(IMAGE, &there, "second").reference(), first);
        assert_ne!(content(IMAGE, &there, "Second").reference(), first);
        let other_user = Image { user: "2:2", ..IMAGE };
        assert_ne!(content(other_user, &there, "second").reference(), first);
        let other_entry = Image {
            entrypoint: "/usr/local/bin/a",
            ..IMAGE
        };
        assert_ne!(content(other_entry, &there, "second").reference(), first);
    }

    #[test]
    fn the_layer_has_folders_programs_and_tmp_with_their_modes() {
        let folder = Utf8TempDir::new().expect("a folder");
        let mut layer = Vec::new();

        content(IMAGE, &folder, "second")
            .write(&mut layer)
            .expect("memory takes everything");

        let mut archive = tar::Archive::new(layer.as_slice());
        let entries: Vec<String> = archive
            .entries()
            .expect("a tar stream")
            .map(|entry| {
                let entry = entry.expect("a whole entry");
                let path = entry.path().expect("a path").display().to_string();
                format!("{path} {:o}", entry.header().mode().expect("a mode"))
            })
            .collect();
        assert_eq!(
            entries,
            [
                "usr/ 755",
                "usr/local/ 755",
                "usr/local/bin/ 755",
                "usr/local/bin/a 755",
                "b 755",
                "tmp/ 1777"
            ]
        );
    }
}
