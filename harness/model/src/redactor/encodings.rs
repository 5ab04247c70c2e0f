//! The forms in which a runner or a tool prints a secret, as texts to look for.
//!
//! Two kinds. *Escapes* keep most of the value and hide a few characters of it: JSON, URLs, XML, shells, source text. *Base64* keeps none of
//! it, and depends on how many bytes stand before it. The list has every value encoder of actions/runner (base64 at three offsets, command
//! line argument, expression string, JSON string, URI data, XML data, trimmed double quotes, PowerShell's sections before and after `&`), and
//! what Go, .NET, Python, JavaScript and shells do elsewhere. Hexadecimal digits of escapes come in both cases.
//!
//! What it is not: complete. Compressed, encrypted or hex-dumped text is not recognised, nor base64 in lines of 64 or 76 characters if
//! something stands before the secret in the same base64 text.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Fewer bytes are too few characters of base64 to be told from ordinary words. PowerShell's sections have the same limit in actions/runner.
const SHORTEST_DERIVED: usize = 6;
/// Where tools break lines of base64: MIME and GNU's `base64`, PEM and OpenSSL.
const BASE64_WIDTHS: [usize; 2] = [76, 64];

/// Every text that gives the secret away: itself, its lines, parts that tools print alone, and all of these encoded.
pub(super) fn of(secret: &str) -> BTreeSet<String> {
    let values: BTreeSet<&str> = secret
        .split(['\r', '\n'])
        .chain([secret])
        .chain(without_quotes(secret))
        .chain(powershell_sections(secret))
        .map(str::trim)
        .filter(|value| !value.is_empty())
        .collect();
    let mut texts = BTreeSet::new();
    for value in values {
        texts.extend(ESCAPES.iter().map(|escape| escape(value)));
        for case in [Case::Lower, Case::Upper] {
            texts.extend(PERCENT.iter().map(|set| percent(value, *set, case)));
            texts.extend(JSON.iter().map(|style| json(value, *style, case)));
        }
        texts.extend(base64s(value));
        texts.insert(value.to_owned());
    }
    // A tool's output is often a field of a JSON log.
    let in_json: Vec<String> = texts
        .iter()
        .flat_map(|text| [&JSON[0], &JSON[1]].map(|style| json(text, *style, Case::Lower)))
        .collect();
    texts.extend(in_json);
    texts
}

/// Tools take quotes around a value for their own (actions/runner: `TrimDoubleQuotes`, with this limit).
fn without_quotes(value: &str) -> Option<&str> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    (value.chars().count() > 8).then_some(inner)
}

/// PowerShell's error messages colour a command at an ampersand, which breaks the value in two (actions/runner:
/// `PowerShellPreAmpersandEscape` and `PowerShellPostAmpersandEscape`; after `&+` one more character is coloured).
fn powershell_sections(value: &str) -> impl Iterator<Item = &str> {
    let cut = match value.find("&+") {
        Some(at) => {
            let before = at + 2;
            let coloured = value[before..].chars().next().map_or(0, char::len_utf8);
            Some((before, before + coloured))
        }
        None => value.rfind('&').map(|at| (at + 1, at + 1)),
    };
    cut.map(|(before, after)| [&value[..before], &value[after..]])
        .into_iter()
        .flatten()
        .filter(|section| section.len() >= SHORTEST_DERIVED)
}

