//! Where the run's lines go: the log (the truth), then the terminal or standard output. Only the supervisor holds them.

use std::io::Write as _;
use std::path::Path;

use camino::{Utf8Path, Utf8PathBuf};
use harness_model::{Event, Line, OutputFormat, Redactor};
use harness_report::{LogWriter, ReportError, Style, Summary, Terminal, annotations, step_summary};
use jiff::Timestamp;

/// The sinks of one run.
pub(crate) struct Sinks {
    folder: Utf8PathBuf,
    log: LogWriter,
    terminal: Terminal,
    format: OutputFormat,
    lines: Vec<Line>,
}

impl Sinks {
    /// Makes the run's folder and begins its log.
    pub(crate) fn open(folder: &Utf8Path, format: OutputFormat, style: Style) -> Result<Sinks, ReportError> {
        let log = LogWriter::create(folder, Redactor::default())?;
        let terminal = Terminal::new(style, folder);
        Ok(Sinks {
            folder: folder.to_owned(),
            log,
            terminal,
            format,
            lines: Vec::new(),
        })
    }

    /// Takes an event that happens now.
    pub(crate) fn event(&mut self, event: Event) -> Result<(), ReportError> {
        self.line(&Line {
            at: Timestamp::now(),
            event,
        })
    }

    /// Takes a line of the inner process.
    pub(crate) fn line(&mut self, line: &Line) -> Result<(), ReportError> {
        let clean = self.log.append(line)?;
        match self.format {
            OutputFormat::Human => {
                if let Some(text) = self.terminal.line(&clean) {
                    print(&text);
                }
            }
            OutputFormat::Json => print_json(&clean),
        }
        self.lines.push(clean);
        Ok(())
    }

    /// All lines so far.
    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Writes the reports and prints the summary.
    pub(crate) fn finish(self) -> Result<(), ReportError> {
        let summary = Summary::fold(&self.lines);
        harness_report::write_all(&self.folder, &summary)?;
        if let Some(file) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|file| !file.is_empty()) {
            tell_github(Path::new(&file), &summary);
        }
        if self.format == OutputFormat::Human {
            print(&self.terminal.finish(&summary));
        }
        Ok(())
    }
}

/// A step of GitHub Actions: its summary, and an annotation for whatever is red. Runners read commands from standard error too, and standard
/// output belongs to `--format json`.
#[expect(clippy::print_stderr, reason = "workflow commands are lines of output")]
fn tell_github(file: &Path, summary: &Summary) {
    let appended = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(file)
        .and_then(|mut file| file.write_all(step_summary(summary).as_bytes()));
    if let Err(error) = appended {
        eprintln!(
            "warning: the step's summary {} cannot be written: {error}",
            file.display()
        );
    }
    eprint!("{}", annotations(summary));
}

#[expect(clippy::print_stdout, reason = "the terminal sink")]
pub(crate) fn print(text: &str) {
    print!("{text}");
}

#[expect(clippy::print_stdout, reason = "the JSON sink")]
fn print_json(line: &Line) {
    if let Ok(text) = serde_json::to_string(line) {
        println!("{text}");
    }
}

/// Tells the user of a mistake that ends the program before a run has a folder.
#[expect(clippy::print_stderr, reason = "the last word of a program that cannot start")]
pub(crate) fn complain(message: &str) {
    eprintln!("error: {message}");
}
