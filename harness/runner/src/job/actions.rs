//! Actions on disk: where they come from, and what their `action.yml` says.

use camino::{Utf8Path, Utf8PathBuf};
use harness_expressions::ExpressionError;
use indexmap::IndexMap;
use serde::Deserialize;

use super::message::Token;
use super::plan::{Action, ActionName, StepPlan, UnknownAction, text_token};
use super::state::Job;
use crate::http::CallError;

/// An action cannot be had or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ActionError {
    #[error("Unable to resolve action `{action}`: {source}")]
    Locate { action: String, source: CallError },
    #[error("An action could not be downloaded: `{action}`: {source}")]
    Download { action: String, source: CallError },
    #[error("the archive of `{action}` cannot be unpacked: {source}")]
    Unpack { action: String, source: std::io::Error },
    #[error("the archive of `{action}` holds {found} entries at its top, not exactly one folder")]
    Layout { action: String, found: usize },
    #[error(
        "Can't find 'action.yml' or 'action.yaml' under '{0}'. Did you forget to run actions/checkout before running your local action?"
    )]
    NoManifest(Utf8PathBuf),
    #[error("{path}: {source}")]
    Read {
        path: Utf8PathBuf,
        source: std::io::Error,
    },
    #[error("{path}: {source}")]
    Manifest {
        path: Utf8PathBuf,
        source: harness_yaml::YamlError,
    },
    #[error("{path}: {source}")]
    Expression {
        path: Utf8PathBuf,
        source: ExpressionError,
    },
    #[error("{path}: {source}")]
    Uses {
        path: Utf8PathBuf,
        source: UnknownAction,
    },
    #[error("composite actions are nested more than {0} deep")]
    TooDeep(usize),
    #[error("the task that unpacks an action ended early")]
    Interrupted(#[from] tokio::task::JoinError),
}

/// How deep composite actions may be nested.
pub(crate) const DEEPEST: usize = 10;

/// What an `action.yml` says, as far as it can be run here.
#[derive(Deserialize)]
pub(crate) struct Manifest {
    #[serde(default)]
    pub(crate) inputs: IndexMap<String, Option<ManifestInput>>,
    #[serde(default)]
    pub(crate) outputs: IndexMap<String, ManifestOutput>,
    pub(crate) runs: ManifestRuns,
}

#[derive(Deserialize)]
pub(crate) struct ManifestInput {
    #[serde(default)]
    pub(crate) default: Option<serde_json::Value>,
}