/// Escapes without a choice of the digits' case.
const ESCAPES: [fn(&str) -> String; 20] = [
    // An apostrophe is doubled by expressions (GitHub's too), YAML, SQL and PowerShell.
    |v| v.replace('\'', "''"),
    // Command line argument.
    |v| v.replace('"', "\\\""),
    // Shells: between apostrophes in two manners, between quotes, bash's `%q`, and `$'…'`.
    |v| v.replace('\'', r"'\''"),
    |v| v.replace('\'', r#"'"'"'"#),
    |v| backslashed(v, "\\\"$`"),
    |v| backslashed(v, "\t '\"\\|&;()<>!{}*[]?^$`,"),
    |v| source(v, "'\\", ansi_c),
    // XML and HTML: text; attributes with entities by name, by number (Go, its templates), by hexadecimal number (Python).
    |v| entities(v, &[]),
    |v| entities(v, &[('"', "&quot;")]),
    |v| entities(v, &[('"', "&quot;"), ('\'', "&apos;")]),
    |v| entities(v, &[('"', "&quot;"), ('\'', "&#39;")]),
    |v| entities(v, &[('"', "&quot;"), ('\'', "&#x27;")]),
    |v| entities(v, &[('"', "&#34;"), ('\'', "&#39;")]),
    |v| entities(v, &[('"', "&#34;"), ('\'', "&#39;"), ('+', "&#43;")]),
    // Source text: Rust's `{:?}` of a text and of bytes, Go's `%q` and `%+q`, Python's `repr` with one kind of quotes in the value and with both.
    |v| between_quotes(&format!("{v:?}")).to_owned(),
    |v| v.as_bytes().escape_ascii().to_string(),
    |v| source(v, "\"\\", |c| go(c, false)),
    |v| source(v, "\"\\", |c| go(c, true)),
    |v| source(v, "\\", python),
    |v| source(v, "'\\", python),
];

/// Of hexadecimal digits.
#[derive(Clone, Copy)]
enum Case {
    Lower,
    Upper,
}

/// A reserved set of percent-encoding: the ASCII punctuation that stays, and whether a space becomes `+`.
type Percent = (&'static str, bool);

const PERCENT: [Percent; 13] = [
    // RFC 3986, .NET's `Uri.EscapeDataString`.
    ("-_.~", false),
    // Go's `QueryEscape`, Python's `quote_plus`.
    ("-_.~", true),
    // WHATWG's forms.
    ("*-._", true),
    // JavaScript's `encodeURIComponent` and `encodeURI`.
    ("-_.~!'()*", false),
    ("-_.~!'()*;,/?:@&=+$#", false),
    // Go's `PathEscape` and user information, Python's `quote`.
    ("-_.~$&+=:@", false),
    ("-_.~$&+,;=", false),
    ("-_.~/", false),
    // WHATWG's user information, path and query.
    ("-_.~!$%&'()*+,", false),
    ("-_.~!$%&'()*+,/:;=@[\\]|", false),
    ("-_.~!$%&()*+,/:;=@[\\]|?^`{}", false),
    // Workflow commands of GitHub Actions: data, properties.
    ("-_.~!'()*;,/?:@&=+$#\"<>[\\]^`{|} ", false),
    ("-_.~!'()*;/?@&=+$#\"<>[\\]^`{|} ", false),
];

fn percent(value: &str, (kept, space_is_plus): Percent, case: Case) -> String {
    let is_ascii_only = !kept.contains(' ');
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if c.is_ascii_alphanumeric() || kept.contains(c) || (!is_ascii_only && !"%\r\n:,".contains(c)) {
            out.push(c);
        } else if c == ' ' && space_is_plus {
            out.push('+');
        } else {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                match case {
                    Case::Lower => push(&mut out, format_args!("%{byte:02x}")),
                    Case::Upper => push(&mut out, format_args!("%{byte:02X}")),
                }
            }
        }
    }
    out
}

/// A manner of JSON: further characters that become `\u….`, whether all beyond ASCII does, whether a slash gets a backslash.
#[derive(Clone, Copy)]
struct Json {
    numbered: &'static str,
    ascii: bool,
    slash: bool,
}

const JSON: [Json; 6] = [
    // Rust, JavaScript.
    Json {
        numbered: "",
        ascii: false,
        slash: false,
    },
    // Go.
    Json {
        numbered: "<>&\u{2028}\u{2029}",
        ascii: false,
        slash: false,
    },
    // Python.
    Json {
        numbered: "",
        ascii: true,
        slash: false,
    },
    // PHP.
    Json {
        numbered: "",
        ascii: true,
        slash: true,
    },
    // .NET: Newtonsoft, System.Text.Json.
    Json {
        numbered: "\u{85}\u{2028}\u{2029}",
        ascii: false,
        slash: false,
    },
    Json {
        numbered: "\"<>&'+`",
        ascii: true,
        slash: false,
    },
];

/// Without the quotes around it.
fn json(value: &str, style: Json, case: Case) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            _ if style.numbered.contains(c) => numbered(&mut out, c, case),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' if style.slash => out.push_str("\\/"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..' ' => numbered(&mut out, c, case),
            '\u{7f}'.. if style.ascii => numbered(&mut out, c, case),
            _ => out.push(c),
        }
    }
    out
}

fn numbered(out: &mut String, c: char, case: Case) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        match case {
            Case::Lower => push(out, format_args!("\\u{unit:04x}")),
            Case::Upper => push(out, format_args!("\\u{unit:04X}")),
        }
    }
}

