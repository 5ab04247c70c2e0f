//! `report.html` as text: what it says, what it never holds, how large it gets. In a browser it is looked at by `tests/browser.rs`.

use camino::Utf8Path;
use camino_tempfile::tempdir;
use harness_model::{Event, Line, Verdict};
use harness_report::{Excerpts, Summary, report_html};
use proptest::prelude::*;

use crate::sample;

fn page(lines: &[Line]) -> String {
    report_html(&Summary::fold(lines), &Excerpts::default())
}

/// What a reader reads: the page without style, script and tags.
fn text(page: &str) -> String {
    let body = page.split_once("</head>").expect("a page has a head").1;
    let body = body
        .rsplit_once("<script>")
        .expect("a page ends with its script")
        .0;
    let mut text = String::new();
    for piece in body.split('<') {
        let said = piece.split_once('>').map_or(piece, |(_, said)| said);
        text.push(' ');
        text.push_str(said);
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_verdict_is_told_with_its_reason() {
    let text = text(&page(&sample::every_verdict()));

    for said in [
        "Red: 1 of 7 checks failed, 1 in error",
        "✗ fail registration::enterprise A runner registers at the enterprise.",
        "Awaited the runner is online in GHES with labels self-hosted , linux Last seen runner list: (empty)",
        "Run again cargo xtask e2e registration::enterprise",
        "~ flaky quickstart::dispatch",
        "needs dind: no Docker engine on the local cluster; take --cluster kind",
        "the time budget of the run is spent",
        "an unknown route was asked: GET /api/v3/unknown",
        "attempt 2 ended: ✓ pass",
        "time to success: 4.25 s",
        "cert-manager v1.8.2 v1.17.2",
        "the local cluster has no Docker",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
}

#[test]
fn a_killed_run_says_so_and_a_broken_one_why() {
    let killed = text(&page(&sample::killed()));
    let broken = text(&page(&sample::broken()));

    assert!(
        killed.contains("Killed: the log has no end; the run was killed, or it still goes on"),
        "{killed}"
    );
    assert!(
        killed.contains("no end 0"),
        "the check that was cut off is on the timeline:\n{killed}"
    );
    assert!(
        broken.contains("Broken: the environment did not come up"),
        "{broken}"
    );
    assert!(broken.contains("install Go or allow the download"), "{broken}");
}

#[test]
fn a_broken_gate_is_told_as_the_reason_of_a_red_run() {
    let mut lines = sample::green();
    let end = lines.len() - 1;
    let at = lines[end].at;
    lines[end].event = Event::RunFinished {
        exit: 1,
        duration_ms: 31_200,
    };
    let event = Event::GateChecked {
        file: "gate.toml".to_owned(),
        broken: vec!["1 flaky check, allowed are 0".to_owned()],
    };
    lines.insert(end, Line { at, event });

    let text = text(&page(&lines));

    for said in [
        "Red: the gate is broken; of 2 checks, 2 passed",
        "The gate gate.toml is broken: 1 flaky check, allowed are 0",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
}

#[test]
fn a_run_without_anything_is_a_page() {
    let nothing = page(&[]);

    assert!(text(&nothing).contains("Killed"), "{nothing}");
}

#[test]
fn a_run_of_a_hundred_thousand_events_stays_below_five_megabytes() {
    let mut events = vec![sample::run_started()];
    for number in 0..1_000 {
        let id = format!("volume::{number}");
        events.push(sample::started(&id, 1));
        for step in 0..98 {
            let text = format!("step {step} of \"{id}\" saw <{}>", "&".repeat(120));
            events.push(Event::Observed { id: id.clone(), text });
        }
        let failure = sample::failure(&"awaited ".repeat(400), &"seen ".repeat(400), None);
        let (verdict, failure) = if number % 2 == 0 {
            (Verdict::Fail, Some(failure))
        } else {
            (Verdict::Pass, None)
        };
        events.push(sample::finished(&id, 1, verdict, failure));
    }
    let lines = sample::lines(events);

    let page = page(&lines);

    assert!(lines.len() > 100_000);
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    assert!(page.ends_with("</html>\n"), "the page is whole");
    assert!(
        page.contains("checks are in report.yaml: this page is full."),
        "what is left out is told"
    );
}

#[test]
fn evidence_outside_the_folder_is_not_read() {
    let outside = tempdir().expect("a temporary folder can be made");
    fs_err::write(outside.path().join("arc-manager.log"), "a secret of e2e-a-b")
        .expect("a file can be written");
    let run_dir = outside.path().join("run");
    fs_err::create_dir_all(run_dir.join("evidence/pods")).expect("a folder can be made");
    std::os::unix::fs::symlink(
        outside.path().join("arc-manager.log"),
        run_dir.join("evidence/pods/e2e-a-b_x_runner.log"),
    )
    .expect("a link can be made");
    let failure = sample::failure("a", "b", None);
    let mut end = sample::finished("a::b", 1, Verdict::Fail, Some(failure));
    if let Event::CheckFinished { evidence, .. } = &mut end {
        *evidence = Some("..".to_owned());
    }
    let summary = Summary::fold(&sample::lines(vec![
        sample::run_started(),
        sample::started("a::b", 1),
        end,
    ]));

    let page = report_html(&summary, &Excerpts::read(&run_dir, &summary));

    assert!(!page.contains("a secret"), "{page}");
}

#[test]
fn evidence_that_is_no_evidence_is_passed_over() {
    let run_dir = tempdir().expect("a temporary folder can be made");
    let write = |path: &str, bytes: &[u8]| {
        let path = run_dir.path().join(Utf8Path::new(path));
        fs_err::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder can be made");
        fs_err::write(path, bytes).expect("a file can be written");
    };
    for file in [
        "evidence/objects/e2e-registration-enterprise.jsonl",
        "evidence/ledger/ledger.jsonl",
        "evidence/pods/e2e-registration-enterprise_x_runner.log",
        "evidence/registration-enterprise/2/requests.jsonl",
        "evidence/registration-enterprise/2/arc-manager.log",
        "evidence/registration-enterprise/2/runners.yaml",
    ] {
        write(file, b"{\"at\": 1}\n\xff\xfe: [\n\0");
    }
    let summary = Summary::fold(&sample::every_verdict());

    let page = report_html(&summary, &Excerpts::read(run_dir.path(), &summary));

    assert!(page.contains("runners.yaml"), "the file is named all the same");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_of_a_run_becomes_markup(hostile in "(</script>|<img src=x>|[<>&\"'`=\0\u{1b}]|javascript:|\\PC){1,12}") {
        let lines = |text: &str| {
            let mut check = sample::check(text, text, &[], &[]);
            check.grounds = text.to_owned();
            check.not_covered = text.to_owned();
            sample::lines(vec![
                sample::run_started(),
                Event::Setting { name: text.to_owned(), value: text.to_owned() },
                Event::Deviation { what: text.to_owned(), guide: text.to_owned(), ours: text.to_owned(), reason: text.to_owned() },
                Event::PhaseStarted { phase: text.to_owned() },
                Event::CheckPlanned { check, skip: None },
                sample::started(text, 1),
                Event::Observed { id: text.to_owned(), text: text.to_owned() },
                sample::finished(text, 1, Verdict::Fail, Some(sample::failure(text, text, Some(text)))),
                Event::Note { text: text.to_owned() },
            ])
        };

        let (plain, hostile) = (page(&lines("plain")), page(&lines(&hostile)));

        // The same tags, whatever the texts.
        let tags = |page: &str| page.matches('<').count();
        prop_assert_eq!(tags(&plain), tags(&hostile));
        let controls = hostile.contains(['\0', '\u{1b}']);
        prop_assert!(!controls, "a control character is left");
    }
}
