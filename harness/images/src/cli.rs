//! `cargo xtask images …`: the command line.
//!
//! Writes only to the writer it is given; the caller prints errors.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Instant;

use camino::Utf8PathBuf;
use comfy_table::{Table, presets};
use harness_artifacts::{Options, Progress, Resolver, Row, State, Step, Update};
use harness_model::Exit;

use crate::image::{Image, select};
use crate::{Content, Engine, IMAGES, ImageError};

/// Arguments of `images`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    /// Use parts of the cache only.
    #[arg(long, global = true)]
    offline: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Build what the Docker engine does not have yet: the images of etcd, Kubernetes' control plane, CoreDNS, cert-manager, ARC, kube-rbac-proxy.
    Build {
        /// Images to build; all if none is named.
        images: Vec<String>,
    },
    /// Show every image: state, name in the engine, programs and their origins. Builds nothing.
    List,
}

/// Carries the command out. `--offline` is added to `options.offline`.
///
/// # Errors
/// Every variant of [`ImageError`].
pub async fn run(
    args: Args,
    mut options: Options,
    out: &mut (dyn Write + Send),
    progress: &dyn Progress,
) -> Result<Exit, ImageError> {
    options.offline |= args.offline;
    let resolver = Resolver::open(options)?;
    let text = match args.command {
        Command::Build { images } => build(&resolver, &select(&images)?, progress).await?,
        Command::List => list(resolver).await?,
    };
    writeln!(out, "{text}").map_err(ImageError::Output)?;
    Ok(Exit::Green)
}

async fn build(resolver: &Resolver, images: &[Image], progress: &dyn Progress) -> Result<String, ImageError> {
    // Before minutes of building: without an engine they would be for nothing.
    let engine = Engine::find().await?;
    let names: BTreeSet<&str> = programs_of(images).collect();
    let wanted: Vec<(&str, Option<&str>)> = names.into_iter().map(|name| (name, None)).collect();
    let parts = resolver.resolve_all(&wanted, progress).await?;

    let mut missing = Vec::new();
    for image in images {
        let files = image
            .programs
            .iter()
            .map(|program| parts[program.part].path.clone());
        let content = read(*image, files.collect()).await?;
        if !engine.has(&content).await? {
            missing.push(content);
        }
    }
    for (index, content) in missing.iter().enumerate() {
        let what = |content: &Content| format!("image {}", content.reference());
        let step = Step {
            what: what(content),
            next: missing.get(index + 1).map(what),
        };
        let begun = Instant::now();
        progress.update(Update::Started { step: &step });
        let made = engine.make(content).await;
        progress.update(Update::Finished {
            step: &step,
            elapsed: begun.elapsed(),
            succeeded: made.is_ok(),
        });
        made?;
    }
    let there = images.len() - missing.len();
    let version = engine.version();
    Ok(format!(
        "{} built, {there} there already, in Docker {version}",
        missing.len()
    ))
}

async fn list(resolver: Resolver) -> Result<String, ImageError> {
    let engine = Engine::find().await?;
    let rows = tokio::task::spawn_blocking(move || defaults(&resolver))
        .await
        .expect("listing does not panic");

    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["IMAGE", "STATE", "NAME IN THE ENGINE", "FROM"]);
    for image in IMAGES {
        let parts: Vec<&Row> = image
            .programs
            .iter()
            .filter_map(|program| rows.iter().find(|row| row.name == program.part))
            .collect();
        let files: Option<Vec<Utf8PathBuf>> = parts.iter().map(|row| cached(row)).collect();
        // Without its programs an image has no digest, so no name.
        let (state, reference) = match files {
            None => ("absent: its parts are not in the cache", String::new()),
            Some(files) => {
                let content = read(image, files).await?;
                let state = if engine.has(&content).await? {
                    "built"
                } else {
                    "absent"
                };
                (state, content.reference())
            }
        };
        let from: Vec<String> = parts.iter().map(|row| from(row)).collect();
        table.add_row([image.name, state, &reference, &from.join("; ")]);
    }
    Ok(table.to_string())
}

/// The pinned default versions.
fn defaults(resolver: &Resolver) -> Vec<Row> {
    let is_default = |row: &Row| {
        resolver
            .pins()
            .select(&row.name, None)
            .is_ok_and(|pin| pin.version == row.version)
    };
    harness_artifacts::list(resolver, false)
        .into_iter()
        .filter(is_default)
        .collect()
}

fn cached(row: &Row) -> Option<Utf8PathBuf> {
    match &row.state {
        State::Cached { path, .. } => Some(path.clone()),
        _ => None,
    }
}

/// Where a program came from, or would.
fn from(row: &Row) -> String {
    match &row.state {
        State::Cached { origin, .. } => format!("{} {} ({origin})", row.name, row.version),
        _ => format!("{} {} ({})", row.name, row.version, row.source),
    }
}

fn programs_of(images: &[Image]) -> impl Iterator<Item = &'static str> {
    images
        .iter()
        .flat_map(|image| image.programs)
        .map(|program| program.part)
}

async fn read(image: Image, files: Vec<Utf8PathBuf>) -> Result<Content, ImageError> {
    tokio::task::spawn_blocking(move || Content::read(image, files))
        .await
        .expect("hashing does not panic")
        .map_err(|cause| ImageError::Read {
            image: image.name.to_owned(),
            cause,
        })
}
