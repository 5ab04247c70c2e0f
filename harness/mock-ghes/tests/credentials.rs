//! Credentials and limits of REST: tokens that come and go, GitHub Apps, the rate limit, lost runners and cacheable answers.

mod support;

use std::sync::LazyLock;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use mock_ghes::{Clock, Defect, MockGhes, Scope};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use reqwest::{Method, Response, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use support::{Ghes, json_of, start, start_with, world};

const TOKENS: &str = "orgs/dogecompany/actions/runners/registration-token";

async fn as_bearer(ghes: &Ghes, method: Method, path: &str, token: &str) -> Response {
    let request = ghes
        .request(method, &format!("/api/v3/{path}"))
        .bearer_auth(token);
    request.send().await.expect("the server answers")
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

#[tokio::test]
async fn an_issued_token_has_its_scopes_until_it_is_revoked() {
    let ghes = start().await;

    let token = ghes
        .hand
        .issue_token("octocat", &["admin:org"])
        .await
        .expect("it runs");
    let token = token.expect("there is such a user");
    let nobody = ghes.hand.issue_token("nobody", &[]).await.expect("it runs");
    let text = token.expose_secret();
    let organization = as_bearer(&ghes, Method::POST, TOKENS, text).await.status();
    let enterprise = as_bearer(
        &ghes,
        Method::POST,
        "enterprises/dogecompany/actions/runners/registration-token",
        text,
    );
    let enterprise = enterprise.await.status();
    ghes.hand.revoke(&token).await.expect("it runs");
    let revoked = as_bearer(&ghes, Method::POST, TOKENS, text).await.status();

    assert!(nobody.is_none());
    assert_eq!(
        (organization, enterprise, revoked),
        (
            StatusCode::CREATED,
            StatusCode::FORBIDDEN,
            StatusCode::UNAUTHORIZED
        )
    );
    ghes.shutdown().await;
}

#[tokio::test]
async fn the_remote_control_issues_tokens_and_adds_runners_over_http() {
    let ghes = start().await;
    let admin = ghes.hand.admin_token().expose_secret().to_owned();
    let post = async |path: &str, body: Value| {
        let request = ghes.request(Method::POST, &format!("/_admin/{path}"));
        let sent = request.bearer_auth(&admin).json(&body).send().await;
        json_of(sent.expect("the server answers")).await
    };

    let token = post("tokens", json!({"user": "octocat", "scopes": ["admin:org"]})).await;
    let added = post(
        "runners",
        json!({"scope": "dogecompany", "names": ["a", "b", "A"]}),
    )
    .await;

    let token = token["token"].as_str().expect("a token");
    let list = json_of(as_bearer(&ghes, Method::GET, "orgs/dogecompany/actions/runners", token).await).await;
    assert_eq!(added["added"], 2, "a name stands for one runner, in any case");
    assert_eq!(list["total_count"], 2);
    assert_eq!(list["runners"][0]["status"], "offline");
    ghes.shutdown().await;
}

#[tokio::test]
async fn lost_runners_fill_pages_and_a_defect_hides_where_the_next_one_is() {
    let ghes = start().await;
    let names = (1..=250).map(|number| format!("lost-{number}")).collect();
    let scope = Scope::Enterprise("dogecompany".into());
    let first = "enterprises/dogecompany/actions/runners?per_page=100";

    let added = ghes.hand.add_lost_runners(scope, names).await.expect("it runs");
    let with = ghes.rest(Method::GET, first).await;
    ghes.hand.seed_defect(Defect::NoLinks).await;
    let without = ghes.rest(Method::GET, first).await;

    assert_eq!(added, 250);
    let link = header(&with, "link").expect("there are more pages");
    assert!(link.contains("page=3>; rel=\"last\""), "{link}");
    assert_eq!(header(&without, "link"), None);
    ghes.shutdown().await;
}

#[tokio::test]
async fn how_long_a_list_may_be_kept_can_be_changed() {
    let ghes = start().await;
    let cached = async || {
        let response = ghes
            .rest(Method::GET, "enterprises/dogecompany/actions/runners")
            .await;
        header(&response, "cache-control").expect("it is told").to_owned()
    };

    let before = cached().await;
    ghes.hand.set_list_max_age(60);
    let after = cached().await;
    ghes.hand.seed_defect(Defect::NoCaching).await;
    let defect = cached().await;

    assert_eq!(before, "private, max-age=0, s-maxage=0");
    assert_eq!(after, "private, max-age=60, s-maxage=60");
    assert_eq!(defect, before);
    ghes.shutdown().await;
}

#[tokio::test]
async fn rest_answers_in_gzip_whoever_takes_it() {
    let ghes = start().await;
    let get = async |encodings: &str| {
        let request = ghes.request(Method::GET, "/api/v3/meta");
        let sent = request.header("Accept-Encoding", encodings).send().await;
        sent.expect("the server answers")
    };

    let zipped = get("br, gzip").await;
    let plain = get("identity").await;

    assert_eq!(header(&zipped, "content-encoding"), Some("gzip"));
    assert_eq!(header(&plain, "content-encoding"), None);
    let bytes = zipped.bytes().await.expect("a body");
    let text = std::io::read_to_string(flate2::read::GzDecoder::new(&bytes[..]));
    let unzipped: Value = serde_json::from_str(&text.expect("the body is gzip")).expect("and then JSON");
    assert_eq!(unzipped, json_of(plain).await);
    ghes.shutdown().await;
}

#[tokio::test]
async fn the_rate_limit_counts_answers_that_are_news_and_then_refuses_until_its_reset() {
    let clock = Clock::default();
    let (server, hand) = MockGhes::builder()
        .clock(clock.clone())
        .start()
        .await
        .expect("the server starts");
    let http = reqwest::Client::new();
    let get = async |path: &str, tag: Option<&str>| {
        let mut request = http
            .get(format!("{}/api/v3/{path}", hand.url()))
            .bearer_auth(hand.pat().expose_secret());
        if let Some(tag) = tag {
            request = request.header("If-None-Match", tag);
        }
        request.send().await.expect("the server answers")
    };

    let unlimited = get("user", None).await;
    let no_limit = get("rate_limit", None).await.status();
    hand.limit_rate(Some(2)).await.expect("it runs");
    let first = get("user", None).await;
    let tag = header(&first, "etag").map(str::to_owned);
    let known = get("user", tag.as_deref()).await;
    let second = get("user", None).await;
    let third = get("user", None).await;
    let told = json_of(get("rate_limit", None).await).await;
    clock.set_offset(61 * 60 * 1_000_000_000);
    let later = get("user", None).await;

    assert_eq!(header(&unlimited, "x-ratelimit-limit"), None);
    assert_eq!(no_limit, StatusCode::NOT_FOUND);
    let left = |response: &Response| header(response, "x-ratelimit-remaining").map(str::to_owned);
    assert_eq!(
        [&first, &known, &second, &third, &later].map(left),
        ["1", "1", "0", "0", "1"].map(|left| Some(left.to_owned()))
    );
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(
        (third.status(), later.status()),
        (StatusCode::FORBIDDEN, StatusCode::OK)
    );
    assert_eq!(
        (&told["rate"]["limit"], &told["rate"]["remaining"]),
        (&json!(2), &json!(0))
    );
    let message = json_of(third).await;
    let message = message["message"]
        .as_str()
        .expect("an error has a message")
        .to_owned();
    assert!(
        message.starts_with("API rate limit exceeded for user ID "),
        "{message}"
    );
    server.shutdown().await.expect("nothing broke");
}

/// Apps 7 and 8, of which 7 is installed on `own`.
const APPS: &str = "organizations: [{login: own}, {login: other}]\n\
    repositories: [{owner: own, name: code}, {owner: other, name: code}]\n\
    apps:\n  - id: 7\n    installations:\n      - {id: 70, account: own, permissions: {organization_self_hosted_runners: write}}\n  - id: 8\n";

static FOREIGN_KEY: LazyLock<String> = LazyLock::new(|| {
    let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048);
    pair.expect("a key can be generated").serialize_pem()
});

fn jwt(pem: &str, claims: &Value) -> String {
    let key = EncodingKey::from_rsa_pem(pem.as_bytes()).expect("the key is RSA");
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), claims, &key).expect("claims can be signed")
}

