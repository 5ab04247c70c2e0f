//! Where runs lie: finding one by what a user types, and pointing `latest` at the newest.
//!
//! What it is not: a history. It looks at names only.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use crate::{LOG_FILE, ReportError};

/// The symbolic link to the newest run.
pub const LATEST: &str = "latest";

/// The folder of a run: the newest without `wanted`; else by run id, the beginning of one, or a path to a run's folder
/// or its log. The `latest` link is followed, so that the answer names the run itself.
///
/// # Errors
/// [`ReportError::NoRun`], [`ReportError::UnknownRun`] and [`ReportError::AmbiguousRun`], each with what to do;
/// [`ReportError::File`] if the folder of runs cannot be listed.
pub fn find_run(runs: &Utf8Path, wanted: Option<&str>) -> Result<Utf8PathBuf, ReportError> {
    let Some(wanted) = wanted.filter(|name| *name != LATEST) else {
        return latest(runs).ok_or_else(|| ReportError::NoRun {
            folder: runs.to_owned(),
        });
    };
    let path = Utf8Path::new(wanted);
    // A plain word is a run id first: a folder of that name in the working directory is not what is meant.
    let by_id = runs.join(wanted);
    if !wanted.is_empty() && has_log(&by_id) {
        return Ok(by_id);
    }
    if has_log(path) {
        return Ok(path.to_owned());
    }
    if path.file_name() == Some(LOG_FILE) && path.is_file() {
        let folder = path.parent().filter(|folder| !folder.as_str().is_empty());
        return Ok(folder.unwrap_or(Utf8Path::new(".")).to_owned());
    }

    let ids = run_ids(runs)?;
    let fits: Vec<&String> = ids.iter().filter(|id| id.starts_with(wanted)).collect();
    match fits.as_slice() {
        [only] => Ok(runs.join(only)),
        [] => Err(ReportError::UnknownRun {
            wanted: wanted.to_owned(),
            folder: runs.to_owned(),
            known: known_runs(&ids),
        }),
        several => Err(ReportError::AmbiguousRun {
            wanted: wanted.to_owned(),
            fits: several
                .iter()
                .map(|id| id.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

/// Points `latest` in the folder of runs at a run's folder, at once for whoever looks.
///
/// # Errors
/// [`ReportError::File`] if the link cannot be made.
pub fn mark_latest(runs: &Utf8Path, run_dir: &Utf8Path) -> Result<(), ReportError> {
    // Beside its siblings the name alone survives a move of the whole tree.
    let target = match (run_dir.parent(), run_dir.file_name()) {
        (Some(parent), Some(name)) if parent == runs => Utf8PathBuf::from(name),
        _ => run_dir
            .canonicalize_utf8()
            .map_err(ReportError::file("point `latest` at the run"))?,
    };
    let link = runs.join(LATEST);
    let fresh = runs.join(format!(".{LATEST}-{}", std::process::id()));
    fs_err::os::unix::fs::symlink(&target, &fresh)
        .and_then(|()| fs_err::rename(&fresh, &link))
        .map_err(ReportError::file("point `latest` at the run"))
}

fn latest(runs: &Utf8Path) -> Option<Utf8PathBuf> {
    let target = runs.join(LATEST).read_link_utf8().ok()?;
    Some(runs.join(target)).filter(|folder| has_log(folder))
}

fn has_log(folder: &Utf8Path) -> bool {
    folder.join(LOG_FILE).is_file()
}

/// Ids of the runs that have a log, oldest first (ids sort by time).
pub(crate) fn run_ids(runs: &Utf8Path) -> Result<Vec<String>, ReportError> {
    let entries = match fs_err::read_dir(runs) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => {
            return Err(ReportError::File {
                doing: "list the runs",
                source,
            });
        }
    };
    let mut ids = Vec::new();
    for entry in entries {
        let entry = entry.map_err(ReportError::file("list the runs"))?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if name != LATEST && has_log(&runs.join(&name)) {
            ids.push(name);
        }
    }
    ids.sort();
    Ok(ids)
}

fn known_runs(ids: &[String]) -> String {
    const SHOWN: usize = 5;
    if ids.is_empty() {
        return "there is none; start one with `cargo xtask e2e`".to_owned();
    }
    let newest: Vec<&str> = ids.iter().rev().take(SHOWN).map(String::as_str).collect();
    let more = if ids.len() > SHOWN { ", …" } else { "" };
    format!("the newest are {}{more}", newest.join(", "))
}
