//! The actions that the server itself offers, as archives: so far `actions/checkout`, a composite action of ours that
//! really fetches from the server with git. Actions in the world's repositories come from git instead.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::digest::sha256_hex;

const CHECKOUT: &str = include_str!("../action/checkout/action.yml");
/// The line of the action that says how many commits before the wanted one it checks out.
const BACK: &str = "CHECKOUT_BACK: '0'";

/// An action that the server offers.
#[derive(Debug, Clone)]
pub(crate) struct BuiltInAction {
    name: &'static str,
    definition: String,
}

/// The action of this `owner/name`. `stale` makes the checkout take the commit before the wanted one.
pub(crate) fn built_in(name: &str, stale: bool) -> Option<BuiltInAction> {
    name.eq_ignore_ascii_case("actions/checkout")
        .then(|| BuiltInAction {
            name: "actions-checkout",
            definition: if stale {
                CHECKOUT.replace(BACK, "CHECKOUT_BACK: '1'")
            } else {
                CHECKOUT.to_owned()
            },
        })
}

impl BuiltInAction {
    /// The commit that stands for this definition: 40 hex digits that change with the text, so that clients' action
    /// caches never mix two definitions.
    pub(crate) fn sha(&self) -> String {
        sha256_hex(self.definition.as_bytes())[..40].to_owned()
    }

    /// A gzipped tar with exactly one top folder.
    pub(crate) fn archive(&self) -> std::io::Result<Vec<u8>> {
        let top = format!("{}-{}", self.name, &self.sha()[..7]);
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        let mut folder = tar::Header::new_gnu();
        folder.set_entry_type(tar::EntryType::Directory);
        folder.set_mode(0o755);
        folder.set_size(0);
        tar.append_data(&mut folder, format!("{top}/"), std::io::empty())?;
        let mut file = tar::Header::new_gnu();
        file.set_mode(0o644);
        file.set_size(self.definition.len() as u64);
        tar.append_data(&mut file, format!("{top}/action.yml"), self.definition.as_bytes())?;
        let mut gzip = tar.into_inner()?;
        gzip.flush()?;
        gzip.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn paths(archive: &[u8]) -> Vec<String> {
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(archive));
        let entries = tar.entries().expect("the archive is a tar");
        entries
            .map(|entry| {
                let mut entry = entry.expect("an entry is readable");
                let mut text = String::new();
                entry.read_to_string(&mut text).expect("a definition is text");
                entry.path().expect("an entry has a path").display().to_string()
            })
            .collect()
    }

    #[test]
    fn the_archive_has_one_top_folder() {
        let action = built_in("Actions/Checkout", false).expect("checkout is built in");

        let paths = paths(&action.archive().expect("the archive is made in memory"));

        let top = format!("actions-checkout-{}", &action.sha()[..7]);
        assert_eq!(paths, [format!("{top}/"), format!("{top}/action.yml")]);
    }

    #[test]
    fn a_stale_checkout_is_another_action_by_content() {
        let fresh = built_in("actions/checkout", false).expect("checkout is built in");
        let stale = built_in("actions/checkout", true).expect("checkout is built in");

        assert_ne!(fresh.sha(), stale.sha());
        assert!(stale.definition.contains("CHECKOUT_BACK: '1'"));
    }

    #[test]
    fn other_actions_are_not_built_in() {
        assert!(built_in("actions/setup-node", false).is_none());
    }
}
