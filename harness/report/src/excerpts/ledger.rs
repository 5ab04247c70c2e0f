//! The ledger of GHES: the requests around a failure, and when jobs ran.
//!
//! A job's time is from its first request to its last: more the ledger does not say.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead as _, BufReader};

use camino::Utf8Path;
use jiff::Timestamp;
use serde::Deserialize;

use super::{Series, files, running};

/// Related requests that are kept, the newest.
const MOST_REQUESTS: usize = 50;

/// One request and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Request {
    /// When it arrived.
    pub(crate) at: Timestamp,
    /// HTTP method.
    pub(crate) method: String,
    /// Path without query.
    pub(crate) path: String,
    /// Query, redacted.
    pub(crate) query: Option<String>,
    /// Status of the answer; `None` if there was none.
    pub(crate) status: Option<u16>,
    /// From arrival to answer.
    #[serde(default)]
    pub(crate) duration_ms: u64,
    /// Who asked.
    #[serde(default)]
    pub(crate) identity: String,
    /// Beginning of the request's body, redacted.
    #[serde(default)]
    pub(crate) request_excerpt: String,
    /// Beginning of the answer's body, redacted.
    #[serde(default)]
    pub(crate) response_excerpt: String,
    /// The server has no such route.
    #[serde(default)]
    pub(crate) unknown: bool,
    /// An injected fault decided the answer.
    #[serde(default)]
    pub(crate) fault: bool,
    /// How often the same was asked before, with the same status: polls are kept once.
    #[serde(skip)]
    pub(crate) asked_before: usize,
    /// Checks that passed got the same answer on this route: it belongs to the protocol.
    #[serde(skip)]
    pub(crate) is_ordinary: bool,
    /// The route's template.
    #[serde(default)]
    route: Option<String>,
}

impl Request {
    /// The answer is a refusal, or there was no such route. A long poll that ends without an answer is none.
    pub(crate) fn is_refused(&self) -> bool {
        self.unknown || self.fault || self.status.is_some_and(is_refusal)
    }
}

/// A check whose requests are wanted, from its beginning to its failure.
pub(super) struct Wanted {
    /// Which.
    pub(super) check: usize,
    /// What the addresses of its part of GHES have in common: its namespace without `e2e-`.
    pub(super) slug: String,
    /// Its beginning.
    pub(super) since: Timestamp,
    /// Its failure: what comes after it is tear-down.
    pub(super) until: Timestamp,
}

impl Wanted {
    /// Its runners asked, or they share the pool with who did, or the path or the asker names it.
    fn is_for(&self, asked: &Asked<'_>, owner: Option<usize>) -> bool {
        self.is_while(asked.at) && (owner == Some(self.check) || self.is_named(&asked.path, &asked.identity))
    }

    fn is_named(&self, path: &str, identity: &str) -> bool {
        !self.slug.is_empty() && (path.contains(&self.slug) || identity.contains(&self.slug))
    }

    fn is_while(&self, at: Timestamp) -> bool {
        (self.since..=self.until).contains(&at)
    }
}

/// Requests around a failure, oldest first.
pub(super) struct Around {
    pub(super) related: Vec<Request>,
    /// Related ones before those.
    pub(super) before: usize,
}

impl Around {
    fn of(mut related: Vec<Request>, ordinary: &HashSet<Answer>) -> Around {
        for request in &mut related {
            let answer = Answer {
                method: request.method.clone(),
                route: request.route.clone(),
                status: request.status,
            };
            request.is_ordinary = !request.fault && ordinary.contains(&answer);
        }
        related.sort_by_key(|request| request.at);
        without_repeats(&mut related);
        let before = related.len().saturating_sub(MOST_REQUESTS);
        related.drain(..before);
        Around { related, before }
    }
}

