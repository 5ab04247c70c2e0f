//! One ledger, read line by line.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, BufRead as _, BufReader};

use camino::Utf8Path;
use jiff::Timestamp;
use serde::Deserialize;

use super::{Answer, Around, Checks, Ledger, Request, Wanted, is_refusal, sum};
use crate::excerpts::{Series, running};

/// Related requests that are kept, the newest.
const MOST_REQUESTS: usize = 1_000;

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

/// Requests as they are kept: of GET requests that differ only in time, the newest, which counts the others.
#[derive(Default)]
struct Kept {
    /// Each with what it asked and what it got, if it is a GET.
    requests: VecDeque<(Option<u64>, Request)>,
    /// How often each GET request was asked before.
    asked: HashMap<u64, usize>,
    dropped: usize,
}

impl Kept {
    fn take(&mut self, line: &[u8]) {
        let Ok(mut request) = serde_json::from_slice::<Request>(line) else {
            return;
        };
        let poll = (request.method == "GET").then(|| asked_and_got(&request));
        if let Some(poll) = poll {
            if let Some(before) = self.asked.get_mut(&poll) {
                *before += 1;
                request.asked_before = *before;
                // The one before is among the last.
                if let Some(index) = self.requests.iter().rposition(|(known, _)| *known == Some(poll)) {
                    self.requests.remove(index);
                }
            } else {
                self.asked.insert(poll, 0);
            }
        }
        if self.requests.len() == MOST_REQUESTS {
            self.requests.pop_front();
            self.dropped += 1;
        }
        self.requests.push_back((poll, request));
    }

    fn around(self) -> Around {
        let mut related: Vec<Request> = self.requests.into_iter().map(|(_, request)| request).collect();
        related.sort_by_key(|request| request.at);
        Around {
            related,
            before: self.dropped,
        }
    }
}

fn asked_and_got(request: &Request) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&request.path, &request.query, request.status).hash(&mut hasher);
    (&request.user_agent, &request.response_excerpt).hash(&mut hasher);
    hasher.finish()
}

pub(super) struct Reading<'a> {
    checks: &'a Checks<'a>,
    /// The check whose ledger it is, if it is that of one alone.
    owner: Option<usize>,
    /// Refusals that checks had which passed.
    ordinary: HashSet<Answer>,
    /// By job.
    spans: HashMap<String, Span>,
    /// Which check speaks to which pool.
    tenants: HashMap<String, usize>,
    related: HashMap<usize, Kept>,
    /// Requests to a pool of which no runner had spoken yet, by pool: a runner registers before it has a name.
    early: HashMap<String, Vec<Vec<u8>>>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(checks: &'a Checks<'a>, owner: Option<usize>) -> Reading<'a> {
        Reading {
            checks,
            owner,
            ordinary: HashSet::new(),
            spans: HashMap::new(),
            tenants: HashMap::new(),
            related: HashMap::new(),
            early: HashMap::new(),
        }
    }

    pub(super) fn file(&mut self, path: &Utf8Path) -> io::Result<()> {
        let mut reader = BufReader::new(fs_err::File::open(path)?);
        let mut line = Vec::new();
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            if let Ok(asked) = serde_json::from_slice::<Asked<'_>>(&line)
                && asked.at >= self.checks.since
            {
                self.take(&asked, &line);
            }
        }
    }

    fn take(&mut self, asked: &Asked<'_>, line: &[u8]) {
        let tenant = tenant(&asked.path);
        let owner = self.owner.or_else(|| self.speaker(asked, tenant));
        let is_green = owner.is_some_and(|owner| self.checks.green.contains(&owner));
        if is_green && asked.status.is_some_and(is_refusal) {
            self.ordinary.insert(Answer {
                method: asked.method.clone().into_owned(),
                route: asked.route.as_deref().map(str::to_owned),
                status: asked.status,
            });
        }
        let wanted = self.checks.wanted;
        for wanted in wanted.iter().filter(|wanted| wanted.is_while(asked.at)) {
            if !self.is_of(wanted, asked, owner) {
                continue;
            }
            let related = self.related.entry(wanted.check).or_default();
            // A runner that now has a name was asked for before it had one.
            if let Some(early) = tenant.and_then(|tenant| self.early.remove(tenant)) {
                early.iter().for_each(|line| related.take(line));
            }
            related.take(line);
        }
        if let (Some(tenant), None) = (tenant, owner)
            && wanted.iter().any(|wanted| wanted.is_while(asked.at))
            && !wanted
                .iter()
                .any(|wanted| wanted.is_named(&asked.path, &asked.identity))
        {
            let early = self.early.entry(tenant.to_owned()).or_default();
            early.push(line.to_vec());
        }
        if asked.identity.starts_with("job ") {
            self.job(asked, tenant);
        }
    }

    /// The check whose runner asked, or whose runner spoke to the same pool.
    fn speaker(&mut self, asked: &Asked<'_>, tenant: Option<&str>) -> Option<usize> {
        let owner = self.checks.owners.get(last_word(&asked.identity)).copied();
        match (tenant, owner) {
            (Some(tenant), Some(owner)) if !self.tenants.contains_key(tenant) => {
                self.tenants.insert(tenant.to_owned(), owner);
                Some(owner)
            }
            (Some(tenant), None) => self.tenants.get(tenant).copied(),
            _ => owner,
        }
    }

    /// In its own ledger everything is a check's; in the common one what its runners ask, and where the path or the asker names it.
    fn is_of(&self, wanted: &Wanted, asked: &Asked<'_>, owner: Option<usize>) -> bool {
        if let Some(owner) = self.owner {
            return owner == wanted.check;
        }
        let has_own = self.checks.own.iter().any(|(_, check)| *check == wanted.check);
        !has_own && (owner == Some(wanted.check) || wanted.is_named(&asked.path, &asked.identity))
    }

    fn job(&mut self, asked: &Asked<'_>, tenant: Option<&str>) {
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

    /// Adds to what other ledgers gave.
    pub(super) fn finish(self, ledger: &mut Ledger, ordinary: &mut HashSet<Answer>) {
        let mut by_check: HashMap<usize, Vec<&Span>> = HashMap::new();
        for span in self.spans.values() {
            let tenant = span.tenant.as_ref();
            let speaker = || tenant.and_then(|tenant| self.tenants.get(tenant)).copied();
            if let Some(check) = self.owner.or_else(speaker) {
                by_check.entry(check).or_default().push(span);
            }
        }
        for (check, spans) in by_check {
            let jobs = ledger.jobs_by_check.entry(check).or_default();
            *jobs = sum([&*jobs, &at_the_same_time(spans)]);
        }
        ledger.jobs = sum([&ledger.jobs, &at_the_same_time(self.spans.values())]);
        for (check, kept) in self.related {
            let Around { related, before } = kept.around();
            let around = ledger.around.entry(check).or_insert(Around {
                related: Vec::new(),
                before: 0,
            });
            around.related.extend(related);
            around.before += before;
        }
        ordinary.extend(self.ordinary);
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
