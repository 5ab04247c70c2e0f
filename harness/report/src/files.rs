//! The report files of a run's folder. Each appears whole or not at all.

use camino::Utf8Path;

use crate::{ReportError, Summary, junit_xml, report_yaml};

/// The JUnit file's name in the run's folder.
pub const JUNIT_FILE: &str = "junit.xml";
/// The YAML report's name in the run's folder.
pub const REPORT_FILE: &str = "report.yaml";

/// Writes `junit.xml` and `report.yaml` into the run's folder, replacing earlier ones.
///
/// # Errors
/// [`ReportError::Junit`] and [`ReportError::Yaml`] if one cannot be formed (then neither is written),
/// [`ReportError::File`] if the disk does not take it.
pub fn write_all(run_dir: &Utf8Path, summary: &Summary) -> Result<(), ReportError> {
    let junit = junit_xml(summary)?;
    let report = report_yaml(summary)?;
    replace(run_dir, JUNIT_FILE, &junit).map_err(ReportError::file("write junit.xml"))?;
    replace(run_dir, REPORT_FILE, &report).map_err(ReportError::file("write report.yaml"))
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
