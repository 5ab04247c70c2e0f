//! `report.html` and the page of a diff in a real browser: it loads nothing, complains of nothing, axe finds nothing, keys reach everything, the filters filter.
//!
//! Needs chromium and the node package beside this file, installed into the folder that [`BROWSER_VARIABLE`] names: `cargo xtask test` does
//! that. Without the variable every trial is ignored and says so. What it is not: a judge of beauty; it keeps screenshots in that
//! folder for people.

#[path = "report/sample.rs"]
#[expect(dead_code, reason = "the other tests take the rest")]
mod sample;

#[path = "report/pair.rs"]
mod pair;

#[path = "browser/run_folder.rs"]
mod run_folder;

use std::process::{Command, ExitCode};

use camino::{Utf8Path, Utf8PathBuf};
use camino_tempfile::tempdir;
use harness_model::upgrade::Arm;
use harness_model::{BROWSER_VARIABLE, Event, Line};
use harness_report::{HTML_FILE, Summary, diff_html, write_all};
use libtest_mimic::{Arguments, Failed, Trial};
use serde::Deserialize;

/// What stands in place of the kind of an ignored trial.
const NEEDED: &str = "needs chromium and node: cargo xtask test";

/// What the script saw of a page.
#[derive(Deserialize)]
struct Seen {
    looks: Vec<Look>,
    keyboard: Keyboard,
    plain: Plain,
}

/// In one theme and width.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Look {
    theme: String,
    width: String,
    complaints: Vec<String>,
    requests: Vec<String>,
    violations: Vec<String>,
    first_screen: Vec<String>,
    sideways: i64,
    hacked: bool,
}

/// By keys alone: presses of Tab, and how many checks, or lines of a diff, are shown.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keyboard {
    all: usize,
    tabs_to_filter: Option<usize>,
    with_nonsense: usize,
    with_first_name: usize,
    cleared: usize,
    /// A diff has no verdicts to choose from.
    verdict: Option<Choice>,
    tabs_to_fold: Option<usize>,
    before: bool,
    after: bool,
    complaints: Vec<String>,
}

/// A verdict that is taken away.
#[derive(Deserialize)]
struct Choice {
    tabs: Option<usize>,
    of: usize,
    without: usize,
}

/// Without scripts.
#[derive(Deserialize)]
struct Plain {
    filters: bool,
    all: usize,
}

