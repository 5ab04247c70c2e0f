//! Pages of lists: `per_page`, `page`, and the `Link` header with absolute URLs.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::ApiError;
use crate::web::BaseUrl;

/// The page that a request asks for.
#[derive(Debug)]
pub(super) struct Paging {
    base_url: String,
    path: String,
    /// The query's other parameters, as they came.
    rest: Vec<String>,
    per_page: usize,
    page: usize,
}

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let base_url = parts
            .extensions
            .get::<BaseUrl>()
            .map_or_else(String::new, |base| base.0.clone());
        Ok(Paging::new(
            base_url,
            parts.uri.path(),
            parts.uri.query().unwrap_or_default(),
        ))
    }
}

impl Paging {
    fn new(base_url: String, path: &str, query: &str) -> Self {
        let mut paging = Paging {
            base_url,
            path: path.to_owned(),
            rest: Vec::new(),
            per_page: 30,
            page: 1,
        };
        for parameter in query.split('&').filter(|p| !p.is_empty()) {
            match parameter.split_once('=') {
                Some(("page", n)) => paging.page = n.parse().unwrap_or(1).max(1),
                Some(("per_page", n)) => {
                    paging.per_page = n.parse().unwrap_or(30).clamp(1, 100);
                    paging.rest.push(parameter.to_owned());
                }
                _ => paging.rest.push(parameter.to_owned()),
            }
        }
        paging
    }

    /// `{"total_count": …, KEY: […]}` with this page's items.
    pub(super) fn list(&self, key: &str, items: Vec<Value>) -> Response {
        let total = items.len();
        let page: Vec<Value> = self.slice(items);
        let mut response = Json(json!({"total_count": total, key: page})).into_response();
        self.link(total, &mut response);
        response
    }

    /// A bare array with this page's items.
    pub(super) fn array(&self, items: Vec<Value>) -> Response {
        let total = items.len();
        let mut response = Json(self.slice(items)).into_response();
        self.link(total, &mut response);
        response
    }

    fn slice(&self, items: Vec<Value>) -> Vec<Value> {
        items
            .into_iter()
            .skip((self.page - 1).saturating_mul(self.per_page))
            .take(self.per_page)
            .collect()
    }

    fn link(&self, total: usize, response: &mut Response) {
        if let Some(link) = self.links(total)
            && let Ok(link) = HeaderValue::from_str(&link)
        {
            response.headers_mut().insert(header::LINK, link);
        }
    }

    /// The header's value; none if everything is on one page.
    fn links(&self, total: usize) -> Option<String> {
        let last = total.div_ceil(self.per_page).max(1);
        let mut links = Vec::new();
        if self.page > 1 {
            links.push(self.url((self.page - 1).min(last), "prev"));
        }
        if self.page < last {
            links.push(self.url(self.page + 1, "next"));
            links.push(self.url(last, "last"));
        }
        if self.page > 1 {
            links.push(self.url(1, "first"));
        }
        (!links.is_empty()).then(|| links.join(", "))
    }

    fn url(&self, page: usize, relation: &str) -> String {
        let mut query = self.rest.clone();
        query.push(format!("page={page}"));
        format!(
            "<{}{}?{}>; rel=\"{relation}\"",
            self.base_url,
            self.path,
            query.join("&")
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn paging(query: &str) -> Paging {
        Paging::new("https://h".into(), "/api/v3/x", query)
    }

    #[test]
    fn a_single_page_has_no_links() {
        assert_eq!(paging("per_page=100").links(100), None);
        assert_eq!(paging("").links(0), None);
    }

    #[test]
    fn links_are_absolute_and_keep_the_query() {
        let links = paging("per_page=2&name=a%20b&page=2")
            .links(5)
            .expect("there are three pages");

        assert_eq!(
            links,
            "<https://h/api/v3/x?per_page=2&name=a%20b&page=1>; rel=\"prev\", \
             <https://h/api/v3/x?per_page=2&name=a%20b&page=3>; rel=\"next\", \
             <https://h/api/v3/x?per_page=2&name=a%20b&page=3>; rel=\"last\", \
             <https://h/api/v3/x?per_page=2&name=a%20b&page=1>; rel=\"first\""
        );
    }

    proptest! {
        #[test]
        fn following_next_sees_every_item_once(total in 0usize..400, per_page in 1usize..120) {
            let items: Vec<Value> = (0..total).map(Value::from).collect();
            let mut seen = Vec::new();
            let mut query = format!("per_page={per_page}");
            loop {
                let paging = paging(&query);
                seen.extend(paging.slice(items.clone()));
                let links = paging.links(total).unwrap_or_default();
                let Some(next) = links.split(", ").find(|link| link.ends_with("rel=\"next\"")) else { break };
                let url = next.split(['<', '>']).nth(1).expect("a link is in angle brackets");
                query = url.split_once('?').expect("a link has a query").1.to_owned();
            }
            prop_assert_eq!(seen, items);
        }
    }
}
