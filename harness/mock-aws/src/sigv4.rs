//! Signature version 4 of requests to STS. S3's, with their streams of chunks, are `s3s`'s business.
//!
//! A request is judged by its headers alone: presigned URLs are not taken. The date must be the machine's within a quarter of an hour, as AWS has it.

use aws_lc_rs::{digest, hmac};
use http::{HeaderMap, Method};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::Refusal;

const SKEW: SignedDuration = SignedDuration::from_mins(15);

/// A request, as far as a signature speaks of it.
pub(crate) struct Signed<'a> {
    pub method: &'a Method,
    /// As sent, with escapes.
    pub path: &'a str,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

/// The parts of the header `Authorization`.
struct Authorization<'a> {
    access_key: &'a str,
    /// Date, region, service, `aws4_request`.
    scope: &'a str,
    signed_headers: Vec<&'a str>,
    signature: Vec<u8>,
}

impl Signed<'_> {
    /// Whose request it claims to be.
    pub(crate) fn access_key(&self) -> Result<&str, Refusal> {
        self.authorization().map(|parts| parts.access_key)
    }

    /// Whether this secret signed it.
    pub(crate) fn verify(&self, secret: &str, now: Timestamp) -> Result<(), Refusal> {
        let parts = self.authorization()?;
        let mismatch = || Refusal::RequestSignature {
            access_key: parts.access_key.to_owned(),
        };
        let date = self.header("x-amz-date").ok_or_else(mismatch)?;
        let signed_at = DateTime::strptime("%Y%m%dT%H%M%SZ", date)
            .and_then(|at| at.to_zoned(TimeZone::UTC))
            .map_err(|_| mismatch())?;
        if now.duration_since(signed_at.timestamp()).abs() > SKEW {
            return Err(mismatch());
        }
        let mut scope = parts.scope.split('/');
        let (Some(day), Some(region), Some(service), Some("aws4_request"), None) = (
            scope.next(),
            scope.next(),
            scope.next(),
            scope.next(),
            scope.next(),
        ) else {
            return Err(mismatch());
        };
        if service != "sts" || !date.starts_with(day) || !parts.signed_headers.contains(&"host") {
            return Err(mismatch());
        }
        let canonical = hex(digest::digest(&digest::SHA256, self.canonical(&parts).as_bytes()).as_ref());
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{}\n{canonical}", parts.scope);
        let mut key = sign(format!("AWS4{secret}").as_bytes(), day);
        for part in [region, service, "aws4_request"] {
            key = sign(key.as_ref(), part);
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_ref());
        hmac::verify(&key, text.as_bytes(), &parts.signature).map_err(|_| mismatch())
    }

    fn canonical(&self, parts: &Authorization<'_>) -> String {
        let headers: String = parts
            .signed_headers
            .iter()
            .map(|name| {
                let words: Vec<&str> = self.header(name).unwrap_or_default().split_whitespace().collect();
                format!("{name}:{}\n", words.join(" "))
            })
            .collect();
        format!(
            "{}\n{}\n\n{headers}\n{}\n{}",
            self.method,
            self.path,
            parts.signed_headers.join(";"),
            hex(digest::digest(&digest::SHA256, self.body).as_ref()),
        )
    }

    fn authorization(&self) -> Result<Authorization<'_>, Refusal> {
        let header = self.header("authorization").ok_or(Refusal::Unsigned)?;
        let unreadable = || Refusal::Parameter {
            parameter: "Authorization".to_owned(),
        };
        let fields = header.strip_prefix("AWS4-HMAC-SHA256 ").ok_or_else(unreadable)?;
        let field = |name: &str| {
            let mut all = fields.split(',').filter_map(|f| f.trim().split_once('='));
            all.find(|(n, _)| *n == name)
                .map(|(_, value)| value)
                .ok_or_else(unreadable)
        };
        let (access_key, scope) = field("Credential")?.split_once('/').ok_or_else(unreadable)?;
        Ok(Authorization {
            access_key,
            scope,
            signed_headers: field("SignedHeaders")?.split(';').collect(),
            signature: unhex(field("Signature")?).ok_or_else(unreadable)?,
        })
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

fn sign(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let pairs = digits.chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => u8::try_from(high * 16 + low).ok(),
            _ => None,
        })
        .collect()
}
