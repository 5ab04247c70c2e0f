//! What a run would find on a GHES: read only, row by row, each with what is missing and how to grant it.
//!
//! Rights are told by the token's scopes and by what may be listed: asking for a registration token would be a write. What it is not: a table on a screen,
//! which is its reader's.

use harness_model::{Capability, Profile, RunPrefix, Scope};
use serde::Serialize;
use url::Url;

use crate::guest::is_hidden;
use crate::mark::{MARK, place_of};
use crate::needs::{Need, creates, needs};
use crate::{GhesError, Guest, Holder, Repo};

/// The oldest version that the suite knows.
const OLDEST: (u32, u32) = (3, 9);

/// What no GHES can do that is not ours.
const UNAVAILABLE: [Capability; 3] = [
    Capability::Ledger,
    Capability::ForceFault,
    Capability::ClockControl,
];

/// On what a run would act.
#[derive(Debug, Clone, Default)]
pub struct Targets {
    /// The slug.
    pub enterprise: Option<String>,
    /// The login; it also carries the enterprise's mark.
    pub organization: Option<String>,
    /// The repository.
    pub repository: Option<Repo>,
}

impl Targets {
    /// Widest first.
    #[must_use]
    pub fn scopes(&self) -> Vec<Scope> {
        let enterprise = self.enterprise.clone().map(Scope::Enterprise);
        let organization = self.organization.clone().map(Scope::Organization);
        let repository = self.repository.as_ref().map(Scope::from);
        [enterprise, organization, repository]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Where the mark of one of them stands.
    #[must_use]
    pub fn place_of(&self, scope: &Scope) -> Option<Scope> {
        place_of(scope, self.organization.as_deref())
    }
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Survey {
    /// The version of this form.
    pub format: u32,
    /// Its address.
    pub ghes: String,
    /// Whether a run could take place: nothing is missing that it cannot do without.
    pub can_run: bool,
    /// The findings, in the order in which they were made.
    pub rows: Vec<Row>,
    /// The profiles that can run.
    pub profiles: Vec<Profile>,
    /// What no check can have there.
    pub without: Vec<Capability>,
    /// The prefix that such a run's objects would have, as an example.
    pub prefix: RunPrefix,
    /// What a run would make.
    pub would_create: Vec<Created>,
    /// How many requests went out.
    pub api_calls: u32,
    /// Why no run can take place, most important first.
    #[serde(skip)]
    pub unfit: Vec<Unfit>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Of what.
    pub what: String,
    /// How it stands.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

/// How it stands with a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// As it must be.
    Ok,
    /// To be known, but no obstacle.
    Note,
    /// An obstacle.
    Missing,
}

/// What a run would make on a scope.
#[derive(Debug, Clone, Serialize)]
pub struct Created {
    /// Where.
    pub scope: String,
    /// What.
    pub objects: Vec<String>,
}

/// Why no run can take place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Unfit {
    /// Nothing to run against.
    #[error("no target is named: give --enterprise, --organization or --repository")]
    NoTarget,
    /// Nobody agreed.
    #[error("{scope} carries no mark, so nothing is written to it: {mend}")]
    NotMarked {
        /// The scope.
        scope: String,
        /// How to mark it.
        mend: String,
    },
    /// The server is older than the suite.
    #[error("GHES {0} is too old: the suite knows 3.9 and newer")]
    TooOld(
        /// Its version.
        String,
    ),
    /// Rights are missing.
    #[error("the token lacks rights on {0}: the table names each, and how to grant it")]
    NoRight(
        /// The scope.
        String,
    ),
}

/// How to mark a scope.
#[must_use]
pub fn how_to_mark(scope: &Scope, place: Option<&Scope>, ghes: &Url) -> String {
    let host = host_of(ghes);
    match place {
        Some(Scope::Organization(login)) => format!(
            "set the Actions variable {MARK}={scope} of organization {login} at {ghes}organizations/{login}/settings/variables/actions \
             (GH_HOST={host} gh variable set {MARK} --org {login} --body {scope})"
        ),
        Some(Scope::Repository { owner, name }) => format!(
            "set the Actions variable {MARK}={scope} of repository {owner}/{name} at {ghes}{owner}/{name}/settings/variables/actions \
             (gh variable set {MARK} --repo {host}/{owner}/{name} --body {scope})"
        ),
        Some(Scope::Enterprise(_)) | None => {
            "an enterprise has no variables, so name one of its organizations, which carries the mark: --organization".to_owned()
        }
    }
}

fn host_of(ghes: &Url) -> String {
    let host = ghes.host_str().unwrap_or_default();
    ghes.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

impl Survey {
    /// Nothing found yet.
    #[must_use]
    pub fn new(ghes: &Url, targets: &Targets, prefix: RunPrefix) -> Survey {
        let scopes = targets.scopes();
        let made = |scope: &Scope| Created {
            scope: scope.to_string(),
            objects: creates(scope, &prefix),
        };
        Survey {
            format: 1,
            ghes: ghes.origin().ascii_serialization(),
            can_run: false,
            rows: Vec::new(),
            profiles: Vec::new(),
            without: UNAVAILABLE.to_vec(),
            would_create: scopes.iter().map(made).collect(),
            prefix,
            api_calls: 0,
            unfit: Vec::new(),
        }
    }

    /// Notes a finding.
    pub fn note(&mut self, what: &str, state: State, found: impl Into<String>, mend: Option<String>) {
        self.rows.push(Row {
            what: what.to_owned(),
            state,
            found: found.into(),
            mend,
        });
    }

    fn lacks(&self, state: State) -> bool {
        self.rows.iter().any(|row| row.state == state)
    }
}

/// Finds out what a guest can. What it had found before an error stays in the survey.
///
/// # Errors
/// [`GhesError`]: GHES did not answer, or refused the token, a rate limit or the budget is spent.
pub async fn survey(
    guest: &Guest,
    ghes: &Url,
    targets: &Targets,
    survey: &mut Survey,
) -> Result<(), GhesError> {
    let ended = ask(guest, ghes, targets, survey).await;
    survey.api_calls = guest.spent();
    survey.unfit.sort();
    ended?;
    survey.can_run = survey.unfit.is_empty() && !survey.lacks(State::Missing);
    if !survey.can_run {
        survey.profiles.clear();
    }
    Ok(())
}

async fn ask(guest: &Guest, ghes: &Url, targets: &Targets, survey: &mut Survey) -> Result<(), GhesError> {
    let version = guest.version();
    survey.note("API", State::Ok, guest.api().as_str(), None);
    if is_too_old(version) {
        let found = format!("GHES {version}, by {}/meta", guest.api());
        let mend = Some("the suite knows 3.9 and newer: upgrade it".to_owned());
        survey.note("version", State::Missing, found, mend);
        survey.unfit.push(Unfit::TooOld(version.to_owned()));
    } else {
        survey.note("version", State::Ok, format!("GHES {version}"), None);
    }
    let holder = guest.holder().await?;
    tell_token(&holder, ghes, survey);
    tell_rate_limit(guest, survey).await?;

    let scopes = targets.scopes();
    if scopes.is_empty() {
        survey.unfit.push(Unfit::NoTarget);
    }
    let mut extended = true;
    for scope in &scopes {
        tell_mark(guest, ghes, scope, targets, survey).await?;
        let listed = tell_runners(guest, scope, survey).await?;
        let profile = tell_rights(&holder, ghes, scope, survey);
        extended &= profile == Some(Profile::Extended);
        if !listed || profile.is_none() {
            survey.unfit.push(Unfit::NoRight(scope.to_string()));
        }
    }
    survey.profiles.push(Profile::Core);
    if extended {
        survey.profiles.push(Profile::Extended);
    }
    Ok(())
}

fn is_too_old(version: &str) -> bool {
    let mut numbers = version.split(['.', '-']).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < OLDEST,
        // A version of no known form is not judged.
        _ => false,
    }
}

fn tell_token(holder: &Holder, ghes: &Url, survey: &mut Survey) {
    let login = &holder.login;
    match &holder.scopes {
        Some(scopes) if scopes.is_empty() => {
            let mend = Some(format!("give it scopes at {ghes}settings/tokens"));
            survey.note(
                "token",
                State::Note,
                format!("classic, of {login}, without any scope"),
                mend,
            );
        }
        Some(scopes) => {
            let found = format!("classic, of {login}: {}", scopes.join(", "));
            survey.note("token", State::Ok, found, None);
        }
        None => {
            let found = format!(
                "of {login}; GHES names no scopes of it, so it is fine-grained: what it may write shows only when a run tries"
            );
            let mend = format!(
                "check at {ghes}settings/personal-access-tokens that it may write Administration, Actions, Contents, Workflows and Webhooks, and of an \
                 organization Self-hosted runners, and read Variables; no such token reaches an enterprise"
            );
            survey.note("token", State::Note, found, Some(mend));
        }
    }
}

async fn tell_rate_limit(guest: &Guest, survey: &mut Survey) -> Result<(), GhesError> {
    let (state, found) = match guest.rate_limit().await? {
        None => (State::Ok, "not enabled".to_owned()),
        Some(limit) => (
            State::Note,
            format!(
                "enabled: {} of {} requests an hour are left",
                limit.remaining, limit.limit
            ),
        ),
    };
    survey.note("rate limit", state, found, None);
    Ok(())
}

async fn tell_mark(
    guest: &Guest,
    ghes: &Url,
    scope: &Scope,
    targets: &Targets,
    survey: &mut Survey,
) -> Result<(), GhesError> {
    let place = targets.place_of(scope);
    let mark = match &place {
        Some(place) => guest.mark(place).await?,
        None => None,
    };
    let what = format!("mark of {scope}");
    if let Some(mark) = mark.as_ref().filter(|mark| mark.opens(scope)) {
        survey.note(&what, State::Ok, mark.to_string(), None);
        return Ok(());
    }
    let found = match (&mark, &place) {
        (Some(mark), _) => format!("{mark} does not name it"),
        (None, Some(place)) => format!("no variable {MARK} on {place} that this token may read"),
        (None, None) => "nothing can carry it".to_owned(),
    };
    let mend = how_to_mark(scope, place.as_ref(), ghes);
    survey.note(&what, State::Missing, found, Some(mend.clone()));
    survey.unfit.push(Unfit::NotMarked {
        scope: scope.to_string(),
        mend,
    });
    Ok(())
}

/// Whether they may be listed.
async fn tell_runners(guest: &Guest, scope: &Scope, survey: &mut Survey) -> Result<bool, GhesError> {
    let what = format!("runners of {scope}");
    match guest.count_runners(scope).await {
        Ok(count) => {
            survey.note(
                &what,
                State::Ok,
                format!("may be listed: there are {count}"),
                None,
            );
            Ok(true)
        }
        Err(error) if is_hidden(&error) => {
            survey.note(
                &what,
                State::Missing,
                format!("may not be listed: {}", error.failure()),
                Some(format!("it needs {}", error.operation().rights())),
            );
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// The widest profile for which nothing is missing; none: not even core.
fn tell_rights(holder: &Holder, ghes: &Url, scope: &Scope, survey: &mut Survey) -> Option<Profile> {
    let what = format!("rights on {scope}");
    let needs = needs(scope);
    let Some(scopes) = &holder.scopes else {
        if matches!(scope, Scope::Enterprise(_)) {
            let mend = Some("give a classic token with manage_runners:enterprise".to_owned());
            survey.note(
                &what,
                State::Missing,
                "a fine-grained token reaches no enterprise",
                mend,
            );
            return None;
        }
        survey.note(&what, State::Note, "not told by GHES", None);
        return Some(Profile::Extended);
    };
    let missing: Vec<&Need> = needs.iter().filter(|need| !need.is_met(scopes)).collect();
    if missing.is_empty() {
        let all: Vec<_> = needs.iter().map(|need| need.purpose).collect();
        survey.note(&what, State::Ok, format!("may {}", all.join("; ")), None);
    }
    for need in &missing {
        let state = match need.profile {
            Profile::Core => State::Missing,
            _ => State::Note,
        };
        let least = need.any_of.first().copied().unwrap_or_default();
        let mend = format!(
            "add the scope {} at {ghes}settings/tokens (a token of gh: gh auth refresh --hostname {} --scopes {least})",
            need.any_of.join(" or "),
            host_of(ghes)
        );
        let found = format!("may not {} (profile {})", need.purpose, need.profile);
        survey.note(&what, state, found, Some(mend));
    }
    let lacks = |profile| missing.iter().any(|need| need.profile == profile);
    match (lacks(Profile::Core), lacks(Profile::Extended)) {
        (true, _) => None,
        (false, true) => Some(Profile::Core),
        (false, false) => Some(Profile::Extended),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_versions_before_3_9_are_too_old() {
        let too_old = ["3.8.16", "2.22.0", "3.0"];
        let known = ["3.9.0", "3.10.2", "3.14.0-rc.1", "4.0.0", "main"];

        assert!(too_old.into_iter().all(is_too_old));
        assert!(!known.into_iter().any(is_too_old));
    }

    #[test]
    fn an_enterprises_mark_needs_an_organization_to_carry_it() {
        let ghes = Url::parse("https://ghes.example.com").expect("an address");
        let enterprise = Scope::Enterprise("acme".into());

        let without = how_to_mark(&enterprise, None, &ghes);
        let with = how_to_mark(&enterprise, Some(&Scope::Organization("staging".into())), &ghes);

        assert!(without.contains("--organization"), "{without}");
        assert!(
            with.contains("gh variable set GHES_E2E_TARGET --org staging --body enterprises/acme"),
            "{with}"
        );
    }

    #[test]
    fn rights_follow_from_scopes() {
        let ghes = Url::parse("https://ghes.example.com").expect("an address");
        let scope = Scope::Organization("staging".into());
        let profile = |scopes: Option<&[&str]>, scope: &Scope| {
            let holder = Holder {
                login: "octocat".into(),
                scopes: scopes.map(|scopes| scopes.iter().map(|&one| one.to_owned()).collect()),
            };
            let prefix = RunPrefix::new(jiff::Timestamp::UNIX_EPOCH, 1);
            let mut survey = Survey::new(&ghes, &Targets::default(), prefix);
            tell_rights(&holder, &ghes, scope, &mut survey)
        };

        let core = ["repo", "workflow", "delete_repo", "admin:org"];
        assert_eq!(profile(Some(&core), &scope), Some(Profile::Core));
        assert_eq!(profile(Some(&core[1..]), &scope), None);
        assert_eq!(
            profile(Some(&[&core[..], &["admin:org_hook"]].concat()), &scope),
            Some(Profile::Extended)
        );
        assert_eq!(profile(None, &scope), Some(Profile::Extended));
        assert_eq!(profile(None, &Scope::Enterprise("acme".into())), None);
    }
}
