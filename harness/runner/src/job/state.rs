//! What a job knows while it runs: folders, environment, contexts, and the results of its steps.

use std::collections::HashMap;

use camino::Utf8PathBuf;
use harness_expressions::{Context, Status, Value};
use harness_model::Redactor;
use indexmap::IndexMap;
use secrecy::SecretString;
use uuid::Uuid;

use super::Cancellation;
use super::message::{JobMessage, Token};
use super::reporter::Reporter;
use super::service::JobService;
use crate::config::Settings;

/// Where things lie below the work folder.
pub(crate) struct Folders {
    pub(crate) temp: Utf8PathBuf,
    pub(crate) actions: Utf8PathBuf,
    pub(crate) tools: Utf8PathBuf,
    /// `GITHUB_WORKSPACE`.
    pub(crate) workspace: Utf8PathBuf,
    /// `RUNNER_WORKSPACE`, its parent.
    pub(crate) runner_workspace: Utf8PathBuf,
}

impl Folders {
    fn new(settings: &Settings, repository: &str) -> Self {
        let work = &settings.work_folder;
        let name = repository
            .rsplit('/')
            .next()
            .filter(|name| !name.is_empty())
            .unwrap_or("workspace");
        let runner_workspace = work.join(name);
        Self {
            temp: work.join("_temp"),
            actions: work.join("_actions"),
            tools: work.join("_tool"),
            workspace: runner_workspace.join(name),
            runner_workspace,
        }
    }

    /// The files that speak between step and runner.
    pub(crate) fn file_commands(&self) -> Utf8PathBuf {
        self.temp.join("_runner_file_commands")
    }

    pub(crate) fn event(&self) -> Utf8PathBuf {
        self.temp.join("_github_workflow/event.json")
    }
}

/// One running job.
pub(crate) struct Job {
    pub(crate) settings: Settings,
    pub(crate) service: JobService,
    pub(crate) reporter: Reporter,
    pub(crate) masker: Redactor,
    pub(crate) cancellation: Cancellation,
    pub(crate) folders: Folders,
    /// The `env` context of the job: workflow and job level, and what steps wrote to `GITHUB_ENV`.
    pub(crate) environment: IndexMap<String, String>,
    /// `defaults` of the workflow and of the job, in this order.
    pub(crate) defaults: Vec<Token>,
    /// What steps wrote to `GITHUB_PATH`, newest first.
    pub(crate) paths: Vec<String>,
    pub(crate) github: IndexMap<String, Value>,
    pub(crate) github_token: SecretString,
    /// Roots that do not change: `needs`, `matrix`, `strategy`, `vars`, `inputs`, `secrets`, `runner`.
    pub(crate) roots: Vec<(String, Value)>,
    pub(crate) status: Status,
    /// Actions that are on disk, by `owner/name@ref`.
    pub(crate) actions: HashMap<String, Utf8PathBuf>,
    pub(crate) tracking_id: String,
}

/// What the steps of one level see: the job's own, or those of a composite action.
#[derive(Default)]
pub(crate) struct Scope {
    pub(crate) steps: IndexMap<String, Value>,
    /// The inputs of a composite action; `None` at the job's level, which has the workflow's.
    pub(crate) inputs: Option<Value>,
    pub(crate) failed: bool,
    /// What the step that uses the composite action adds to the environment.
    pub(crate) environment: IndexMap<String, String>,
    pub(crate) action: Option<ActionPlace>,
    pub(crate) depth: usize,
}

/// The action that a step belongs to.
#[derive(Clone)]
pub(crate) struct ActionPlace {
    pub(crate) folder: Utf8PathBuf,
    /// `owner/name`, empty for a local action.
    pub(crate) repository: String,
    pub(crate) git_ref: String,
}

/// The roots that a server fills.
const SERVER_ROOTS: [&str; 5] = ["needs", "matrix", "strategy", "vars", "inputs"];

