//! `run:` steps: the shell, the environment a step gets, and what it says back through its output and its files.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use harness_expressions::{Context, Value};
use indexmap::IndexMap;
use uuid::Uuid;

use super::files::FileCommands;
use super::output::Output;
use super::process::{self, Ended, TRACKING_VARIABLE};
use super::shell::{DEFAULT_PATH, Shell};
use super::state::{Job, Scope};
use super::steps::{StepError, StepLog};

/// A script, with everything evaluated.
pub(crate) struct Script {
    pub(crate) text: String,
    pub(crate) shell: Option<String>,
    pub(crate) working_directory: Option<String>,
}

/// Whose script it is.
pub(crate) struct Surroundings<'a> {
    /// `GITHUB_ACTION`.
    pub(crate) name: &'a str,
    pub(crate) scope: &'a Scope,
    /// What the step itself adds to the environment.
    pub(crate) own: &'a IndexMap<String, String>,
}

/// The keys of the `github` context that steps get as `GITHUB_…`.
const GITHUB_VARIABLES: [&str; 32] = [
    "action",
    "action_path",
    "action_ref",
    "action_repository",
    "actor",
    "actor_id",
    "api_url",
    "base_ref",
    "event_name",
    "event_path",
    "graphql_url",
    "head_ref",
    "job",
    "ref",
    "ref_name",
    "ref_protected",
    "ref_type",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "retention_days",
    "run_attempt",
    "run_id",
    "run_number",
    "server_url",
    "sha",
    "triggering_actor",
    "workflow",
    "workflow_ref",
    "workflow_sha",
    "workspace",
];

const MAX_SUMMARY: usize = 1024 * 1024;

