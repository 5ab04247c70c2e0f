//! The published schemas against what is really written: every sample passes, and what is wrong is refused.

use boon::{Compiler, SchemaIndex, Schemas};
use harness_model::journal::{Entry, JOURNAL_FORMAT, ProcessId, Record, Thing};
use harness_model::upgrade::Arm;
use harness_model::{Claim, Event, FORMAT, Failure, Gate, Line, Measurement, Origin, OwnArc, Part, Verdict};
use harness_report::{REPORT_FORMAT, Summary, ask_gate, report_yaml};
use serde_json::{Value, json};

use crate::sample;

const REPORT: &str = include_str!("../../../../docs/schema/report.schema.json");
const JOURNAL: &str = include_str!("../../../../docs/schema/journal.schema.json");
const EVENT: &str = include_str!("../../../../docs/schema/event.schema.json");

pub(crate) struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    pub(crate) fn read(text: &str) -> Schema {
        let value: Value = serde_json::from_str(text).expect("the schema is JSON");
        let name = value["$id"].as_str().expect("the schema has a name").to_owned();
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.enable_format_assertions();
        compiler.add_resource(&name, value).expect("the name is a URI");
        let index = compiler
            .compile(&name, &mut schemas)
            .expect("the schema is one of draft 2020-12");
        Schema { schemas, index }
    }

    pub(crate) fn refusal(&self, value: &Value) -> Option<String> {
        let refused = self.schemas.validate(value, self.index).err();
        refused.map(|error| format!("{error:#}"))
    }
}

fn samples() -> Vec<Vec<Line>> {
    let mut gated = sample::every_verdict();
    ask_gate(&mut gated, "gate.toml", &strict());
    vec![
        sample::every_verdict(),
        sample::green(),
        sample::interrupted(),
        sample::killed(),
        sample::broken(),
        gated,
    ]
}

fn strict() -> Gate {
    Gate {
        allowed_skips: Some(Vec::new()),
        ..Gate::default()
    }
}

fn report(lines: &[Line]) -> Value {
    let yaml = report_yaml(&Summary::fold(lines)).expect("the sample has a YAML form");
    harness_yaml::manifest(&yaml).expect("the report is YAML")
}

/// Events that no sample holds.
fn rare() -> Vec<Event> {
    let sha256 = "0123456789abcdef".repeat(4);
    let mut alone = sample::check("arc::own", "It has an ARC of its own.", &[], &[]);
    alone.claims = Claim::OwnArc(OwnArc::default());
    vec![
        Event::Upgraded {
            facts: sample::arm(Arm::Rollback),
        },
        Event::ChartsDiffer {
            difference: sample::chart_difference(),
        },
        Event::Reaped {
            during: "during the phase \"ARC\"".to_owned(),
            did: vec!["nothing of it ran any more".to_owned()],
        },
        Event::CheckPlanned {
            check: alone,
            skip: None,
        },
        Event::Part {
            part: Part {
                name: "arc-manager".to_owned(),
                version: "foreign".to_owned(),
                origin: Origin::Foreign {
                    path: "./manager".to_owned(),
                    sha256,
                },
            },
        },
    ]
}

/// Every kind of event. Whoever adds one is stopped here by the compiler: it goes into the schema, and `FORMAT` grows.
fn kind(event: &Event) -> &'static str {
    match event {
        Event::RunStarted { .. } => "run-started",
        Event::Part { .. } => "part",
        Event::PhaseStarted { .. } => "phase-started",
        Event::PhaseFinished { .. } => "phase-finished",
        Event::Deviation { .. } => "deviation",
        Event::GuideVersion { .. } => "guide-version",
        Event::Setting { .. } => "setting",
        Event::CheckPlanned { .. } => "check-planned",
        Event::CheckStarted { .. } => "check-started",
        Event::Observed { .. } => "observed",
        Event::Measured { .. } => "measured",
        Event::CheckFinished { .. } => "check-finished",
        Event::Broken { .. } => "broken",
        Event::Note { .. } => "note",
        Event::Upgraded { .. } => "upgraded",
        Event::ChartsDiffer { .. } => "charts-differ",
        Event::GateChecked { .. } => "gate-checked",
        Event::Interrupted => "interrupted",
        Event::RunFinished { .. } => "run-finished",
        Event::Reaped { .. } => "reaped",
    }
}

#[test]
fn every_report_is_of_the_published_schema() {
    let schema = Schema::read(REPORT);

    for lines in samples() {
        assert_eq!(schema.refusal(&report(&lines)), None);
    }
    assert!(REPORT.contains(&format!("urn:ghes-harness:report:{REPORT_FORMAT}\"")));
}

#[test]
fn a_wrong_report_is_refused() {
    let schema = Schema::read(REPORT);
    let good = report(&sample::every_verdict());
    for (pointer, wrong) in [
        ("/format", json!(99)),
        ("/outcome", json!("fine")),
        ("/exit", json!(5)),
        ("/started", json!("yesterday")),
        ("/duration", json!("31 s")),
        ("/subject", json!([])),
        ("/totals", json!({"checks": 1})),
        ("/checks/0/verdict", json!("passed")),
        ("/checks/0/figures", json!([{"name": "x"}])),
    ] {
        let mut report = good.clone();
        *report.pointer_mut(pointer).expect("the report has this place") = wrong;

        let refusal = schema.refusal(&report);

        assert!(refusal.is_some_and(|told| told.contains(pointer)), "{pointer}");
    }
    for key in ["format", "run", "subject", "checks"] {
        let mut report = good.clone();
        report.as_object_mut().expect("a report is a map").remove(key);

        assert!(schema.refusal(&report).is_some(), "a report without {key}");
    }
}

