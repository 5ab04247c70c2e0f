//! Runs for the browser, and a folder with all kinds of evidence.

use camino::Utf8Path;
use harness_model::{Event, Line, Verdict};
use serde_json::{Value, json};

use crate::sample;

const CHECK: &str = "registration::enterprise";
/// As [`sample::started`] names it.
const NAMESPACE: &str = "e2e-registration-enterprise";
/// Executed, it leaves a mark that the script looks for.
const HOSTILE: &str = "</script></style>\"'><img src=x onerror=\"window.hacked=1\"><script>window.hacked=1</script>\u{0}\u{1b}[31m\u{202e}";

/// One check failed since a label is missing.
pub(crate) fn red() -> Vec<Line> {
    let failure = sample::failure(
        r#"labels of r1 in GHES = {"linux", "v2.306.0"}"#,
        r#"{"linux"}"#,
        Some("awaited the labels; saw others"),
    );
    with_check(
        "A runner registers at the enterprise.",
        failure,
        "seen by the check",
    )
}

/// Whatever can be a text is hostile.
pub(crate) fn hostile() -> Vec<Line> {
    let failure = sample::failure(HOSTILE, &HOSTILE.repeat(20), Some(HOSTILE));
    let mut lines = with_check(HOSTILE, failure, HOSTILE);
    let at = lines[0].at;
    for event in [
        Event::Note {
            text: HOSTILE.to_owned(),
        },
        Event::Setting {
            name: HOSTILE.to_owned(),
            value: HOSTILE.to_owned(),
        },
        Event::PhaseStarted {
            phase: HOSTILE.to_owned(),
        },
        sample::started(HOSTILE, 1),
    ] {
        lines.insert(1, Line { at, event });
    }
    lines
}

fn with_check(claim: &str, failure: harness_model::Failure, observed: &str) -> Vec<Line> {
    let mut events = sample::bring_up();
    events.extend([
        Event::CheckPlanned {
            check: sample::check("verify-install::programs", "Every program is up.", &[], &[]),
            skip: None,
        },
        Event::CheckPlanned {
            check: sample::check(CHECK, claim, &[], &[2]),
            skip: None,
        },
        sample::started("verify-install::programs", 1),
        sample::started(CHECK, 1),
        sample::finished("verify-install::programs", 1, Verdict::Pass, None),
        Event::Observed {
            id: CHECK.to_owned(),
            text: observed.to_owned(),
        },
        sample::finished(CHECK, 1, Verdict::Fail, Some(failure)),
        Event::RunFinished {
            exit: 1,
            duration_ms: 9_000,
        },
    ]);
    sample::lines(events)
}

/// Evidence of the failed check: requests, history, events, logs, objects.
pub(crate) fn fill(run_dir: &Utf8Path) -> std::io::Result<()> {
    let kept = run_dir.join("evidence/registration-enterprise/1");
    for folder in [
        "evidence/objects",
        "evidence/pods",
        "evidence/ledger",
        "evidence/programs",
    ] {
        fs_err::create_dir_all(run_dir.join(folder))?;
    }
    fs_err::create_dir_all(&kept)?;
    let requests = jsonl(&[
        request(
            "04",
            "registrar of enterprises/x",
            "POST",
            "pools/1/agents",
            r#"labels: linux, v2.306.0"#,
        ),
        request("05", "runner r1", "GET", "pools/1/messages", HOSTILE),
        request("06", "job 1", "POST", "logs", "a job's log"),
    ]);
    fs_err::write(kept.join("requests.jsonl"), &requests)?;
    fs_err::write(run_dir.join("evidence/ledger/ledger.jsonl"), &requests)?;
    fs_err::write(
        kept.join("arc-manager.log"),
        format!("reconcile {NAMESPACE}/r1 {HOSTILE}\n"),
    )?;
    fs_err::write(
        kept.join("runners.yaml"),
        "- kind: Runner\n  metadata:\n    name: r1\n",
    )?;
    fs_err::write(
        run_dir.join(format!("evidence/pods/{NAMESPACE}_r1_runner.log")),
        format!("√ Connected to GitHub\n{HOSTILE}\n"),
    )?;
    let history = jsonl(&[
        seen(
            "02",
            "HorizontalRunnerAutoscaler",
            &json!({
                "metadata": { "name": "scaler" }, "spec": { "minReplicas": 1, "maxReplicas": 4 }, "status": { "desiredReplicas": 1 },
            }),
        ),
        seen(
            "03",
            "Runner",
            &json!({ "metadata": { "name": "r1" }, "status": { "phase": "Pending" } }),
        ),
        seen(
            "04",
            "Runner",
            &json!({ "metadata": { "name": "r1" }, "status": { "phase": "Running", "message": HOSTILE } }),
        ),
        seen(
            "05",
            "HorizontalRunnerAutoscaler",
            &json!({
                "metadata": { "name": "scaler" }, "spec": { "minReplicas": 1, "maxReplicas": 4 }, "status": { "desiredReplicas": 4 },
            }),
        ),
        seen(
            "06",
            "Event",
            &json!({
                "metadata": { "name": "e" }, "type": "Warning", "reason": "Failed", "message": HOSTILE,
                "involvedObject": { "kind": "Runner", "name": "r1" },
            }),
        ),
    ]);
    fs_err::write(
        run_dir.join(format!("evidence/objects/{NAMESPACE}.jsonl")),
        history,
    )
}

fn request(second: &str, identity: &str, method: &str, path: &str, body: &str) -> Value {
    json!({
        "sequence": 1, "at": format!("2026-11-24T10:15:{second}Z"), "method": method, "query": null, "status": 200,
        "path": format!("/_services/pipelines/aaa/_apis/distributedtask/{path}"),
        "duration_ms": 3, "identity": identity, "request_excerpt": body,
    })
}

fn seen(second: &str, kind: &str, object: &Value) -> Value {
    json!({ "at": format!("2026-11-24T10:15:{second}Z"), "kind": kind, "change": "seen", "object": object })
}

fn jsonl(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}
