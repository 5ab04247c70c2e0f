//! A step as it will be run, whether it came in the job message or stands in the file of a composite action.

use std::str::FromStr;

use harness_expressions::{ExpressionError, to_expression};

use super::message::{MessageStep, Token};

/// One step.
pub(crate) struct StepPlan {
    /// What `steps.<id>` calls it; empty if nothing can.
    pub(crate) context_name: String,
    pub(crate) name: Token,
    pub(crate) condition: String,
    pub(crate) environment: Token,
    pub(crate) continue_on_error: Token,
    pub(crate) timeout_minutes: Token,
    pub(crate) action: Action,
}

/// What a step does.
pub(crate) enum Action {
    Run {
        script: Token,
        shell: Token,
        working_directory: Token,
    },
    Uses {
        action: ActionName,
        with: Token,
    },
    /// `docker://image`, which this runner does not run.
    Container {
        image: String,
    },
}

/// Which action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ActionName {
    /// `owner/name@ref`, perhaps with a path in it.
    Repository {
        repository: String,
        git_ref: String,
        path: String,
    },
    /// `./path` in the workspace.
    Local { path: String },
}

/// A `uses:` that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is neither ./path nor owner/name[/path]@ref")]
pub(crate) struct UnknownAction(String);

impl FromStr for ActionName {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, UnknownAction> {
        if text.starts_with("./") || text == "." {
            return Ok(Self::Local {
                path: text.to_owned(),
            });
        }
        let unknown = || UnknownAction(text.to_owned());
        let (name, git_ref) = text.split_once('@').ok_or_else(unknown)?;
        let mut parts = name.splitn(3, '/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(owner), Some(repository), path)
                if !owner.is_empty() && !repository.is_empty() && !git_ref.is_empty() =>
            {
                Ok(Self::Repository {
                    repository: format!("{owner}/{repository}"),
                    git_ref: git_ref.to_owned(),
                    path: path.unwrap_or_default().to_owned(),
                })
            }
            _ => Err(unknown()),
        }
    }
}

impl std::fmt::Display for ActionName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Repository {
                repository,
                git_ref,
                path,
            } if path.is_empty() => write!(f, "{repository}@{git_ref}"),
            Self::Repository {
                repository,
                git_ref,
                path,
            } => write!(f, "{repository}/{path}@{git_ref}"),
            Self::Local { path } => f.write_str(path),
        }
    }
}

impl StepPlan {
    /// Reads a step of the job message.
    pub(crate) fn from_message(step: MessageStep) -> Self {
        let MessageStep {
            reference, inputs, ..
        } = step;
        let kind = match &reference.kind {
            serde_json::Value::String(kind) => kind.to_ascii_lowercase(),
            other => other.to_string(),
        };
        let action = match kind.as_str() {
            "script" | "3" => {
                let entry = |name| inputs.entry(name).cloned().unwrap_or_default();
                Action::Run {
                    script: entry("script"),
                    shell: entry("shell"),
                    working_directory: entry("workingDirectory"),
                }
            }
            "containerregistry" | "2" => Action::Container {
                image: reference.image,
            },
            _ if reference.repository_type.eq_ignore_ascii_case("self") => Action::Uses {
                action: ActionName::Local { path: reference.path },
                with: inputs,
            },
            _ => Action::Uses {
                action: ActionName::Repository {
                    repository: reference.name,
                    git_ref: reference.git_ref,
                    path: reference.path,
                },
                with: inputs,
            },
        };
        Self {
            context_name: step.context_name,
            name: step.display_name_token,
            condition: step.condition,
            environment: step.environment,
            continue_on_error: step.continue_on_error,
            timeout_minutes: step.timeout_in_minutes,
            action,
        }
    }

    /// What to call the step if it has no name.
    pub(crate) fn default_name(&self) -> Token {
        let named = |text: &str| {
            let first = text.trim().lines().next().unwrap_or_default();
            text_token(&format!("Run {first}")).unwrap_or_else(|_| Token::text("Run"))
        };
        match &self.action {
            Action::Run {
                script: Token::Literal(script),
                ..
            } => named(&script.to_string()),
            // A server rewrites a text with expressions; the name is what it evaluates to.
            Action::Run {
                script: Token::Expression(expression),
                ..
            } => Token::Expression(format!("format('Run {{0}}', {expression})")),
            Action::Run { .. } => Token::text("Run"),
            Action::Uses { action, .. } => Token::text(format!("Run {action}")),
            Action::Container { image } => Token::text(format!("Run {image}")),
        }
    }
}

/// Text of a file as a token: with `${{ }}` it is an expression.
pub(crate) fn text_token(text: &str) -> Result<Token, ExpressionError> {
    Ok(to_expression(text)?.map_or_else(|| Token::text(text), Token::Expression))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_is_understood() {
        let local: ActionName = "./.github/actions/x".parse().expect("a local action");
        let plain: ActionName = "actions/checkout@v3".parse().expect("an action");
        let deep: ActionName = "o/r/sub/dir@main".parse().expect("an action with a path");

        assert_eq!(
            local,
            ActionName::Local {
                path: "./.github/actions/x".to_owned()
            }
        );
        assert_eq!(plain.to_string(), "actions/checkout@v3");
        assert_eq!(
            deep,
            ActionName::Repository {
                repository: "o/r".into(),
                git_ref: "main".into(),
                path: "sub/dir".into()
            }
        );
        assert!("checkout".parse::<ActionName>().is_err());
        assert!("actions/checkout".parse::<ActionName>().is_err());
    }
}