/// Of GET requests that differ only in time, the newest stays and counts the others.
fn without_repeats(requests: &mut Vec<Request>) {
    let mut newest: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<Request> = Vec::new();
    for request in requests.drain(..).rev() {
        let query = request.query.as_deref().unwrap_or_default();
        let key = format!("{} {query} {:?}", request.path, request.status);
        match newest.get(&key) {
            Some(index) if request.method == "GET" => kept[*index].asked_before += 1,
            _ => {
                if request.method == "GET" {
                    newest.insert(key, kept.len());
                }
                kept.push(request);
            }
        }
    }
    kept.reverse();
    *requests = kept;
}

/// What was answered on a route.
#[derive(PartialEq, Eq, Hash)]
struct Answer {
    method: String,
    route: Option<String>,
    status: Option<u16>,
}

impl Answer {
    fn to(asked: &Asked<'_>) -> Answer {
        Answer {
            method: asked.method.clone().into_owned(),
            route: asked.route.as_deref().map(str::to_owned),
            status: asked.status,
        }
    }
}

fn is_refusal(status: u16) -> bool {
    status >= 400
}

/// A ledger, folded.
pub(super) struct Ledger {
    /// Jobs at the same time, over all checks.
    pub(super) jobs: Series,
    /// The same by check.
    pub(super) jobs_by_check: HashMap<usize, Series>,
    /// For each wanted check.
    pub(super) around: HashMap<usize, Around>,
}

#[derive(Deserialize)]
struct Asked<'a> {
    at: Timestamp,
    #[serde(borrow)]
    path: Cow<'a, str>,
    #[serde(borrow)]
    identity: Cow<'a, str>,
    #[serde(default)]
    duration_ms: i64,
    #[serde(default, borrow)]
    method: Cow<'a, str>,
    #[serde(default, borrow)]
    route: Option<Cow<'a, str>>,
    #[serde(default)]
    status: Option<u16>,
}

struct Span {
    first: Timestamp,
    last: Timestamp,
    tenant: Option<String>,
}

/// Reads the ledger once. `owners` tells which check a runner's name belongs to; a job belongs to the check whose runners spoke
/// to the same pool. `green` are the checks that passed.
pub(super) fn read(
    run_dir: &Utf8Path,
    since: Timestamp,
    owners: &HashMap<String, usize>,
    green: &HashSet<usize>,
    wanted: &[Wanted],
    gaps: &mut Vec<String>,
) -> Ledger {
    let mut reading = Reading {
        since,
        owners,
        green,
        wanted,
        ordinary: HashSet::new(),
        spans: HashMap::new(),
        tenants: HashMap::new(),
        related: HashMap::new(),
        early: HashMap::new(),
    };
    for (path, _) in files::listing(run_dir, Utf8Path::new("evidence/ledger"), gaps) {
        if let Err(error) = reading.file(&run_dir.join(&path)) {
            gaps.push(error.to_string());
        }
    }
    reading.finish()
}

struct Reading<'a> {
    since: Timestamp,
    owners: &'a HashMap<String, usize>,
    green: &'a HashSet<usize>,
    wanted: &'a [Wanted],
    /// Refusals that checks had which passed.
    ordinary: HashSet<Answer>,
    /// By job.
    spans: HashMap<String, Span>,
    /// Which check speaks to which pool.
    tenants: HashMap<String, usize>,
    related: HashMap<usize, Vec<Request>>,
    /// Requests to a pool of which no runner had spoken yet, by pool: a runner registers before it has a name.
    early: HashMap<String, Vec<Request>>,
}

