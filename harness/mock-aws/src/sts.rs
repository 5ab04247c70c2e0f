//! STS in the query protocol: `AssumeRoleWithWebIdentity` and `GetCallerIdentity`. No other action.

use std::borrow::Cow;
use std::collections::HashMap;

use axum::body::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use crate::Refusal;
use crate::clock;
use crate::defect::Defect;
use crate::issuer;
use crate::ledger::Subject;
use crate::policy::{Context, Demand, Opinion, Unmet, Who};
use crate::server::State;
use crate::session::Session;
use crate::sigv4::Signed;
use crate::token::{self, Claims};
use crate::world::{Provider, Role};

const ACTION: &str = "sts:AssumeRoleWithWebIdentity";
/// Seconds that a session lasts, unless asked otherwise, and its bounds.
const DURATION: i64 = 3600;
const DURATIONS: std::ops::RangeInclusive<i64> = 900..=43200;

/// Answers one request.
pub(crate) async fn answer(state: &State, parts: &Parts, body: &Bytes) -> Response<axum::body::Body> {
    let form: HashMap<Cow<'_, str>, Cow<'_, str>> = url::form_urlencoded::parse(body).collect();
    let action = form.get("Action").map_or("", |action| action.as_ref());
    let mut subject = Subject::default();
    let outcome = match action {
        "AssumeRoleWithWebIdentity" => assume(state, &form, &mut subject).await,
        "GetCallerIdentity" => caller(state, parts, body, &mut subject),
        _ => Err(Refusal::UnknownAction {
            action: action.chars().take(64).collect(),
        }),
    };
    let request_id = Uuid::new_v4().to_string();
    let (status, xml) = match &outcome {
        Ok(result) => (200, success(action, result, &request_id)),
        Err(refusal) => {
            let (code, status) = refusal.query_code();
            (status, failure(code, &refusal.to_string(), &request_id))
        }
    };
    let is_known = !matches!(outcome, Err(Refusal::UnknownAction { .. }));
    let operation = if is_known { action } else { "unknown" };
    state.note("sts", operation, subject, outcome.err());
    let mut response = Response::new(axum::body::Body::from(xml));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}

type Form<'a> = HashMap<Cow<'a, str>, Cow<'a, str>>;

fn parameter<'a>(form: &'a Form<'_>, name: &str) -> Result<&'a str, Refusal> {
    form.get(name)
        .map(Cow::as_ref)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Refusal::Parameter {
            parameter: name.to_owned(),
        })
}

async fn assume(state: &State, form: &Form<'_>, subject: &mut Subject) -> Result<String, Refusal> {
    let arn = parameter(form, "RoleArn")?;
    subject.asked_role = Some(arn.to_owned());
    let session_name = parameter(form, "RoleSessionName")?;
    let token = parameter(form, "WebIdentityToken")?;
    let duration = match form.get("DurationSeconds") {
        None => Some(DURATION),
        Some(text) => text.parse().ok().filter(|seconds| DURATIONS.contains(seconds)),
    };
    let duration = duration.ok_or_else(|| Refusal::Parameter {
        parameter: "DurationSeconds".to_owned(),
    })?;
    let claims = Claims::unverified(token)?;
    subject.token_issuer = Some(claims.iss.clone());
    subject.token_subject = Some(claims.sub.clone());

    let (account, name, role) = state
        .world
        .role(arn)
        .ok_or_else(|| Refusal::UnknownRole { role: arn.to_owned() })?;
    let (provider, keys_at) = provider(state, account, &claims)?;
    let audience = claims.aud.iter().find(|aud| provider.client_ids.contains(aud));
    if audience.is_none() && !state.defects.has(Defect::AnyAudience) {
        return Err(Refusal::Audience {
            seen: claims.aud,
            wanted: provider.client_ids.clone(),
        });
    }
    if !state.defects.has(Defect::AnySignature) {
        token::verify(token, &issuer::keys(&keys_at).await?)?;
    }
    let now = state.clock.now();
    if !state.defects.has(Defect::UntimelyTokens) {
        claims.timely(now.as_second())?;
    }
    trusts(state, role, arn, &provider.arn(account), provider.name(), &claims)?;

    let session = state
        .sessions
        .begin(account, name, session_name, clock::later(now, duration));
    subject.session = Some(session.arn());
    let audience = audience.or(claims.aud.first()).map_or("", String::as_str);
    Ok(assumed(&session, &claims, audience))
}

