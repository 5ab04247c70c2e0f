//! No form of a secret survives, whatever secrets and texts there are.
//!
//! In `harness/model`: `cargo +nightly fuzz run redactor -- -max_total_time=60`
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use harness_model::{Learned, Redactor};
use libfuzzer_sys::fuzz_target;

// Two secrets, the text before, between and after.
fuzz_target!(|input: (String, String, String, String, String)| {
    let (first, second, before, between, after) = input;
    let redactor = Redactor::default();
    let secrets: Vec<&str> = [first.trim(), second.trim()]
        .into_iter()
        .filter(|secret| redactor.learn(secret) == Learned::Hidden)
        .collect();
    let forms: Vec<String> = secrets.iter().flat_map(|secret| printed(secret)).collect();

    for form in &forms {
        for other in &forms {
            let cleaned = redactor.clean(&format!("{before}{form}{between}{other}{after}"));

            for form in &forms {
                assert!(!cleaned.contains(form.as_str()), "{form:?} stands in {cleaned:?}");
            }
            assert!(!redactor.finds_secret(&cleaned), "{cleaned:?} is not clean");
        }
    }
    let text = format!("{before}{between}{after}");
    if !redactor.finds_secret(&text) {
        assert_eq!(redactor.clean(&text), text);
    }
});

fn printed(secret: &str) -> Vec<String> {
    let percent = secret.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    });
    let json = serde_json::Value::from(secret).to_string();
    let debug = format!("{secret:?}");
    vec![
        secret.to_owned(),
        secret.replace('\'', "'\\''"),
        percent.collect(),
        json[1..json.len() - 1].to_owned(),
        debug[1..debug.len() - 1].to_owned(),
        STANDARD.encode(secret),
        URL_SAFE.encode(secret),
    ]
}
