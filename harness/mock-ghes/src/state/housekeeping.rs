//! What happens by itself as time passes: lost sessions, jobs that nobody took, expired locks, timeouts, old runners.

use jiff::{SignedDuration, Timestamp};

use super::State;
use super::job::{Job, Stage};
use crate::clock;
use crate::engine::Conclusion;

/// An assigned job that its runner does not take within this is queued again.
const UNTAKEN: i64 = 60;
/// A job that waits longer for a runner fails.
const QUEUED: i64 = 24 * 60 * 60;
/// Ephemeral runners go after so long offline.
const EPHEMERAL_OFFLINE: i64 = 24 * 60 * 60;
/// Other runners go after so long offline.
const OFFLINE: i64 = 14 * 24 * 60 * 60;
/// GitHub's words for a runner that stopped renewing.
const LOST: &str = "The self-hosted runner lost communication with the server. Verify the machine is running and has a \
                    healthy network connection.";

/// Looks at every clock once.
pub(super) fn tick(state: &mut State, now: Timestamp) {
    state.tokens.forget_expired(now);
    for session in state.lost_sessions(now) {
        state.end_session(session, now);
    }
    let before = state.departed.len();
    state.departed.retain(|_, departed| now < departed.until);
    state.mail |= state.departed.len() != before || state.mail_is_due(now);
    let due: Vec<(u64, Due)> = state
        .jobs
        .values()
        .filter_map(|job| due(job, now).map(|due| (job.id, due)))
        .collect();
    for (job, due) in due {
        match due {
            Due::TakeBack => state.take_back(job, now),
            Due::Cancel => state.cancel_job(job, now),
            Due::End => state.finish_job(job, Conclusion::Cancelled, now),
            Due::Fail(reason) => state.fail_job(job, reason, now),
        }
    }
    let stale: Vec<u64> = state
        .runners
        .values()
        .filter(|r| r.session.is_none() && r.job.is_none())
        .filter(|r| clock::later(r.last_seen, if r.ephemeral { EPHEMERAL_OFFLINE } else { OFFLINE }) < now)
        .map(|r| r.id)
        .collect();
    for runner in stale {
        state.remove_runner(runner, now);
    }
}

/// What a job's clock says.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    TakeBack,
    Cancel,
    End,
    Fail(&'static str),
}

fn due(job: &Job, now: Timestamp) -> Option<Due> {
    if job.conclusion().is_none() && job.forced_end.is_some_and(|end| end <= now) {
        return Some(Due::End);
    }
    match job.stage {
        Stage::Waiting | Stage::Finished(_) => None,
        Stage::Queued => (clock::later(job.created, QUEUED) < now)
            .then_some(Due::Fail("The job was not acquired by a runner within 24 hours.")),
        Stage::Assigned { since } => (clock::later(since, UNTAKEN) < now).then_some(Due::TakeBack),
        Stage::Running if job.locked_until.is_some_and(|until| until < now) => Some(Due::Fail(LOST)),
        Stage::Running => {
            let timeout = SignedDuration::from_mins(i64::from(job.plan.timeout_minutes));
            let end = job.started.and_then(|at| at.checked_add(timeout).ok());
            (job.forced_end.is_none() && end.is_some_and(|end| end < now)).then_some(Due::Cancel)
        }
    }
}
