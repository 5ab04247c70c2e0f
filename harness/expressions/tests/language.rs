//! The language as a workflow author sees it.

use harness_expressions::{
    Context, ExpressionError, Status, Value, condition, evaluate, interpolate, to_condition, to_expression,
    uses_status_function,
};
use serde_json::json;

fn context() -> Context {
    Context::new()
        .with(
            "github",
            json!({"ref": "refs/heads/main", "event": {"inputs": {"Name": "Doge"}}, "run_id": "7"}),
        )
        .with(
            "needs",
            json!({"build": {"result": "success", "outputs": {"hash": "abc"}}}),
        )
        .with("matrix", Value::Null)
        .with(
            "fruits",
            json!([{"name": "apple", "tags": ["a", "b"]}, {"name": "pear"}, {"colour": "red"}]),
        )
}

fn json_of(expression: &str) -> serde_json::Value {
    evaluate(expression, &context())
        .expect("the expression evaluates")
        .into()
}

#[test]
fn paths_are_followed_without_regard_to_case() {
    assert_eq!(json_of("GitHub.Event.inputs.name"), json!("Doge"));
    assert_eq!(json_of("github['event']['inputs']['NAME']"), json!("Doge"));
    assert_eq!(json_of("needs.build.outputs.hash"), json!("abc"));
    assert_eq!(json_of("needs.nothing.outputs.hash"), json!(null));
    assert_eq!(json_of("matrix.os"), json!(null));
    assert_eq!(json_of("fruits[1].name"), json!("pear"));
    assert_eq!(json_of("fruits['1'].name"), json!("pear"));
    assert_eq!(json_of("fruits[9].name"), json!(null));
}

#[test]
fn the_filter_maps_over_items() {
    assert_eq!(json_of("fruits.*.name"), json!(["apple", "pear"]));
    assert_eq!(json_of("fruits[*].tags[0]"), json!(["a"]));
    assert_eq!(json_of("needs.*.result"), json!(["success"]));
    assert_eq!(json_of("fruits.*.tags.*"), json!(["a", "b"]));
    assert_eq!(json_of("github.ref.*"), json!([]));
}

#[test]
fn operators_follow_github() {
    assert_eq!(json_of("'' || 'default'"), json!("default"));
    assert_eq!(json_of("'a' && 'b'"), json!("b"));
    assert_eq!(json_of("0 && 'b'"), json!(0));
    assert_eq!(json_of("!'x' || 'A' == 'a'"), json!(true));
    assert_eq!(json_of("'0x10' == 16"), json!(true));
    assert_eq!(json_of("'b' > 'A'"), json!(true));
    assert_eq!(json_of("'x' < 1 || 'x' >= 1"), json!(false));
    assert_eq!(json_of("1 == 1 && github.run_id == 7"), json!(true));
}

#[test]
fn the_right_side_is_left_alone_when_the_left_decides() {
    assert_eq!(json_of("false && fromJSON('not json')"), json!(false));
    assert_eq!(json_of("true || fromJSON('not json')"), json!(true));
}

#[test]
fn functions_follow_github() {
    assert_eq!(json_of("contains('Hello world', 'WORLD')"), json!(true));
    assert_eq!(json_of("contains(fruits.*.name, 'Apple')"), json!(true));
    assert_eq!(json_of("contains(fromJSON('[1, 2]'), '2')"), json!(true));
    assert_eq!(json_of("startsWith(github.ref, 'REFS/heads/')"), json!(true));
    assert_eq!(json_of("endsWith(github.ref, '/main')"), json!(true));
    assert_eq!(
        json_of("format('{{{0}}} {1} it''s', 'a', 2)"),
        json!("{a} 2 it's")
    );
    assert_eq!(json_of("join(fruits.*.name, '-')"), json!("apple-pear"));
    assert_eq!(json_of("join(fruits.*.name)"), json!("apple,pear"));
    assert_eq!(
        json_of("toJSON(fromJSON('{\"a\":[1,true]}'))"),
        json!("{\n  \"a\": [\n    1,\n    true\n  ]\n}")
    );
    assert_eq!(json_of("toJSON('x')"), json!("\"x\""));
    assert_eq!(json_of("fromJSON('{\"a\": {\"b\": 3}}').a.b"), json!(3));
}

