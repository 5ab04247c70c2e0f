//! Errors as one line.

use std::error::Error;

/// An error with its causes; a cause that the text already holds is not told twice.
#[must_use]
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        #[source]
        source: Option<Box<Link>>,
    }

    #[test]
    fn each_cause_is_told_once() {
        let inner = Link {
            text: "refused",
            source: None,
        };
        let middle = Link {
            text: "connect: refused",
            source: Some(Box::new(inner)),
        };
        let outer = Link {
            text: "apply",
            source: Some(Box::new(middle)),
        };

        assert_eq!(error_chain(&outer), "apply: connect: refused");
    }
}
