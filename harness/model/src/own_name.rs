//! Names of what a run makes on a server: `ghes-e2e-20261129t021000z-1f2e3d4c-…`, the run's prefix with the time at which it began.
//!
//! By its name alone anybody can tell that an object is ours and how old it is, so what an interrupted run left can be found without its journal.
//! What it is not: the run's id, which names its folder.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// What every name of ours begins with.
const OURS: &str = "ghes-e2e-";
/// A time as names have it: lower case, since names of Kubernetes are.
const TIME: &str = "%Y%m%dt%H%M%Sz";
const TIME_LENGTH: usize = 16;
/// Hexadecimal digits that tell two runs of one second apart.
const DIGITS: usize = 8;

/// The beginning of the name of everything that one run makes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunPrefix {
    text: String,
    began: Timestamp,
}

/// A name that begins with a run's prefix. There is no other way to get one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OwnName {
    text: String,
    began: Timestamp,
}

/// Not a name of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} does not begin with a run's prefix, as in ghes-e2e-20261129t021000z-1f2e3d4c")]
pub struct Foreign(
    /// What was given.
    pub String,
);

impl RunPrefix {
    /// That of a run which begins at this time. Two runs with different seeds have different ones.
    #[must_use]
    pub fn new(began: Timestamp, seed: u32) -> RunPrefix {
        // Without the fraction, which the name has not.
        let began = Timestamp::from_second(began.as_second()).unwrap_or(began);
        let text = format!("{OURS}{}-{seed:08x}", began.strftime(TIME));
        RunPrefix { text, began }
    }

    /// A name of this run.
    #[must_use]
    pub fn name(&self, what: &str) -> OwnName {
        OwnName {
            text: format!("{self}-{what}"),
            began: self.began,
        }
    }
}

impl OwnName {
    /// When the run began that made it.
    #[must_use]
    pub fn began(&self) -> Timestamp {
        self.began
    }

    /// The name that stands as a whole path segment in the address of a webhook, which has no name of its own. Only the path counts: the host is
    /// the receiver's, and the query may hold anything.
    #[must_use]
    pub fn in_address(address: &str) -> Option<OwnName> {
        let (_, rest) = address.split_once("://")?;
        let path = rest.split(['?', '#']).next()?;
        path.split('/').skip(1).find_map(|segment| segment.parse().ok())
    }
}

/// Prefix and time, and what comes after; none if the text does not begin so.
fn split(text: &str) -> Option<(Timestamp, &str)> {
    let rest = text.strip_prefix(OURS)?;
    let (time, rest) = rest.split_at_checked(TIME_LENGTH)?;
    let rest = rest.strip_prefix('-')?;
    let (digits, rest) = rest.split_at_checked(DIGITS)?;
    let is_digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    if !digits.chars().all(is_digit) {
        return None;
    }
    let clock = DateTime::strptime(TIME, time).ok()?;
    let began = TimeZone::UTC.to_timestamp(clock).ok()?;
    // The reader of times is lenient; a name is not.
    (began.strftime(TIME).to_string() == time).then_some((began, rest))
}

impl FromStr for RunPrefix {
    type Err = Foreign;

    fn from_str(text: &str) -> Result<RunPrefix, Foreign> {
        match split(text) {
            Some((began, "")) => Ok(RunPrefix {
                text: text.to_owned(),
                began,
            }),
            _ => Err(Foreign(text.to_owned())),
        }
    }
}

impl FromStr for OwnName {
    type Err = Foreign;

    fn from_str(text: &str) -> Result<OwnName, Foreign> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        match split(text) {
            // A name of more than the prefix goes on with a dash; anything else is somebody else's.
            Some((began, rest))
                if rest.is_empty() || (rest.starts_with('-') && rest.chars().all(is_plain)) =>
            {
                Ok(OwnName {
                    text: text.to_owned(),
                    began,
                })
            }
            _ => Err(Foreign(text.to_owned())),
        }
    }
}

macro_rules! text_of {
    ($kind:ty) => {
        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text)
            }
        }

        impl From<$kind> for String {
            fn from(name: $kind) -> String {
                name.text
            }
        }

        impl TryFrom<String> for $kind {
            type Error = Foreign;

            fn try_from(text: String) -> Result<$kind, Foreign> {
                text.parse()
            }
        }
    };
}

text_of!(RunPrefix);
text_of!(OwnName);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PREFIX: &str = "ghes-e2e-20261129t021000z-1f2e3d4c";

    #[test]
    fn a_runs_prefix_tells_when_it_began() {
        let began: Timestamp = "2026-11-29T02:10:00.5Z".parse().expect("a time");

        let prefix = RunPrefix::new(began, 0x1f2e_3d4c);

        assert_eq!(prefix.to_string(), PREFIX);
        let name: OwnName = prefix.name("hello").to_string().parse().expect("a name of ours");
        assert_eq!(name, prefix.name("hello"));
        assert_eq!(name.began().to_string(), "2026-11-29T02:10:00Z");
    }

    #[test]
    fn what_only_looks_like_ours_is_somebody_elses() {
        for text in [
            "",
            "ghes-e2e",
            "ghes-e2e-",
            "ghes-e2e-runner",
            "ghes-e2e-20261129t021000z",
            "ghes-e2e-20261129t021000z-1f2e3d4",
            "ghes-e2e-20261129t021000z-1f2e3d4c5",
            "ghes-e2e-20261129t021000z-1f2e3d4cx",
            "ghes-e2e-20261329t021000z-1f2e3d4c",
            "ghes-e2e-20261129T021000Z-1f2e3d4c",
            "ghes-e2e-2026112t0021000z-1f2e3d4c",
            "ghes-e2e-20261129t021000z-1F2E3D4C",
            "x-ghes-e2e-20261129t021000z-1f2e3d4c",
            " ghes-e2e-20261129t021000z-1f2e3d4c",
            "ghes-e2e-20261129t021000z-1f2e3d4c/../production",
            "ghes-e2e-20261129t021000z-1f2e3d4c-a/b",
            "ghes-e2e-20261129t021000z-1f2e3d4c-a?b",
            "production",
        ] {
            assert_eq!(text.parse::<OwnName>(), Err(Foreign(text.to_owned())));
        }
    }

    #[test]
    fn an_address_carries_the_name_as_a_segment_of_its_path() {
        let found = OwnName::in_address(&format!("https://hooks.example.com/{PREFIX}/arc?x=1"));

        assert_eq!(found.map(|name| name.to_string()).as_deref(), Some(PREFIX));
        for address in [
            format!("https://{PREFIX}.example.com/"),
            format!("https://hooks.example.com/?run={PREFIX}"),
            format!("https://hooks.example.com/x#/{PREFIX}"),
            format!("https://hooks.example.com/x{PREFIX}"),
            PREFIX.to_owned(),
        ] {
            assert_eq!(OwnName::in_address(&address), None, "{address}");
        }
    }

    proptest! {
        #[test]
        fn every_name_of_a_run_is_read_back(second in 0i64..4_102_444_800, seed: u32, what in "[a-z0-9.-]{0,20}") {
            let began = Timestamp::from_second(second).expect("within the century");
            let name = RunPrefix::new(began, seed).name(&what);

            let read: OwnName = name.to_string().parse().expect("a name of ours");

            prop_assert_eq!(read.began(), began);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,60}") {
            let _either = text.parse::<OwnName>();
            let _either = OwnName::in_address(&text);
            let _either = format!("ghes-e2e-{text}").parse::<RunPrefix>();
        }
    }
}
