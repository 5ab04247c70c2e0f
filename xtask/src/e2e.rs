//! `cargo xtask e2e`: flags in, a checked [`Plan`] out; then build, then become the scenario runner.
//!
//! Everything that can be refused without building is refused first: a wrong flag costs no minutes.

mod chosen;
mod cluster;
pub(crate) mod pins;
pub(crate) mod words;

use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};
use clap::ValueEnum;
use harness_model::{
    EXPECTATIONS_FILE, Expectation, Gate, GateFile, OutputFormat, PLAN_VARIABLE, Plan, Profile, WallClock,
    expectations,
};

use self::chosen::Chosen;
pub(crate) use self::chosen::read as read_config;
use crate::foreground::{Foreground, become_program};
use crate::programs::{self, Built, FOR_A_RUN, Program};
use crate::refusal::Refusal;

/// Bring up a cluster with the real cert-manager and the real ARC, run the checks, report, tear down
#[derive(Debug, clap::Parser)]
pub(crate) struct E2e {
    /// Substrings of check ids; none takes all of the profile
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// What to run, what it may be, which older runs stay (TOML); other flags win over it
    #[arg(long, value_name = "FILE")]
    config: Option<Utf8PathBuf>,
    /// Which of the config's targets; not needed where there is one
    #[arg(long, value_name = "NAME", requires = "config")]
    target: Option<String>,
    /// Where the control plane runs [default: auto]
    #[arg(long, value_enum)]
    cluster: Option<cluster::Wanted>,
    /// The GHES behind the cluster [default: mock]
    #[arg(long, value_name = "mock")]
    ghes: Option<String>,
    /// How much of the catalogue [default: core]
    #[arg(long, value_enum)]
    profile: Option<ProfileName>,
    /// ARC's version, as pinned in kind/versions.toml, which also marks the default
    #[arg(long, value_name = "VERSION", conflicts_with = "arc_manager")]
    arc: Option<String>,
    /// A manager program of one's own, to put under the suite
    #[arg(long, value_name = "PATH")]
    arc_manager: Option<Utf8PathBuf>,
    /// A webhook server program of one's own
    #[arg(long, value_name = "PATH", requires = "arc_manager")]
    arc_webhook_server: Option<Utf8PathBuf>,
    /// Whether checks may move the clock of a controller of their own; with `real` those that must are skipped
    #[arg(long, value_enum, default_value_t = Clock::Controlled)]
    clock: Clock,
    /// How often ARC looks at everything again, in Go's notation
    #[arg(long, value_name = "DURATION", default_value = "1s")]
    sync_period: String,
    /// Keep the environment after the run
    #[arg(long)]
    keep: bool,
    /// Use the cache only; no network
    #[arg(long)]
    offline: bool,
    /// The run's folder, in place of target/e2e/<run id>
    #[arg(long, value_name = "DIR")]
    out: Option<Utf8PathBuf>,
    /// How the run prints
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Checks at a time; without it, as many as their claims allow
    #[arg(long, value_name = "N")]
    test_threads: Option<NonZeroUsize>,
    /// Further attempts for a failed check; a pass after a failure is `flaky` [default: 0]
    #[arg(long, value_name = "N")]
    retries: Option<u32>,
    /// Seed of everything random; without it, a new one, which the report names
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Random cases of each differential check, in place of its own number
    #[arg(long, value_name = "N")]
    cases: Option<NonZeroUsize>,
    /// RunnerDeployment manifests in place of the guide's
    #[arg(long, value_name = "FILE")]
    manifest: Option<Utf8PathBuf>,
    /// `Cache-Control: max-age` of GHES's runner lists
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    list_max_age: u64,
    /// What the run may be over and above green: allowed skips and flakes, budgets (TOML)
    #[arg(long, value_name = "FILE")]
    gate: Option<Utf8PathBuf>,
    /// A seeded defect, for the suite's proof of itself
    #[arg(long, value_name = "NAME", hide = true)]
    defect: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProfileName {
    Core,
    Extended,
    All,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Profile {
        match name {
            ProfileName::Core => Profile::Core,
            ProfileName::Extended => Profile::Extended,
            ProfileName::All => Profile::All,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Human,
    /// The lines of run.jsonl, as they are written
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Clock {
    Real,
    Controlled,
}

/// Checks, builds, and becomes the scenario runner.
pub(crate) fn run(e2e: &E2e, root: &Utf8Path, foreground: &Foreground) -> anyhow::Result<()> {
    let mut plan = plan(e2e, root, words::command_line(std::env::args().skip(1)))?;
    let built = programs::build(&FOR_A_RUN, e2e.offline, root, foreground)?;
    place_programs(&mut plan, &built)?;
    let mut command = Command::new(built.path(Program::ScenarioRunner)?);
    command.env(PLAN_VARIABLE, to_json(&plan)?);
    Err(become_program(&mut command))
}

/// The plan of `cargo xtask e2e` without flags, with the programs in place: what the repository's own tests run.
pub(crate) fn default_plan(root: &Utf8Path, built: &Built) -> anyhow::Result<Plan> {
    let e2e = <E2e as clap::Parser>::try_parse_from(["e2e"]).context("parsing no flags")?;
    let mut plan = plan(&e2e, root, "cargo xtask e2e".to_owned())?;
    place_programs(&mut plan, built)?;
    Ok(plan)
}

/// The plan of a target of a config file, with the programs not yet in place.
pub(crate) fn plan_of_target(file: &Utf8Path, name: &str, root: &Utf8Path) -> anyhow::Result<Plan> {
    let flags = ["e2e", "--config", file.as_str(), "--target", name];
    let e2e = <E2e as clap::Parser>::try_parse_from(flags).context("parsing the target's flags")?;
    plan(&e2e, root, String::new())
}

/// The plan as it is handed over.
pub(crate) fn to_json(plan: &Plan) -> anyhow::Result<String> {
    serde_json::to_string(plan).context("writing the plan as JSON")
}

/// Tells the plan where the built programs lie.
pub(crate) fn place_programs(plan: &mut Plan, built: &Built) -> anyhow::Result<()> {
    let runner = built.path(Program::Bin("runner"))?;
    plan.programs = runner
        .parent()
        .context("the runner program lies in no folder")?
        .to_string();
    Ok(())
}

/// Everything that can be said of the flags without building anything.
pub(crate) fn plan(e2e: &E2e, root: &Utf8Path, command: String) -> anyhow::Result<Plan> {
    let chosen = Chosen::read(e2e)?;
    let target = &chosen.target;
    let ghes = e2e.ghes.as_deref().or(target.ghes.as_deref()).unwrap_or("mock");
    if ghes != "mock" {
        let refusal = Refusal::usage(format!(
            "--ghes {ghes}: running against a real GHES is not part of this version; take --ghes mock"
        ));
        return Err(chosen.blamed(e2e.ghes.is_some(), refusal.into()));
    }
    words::check_go_duration(&e2e.sync_period)?;
    let pins = pins::read(root)?;
    let by_file = target.arc.as_deref().filter(|_| e2e.arc_manager.is_none());
    let arc = pins::arc_version(&pins, e2e.arc.as_deref().or(by_file))
        .map_err(|error| chosen.blamed(e2e.arc.is_some(), error))?;
    let profile = match e2e.profile {
        Some(name) => name.into(),
        None => target.profile.unwrap_or(Profile::Core),
    };
    let clock = match e2e.clock {
        Clock::Controlled if pins::has_controlled_clock(&pins, &arc) => WallClock::Controlled,
        Clock::Controlled | Clock::Real => WallClock::Real,
    };
    let arc_manager = e2e
        .arc_manager
        .as_deref()
        .map(|path| executable("--arc-manager", path))
        .transpose()?;
    let arc_webhook_server = e2e
        .arc_webhook_server
        .as_deref()
        .map(|path| executable("--arc-webhook-server", path))
        .transpose()?;
    let manifest = e2e.manifest.as_deref().map(readable_manifest).transpose()?;
    let gate = match e2e.gate.as_deref() {
        Some(path) => Some(gate(path)?),
        None => chosen.gate(profile),
    };
    let out = e2e.out.as_deref().map(run_folder).transpose()?;
    let wanted = e2e.cluster.or(target.cluster.map(Into::into));
    let (cluster, cluster_reason) =
        cluster::choose(wanted.unwrap_or(cluster::Wanted::Auto), cluster::docker_engine)
            .map_err(|error| chosen.blamed(e2e.cluster.is_some(), error.into()))?;
    Ok(Plan {
        command,
        filters: e2e.filters.clone(),
        cluster,
        cluster_reason,
        profile,
        arc,
        arc_manager,
        arc_chart: None,
        arc_webhook_server,
        arc_build: None,
        upgrade: None,
        sync_period: e2e.sync_period.clone(),
        clock,
        keep: e2e.keep,
        offline: e2e.offline,
        out,
        format: match e2e.format {
            Format::Human => OutputFormat::Human,
            Format::Json => OutputFormat::Json,
        },
        test_threads: e2e.test_threads.map(NonZeroUsize::get),
        retries: e2e.retries.or(target.retries).unwrap_or(0),
        seed: e2e.seed.unwrap_or_else(words::fresh_seed),
        cases: e2e.cases.map(NonZeroUsize::get),
        manifest,
        defect: e2e.defect.clone(),
        list_max_age: e2e.list_max_age,
        gate,
        retention: chosen.retention,
        expectations: known_failures(root)?,
        repository: root.to_string(),
        programs: String::new(),
    })
}

pub(crate) fn executable(flag: &str, path: &Utf8Path) -> anyhow::Result<String> {
    let metadata = std::fs::metadata(path)
        .map_err(|error| Refusal::usage(format!("{flag} {path}: no such program: {error}")))?;
    if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
        return Err(Refusal::usage(format!("{flag} {path}: not an executable file (chmod +x?)")).into());
    }
    absolute(path)
}

fn readable_manifest(path: &Utf8Path) -> anyhow::Result<String> {
    let unreadable = |why: String| Refusal::usage(format!("--manifest {path}: cannot be read: {why}"));
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    if !metadata.is_file() {
        return Err(unreadable("not a file".to_owned()).into());
    }
    std::fs::File::open(path).map_err(|error| unreadable(error.to_string()))?;
    absolute(path)
}

fn gate(path: &Utf8Path) -> anyhow::Result<GateFile> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Refusal::usage(format!("--gate {path}: cannot be read: {error}")))?;
    let gate = Gate::parse(&text).map_err(|error| Refusal::usage(format!("--gate {path}, {error}")))?;
    let path = path.to_string();
    Ok(GateFile { path, gate })
}

/// None without the file.
fn known_failures(root: &Utf8Path) -> anyhow::Result<Vec<Expectation>> {
    let text = match std::fs::read_to_string(root.join(EXPECTATIONS_FILE)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => {
            text.map_err(|error| Refusal::usage(format!("{EXPECTATIONS_FILE}: cannot be read: {error}")))?
        }
    };
    let known = expectations(&text);
    Ok(known.map_err(|error| Refusal::usage(format!("{EXPECTATIONS_FILE}, {error}")))?)
}

fn run_folder(path: &Utf8Path) -> anyhow::Result<String> {
    if path.exists() && !path.is_dir() {
        return Err(Refusal::usage(format!("--out {path}: not a folder")).into());
    }
    absolute(path)
}

pub(crate) fn absolute(path: &Utf8Path) -> anyhow::Result<String> {
    let absolute = camino::absolute_utf8(path).with_context(|| format!("making {path} absolute"))?;
    Ok(absolute.into_string())
}

#[cfg(test)]
mod tests {
    use camino_tempfile::Utf8TempDir;
    use clap::Parser;
    use harness_model::{ClusterChoice, Exit};

