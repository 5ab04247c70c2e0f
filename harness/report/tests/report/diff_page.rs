//! The page of a diff as text: what it says, what it never holds, how large it gets. In a browser it is looked at by `tests/browser.rs`.

use harness_report::{MANIFESTS_FILE, METRICS_FILE, Style, diff_html};
use proptest::prelude::*;
use serde_json::json;

use crate::pair::{self, compared, put, run};
use crate::sample;

/// The page from its banner to its last line, without style and script.
fn body(page: &str) -> &str {
    let (_, body) = page.split_once("</head>").expect("a page has a head");
    let (body, _) = body.rsplit_once("<script>").expect("a page ends with its script");
    body.trim()
}

#[test]
fn everything_that_differs_is_on_the_page() {
    let (before, after) = pair::differing_in_everything();

    insta::assert_snapshot!(body(&diff_html(&compared(&before, &after))));
}

#[test]
fn what_neither_run_keeps_is_told() {
    let (before, after) = (run(&sample::green()), run(&sample::green()));

    insta::assert_snapshot!(body(&diff_html(&compared(&before, &after))));
}

#[test]
fn the_page_has_every_line_that_the_terminal_needs_a_flag_for() {
    let (before, after) = (run(&sample::green()), run(&sample::green()));
    let metrics: Vec<_> = (0..2_000)
        .map(|n| json!({"name": format!("metric_{n}_"), "labels": []}))
        .collect();
    put(before.path(), METRICS_FILE, &[]);
    put(after.path(), METRICS_FILE, &metrics);
    let diff = compared(&before, &after);

    let (screen, page) = (diff.text(Style::Plain, false), diff_html(&diff));

    let on = |text: &str| {
        (0..2_000)
            .filter(|n| text.contains(&format!("metric_{n}_")))
            .count()
    };
    assert_eq!((on(&screen), on(&page)), (5, 2_000));
}

#[test]
fn what_repeats_is_drawn_together_above_its_lines() {
    let (before, after) = (run(&sample::green()), run(&sample::green()));
    let object = |kind: &str, chart: &str| json!({"kind": kind, "metadata": {"name": "arc", "chart": chart}});
    for (folder, chart) in [(&before, "1"), (&after, "2")] {
        let objects = ["Deployment", "Secret", "Service"].map(|kind| object(kind, chart));
        put(folder.path(), MANIFESTS_FILE, &objects);
    }

    let page = diff_html(&compared(&before, &after));

    let brief = "chart: &quot;1&quot; → &quot;2&quot; (3×, first in Deployment arc /metadata)";
    let (above, below) = page
        .split_once("<summary>All 3 lines</summary>")
        .expect("they are folded");
    assert!(above.contains(brief), "{above}");
    assert_eq!(below.matches("<ins>&quot;2&quot;</ins>").count(), 3);
}

#[test]
fn a_diff_without_bounds_is_a_page_below_five_megabytes() {
    let (before, after) = (run(&sample::green()), run(&sample::green()));
    let metrics: Vec<_> = (0..40_000)
        .map(|n| json!({"name": format!("{n}{}", "<".repeat(400)), "labels": []}))
        .collect();
    put(before.path(), METRICS_FILE, &[]);
    put(after.path(), METRICS_FILE, &metrics);

    let page = diff_html(&compared(&before, &after));

    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    assert!(page.ends_with("</html>\n"), "the page is whole");
    assert!(
        page.contains("are not here, since this page is full"),
        "what is left out is told"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_text_of_a_run_becomes_markup(hostile in "(</script>|<img src=x>|[<>&\"'`=\0\u{1b}]|javascript:|\\PC){1,12}") {
        let page = |text: &str| {
            let (before, after) = (run(&sample::green()), run(&sample::green()));
            put(before.path(), METRICS_FILE, &[]);
            put(after.path(), METRICS_FILE, &[json!({"name": text, "labels": [text]})]);
            diff_html(&compared(&before, &after))
        };

        let (plain, hostile) = (page("plain"), page(&hostile));

        // The same tags, whatever the texts.
        let tags = |page: &str| page.matches('<').count();
        prop_assert_eq!(tags(&plain), tags(&hostile));
        let controls = hostile.contains(['\0', '\u{1b}']);
        prop_assert!(!controls, "a control character is left");
    }
}