#[tokio::test]
async fn an_app_trades_its_jwt_for_a_token_of_its_installation() {
    let ghes = start_with(world(APPS)).await;
    let key = ghes.hand.app_key(7).expect("the App is there");
    let now = jiff::Timestamp::now().as_second();
    let good = jwt(
        key.expose_secret(),
        &json!({"iss": "7", "iat": now - 30, "exp": now + 90}),
    );

    let traded = as_bearer(&ghes, Method::POST, "app/installations/70/access_tokens", &good).await;
    let status = traded.status();
    let answer = json_of(traded).await;
    let token = answer["token"].as_str().expect("a token");
    let asked = async |method: Method, path: &str| as_bearer(&ghes, method, path, token).await.status();

    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(answer["permissions"]["organization_self_hosted_runners"], "write");
    assert!(token.starts_with("ghs_"));
    assert_eq!(
        asked(Method::POST, "orgs/own/actions/runners/registration-token").await,
        StatusCode::CREATED
    );
    assert_eq!(
        asked(Method::GET, "orgs/other/actions/runners").await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        asked(Method::GET, "repos/own/code/actions/runners").await,
        StatusCode::FORBIDDEN,
        "the App has no right for repositories"
    );
    assert_eq!(
        asked(Method::GET, "repos/other/code/actions/runners").await,
        StatusCode::NOT_FOUND
    );
    assert!(ghes.hand.app_key(9).is_none());
    ghes.shutdown().await;
}

