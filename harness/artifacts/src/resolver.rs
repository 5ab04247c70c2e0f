//! The order of sources: cache ▸ release by digest ▸ Go build.
//!
//! What is missing is made one step at a time, since each `go build` uses every core. Programs of one Go module share a
//! step and one `go build`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};
use harness_model::{Origin, Part};
use tokio::sync::watch;

use crate::cache::{Cache, Draft, Found, Key, Lookup, Workspace};
use crate::go::{Go, Job};
use crate::progress::{Plan, watched};
use crate::recipe::{self, Recipes};
use crate::{
    ArtifactError, ChartPin, Pin, Pins, Platform, Progress, Source, Step, Update, chart, clock, release,
};

/// How to resolve.
#[derive(Debug, Clone)]
pub struct Options {
    /// The repository's `kind/` folder.
    pub kind_dir: Utf8PathBuf,
    /// The cache's folder; `None` takes [`cache_dir`].
    pub cache_dir: Option<Utf8PathBuf>,
    /// Forbid the network, to Go as well.
    pub offline: bool,
    /// Where to look for `go`, and the PATH that Go gets; `None` takes the PATH of this process.
    pub path: Option<OsString>,
}

/// A part that is there to be used.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The program, or the chart's folder. Absolute if the cache's folder is.
    pub path: Utf8PathBuf,
    /// Name, version and origin, as reports show them. The version of a chart is the chart's own.
    pub part: Part,
    /// For a chart: its pin, with the version of the program that it installs by default.
    pub chart: Option<ChartPin>,
    /// Whether it was in the cache already.
    pub cached: bool,
    /// What the step that made it took, in seconds; 0 if it was cached.
    pub seconds: f64,
}

/// Finds, fetches and builds parts.
#[derive(Debug, Clone)]
pub struct Resolver {
    pub(crate) pins: Pins,
    pub(crate) kind_dir: Utf8PathBuf,
    pub(crate) cache: Cache,
    pub(crate) platform: Platform,
    pub(crate) offline: bool,
    recipes: Recipes,
    pub(crate) path: Option<OsString>,
}

/// The cache that all checkouts share: `$GHES_HARNESS_CACHE`, else `ghes-harness` in `$XDG_CACHE_HOME` or `~/.cache`.
#[must_use]
pub fn cache_dir() -> Utf8PathBuf {
    let folder = |name: &str| {
        std::env::var(name)
            .ok()
            .filter(|v| !v.is_empty())
            .map(Utf8PathBuf::from)
    };
    folder("GHES_HARNESS_CACHE")
        .or_else(|| folder("XDG_CACHE_HOME").map(|dir| dir.join("ghes-harness")))
        .or_else(|| folder("HOME").map(|dir| dir.join(".cache/ghes-harness")))
        .unwrap_or_else(|| Utf8PathBuf::from("/var/tmp/ghes-harness"))
}

impl Resolver {
    /// Reads the pins.
    ///
    /// # Errors
    /// [`ArtifactError::Pins`].
    pub fn open(options: Options) -> Result<Self, ArtifactError> {
        let Options {
            kind_dir,
            cache_dir: cache,
            offline,
            path,
        } = options;
        let pins = Pins::read(&kind_dir)?;
        let recipes = Recipes::read(&pins, &kind_dir)?;
        let cache = Cache::new(cache.unwrap_or_else(cache_dir));
        Ok(Resolver {
            pins,
            kind_dir,
            cache,
            platform: Platform::host(),
            offline,
            recipes,
            path,
        })
    }

    /// The pins as read.
    #[must_use]
    pub fn pins(&self) -> &Pins {
        &self.pins
    }