#[test]
fn the_hash_hook_is_asked() {
    let hashing = context().with_hash_files(|patterns| Ok(patterns.join("+")));

    let hash = evaluate("hashFiles('a', '**/b')", &hashing).expect("the hook answers");

    assert_eq!(hash, Value::from("a+**/b"));
    assert!(matches!(
        evaluate("hashFiles('a')", &context()),
        Err(ExpressionError::Unavailable {
            function: "hashFiles",
            ..
        })
    ));
}

#[test]
fn mistakes_are_named() {
    let error = |expression: &str| {
        evaluate(expression, &context())
            .expect_err("the expression is wrong")
            .to_string()
    };

    assert!(
        error("secret.x").contains("unrecognized named-value `secret`: available here are github, needs")
    );
    assert!(error("success()").contains("no job or step status is known"));
    assert!(error("a b").contains("`a b` does not parse"));
    assert!(error("nope()").contains("Unknown function: nope"));
    assert!(error("format('{1}', 'a')").contains("asks for {1} of 1 arguments"));
    assert!(error("format('{', 'a')").contains("the brace at byte 0"));
    assert!(error("fromJSON('{')").contains("not JSON"));
    assert!(error("case(true, 1, 2)").contains("3.9 does not know it"));
}

#[test]
fn text_is_interpolated() {
    let text = "run ${{ github.run_id }}: ${{ '}}' }} ${{ matrix.os }}.";

    let result = interpolate(text, &context()).expect("the text interpolates");

    assert_eq!(result, "run 7: }} .");
    assert!(matches!(
        interpolate("a ${{ b", &context()),
        Err(ExpressionError::Unterminated { offset: 2, .. })
    ));
}

#[test]
fn conditions_imply_success() {
    let decide =
        |text: &str, status| condition(text, &context().status(status)).expect("the condition decides");

    assert!(decide("", Status::Success));
    assert!(!decide("", Status::Failure));
    assert!(decide("${{ github.run_id == 7 }}", Status::Success));
    assert!(!decide("github.run_id == 7", Status::Failure));
    assert!(decide("failure()", Status::Failure));
    assert!(decide("always()", Status::Cancelled));
    assert!(!decide("always() && github.run_id == 8", Status::Success));
    assert!(decide("${{ cancelled() || failure() }}", Status::Cancelled));
}

#[test]
fn conditions_are_rewritten_for_the_runner() {
    let rewritten = |text: &str| to_condition(text).expect("the condition parses");

    assert_eq!(rewritten(""), "success()");
    assert_eq!(
        rewritten("${{ github.ref == 'x' }}"),
        "success() && (github.ref == 'x')"
    );
    assert_eq!(rewritten("ALWAYS()"), "ALWAYS()");
    assert_eq!(rewritten("${{ !cancelled() }}"), "!cancelled()");
    assert_eq!(rewritten("a || b"), "success() && (a || b)");
}

#[test]
fn status_functions_are_found_at_any_depth() {
    let found = |expression: &str| uses_status_function(expression).expect("the expression parses");

    assert!(found("github.event[format('{0}', failure())]"));
    assert!(found("!(a && success())"));
    assert!(!found("'success()'"));
    assert!(!found("github.success"));
}

#[test]
fn text_becomes_an_expression() {
    let expression = |text: &str| to_expression(text).expect("the text parses");

    assert_eq!(expression("plain {0} it's"), None);
    assert_eq!(
        expression("${{ steps.one.outputs.val }}").as_deref(),
        Some("steps.one.outputs.val")
    );
    assert_eq!(
        expression("a ${{ x }} b").as_deref(),
        Some("format('a {0} b', x)")
    );
    assert_eq!(
        expression("it's {${{ x }}}${{ y }}").as_deref(),
        Some("format('it''s {{{0}}}{1}', x, y)")
    );
    assert!(matches!(
        to_expression("${{ x y }}"),
        Err(ExpressionError::Syntax { .. })
    ));
}
