//! Measures the redactor: 100 MB of lines of a log, 1,000 secrets, one line in a hundred with a secret in it.
//!
//! `cargo run --release -p harness-model --example redaction_speed`

use std::time::Instant;

use harness_model::Redactor;

const SECRETS: u64 = 1_000;
const BYTES: usize = 100_000_000;

#[expect(clippy::print_stdout, reason = "the figures are for people")]
fn main() {
    let secrets: Vec<String> = (0..SECRETS).map(token).collect();
    let redactor = Redactor::default();
    let began = Instant::now();
    for secret in &secrets {
        redactor.learn(secret);
    }
    let _ = redactor.clean("");
    println!("{SECRETS} secrets learned at once: {:.0?}", began.elapsed());

    let mut bytes = 0;
    let mut lines = Vec::new();
    for number in 0_u64.. {
        if bytes >= BYTES {
            break;
        }
        let secret = match number % 100 {
            0 => token(number % SECRETS),
            _ => "none".to_owned(),
        };
        let line = format!(
            "2026-11-25T04:55:42.{number:09}Z DEBUG runnerreplicaset Reconciled {{\"runner\": \"ns/example-{number}\", \"token\": \"{secret}\"}}"
        );
        bytes += line.len();
        lines.push(line);
    }
    let began = Instant::now();
    let left: usize = lines.iter().map(|line| redactor.clean(line).len()).sum();
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{bytes} bytes cleaned, {left} left: {:.0} MB/s",
        bytes as f64 / 1e6 / seconds
    );

    let one_by_one = Redactor::default();
    let began = Instant::now();
    for secret in &secrets {
        one_by_one.learn(secret);
        let _ = one_by_one.clean(&lines[0]);
    }
    println!(
        "{SECRETS} secrets, each learned and one line cleaned: {:.0?}",
        began.elapsed()
    );
}

/// Of the shape of a registration token: 29 letters and digits that look random.
fn token(number: u64) -> String {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[(state >> 59) as usize])
    };
    (0..29).map(|_| letter()).collect()
}
