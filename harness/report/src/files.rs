//! The report files of a run's folder. Each appears whole or not at all.

use camino::Utf8Path;

use crate::{Excerpts, ReportError, Summary, junit_xml, report_html, report_yaml};

/// The page's name in the run's folder.
pub const HTML_FILE: &str = "report.html";
/// The JUnit file's name in the run's folder.
pub const JUNIT_FILE: &str = "junit.xml";
/// The YAML report's name in the run's folder.
pub const REPORT_FILE: &str = "report.yaml";

/// Writes `junit.xml`, `report.yaml` and `report.html` into the run's folder, replacing earlier ones. The page takes excerpts of the
/// evidence in that folder; what cannot be read there is told on the page.
///
/// # Errors
/// [`ReportError::Junit`] and [`ReportError::Yaml`] if one cannot be formed (then none is written),
/// [`ReportError::File`] if the disk does not take it.
pub fn write_all(run_dir: &Utf8Path, summary: &Summary) -> Result<(), ReportError> {
    let junit = junit_xml(summary)?;
    let report = report_yaml(summary)?;
    let page = report_html(summary, &Excerpts::read(run_dir, summary));
    replace(run_dir, JUNIT_FILE, &junit).map_err(ReportError::file("write junit.xml"))?;
    replace(run_dir, REPORT_FILE, &report).map_err(ReportError::file("write report.yaml"))?;
    replace(run_dir, HTML_FILE, &page).map_err(ReportError::file("write report.html"))
}

/// Removes what a killed process left of files that it was writing into this run's folder.
///
/// # Errors
/// [`ReportError::File`] if the folder cannot be read or changed.
pub fn remove_unfinished(run_dir: &Utf8Path) -> Result<(), ReportError> {
    let remove = || -> std::io::Result<()> {
        for entry in fs_err::read_dir(run_dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_fresh = |file: &str| {
                let process = name.strip_prefix(&format!(".{file}-"));
                process.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
            };
            if [JUNIT_FILE, REPORT_FILE, HTML_FILE].into_iter().any(is_fresh) {
                fs_err::remove_file(entry.path())?;
            }
        }
        Ok(())
    };
    remove().map_err(ReportError::file("remove half-written reports"))
}

pub(crate) fn replace(run_dir: &Utf8Path, name: &str, text: &str) -> std::io::Result<()> {
    let fresh = run_dir.join(format!(".{name}-{}", std::process::id()));
    let written = fs_err::write(&fresh, text).and_then(|()| fs_err::rename(&fresh, run_dir.join(name)));
    if written.is_err() {
        // Nothing half-written stays; the first error is the one to tell.
        let _ = fs_err::remove_file(&fresh);
    }
    written
}
