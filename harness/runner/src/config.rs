//! What the environment says: the variables that ARC puts into a runner pod, with the defaults of the image's scripts.

use std::collections::HashMap;
use std::time::Duration;

use camino::Utf8PathBuf;
use secrecy::SecretString;

/// The environment cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A variable that must be there is not.
    #[error("{0} must be set")]
    Missing(&'static str),
    /// None of the three scopes.
    #[error("at least one of RUNNER_ORG, RUNNER_REPO, or RUNNER_ENTERPRISE must be set")]
    NoScope,
    /// A number was expected.
    #[error("{name} must be a whole number of seconds, not `{value}`")]
    NotSeconds {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: String,
    },
    /// The address of the server.
    #[error("GITHUB_URL `{value}` is not an absolute address")]
    Address {
        /// What it holds.
        value: String,
        /// The parser's words.
        #[source]
        source: url::ParseError,
    },
}

/// The settings of one runner.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `RUNNER_NAME`.
    pub name: String,
    /// `RUNNER_TOKEN`: the registration token.
    pub token: SecretString,
    /// `GITHUB_URL`, always with a slash at its end.
    pub github_url: String,
    /// What follows the server's address: `org`, `owner/repo` or `enterprises/slug`.
    pub attach: String,
    /// `RUNNER_GROUP`; never set for a repository, which has no groups.
    pub group: Option<String>,
    /// `RUNNER_LABELS`, comma separated: beyond the labels every runner has.
    pub labels: Vec<String>,
    /// `RUNNER_WORKDIR`.
    pub work_folder: Utf8PathBuf,
    /// `RUNNER_HOME`: where `.runner` lies.
    pub home: Utf8PathBuf,
    /// `RUNNER_EPHEMERAL`: one job, then leave.
    pub ephemeral: bool,
    /// `DISABLE_RUNNER_UPDATE`.
    pub disable_update: bool,
    /// `STARTUP_DELAY_IN_SECONDS`.
    pub startup_delay: Duration,
    /// `RUNNER_GRACEFUL_STOP_TIMEOUT`: how long a stop waits for a job.
    pub graceful_stop_timeout: Duration,
    /// `GITHUB_ACTIONS_RUNNER_EXTRA_USER_AGENT`.
    pub extra_user_agent: String,
    /// `SSL_CERT_FILE`: certificate authorities to trust, PEM.
    pub ca_file: Option<Utf8PathBuf>,
    /// `ACTIONS_RUNNER_HOOK_JOB_STARTED`.
    pub job_started_hook: Option<Utf8PathBuf>,
    /// `ACTIONS_RUNNER_HOOK_JOB_COMPLETED`.
    pub job_completed_hook: Option<Utf8PathBuf>,
    /// The environment that steps inherit: without what belongs to the registration.
    pub step_environment: HashMap<String, String>,
}

/// What the image's start script takes out of the environment before any job.
const UNSET_BEFORE_STEPS: [&str; 6] = [
    "RUNNER_NAME",
    "RUNNER_REPO",
    "RUNNER_TOKEN",
    "STARTUP_DELAY_IN_SECONDS",
    "DISABLE_WAIT_FOR_DOCKER",
    "WAIT_FOR_DOCKER_SECONDS",
];

impl Settings {
    /// Reads the settings from environment variables, usually `std::env::vars()`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable.
    pub fn from_environment(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut environment: HashMap<String, String> = variables.into_iter().collect();
        let get = |name: &str| environment.get(name).filter(|value| !value.is_empty()).cloned();
        let is_true = |name: &str| get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let seconds = |name: &'static str, default: u64| match get(name) {
            None => Ok(Duration::from_secs(default)),
            Some(value) => value
                .parse()
                .map(Duration::from_secs)
                .map_err(|_| ConfigError::NotSeconds { name, value }),
        };

