//! The laws of redaction, each against encoders that are not those under test. Not here: how fast it is, which `examples/redaction_speed.rs` measures.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

/// Characters that encoders change, and some that they do not.
const HOSTILE: &str =
    r#"[-a-zA-Z0-9_.~ "'\\&<>+/=%$`!#*@:;,?(){}\[\]|^é€😀\t\u{1b}\u{7f}\u{a0}\u{301}\u{2028}]{6,80}"#;

fn knowing(secret: &str) -> Redactor {
    let redactor = Redactor::default();
    assert_eq!(redactor.learn(secret), Learned::Hidden, "{secret:?} is a secret");
    redactor
}

/// What tools make of the value, by other code than that under test. Each keeps the whole value.
fn printed(secret: &str) -> Vec<(&'static str, String)> {
    let each = |form: &dyn Fn(char) -> Option<String>| -> String {
        secret
            .chars()
            .map(|c| form(c).unwrap_or_else(|| c.to_string()))
            .collect()
    };
    let percent = |kept: &str, upper: bool| -> String {
        let byte = |byte: u8| match (
            byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte),
            upper,
        ) {
            (true, _) => char::from(byte).to_string(),
            (false, true) => format!("%{byte:02X}"),
            (false, false) => format!("%{byte:02x}"),
        };
        secret.bytes().map(byte).collect()
    };
    let entity = |quote: &'static str, apostrophe: &'static str| {
        each(&|c| match c {
            '&' => Some("&amp;".to_owned()),
            '<' => Some("&lt;".to_owned()),
            '>' => Some("&gt;".to_owned()),
            '"' => Some(quote.to_owned()),
            '\'' => Some(apostrophe.to_owned()),
            _ => None,
        })
    };
    let utf16 = |c: char| -> String {
        let mut units = [0; 2];
        c.encode_utf16(&mut units)
            .iter()
            .map(|unit| format!("\\u{unit:04x}"))
            .collect()
    };
    let json = |text: &str| {
        let text = serde_json::Value::from(text).to_string();
        text[1..text.len() - 1].to_owned()
    };
    let ascii_json = json(secret)
        .chars()
        .map(|c| match c {
            '\u{7f}'.. => utf16(c),
            _ => c.to_string(),
        })
        .collect::<String>();
    let go_json = json(secret)
        .chars()
        .map(|c| match "<>&\u{2028}\u{2029}".contains(c) {
            true => utf16(c),
            false => c.to_string(),
        })
        .collect::<String>();
    let debug = format!("{secret:?}");
    vec![
        ("value", secret.to_owned()),
        ("expression", secret.replace('\'', "''")),
        ("command line", secret.replace('"', "\\\"")),
        ("shell", secret.replace('\'', "'\\''")),
        ("Python's shlex", secret.replace('\'', "'\"'\"'")),
        ("JSON", json(secret)),
        ("JSON in JSON", json(&json(secret))),
        ("Go's JSON", go_json),
        ("Python's JSON", ascii_json),
        ("shell in JSON", json(&secret.replace('\'', "'\\''"))),
        ("Debug", debug[1..debug.len() - 1].to_owned()),
        ("Debug in JSON", json(&debug[1..debug.len() - 1])),
        ("Debug of bytes", secret.as_bytes().escape_ascii().to_string()),
        ("XML", entity("&quot;", "&apos;")),
        ("XML text", entity("\"", "'")),
        ("Go's HTML", entity("&#34;", "&#39;")),
        ("Python's HTML", entity("&quot;", "&#x27;")),
        ("URI data", percent("-_.~", true)),
        ("URI data in lower case", percent("-_.~", false)),
        ("form", percent("-_.~", true).replace("%20", "+")),
        ("encodeURIComponent", percent("-_.~!'()*", true)),
        ("Go's path", percent("-_.~$&+=:@", true)),
        ("base64", STANDARD.encode(secret)),
        ("base64 without padding", STANDARD_NO_PAD.encode(secret)),
        ("base64url", URL_SAFE.encode(secret)),
        ("base64url without padding", URL_SAFE_NO_PAD.encode(secret)),
    ]
}

