//! `ghes check`: the survey as a table or as JSON. It is printed whatever was found, and as far as it came.

use harness_ghes::{Survey, survey};
use harness_model::{Redactor, RunPrefix};
use jiff::Timestamp;

use super::{Server, base, explained, screen};

pub(super) async fn run(server: &Server, redactor: &Redactor) -> anyhow::Result<()> {
    let admitted = server.admit()?;
    let targets = server.targets();
    let guest = server.enter(&admitted, redactor).await?;
    let mut found = Survey::new(admitted.url(), &targets, example());
    let base = base(admitted.url());

    let asked = survey(&guest, &base, &targets, &mut found).await;
    screen::show(redactor, server.format, &found, screen::survey)?;

    asked.map_err(|error| explained(error, &admitted))?;
    match found.unfit.into_iter().next() {
        Some(unfit) => Err(unfit.into()),
        None => Ok(()),
    }
}

/// What a run that began now could have.
fn example() -> RunPrefix {
    let [a, b, c, d, ..] = uuid::Uuid::new_v4().into_bytes();
    RunPrefix::new(Timestamp::now(), u32::from_be_bytes([a, b, c, d]))
}
