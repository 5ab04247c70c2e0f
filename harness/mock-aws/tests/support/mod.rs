//! What the tests share: an OIDC issuer with a key of its own, tokens, and a world of two accounts with the guide's policies. Not the code under test.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;

use axum::Json;
use axum::routing::get;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use mock_aws::policy::Policy;
use mock_aws::{Account, Bucket, Builder, Defect, Provider, Role, Server, TlsIdentity, World};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

pub(crate) const ROLE_ACCOUNT: &str = "111122223333";
pub(crate) const BUCKET_ACCOUNT: &str = "444455556666";
pub(crate) const ROLE: &str = "arn:aws:iam::111122223333:role/actions-runner-role";
/// Trusts a provider of the role's account, though it is of another: nobody can become it.
pub(crate) const STRANGE_ROLE: &str = "arn:aws:iam::444455556666:role/strange";
pub(crate) const SUBJECT: &str = "system:serviceaccount:actions-runner:actions-runner-role";
pub(crate) const AUDIENCE: &str = "sts.amazonaws.com";
/// The guide's buckets: all actions, few actions. The third's policy says nothing.
pub(crate) const WIDE: &str = "bucket.dogecompany.com";
pub(crate) const LEAST: &str = "least.dogecompany.com";
pub(crate) const FOREIGN: &str = "foreign.dogecompany.com";

pub(crate) const GUIDE_ISSUER: &str = "oidc.eks.REGION.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041A";

/// A JSON file of the guide, with these texts in place of others.
pub(crate) fn guide(file: &str, changes: &[(&str, &str)]) -> Policy {
    let path = format!("{}/../../fixtures/guide/irsa/{file}", env!("CARGO_MANIFEST_DIR"));
    let mut text = fs_err::read_to_string(path).expect("the fixture is there");
    for (from, to) in changes {
        assert!(text.contains(from), "the fixture has {from}");
        text = text.replace(from, to);
    }
    serde_json::from_str(&text).expect("the fixture is a policy")
}

/// An issuer that is served on the loopback until it is dropped.
pub(crate) struct Issuer {
    pub(crate) url: String,
    pub(crate) ca_pem: String,
    address: Option<std::net::SocketAddr>,
    key: Key,
    handle: axum_server::Handle<std::net::SocketAddr>,
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

pub(crate) struct Key {
    encoding: EncodingKey,
    algorithm: Algorithm,
    id: &'static str,
}

impl Key {
    pub(crate) fn new(algorithm: Algorithm, id: &'static str) -> Key {
        let encoding = if algorithm == Algorithm::RS256 {
            let pair =
                KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key can be made");
            EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes())
        } else {
            let pair = KeyPair::generate().expect("a key can be made");
            EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes())
        };
        Key {
            encoding: encoding.expect("the key is PEM"),
            algorithm,
            id,
        }
    }

    fn jwk(&self) -> Jwk {
        let mut jwk =
            Jwk::from_encoding_key(&self.encoding, self.algorithm).expect("the key has a public half");
        jwk.common.key_id = Some(self.id.to_owned());
        jwk
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.id.to_owned());
        jsonwebtoken::encode(&header, claims, &self.encoding).expect("the key signs")
    }
}

impl Issuer {
    pub(crate) async fn start(algorithm: Algorithm) -> Issuer {
        Issuer::start_as(None, algorithm).await
    }

    /// Known by this host name, which no name service knows.
    pub(crate) async fn start_as(host: Option<&str>, algorithm: Algorithm) -> Issuer {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.set_nonblocking(true).expect("a listener can be made so");
        let address = listener.local_addr().expect("the listener has an address");
        let authority = host.map_or(address.to_string(), str::to_owned);
        let url = format!("https://{authority}/id/EXAMPLED539D4633E53DE1B716D3041A");
        let name = host.unwrap_or("127.0.0.1").to_owned();
        let identity = TlsIdentity::generate(&[name]).expect("the name is a DNS name or an address");
        let key = Key::new(algorithm, "first");
        let discovery = json!({"issuer": url, "jwks_uri": format!("https://{authority}/keys")});
        let keys = JwkSet {
            keys: vec![key.jwk()],
        };
        let router = axum::Router::new()
            .route(
                "/id/EXAMPLED539D4633E53DE1B716D3041A/.well-known/openid-configuration",
                get(|| async { Json(discovery) }),
            )
            .route("/keys", get(|| async { Json(keys) }));
        let handle = axum_server::Handle::new();
        let config = identity.server_config().expect("certificate and key go together");
        let server = axum_server::from_tcp_rustls(listener, config)
            .expect("the listener is usable")
            .handle(handle.clone());
        tokio::spawn(server.serve(router.into_make_service()));
        Issuer {
            url,
            ca_pem: identity.ca_pem,
            address: host.map(|_| address),
            key,
            handle,
        }
    }