impl Reading<'_> {
    fn file(&mut self, path: &Utf8Path) -> io::Result<()> {
        let mut reader = BufReader::new(fs_err::File::open(path)?);
        let mut line = Vec::new();
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            if let Ok(asked) = serde_json::from_slice::<Asked<'_>>(&line)
                && asked.at >= self.since
            {
                self.take(&asked, &line);
            }
        }
    }

    fn take(&mut self, asked: &Asked<'_>, line: &[u8]) {
        let tenant = tenant(&asked.path);
        let mut owner = self.owners.get(last_word(&asked.identity)).copied();
        match (tenant, owner) {
            (Some(tenant), Some(owner)) if !self.tenants.contains_key(tenant) => {
                self.tenants.insert(tenant.to_owned(), owner);
            }
            (Some(tenant), None) => owner = self.tenants.get(tenant).copied(),
            _ => {}
        }
        if asked.status.is_some_and(is_refusal) && owner.is_some_and(|owner| self.green.contains(&owner)) {
            self.ordinary.insert(Answer::to(asked));
        }
        for wanted in self.wanted.iter().filter(|wanted| wanted.is_for(asked, owner)) {
            let requests = self.related.entry(wanted.check).or_default();
            requests.extend(serde_json::from_slice::<Request>(line));
        }
        if let (Some(tenant), None) = (tenant, owner)
            && self.wanted.iter().any(|wanted| wanted.is_while(asked.at))
        {
            let requests = self.early.entry(tenant.to_owned()).or_default();
            requests.extend(serde_json::from_slice::<Request>(line));
        }
        if !asked.identity.starts_with("job ") {
            return;
        }
        let end = asked.at + jiff::SignedDuration::from_millis(asked.duration_ms.clamp(0, 3_600_000));
        if let Some(span) = self.spans.get_mut(asked.identity.as_ref()) {
            span.first = span.first.min(asked.at);
            span.last = span.last.max(end);
        } else {
            let span = Span {
                first: asked.at,
                last: end,
                tenant: tenant.map(str::to_owned),
            };
            self.spans.insert(asked.identity.clone().into_owned(), span);
        }
    }

    fn finish(mut self) -> Ledger {
        for (tenant, requests) in self.early {
            let owner = self.tenants.get(&tenant);
            let Some(wanted) = self.wanted.iter().find(|wanted| owner == Some(&wanted.check)) else {
                continue;
            };
            // Those that name the check are there already.
            let unnamed = requests.into_iter().filter(|request| {
                wanted.is_while(request.at) && !wanted.is_named(&request.path, &request.identity)
            });
            self.related.entry(wanted.check).or_default().extend(unnamed);
        }
        let mut by_check: HashMap<usize, Vec<&Span>> = HashMap::new();
        for span in self.spans.values() {
            let check = span.tenant.as_ref().and_then(|tenant| self.tenants.get(tenant));
            if let Some(check) = check {
                by_check.entry(*check).or_default().push(span);
            }
        }
        Ledger {
            jobs: at_the_same_time(self.spans.values()),
            jobs_by_check: by_check
                .into_iter()
                .map(|(check, spans)| (check, at_the_same_time(spans)))
                .collect(),
            around: self
                .related
                .into_iter()
                .map(|(check, related)| (check, Around::of(related, &self.ordinary)))
                .collect(),
        }
    }
}

fn at_the_same_time<'a>(spans: impl IntoIterator<Item = &'a Span>) -> Series {
    let steps = spans
        .into_iter()
        .flat_map(|span| [(span.first, 1), (span.last, -1)]);
    running(steps.collect())
}

/// The part of the runner service's paths that tells one enterprise, organization or repository from another.
fn tenant(path: &str) -> Option<&str> {
    let tenant = path.strip_prefix("/_services/pipelines/")?.split('/').next()?;
    // The one that serves logs is everybody's.
    (tenant != "logs").then_some(tenant)
}

