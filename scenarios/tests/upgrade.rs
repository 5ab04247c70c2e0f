//! `cargo xtask upgrade` on real releases, and on releases with a seeded defect: each must get its answer, and the defect as its reason.
//! From 0.27.3 to 0.27.6 goes the README's journey: `readme.rs`.
//!
//! The defects are in copies of the chart and in a program that stands for the manager, never in ARC's source or in the verdict.

#[path = "upgrade/answer.rs"]
#[expect(dead_code, reason = "the journey takes the rest")]
mod answer;

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use harness::model::upgrade::UpgradePlan;
use harness::model::{LIVE_VARIABLE, OutputFormat, PLAN_VARIABLE, PROGRAM_VARIABLE, Plan};
use harness_artifacts::{Options, Resolver};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};

use crate::answer::Answer;

/// Enough of the suite to show that the release works.
const FEW: [&str; 2] = ["registration::enterprise", "quickstart::workflow"];

/// An arm ends in waiting for a lease, so two upgrades side by side take little longer than one.
const AT_A_TIME: usize = 2;

const TESTED: &str = "v0.27.6";

type Case = (&'static str, fn() -> anyhow::Result<()>);

const CASES: [Case; 6] = [
    ("0.27.1 to 0.27.3 kills no job", || safe("v0.27.1", "v0.27.3")),
    ("a release to itself is safe and replaces nothing", || {
        nothing_moves("itself", TESTED)
    }),
    (
        "the same release under another name is safe and replaces nothing",
        || nothing_moves("renamed", "v0.27.3"),
    ),
    ("a release that kills busy runners is unsafe", killer),
    (
        "a release whose definitions drop a field is unsafe",
        dropped_field,
    ),
    (
        "a release whose definitions require a new field is unsafe",
        required_field,
    ),
];

fn main() -> ExitCode {
    let live = std::env::var_os(LIVE_VARIABLE).is_some();
    let trials = CASES.map(|(name, case)| {
        Trial::test(name, move || {
            case().map_err(|error| Failed::from(format!("{error:#}")))
        })
        .with_ignored_flag(!live)
    });
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_A_TIME);
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}

fn safe(from: &str, to: &str) -> anyhow::Result<()> {
    let answer = upgrade(&format!("{from}-{to}"), from, plan_to(to))?;

    answer.is(&["SAFE", "SAFE WITH STEPS"])?;
    ensure!(answer.careful()?.jobs_killed.is_empty(), "{:?}", answer.arms);
    Ok(())
}

/// From the tested release to the same program and chart, under this name.
fn nothing_moves(name: &str, to: &str) -> anyhow::Result<()> {
    let parts = Parts::find()?;
    let answer = upgrade(
        name,
        TESTED,
        UpgradePlan {
            to_manager: Some(parts.manager.into_string()),
            to_chart: Some(parts.chart.into_string()),
            ..plan_to(to)
        },
    )?;

    answer.is(&["SAFE"])?;
    for facts in &answer.arms {
        ensure!(
            facts.idle_replaced.is_empty() && facts.replica_sets_added == 0,
            "{facts:?}"
        );
    }
    Ok(())
}

fn killer() -> anyhow::Result<()> {
    let parts = Parts::find()?;
    let script = folder("killer")?.join("manager");
    let text = format!(
        "#!/bin/sh\n\
         for word; do case $word in --watch-namespace=?*) namespace=${{word#*=}};; esac; done\n\
         [ -z \"$namespace\" ] || {} delete pods --all --namespace \"$namespace\" --grace-period=0 --force --wait=false\n\
         exec {} \"$@\"\n",
        parts.kubectl, parts.manager
    );
    std::fs::write(&script, text)?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;

    let answer = upgrade(
        "killer",
        TESTED,
        UpgradePlan {
            to_manager: Some(script.into_string()),
            ..plan_to(TESTED)
        },
    )?;

    answer.is(&["UNSAFE"])?;
    answer.reason("2 of 2 jobs in progress were killed")
}

fn dropped_field() -> anyhow::Result<()> {
    let chart = changed_chart("dropped-field", |kind, schema| {
        let spec = schema
            .pointer_mut("/properties/spec/properties")
            .and_then(Value::as_object_mut);
        if let (true, Some(fields)) = (kind == "HorizontalRunnerAutoscaler", spec) {
            fields.remove("scaleDownDelaySecondsAfterScaleOut");
        }
    })?;

    let answer = upgrade(
        "dropped-field",
        TESTED,
        UpgradePlan {
            to_chart: Some(chart.into_string()),
            ..plan_to(TESTED)
        },
    )?;

    answer.is(&["UNSAFE"])?;
    answer.reason("drop the field HorizontalRunnerAutoscaler.spec.scaleDownDelaySecondsAfterScaleOut")
}

