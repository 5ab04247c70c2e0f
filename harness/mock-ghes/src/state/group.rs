//! Runner groups of organizations, besides the group `Default` that every scope has.
//!
//! What it is not: runners register in `Default` only; a group of its own says which repositories may use it, and no more.

use super::{Message, State, next};
use crate::{RepositoryName, Scope};

/// The number of the group `Default`.
pub(crate) const DEFAULT_GROUP_ID: u64 = 1;

/// A runner group.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) id: u64,
    pub(crate) scope: Scope,
    pub(crate) name: String,
    pub(crate) visibility: Visibility,
}

/// Which repositories may use a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Visibility {
    /// Every one of the organization.
    All,
    /// Those that are private.
    Private,
    /// These.
    Selected(Vec<RepositoryName>),
}

impl Group {
    /// Whether this repository of the organization may use it.
    pub(crate) fn is_visible_to(&self, repository: &RepositoryName, public: bool) -> bool {
        match &self.visibility {
            Visibility::All => true,
            Visibility::Private => !public,
            Visibility::Selected(repositories) => repositories.contains(repository),
        }
    }
}

/// Makes a group.
pub(crate) struct AddGroup {
    pub(crate) scope: Scope,
    pub(crate) name: String,
    pub(crate) visibility: Visibility,
}

impl Message for AddGroup {
    /// None: there is one of this name.
    type Reply = Option<Group>;

    fn apply(self, state: &mut State) -> Option<Group> {
        let named = |group: &Group| group.scope == self.scope && group.name.eq_ignore_ascii_case(&self.name);
        if self.name.eq_ignore_ascii_case(super::DEFAULT_GROUP) || state.groups.iter().any(named) {
            return None;
        }
        let group = Group {
            id: DEFAULT_GROUP_ID + next(&mut state.ids.group),
            scope: self.scope,
            name: self.name,
            visibility: self.visibility,
        };
        state.groups.push(group.clone());
        Some(group)
    }
}

/// Removes a group.
pub(crate) struct RemoveGroup(pub(crate) u64);

impl Message for RemoveGroup {
    type Reply = ();

    fn apply(self, state: &mut State) {
        state.groups.retain(|group| group.id != self.0);
    }
}

/// The groups of a scope besides `Default`, oldest first.
pub(crate) struct GroupsOf(pub(crate) Scope);

impl Message for GroupsOf {
    type Reply = Vec<Group>;
    const CHANGES: bool = false;

    fn apply(self, state: &mut State) -> Vec<Group> {
        let groups = state.groups.iter();
        groups.filter(|group| group.scope == self.0).cloned().collect()
    }
}