    /// Resolves parts by name and version (`None`: the default version). The answer is keyed by name.
    ///
    /// Fully cached, it reads one small file per part. Dropping the future ends the build with all its processes.
    ///
    /// # Errors
    /// Every variant of [`ArtifactError`]; the first part that cannot be had ends the whole call, those made before it
    /// stay in the cache.
    pub async fn resolve_all(
        &self,
        wanted: &[(&str, Option<&str>)],
        progress: &dyn Progress,
    ) -> Result<BTreeMap<String, Resolved>, ArtifactError> {
        let pins = wanted
            .iter()
            .map(|(name, version)| self.pins.select(name, *version))
            .collect::<Result<Vec<_>, _>>()?;

        let mut resolved = BTreeMap::new();
        let mut missing = Vec::new();
        for pin in pins {
            match self.cached(pin, Some(progress)) {
                Some(found) => drop(resolved.insert(pin.name.clone(), answer(pin, found, None))),
                None => missing.push(pin),
            }
        }

        let batches = self.batches(missing);
        let usual = batches.iter().map(|batch| batch.usual).sum();
        let plan = Plan::new(
            batches.iter().map(|batch| batch.what.clone()).collect(),
            usual,
            progress,
        );
        for (index, batch) in batches.iter().enumerate() {
            let begun = Instant::now();
            let found = self.make(batch, &plan.step(index), progress).await?;
            let seconds = begun.elapsed().as_secs_f64();
            for (pin, found) in found {
                resolved.insert(pin.name.clone(), answer(pin, found, Some(seconds)));
            }
        }
        Ok(resolved)
    }

    /// The cached part, from whichever source it was made.
    pub(crate) fn cached(&self, pin: &Pin, progress: Option<&dyn Progress>) -> Option<Found> {
        self.keys(pin)
            .into_iter()
            .find_map(|key| match self.cache.lookup(&key) {
                Lookup::Hit(found) => Some(found),
                Lookup::Miss => None,
                Lookup::Damaged { reason } => {
                    if let Some(progress) = progress {
                        let text = format!(
                            "{} in the cache is damaged ({reason}): making it again",
                            pin.label()
                        );
                        progress.update(Update::Note { text: &text });
                    }
                    None
                }
            })
    }

    /// The cache keys of a part, in the order of its sources.
    pub(crate) fn keys(&self, pin: &Pin) -> Vec<Key> {
        let recipes = [
            recipe::of_release(pin, self.platform),
            self.recipes.of_source(pin),
        ];
        recipes
            .into_iter()
            .flatten()
            .map(|recipe| self.key(pin, recipe))
            .collect()
    }

    fn key(&self, pin: &Pin, recipe: String) -> Key {
        Key {
            name: pin.name.clone(),
            version: pin.version.clone(),
            platform: self.platform.to_string(),
            recipe,
        }
    }