fn required_field() -> anyhow::Result<()> {
    let chart = changed_chart("required-field", |kind, schema| {
        if kind == "RunnerDeployment" {
            schema["properties"]["spec"]["properties"]["owner"] = json!({ "type": "string" });
            schema["properties"]["spec"]["required"] = json!(["template", "owner"]);
        }
    })?;

    let answer = upgrade(
        "required-field",
        TESTED,
        UpgradePlan {
            to_chart: Some(chart.into_string()),
            ..plan_to(TESTED)
        },
    )?;

    answer.is(&["UNSAFE"])?;
    answer.reason("require the field RunnerDeployment.spec.owner")
}

fn plan_to(version: &str) -> UpgradePlan {
    UpgradePlan {
        to: version.to_owned(),
        to_manager: None,
        to_chart: None,
    }
}

fn upgrade(name: &str, from: &str, to: UpgradePlan) -> anyhow::Result<Answer> {
    let folder = folder(name)?.join("run");
    let plan = Plan {
        filters: FEW.map(str::to_owned).to_vec(),
        arc: from.to_owned(),
        upgrade: Some(to),
        format: OutputFormat::Json,
        out: Some(folder.clone().into_string()),
        ..given()?
    };
    let program = std::env::var(PROGRAM_VARIABLE).context("`cargo xtask test` names the scenario runner")?;
    let output = Command::new(program)
        .env(PLAN_VARIABLE, serde_json::to_string(&plan)?)
        .env_remove(LIVE_VARIABLE)
        .stdin(Stdio::null())
        .output()?;
    let answer = Answer::read(&folder).with_context(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("exit {}: {}", output.status, said.trim())
    })?;
    let unsafe_one = answer.verdict() == "UNSAFE";
    ensure!(
        output.status.code() == Some(i32::from(unsafe_one)),
        "{} with {}",
        answer.verdict(),
        output.status
    );
    Ok(answer)
}

fn given() -> anyhow::Result<Plan> {
    let plan = std::env::var(PLAN_VARIABLE).context("`cargo xtask test` gives a plan")?;
    Ok(serde_json::from_str(&plan)?)
}

fn folder(name: &str) -> anyhow::Result<Utf8PathBuf> {
    let folder = Utf8PathBuf::from(given()?.repository)
        .join("target/e2e/upgrade")
        .join(name);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The tested release's real parts.
struct Parts {
    manager: Utf8PathBuf,
    chart: Utf8PathBuf,
    kubectl: Utf8PathBuf,
}

impl Parts {
    fn find() -> anyhow::Result<Parts> {
        let resolver = Resolver::open(Options {
            kind_dir: Utf8PathBuf::from(given()?.repository).join("kind"),
            cache_dir: None,
            offline: false,
            path: None,
        })?;
        let wanted = [
            ("arc-manager", Some(TESTED)),
            ("arc-chart", Some(TESTED)),
            ("kubectl", None),
        ];
        let progress = harness_artifacts::for_stderr();
        let runtime = tokio::runtime::Runtime::new()?;
        let resolved = runtime.block_on(resolver.resolve_all(&wanted, progress.as_ref()))?;
        Ok(Parts {
            manager: resolved["arc-manager"].path.clone(),
            chart: resolved["arc-chart"].path.clone(),
            kubectl: resolved["kubectl"].path.clone(),
        })
    }
}

/// A copy of the tested chart, with each definition's schema changed.
fn changed_chart(name: &str, change: impl Fn(&str, &mut Value)) -> anyhow::Result<Utf8PathBuf> {
    let copy = folder(name)?.join("chart");
    if copy.exists() {
        std::fs::remove_dir_all(&copy)?;
    }
    copy_folder(&Parts::find()?.chart, &copy)?;
    for entry in copy.join("crds").read_dir_utf8()? {
        let path = entry?.into_path();
        let mut definition: Value = harness_yaml::manifest(&std::fs::read_to_string(&path)?)?;
        let kind = definition.pointer("/spec/names/kind").and_then(Value::as_str);
        let kind = kind.unwrap_or_default().to_owned();
        let schema = definition
            .pointer_mut("/spec/versions/0/schema/openAPIV3Schema")
            .with_context(|| format!("{path} has a schema"))?;
        change(&kind, schema);
        std::fs::write(&path, harness_yaml::to_string(&definition)?)?;
    }
    Ok(copy)
}

fn copy_folder(from: &Utf8Path, to: &Utf8Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in from.read_dir_utf8()? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(entry.path(), &target)?;
        } else {
            // The cache's files may be read-only; a copy is to be changed.
            std::fs::write(&target, std::fs::read(entry.path())?)?;
        }
    }
    Ok(())
}