    /// The issuer as an account knows it.
    pub(crate) fn provider(&self) -> Provider {
        Provider {
            issuer: self.url.parse().expect("it is a URL"),
            client_ids: vec![AUDIENCE.to_owned()],
            ca_pem: Some(self.ca_pem.clone()),
            address: self.address,
        }
    }

    /// What a good token claims.
    pub(crate) fn claims(&self) -> Value {
        let now = jiff::Timestamp::now().as_second();
        json!({"iss": self.url, "sub": SUBJECT, "aud": [AUDIENCE], "exp": now + 3600, "iat": now, "nbf": now})
    }

    /// A good token, but for these claims.
    pub(crate) fn token(&self, changes: &Value) -> String {
        self.key.sign(&self.changed(changes))
    }

    pub(crate) fn changed(&self, changes: &Value) -> Value {
        let mut claims = self.claims();
        for (name, value) in changes.as_object().expect("claims are an object") {
            claims[name] = value.clone();
        }
        claims
    }
}

/// Two accounts: the role's, with the guide's trust policy, and the buckets'.
pub(crate) fn world(issuer: &Issuer) -> World {
    let name = issuer.url.trim_start_matches("https://");
    let trust = guide("trust-policy.json", &[(GUIDE_ISSUER, name)]);
    let everything: Policy = serde_json::from_value(json!({
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
    }))
    .expect("it is a policy");
    let role = |trust: &Policy| Role {
        trust: trust.clone(),
        policies: vec![everything.clone()],
    };
    let bucket = |policy| Bucket { policy };
    let roles = Account {
        providers: vec![issuer.provider()],
        roles: BTreeMap::from([("actions-runner-role".to_owned(), role(&trust))]),
        buckets: BTreeMap::new(),
    };
    let buckets = Account {
        providers: vec![issuer.provider()],
        roles: BTreeMap::from([("strange".to_owned(), role(&trust))]),
        buckets: BTreeMap::from([
            (WIDE.to_owned(), bucket(Some(guide("bucket-policy.json", &[])))),
            (
                LEAST.to_owned(),
                bucket(Some(guide("bucket-policy-least.json", &[(WIDE, LEAST)]))),
            ),
            (FOREIGN.to_owned(), bucket(None)),
        ]),
    };
    World {
        accounts: BTreeMap::from([
            (ROLE_ACCOUNT.to_owned(), roles),
            (BUCKET_ACCOUNT.to_owned(), buckets),
        ]),
    }
}

pub(crate) async fn server(world: World, defect: Option<Defect>) -> Server {
    let builder = Builder::default().world(world);
    let builder = defect.into_iter().fold(builder, Builder::defect);
    builder.start().await.expect("a port is free")
}

/// The reason of the last refusal in the ledger; empty if the last request was allowed or there was none.
pub(crate) fn last_reason(server: &Server) -> String {
    server
        .ledger()
        .records()
        .last()
        .map(|record| record.reason())
        .unwrap_or_default()
}

/// Asks STS without a client, trusting this authority if there is one: the status, and the answer.
pub(crate) async fn assume(server: &Server, role: &str, token: &str, ca_pem: Option<&str>) -> (u16, String) {
    let form = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", role),
        ("RoleSessionName", "test"),
        ("WebIdentityToken", token),
    ];
    let authority = ca_pem.map(|pem| reqwest::Certificate::from_pem(pem.as_bytes()).expect("the CA is PEM"));
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_merge(authority)
        .build()
        .expect("a client can be built");
    let answer = http.post(server.url()).form(&form).send().await;
    let answer = answer.expect("the server answers");
    (answer.status().as_u16(), answer.text().await.expect("it is text"))
}

/// The text of an element.
pub(crate) fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let Some((_, rest)) = xml.split_once(&format!("<{name}>")) else {
        return "";
    };
    rest.split_once("</").map_or("", |(text, _)| text)
}