#[test]
fn every_event_is_of_the_published_schema() {
    let schema = Schema::read(EVENT);
    let rare = sample::lines(rare());
    let lines: Vec<Line> = samples().into_iter().flatten().chain(rare).collect();

    for line in &lines {
        let value = serde_json::to_value(line).expect("a line has a JSON form");
        assert_eq!(value["event"], kind(&line.event));
        assert_eq!(schema.refusal(&value), None, "{value}");
    }

    let published: Value = serde_json::from_str(EVENT).expect("the schema is JSON");
    let listed = published["oneOf"]
        .as_array()
        .expect("the schema lists kinds of events");
    let mut seen: Vec<&str> = lines.iter().map(|line| kind(&line.event)).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(listed.len(), seen.len(), "every listed kind was seen: {seen:?}");
    assert_eq!(published["$id"], format!("urn:ghes-harness:event:{FORMAT}"));
}

/// Every kind of entry with every thing. Whoever adds one is stopped here by the compiler: it goes into the schema, and `JOURNAL_FORMAT` grows.
fn journal() -> Vec<Record> {
    let process = ProcessId {
        boot: "0f5a1f5c".to_owned(),
        namespace: "pid:[4026531836]".to_owned(),
        number: 4711,
        started: 99,
    };
    let things = [
        Thing::Parts {
            cache: "/cache".to_owned(),
        },
        Thing::State,
        Thing::Inside { enclosed: true },
    ];
    let mut entries = vec![
        Entry::Began {
            format: JOURNAL_FORMAT,
            run_id: "20261124-101500-4f2a".to_owned(),
            supervisor: process.clone(),
        },
        Entry::Started { process },
        Entry::Ended,
        Entry::Reaped {
            did: vec!["nothing of it ran any more".to_owned()],
        },
    ];
    for thing in things {
        entries.push(match &thing {
            Thing::Parts { .. } | Thing::State | Thing::Inside { .. } => {
                Entry::Creating { thing: thing.clone() }
            }
        });
        entries.push(Entry::Gone { thing });
    }
    let at = sample::lines(vec![Event::Interrupted])[0].at;
    entries.into_iter().map(|entry| Record { at, entry }).collect()
}

fn entry_kind(entry: &Entry) -> &'static str {
    match entry {
        Entry::Began { .. } => "began",
        Entry::Creating { .. } => "creating",
        Entry::Started { .. } => "started",
        Entry::Gone { .. } => "gone",
        Entry::Ended => "ended",
        Entry::Reaped { .. } => "reaped",
    }
}

#[test]
fn every_line_of_a_journal_is_of_the_published_schema() {
    let schema = Schema::read(JOURNAL);

    for record in journal() {
        let value = serde_json::to_value(&record).expect("a line has a JSON form");
        assert_eq!(value["entry"], entry_kind(&record.entry));
        assert_eq!(schema.refusal(&value), None, "{value}");
    }
    assert!(JOURNAL.contains(&format!("urn:ghes-harness:journal:{JOURNAL_FORMAT}\"")));

    for (line, pointer, wrong) in [
        (0, "/format", json!(JOURNAL_FORMAT + 1)),
        (0, "/supervisor/number", json!("1")),
        (1, "/entry", json!("born")),
        (4, "/thing/is", json!("pod")),
    ] {
        let mut value = serde_json::to_value(&journal()[line]).expect("a line has a JSON form");
        *value.pointer_mut(pointer).expect("the line has this place") = wrong;

        assert!(schema.refusal(&value).is_some(), "{pointer}: {value}");
    }
}

#[test]
fn a_wrong_event_is_refused() {
    let schema = Schema::read(EVENT);
    let measured = Event::Measured {
        id: String::new(),
        measurement: Measurement {
            name: "plane usable".to_owned(),
            value: 6.9,
            unit: "s".to_owned(),
        },
    };
    let failed = sample::finished(
        "a::b",
        1,
        Verdict::Fail,
        Some(Failure {
            awaited: "a".to_owned(),
            last_seen: "b".to_owned(),
            detail: None,
        }),
    );
    let lines = sample::lines(vec![sample::run_started(), measured, failed]);
    for (line, pointer, wrong) in [
        (0, "/format", json!(FORMAT + 1)),
        (0, "/event", json!("run-begun")),
        (0, "/at", json!("now")),
        (1, "/measurement/value", json!("6.9")),
        (2, "/attempt", json!(0)),
        (2, "/verdict", json!("passed")),
        (2, "/failure", json!({"awaited": "a"})),
    ] {
        let mut value = serde_json::to_value(&lines[line]).expect("a line has a JSON form");
        assert_eq!(schema.refusal(&value), None);

        *value.pointer_mut(pointer).expect("the line has this place") = wrong;

        assert!(schema.refusal(&value).is_some(), "{pointer}: {value}");
    }
}