    use super::*;
    use crate::refusal::exit_of;

    pub(super) fn repository() -> Utf8TempDir {
        let root = Utf8TempDir::new().expect("a temporary folder");
        fs_err::create_dir(root.path().join("kind")).expect("the folder is ours");
        let pins = ["arc-manager", "arc-manager-clock"].map(|name| {
            format!("[[part]]\nname = \"{name}\"\nversion = \"v0.27.6\"\ndefault = true\nmodule = \"arc\"\n")
        });
        fs_err::write(root.path().join("kind/versions.toml"), pins.concat()).expect("the folder is ours");
        root
    }

    fn plan_of(flags: &[&str]) -> anyhow::Result<Plan> {
        let root = repository();
        let e2e = E2e::try_parse_from(["e2e"].iter().chain(flags))
            .map_err(|error| Refusal::usage(error.to_string()))?;
        plan(&e2e, root.path(), "cargo xtask e2e".to_owned())
    }

    fn refused(flags: &[&str]) -> (Exit, String) {
        let error = plan_of(flags).expect_err("this must be refused");
        (exit_of(&error), error.to_string())
    }

    #[test]
    fn flags_become_the_plan() {
        let plan = plan_of(&[
            "quickstart",
            "--cluster",
            "local",
            "--arc",
            "0.27.6",
            "--retries",
            "2",
            "--seed",
            "7",
        ])
        .expect("these flags are good");

        assert_eq!(plan.filters, ["quickstart"]);
        assert_eq!(plan.cluster, ClusterChoice::Local);
        assert_eq!((plan.arc.as_str(), plan.retries, plan.seed), ("v0.27.6", 2, 7));
        assert_eq!((plan.sync_period.as_str(), plan.list_max_age), ("1s", 0));
        assert_eq!(plan.clock, WallClock::Controlled);
    }

