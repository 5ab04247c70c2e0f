//! `--list-checks …` and `--list-defects`: the catalogue, without any environment; and its page in the documentation.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use harness_model::{Check, Claim, Exit, PAINS, Profile, WallClock};

use super::exit_code;
use super::sinks::complain;
use crate::{Defect, Scenario};

/// What of the catalogue is asked for. All that is given must hold.
#[derive(Debug, clap::Parser)]
#[command(no_binary_name = true)]
struct Listing {
    /// Words, of which an id must contain one.
    filters: Vec<String>,
    /// A tag that a check must have; of several, all.
    #[arg(long)]
    tag: Vec<String>,
    /// The profile whose checks are meant.
    #[arg(long)]
    profile: Option<String>,
    /// The number of a pain that a check guards against.
    #[arg(long)]
    pain: Option<u8>,
    /// With claim, grounds, tags and pains.
    #[arg(long)]
    explain: bool,
    /// The page of the documentation in place of a list.
    #[arg(long)]
    page: bool,
}

/// Answers if the arguments ask for a list.
#[expect(clippy::print_stdout, reason = "the answer of a listing verb")]
pub(crate) fn answer(arguments: &[String], scenarios: &[Scenario]) -> Option<ExitCode> {
    let text = match arguments.split_first()? {
        (verb, rest) if verb == "--list-checks" => list(rest, scenarios),
        (verb, _) if verb == "--list-defects" => Ok(defects()),
        _ => return None,
    };
    match text {
        Ok(text) => {
            print!("{text}");
            Some(ExitCode::SUCCESS)
        }
        Err(refusal) => {
            complain(&refusal);
            Some(exit_code(Exit::Usage))
        }
    }
}

fn list(arguments: &[String], scenarios: &[Scenario]) -> Result<String, String> {
    let listing = Listing::try_parse_from(arguments).map_err(|error| error.to_string())?;
    let checks: Vec<Check> = scenarios.iter().map(|scenario| (scenario.check)()).collect();
    if listing.page {
        return Ok(page(&checks));
    }
    listing.is_possible(&checks)?;
    let chosen: Vec<&Check> = checks.iter().filter(|check| listing.takes(check)).collect();
    if chosen.is_empty() {
        return Err("no check is like that; `cargo xtask list --explain` shows them all".to_owned());
    }
    Ok(chosen
        .into_iter()
        .map(|check| entry(check, listing.explain))
        .collect())
}

impl Listing {
    /// Tags, profile and pain that exist.
    fn is_possible(&self, checks: &[Check]) -> Result<(), String> {
        let known: BTreeSet<String> = checks.iter().flat_map(tags).collect();
        if let Some(tag) = self.tag.iter().find(|tag| !known.contains(*tag)) {
            let known: Vec<String> = known.into_iter().collect();
            return Err(format!(
                "no check has the tag `{tag}`; there is: {}",
                known.join(", ")
            ));
        }
        if let Some(profile) = self.profile.as_deref().filter(|name| profile(name).is_none()) {
            return Err(format!(
                "there is no profile `{profile}`; there is: core, extended, all"
            ));
        }
        match self
            .pain
            .filter(|pain| !PAINS.iter().any(|known| known.number == *pain))
        {
            Some(pain) => Err(format!("there is no pain {pain}; there is: 1 to {}", PAINS.len())),
            None => Ok(()),
        }
    }

    fn takes(&self, check: &Check) -> bool {
        let tags = tags(check);
        let profile = self.profile.as_deref().and_then(profile).unwrap_or(Profile::All);
        (self.filters.is_empty() || self.filters.iter().any(|word| check.id.contains(word)))
            && self.tag.iter().all(|tag| tags.contains(tag))
            && check.profile <= profile
            && self.pain.is_none_or(|pain| check.pains.contains(&pain))
    }
}

fn profile(name: &str) -> Option<Profile> {
    [Profile::Core, Profile::Extended, Profile::All]
        .into_iter()
        .find(|profile| profile.to_string() == name)
}

/// Its group, what it needs, and what it claims.
fn tags(check: &Check) -> BTreeSet<String> {
    let group = check.id.split("::").next().unwrap_or_default().to_owned();
    let claim = match &check.claims {
        Claim::SharedArc => "shared-arc",
        Claim::OwnArc(_) => "own-arc",
        Claim::WholePlane => "whole-plane",
    };
    let mut tags: BTreeSet<String> = check.needs.iter().map(ToString::to_string).collect();
    tags.extend([group, claim.to_owned()]);
    if let Claim::OwnArc(own) = &check.claims {
        tags.extend(own.servers.iter().map(|server| server.container().to_owned()));
        tags.extend((own.clock == WallClock::Controlled).then(|| "controlled-clock".to_owned()));
    }
    tags
}

fn entry(check: &Check, explain: bool) -> String {
    let first = format!(
        "{:<36} {:<8} {}\n",
        check.id,
        check.profile.to_string(),
        words(tags(check))
    );
    if !explain {
        return first;
    }
    format!(
        "{first}    claim:       {}\n    grounds:     {}\n    not covered: {}\n    pains:       {}\n",
        check.claim,
        check.grounds,
        check.not_covered,
        words(&check.pains)
    )
}

