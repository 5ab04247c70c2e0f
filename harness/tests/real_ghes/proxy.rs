//! Through an HTTP proxy, which counts, and past one that refuses.

use std::sync::Arc;
use std::sync::Mutex;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::support::{Ended, Mock, STAGING, TOKEN, finish, program};

/// A proxy that leads every CONNECT to the mock, or refuses all. It notes what it was asked for.
struct Proxy {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn start(mock: &Mock, refusal: Option<&'static str>) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (noted, upstream) = (asked.clone(), mock.host().to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, noted.clone(), upstream.clone(), refusal));
            }
        });
        Proxy {
            url: format!("http://user:pr0xy-passw0rd@{address}"),
            asked,
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nobody panics with it").clone()
    }
}

async fn carry(
    client: TcpStream,
    asked: Arc<Mutex<Vec<String>>>,
    upstream: String,
    refusal: Option<&'static str>,
) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    let mut request = String::new();
    client.read_line(&mut request).await?;
    let mut header = String::new();
    while client.read_line(&mut header).await? > 2 {
        header.clear();
    }
    asked
        .lock()
        .expect("nobody panics with it")
        .push(request.trim().to_owned());
    if let Some(refusal) = refusal {
        return client
            .write_all(format!("HTTP/1.1 {refusal}\r\ncontent-length: 0\r\n\r\n").as_bytes())
            .await;
    }
    let mut server = TcpStream::connect(upstream).await?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

async fn check_through(mock: &Mock, proxy: &str) -> Ended {
    let host = format!("{STAGING}:{}", mock.port());
    let mut command = program();
    command
        .args([
            "ghes",
            "check",
            "--ghes",
            &format!("https://{host}"),
            "--ca",
            &mock.ca(),
        ])
        .args(["--organization", "staging"])
        .env("GHES_HOSTS", &host)
        .env("GHES_TOKEN", TOKEN)
        .env("HTTPS_PROXY", proxy);
    finish(&mut command).await
}

#[tokio::test]
async fn every_request_goes_through_the_proxy() {
    let mock = Mock::start().await;
    let proxy = Proxy::start(&mock, None).await;

    let ended = check_through(&mock, &proxy.url).await;

    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (Some(0), ""),
        "{}",
        ended.stdout
    );
    let asked = proxy.asked();
    let connect = format!("CONNECT {STAGING}:{} HTTP/1.1", mock.port());
    assert!(
        !asked.is_empty() && asked.iter().all(|one| *one == connect),
        "{asked:?}"
    );
    assert!(mock.requests().await.len() >= 5);
    assert_eq!(mock.writes().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_proxy_that_refuses_is_told_without_its_password() {
    let mock = Mock::start().await;
    for refusal in [
        "407 Proxy Authentication Required",
        "403 Forbidden",
        "502 Bad Gateway",
    ] {
        let proxy = Proxy::start(&mock, Some(refusal)).await;

        let ended = check_through(&mock, &proxy.url).await;

        ended.assert_refused(3, &["HTTPS_PROXY"]);
        assert!(!ended.stderr.contains("passw0rd"), "{}", ended.stderr);
        assert!(!proxy.asked().is_empty());
    }
    assert_eq!(mock.requests().await, Vec::<String>::new());
}