    #[test]
    fn wrong_flags_are_usage_and_say_what_to_take() {
        for (flags, hint) in [
            (vec!["--arc", "9.9.9"], "--arc-manager PATH"),
            (
                vec!["--arc", "0.27.6", "--arc-manager", "/bin/true"],
                "cannot be used with",
            ),
            (vec!["--arc-webhook-server", "/bin/true"], "--arc-manager"),
            (vec!["--arc-manager", "/nonexistent"], "no such program"),
            (vec!["--arc-manager", "/etc/passwd"], "not an executable file"),
            (vec!["--manifest", "/nonexistent.yaml"], "cannot be read"),
            (vec!["--manifest", "/"], "not a file"),
            (vec!["--gate", "/nonexistent.toml"], "cannot be read"),
            (vec!["--out", "/etc/passwd"], "not a folder"),
            (vec!["--sync-period", "soon"], "1m30s"),
            (vec!["--test-threads", "0"], "--test-threads"),
            (vec!["--ghes", "https://ghes.example.com"], "--ghes mock"),
            (vec!["--clock", "fast"], "controlled"),
            (vec!["--cluster", "existing"], "--cluster local"),
            (vec!["--colour"], "unexpected argument"),
        ] {
            let (exit, message) = refused(&flags);

            assert_eq!(exit, Exit::Usage, "{flags:?}: {message}");
            assert!(
                message.contains(hint),
                "{flags:?} must mention {hint:?}: {message}"
            );
        }
    }

