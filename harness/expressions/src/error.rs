//! What can go wrong with an expression. Messages carry the expression's source, never a value: values may be secret.

/// An expression could not be parsed or evaluated.
#[derive(Debug, thiserror::Error)]
pub enum ExpressionError {
    /// The text is not an expression.
    #[error("the expression `{expression}` does not parse: {}", cause(source))]
    Syntax {
        /// As given.
        expression: String,
        /// The parser's words, with the offset.
        #[source]
        source: Box<github_actions_expressions::Error>,
    },
    /// A `${{` has no `}}`.
    #[error("the expression that starts at byte {offset} of `{text}` is not closed with }}}}")]
    Unterminated {
        /// The whole text.
        text: String,
        /// Where the `${{` stands.
        offset: usize,
    },
    /// A root that the context does not have.
    #[error("unrecognized named-value `{name}`: available here are {known}")]
    UnknownContext {
        /// As written.
        name: String,
        /// The roots that exist, comma separated.
        known: String,
    },
    /// A status function where there is no status, such as in `runs-on`.
    #[error("`{function}()` is not available here: no job or step status is known")]
    NoStatus {
        /// Its name.
        function: &'static str,
    },
    /// A function that this version of GitHub Actions does not have, or that the place of use does not offer.
    #[error("`{function}()` is not available here: {reason}")]
    Unavailable {
        /// Its name.
        function: &'static str,
        /// Why.
        reason: String,
    },
    /// `format()` with a broken template or too few arguments.
    #[error("`format()` cannot be applied: {reason}")]
    Format {
        /// What is wrong with the template.
        reason: String,
    },
    /// `fromJSON()` of something that is not JSON.
    #[error("`fromJSON()` was given text that is not JSON: {source}")]
    FromJson {
        /// Position and kind, as serde_json says it.
        #[source]
        source: serde_json::Error,
    },
    /// `hashFiles()` failed in the hook.
    #[error("`hashFiles()` failed: {reason}")]
    HashFiles {
        /// The hook's words.
        reason: String,
    },
}

/// The parser hides which function is wrong one level down.
fn cause(error: &github_actions_expressions::Error) -> String {
    match error {
        github_actions_expressions::Error::Call(call) => call.to_string(),
        other => other.to_string(),
    }
}
