//! The verb: chooses, builds, runs, tells.
//!
//! Everything of it lies in `target/mutants`: `work` (the changed copy, gone when the verb ends), `runs` (a folder for each mutant), `results.json`.

use std::fs::TryLockError;
use std::io::Write;
use std::time::Instant;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use harness_artifacts::{ArtifactError, ChangedModule, Options, Resolver};
use harness_model::{Exit, OutputFormat, Plan, Profile};

use crate::data::Data;
use crate::results::{Outcome, Results, Verdict};
use crate::selection::{Shard, Wanted, select};
use crate::trial::{Interrupts, Noticed};
use crate::{Mutant, trial};

/// The part whose module is changed; the others are programs of the same.
const PART: &str = "arc-manager";

/// A defect shows in the first of random cases; more of them only make a survivor slow.
const CASES: usize = 30;

/// Arguments of `mutants`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The mutants that are written down in fixtures/mutants/named.toml.
    #[arg(long)]
    named: bool,
    /// So many of those that the operators make, chosen by the seed.
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// Chooses the sample; without it a new one, which the last line names.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// The I-th of N parts of what the other flags choose, as 2/8.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Mutants whose id begins like this.
    #[arg(long, value_name = "ID", conflicts_with_all = ["named", "sample", "shard", "file"])]
    only: Vec<String>,
    /// Only mutants of files whose path contains this.
    #[arg(long, value_name = "NAME")]
    file: Option<String>,
    /// Show them, and build nothing.
    #[arg(long)]
    list: bool,
}

/// What was asked for is not there, or not possible now.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// No mutant is chosen.
    #[error("no mutant is chosen by these flags; `cargo xtask mutants --list` shows them all")]
    NoMutant,
    /// A mutant is called equivalent that no operator makes.
    #[error("equivalent.toml names `{0}`, which is no mutant of this version: correct or remove the entry")]
    NoSuchMutant(String),
    /// Another one works in the same folder.
    #[error("another `cargo xtask mutants` works in {0}; wait until it has ended")]
    Busy(Utf8PathBuf),
    /// A run told nothing of the mutant.
    #[error("the run of the mutant `{id}` says nothing of it: {why}; its folder is {folder}")]
    BrokenRun {
        /// The mutant.
        id: String,
        /// What broke.
        why: String,
        /// The run's folder.
        folder: Utf8PathBuf,
    },
}

impl Unusable {
    /// How the program should end.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Unusable::NoMutant | Unusable::NoSuchMutant(_) => Exit::Usage,
            Unusable::Busy(_) | Unusable::BrokenRun { .. } => Exit::Environment,
        }
    }
}