    #[test]
    fn a_gate_is_read_and_a_mistake_in_it_is_told_with_its_place() {
        let folder = Utf8TempDir::new().expect("a temporary folder");
        let (good, bad) = (folder.path().join("gate.toml"), folder.path().join("bad.toml"));
        fs_err::write(&good, "allowed_skips = []\n").expect("the folder is ours");
        fs_err::write(&bad, "allowed_skips = []\nmax_minutes = 2\n").expect("the folder is ours");

        let plan = plan_of(&["--cluster", "local", "--gate", good.as_str()]).expect("it is a gate");
        let (exit, message) = refused(&["--gate", bad.as_str()]);

        let gate = plan.gate.expect("the plan has the gate");
        assert_eq!(
            (gate.path, gate.gate.allowed_skips),
            (good.into_string(), Some(Vec::new()))
        );
        assert_eq!(exit, Exit::Usage);
        let told = format!("--gate {bad}, line 2, column 1: unknown field `max_minutes`");
        assert!(message.starts_with(&told), "{message}");
    }

    #[test]
    fn a_mistake_in_the_expectations_is_told_with_its_place() {
        let root = repository();
        fs_err::create_dir(root.path().join("scenarios")).expect("the folder is ours");
        let file = root.path().join(EXPECTATIONS_FILE);
        fs_err::write(file, "[[expectation]]\narc = \"soon\"\n").expect("the folder is ours");
        let e2e = E2e::try_parse_from(["e2e", "--cluster", "local"]).expect("these flags are good");

        let error = plan(&e2e, root.path(), "cargo xtask e2e".to_owned()).expect_err("it is no list");

        assert_eq!(exit_of(&error), Exit::Usage);
        let told = format!("{EXPECTATIONS_FILE}, line 2, column 7: ");
        assert!(error.to_string().starts_with(&told), "{error}");
    }

    #[test]
    fn a_foreign_manager_is_taken_by_its_absolute_path() {
        let plan = plan_of(&["--cluster", "local", "--arc-manager", "/bin/true"]).expect("it is a program");

        assert_eq!(plan.arc_manager.as_deref(), Some("/bin/true"));
    }
}
