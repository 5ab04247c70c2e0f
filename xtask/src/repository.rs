//! Where the repository is, and which files belong to it.

use anyhow::{Context, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use xshell::{Shell, cmd};

/// The folder with the workspace's `Cargo.toml`.
pub(crate) fn root() -> anyhow::Result<Utf8PathBuf> {
    // Cargo sets the variable when it runs us; a copied binary falls back on where it was built.
    let manifest =
        std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    Utf8Path::new(&manifest)
        .parent()
        .map(Utf8Path::to_owned)
        .ok_or_else(|| anyhow!("{manifest} has no parent folder: run `cargo xtask` inside the repository"))
}

/// Files that are committed or about to be: tracked, or untracked and not ignored. Relative to `root`, sorted.
///
/// # Errors
/// If git is missing or `root` is no checkout.
pub(crate) fn files(root: &Utf8Path) -> anyhow::Result<Vec<Utf8PathBuf>> {
    let shell = Shell::new()?;
    shell.change_dir(root);
    let listed = cmd!(shell, "git ls-files -z --cached --others --exclude-standard")
        .quiet()
        .read()
        .context("listing the repository's files")?;
    let mut files: Vec<Utf8PathBuf> = listed
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(Utf8PathBuf::from)
        // A deleted file stays in the index until the next commit.
        .filter(|file| root.join(file).is_file())
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}