#[tokio::test]
async fn a_jwt_that_is_not_the_apps_or_not_now_is_refused_in_githubs_words() {
    let ghes = start_with(world(APPS)).await;
    let key = ghes.hand.app_key(7).expect("the App is there");
    let key = key.expose_secret();
    let now = jiff::Timestamp::now().as_second();
    let claims = |iss: &str, iat: i64, exp: i64| json!({"iss": iss, "iat": now + iat, "exp": now + exp});
    let cases = [
        (
            jwt(&FOREIGN_KEY, &claims("7", -30, 90)),
            401,
            "could not be decoded",
        ),
        (jwt(key, &claims("7", -30, 700)), 401, "is too far in the future"),
        (jwt(key, &claims("7", -90, -30)), 401, "'Expiration time' claim"),
        (jwt(key, &claims("7", 300, 590)), 401, "'Issued at' claim"),
        (
            jwt(key, &json!({"iat": now, "exp": now + 60})),
            401,
            "Missing 'issuer' claim",
        ),
        (jwt(key, &claims("9", -30, 90)), 404, "Integration not found"),
    ];

    for (jwt, status, message) in cases {
        let answer = as_bearer(&ghes, Method::POST, "app/installations/70/access_tokens", &jwt).await;

        assert_eq!(answer.status().as_u16(), status, "{message}");
        let told = json_of(answer).await;
        assert!(
            told["message"]
                .as_str()
                .is_some_and(|told| told.contains(message)),
            "{told}"
        );
    }
    let other = jwt(
        ghes.hand.app_key(8).expect("the App is there").expose_secret(),
        &claims("8", -30, 90),
    );
    let foreign = as_bearer(&ghes, Method::POST, "app/installations/70/access_tokens", &other).await;
    let personal = ghes
        .rest(Method::POST, "app/installations/70/access_tokens")
        .await;
    assert_eq!(
        foreign.status(),
        StatusCode::NOT_FOUND,
        "the installation is another App's"
    );
    assert_eq!(
        personal.status(),
        StatusCode::UNAUTHORIZED,
        "a user's token is no JWT"
    );
    ghes.shutdown().await;
}