/// `runner r1`, `departed runner r1` → `r1`.
fn last_word(identity: &str) -> &str {
    identity.rsplit(' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(second: u8, identity: &str, path: &str) -> String {
        let line = json!({
            "at": format!("2026-11-24T10:00:{second:02}Z"), "method": "GET", "path": path, "query": null, "status": 200,
            "duration_ms": 0, "identity": identity,
        });
        format!("{line}\n")
    }

    fn ledger(lines: &[String], wanted: &[Wanted]) -> Ledger {
        let dir = camino_tempfile::tempdir().expect("a temporary folder can be made");
        fs_err::create_dir_all(dir.path().join("evidence/ledger")).expect("a folder can be made");
        fs_err::write(dir.path().join("evidence/ledger/ledger.jsonl"), lines.concat())
            .expect("a ledger can be written");
        let since = "2026-11-24T10:00:00Z".parse().expect("a timestamp");
        let owners = HashMap::from([("r1".to_owned(), 7), ("other".to_owned(), 8)]);

        let green = HashSet::from([8]);

        read(dir.path(), since, &owners, &green, wanted, &mut Vec::new())
    }

    #[test]
    fn requests_of_a_check_are_told_from_others_and_polls_are_told_once() {
        let runners = "/api/v3/enterprises/dogecompany-group-check/actions/runners";
        let at = |second: u8| {
            format!("2026-11-24T10:00:{second:02}Z")
                .parse()
                .expect("a timestamp")
        };
        let wanted = Wanted {
            check: 7,
            slug: "group-check".to_owned(),
            since: at(1),
            until: at(6),
        };

        let ledger = ledger(
            &[
                request(0, "user a", "/api/v3/orgs/group-check"),
                request(1, "registrar", "/_services/pipelines/aaa/_apis/x"),
                request(1, "registrar", "/_services/pipelines/bbb/_apis/x"),
                request(1, "runner r1", "/_services/pipelines/aaa/_apis/y"),
                request(2, "job 4", "/_services/pipelines/aaa/_apis/z"),
                request(3, "runner other", "/_services/pipelines/bbb/_apis/x"),
                request(4, "user a", runners),
                request(5, "user a", runners),
                request(7, "user a", runners),
            ],
            &[wanted],
        );

        let around = &ledger.around[&7];
        let who: Vec<(&str, usize)> = around
            .related
            .iter()
            .map(|request| (request.identity.as_str(), request.asked_before))
            .collect();
        assert_eq!(
            who,
            [("runner r1", 0), ("registrar", 0), ("job 4", 0), ("user a", 1)]
        );
        assert_eq!(around.before, 0);
    }

    #[test]
    fn a_refusal_that_passed_checks_had_too_is_ordinary() {
        let refused = |second: u8, identity: &str, path: &str| {
            request(second, identity, path).replace("\"status\":200", "\"status\":404")
        };
        let wanted = Wanted {
            check: 7,
            slug: String::new(),
            since: Timestamp::MIN,
            until: Timestamp::MAX,
        };

        let ledger = ledger(
            &[
                refused(1, "runner other", "/_services/pipelines/bbb/poll")
                    .replace("\"method\"", "\"route\":\"poll\",\"method\""),
                refused(2, "runner r1", "/_services/pipelines/aaa/poll")
                    .replace("\"method\"", "\"route\":\"poll\",\"method\""),
                refused(3, "runner r1", "/_services/pipelines/aaa/else"),
            ],
            &[wanted],
        );

        let ordinary: Vec<bool> = ledger.around[&7]
            .related
            .iter()
            .map(|request| request.is_ordinary)
            .collect();
        assert_eq!(ordinary, [true, false]);
    }

    #[test]
    fn jobs_count_from_their_first_to_their_last_request() {
        let ledger = ledger(
            &[
                request(1, "runner r1", "/_services/pipelines/aaa/_apis/x"),
                request(2, "job 1", "/_services/pipelines/aaa/_apis/y"),
                request(3, "job 2", "/_services/pipelines/zzz/_apis/y"),
                request(4, "job 1", "/_services/pipelines/aaa/_apis/y"),
                request(5, "job 2", "/_services/pipelines/zzz/_apis/y"),
            ],
            &[],
        );

        let values = |series: &Series| series.iter().map(|(_, value)| *value).collect::<Vec<_>>();
        assert_eq!(values(&ledger.jobs), [1, 2, 1, 0]);
        assert_eq!(values(&ledger.jobs_by_check[&7]), [1, 0]);
    }
}