    /// Parts of one Go module together, in the order in which they were asked for.
    fn batches<'a>(&self, missing: Vec<&'a Pin>) -> Vec<Batch<'a>> {
        let mut batches: Vec<Batch<'a>> = Vec::new();
        for pin in missing {
            let module = pin.source.as_ref().map(Source::module);
            let name = module.map_or_else(|| pin.label().replace(' ', "-"), |key| format!("module-{key}"));
            // Another standard library: a build of its own.
            let name = name + if pin.has_controlled_clock() { "-clock" } else { "" };
            let lock = format!("{name}-{}", self.platform);
            match batches.iter_mut().find(|batch| batch.lock == lock) {
                Some(batch) if batch.pins.iter().any(|known| known.label() == pin.label()) => {}
                Some(batch) => batch.pins.push(pin),
                None => batches.push(Batch {
                    lock,
                    pins: vec![pin],
                    what: String::new(),
                    usual: 0,
                }),
            }
        }
        for batch in &mut batches {
            let names: Vec<&str> = batch.pins.iter().map(|pin| pin.name.as_str()).collect();
            batch.what = format!("{} {}", names.join(", "), batch.pins[0].version);
            // A chart is a copy; a locked release is a download. Only programs take a build.
            let builds = batch
                .pins
                .iter()
                .any(|pin| pin.chart.is_none() && !self.downloads(pin));
            let module = self.pins.module_of(batch.pins[0]).filter(|_| builds);
            batch.usual = module.map_or(0, |module| module.first_build_seconds);
        }
        batches
    }

    fn downloads(&self, pin: &Pin) -> bool {
        !self.offline && pin.release_digest(self.platform).is_some()
    }

    async fn make<'a>(
        &self,
        batch: &Batch<'a>,
        step: &Step,
        progress: &dyn Progress,
    ) -> Result<Vec<(&'a Pin, Found)>, ArtifactError> {
        let (detail, seen) = watch::channel(String::new());
        let work = async {
            let contended = || drop(detail.send_replace("another run is making it: waiting".to_owned()));
            let workspace = self.cache.workspace(&batch.lock, &batch.what, contended).await?;
            let mut done = Vec::new();
            let mut to_build = Vec::new();
            let mut refusal = None;
            for pin in &batch.pins {
                // Another run may have made it while this one waited for the lock.
                if let Some(found) = self.cached(pin, None) {
                    done.push((*pin, found));
                } else if self.downloads(pin) {
                    match self.download(pin, &workspace, &detail).await {
                        Ok(found) => done.push((*pin, found)),
                        Err(e) => match network_cause(&e).filter(|_| pin.source.is_some()) {
                            Some(cause) => {
                                let what = pin.label();
                                let text = format!("{what} is built from its Go module, since {cause}");
                                progress.update(Update::Note { text: &text });
                                refusal = Some(cause);
                                to_build.push(*pin);
                            }
                            None => return Err(self.with_other_versions(pin, e)),
                        },
                    }
                } else if pin.source.is_some() {
                    to_build.push(*pin);
                } else {
                    return Err(self.with_other_versions(pin, self.no_source(pin)));
                }
            }
            if !to_build.is_empty() {
                done.extend(
                    self.build(&to_build, &workspace, refusal.as_deref(), &detail)
                        .await?,
                );
            }
            Ok(done)
        };
        watched(step, progress, seen, work).await
    }

    fn no_source(&self, pin: &Pin) -> ArtifactError {
        let part = pin.label();
        let name = match pin.default {
            true => pin.name.clone(),
            false => format!("{}@{}", pin.name, pin.version),
        };
        let url = pin.release_url(self.platform).unwrap_or_default();
        match pin.release_digest(self.platform) {
            Some(_) => ArtifactError::Offline {
                part,
                cause: format!("its release is {url}"),
            },
            None => ArtifactError::Unlocked { part, name, url },
        }
    }

    /// The error, with the versions of the same part that need neither this download nor this digest.
    fn with_other_versions(&self, pin: &Pin, cause: ArtifactError) -> ArtifactError {
        let of_network = network_cause(&cause).is_some() || matches!(cause, ArtifactError::Unlocked { .. });
        let there = self
            .pins
            .parts
            .iter()
            .filter(|other| other.name == pin.name && other.source.is_some());
        let versions: Vec<&str> = there.map(|other| other.version.as_str()).collect();
        if !of_network || versions.is_empty() {
            return cause;
        }
        ArtifactError::OtherVersions {
            cause: Box::new(cause),
            versions: versions.join(", "),
        }
    }

    async fn download(
        &self,
        pin: &Pin,
        workspace: &Workspace,
        detail: &watch::Sender<String>,
    ) -> Result<Found, ArtifactError> {
        let (made, file) = release::part(pin, self.platform, workspace.path(), detail).await?;
        let recipe = recipe::of_release(pin, self.platform).expect("only locked releases are downloaded");
        let origin = Origin::Release {
            url: file.url,
            sha256: file.sha256,
        };
        self.publish(
            workspace,
            Draft {
                key: self.key(pin, recipe),
                origin,
                toolchain: None,
                made,
            },
        )
        .await
    }

    /// Builds parts of one Go module.
    async fn build<'a>(
        &self,
        pins: &[&'a Pin],
        workspace: &Workspace,
        refusal: Option<&str>,
        detail: &watch::Sender<String>,
    ) -> Result<Vec<(&'a Pin, Found)>, ArtifactError> {
        let what = pins.iter().map(|pin| pin.label()).collect::<Vec<_>>().join(", ");
        let go = Go::find(self.path.as_deref(), self.platform, self.offline).ok_or_else(|| {
            let download = refusal.map_or_else(String::new, |cause| format!(", and {cause}"));
            ArtifactError::NoToolchain {
                part: what.clone(),
                download,
            }
        })?;
        let module = self
            .pins
            .module_of(pins[0])
            .expect("checked when the pins were read");
        let dir = self.kind_dir.join(&module.dir);
        let scratch = fresh_dir(&what, workspace, "scratch")?;
        let job = Job {
            part: &what,
            dir: &dir,
            scratch: &scratch,
            detail,
        };
        let toolchain = go.version(&job).await?;

        let packages: Vec<&str> = pins.iter().filter_map(|pin| package_of(pin)).collect();
        detail.send_replace("go build".to_owned());
        let built = fresh_dir(&what, workspace, "built")?;
        let overlay = if pins[0].has_controlled_clock() {
            let into = fresh_dir(&what, workspace, "overlay")?;
            Some(clock::write_overlay(&what, &go.root(&job).await?, &into)?)
        } else {
            None
        };
        let out = match packages[..] {
            [_] => built.join("program"),
            _ => built.clone(),
        };
        if !packages.is_empty() {
            go.build(&job, &module.ldflags, &packages, overlay.as_deref(), &out)
                .await?;
        }

        let mut done = Vec::new();
        for pin in pins {
            detail.send_replace(format!("putting {} into the cache", pin.name));
            let made = workspace.path().join(&pin.name);
            let made = match &pin.source {
                Some(Source::Chart { .. }) => {
                    let pinned = pin.chart.as_ref().expect("checked when the pins were read");
                    let module_dir = go.module_dir(&job, module).await?;
                    let into = fresh_dir(&what, workspace, &format!("chart-{}", pin.name))?;
                    chart::assemble(&pin.label(), pinned, &module_dir, &into)?
                }
                Some(Source::Program { package, .. }) => {
                    let last = package.rsplit('/').next().unwrap_or(package);
                    let built = built.join(if packages.len() == 1 { "program" } else { last });
                    fs_err::rename(&built, &made)
                        .map_err(|e| ArtifactError::file(&what, "move", &built, &e))?;
                    made
                }
                None => return Err(self.no_source(pin)),
            };
            let recipe = self
                .recipes
                .of_source(pin)
                .expect("checked when the pins were read");
            let origin = Origin::GoModule {
                module: format!("{}@{}", module.path, module.version),
            };
            let draft = Draft {
                key: self.key(pin, recipe),
                origin,
                toolchain: Some(toolchain.clone()),
                made,
            };
            done.push((*pin, self.publish(workspace, draft).await?));
        }
        Ok(done)
    }

    async fn publish(&self, workspace: &Workspace, draft: Draft) -> Result<Found, ArtifactError> {
        let (cache, folder) = (self.cache.clone(), workspace.path().to_owned());
        tokio::task::spawn_blocking(move || cache.publish(&folder, draft))
            .await
            .expect("publishing does not panic")
    }
}

