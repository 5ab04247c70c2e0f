//! Laws: rewriting a text loses nothing, and no input makes the evaluator panic.

use harness_expressions::{Context, Value, evaluate, interpolate, to_expression};
use proptest::prelude::*;

/// Text without the opening mark, and now and then an expression.
fn parts() -> impl Strategy<Value = Vec<(String, bool)>> {
    let literal = "[a-z {}'\"\\\\é\n]{1,12}".prop_map(|text| (text, false));
    let expression = prop_oneof![
        Just("github.ref"),
        Just("'it''s }} {0}'"),
        Just("github['n']"),
        Just("1 == 1")
    ]
    .prop_map(|text| (text.to_owned(), true));
    prop::collection::vec(prop_oneof![literal, expression], 0..8)
}

fn context() -> Context {
    Context::new().with(
        "github",
        serde_json::json!({"ref": "it's {0} }} ${{ x }}", "n": 7}),
    )
}

proptest! {
    #[test]
    fn a_rewritten_text_yields_what_the_text_yields(parts in parts()) {
        let text: String = parts
            .iter()
            .map(|(part, is_expression)| if *is_expression { format!("${{{{ {part} }}}}") } else { part.clone() })
            .collect();

        let direct = interpolate(&text, &context()).expect("the text interpolates");
        let rewritten = to_expression(&text).expect("the text parses");

        match rewritten {
            None => prop_assert_eq!(direct, text),
            Some(expression) => {
                let value = evaluate(&expression, &context()).expect("the rewritten expression evaluates");
                prop_assert_eq!(direct, value.to_string());
            }
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,40}|[a-z.*\\[\\]()'&|=!<>0-9 ${}]{0,40}") {
        let interpolated = interpolate(&text, &context());
        let evaluated = evaluate(&text, &context());

        prop_assert!(interpolated.is_ok() || interpolated.is_err_and(|error| !error.to_string().is_empty()));
        prop_assert!(evaluated.is_ok() || evaluated.is_err_and(|error| !error.to_string().is_empty()));
    }

    #[test]
    fn equality_is_symmetric_and_order_agrees(left in scalar(), right in scalar()) {
        prop_assert_eq!(left.loosely_equals(&right), right.loosely_equals(&left));
        prop_assert_eq!(left.loosely_compares(&right), right.loosely_compares(&left).map(std::cmp::Ordering::reverse));
    }
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<f64>().prop_map(Value::Number),
        "[a-zA-Z0-9 ]{0,4}".prop_map(Value::String),
    ]
}
