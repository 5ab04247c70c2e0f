//! `ghes sweep`: removes what runs left that began long ago, on marked targets, and tells of each thing what became of it.
//!
//! Every named target must be marked before anything is removed from one. What bears no run's prefix is counted and left alone.

use harness_ghes::{Kind, Permit, Removal, Unfit, how_to_mark};
use harness_model::Redactor;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Server, Wrong, base, explained, screen};

/// A run that is under way must not be swept.
const LEAST: SignedDuration = SignedDuration::from_hours(1);

/// What is swept.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    server: Server,
    /// Only of runs that began at least so long ago, for example 24h; not less than 1h, so that no run under way is hit
    #[arg(long, value_name = "DURATION")]
    older_than: SignedDuration,
    /// Only tell what would be removed
    #[arg(long)]
    dry_run: bool,
}

/// What was done.
#[derive(Debug, Serialize)]
pub(super) struct Swept {
    format: u32,
    pub(super) ghes: String,
    pub(super) older_than: String,
    pub(super) dry_run: bool,
    pub(super) things: Vec<Thing>,
    pub(super) counts: Counts,
    /// What the token may not list, as `webhooks of orgs/o`.
    pub(super) unseen: Vec<String>,
    pub(super) api_calls: u32,
}

/// A thing with a run's prefix.
#[derive(Debug, Serialize)]
pub(super) struct Thing {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) scope: String,
    began: Timestamp,
    pub(super) outcome: Outcome,
    /// Why it was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    /// By this sweep.
    Removed,
    /// It would have been, but for `--dry-run`.
    WouldRemove,
    /// Somebody else was faster.
    Gone,
    /// GHES keeps it.
    Kept,
    /// Its run may be under way.
    Younger,
}

/// How many things.
#[derive(Debug, Default, Serialize)]
pub(super) struct Counts {
    pub(super) removed: usize,
    pub(super) would_remove: usize,
    pub(super) gone: usize,
    pub(super) kept: usize,
    pub(super) younger: usize,
    /// Without a run's prefix: not touched.
    pub(super) others: usize,
}

pub(super) async fn run(args: &Args, redactor: &Redactor) -> anyhow::Result<()> {
    if args.older_than < LEAST {
        let words = format!(
            "--older-than {:#}: a run that began since may be under way; give at least 1h",
            args.older_than
        );
        return Err(Wrong(words).into());
    }
    let admitted = args.server.admit()?;
    let targets = args.server.targets();
    let scopes = targets.scopes();
    if scopes.is_empty() {
        return Err(Unfit::NoTarget.into());
    }
    let guest = args.server.enter(&admitted, redactor).await?;
    let mut permits = Vec::new();
    for scope in &scopes {
        let place = targets.place_of(scope);
        let permit = guest.permit(scope, place.as_ref()).await;
        let permit = permit.map_err(|error| explained(error, &admitted))?;
        permits.push(permit.ok_or_else(|| Unfit::NotMarked {
            scope: scope.to_string(),
            mend: how_to_mark(scope, place.as_ref(), &base(admitted.url())),
        })?);
    }

    let mut swept = Swept {
        format: 1,
        ghes: admitted.url().origin().ascii_serialization(),
        older_than: format!("{:#}", args.older_than),
        dry_run: args.dry_run,
        things: Vec::new(),
        counts: Counts::default(),
        unseen: Vec::new(),
        api_calls: 0,
    };
    let newest = Timestamp::now() - args.older_than;
    let mut ended = Ok(());
    for permit in &permits {
        ended = sweep(permit, newest, &mut swept).await;
        if ended.is_err() {
            break;
        }
    }
    swept.api_calls = guest.spent();
    screen::show(redactor, args.server.format, &swept, screen::swept)?;
    ended.map_err(|error| explained(error, &admitted))
}

async fn sweep(permit: &Permit, newest: Timestamp, swept: &mut Swept) -> Result<(), harness_ghes::GhesError> {
    let found = permit.leftovers().await?;
    swept.counts.others += found.others;
    let unseen = |kind: &Kind| format!("every {kind} of {}", permit.scope());
    swept.unseen.extend(found.unseen.iter().map(unseen));
    for leftover in &found.ours {
        let (outcome, reason) = if leftover.began() > newest {
            (Outcome::Younger, None)
        } else if swept.dry_run {
            (Outcome::WouldRemove, None)
        } else {
            match leftover.remove().await? {
                Removal::Removed => (Outcome::Removed, None),
                Removal::Gone => (Outcome::Gone, None),
                Removal::Kept(reason) => (Outcome::Kept, Some(reason)),
            }
        };
        let counts = &mut swept.counts;
        *match outcome {
            Outcome::Removed => &mut counts.removed,
            Outcome::WouldRemove => &mut counts.would_remove,
            Outcome::Gone => &mut counts.gone,
            Outcome::Kept => &mut counts.kept,
            Outcome::Younger => &mut counts.younger,
        } += 1;
        swept.things.push(Thing {
            kind: leftover.kind().to_string(),
            name: leftover.name().to_string(),
            scope: permit.scope().to_string(),
            began: leftover.began(),
            outcome,
            reason,
        });
    }
    Ok(())
}
