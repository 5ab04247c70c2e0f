//! Renders the page of a run's folder into another file, and says how long it took: for trying the page on runs that must not be
//! touched, and for measuring it. `cargo run --release -p harness-report --example render -- RUN_FOLDER PAGE`

use std::time::Instant;

use camino::Utf8PathBuf;
use harness_report::{Excerpts, LOG_FILE, Summary, read_log, report_html};

#[expect(clippy::print_stdout, reason = "the figures are its purpose")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).map(Utf8PathBuf::from);
    let (Some(folder), Some(page)) = (arguments.next(), arguments.next()) else {
        return Err("usage: render RUN_FOLDER PAGE".into());
    };
    let start = Instant::now();
    let lines = read_log(&folder.join(LOG_FILE))?;
    let log_read = start.elapsed();
    let summary = Summary::fold(&lines);
    let folded = start.elapsed();
    let evidence = Excerpts::read(&folder, &summary);
    let evidence_read = start.elapsed();
    let html = report_html(&summary, &evidence);
    let rendered = start.elapsed();
    fs_err::write(&page, &html)?;
    println!(
        "{} events: log {log_read:.0?}, fold {:.0?}, evidence {:.0?}, page {:.0?}, in all {rendered:.0?}; {} bytes",
        lines.len(),
        folded - log_read,
        evidence_read - folded,
        rendered - evidence_read,
        html.len()
    );
    Ok(())
}
