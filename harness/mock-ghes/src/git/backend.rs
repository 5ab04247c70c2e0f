//! Smart HTTP: one request through the real `git http-backend` (a CGI program, RFC 3875).

use std::process::Stdio;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;

use super::{GitError, Repositories, command};
use crate::RepositoryName;

/// What the CGI program must know of a request.
pub(crate) struct GitRequest {
    pub(crate) repository: RepositoryName,
    /// Below the repository, for example `info/refs`.
    pub(crate) path: String,
    pub(crate) method: String,
    pub(crate) query: String,
    pub(crate) content_type: String,
    pub(crate) content_encoding: String,
    /// The `Git-Protocol` header.
    pub(crate) protocol: String,
    /// Who asks; pushing needs somebody.
    pub(crate) user: Option<String>,
    pub(crate) body: Bytes,
}

/// The CGI program's answer.
pub(crate) struct GitResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Vec<u8>,
}

/// Runs one request.
pub(crate) async fn serve(repositories: &Repositories, request: GitRequest) -> Result<GitResponse, GitError> {
    let mut backend = command();
    backend
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", repositories.root())
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env(
            "PATH_INFO",
            format!("/{}.git/{}", request.repository, request.path),
        )
        .env("REQUEST_METHOD", &request.method)
        .env("QUERY_STRING", &request.query)
        .env("CONTENT_TYPE", &request.content_type)
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", &request.content_encoding)
        .env("GIT_PROTOCOL", &request.protocol)
        .env("REMOTE_ADDR", "127.0.0.1");
    if let Some(user) = &request.user {
        backend.env("REMOTE_USER", user);
    }
    backend
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = backend.spawn().map_err(GitError::Start)?;
    let mut stdin = child.stdin.take().ok_or_else(malformed)?;
    let body = request.body;
    // The program may answer without having read everything: then the write error means nothing.
    let (_written, output) = tokio::join!(
        async move {
            let written = stdin.write_all(&body).await;
            drop(stdin);
            written
        },
        child.wait_with_output()
    );
    let output = output.map_err(GitError::Start)?;
    parse(&output.stdout).ok_or_else(|| GitError::Failed {
        operation: "http-backend".into(),
        repository: repositories.folder(&request.repository),
        message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

fn malformed() -> GitError {
    GitError::Form {
        operation: "http-backend".into(),
    }
}

/// Splits a CGI answer: header lines, an empty line, the body. `Status:` is the status.
fn parse(output: &[u8]) -> Option<GitResponse> {
    let end = output.windows(4).position(|w| w == b"\r\n\r\n")?;
    let mut response = GitResponse {
        status: StatusCode::OK,
        headers: Vec::new(),
        body: output[end + 4..].to_vec(),
    };
    for line in std::str::from_utf8(&output[..end]).ok()?.split("\r\n") {
        let (name, value) = line.split_once(':')?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("status") {
            response.status = value.split(' ').next()?.parse().ok()?;
        } else {
            let header = HeaderName::from_bytes(name.as_bytes()).ok()?;
            response
                .headers
                .push((header, HeaderValue::from_str(value).ok()?));
        }
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgi_answer_is_status_headers_and_body() {
        let response = parse(b"Status: 403 Forbidden\r\nContent-Type: text/plain\r\n\r\nno\r\n\r\nmore")
            .expect("the answer is well-formed");

        assert_eq!(response.status, StatusCode::FORBIDDEN);
        assert_eq!(response.headers.len(), 1);
        assert_eq!(response.body, b"no\r\n\r\nmore");
    }

    #[test]
    fn an_answer_without_header_end_is_refused() {
        assert!(parse(b"fatal: something").is_none());
    }
}
