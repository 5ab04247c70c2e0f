//! The walk over the syntax tree: operators, property access and the `.*` filter. Functions are in `functions`.

use std::cmp::Ordering;

use github_actions_expressions::literal::Literal;
use github_actions_expressions::op::{BinExpr, BinOp, UnOp};
use github_actions_expressions::{Expr, SpannedExpr};

use crate::{Context, ExpressionError, Value, functions};

pub(crate) fn evaluate(expression: &SpannedExpr<'_>, context: &Context) -> Result<Value, ExpressionError> {
    match &expression.inner {
        Expr::Literal(literal) => Ok(match literal {
            Literal::Number(number) => Value::Number(*number),
            Literal::String(text) => Value::String(text.to_string()),
            Literal::Boolean(bool) => Value::Bool(*bool),
            Literal::Null => Value::Null,
        }),
        Expr::Call(call) => functions::call(call, context),
        Expr::Identifier(name) => context.root(name.as_str()).cloned(),
        Expr::Context(path) => follow(&path.parts, context),
        Expr::BinExpr(operation) => operate(operation, context),
        Expr::UnExpr { op: UnOp::Not, expr } => Ok(Value::Bool(!evaluate(expr, context)?.is_truthy())),
        Expr::Index(inner) => evaluate(inner, context),
        // The parser yields a star only inside a path, where `follow` takes it.
        Expr::Star => Ok(Value::Null),
    }
}

fn operate(operation: &BinExpr<'_>, context: &Context) -> Result<Value, ExpressionError> {
    let left = evaluate(&operation.lhs, context)?;
    // Both yield an operand, not a boolean, and leave the right side alone when the left decides.
    match operation.op {
        BinOp::And if !left.is_truthy() => return Ok(left),
        BinOp::Or if left.is_truthy() => return Ok(left),
        _ => {}
    }
    let right = evaluate(&operation.rhs, context)?;
    let order = || left.loosely_compares(&right);
    Ok(Value::Bool(match operation.op {
        BinOp::And | BinOp::Or => return Ok(right),
        BinOp::Eq => left.loosely_equals(&right),
        BinOp::Neq => !left.loosely_equals(&right),
        BinOp::Gt => order() == Some(Ordering::Greater),
        BinOp::Ge => matches!(order(), Some(Ordering::Greater | Ordering::Equal)),
        BinOp::Lt => order() == Some(Ordering::Less),
        BinOp::Le => matches!(order(), Some(Ordering::Less | Ordering::Equal)),
    }))
}

/// A value on the way along a path. After `.*` each further step applies to every item.
enum Place {
    One(Value),
    Filtered(Vec<Value>),
}

fn follow(parts: &[SpannedExpr<'_>], context: &Context) -> Result<Value, ExpressionError> {
    let Some((head, rest)) = parts.split_first() else {
        return Ok(Value::Null);
    };
    let start = Place::One(evaluate(head, context)?);
    let end = rest
        .iter()
        .try_fold(start, |place, part| step(place, part, context))?;
    Ok(match end {
        Place::One(value) => value,
        Place::Filtered(items) => Value::Array(items),
    })
}

fn step(place: Place, part: &SpannedExpr<'_>, context: &Context) -> Result<Place, ExpressionError> {
    let key = match &part.inner {
        Expr::Star => return Ok(filter(place)),
        Expr::Index(index) if matches!(index.inner, Expr::Star) => return Ok(filter(place)),
        Expr::Index(index) => evaluate(index, context)?,
        Expr::Identifier(name) => Value::from(name.as_str()),
        _ => evaluate(part, context)?,
    };
    Ok(match place {
        Place::One(value) => Place::One(lookup(&value, &key).unwrap_or_default()),
        Place::Filtered(items) => {
            Place::Filtered(items.iter().filter_map(|item| lookup(item, &key)).collect())
        }
    })
}

fn filter(place: Place) -> Place {
    let children = |value| match value {
        Value::Array(items) => items,
        Value::Object(object) => object.into_values().collect(),
        _ => Vec::new(),
    };
    Place::Filtered(match place {
        Place::One(value) => children(value),
        Place::Filtered(items) => items.into_iter().flat_map(children).collect(),
    })
}

fn lookup(value: &Value, key: &Value) -> Option<Value> {
    match (value, key) {
        (_, Value::Array(_) | Value::Object(_)) => None,
        (Value::Array(items), key) => {
            let index = key.to_number().floor();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "saturates, and ≥ 0 is checked"
            )]
            (index >= 0.0)
                .then(|| items.get(index as usize).cloned())
                .flatten()
        }
        (Value::Object(_), key) => value.get(&key.to_string()).cloned(),
        _ => None,
    }
}
