//! What a reader sees of a failure on the first screen of `report.html`: the card of its check, read back from the page.
//!
//! What it is not: a parser of HTML. It reads the markup that the report writes, and complains if there is no such card.

use anyhow::{Context as _, ensure};

/// What the first screen must show of the failure that a seeded defect makes.
#[derive(Debug, Clone, Copy)]
pub struct FirstScreen {
    /// The defect's name.
    pub defect: &'static str,
    /// Stands in the value that was awaited.
    pub awaited: &'static str,
    /// Stands in the value that was last seen.
    pub last_seen: &'static str,
    /// All of this stands in one piece of what is told to stand behind it: the request, event or object.
    pub behind: &'static [&'static str],
}

impl FirstScreen {
    /// Whether the page shows all that of this check.
    ///
    /// # Errors
    /// What is missing, with the card as it is.
    pub(crate) fn is_on(&self, page: &str, check: &str) -> anyhow::Result<()> {
        let card = card(page, check).with_context(|| format!("report.html has no card of {check}"))?;
        for (name, value, wanted) in [
            ("awaited", &card.awaited, self.awaited),
            ("last seen", &card.last_seen, self.last_seen),
        ] {
            ensure!(
                value.contains(wanted),
                "on the first screen {check} does not name {wanted} as {name}: {card:?}"
            );
        }
        let names_all = |piece: &String| self.behind.iter().all(|wanted| piece.contains(wanted));
        ensure!(
            card.behind.iter().any(names_all),
            "on the first screen nothing behind {check} names all of {:?}: {card:?}",
            self.behind
        );
        Ok(())
    }
}

/// The card of a check that failed, as text.
#[derive(Debug)]
struct Card {
    awaited: String,
    last_seen: String,
    behind: Vec<String>,
}

fn card(page: &str, check: &str) -> Option<Card> {
    let failures = page.split_once("<section class=\"failures\"")?.1;
    let failures = failures.split_once("</section>")?.0;
    let mut cards = failures.split("<article").skip(1);
    let card = cards.find(|card| {
        let heading = card.split_once("</h3>").map_or("", |(heading, _)| heading);
        text(heading).ends_with(check)
    })?;
    let row = |name: &str| {
        let (_, rest) = card.split_once(&format!("<dt>{name}</dt>"))?;
        Some(rest.split_once("</dd>")?.0)
    };
    let behind = row("Behind it")?.split("</div>").map(text);
    Some(Card {
        awaited: text(row("Awaited")?),
        last_seen: text(row("Last seen")?),
        behind: behind.filter(|piece| !piece.is_empty()).collect(),
    })
}

/// Markup without its tags.
fn text(markup: &str) -> String {
    // What stands before the first `>` is the rest of the tag at which the markup was cut.
    let mut text = String::new();
    for piece in markup.split('<') {
        text.push_str(piece.split_once('>').map_or(piece, |(_, said)| said));
    }
    let characters = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ];
    for (entity, character) in characters {
        text = text.replace(entity, character);
    }
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use harness_model::{Event, Failure, Line, Verdict};
    use harness_report::{Excerpts, Summary, report_html};
    use jiff::Timestamp;

    use super::*;

    const WANTED: FirstScreen = FirstScreen {
        defect: "some-defect",
        awaited: "\"<2>\"",
        last_seen: "3",
        behind: &["the step", "that was last"],
    };

    fn page(id: &str) -> String {
        let id = id.to_owned();
        let events = [
            Event::CheckStarted {
                id: id.clone(),
                attempt: 1,
                namespace: "e2e-x".to_owned(),
            },
            Event::Observed {
                id: id.clone(),
                text: "the step that was last".to_owned(),
            },
            Event::CheckFinished {
                id,
                attempt: 1,
                verdict: Verdict::Fail,
                duration_ms: 5,
                failure: Some(Failure {
                    awaited: "size = \"<2>\"".to_owned(),
                    last_seen: "3".to_owned(),
                    detail: None,
                }),
                evidence: None,
                rerun: String::new(),
            },
        ];
        let lines: Vec<Line> = events
            .into_iter()
            .map(|event| Line {
                at: Timestamp::UNIX_EPOCH,
                event,
            })
            .collect();
        report_html(&Summary::fold(&lines), &Excerpts::default())
    }

    #[test]
    fn a_card_shows_both_values_and_what_stands_behind() {
        WANTED
            .is_on(&page("group::check"), "group::check")
            .expect("all of it is on the page");
    }

    #[test]
    fn what_is_missing_is_told() {
        let other = WANTED.is_on(&page("group::other"), "group::check");
        let unnamed = FirstScreen {
            behind: &["another step"],
            ..WANTED
        };
        let unnamed = unnamed.is_on(&page("group::check"), "group::check");

        assert!(
            other
                .expect_err("another check failed")
                .to_string()
                .contains("no card")
        );
        assert!(
            unnamed
                .expect_err("it is not told")
                .to_string()
                .contains("the step that was last")
        );
    }
}
