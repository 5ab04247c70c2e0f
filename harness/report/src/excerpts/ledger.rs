//! The ledgers of GHES: the requests around a failure, and when jobs ran.
//!
//! A check with an ARC of its own has a GHES of its own, whose ledger holds nothing of any other check; the others share one ledger. A job's
//! time is from its first request to its last: more the ledger does not say.

mod reading;

use std::collections::{HashMap, HashSet};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use serde::Deserialize;

use self::reading::Reading;
use super::{Series, files, sum};
use crate::{LEDGER_FOLDER, OWN_LEDGERS_FOLDER};

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
    /// With which program.
    #[serde(default)]
    pub(crate) user_agent: Option<String>,
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
    /// How often the same was asked before and answered alike: polls are kept once.
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

    /// The path, or the template of its route if it is longer than so many bytes.
    pub(crate) fn short_path(&self, most: usize) -> &str {
        let template = self.route.as_deref().filter(|_| self.path.len() > most);
        template.unwrap_or(&self.path)
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
    fn is_named(&self, path: &str, identity: &str) -> bool {
        !self.slug.is_empty() && (path.contains(&self.slug) || identity.contains(&self.slug))
    }

    fn is_while(&self, at: Timestamp) -> bool {
        (self.since..=self.until).contains(&at)
    }
}

/// Requests before a failure, oldest first.
pub(super) struct Around {
    pub(super) related: Vec<Request>,
    /// Related ones before those.
    pub(super) before: usize,
}

/// What was answered on a route.
#[derive(PartialEq, Eq, Hash)]
struct Answer {
    method: String,
    route: Option<String>,
    status: Option<u16>,
}

fn is_refusal(status: u16) -> bool {
    status >= 400
}

/// All ledgers of a run, folded.
#[derive(Default)]
pub(super) struct Ledger {
    /// Jobs at the same time, over all checks.
    pub(super) jobs: Series,
    /// The same by check.
    pub(super) jobs_by_check: HashMap<usize, Series>,
    /// For each wanted check.
    pub(super) around: HashMap<usize, Around>,
}

/// What is known of a run's checks before its ledgers are read.
pub(super) struct Checks<'a> {
    /// The run's beginning: lines before it are another run's.
    pub(super) since: Timestamp,
    /// Which check a runner's name belongs to; a job belongs to the check whose runners spoke to the same pool.
    pub(super) owners: HashMap<String, usize>,
    /// The namespaces of the checks with a GHES of their own.
    pub(super) own: Vec<(String, usize)>,
    /// The checks that passed.
    pub(super) green: HashSet<usize>,
    /// The checks whose requests are wanted.
    pub(super) wanted: &'a [Wanted],
}