fn defects() -> String {
    Defect::ALL.into_iter().fold(String::new(), |mut text, defect| {
        let (name, what, red) = (defect.name(), defect.what(), defect.turns_red());
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<28} {what}: turns {red} red");
        text
    })
}

/// `docs/catalogue.md`: every check, and every pain with the checks that guard against it.
#[must_use]
pub fn page(checks: &[Check]) -> String {
    let mut page = String::from(
        "# Catalogue of checks\n\nWritten by `cargo xtask list --page`, from the checks themselves: do not edit it by hand.\n\n\
         Each check is proven: with a seeded defect of the last column, and with no other, it is red. Which of them fail on which versions of ARC, as is known: \
         [expectations.toml](../scenarios/expectations.toml).\n\n\
         | check | claim | promised by | does not show | profile | seeded defects |\n|---|---|---|---|---|---|\n",
    );
    for check in checks {
        let defects = Defect::ALL
            .into_iter()
            .filter(|defect| defect.turns_red() == check.id);
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} | {} |",
            check.id,
            cell(&check.claim),
            cell(&check.grounds),
            cell(&check.not_covered),
            check.profile,
            words(defects.map(|defect| format!("`{}`", defect.name())))
        );
    }
    page.push_str(
        "\n## Pains\n\nWhat users of ARC have told of, in threads of actions/actions-runner-controller, and the checks that guard against it.\n\n\
         | | pain | told in | checks |\n|---|---|---|---|\n",
    );
    for pain in PAINS {
        let guards = checks.iter().filter(|check| check.pains.contains(&pain.number));
        let guards = words(guards.map(|check| format!("`{}`", check.id)));
        let guards = if guards.is_empty() { "none yet" } else { &guards };
        let _ = writeln!(
            page,
            "| {} | {} | {} | {guards} |",
            pain.number,
            cell(pain.what),
            pain.told
        );
    }
    page
}

/// As a cell of a table in Markdown.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn words<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(", ")
}

#[cfg(test)]
mod tests {
    use harness_model::{Capability, OwnArc};

    use super::*;

    fn check(id: &str, profile: Profile, claims: Claim, pains: &[u8]) -> Check {
        Check {
            id: id.to_owned(),
            claim: "one | two".to_owned(),
            grounds: "the guide".to_owned(),
            not_covered: "the rest".to_owned(),
            profile,
            needs: vec![Capability::Ledger],
            claims,
            pains: pains.to_vec(),
        }
    }

    fn checks() -> [Check; 2] {
        [
            check("scaling::ladder", Profile::Core, Claim::WholePlane, &[3]),
            check(
                "failover::leader",
                Profile::Extended,
                Claim::OwnArc(OwnArc::default()),
                &[],
            ),
        ]
    }

    fn taken(arguments: &[&str]) -> Vec<String> {
        let listing = Listing::try_parse_from(arguments).expect("the arguments are known");
        let checks = checks().into_iter();
        checks
            .filter(|check| listing.takes(check))
            .map(|check| check.id)
            .collect()
    }

    #[test]
    fn checks_are_chosen_by_id_tag_profile_and_pain() {
        let both = ["scaling::ladder", "failover::leader"];

        assert_eq!(taken(&[]), both);
        assert_eq!(taken(&["leader"]), both[1..]);
        assert_eq!(taken(&["--tag", "ledger"]), both);
        assert_eq!(taken(&["--tag", "ledger", "--tag", "whole-plane"]), both[..1]);
        assert_eq!(taken(&["--profile", "core"]), both[..1]);
        assert_eq!(taken(&["--profile", "extended"]), both);
        assert_eq!(taken(&["--pain", "3"]), both[..1]);
    }

    #[test]
    fn what_does_not_exist_is_refused_with_what_does() {
        let refused = |arguments: &[&str]| {
            let listing = Listing::try_parse_from(arguments).expect("the arguments are known");
            listing.is_possible(&checks()).expect_err("it does not exist")
        };

        assert_eq!(
            refused(&["--tag", "quick"]),
            "no check has the tag `quick`; there is: failover, ledger, own-arc, scaling, whole-plane"
        );
        assert_eq!(
            refused(&["--profile", "most"]),
            "there is no profile `most`; there is: core, extended, all"
        );
        assert_eq!(
            refused(&["--pain", "99"]),
            "there is no pain 99; there is: 1 to 25"
        );
    }

    #[test]
    fn the_page_has_a_row_for_each_check_and_each_pain() {
        let page = page(&checks());

        assert!(
            page.contains("| `scaling::ladder` | one \\| two | the guide | the rest | core | `few-busy` |\n"),
            "{page}"
        );
        assert!(page.contains("| #1374, #2039 | `scaling::ladder` |\n"), "{page}");
        assert!(page.contains("| #1962 | none yet |\n"), "{page}");
    }
}
