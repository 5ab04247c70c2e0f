//! What the README shows and tells to type. Its links and pictures are there; its journeys are executed as they stand: every command in
//! order, from the repository's root, with the exit code that the README says.
//!
//! A journey is the first `console` block below its heading. A command's exit code is 0 unless its comment begins with `exit N`.

#[path = "upgrade/answer.rs"]
#[expect(dead_code, reason = "the other upgrades take the rest")]
mod answer;

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, bail, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use harness::model::upgrade::Arm;
use harness::model::{LIVE_VARIABLE, PLAN_VARIABLE, PROGRAM_VARIABLE};
use libtest_mimic::{Arguments, Failed, Trial};

use crate::answer::Answer;

/// What a heading begins with.
const LAPTOP: &str = "## Laptop";
const UPGRADE: &str = "## Upgrade";

/// The promise: no journey is longer.
const MOST: usize = 5;

/// Bytes of a picture: whoever reads the page waits for it.
const PICTURE: u64 = 300_000;

/// So much of a command's output tells why it ended otherwise.
const LAST_LINES: usize = 40;

fn main() -> ExitCode {
    let live = std::env::var_os(LIVE_VARIABLE).is_some();
    let trial = |name: &str, test: fn() -> anyhow::Result<()>| {
        Trial::test(name, move || {
            test().map_err(|error| Failed::from(format!("{error:#}")))
        })
    };
    let trials = vec![
        trial("the README's links and pictures are there", links_are_there),
        trial("the README has both journeys", both_are_there),
        trial(
            "a journey that is missing, empty or too long is refused",
            others_are_refused,
        ),
        trial("laptop", laptop).with_ignored_flag(!live),
        trial("upgrade", upgrade).with_ignored_flag(!live),
    ];
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(1);
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn links_are_there() -> anyhow::Result<()> {
    let (readme, root) = (readme()?, root()?);
    let mut pictures = 0;
    for piece in readme.split("](").skip(1) {
        let target = piece.split_once(')').map_or(piece, |(target, _)| target);
        if target.contains("://") || target.starts_with('#') {
            continue;
        }
        let path = root.join(target);
        let metadata = std::fs::metadata(&path).with_context(|| format!("the README links to {target}"))?;
        if target.starts_with("docs/pictures/") {
            pictures += 1;
            ensure!(metadata.len() <= PICTURE, "{target} has {} bytes", metadata.len());
        }
    }
    ensure!(
        pictures == 2,
        "the README shows terminal and report, not {pictures} pictures"
    );
    Ok(())
}

fn both_are_there() -> anyhow::Result<()> {
    for heading in [LAPTOP, UPGRADE] {
        journey(&readme()?, heading)?;
    }
    Ok(())
}

fn others_are_refused() -> anyhow::Result<()> {
    let text = |commands: usize| {
        let lines = "$ true   # exit 3: a comment\n".repeat(commands);
        format!(
            "## Other\n```console\n$ other\n```\n## Laptop: words\nwords\n```console\n{lines}```\n## Next\n"
        )
    };

    let longest = journey(&text(MOST), LAPTOP)?;

    let expected = Step {
        line: "true   # exit 3: a comment".to_owned(),
        exit: 3,
    };
    ensure!(longest == vec![expected; MOST], "{longest:?}");
    ensure!(
        journey(&text(MOST + 1), LAPTOP).is_err(),
        "it has too many commands"
    );
    ensure!(journey(&text(0), LAPTOP).is_err(), "it has no command");
    ensure!(journey(&text(1), UPGRADE).is_err(), "there is no such heading");
    ensure!(
        journey("## Laptop\n## Next\n```console\n$ true\n```\n", LAPTOP).is_err(),
        "the block is another one's"
    );
    Ok(())
}

fn laptop() -> anyhow::Result<()> {
    walk(LAPTOP)
}

/// Also what stood behind the green exit: the answer is the right one for the right reasons.
fn upgrade() -> anyhow::Result<()> {
    walk(UPGRADE)?;

    let answer = Answer::read(&root()?.join("target/bump"))?;
    answer.is(&["SAFE WITH STEPS"])?;
    for step in ["kubectl replace", "metrics.serviceMonitor.enable=true"] {
        answer.step(step)?;
    }
    let forgotten = answer.arm(Arm::DefinitionsForgotten)?;
    ensure!(
        forgotten.pruned == ["RunnerDeployment spec.template.spec.dockerVarRunVolumeSizeLimit"],
        "{forgotten:?}"
    );
    Ok(())
}

/// Executes a journey.
fn walk(heading: &str) -> anyhow::Result<()> {
    for step in journey(&readme()?, heading)? {
        step.execute()?;
    }
    Ok(())
}

/// A command of a journey.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    /// As the README has it, comment included, without the prompt.
    line: String,
    exit: i32,
}

impl Step {
    fn parse(line: &str) -> anyhow::Result<Step> {
        let comment = line
            .split_once(" # ")
            .map_or("", |(_, comment)| comment.trim_start());
        let exit = match comment.strip_prefix("exit ") {
            Some(rest) => rest
                .split(|c: char| !c.is_ascii_digit())
                .next()
                .unwrap_or_default()
                .parse()
                .with_context(|| format!("`{line}`: a number comes after `exit`"))?,
            None => 0,
        };
        Ok(Step {
            line: line.to_owned(),
            exit,
        })
    }

    /// By a shell, as somebody who copies it, who knows nothing of the test around.
    fn execute(&self) -> anyhow::Result<()> {
        let mut command = Command::new("sh");
        command.args(["-c", &self.line]).current_dir(root()?);
        for variable in [LIVE_VARIABLE, PLAN_VARIABLE, PROGRAM_VARIABLE] {
            command.env_remove(variable);
        }
        let output = command.stdin(Stdio::null()).output()?;
        if output.status.code() == Some(self.exit) {
            return Ok(());
        }
        let said = [output.stdout, output.stderr].map(|text| last_lines(&text));
        bail!(
            "`{}` ended with {}, the README says {}:\n{}\n{}",
            self.line,
            output.status,
            self.exit,
            said[0],
            said[1]
        )
    }
}

/// The commands of the first `console` block below the heading.
fn journey(readme: &str, heading: &str) -> anyhow::Result<Vec<Step>> {
    let mut lines = readme
        .lines()
        .skip_while(|line| !line.starts_with(heading))
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .skip_while(|line| *line != "```console")
        .skip(1)
        .take_while(|line| *line != "```");
    let steps = lines
        .by_ref()
        .filter_map(|line| line.strip_prefix("$ "))
        .map(Step::parse)
        .collect::<anyhow::Result<Vec<Step>>>()?;
    ensure!(
        !steps.is_empty(),
        "the README has no journey `{heading}`: a heading that begins so, and a `console` block with commands below it"
    );
    ensure!(
        steps.len() <= MOST,
        "the journey `{heading}` has {} commands, promised are at most {MOST}",
        steps.len()
    );
    Ok(steps)
}

fn last_lines(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

fn readme() -> anyhow::Result<String> {
    let file = root()?.join("README.md");
    std::fs::read_to_string(&file).with_context(|| format!("read {file}"))
}

fn root() -> anyhow::Result<Utf8PathBuf> {
    let here = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.parent().context("the crate lies in the repository")?;
    Ok(root.to_owned())
}