/// Carries the verb out. `plan` is a run's without flags, `program` the scenario runner.
///
/// # Errors
/// [`Unusable`], [`ArtifactError`], and files that cannot be read or written.
pub async fn run(args: Args, plan: Plan, program: &Utf8Path, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let mut interrupts = Interrupts::listen()?;
    let repository = Utf8Path::new(&plan.repository);
    let resolver = Resolver::open(Options {
        kind_dir: repository.join("kind"),
        cache_dir: None,
        offline: plan.offline,
        path: None,
    })?;
    let data = Data::read(repository)?;
    let source = resolver.module_source(PART, &plan.arc).await?;
    let seed = args.seed.unwrap_or(plan.seed);
    let wanted = Wanted {
        only: &args.only,
        file: args.file.as_deref(),
        named: args.named,
        sample: args.sample,
        shard: args.shard,
    };
    let mutants = all(&data, &source, &plan.arc)?;
    if let Some(id) = data
        .equivalent
        .ids()
        .find(|id| mutants.iter().all(|mutant| mutant.id != *id))
    {
        return Err(Unusable::NoSuchMutant(id.to_owned()).into());
    }
    let chosen = select(mutants, &wanted, seed);
    if chosen.is_empty() {
        return Err(Unusable::NoMutant.into());
    }
    if args.list {
        for mutant in &chosen {
            writeln!(out, "{}", mutant.id)?;
        }
        writeln!(out, "{} mutants (seed {seed})", chosen.len())?;
        return Ok(Exit::Green);
    }

    let folder = repository.join("target/mutants");
    let work = Work::take(&folder)?;
    let module = tokio::select! {
        module = resolver.changed_module(PART, &plan.arc, &work.folder) => module?,
        () = interrupts.next() => return Ok(Exit::Interrupted),
    };
    let bench = Bench {
        program,
        plan: &plan,
        module,
        subject: work.folder.join("subject"),
        runs: folder.join("runs"),
    };
    let mut results = Results {
        arc: plan.arc.clone(),
        seed,
        outcomes: Vec::new(),
    };
    let count = chosen.len();
    let mut interrupted = false;
    for (index, mutant) in chosen.iter().enumerate() {
        let outcome = match data.equivalent.reason(mutant) {
            Some(reason) => Some(outcome(mutant, Verdict::Equivalent, reason.to_owned())),
            None => bench.try_out(mutant, &mut interrupts).await?,
        };
        let Some(outcome) = outcome else {
            interrupted = true;
            break;
        };
        tell(out, &outcome, index + 1, count)?;
        results.outcomes.push(outcome);
        results.write(&folder.join("results.json"))?;
    }
    writeln!(out, "{}{}", results.table(), results.summary())?;
    Ok(if interrupted {
        Exit::Interrupted
    } else {
        results.exit()
    })
}

/// Every mutant of a version: the named ones, then what the operators make of each file.
///
/// # Errors
/// A file that is not there, or a named mutant that does not fit.
pub fn all(data: &Data, module: &Utf8Path, version: &str) -> anyhow::Result<Vec<Mutant>> {
    let mut named = Vec::new();
    let mut generated = Vec::new();
    for source in &data.sources {
        let text = fs_err::read_to_string(module.join(&source.file))?;
        let fits = |of: &&crate::data::Named| {
            of.file == source.file && of.versions.iter().any(|fits| fits == version)
        };
        for of_file in data.named.iter().filter(fits) {
            named.push(Mutant::named(of_file, source, &text)?);
        }
        if !source.named_only {
            generated.extend(Mutant::generated(source, &text)?);
        }
    }
    named.extend(generated);
    Ok(named)
}

/// The folder that one verb at a time works in. It goes with this value; what a killed one left, the next clears.
struct Work {
    folder: Utf8PathBuf,
    _lock: std::fs::File,
}

