//! What holds for the page whatever the run said; the whole page in a browser is `tests/browser.rs`.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

#[test]
fn the_policy_allows_this_style_and_this_script_only() {
    let source = |text: &str| format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, text.as_bytes())));

    assert!(
        POLICY.contains(&source(STYLE)),
        "page.css changed: put {} into POLICY",
        source(STYLE)
    );
    assert!(
        POLICY.contains(&source(SCRIPT)),
        "page.js changed: put {} into POLICY",
        source(SCRIPT)
    );
}

#[test]
fn neither_style_nor_script_names_another_place() {
    for text in [STYLE, SCRIPT] {
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