/// The account's provider of the token's issuer, and of whom the keys are asked.
fn provider<'a>(
    state: &'a State,
    account: &str,
    claims: &Claims,
) -> Result<(&'a Provider, Provider), Refusal> {
    let providers = state
        .world
        .accounts
        .get(account)
        .map_or(&[][..], |a| &a.providers);
    if let Some(provider) = providers.iter().find(|p| issuer::is_same(&claims.iss, &p.issuer)) {
        return Ok((provider, provider.clone()));
    }
    let refusal = || Refusal::UnknownIssuer {
        issuer: claims.iss.clone(),
        account: account.to_owned(),
    };
    match (providers.first(), claims.iss.parse()) {
        (Some(first), Ok(issuer)) if state.defects.has(Defect::AnyIssuer) => {
            let keys_at = Provider {
                issuer,
                ..first.clone()
            };
            Ok((first, keys_at))
        }
        _ => Err(refusal()),
    }
}

/// Whether the role trusts this token of this provider.
fn trusts(
    state: &State,
    role: &Role,
    arn: &str,
    provider: &str,
    provider_name: &str,
    claims: &Claims,
) -> Result<(), Refusal> {
    let key = |claim: &str| format!("{provider_name}:{claim}").to_ascii_lowercase();
    let context = Context::from([
        (key("sub"), vec![claims.sub.clone()]),
        (key("aud"), claims.aud.clone()),
    ]);
    let ask = |provider: &str| {
        role.trust.opinion(&Demand {
            who: Who::Federated(provider.to_owned()),
            action: ACTION.to_owned(),
            resource: arn.to_owned(),
            context: context.clone(),
        })
    };
    let mut opinion = ask(provider);
    if opinion == Opinion::Silent(Unmet::Principal) && state.defects.has(Defect::AnyTrustedProvider) {
        opinion = role.trusted_providers().map(ask).last().unwrap_or(opinion);
    }
    match opinion {
        Opinion::Allows(_) => Ok(()),
        Opinion::Denies(statement) => Err(Refusal::TrustDenied {
            role: arn.to_owned(),
            statement,
        }),
        Opinion::Silent(Unmet::Condition { .. }) if state.defects.has(Defect::NoTrustConditions) => Ok(()),
        Opinion::Silent(Unmet::Condition { key, wanted, seen }) => Err(Refusal::TrustCondition {
            role: arn.to_owned(),
            key,
            seen,
            wanted,
        }),
        Opinion::Silent(Unmet::Action | Unmet::Principal) => Err(Refusal::TrustedProvider {
            role: arn.to_owned(),
            provider: provider.to_owned(),
        }),
    }
}

fn caller(state: &State, parts: &Parts, body: &[u8], subject: &mut Subject) -> Result<String, Refusal> {
    let signed = Signed {
        method: &parts.method,
        path: parts.uri.path(),
        headers: &parts.headers,
        body,
    };
    let session = state.sessions.of(signed.access_key()?)?;
    subject.session = Some(session.arn());
    if !state.defects.has(Defect::UnsignedIdentity) {
        // Clients sign by the machine's clock.
        signed.verify(session.secret_key.expose_secret(), Timestamp::now())?;
    }
    let token = parts
        .headers
        .get("x-amz-security-token")
        .and_then(|token| token.to_str().ok());
    session.admit(token, state.clock.now(), &state.defects)?;
    Ok(format!(
        "<Arn>{}</Arn><UserId>{}</UserId><Account>{}</Account>",
        escaped(&session.arn()),
        escaped(&session.user_id),
        session.account
    ))
}

fn assumed(session: &Session, claims: &Claims, audience: &str) -> String {
    format!(
        "<SubjectFromWebIdentityToken>{}</SubjectFromWebIdentityToken><Audience>{}</Audience>\
         <AssumedRoleUser><Arn>{}</Arn><AssumedRoleId>{}</AssumedRoleId></AssumedRoleUser>\
         <Credentials><SessionToken>{}</SessionToken><SecretAccessKey>{}</SecretAccessKey>\
         <Expiration>{}</Expiration><AccessKeyId>{}</AccessKeyId></Credentials><Provider>{}</Provider>",
        escaped(&claims.sub),
        escaped(audience),
        escaped(&session.arn()),
        escaped(&session.user_id),
        session.token.expose_secret(),
        session.secret_key.expose_secret(),
        clock::xml(session.expires),
        session.access_key,
        escaped(&claims.iss),
    )
}

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

fn success(action: &str, result: &str, request_id: &str) -> String {
    format!(
        "<{action}Response xmlns=\"{NAMESPACE}\"><{action}Result>{result}</{action}Result>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
    )
}

fn failure(code: &str, message: &str, request_id: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>",
        escaped(message)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
