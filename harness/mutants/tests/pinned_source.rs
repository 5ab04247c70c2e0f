//! What is written down of mutants, against the pinned source of ARC where Go's module cache has it.
//!
//! What it is not: no mutant is built. `cargo xtask mutants` fetches the source and refuses what does not fit, and a stage of `cargo xtask test` runs it.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use harness_mutants::data::Data;
use harness_mutants::{Mutant, all};

const VERSION: &str = "v0.27.6";

fn repository() -> &'static Utf8Path {
    Utf8Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn data() -> Data {
    Data::read(repository()).expect("the committed files are readable and agree")
}

/// Go's own rules for where its module cache is.
fn pinned_source() -> Option<Utf8PathBuf> {
    let folder = |name: &str, below: &str| Some(Utf8PathBuf::from(std::env::var(name).ok()?).join(below));
    let cache = folder("GOMODCACHE", "")
        .or_else(|| folder("GOPATH", "pkg/mod"))
        .or_else(|| folder("HOME", "go/pkg/mod"))?;
    let source = cache.join(format!("github.com/actions/actions-runner-controller@{VERSION}"));
    source.join("main.go").is_file().then_some(source)
}

fn mutants() -> Option<Vec<Mutant>> {
    let source = pinned_source()?;
    Some(all(&data(), &source, VERSION).expect("every named mutant fits the pinned source"))
}

#[test]
fn forty_mutants_have_names_and_say_what_a_user_suffers() {
    let data = data();

    assert!(data.named.len() >= 40, "only {} are named", data.named.len());
    for named in &data.named {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(named.name.chars().all(plain), "{} is no name", named.name);
    }
}

#[test]
fn every_mutant_of_the_pinned_source_has_an_id_of_its_own() {
    let Some(mutants) = mutants() else { return };

    let ids: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.id.as_str()).collect();

    assert_eq!(ids.len(), mutants.len());
    assert!(ids.len() > 1000, "the operators make only {}", ids.len());
}

#[test]
fn what_is_called_equivalent_is_there() {
    let Some(mutants) = mutants() else { return };
    let ids: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.id.as_str()).collect();

    let gone: Vec<String> = data()
        .equivalent
        .ids()
        .filter(|id| !ids.contains(id))
        .map(str::to_owned)
        .collect();

    assert_eq!(gone, Vec::<String>::new());
}

#[test]
fn a_mutant_changes_one_place() {
    let (Some(mutants), Some(source)) = (mutants(), pinned_source()) else {
        return;
    };
    for mutant in mutants {
        let text = fs_err::read_to_string(source.join(&mutant.file)).expect("the file was read before");

        let applied = mutant.applied(&text);

        assert_ne!(applied, text, "{} changes nothing", mutant.id);
        assert!(applied.starts_with(&text[..mutant.range.start]));
        assert!(applied.ends_with(&text[mutant.range.end..]));
    }
}
