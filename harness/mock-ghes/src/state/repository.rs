//! Which repositories of the world were removed. The others are as the world has them.

use std::collections::BTreeSet;

use super::{Message, State};
use crate::{RepositoryName, Scope};

/// Removes a repository, with its webhooks. Its runs stay, as history.
pub(crate) struct RemoveRepository(pub(crate) RepositoryName);

impl Message for RemoveRepository {
    type Reply = ();

    fn apply(self, state: &mut State) {
        let scope = Scope::Repository(self.0.clone());
        state.hooks.remove_of(&scope);
        state.removed.insert(self.0);
    }
}

/// Those that were removed.
pub(crate) struct RemovedRepositories;

impl Message for RemovedRepositories {
    type Reply = BTreeSet<RepositoryName>;
    const CHANGES: bool = false;

    fn apply(self, state: &mut State) -> BTreeSet<RepositoryName> {
        state.removed.clone()
    }
}