impl Work {
    fn take(folder: &Utf8Path) -> anyhow::Result<Work> {
        fs_err::create_dir_all(folder)?;
        let lock = std::fs::File::create(folder.join("lock")).context("make the lock file")?;
        match lock.try_lock() {
            Ok(()) => Ok(Work {
                folder: folder.join("work"),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(Unusable::Busy(folder.to_owned()).into()),
            Err(TryLockError::Error(error)) => Err(error).context("lock target/mutants/lock"),
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // The next one clears what could not be removed.
        fs_err::remove_dir_all(&self.folder).unwrap_or_default();
    }
}

struct Bench<'a> {
    program: &'a Utf8Path,
    plan: &'a Plan,
    module: ChangedModule,
    /// The programs of the mutant at hand.
    subject: Utf8PathBuf,
    runs: Utf8PathBuf,
}

impl Bench<'_> {
    /// Builds it and has the suite run against it; none if somebody interrupts.
    async fn try_out(&self, mutant: &Mutant, interrupts: &mut Interrupts) -> anyhow::Result<Option<Outcome>> {
        let begun = Instant::now();
        let built = tokio::select! {
            built = self.build(mutant) => built,
            () = interrupts.next() => return Ok(None),
        };
        let build_seconds = begun.elapsed().as_secs_f64();
        let built = match built {
            Err(error) => match error.downcast::<ArtifactError>() {
                Ok(ArtifactError::Build { tail, .. }) => Err(tail),
                Ok(other) => return Err(other.into()),
                Err(error) => return Err(error),
            },
            Ok(()) => Ok(()),
        };
        if let Err(tail) = built {
            return Ok(Some(Outcome {
                build_seconds,
                ..outcome(mutant, Verdict::NotBuilt, tail)
            }));
        }
        let folder = self.runs.join(slug(&mutant.id));
        let plan = Plan {
            command: format!("cargo xtask mutants --only '{}'", mutant.id),
            filters: mutant.checks.clone(),
            profile: Profile::All,
            arc_build: Some(self.subject.clone().into_string()),
            format: OutputFormat::Json,
            out: Some(folder.clone().into_string()),
            cases: Some(CASES),
            retries: 0,
            ..self.plan.clone()
        };
        let begun = Instant::now();
        let noticed = trial::run(self.program, &plan, interrupts).await?;
        let (verdict, because) = match noticed {
            Noticed::By(words) => {
                // Its report says enough, and there are a thousand of them.
                fs_err::remove_dir_all(folder.join("evidence")).unwrap_or_default();
                (Verdict::Killed, words)
            }
            Noticed::Nobody => (Verdict::Survived, format!("green: {}", mutant.checks.join(" "))),
            Noticed::Interrupted => return Ok(None),
            Noticed::Nothing(why) => {
                let id = mutant.id.clone();
                return Err(Unusable::BrokenRun { id, why, folder }.into());
            }
        };
        Ok(Some(Outcome {
            build_seconds,
            run_seconds: begun.elapsed().as_secs_f64(),
            ..outcome(mutant, verdict, because)
        }))
    }

    /// Puts the defect into the copy, builds, and takes it out again.
    async fn build(&self, mutant: &Mutant) -> anyhow::Result<()> {
        if self.subject.exists() {
            fs_err::remove_dir_all(&self.subject)?;
        }
        fs_err::create_dir_all(&self.subject)?;
        let file = self.module.source().join(&mutant.file);
        let original = fs_err::read_to_string(&file)?;
        fs_err::write(&file, mutant.applied(&original))?;
        let parts: Vec<&str> = mutant.programs.iter().map(String::as_str).collect();
        let built = self.module.build(&parts, &self.subject).await;
        fs_err::write(&file, original)?;
        Ok(built?)
    }
}

fn outcome(mutant: &Mutant, verdict: Verdict, because: String) -> Outcome {
    Outcome {
        id: mutant.id.clone(),
        is_named: mutant.is_named,
        file: mutant.file.clone(),
        verdict,
        because,
        build_seconds: 0.0,
        run_seconds: 0.0,
    }
}

fn tell(out: &mut dyn Write, outcome: &Outcome, index: usize, count: usize) -> std::io::Result<()> {
    let word = match outcome.verdict {
        Verdict::Killed => "killed",
        Verdict::Survived => "SURVIVED",
        Verdict::Equivalent => "equivalent",
        Verdict::NotBuilt => "not built",
    };
    let because: String = outcome.because.chars().take(160).collect();
    let because = because.replace('\n', " ");
    writeln!(
        out,
        "{index:>4}/{count} {word:>10} {:>5.1} s + {:>5.1} s  {}  ({because})",
        outcome.build_seconds, outcome.run_seconds, outcome.id
    )
}

/// The id as the name of a folder.
fn slug(id: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || ".-".contains(c) {
            c
        } else {
            '_'
        }
    };
    // Signs differ where letters do not: `< → <=` and `> → >=`.
    let signs: Vec<String> = id
        .chars()
        .filter(|c| "<>=!&|#".contains(*c))
        .map(|c| format!("{:x}", u32::from(c)))
        .collect();
    format!(
        "{}{}",
        id.chars().take(80).map(plain).collect::<String>(),
        signs.concat()
    )
}
