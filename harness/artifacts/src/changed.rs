//! A copy of a Go module whose source may be changed, and builds of it: for proving that the suite notices a defect in what it tests.
//!
//! `go build -overlay` refuses files of the module cache, so the module is copied and takes the original's place by a `replace` in a copy of our
//! `go.mod`. Every program of it has the clock overlay; without a clock file it runs on the real one. What it is not: nothing here goes into
//! the cache of parts, and nothing chooses a change.

use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use tokio::sync::watch;

use crate::go::{Go, Job};
use crate::resolver::package_of;
use crate::{ArtifactError, ModulePin, Pin, Resolver, clock};

/// Below the folder: our `go.mod` with the `replace`, the copy, Go's scratch, the overlay, several programs of one build.
const PLACES: [&str; 5] = ["build", "module", "scratch", "overlay", "programs"];

/// A changeable copy of the Go module of one version.
#[derive(Debug, Clone)]
pub struct ChangedModule {
    go: Go,
    folder: Utf8PathBuf,
    module: ModulePin,
    overlay: Utf8PathBuf,
    /// Part and main package of everything that is built from the module.
    packages: Vec<(String, String)>,
}

impl Resolver {
    /// The untouched source of the Go module that a part is built from.
    ///
    /// # Errors
    /// As for [`Resolver::resolve_all`].
    pub async fn module_source(&self, part: &str, version: &str) -> Result<Utf8PathBuf, ArtifactError> {
        let (pin, module, go) = self.of_module(part, version)?;
        let scratch = Utf8PathBuf::try_from(std::env::temp_dir()).unwrap_or_else(|_| "/tmp".into());
        let (detail, _) = watch::channel(String::new());
        let job = Job {
            part: &pin.label(),
            dir: &self.kind_dir.join(&module.dir),
            scratch: &scratch,
            detail: &detail,
        };
        go.module_dir(&job, module).await
    }

    /// Copies the Go module of a part to `folder`, which is made; whatever was there goes.
    ///
    /// # Errors
    /// As for [`Resolver::resolve_all`].
    pub async fn changed_module(
        &self,
        part: &str,
        version: &str,
        folder: &Utf8Path,
    ) -> Result<ChangedModule, ArtifactError> {
        let (pin, module, go) = self.of_module(part, version)?;
        let label = pin.label();
        let failed = |operation: &str, path: &Utf8Path, e: &std::io::Error| {
            ArtifactError::file(&label, operation, path, e)
        };
        let source = self.module_source(part, version).await?;
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(|e| failed("clear", folder, &e))?;
        }
        for place in PLACES {
            let place = folder.join(place);
            fs::create_dir_all(&place).map_err(|e| failed("create", &place, &e))?;
        }
        let [build, copy, scratch, overlay, _] = PLACES.map(|place| folder.join(place));
        copy_folder(&source, &copy).map_err(|e| failed("copy", &source, &e))?;
        let ours = self.kind_dir.join(&module.dir);
        copy_folder(&ours, &build).map_err(|e| failed("copy", &ours, &e))?;
        let go_mod = build.join("go.mod");
        let text = fs::read_to_string(&go_mod).map_err(|e| failed("read", &go_mod, &e))?;
        let text = format!("{text}\nreplace {} => {copy}\n", module.path);
        fs::write(&go_mod, text).map_err(|e| failed("write", &go_mod, &e))?;

        let (detail, _) = watch::channel(String::new());
        let job = Job {
            part: &label,
            dir: &build,
            scratch: &scratch,
            detail: &detail,
        };
        let overlay = clock::write_overlay(&label, &go.root(&job).await?, &overlay)?;
        let of_module = |other: &&Pin| other.version == pin.version && !other.has_controlled_clock();
        let packages = self.pins.parts.iter().filter(of_module);
        Ok(ChangedModule {
            go,
            folder: folder.to_owned(),
            module: module.clone(),
            overlay,
            packages: packages
                .filter_map(|pin| Some((pin.name.clone(), package_of(pin)?.to_owned())))
                .collect(),
        })
    }

    fn of_module(&self, part: &str, version: &str) -> Result<(&Pin, &ModulePin, Go), ArtifactError> {
        let pin = self.pins.select(part, Some(version))?;
        let module = self
            .pins
            .module_of(pin)
            .ok_or_else(|| ArtifactError::NoModule { part: pin.label() })?;
        let go = Go::find(self.path.as_deref(), self.platform, self.offline).ok_or_else(|| {
            ArtifactError::NoToolchain {
                part: pin.label(),
                download: String::new(),
            }
        })?;
        Ok((pin, module, go))
    }
}

impl ChangedModule {
    /// The copy.
    #[must_use]
    pub fn source(&self) -> Utf8PathBuf {
        self.folder.join(PLACES[1])
    }

    /// Builds these parts with one `go build`; each becomes a file of the folder `out` with the part's name.
    ///
    /// # Errors
    /// [`ArtifactError::Build`] if the changed source does not compile; others if there is no building here.
    pub async fn build(&self, parts: &[&str], out: &Utf8Path) -> Result<(), ArtifactError> {
        let [build, _, scratch, _, programs] = PLACES.map(|place| self.folder.join(place));
        let (detail, _) = watch::channel(String::new());
        let label = parts.join(", ");
        let job = Job {
            part: &label,
            dir: &build,
            scratch: &scratch,
            detail: &detail,
        };
        let package = |part: &&str| {
            let known = self.packages.iter().find(|(name, _)| name == part);
            known.map(|(_, package)| package.as_str())
        };
        let packages: Vec<&str> = parts.iter().filter_map(package).collect();
        let overlay = Some(self.overlay.as_path());
        // A folder that is there makes Go put each program into it, one alone as well.
        self.go
            .build(&job, &self.module.ldflags, &packages, overlay, &programs)
            .await?;
        for (part, package) in parts.iter().zip(packages) {
            let built = programs.join(package.rsplit('/').next().unwrap_or(package));
            let place = out.join(part);
            fs::rename(&built, &place).map_err(|e| ArtifactError::file(&label, "move", &built, &e))?;
        }
        Ok(())
    }
}

/// Copies files and folders. The module cache is read-only, the copy is not.
fn copy_folder(from: &Utf8Path, to: &Utf8Path) -> std::io::Result<()> {
    for entry in from.read_dir_utf8()? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            copy_folder(entry.path(), &target)?;
        } else if entry.file_type()?.is_file() {
            fs::copy(entry.path(), &target)?;
            fs::set_permissions(&target, std::fs::Permissions::from_mode(0o644))?;
        }
    }
    Ok(())
}