#[derive(Deserialize)]
pub(crate) struct ManifestOutput {
    #[serde(default)]
    pub(crate) value: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct ManifestRuns {
    pub(crate) using: String,
    #[serde(default)]
    steps: Vec<ManifestStep>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ManifestStep {
    #[serde(default)]
    id: String,
    name: Option<String>,
    r#if: Option<serde_json::Value>,
    run: Option<String>,
    #[serde(default)]
    shell: Option<String>,
    working_directory: Option<String>,
    uses: Option<String>,
    #[serde(default)]
    env: IndexMap<String, serde_json::Value>,
    #[serde(default)]
    with: IndexMap<String, serde_json::Value>,
    continue_on_error: Option<serde_json::Value>,
}

impl Manifest {
    /// Reads the action in `folder`.
    pub(crate) fn read(folder: &Utf8Path) -> Result<Self, ActionError> {
        let path = ["action.yml", "action.yaml"]
            .iter()
            .map(|name| folder.join(name))
            .find(|path| path.is_file())
            .ok_or_else(|| ActionError::NoManifest(folder.to_owned()))?;
        let text = fs_err::read_to_string(&path).map_err(|source| ActionError::Read {
            path: path.clone(),
            source,
        })?;
        harness_yaml::workflow(&text).map_err(|source| ActionError::Manifest { path, source })
    }

    pub(crate) fn is_composite(&self) -> bool {
        self.runs.using.eq_ignore_ascii_case("composite")
    }

    /// The steps of a composite action.
    pub(crate) fn plans(&self, folder: &Utf8Path) -> Result<Vec<StepPlan>, ActionError> {
        self.runs.steps.iter().map(|step| step.plan(folder)).collect()
    }

    /// The actions from other repositories that the steps use.
    fn repositories(&self) -> impl Iterator<Item = ActionName> {
        let names = self
            .runs
            .steps
            .iter()
            .filter_map(|step| step.uses.as_deref()?.parse().ok());
        names.filter(|name| matches!(name, ActionName::Repository { .. }))
    }
}

impl ManifestStep {
    fn plan(&self, folder: &Utf8Path) -> Result<StepPlan, ActionError> {
        let expression = |source| ActionError::Expression {
            path: folder.to_owned(),
            source,
        };
        let text = |text: &Option<String>| match text {
            Some(text) => text_token(text).map_err(expression),
            None => Ok(Token::Null),
        };
        let scalar = |value: &serde_json::Value| text_token(&scalar_text(value)).map_err(expression);
        let mapping = |entries: &IndexMap<String, serde_json::Value>| {
            let pairs = entries
                .iter()
                .map(|(key, value)| Ok((Token::text(key), scalar(value)?)));
            pairs.collect::<Result<_, ActionError>>().map(Token::Mapping)
        };
        let action = match (&self.uses, &self.run) {
            (Some(uses), _) if uses.starts_with("docker://") => Action::Container { image: uses.clone() },
            (Some(uses), _) => Action::Uses {
                action: uses.parse().map_err(|source| ActionError::Uses {
                    path: folder.to_owned(),
                    source,
                })?,
                with: mapping(&self.with)?,
            },
            (None, run) => Action::Run {
                script: text(run)?,
                shell: text(&self.shell)?,
                working_directory: text(&self.working_directory)?,
            },
        };
        Ok(StepPlan {
            context_name: self.id.clone(),
            name: text(&self.name)?,
            condition: self.r#if.as_ref().map(scalar_text).unwrap_or_default(),
            environment: mapping(&self.env)?,
            continue_on_error: self
                .continue_on_error
                .as_ref()
                .map(scalar)
                .transpose()?
                .unwrap_or_default(),
            timeout_minutes: Token::Null,
            action,
        })
    }
}

/// YAML's numbers and booleans as the text that an action gets.
pub(crate) fn scalar_text(value: &serde_json::Value) -> String {
    harness_expressions::Value::from(value.clone()).to_string()
}

impl Job {
    /// The folder of an action, downloaded if it is not there yet.
    pub(crate) async fn action_folder(
        &mut self,
        name: &ActionName,
        log: &str,
    ) -> Result<Utf8PathBuf, ActionError> {
        let (repository, git_ref, path) = match name {
            ActionName::Local { path } => return Ok(self.folders.workspace.join(path)),
            ActionName::Repository {
                repository,
                git_ref,
                path,
            } => (repository, git_ref, path),
        };
        let key = format!("{}@{git_ref}", repository.to_ascii_lowercase());
        let root = match self.actions.get(&key) {
            Some(root) => root.clone(),
            None => {
                let root = self.download(repository, git_ref, log).await?;
                self.actions.insert(key, root.clone());
                root
            }
        };
        Ok(if path.is_empty() { root } else { root.join(path) })
    }

    async fn download(&self, repository: &str, git_ref: &str, log: &str) -> Result<Utf8PathBuf, ActionError> {
        let action = format!("{repository}@{git_ref}");
        let located = self
            .service
            .locate_action(repository, git_ref)
            .await
            .map_err(|source| ActionError::Locate {
                action: action.clone(),
                source,
            })?;
        let sha = located.resolved_sha.as_deref().unwrap_or("unknown");
        self.reporter
            .line(log, &format!("Download action repository '{action}' (SHA:{sha})"));
        let failed = |source| ActionError::Download {
            action: action.clone(),
            source,
        };
        let response = self
            .service
            .download(&located, &self.github_token)
            .await
            .map_err(failed)?;
        let archive = response.bytes().await.map_err(|source| {
            failed(CallError::Transport {
                call: "GET tarball".to_owned(),
                source,
            })
        })?;
        let target = self
            .folders
            .actions
            .join(repository)
            .join(git_ref.replace('/', "_"));
        let root = target.clone();
        tokio::task::spawn_blocking(move || unpack(&archive, &target, &action)).await??;
        Ok(root)
    }

    /// Downloads what the steps use, and what that uses in turn, before the first step runs.
    pub(crate) async fn prepare_actions(
        &mut self,
        plans: &[&StepPlan],
        log: &str,
    ) -> Result<(), ActionError> {
        let mut wanted: Vec<(ActionName, usize)> = plans
            .iter()
            .filter_map(|plan| match &plan.action {
                Action::Uses {
                    action: action @ ActionName::Repository { .. },
                    ..
                } => Some((action.clone(), 1)),
                _ => None,
            })
            .collect();
        if !wanted.is_empty() {
            self.reporter.line(log, "Getting action download info");
        }
        while let Some((name, depth)) = wanted.pop() {
            if depth > DEEPEST {
                return Err(ActionError::TooDeep(DEEPEST));
            }
            let manifest = Manifest::read(&self.action_folder(&name, log).await?)?;
            wanted.extend(manifest.repositories().map(|name| (name, depth + 1)));
        }
        Ok(())
    }
}

/// Unpacks a gzipped archive whose one top folder becomes `target`.
fn unpack(archive: &[u8], target: &Utf8Path, action: &str) -> Result<(), ActionError> {
    let failed = |source| ActionError::Unpack {
        action: action.to_owned(),
        source,
    };
    let staging = target.with_extension("unpacking");
    for folder in [&staging, target] {
        match fs_err::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    fs_err::create_dir_all(&staging).map_err(failed)?;
    // `unpack` keeps every entry below the folder.
    tar::Archive::new(flate2::read::GzDecoder::new(archive))
        .unpack(&staging)
        .map_err(failed)?;
    let top: Vec<_> = fs_err::read_dir(&staging)
        .and_then(|entries| entries.collect::<Result<_, _>>())
        .map_err(failed)?;
    match top.as_slice() {
        [one] if one.path().is_dir() => {
            fs_err::rename(one.path(), target).map_err(failed)?;
            fs_err::remove_dir_all(&staging).map_err(failed)
        }
        top => Err(ActionError::Layout {
            action: action.to_owned(),
            found: top.len(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(paths: &[(&str, &str)]) -> Vec<u8> {
        let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut builder = tar::Builder::new(encoder);
        for (path, content) in paths {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o755);
            builder
                .append_data(&mut header, path, content.as_bytes())
                .expect("an entry is written");
        }
        builder
            .into_inner()
            .and_then(flate2::write::GzEncoder::finish)
            .expect("the archive is written")
    }

    #[test]
    fn the_top_folder_becomes_the_action() {
        let folder = camino_tempfile::tempdir().expect("a folder");
        let target = folder.path().join("o/r/v1");
        let archive = archive(&[
            ("o-r-123/action.yml", "runs: {using: composite, steps: []}"),
            ("o-r-123/x/y", "z"),
        ]);

        unpack(&archive, &target, "o/r@v1").expect("the archive is unpacked");
        unpack(&archive, &target, "o/r@v1").expect("the archive replaces what is there");

        assert_eq!(
            fs_err::read_to_string(target.join("x/y")).expect("the file is there"),
            "z"
        );
        assert!(
            Manifest::read(&target)
                .expect("the action is read")
                .is_composite()
        );
    }

    #[test]
    fn other_layouts_are_refused() {
        let folder = camino_tempfile::tempdir().expect("a folder");
        let error = unpack(
            &archive(&[("a/x", ""), ("b/x", "")]),
            &folder.path().join("t"),
            "o/r@v1",
        )
        .expect_err("two folders at the top are not an action");

        assert!(error.to_string().contains("2 entries"));
    }

    #[test]
    fn the_steps_of_an_action_are_read() {
        let folder = camino_tempfile::tempdir().expect("a folder");
        let text = "
name: x
inputs:
  who: {default: 3}
  none:
outputs:
  out: {value: '${{ steps.a.outputs.b }}'}
runs:
  using: composite
  steps:
    - id: a
      if: true
      run: echo ${{ inputs.who }}
      shell: bash
      env: {N: 1, B: true}
    - uses: o/r@v1
      with: {x: 'a ${{ b }}'}
";
        fs_err::write(folder.path().join("action.yaml"), text).expect("the file is written");

        let manifest = Manifest::read(folder.path()).expect("the action is read");
        let plans = manifest.plans(folder.path()).expect("the steps are read");

        assert_eq!(plans.len(), 2);
        assert_eq!(plans[0].condition, "true");
        assert_eq!(plans[0].environment.entry("B"), Some(&Token::text("true")));
        assert!(
            matches!(&plans[0].action, Action::Run { script: Token::Expression(expression), .. }
            if expression == "format('echo {0}', inputs.who)")
        );
        assert!(matches!(&plans[1].action, Action::Uses { with, .. }
            if with.entry("x") == Some(&Token::Expression("format('a {0}', b)".to_owned()))));
        assert_eq!(manifest.repositories().count(), 1);
    }
}