impl Job {
    /// Runs a script to its end and takes in what it wrote.
    pub(crate) async fn run_script(
        &mut self,
        script: &Script,
        around: &Surroundings<'_>,
        log: &mut StepLog,
        outputs: &mut IndexMap<String, String>,
        limit: Option<Duration>,
    ) -> Result<Ended, StepError> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |source| StepError::System { what, source }
        };
        let files =
            FileCommands::create(&self.folders.file_commands()).map_err(failed("make the file commands"))?;
        let environment = self.step_environment(around, &files);
        let path = environment.get("PATH").map_or(DEFAULT_PATH, String::as_str);
        let shell = Shell::choose(script.shell.as_deref(), path)?;
        let file = self
            .write_script(&script.text, shell.extension)
            .map_err(failed("write the script"))?;
        let folder = match &script.working_directory {
            Some(folder) => self.folders.workspace.join(folder),
            None => self.folders.workspace.clone(),
        };
        self.print_header(script, &shell, around, log);
        if !folder.is_dir() {
            return Err(StepError::Refused(format!(
                "The working directory '{folder}' does not exist."
            )));
        }

        let mut command = tokio::process::Command::new(&shell.program);
        command
            .args(
                shell
                    .arguments
                    .iter()
                    .map(|argument| argument.replace("{0}", file.as_str())),
            )
            .current_dir(&folder)
            .env_clear()
            .envs(&environment);
        let cancel = self.cancellation.current();
        let mut output = Output {
            job: self,
            log,
            outputs,
            silenced: None,
            failure: None,
        };
        let ended = process::run(command, |line| output.line(line), &cancel, limit).await;
        let failure = output.failure;
        let _ = fs_err::remove_file(&file);
        let ended = ended.map_err(failed(&format!("start {}", shell.program)))?;

        self.take_files(&files, log, outputs)?;
        match failure {
            Some(failure) => Err(StepError::Refused(failure)),
            None => Ok(ended),
        }
    }

    /// Runs a hook script of the image, as a step of its own.
    pub(crate) async fn run_hook(&mut self, hook: &Utf8Path, log: &mut StepLog) -> Result<(), StepError> {
        let script = Script {
            text: format!("{hook}\n"),
            shell: None,
            working_directory: None,
        };
        let (scope, own, mut outputs) = (Scope::default(), IndexMap::new(), IndexMap::new());
        let around = Surroundings {
            name: "",
            scope: &scope,
            own: &own,
        };
        match self.run_script(&script, &around, log, &mut outputs, None).await? {
            Ended::Exited(0) => Ok(()),
            Ended::Exited(code) => Err(StepError::Exit(code)),
            Ended::TimedOut => Err(StepError::TimedOut),
            Ended::Cancelled => Err(StepError::Cancelled),
        }
    }

    fn write_script(&self, text: &str, extension: &str) -> std::io::Result<Utf8PathBuf> {
        let file = self.folders.temp.join(format!("{}{extension}", Uuid::new_v4()));
        fs_err::write(&file, text.replace("\r\n", "\n") + "\n")?;
        fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?;
        Ok(file)
    }

    fn print_header(&self, script: &Script, shell: &Shell, around: &Surroundings<'_>, log: &StepLog) {
        let line = |text: &str| self.reporter.line(&log.record, text);
        let text = script.text.trim_end();
        line(&format!(
            "##[group]Run {}",
            text.trim_start().lines().next().unwrap_or_default()
        ));
        for text in text.lines() {
            line(&format!("\u{1b}[36;1m{text}\u{1b}[0m"));
        }
        line(&format!("shell: {} {}", shell.program, shell.arguments.join(" ")));
        let mut environment: IndexMap<&String, &String> = self.environment.iter().collect();
        environment.extend(&around.scope.environment);
        environment.extend(around.own);
        if !environment.is_empty() {
            line("env:");
            for (name, value) in environment {
                line(&format!("  {name}: {value}"));
            }
        }
        line("##[endgroup]");
    }

    /// From the weakest to the strongest: the pod's, the job's, the step's, and what the runner itself sets.
    fn step_environment(&self, around: &Surroundings<'_>, files: &FileCommands) -> IndexMap<String, String> {
        let mut all: IndexMap<String, String> = self
            .settings
            .step_environment
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        for level in [&self.environment, &around.scope.environment, around.own] {
            all.extend(level.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        for key in GITHUB_VARIABLES {
            let value = self
                .github
                .get(key)
                .filter(|value| !matches!(value, Value::Null | Value::Array(_) | Value::Object(_)));
            if let Some(value) = value {
                all.insert(format!("GITHUB_{}", key.to_ascii_uppercase()), value.to_string());
            }
        }
        let fixed = [
            ("CI", "true"),
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_ACTION", around.name),
            ("RUNNER_OS", "Linux"),
            ("RUNNER_ARCH", "X64"),
            ("RUNNER_NAME", &self.settings.name),
            ("RUNNER_ENVIRONMENT", "self-hosted"),
            ("RUNNER_TEMP", self.folders.temp.as_str()),
            ("RUNNER_TOOL_CACHE", self.folders.tools.as_str()),
            ("RUNNER_WORKSPACE", self.folders.runner_workspace.as_str()),
            (TRACKING_VARIABLE, &self.tracking_id),
        ];
        let action = around.scope.action.iter().flat_map(|action| {
            [
                ("GITHUB_ACTION_PATH", action.folder.as_str()),
                ("GITHUB_ACTION_REPOSITORY", action.repository.as_str()),
                ("GITHUB_ACTION_REF", action.git_ref.as_str()),
            ]
        });
        let files = files.variables().map(|(name, path)| (name, path.as_str()));
        for (name, value) in fixed.into_iter().chain(action).chain(files) {
            all.insert(name.to_owned(), value.to_owned());
        }
        all.entry("HOME".to_owned())
            .or_insert_with(|| self.settings.home.to_string());
        let path = all
            .entry("PATH".to_owned())
            .or_insert_with(|| DEFAULT_PATH.to_owned());
        *path = self
            .paths
            .iter()
            .map(String::as_str)
            .chain([path.as_str()])
            .collect::<Vec<_>>()
            .join(":");
        all
    }

    /// What a step wrote into its files.
    fn take_files(
        &mut self,
        files: &FileCommands,
        log: &StepLog,
        outputs: &mut IndexMap<String, String>,
    ) -> Result<(), StepError> {
        let refused = |file| move |source| StepError::FileCommand { file, source };
        for (name, value) in files.env().map_err(refused("env"))? {
            if name.eq_ignore_ascii_case("NODE_OPTIONS") {
                return Err(StepError::Refused(format!(
                    "Can't store {name} output parameter using '$GITHUB_ENV' command."
                )));
            }
            self.environment.insert(name, value);
        }
        outputs.extend(files.outputs().map_err(refused("output"))?);
        for path in files.paths() {
            self.paths.retain(|known| *known != path);
            self.paths.insert(0, path);
        }
        let summary = files.summary();
        if summary.len() > MAX_SUMMARY {
            self.reporter.line(
                &log.record,
                "##[error]$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of 1024k.",
            );
        } else if !summary.trim().is_empty() {
            self.reporter.attach("Checks.Step.Summary", &log.record, &summary);
        }
        Ok(())
    }

    /// `defaults.run` of the job or workflow; the last one that says something counts.
    pub(crate) fn default_for(&self, key: &str, context: &Context) -> Option<String> {
        let values = self
            .defaults
            .iter()
            .rev()
            .filter_map(|defaults| defaults.entry("run")?.entry(key));
        values
            .filter_map(|token| token.resolve(context).ok())
            .map(|value| value.to_string())
            .find(|text| !text.is_empty())
    }
}
