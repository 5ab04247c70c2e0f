//! S3, as far as the guide uses it: list, head, get, put, delete, and the ACL actions that its policy names. `s3s` reads requests, verifies signatures and writes
//! answers; who may do what is judged in `access`, objects are kept in `store`. Buckets are addressed in the path. No multipart uploads, no versions, no copies.

mod access;
mod actions;
mod store;

use std::sync::{Arc, OnceLock};

use axum::body::Body;
use http::{Request, Response, StatusCode};
use s3s::service::{S3Service, S3ServiceBuilder};

use crate::Refusal;
use crate::ledger::Subject;
use crate::server::State;

/// Set once the request has been judged and noted, so that what `s3s` refuses before can be told.
#[derive(Clone, Default)]
struct Judged(Arc<OnceLock<()>>);

/// The service.
pub(crate) fn service(state: &Arc<State>) -> S3Service {
    let store = Arc::new(store::Store::default());
    let mut builder = S3ServiceBuilder::new(store::Objects {
        state: state.clone(),
        store: store.clone(),
    });
    builder.set_auth(access::Secrets(state.clone()));
    builder.set_access(access::Judge {
        state: state.clone(),
        store,
    });
    builder.build()
}

/// Answers one request.
pub(crate) async fn answer(state: &State, service: &S3Service, request: Request<Body>) -> Response<Body> {
    let judged = Judged::default();
    let mut request = request.map(s3s::Body::http_body_unsync);
    let access_key = access::access_key(request.headers(), request.uri());
    let path = request.uri().path().trim_start_matches('/').to_owned();
    request.extensions_mut().insert(judged.clone());
    match service.call(request).await {
        Ok(response) => {
            if judged.0.get().is_none() && response.status().is_client_error() {
                // `s3s` refused it by itself: nobody has the key, or its secret did not sign this.
                let access_key = access_key.unwrap_or_default();
                let refusal = match state.sessions.of(&access_key) {
                    Err(refusal) => refusal,
                    Ok(_) => Refusal::RequestSignature { access_key },
                };
                let subject = Subject {
                    path: Some(path),
                    ..Subject::default()
                };
                state.note("s3", "unknown", subject, Some(refusal));
            }
            response.map(Body::new)
        }
        Err(error) => {
            tracing::error!("S3: {error:?}");
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}
