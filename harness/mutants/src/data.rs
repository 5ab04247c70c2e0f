//! What is written down of mutants, under `fixtures/mutants/`: the files that are changed and who could notice, the named mutants, the equivalent ones.

use anyhow::{Context as _, ensure};
use camino::Utf8Path;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Below the repository.
pub const FOLDER: &str = "fixtures/mutants";

/// Most of ARC's controllers lie here; ids leave it out.
const CONTROLLERS: &str = "controllers/actions.summerwind.net/";

/// All of it.
#[derive(Debug, Clone)]
pub struct Data {
    /// `sources.toml`.
    pub sources: Vec<Source>,
    /// `named.toml`.
    pub named: Vec<Named>,
    /// `equivalent.toml`.
    pub equivalent: Equivalents,
}

/// A file of ARC's module that is given defects.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Within the module.
    pub file: String,
    /// Whether the operators leave it alone.
    #[serde(default)]
    pub named_only: bool,
    /// The parts that have it in them and that checks watch.
    pub programs: Vec<String>,
    /// Substrings of the ids of the checks that could notice a defect in it.
    checks: Vec<String>,
    /// Functions for which others are the ones.
    #[serde(default, rename = "function")]
    functions: Vec<FunctionChecks>,
}

/// As of the whole file, for some functions.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct FunctionChecks {
    names: Vec<String>,
    checks: Vec<String>,
}

/// A mutant that somebody thought of.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Lower case, hyphens.
    pub name: String,
    /// Within the module.
    pub file: String,
    /// Stands in the file once.
    pub find: String,
    /// Goes in its place.
    pub replace: String,
    /// What a user would have of it.
    pub suffers: String,
    /// The versions of ARC whose source it fits.
    pub versions: Vec<String>,
    /// The checks that should notice, if fewer than the file's.
    #[serde(default)]
    pub checks: Vec<String>,
}

/// Mutants that no user can tell from ARC.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Equivalents {
    /// One by one.
    #[serde(default, rename = "mutant")]
    mutants: Vec<EquivalentMutant>,
    /// All of a function.
    #[serde(default, rename = "function")]
    functions: Vec<EquivalentFunction>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct EquivalentMutant {
    id: String,
    reason: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct EquivalentFunction {
    file: String,
    name: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceFile {
    source: Vec<Source>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedFile {
    mutant: Vec<Named>,
}

impl Data {
    /// Reads and checks the files.
    ///
    /// # Errors
    /// What cannot be read, or contradicts itself.
    pub fn read(repository: &Utf8Path) -> anyhow::Result<Data> {
        let folder = repository.join(FOLDER);
        let sources: SourceFile = read(&folder.join("sources.toml"))?;
        let named: NamedFile = read(&folder.join("named.toml"))?;
        let data = Data {
            sources: sources.source,
            named: named.mutant,
            equivalent: read(&folder.join("equivalent.toml"))?,
        };
        for (index, named) in data.named.iter().enumerate() {
            let name = &named.name;
            data.source(&named.file).with_context(|| {
                format!("the mutant {name} is in {}, which sources.toml lacks", named.file)
            })?;
            ensure!(
                data.named[..index].iter().all(|other| other.name != *name),
                "the mutant {name} is there twice in named.toml"
            );
            ensure!(
                !named.suffers.is_empty(),
                "the mutant {name} does not say what a user suffers"
            );
        }
        Ok(data)
    }

    /// What is written down of a file.
    #[must_use]
    pub fn source(&self, file: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.file == file)
    }

    /// Every filter of checks that is named anywhere.
    pub fn filters(&self) -> impl Iterator<Item = &str> {
        let of_sources = self.sources.iter().flat_map(|source| {
            let of_functions = source.functions.iter().flat_map(|function| &function.checks);
            source.checks.iter().chain(of_functions)
        });
        let of_named = self.named.iter().flat_map(|named| &named.checks);
        of_sources.chain(of_named).map(String::as_str)
    }
}

impl Source {
    /// As ids name the file.
    #[must_use]
    pub fn label(&self) -> &str {
        self.file.strip_prefix(CONTROLLERS).unwrap_or(&self.file)
    }

    /// The checks that could notice a defect in this function, or at the top of the file.
    pub(crate) fn checks(&self, function: Option<&str>) -> &[String] {
        let of_it = self
            .functions
            .iter()
            .find(|of| function.is_some_and(|function| of.names.iter().any(|name| name == function)));
        of_it.map_or(&self.checks, |of| &of.checks)
    }
}

impl Equivalents {
    /// Why this mutant is no defect, if it is none.
    #[must_use]
    pub fn reason(&self, mutant: &crate::Mutant) -> Option<&str> {
        let alone = self.mutants.iter().find(|known| known.id == mutant.id);
        let of_function = |known: &&EquivalentFunction| {
            known.file == mutant.file && mutant.function.as_ref() == Some(&known.name)
        };
        let of_function = self.functions.iter().find(of_function);
        alone
            .map(|known| known.reason.as_str())
            .or(of_function.map(|known| known.reason.as_str()))
    }

    /// The ids that are written down.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.mutants.iter().map(|known| known.id.as_str())
    }
}

fn read<T: DeserializeOwned>(path: &Utf8Path) -> anyhow::Result<T> {
    let text = fs_err::read_to_string(path)?;
    toml::from_str(&text).with_context(|| format!("read {path}"))
}