/// Text between quotes of a programming language: `quoted` gets a backslash, `special` says what else has a form of its own.
fn source(value: &str, quoted: &str, special: impl Fn(char) -> Option<String>) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if quoted.contains(c) {
            out.extend(['\\', c]);
        } else if let Some(form) = special(c) {
            out.push_str(&form);
        } else {
            out.push(c);
        }
    }
    out
}

fn backslashed(value: &str, quoted: &str) -> String {
    source(value, quoted, |_| None)
}

/// The escapes that C and its heirs share.
fn c_escape(c: char) -> Option<String> {
    let letter = match c {
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        _ => return None,
    };
    Some(format!("\\{letter}"))
}

/// bash's `$'…'`.
fn ansi_c(c: char) -> Option<String> {
    match c {
        '\u{1b}' => Some("\\E".to_owned()),
        _ => c_escape(c).or_else(|| c.is_ascii_control().then(|| format!("\\{:03o}", u32::from(c)))),
    }
}

/// Go's `strconv`: what is not printable, or not ASCII, by number.
fn go(c: char, ascii: bool) -> Option<String> {
    let number = u32::from(c);
    match c {
        _ if c_escape(c).is_some() => c_escape(c),
        '\0'..' ' | '\u{7f}' => Some(format!("\\x{number:02x}")),
        ' '..='~' => None,
        _ if !ascii && is_printable(c) => None,
        '\u{10000}'.. => Some(format!("\\U{number:08x}")),
        _ => Some(format!("\\u{number:04x}")),
    }
}

/// Python's `repr`.
fn python(c: char) -> Option<String> {
    let number = u32::from(c);
    match c {
        '\t' | '\n' | '\r' => c_escape(c),
        ' '..='~' => None,
        _ if is_printable(c) => None,
        '\u{10000}'.. => Some(format!("\\U{number:08x}")),
        '\u{100}'.. => Some(format!("\\u{number:04x}")),
        _ => Some(format!("\\x{number:02x}")),
    }
}

/// Letters, marks, numbers, punctuation and symbols are, for Go, Python and Rust alike. A mark would be escaped if it came first.
fn is_printable(c: char) -> bool {
    !format!("a{c}").escape_debug().any(|c| c == '\\')
}

/// XML's text, and what is different in attributes.
fn entities(value: &str, quotes: &[(char, &str)]) -> String {
    let always = [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;")];
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match always.iter().chain(quotes).find(|(escaped, _)| *escaped == c) {
            Some((_, entity)) => out.push_str(entity),
            None => out.push(c),
        }
    }
    out
}

/// The parts of base64 text that only the value decides, for each number of bytes before it modulo 3. Up to four bits of the first and of the
/// last byte share a character with a neighbour and are not in it. Then the value alone, with and without padding and, if it is long, in lines.
fn base64s(value: &str) -> Vec<String> {
    if value.len() < SHORTEST_DERIVED {
        return Vec::new();
    }
    let alone = STANDARD.encode(value);
    let mut texts: Vec<String> = (0..3).map(|shift| shifted_base64(value, shift)).collect();
    for width in BASE64_WIDTHS.into_iter().filter(|width| alone.len() > *width) {
        // ASCII, so every index is a boundary.
        let lines = (0..alone.len())
            .step_by(width)
            .map(|at| &alone[at..alone.len().min(at + width)]);
        texts.extend(
            lines
                .filter(|line| line.len() > SHORTEST_DERIVED)
                .map(str::to_owned),
        );
    }
    texts.push(alone.trim_end_matches('=').to_owned());
    texts.push(alone);
    let url_safe: Vec<String> = texts
        .iter()
        .map(|text| text.replace('+', "-").replace('/', "_"))
        .collect();
    let in_url: Vec<String> = texts
        .iter()
        .flat_map(|text| [Case::Lower, Case::Upper].map(|case| percent(text, PERCENT[0], case)))
        .collect();
    texts.extend(url_safe.into_iter().chain(in_url));
    texts
}

fn shifted_base64(value: &str, shift: usize) -> String {
    let mut bytes = vec![0; shift];
    bytes.extend_from_slice(value.as_bytes());
    let text = STANDARD.encode(&bytes);
    let start = [0, 2, 3][shift];
    let end = text.trim_end_matches('=').len() - usize::from(!bytes.len().is_multiple_of(3));
    text[start..end].to_owned()
}

fn between_quotes(quoted: &str) -> &str {
    quoted
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(quoted)
}

/// Cannot fail: the destination is memory.
fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}