fn main() -> ExitCode {
    let installed = std::env::var(BROWSER_VARIABLE).ok().map(Utf8PathBuf::from);
    let trial = |name: &'static str, test: fn(&Utf8Path) -> Result<(), Failed>| match installed.clone() {
        Some(folder) => Trial::test(name, move || test(&folder)),
        None => Trial::test(name, || Ok(()))
            .with_kind(NEEDED)
            .with_ignored_flag(true),
    };
    let trials = vec![
        trial("green", green),
        trial("red", red),
        trial("killed", killed),
        trial("hostile", hostile),
        trial("diff", diff),
    ];
    let mut arguments = Arguments::from_args();
    if installed.is_none() {
        // `--include-ignored` must not make a pass of what did not run.
        arguments.ignored = false;
        arguments.include_ignored = false;
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn green(installed: &Utf8Path) -> Result<(), Failed> {
    let mut lines = sample::green();
    let end = lines.len() - 1;
    let at = lines[end].at;
    let upgrade = [
        Event::ChartsDiffer {
            difference: sample::chart_difference(),
        },
        Event::Upgraded {
            facts: sample::arm(Arm::DefinitionsFirst),
        },
        Event::Upgraded {
            facts: sample::arm(Arm::Rollback),
        },
    ];
    lines.splice(end..end, upgrade.map(|event| Line { at, event }));
    let seen = look_at(installed, "green", &lines, |_| Ok(()))?;

    holds_for_every_page(&seen)?;
    for look in &seen.looks {
        told(look, "Green: all 2 checks passed")?;
    }
    Ok(())
}

fn red(installed: &Utf8Path) -> Result<(), Failed> {
    let seen = look_at(installed, "red", &run_folder::red(), run_folder::fill)?;

    holds_for_every_page(&seen)?;
    let wide: Vec<&Look> = seen.looks.iter().filter(|look| look.width == "wide").collect();
    for look in &wide {
        told(look, "Red: 1 of 2 checks failed")?;
        told(look, "A runner registers at the enterprise.")?;
        told(look, r#"labels of r1 in GHES = {"linux", "v2.306.0"}"#)?;
        told(look, r#"{"linux"}"#)?;
        told(
            look,
            "POST /_services/pipelines/aaa/_apis/distributedtask/pools/1/agents 200",
        )?;
        told(look, "the guide, \"Deploy runners\"")?;
        told(look, "cargo xtask e2e registration::enterprise")?;
    }
    if wide.len() == 2 {
        Ok(())
    } else {
        Err("the script looks at the wide page in two themes".into())
    }
}

fn killed(installed: &Utf8Path) -> Result<(), Failed> {
    let seen = look_at(installed, "killed", &sample::killed(), |_| Ok(()))?;

    holds_for_every_page(&seen)?;
    for look in &seen.looks {
        told(look, "Killed: the log has no end")?;
    }
    Ok(())
}

fn hostile(installed: &Utf8Path) -> Result<(), Failed> {
    let seen = look_at(installed, "hostile", &run_folder::hostile(), run_folder::fill)?;

    holds_for_every_page(&seen)
}

fn diff(installed: &Utf8Path) -> Result<(), Failed> {
    let (before, after) = pair::differing_in_everything();
    let page = after.path().join("diff.html");
    fs_err::write(&page, diff_html(&pair::compared(&before, &after)))?;

    let seen = open(installed, "diff", "diff", &page)?;

    holds_for_every_page(&seen)?;
    for look in seen.looks.iter().filter(|look| look.width == "wide") {
        told(look, "Different: 17 differences in 9 of 9 sections")?;
        told(look, "Verdicts ≠ 7 differences")?;
    }
    Ok(())
}

/// Renders a run in a folder of its own and lets the script look at the page; whoever reads the page may filter by verdict.
fn look_at(
    installed: &Utf8Path,
    name: &str,
    lines: &[Line],
    fill: fn(&Utf8Path) -> std::io::Result<()>,
) -> Result<Seen, Failed> {
    let run_dir = tempdir()?;
    fill(run_dir.path())?;
    write_all(run_dir.path(), &Summary::fold(lines))?;
    let seen = open(installed, "report", name, &run_dir.path().join(HTML_FILE))?;
    holds(
        seen.keyboard.verdict.is_some(),
        "a report has verdicts to choose from",
    )?;
    Ok(seen)
}

/// Lets the script look at a page.
fn open(installed: &Utf8Path, kind: &str, name: &str, page: &Utf8Path) -> Result<Seen, Failed> {
    let screenshots = installed.join("screenshots");
    fs_err::create_dir_all(&screenshots)?;

    let output = Command::new("node")
        .arg(installed.join("look.mjs"))
        .args([chromium()?, page.to_owned(), screenshots])
        .args([kind, name])
        .output()
        .map_err(|error| format!("node cannot be started: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("look.mjs ended with {}: {said}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn chromium() -> Result<Utf8PathBuf, Failed> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join("chromium"))
        .filter_map(|program| Utf8PathBuf::from_path_buf(program).ok())
        .find(|program| program.is_file())
        .ok_or_else(|| "no chromium in PATH: install the package chromium".into())
}

fn holds_for_every_page(seen: &Seen) -> Result<(), Failed> {
    for look in &seen.looks {
        let place = format!("{} {}", look.theme, look.width);
        no(&look.complaints, &place, "complaint of the browser")?;
        no(&look.requests, &place, "request")?;
        no(&look.violations, &place, "violation of accessibility")?;
        holds(
            look.sideways <= 0,
            &format!("{place}: the page must not scroll sideways"),
        )?;
        holds(!look.hacked, &format!("{place}: a text of the run was executed"))?;
    }
    holds(
        seen.looks.len() == 4,
        "the script looks in two themes and two widths",
    )?;

    let keys = &seen.keyboard;
    no(&keys.complaints, "keyboard", "complaint of the browser")?;
    holds(keys.tabs_to_filter.is_some(), "Tab reaches the text filter")?;
    holds(keys.all > 0, "there is something to filter")?;
    holds(keys.with_nonsense == 0, "a text that fits nothing hides all")?;
    holds(keys.with_first_name >= 1, "a name shows what has it")?;
    holds(keys.cleared == keys.all, "an empty text shows all again")?;
    if let Some(verdict) = &keys.verdict {
        holds(verdict.tabs.is_some(), "Tab reaches the verdicts")?;
        holds(
            verdict.of > 0 && verdict.without == keys.all - verdict.of,
            "a verdict that is taken away hides its checks",
        )?;
    }
    holds(keys.tabs_to_fold.is_some(), "Tab reaches what is folded")?;
    holds(keys.before != keys.after, "Enter opens or closes it")?;

    holds(
        !seen.plain.filters,
        "without scripts no filter is shown that does nothing",
    )?;
    holds(seen.plain.all == keys.all, "without scripts everything is shown")
}

fn holds(condition: bool, sentence: &str) -> Result<(), Failed> {
    if condition {
        Ok(())
    } else {
        Err(format!("does not hold: {sentence}").into())
    }
}

fn no(found: &[String], place: &str, what: &str) -> Result<(), Failed> {
    if found.is_empty() {
        Ok(())
    } else {
        Err(format!("{place}: {what}: {}", found.join("; ")).into())
    }
}

fn told(look: &Look, text: &str) -> Result<(), Failed> {
    if look.first_screen.iter().any(|piece| piece.contains(text)) {
        return Ok(());
    }
    let place = format!("{} {}", look.theme, look.width);
    Err(format!(
        "{place}: the first screen lacks `{text}`; it shows {:#?}",
        look.first_screen
    )
    .into())
}
