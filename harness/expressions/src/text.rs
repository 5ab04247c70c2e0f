//! Text with embedded `${{ … }}`: finding the parts, and rewriting the whole into one expression, which is the form
//! in which a server hands it to a runner (runner protocol, template token of type 3).

use crate::{ExpressionError, parse, uses_status_function};

/// A part of a text, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Segment<'t> {
    Literal(&'t str),
    /// Without its `${{ }}`, trimmed.
    Expression(&'t str),
}

/// Splits a text; empty literals are left out. A `}}` inside a quoted string does not close.
pub(crate) fn segments(text: &str) -> Result<Vec<Segment<'_>>, ExpressionError> {
    let mut segments = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find("${{") {
        if open > 0 {
            segments.push(Segment::Literal(&rest[..open]));
        }
        let inside = &rest[open + 3..];
        let close = closing(inside).ok_or_else(|| ExpressionError::Unterminated {
            text: text.to_owned(),
            offset: text.len() - rest.len() + open,
        })?;
        segments.push(Segment::Expression(inside[..close].trim()));
        rest = &inside[close + 2..];
    }
    if !rest.is_empty() {
        segments.push(Segment::Literal(rest));
    }
    Ok(segments)
}

/// The offset of the first `}}` outside of quotes. A doubled quote leaves and enters again, which is as good.
fn closing(inside: &str) -> Option<usize> {
    let bytes = inside.as_bytes();
    let mut quoted = false;
    (0..bytes.len()).find(|&at| {
        quoted ^= bytes[at] == b'\'';
        !quoted && bytes[at..].starts_with(b"}}")
    })
}

/// The expression that yields what the text yields: `None` for plain text, `x` for `${{ x }}`,
/// `format('a {0} b', x)` for `a ${{ x }} b`.
///
/// # Errors
/// [`ExpressionError::Unterminated`], or [`ExpressionError::Syntax`] for a part that does not parse.
pub fn to_expression(text: &str) -> Result<Option<String>, ExpressionError> {
    let segments = segments(text)?;
    let mut template = String::new();
    let mut arguments = Vec::new();
    for segment in &segments {
        match segment {
            Segment::Literal(literal) => {
                template.push_str(&literal.replace('\'', "''").replace('{', "{{").replace('}', "}}"));
            }
            Segment::Expression(expression) => {
                parse(expression)?;
                template.push('{');
                template.push_str(&arguments.len().to_string());
                template.push('}');
                arguments.push(*expression);
            }
        }
    }
    Ok(match (segments.as_slice(), arguments.as_slice()) {
        (_, []) => None,
        ([Segment::Expression(only)], _) => Some((*only).to_owned()),
        _ => Some(format!("format('{template}', {})", arguments.join(", "))),
    })
}

/// The expression of an `if:`, in the form in which a server hands it to a runner: without `${{ }}`, and with the
/// implied `success() &&` where no status function occurs. An empty text is `success()`.
///
/// # Errors
/// As [`to_expression`].
pub fn to_condition(text: &str) -> Result<String, ExpressionError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok("success()".to_owned());
    }
    let expression = to_expression(text)?.unwrap_or_else(|| text.to_owned());
    Ok(if uses_status_function(&expression)? {
        expression
    } else {
        format!("success() && ({expression})")
    })
}
