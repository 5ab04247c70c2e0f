//! Who may do what: the session behind a request, then the role's policies and the bucket's.

use std::sync::Arc;

use http::{HeaderMap, Uri};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::path::S3Path;
use s3s::{S3Error, S3ErrorCode, S3Result};
use secrecy::ExposeSecret as _;

use super::Judged;
use super::actions::{context, needs};
use super::store::Store;
use crate::Refusal;
use crate::authorization::{Parties, authorize};
use crate::ledger::Subject;
use crate::policy::Demand;
use crate::server::State;
use crate::session::Session;

/// The secrets by which `s3s` verifies signatures.
pub(super) struct Secrets(pub(super) Arc<State>);

#[async_trait::async_trait]
impl S3Auth for Secrets {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        match self.0.sessions.of(access_key) {
            Ok(session) => Ok(SecretKey::from(session.secret_key.expose_secret())),
            Err(_) => Err(S3ErrorCode::InvalidAccessKeyId.into()),
        }
    }
}

/// Judges a request whose signature is verified.
pub(super) struct Judge {
    pub(super) state: Arc<State>,
    pub(super) store: Arc<Store>,
}

#[async_trait::async_trait]
impl S3Access for Judge {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let operation = cx.s3_op().name().to_owned();
        let mut subject = Subject {
            path: Some(match cx.s3_path() {
                S3Path::Root => String::new(),
                S3Path::Bucket { bucket } => bucket.to_string(),
                S3Path::Object { bucket, key } => format!("{bucket}/{key}"),
            }),
            ..Subject::default()
        };
        let outcome = self.judge(cx, &mut subject);
        if let Some(judged) = cx.extensions_mut().get::<Judged>() {
            // A second judgement of one request would say the same.
            let _ = judged.0.set(());
        }
        let refusal = outcome.err();
        let answer = refusal.as_ref().map_or(Ok(()), |refusal| Err(error(refusal)));
        self.state.note("s3", &operation, subject, refusal);
        answer
    }
}

impl Judge {
    fn judge(&self, cx: &S3AccessContext<'_>, subject: &mut Subject) -> Result<(), Refusal> {
        let state = &self.state;
        let credentials = cx.credentials().ok_or(Refusal::Unsigned)?;
        let session = state.sessions.of(&credentials.access_key)?;
        subject.session = Some(session.arn());
        let token = session_token(cx.headers(), cx.uri());
        session.admit(token.as_deref(), state.clock.now(), &state.defects)?;

        let needs = needs(cx.s3_op().name(), cx.s3_path(), cx.headers());
        if needs.is_empty() {
            return Err(Refusal::UnknownAction {
                action: cx.s3_op().name().to_owned(),
            });
        }
        for (action, resource) in needs {
            self.allowed(&session, cx, action, resource)?;
        }
        // Who may not list a bucket is not told what is absent.
        if let (S3Path::Object { bucket, key }, "GetObject" | "HeadObject") =
            (cx.s3_path(), cx.s3_op().name())
            && !self.store.has(bucket, key)
        {
            self.allowed(&session, cx, "s3:ListBucket", format!("arn:aws:s3:::{bucket}"))?;
        }
        Ok(())
    }

    fn allowed(
        &self,
        session: &Session,
        cx: &S3AccessContext<'_>,
        action: &str,
        resource: String,
    ) -> Result<(), Refusal> {
        let world = &self.state.world;
        let bucket = cx.s3_path().get_bucket_name().and_then(|name| world.bucket(name));
        let role = session.role_arn();
        let parties = Parties {
            role: &role,
            role_account: &session.account,
            role_policies: world.role(&role).map_or(&[], |(_, _, role)| &role.policies),
            // A bucket that does not exist has no owner: the role's own policies tell whether it may know.
            bucket_account: bucket.map_or(&session.account, |(account, _)| account),
            bucket_policy: bucket.and_then(|(_, bucket)| bucket.policy.as_ref()),
        };
        let demand = Demand {
            who: session.who(),
            action: action.to_owned(),
            resource,
            context: context(cx.uri()),
        };
        authorize(&parties, &demand, &self.state.defects)
    }
}

/// The refusal as S3 words it.
fn error(refusal: &Refusal) -> S3Error {
    let code = match refusal {
        Refusal::SessionToken { .. } => S3ErrorCode::InvalidToken,
        Refusal::ExpiredSession { .. } => S3ErrorCode::ExpiredToken,
        Refusal::UnknownAction { .. } => S3ErrorCode::NotImplemented,
        _ => S3ErrorCode::AccessDenied,
    };
    S3Error::with_message(code, refusal.to_string())
}

/// The session token: a header, or a parameter of a presigned URL.
fn session_token(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    match headers.get("x-amz-security-token") {
        Some(token) => token.to_str().ok().map(str::to_owned),
        None => query(uri, "X-Amz-Security-Token"),
    }
}

/// Whose request it claims to be.
pub(super) fn access_key(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let scope = match headers.get(http::header::AUTHORIZATION) {
        Some(header) => header.to_str().ok()?.split_once("Credential=")?.1.to_owned(),
        None => query(uri, "X-Amz-Credential")?,
    };
    scope.split('/').next().map(str::to_owned)
}

fn query(uri: &Uri, name: &str) -> Option<String> {
    url::form_urlencoded::parse(uri.query()?.as_bytes())
        .find(|(n, _)| n == name)
        .map(|(_, value)| value.into_owned())
}
