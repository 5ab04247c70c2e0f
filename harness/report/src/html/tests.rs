//! What holds for the page whatever the run said; the whole page in a browser is `tests/browser.rs`.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

#[test]
fn a_policy_allows_the_style_and_the_pages_own_script_only() {
    let source = |text: &str| format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, text.as_bytes())));

    for (policy, script, file) in [
        (POLICY, SCRIPT, "page.js"),
        (POLICY_OF_DIFFS, diff::SCRIPT, "diff.js"),
    ] {
        let expected = format!(
            "default-src 'none'; base-uri 'none'; form-action 'none'; style-src {}; script-src {}",
            source(STYLE),
            source(script)
        );

        assert_eq!(
            policy.trim_end_matches(';'),
            expected,
            "page.css or {file} changed"
        );
    }
}

#[test]
fn neither_style_nor_script_names_another_place() {
    for text in [STYLE, SCRIPT, diff::SCRIPT] {
        for word in ["http:", "https:", "url(", "@import", "fetch(", "</"] {
            assert!(!text.contains(word), "{word}");
        }
    }
}

#[test]
fn durations_are_told_as_people_do() {
    let of = |millis| human(Duration::from_millis(millis));

    assert_eq!(
        [of(370), of(12_340), of(79_900)],
        ["0.37 s", "12.3 s", "1 min 19 s"]
    );
}
