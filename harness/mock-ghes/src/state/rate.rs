//! The primary rate limit of the REST API: so many requests for each user or installation within an hour. Off unless somebody wants it, as on a
//! GHES whose administrator has enabled none.
//!
//! What it is not: secondary limits, and limits of single routes.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::{Identity, Message, State};

/// How long a window lasts, from its first request on.
const WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// What somebody may still ask within the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) limit: u64,
    pub(crate) used: u64,
    pub(crate) reset: Timestamp,
}

impl Quota {
    pub(crate) fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

/// The limit, and who has used how much of it.
#[derive(Default)]
pub(super) struct Rate {
    limit: Option<u64>,
    windows: HashMap<String, Quota>,
}

impl Rate {
    fn quota(&self, who: &str, now: Timestamp) -> Option<Quota> {
        let limit = self.limit?;
        let open = self.windows.get(who).filter(|quota| now < quota.reset);
        Some(open.map_or_else(
            || Quota {
                limit,
                used: 0,
                reset: now.saturating_add(WINDOW).unwrap_or(Timestamp::MAX),
            },
            |quota| Quota { limit, ..*quota },
        ))
    }
}

/// Limits everybody to so many requests an hour from now on, each with a new window; none: limits nobody.
pub(crate) struct LimitRate(pub(crate) Option<u64>);

impl Message for LimitRate {
    type Reply = ();
    const CHANGES: bool = false;

    fn apply(self, state: &mut State) {
        state.rate = Rate {
            limit: self.0,
            windows: HashMap::new(),
        };
    }
}

/// What is left to somebody. None: there is no limit.
pub(crate) struct QuotaOf(pub(crate) Identity);

impl Message for QuotaOf {
    type Reply = Option<Quota>;
    const CHANGES: bool = false;

    fn apply(self, state: &mut State) -> Option<Quota> {
        state.rate.quota(&self.0.label(), state.clock.now())
    }
}

/// Counts a request of somebody, and tells what is left. None: there is no limit.
pub(crate) struct Charge(pub(crate) Identity);

impl Message for Charge {
    type Reply = Option<Quota>;
    const CHANGES: bool = false;

    fn apply(self, state: &mut State) -> Option<Quota> {
        let who = self.0.label();
        let mut quota = state.rate.quota(&who, state.clock.now())?;
        quota.used = quota.used.saturating_add(1);
        state.rate.windows.insert(who, quota);
        Some(quota)
    }
}
