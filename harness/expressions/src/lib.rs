//! GitHub Actions expressions: evaluation over the syntax tree of `github-actions-expressions`.
//!
//! Two sides use it: the mock GHES (job conditions, matrices, outputs, the rewriting of `${{ … }}` into what a runner
//! expects) and the runner (step conditions, environment, inputs). It knows values and contexts, not where they come
//! from: no workflow files, no network, no file system; `hashFiles` is a hook that the caller may give.

mod context;
mod error;
mod evaluate;
mod functions;
mod text;
mod value;

pub use context::{Context, Status};
pub use error::ExpressionError;
pub use text::{to_condition, to_expression};
pub use value::Value;

use github_actions_expressions::call::{Call, Function};
use github_actions_expressions::op::BinExpr;
use github_actions_expressions::{Expr, SpannedExpr};
use text::Segment;

/// Evaluates one expression, given without `${{ }}`.
///
/// # Errors
/// [`ExpressionError`]: the text does not parse, names a context that is not there, or a function refuses its arguments.
pub fn evaluate(expression: &str, context: &Context) -> Result<Value, ExpressionError> {
    evaluate::evaluate(&parse(expression)?, context)
}

/// Replaces each `${{ … }}` in `text` by the string form of its value.
///
/// # Errors
/// As [`evaluate`], and [`ExpressionError::Unterminated`] for a `${{` without its `}}`.
pub fn interpolate(text: &str, context: &Context) -> Result<String, ExpressionError> {
    text::segments(text)?
        .into_iter()
        .try_fold(String::with_capacity(text.len()), |mut all, segment| {
            match segment {
                Segment::Literal(literal) => all.push_str(literal),
                Segment::Expression(expression) => all.push_str(&evaluate(expression, context)?.to_string()),
            }
            Ok(all)
        })
}

/// Decides an `if:`: with or without `${{ }}`, and with the implied `success() &&` where no status function occurs.
///
/// # Errors
/// As [`evaluate`]; the context must carry a [`Status`].
pub fn condition(text: &str, context: &Context) -> Result<bool, ExpressionError> {
    Ok(evaluate(&to_condition(text)?, context)?.is_truthy())
}

/// Whether `success()`, `failure()`, `cancelled()` or `always()` occurs anywhere in the expression.
///
/// # Errors
/// [`ExpressionError::Syntax`] if it does not parse.
pub fn uses_status_function(expression: &str) -> Result<bool, ExpressionError> {
    Ok(has_status_call(&parse(expression)?))
}

fn parse(expression: &str) -> Result<SpannedExpr<'_>, ExpressionError> {
    Expr::parse(expression).map_err(|source| ExpressionError::Syntax {
        expression: expression.to_owned(),
        source: Box::new(source),
    })
}

fn has_status_call(expression: &SpannedExpr<'_>) -> bool {
    match &expression.inner {
        Expr::Call(Call { func, args }) => {
            matches!(
                func,
                Function::Success | Function::Failure | Function::Cancelled | Function::Always
            ) || args.iter().any(has_status_call)
        }
        Expr::Index(inner) => has_status_call(inner),
        Expr::Context(context) => context.parts.iter().any(has_status_call),
        Expr::BinExpr(BinExpr { lhs, op: _, rhs }) => has_status_call(lhs) || has_status_call(rhs),
        Expr::UnExpr { op: _, expr } => has_status_call(expr),
        Expr::Literal(_) | Expr::Star | Expr::Identifier(_) => false,
    }
}
