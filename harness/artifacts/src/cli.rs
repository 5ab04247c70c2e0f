//! `cargo xtask artifacts …`: the command line over [`lock`](crate::lock()) and [`list`](crate::list()).
//!
//! Writes only to the writer it is given; the caller prints errors.

use std::io::{self, Write};

use comfy_table::{Table, presets};
use harness_model::Exit;

use crate::{ArtifactError, Options, Progress, Resolver, Row, State, list, lock};

/// Arguments of `artifacts`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    /// Use the cache only.
    #[arg(long, global = true)]
    offline: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Compute and record the SHA-256 of releases that have none, in kind/versions.toml.
    Lock {
        /// Parts to lock, as NAME or NAME@VERSION; all unlocked ones if none is named.
        parts: Vec<String>,
    },
    /// Show every pinned part: version, state, size and where it is.
    List {
        /// Hash what is in the cache and compare it with what was recorded.
        #[arg(long)]
        verify: bool,
    },
}

/// Carries the command out. `--offline` is added to `options.offline`.
///
/// # Errors
/// Those of [`lock`](crate::lock()), and a writer that refuses the output.
pub async fn run(
    args: Args,
    mut options: Options,
    out: &mut (dyn Write + Send),
    progress: &dyn Progress,
) -> Result<Exit, ArtifactError> {
    options.offline |= args.offline;
    let resolver = Resolver::open(options)?;
    match args.command {
        Command::Lock { parts } => {
            let today = jiff::Zoned::now().date().to_string();
            let locked = lock(&resolver, &parts, &today, progress).await?;
            for one in &locked {
                written(writeln!(
                    out,
                    "{}: sha256 {} ({} bytes) from {}",
                    one.part, one.sha256, one.size, one.url
                ))?;
            }
            let recorded = match locked.len() {
                0 => "nothing to lock: every release asked for has a digest for this platform".to_owned(),
                count => format!("{count} recorded in kind/versions.toml: review and commit it"),
            };
            written(writeln!(out, "{recorded}"))?;
            Ok(Exit::Green)
        }
        Command::List { verify } => {
            let rows = tokio::task::spawn_blocking(move || list(&resolver, verify))
                .await
                .expect("listing does not panic");
            written(writeln!(out, "{}", table(&rows)))?;
            let damaged = verify && rows.iter().any(|row| matches!(row.state, State::Damaged { .. }));
            Ok(if damaged { Exit::Environment } else { Exit::Green })
        }
    }
}

fn written(result: io::Result<()>) -> Result<(), ArtifactError> {
    result.map_err(|e| ArtifactError::file("the table of parts", "write", "the output".into(), &e))
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["PART", "VERSION", "STATE", "SIZE", "ORIGIN", "PATH"]);
    for row in rows {
        let (state, size, origin, path) = match &row.state {
            State::Cached {
                origin,
                path,
                size,
                toolchain,
            } => {
                let by = toolchain
                    .as_ref()
                    .map_or_else(String::new, |go| format!(" ({go})"));
                (
                    "cached".to_owned(),
                    megabytes(*size),
                    format!("{origin}{by}"),
                    path.to_string(),
                )
            }
            State::Damaged { reason } => (
                format!("damaged: {reason}"),
                String::new(),
                row.source.clone(),
                String::new(),
            ),
            State::Absent => (
                "absent".to_owned(),
                String::new(),
                row.source.clone(),
                String::new(),
            ),
            State::Unlocked => (
                "unlocked".to_owned(),
                String::new(),
                row.source.clone(),
                String::new(),
            ),
        };
        table.add_row([row.name.clone(), row.version.clone(), state, size, origin, path]);
    }
    table
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}