/// The characters of the base64 of `before`, the secret and `after` that hold no bit of the neighbours.
fn core(before: &[u8], secret: &str, after: &[u8]) -> (String, String) {
    let whole = STANDARD_NO_PAD.encode([before, secret.as_bytes(), after].concat());
    let first = (before.len() * 8).div_ceil(6);
    let last = (before.len() + secret.len()) * 8 / 6;
    let core = whole[first..last].to_owned();
    (whole, core)
}

proptest! {
    #[test]
    fn every_form_goes_whole_and_takes_nothing_with_it(secret in HOSTILE, before in "[α-ω]{0,9}", after in "[α-ω]{0,9}") {
        let secret = secret.trim();
        prop_assume!(secret.len() >= SHORTEST && !is_asterisks(secret) && !secret.contains("**"));
        let redactor = knowing(secret);

        for (form, text) in printed(secret) {
            let cleaned = redactor.clean(&format!("{before}{text}{after}"));

            prop_assert_eq!(cleaned, format!("{before}***{after}"), "{}", form);
        }
    }

    #[test]
    fn no_form_of_any_secret_survives_among_others(
        secrets in prop::collection::vec(HOSTILE, 1..5),
        texts in prop::collection::vec(".{0,20}", 6),
        picks in prop::collection::vec((0..5_usize, 0..26_usize), 5),
    ) {
        let redactor = Redactor::default();
        let secrets: Vec<&str> = secrets.iter().map(|secret| secret.trim()).collect();
        let secrets: Vec<&str> = secrets.into_iter().filter(|secret| redactor.learn(secret) == Learned::Hidden).collect();
        prop_assume!(!secrets.is_empty());
        let forms: Vec<Vec<(&str, String)>> = secrets.iter().map(|secret| printed(secret)).collect();
        let mut text = texts[0].clone();
        for ((secret, form), between) in picks.into_iter().zip(&texts[1..]) {
            let forms = &forms[secret % forms.len()];
            text += &forms[form % forms.len()].1;
            text += between;
        }

        let cleaned = redactor.clean(&text);

        for (form, text) in forms.iter().flatten() {
            prop_assert!(!cleaned.contains(text), "{form} {text:?} stands in {cleaned:?}");
        }
        prop_assert!(!redactor.finds_secret(&cleaned), "cleaned text is clean");
    }

    #[test]
    fn base64_goes_whatever_stands_around_the_secret(
        secret in HOSTILE,
        before in prop::collection::vec(any::<u8>(), 0..20),
        after in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let secret = secret.trim();
        prop_assume!(secret.len() >= SHORTEST && !is_asterisks(secret));
        let redactor = knowing(secret);
        let (whole, core) = core(&before, secret, &after);

        let cleaned = redactor.clean(&whole);
        let cleaned_url = redactor.clean(&whole.replace('+', "-").replace('/', "_"));

        prop_assert!(!cleaned.contains(&core), "{core} stands in {cleaned}");
        prop_assert!(cleaned.contains(REDACTED) && cleaned_url.contains(REDACTED), "{cleaned} {cleaned_url}");
        prop_assert!(cleaned.len() <= whole.len() - core.len() + REDACTED.len(), "{cleaned} of {whole}");
    }

    #[test]
    fn lines_of_a_secret_go_one_by_one(lines in prop::collection::vec("[a-zA-Z0-9+/=\"'&<> ]{8,70}", 2..6)) {
        let redactor = knowing(&lines.join("\n"));
        let lines: Vec<&str> = lines.iter().map(|line| line.trim()).filter(|line| line.len() >= SHORTEST).collect();

        for line in lines {
            for (form, text) in printed(line) {
                prop_assert_eq!(redactor.clean(&format!("    {text}\r")), "    ***\r", "{}", form);
            }
        }
    }

    #[test]
    fn text_without_the_secret_stays(secret in "[a-m\"'&<>]{6,40}", text in "[N-Zα-ω0-9 .,:{}\\[\\]\\n]{0,200}") {
        let redactor = knowing(&secret);

        prop_assert_eq!(redactor.clean(&text), text);
    }
}

