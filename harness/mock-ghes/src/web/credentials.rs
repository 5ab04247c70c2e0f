//! The `Authorization` header, in every form that GitHub's clients use.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// The token in the header: `Bearer X`, `token X`, `RemoteAuth X`, or `Basic` with the token as password (or as user,
/// with nothing or `x-oauth-basic` for a password). None: no header. Empty: one that cannot be read.
pub(crate) fn token(headers: &HeaderMap) -> Option<String> {
    let header = headers.get(header::AUTHORIZATION)?;
    let (scheme, rest) = header
        .to_str()
        .unwrap_or_default()
        .split_once(' ')
        .unwrap_or_default();
    let rest = rest.trim();
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" | "token" | "remoteauth" => Some(rest.to_owned()),
        "basic" => {
            let decoded = BASE64_STANDARD
                .decode(rest)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok());
            let text = decoded.unwrap_or_default();
            let (user, password) = text.split_once(':').unwrap_or((&text, ""));
            Some(
                if password.is_empty() || password == "x-oauth-basic" {
                    user
                } else {
                    password
                }
                .to_owned(),
            )
        }
        _ => Some(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token_of(header: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::AUTHORIZATION,
            header.parse().expect("the literal is a header value"),
        );
        token(&headers)
    }

    #[test]
    fn every_scheme_yields_the_same_token() {
        let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));

        for header in [
            "Bearer abc".to_owned(),
            "token abc".to_owned(),
            "RemoteAuth abc".to_owned(),
            basic("github:abc"),
            basic("abc:"),
            basic("abc:x-oauth-basic"),
        ] {
            assert_eq!(token_of(&header).as_deref(), Some("abc"), "{header}");
        }
    }

    #[test]
    fn no_header_is_not_the_same_as_an_unreadable_one() {
        assert_eq!(token(&HeaderMap::new()), None);
        assert_eq!(token_of("Digest x").as_deref(), Some(""));
        assert_eq!(token_of("Basic %%%").as_deref(), Some(""));
    }
}