/// What one step makes.
struct Batch<'a> {
    lock: String,
    pins: Vec<&'a Pin>,
    what: String,
    /// In seconds.
    usual: u64,
}

fn answer(pin: &Pin, found: Found, made_in: Option<f64>) -> Resolved {
    let part = Part {
        name: pin.name.clone(),
        version: pin.reported_version().to_owned(),
        origin: found.entry.origin,
    };
    Resolved {
        path: found.path,
        part,
        chart: pin.chart.clone(),
        cached: made_in.is_none(),
        seconds: made_in.unwrap_or(0.0),
    }
}

pub(crate) fn package_of(pin: &Pin) -> Option<&str> {
    match &pin.source {
        Some(Source::Program { package, .. }) => Some(package),
        _ => None,
    }
}

/// Why a download failed, if building instead is an answer: a wrong digest or a full disk is not a matter of the network.
fn network_cause(error: &ArtifactError) -> Option<String> {
    match error {
        ArtifactError::Refused { url, cause, .. } => Some(format!("{url} was refused ({cause})")),
        ArtifactError::Truncated {
            url, expected, got, ..
        } => Some(format!("{url} broke off after {got} of {expected} bytes")),
        _ => None,
    }
}

fn fresh_dir(part: &str, workspace: &Workspace, name: &str) -> Result<Utf8PathBuf, ArtifactError> {
    let dir: Utf8PathBuf = Utf8Path::join(workspace.path(), name);
    fs_err::create_dir(&dir).map_err(|e| ArtifactError::file(part, "create", &dir, &e))?;
    Ok(dir)
}
