//! `$(NAME)` references in `env`, `command` and `args`, as the Kubernetes API documents them: an unknown name stays as it is
//! written, `$$` is one `$`, so `$$(NAME)` becomes the text `$(NAME)`.

/// Replaces the references of a text.
pub(crate) fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            match lookup(name) {
                Some(value) => out.push_str(&value),
                None => out.extend(["$(", name, ")"]),
            }
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn known(name: &str) -> Option<String> {
        (name == "A").then(|| "value".to_owned())
    }

    #[test]
    fn expands_as_the_api_documents() {
        for (text, expected) in [
            ("$(A)", "value"),
            ("x-$(A)-$(A)", "x-value-value"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$value"),
            ("$$$$(A)", "$$(A)"),
            ("$(B)", "$(B)"),
            ("$(A", "$(A"),
            ("$A ${A}", "$A ${A}"),
            ("$", "$"),
            ("a$", "a$"),
            ("$()", "$()"),
            ("$($(A))", "$($(A))"),
        ] {
            let expanded = expand(text, known);

            assert_eq!(expanded, expected, "{text:?} must expand as documented");
        }
    }

    proptest! {
        #[test]
        fn text_without_a_dollar_is_left_alone(text in "[^$]*") {
            let expanded = expand(&text, known);

            prop_assert_eq!(expanded, text);
        }

        #[test]
        fn doubling_every_dollar_protects_any_text(text in ".*") {
            let expanded = expand(&text.replace('$', "$$"), known);

            prop_assert_eq!(expanded, text);
        }

        #[test]
        fn a_value_is_never_expanded_again(value in ".*") {
            let expanded = expand("<$(A)>", |_| Some(value.clone()));

            prop_assert_eq!(expanded, format!("<{value}>"));
        }
    }
}