        let mut github_url = get("GITHUB_URL").unwrap_or_else(|| "https://github.com/".to_owned());
        if !github_url.ends_with('/') {
            github_url.push('/');
        }
        if let Err(source) = url::Url::parse(&github_url) {
            return Err(ConfigError::Address {
                value: github_url,
                source,
            });
        }
        let repository = get("RUNNER_REPO");
        let attach = match (get("RUNNER_ORG"), &repository, get("RUNNER_ENTERPRISE")) {
            (Some(org), Some(repository), _) => format!("{org}/{repository}"),
            (Some(org), None, _) => org,
            (None, Some(repository), _) => repository.clone(),
            (None, None, Some(enterprise)) => format!("enterprises/{enterprise}"),
            (None, None, None) => return Err(ConfigError::NoScope),
        };
        let home = Utf8PathBuf::from(get("RUNNER_HOME").unwrap_or_else(|| "/runner".to_owned()));
        let settings = Self {
            name: get("RUNNER_NAME").ok_or(ConfigError::Missing("RUNNER_NAME"))?,
            token: get("RUNNER_TOKEN")
                .ok_or(ConfigError::Missing("RUNNER_TOKEN"))?
                .into(),
            github_url,
            attach,
            group: get("RUNNER_GROUP").filter(|_| repository.is_none()),
            labels: get("RUNNER_LABELS")
                .unwrap_or_default()
                .split(',')
                .map(str::trim)
                .filter(|label| !label.is_empty())
                .map(str::to_owned)
                .collect(),
            work_folder: home.join(get("RUNNER_WORKDIR").unwrap_or_else(|| "_work".to_owned())),
            home,
            ephemeral: is_true("RUNNER_EPHEMERAL"),
            disable_update: is_true("DISABLE_RUNNER_UPDATE"),
            startup_delay: seconds("STARTUP_DELAY_IN_SECONDS", 0)?,
            graceful_stop_timeout: seconds("RUNNER_GRACEFUL_STOP_TIMEOUT", 15)?,
            extra_user_agent: get("GITHUB_ACTIONS_RUNNER_EXTRA_USER_AGENT").unwrap_or_default(),
            ca_file: get("SSL_CERT_FILE").map(Utf8PathBuf::from),
            job_started_hook: get("ACTIONS_RUNNER_HOOK_JOB_STARTED").map(Utf8PathBuf::from),
            job_completed_hook: get("ACTIONS_RUNNER_HOOK_JOB_COMPLETED").map(Utf8PathBuf::from),
            step_environment: HashMap::new(),
        };
        environment.retain(|name, _| !UNSET_BEFORE_STEPS.contains(&name.as_str()));
        Ok(Self {
            step_environment: environment,
            ..settings
        })
    }

    /// The address that the runner asks to be registered for.
    #[must_use]
    pub fn registration_url(&self) -> String {
        format!("{}{}", self.github_url, self.attach)
    }

    /// The base of the REST API: below the server's own address on GHES, a host of its own on github.com.
    #[must_use]
    pub fn api_url(&self) -> String {
        match self.github_url.as_str() {
            "https://github.com/" => "https://api.github.com".to_owned(),
            server => format!("{server}api/v3"),
        }
    }

    /// The file that says "registered" to the scripts around the runner.
    #[must_use]
    pub fn runner_file(&self) -> Utf8PathBuf {
        self.home.join(".runner")
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        let base = [("RUNNER_NAME", "r1"), ("RUNNER_TOKEN", "secret-token")];
        Settings::from_environment(
            base.iter()
                .chain(pairs)
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )
    }

    #[test]
    fn the_three_scopes_are_told_apart() {
        let attach = |pairs: &[(&str, &str)]| read(pairs).expect("the environment is complete").attach;

        assert_eq!(attach(&[("RUNNER_ORG", "doge")]), "doge");
        assert_eq!(attach(&[("RUNNER_REPO", "doge/one")]), "doge/one");
        assert_eq!(
            attach(&[("RUNNER_ORG", "doge"), ("RUNNER_REPO", "one")]),
            "doge/one"
        );
        assert_eq!(
            attach(&[("RUNNER_ENTERPRISE", "corp"), ("RUNNER_REPO", "")]),
            "enterprises/corp"
        );
        assert!(matches!(read(&[]), Err(ConfigError::NoScope)));
    }

    #[test]
    fn what_arc_sets_is_understood() {
        let settings = read(&[
            ("RUNNER_ENTERPRISE", "corp"),
            ("GITHUB_URL", "https://ghes.test"),
            ("RUNNER_LABELS", "a, b,,"),
            ("RUNNER_GROUP", "gpu"),
            ("RUNNER_WORKDIR", "/runner/_work"),
            ("RUNNER_EPHEMERAL", "true"),
            ("RUNNER_GRACEFUL_STOP_TIMEOUT", "90"),
            ("PATH", "/bin"),
        ])
        .expect("the environment is complete");

        assert_eq!(settings.registration_url(), "https://ghes.test/enterprises/corp");
        assert_eq!(settings.api_url(), "https://ghes.test/api/v3");
        assert_eq!(settings.labels, ["a", "b"]);
        assert_eq!(settings.group.as_deref(), Some("gpu"));
        assert_eq!(settings.work_folder, "/runner/_work");
        assert!(settings.ephemeral);
        assert_eq!(settings.graceful_stop_timeout, Duration::from_secs(90));
        assert_eq!(settings.runner_file(), "/runner/.runner");
    }

    #[test]
    fn secrets_reach_neither_steps_nor_debug_output() {
        let settings =
            read(&[("RUNNER_ORG", "doge"), ("PATH", "/bin")]).expect("the environment is complete");

        assert_eq!(settings.token.expose_secret(), "secret-token");
        assert!(!format!("{settings:?}").contains("secret-token"));
        assert_eq!(
            settings.step_environment.get("PATH").map(String::as_str),
            Some("/bin")
        );
        assert!(!settings.step_environment.contains_key("RUNNER_TOKEN"));
    }

    #[test]
    fn mistakes_name_the_variable() {
        let delay =
            read(&[("RUNNER_ORG", "doge"), ("STARTUP_DELAY_IN_SECONDS", "soon")]).expect_err("not a number");
        let address = read(&[("RUNNER_ORG", "doge"), ("GITHUB_URL", "ghes.test")]).expect_err("not absolute");

        assert!(delay.to_string().contains("STARTUP_DELAY_IN_SECONDS"));
        assert!(address.to_string().contains("GITHUB_URL"));
    }
}