/// Reads each ledger once: that of the common GHES, and that of each check which has its own.
pub(super) fn read(run_dir: &Utf8Path, checks: &Checks<'_>, gaps: &mut Vec<String>) -> Ledger {
    let mut ledgers = vec![(Utf8PathBuf::from(LEDGER_FOLDER), None)];
    let own = checks
        .own
        .iter()
        .filter(|(namespace, _)| files::is_name(namespace));
    ledgers.extend(own.map(|(namespace, check)| {
        let folder = Utf8Path::new(OWN_LEDGERS_FOLDER).join(namespace);
        (folder, Some(*check))
    }));
    let mut ledger = Ledger::default();
    let mut ordinary = HashSet::new();
    for (folder, owner) in ledgers {
        let mut reading = Reading::new(checks, owner);
        for (path, _) in files::listing(run_dir, &folder, gaps) {
            if let Err(error) = reading.file(&run_dir.join(&path)) {
                gaps.push(error.to_string());
            }
        }
        reading.finish(&mut ledger, &mut ordinary);
    }
    for around in ledger.around.values_mut() {
        for request in &mut around.related {
            let answer = Answer {
                method: request.method.clone(),
                route: request.route.clone(),
                status: request.status,
            };
            request.is_ordinary = !request.fault && ordinary.contains(&answer);
        }
    }
    ledger
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(second: u8, identity: &str, path: &str) -> String {
        let line = json!({
            "at": at(second), "method": "GET", "path": path, "query": null, "status": 200, "duration_ms": 0, "identity": identity,
        });
        format!("{line}\n")
    }

    fn at(second: u8) -> Timestamp {
        let text = format!("2026-11-24T10:00:{second:02}Z");
        text.parse().expect("a timestamp")
    }

    fn wanted(check: usize, slug: &str) -> Wanted {
        Wanted {
            check,
            slug: slug.to_owned(),
            since: at(1),
            until: at(6),
        }
    }

    /// With r1 a runner of check 7, and check 8 green; check 9 has a GHES of its own.
    fn ledger(common: &[String], own: &[String], wanted: &[Wanted]) -> Ledger {
        let dir = camino_tempfile::tempdir().expect("a temporary folder can be made");
        for (folder, lines) in [(LEDGER_FOLDER, common), ("evidence/ledger-own/e2e-own", own)] {
            let folder = dir.path().join(folder);
            fs_err::create_dir_all(&folder).expect("a folder can be made");
            fs_err::write(folder.join("ledger.jsonl"), lines.concat()).expect("a ledger can be written");
        }
        let checks = Checks {
            since: at(0),
            owners: HashMap::from([("r1".to_owned(), 7), ("other".to_owned(), 8)]),
            own: vec![("e2e-own".to_owned(), 9)],
            green: HashSet::from([8]),
            wanted,
        };

        read(dir.path(), &checks, &mut Vec::new())
    }

    fn who(around: &Around) -> Vec<(&str, usize)> {
        let requests = around.related.iter();
        requests
            .map(|request| (request.identity.as_str(), request.asked_before))
            .collect()
    }

    #[test]
    fn requests_of_a_check_are_told_from_others_and_polls_are_told_once() {
        let runners = "/api/v3/enterprises/dogecompany-group-check/actions/runners";

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
            &[],
            &[wanted(7, "group-check")],
        );

        let around = &ledger.around[&7];
        assert_eq!(
            who(around),
            [("registrar", 0), ("runner r1", 0), ("job 4", 0), ("user a", 1)]
        );
        assert_eq!(around.before, 0);
    }

    #[test]
    fn a_check_with_a_ghes_of_its_own_has_the_requests_of_that_alone() {
        let ledger = ledger(
            &[
                request(1, "runner r1", "/_services/pipelines/aaa/_apis/y"),
                request(2, "job 1", "/_services/pipelines/aaa/_apis/z"),
                request(3, "user common", "/api/v3/enterprises/dogecompany-own"),
            ],
            &[
                request(2, "runner own-1", "/_services/pipelines/aaa/_apis/y"),
                request(3, "job 1", "/_services/pipelines/aaa/_apis/z"),
                request(4, "user a", "/api/v3/meta"),
            ],
            &[wanted(7, "group-check"), wanted(9, "own")],
        );

        assert_eq!(who(&ledger.around[&7]), [("runner r1", 0), ("job 1", 0)]);
        assert_eq!(
            who(&ledger.around[&9]),
            [("runner own-1", 0), ("job 1", 0), ("user a", 0)]
        );
        let jobs = |check: usize| ledger.jobs_by_check[&check].clone();
        assert_eq!(jobs(7), [(at(2), 0)]);
        assert_eq!(jobs(9), [(at(3), 0)]);
    }

    #[test]
    fn a_refusal_that_passed_checks_had_too_is_ordinary() {
        let refused = |second: u8, identity: &str, path: &str| {
            request(second, identity, path).replace("\"status\":200", "\"status\":404")
        };
        let wanted = Wanted {
            since: Timestamp::MIN,
            until: Timestamp::MAX,
            ..wanted(7, "")
        };

        let ledger = ledger(
            &[
                refused(1, "runner other", "/_services/pipelines/bbb/poll")
                    .replace("\"method\"", "\"route\":\"poll\",\"method\""),
                refused(2, "runner r1", "/_services/pipelines/aaa/poll")
                    .replace("\"method\"", "\"route\":\"poll\",\"method\""),
                refused(3, "runner r1", "/_services/pipelines/aaa/else"),
            ],
            &[],
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
            &[],
        );

        let values = |series: &Series| series.iter().map(|(_, value)| *value).collect::<Vec<_>>();
        assert_eq!(values(&ledger.jobs), [1, 2, 1, 0]);
        assert_eq!(values(&ledger.jobs_by_check[&7]), [1, 0]);
    }
}
