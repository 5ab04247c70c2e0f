//! The log of a job, as text.

use octocrab::models::JobId;

use crate::retry::Repeat;
use crate::{Ghes, GhesError, Operation, Repo};

impl Ghes {
    /// The whole log of a job. GHES answers with the short-lived address of a blob, which is followed without the token when it lies
    /// on another host. Bytes that are not UTF-8 become U+FFFD; a byte order mark is taken off.
    ///
    /// # Errors
    /// [`GhesError`]: 404 until the log exists.
    pub async fn job_log(&self, repo: &Repo, job: JobId) -> Result<String, GhesError> {
        let operation = Operation::ReadJobLog {
            repo: repo.clone(),
            job,
        };
        let route = format!("/repos/{repo}/actions/jobs/{job}/logs");
        let text = self
            .call(operation, Repeat::Harmless, |_| {
                let route = route.as_str();
                async move {
                    let answer = octocrab::map_github_error(self.crab._get(route).await?).await?;
                    match self.crab.body_to_string(answer).await {
                        Err(octocrab::Error::InvalidUtf8 { source, .. }) => {
                            Ok(String::from_utf8_lossy(source.as_bytes()).into_owned())
                        }
                        text => text,
                    }
                }
            })
            .await?;
        Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
    }
}