impl Job {
    /// Reads the message; nothing is on disk yet.
    pub(crate) fn new(
        message: &mut JobMessage,
        settings: &Settings,
        service: JobService,
        reporter: Reporter,
        masker: Redactor,
        cancellation: Cancellation,
    ) -> Self {
        let mut data = std::mem::take(&mut message.context_data);
        let mut github = match data.swap_remove("github").unwrap_or_default().0 {
            Value::Object(github) => github,
            _ => IndexMap::new(),
        };
        let repository = github
            .get("repository")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let folders = Folders::new(settings, repository);
        let token = message
            .variables
            .get("system.github.token")
            .map(|token| token.value.clone())
            .unwrap_or_default();
        github.insert("token".to_owned(), token.clone().into());
        github.insert("workspace".to_owned(), folders.workspace.as_str().into());
        github.insert("event_path".to_owned(), folders.event().as_str().into());
        if !github.contains_key("job")
            && let Some(job) = message.variables.get("system.github.job")
        {
            github.insert("job".to_owned(), job.value.clone().into());
        }

        let mut roots: Vec<(String, Value)> = SERVER_ROOTS
            .iter()
            .map(|name| ((*name).to_owned(), data.swap_remove(*name).unwrap_or_default().0))
            .collect();
        roots.push(("secrets".to_owned(), secrets(message)));
        roots.push(("runner".to_owned(), runner(settings, &folders)));
        Self {
            settings: settings.clone(),
            service,
            reporter,
            masker,
            cancellation,
            folders,
            environment: IndexMap::new(),
            defaults: std::mem::take(&mut message.defaults),
            paths: Vec::new(),
            github,
            github_token: token.into(),
            roots,
            status: Status::Success,
            actions: HashMap::new(),
            tracking_id: format!("github_{}", Uuid::new_v4()),
        }
    }

    /// The context of a step; `own` is what the step itself adds to `env`.
    pub(crate) fn context(&self, scope: &Scope, own: &IndexMap<String, String>) -> Context {
        let status = match (self.status, scope.failed) {
            (Status::Cancelled, _) => Status::Cancelled,
            // A failure outside of a composite action does not reach into it: it runs, so the job let it run.
            (Status::Failure, _) if scope.action.is_none() => Status::Failure,
            (_, true) => Status::Failure,
            (_, false) => Status::Success,
        };
        let environment = self.environment.iter().chain(&scope.environment).chain(own);
        let environment: Value = environment
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let mut github = self.github.clone();
        if let Some(action) = &scope.action {
            github.insert("action_path".to_owned(), action.folder.as_str().into());
            github.insert("action_repository".to_owned(), action.repository.clone().into());
            github.insert("action_ref".to_owned(), action.git_ref.clone().into());
            github.insert("action_status".to_owned(), status_text(status).into());
        }
        let job: Value = [
            ("status", Value::from(status_text(self.status))),
            ("container", empty()),
            ("services", empty()),
        ]
        .into_iter()
        .collect();
        let context = self
            .roots
            .iter()
            .fold(Context::new().status(status), |context, (name, value)| {
                match (&scope.inputs, name.as_str()) {
                    (Some(inputs), "inputs") => context.with("inputs", inputs.clone()),
                    // A composite action sees only what it is given.
                    (Some(_), "secrets" | "needs" | "vars") => context,
                    _ => context.with(name, value.clone()),
                }
            });
        context
            .with("github", Value::Object(github))
            .with("env", environment)
            .with("job", job)
            .with("steps", Value::Object(scope.steps.clone()))
    }
}

fn empty() -> Value {
    Value::Object(IndexMap::new())
}

pub(crate) fn status_text(status: Status) -> &'static str {
    match status {
        Status::Success => "success",
        Status::Failure => "failure",
        Status::Cancelled => "cancelled",
    }
}

/// Every secret variable but the system's own token.
fn secrets(message: &JobMessage) -> Value {
    message
        .variables
        .iter()
        .filter(|(name, variable)| variable.is_secret && !name.eq_ignore_ascii_case("system.github.token"))
        .map(|(name, variable)| {
            let name = if name.eq_ignore_ascii_case("github_token") {
                "GITHUB_TOKEN"
            } else {
                name
            };
            (name.to_owned(), variable.value.clone())
        })
        .collect()
}

fn runner(settings: &Settings, folders: &Folders) -> Value {
    [
        ("os", "Linux"),
        ("arch", "X64"),
        ("name", &settings.name),
        ("environment", "self-hosted"),
        ("tool_cache", folders.tools.as_str()),
        ("temp", folders.temp.as_str()),
        ("workspace", folders.runner_workspace.as_str()),
    ]
    .into_iter()
    .collect()
}