#[test]
fn removes_tokens_of_known_shape() {
    let token = "a".repeat(36);
    let redactor = Redactor::default();

    let text = format!("a ghp_{token} b github_pat_{token}, ghp_short eyJhbGciOiJub25lIn0.e30.c2ln eyJ.x");

    assert_eq!(redactor.clean(&text), "a *** b ***, ghp_short *** eyJ.x");
    assert_eq!(
        redactor.clean(&format!("eyJ.ghp_{token}eyJhb.e30.c2ln")),
        REDACTED
    );
    assert_eq!(redactor.clean(&format!("eyJx.ghp_{token}")), "eyJx.***");
}

#[test]
fn secrets_that_overlap_leave_no_rest() {
    let redactor = knowing("abcdefgh");
    redactor.learn("efghijkl");
    redactor.learn("cdefghij-longer");

    assert_eq!(redactor.clean("<abcdefghijkl>"), "<***>");
    assert_eq!(redactor.clean("<abcdefghij-longer>"), "<***>");
    assert_eq!(redactor.clean("<abcdefghabcdefgh>"), "<***>");
}

#[test]
fn what_stands_for_one_secret_completes_no_other() {
    let redactor = knowing("first-secret");
    redactor.learn("pass**");

    let cleaned = redactor.clean("passfirst-secret");

    assert!(!redactor.finds_secret(&cleaned), "{cleaned}");
    assert_eq!(cleaned, "****");
}

#[test]
fn parts_that_powershell_and_quotes_break_off_go_alone() {
    let redactor = knowing("\"part-one&+part-two&part-three\"");

    assert_eq!(redactor.clean("part-one&+part-two&part-three"), REDACTED);
    assert_eq!(
        redactor.clean("'\"part-one&+' and art-two&part-three\""),
        "'***' and ***"
    );
    assert_eq!(knowing("part-one&part-two").clean("part-two"), REDACTED);
}

#[test]
fn long_base64_goes_in_lines() {
    let secret = "0123456789".repeat(20);
    let redactor = knowing(&secret);
    let text = STANDARD.encode(&secret);
    let lines: Vec<&str> = (0..text.len())
        .step_by(76)
        .map(|at| &text[at..text.len().min(at + 76)])
        .collect();

    let cleaned: Vec<String> = lines.iter().map(|line| redactor.clean(line)).collect();

    assert_eq!(cleaned, vec![REDACTED; lines.len()]);
}

#[test]
fn basic_authentication_goes() {
    let redactor = knowing("s3cr3t-value");
    for user in ["", "u", "me", "x-access-token"] {
        let header = format!(
            "Authorization: Basic {}",
            STANDARD.encode(format!("{user}:s3cr3t-value"))
        );

        let cleaned = redactor.clean(&header);

        assert!(
            cleaned.contains(REDACTED) && cleaned.len() < header.len() - 8,
            "{cleaned}"
        );
    }
}

#[test]
fn a_long_secret_goes_whole_and_when_abbreviated() {
    let secret: String = ('a'..='z').cycle().take(300).collect();
    let redactor = knowing(&secret);

    assert_eq!(redactor.clean(&format!("<{secret}>")), "<***>");
    assert_eq!(redactor.clean(&format!("<{}…>", &secret[..64])), "<***…>");
}

#[test]
fn what_cannot_be_hidden_is_refused() {
    let redactor = Redactor::default();

    assert_eq!(redactor.learn(" admin\n"), Learned::TooShort);
    assert_eq!(redactor.learn("********"), Learned::Asterisks);
    assert_eq!(redactor.learn("admin1"), Learned::Hidden);
    assert_eq!(redactor.clean("admin ******** admin1"), "admin ******** ***");
}

#[test]
fn a_job_hides_whatever_it_is_told_and_nothing_by_shape() {
    let redactor = Redactor::of_a_job();
    redactor.learn("abc");
    redactor.learn("\n");
    let token = format!("ghp_{}", "a".repeat(36));

    assert_eq!(redactor.clean("abcdef YWJj"), "***def YWJj");
    assert_eq!(redactor.clean(&token), token);
}

#[test]
fn secrets_learned_one_by_one_all_stay_known() {
    let redactor = Redactor::default();
    let secrets: Vec<String> = (0..200).map(|number| format!("secret-\"{number:04}\"")).collect();

    for secret in &secrets {
        redactor.learn(secret);
        assert_eq!(redactor.clean(secret), REDACTED);
    }

    assert!(secrets.iter().all(|secret| redactor.clean(secret) == REDACTED));
}
