//! The operators: what can be changed in a Go file, from its syntax tree.
//!
//! Left alone are log lines, the texts of errors, and imports. Nothing here knows ARC. A change that Go refuses to compile is no mutant; that is seen when
//! it is built.

use std::collections::BTreeSet;
use std::ops::Range;

use anyhow::{Context as _, ensure};
use tree_sitter::{Node, Parser, Tree};

/// A place and what could stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// In bytes.
    pub range: Range<usize>,
    /// What goes there.
    pub replacement: String,
    /// From 1.
    pub line: usize,
    /// In a few characters, as `< → <=`.
    pub what: String,
    /// The function or method around it.
    pub function: Option<String>,
}

/// Comparisons and connectives, each with what takes its place.
const OPERATORS: [(&str, &str); 8] = [
    ("<", "<="),
    ("<=", "<"),
    (">", ">="),
    (">=", ">"),
    ("==", "!="),
    ("!=", "=="),
    ("&&", "||"),
    ("||", "&&"),
];

/// Last words of what a logger is asked to do.
const LOGGING: [&str; 6] = ["Info", "Error", "V", "WithValues", "WithName", "Debug"];

/// Calls whose arguments are texts for people.
const TEXTS: [&str; 4] = ["fmt.Errorf", "errors.New", "fmt.Sprintf", "panic"];

/// Every change of a file, in the order of the places.
///
/// # Errors
/// If the text is not Go.
pub fn changes(text: &str) -> anyhow::Result<Vec<Change>> {
    let tree = parse(text)?;
    let mut found = Finder {
        text,
        changes: Vec::new(),
        seen: BTreeSet::new(),
    };
    found.visit(tree.root_node());
    found
        .changes
        .sort_by_key(|change| (change.range.start, change.range.end));
    Ok(found.changes)
}

/// The function or method around a place.
///
/// # Errors
/// If the text is not Go.
pub(crate) fn function_at(text: &str, place: usize) -> anyhow::Result<Option<String>> {
    let tree = parse(text)?;
    let node = tree.root_node().descendant_for_byte_range(place, place);
    Ok(node.and_then(|node| function_of(node, text)))
}

fn parse(text: &str) -> anyhow::Result<Tree> {
    let mut parser = Parser::new();
    parser
        .set_language(&tree_sitter_go::LANGUAGE.into())
        .context("load the grammar of Go")?;
    let tree = parser.parse(text, None).context("parse Go")?;
    ensure!(
        !tree.root_node().has_error(),
        "this is not Go, or newer than the grammar"
    );
    Ok(tree)
}

fn function_of(node: Node<'_>, text: &str) -> Option<String> {
    let mut around = Some(node);
    while let Some(node) = around {
        if matches!(node.kind(), "function_declaration" | "method_declaration") {
            let name = node.child_by_field_name("name")?;
            return Some(text[name.byte_range()].to_owned());
        }
        around = node.parent();
    }
    None
}

struct Finder<'a> {
    text: &'a str,
    changes: Vec<Change>,
    seen: BTreeSet<(usize, usize, String)>,
}

impl<'a> Finder<'a> {
    fn visit(&mut self, node: Node<'_>) {
        match node.kind() {
            "import_declaration" => return,
            "call_expression" if self.is_for_people(node) => return,
            "binary_expression" => self.operator(node),
            "int_literal" | "float_literal" => self.number(node),
            "true" => self.replace(node, "false"),
            "false" => self.replace(node, "true"),
            "unary_expression" => self.not(node),
            "if_statement" => self.condition(node),
            "expression_statement" => self.statement(node),
            "short_var_declaration" | "assignment_statement" => self.fallible_call(node),
            "argument_list" => self.arguments(node),
            _ => {}
        }
        let mut cursor = node.walk();
        let children: Vec<Node<'_>> = node.children(&mut cursor).collect();
        for child in children {
            self.visit(child);
        }
    }

    fn operator(&mut self, node: Node<'_>) {
        let Some(operator) = node.child_by_field_name("operator") else {
            return;
        };
        let known = OPERATORS.iter().find(|(from, _)| *from == operator.kind());
        if let Some((_, to)) = known {
            self.replace(operator, to);
        }
    }

    /// A length of time times ten, a fraction by a tenth, an integer by one in both directions.
    fn number(&mut self, node: Node<'_>) {
        let text = self.of(node);
        if let Ok(number) = text.parse::<i64>() {
            if self.is_duration(node) {
                self.replace(node, &(number * 10).to_string());
                return;
            }
            self.replace(node, &(number + 1).to_string());
            if number > 0 {
                self.replace(node, &(number - 1).to_string());
            }
        } else if let Ok(number) = text.parse::<f64>() {
            self.replace(node, &format!("{:.2}", number + 0.1));
        }
    }

    /// `10 * time.Minute`.
    fn is_duration(&self, number: Node<'_>) -> bool {
        let product = number
            .parent()
            .filter(|parent| parent.kind() == "binary_expression");
        product.is_some_and(|product| self.of(product).contains("* time."))
    }

    fn not(&mut self, node: Node<'_>) {
        let operand = node.child_by_field_name("operand");
        if let (true, Some(operand)) = (self.of(node).starts_with('!'), operand) {
            let without = self.of(operand).to_owned();
            self.replace(node, &without);
        }
    }

    /// A condition that is neither a comparison nor a connective nor a negation: those have operators of their own.
    fn condition(&mut self, node: Node<'_>) {
        let Some(condition) = node.child_by_field_name("condition") else {
            return;
        };
        if !matches!(condition.kind(), "binary_expression" | "unary_expression") {
            let negated = format!("!({})", self.of(condition));
            self.replace(condition, &negated);
        }
    }

    /// A statement that is nothing but a call.
    fn statement(&mut self, node: Node<'_>) {
        let call = node
            .named_child(0)
            .filter(|call| call.kind() == "call_expression");
        let Some(call) = call.filter(|call| !self.is_for_people(*call)) else {
            return;
        };
        // In a branch that is never taken: what the call alone names stays in use.
        let removed = format!("if false {{ {} }}", self.of(call));
        let what = format!("without {}", self.callee(call));
        self.change(node, &removed, &what);
    }

    /// `err := call()` and `err = call()`, which then did nothing and did not fail.
    fn fallible_call(&mut self, node: Node<'_>) {
        let sides = (
            node.child_by_field_name("left"),
            node.child_by_field_name("right"),
        );
        let (Some(left), Some(right)) = sides else { return };
        let Some(call) = right
            .named_child(0)
            .filter(|call| call.kind() == "call_expression")
        else {
            return;
        };
        if self.of(left) == "err" && right.named_child_count() == 1 {
            let skipped = format!(
                "func() error {{ if false {{ return {} }}; return nil }}()",
                self.of(call)
            );
            let what = format!("without {}", self.callee(call));
            self.change(call, &skipped, &what);
        }
    }

    /// Two neighbours of one shape, swapped.
    fn arguments(&mut self, node: Node<'_>) {
        let mut cursor = node.walk();
        let arguments: Vec<Node<'_>> = node.named_children(&mut cursor).collect();
        for pair in arguments.windows(2) {
            let [first, second] = pair else { continue };
            let shapes = [
                "identifier",
                "selector_expression",
                "int_literal",
                "float_literal",
            ];
            let alike = first.kind() == second.kind() && shapes.contains(&first.kind());
            let (a, b) = (self.of(*first).to_owned(), self.of(*second).to_owned());
            // A context is like nothing else.
            if !alike || a == b || a == "ctx" {
                continue;
            }
            let between = &self.text[first.end_byte()..second.start_byte()];
            let swapped = format!("{b}{between}{a}");
            let what = format!("{a}, {b} → {b}, {a}");
            self.add(first.start_byte()..second.end_byte(), swapped, *first, &what);
        }
    }

    /// Logging, and what makes the text of an error.
    fn is_for_people(&self, call: Node<'_>) -> bool {
        let callee = self.callee(call);
        let last = callee.rsplit('.').next().unwrap_or_default();
        let logs = callee.to_lowercase().contains("log") && LOGGING.contains(&last);
        logs || TEXTS.contains(&callee.as_str())
    }

    /// What is called, on one line.
    fn callee(&self, call: Node<'_>) -> String {
        let function = call.child_by_field_name("function");
        let text = function.map(|function| self.of(function)).unwrap_or_default();
        text.split_whitespace().collect()
    }

    fn of(&self, node: Node<'_>) -> &'a str {
        &self.text[node.byte_range()]
    }

    fn replace(&mut self, node: Node<'_>, replacement: &str) {
        let what = format!("{} → {replacement}", self.of(node));
        self.change(node, replacement, &what);
    }

    fn change(&mut self, node: Node<'_>, replacement: &str, what: &str) {
        self.add(node.byte_range(), replacement.to_owned(), node, what);
    }

    fn add(&mut self, range: Range<usize>, replacement: String, node: Node<'_>, what: &str) {
        if !self.seen.insert((range.start, range.end, replacement.clone())) {
            return;
        }
        self.changes.push(Change {
            range,
            replacement,
            line: node.start_position().row + 1,
            what: what.split_whitespace().collect::<Vec<_>>().join(" "),
            function: function_of(node, self.text),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is changed in the body of a function.
    fn whats(body: &str) -> Vec<String> {
        let text = format!("package p\n\nfunc f() {{\n{body}\n}}\n");
        let found = changes(&text).expect("the snippet is Go");
        found.into_iter().map(|change| change.what).collect()
    }

    #[test]
    fn comparisons_move_their_border_or_turn_round() {
        assert_eq!(whats("x := a < b"), ["< → <="]);
        assert_eq!(whats("x := a >= b"), [">= → >"]);
        assert_eq!(whats("if a == nil { g(a) }"), ["== → !=", "without g"]);
    }

    #[test]
    fn numbers_move_by_one_and_lengths_of_time_tenfold() {
        assert_eq!(whats("x = 3"), ["3 → 4", "3 → 2"]);
        assert_eq!(whats("x = 0"), ["0 → 1"]);
        assert_eq!(whats("x = 0.8"), ["0.8 → 0.90"]);
        assert_eq!(whats("x = 10 * time.Minute"), ["10 → 100"]);
    }

    #[test]
    fn booleans_connectives_and_conditions_turn_round() {
        assert_eq!(whats("x = true"), ["true → false"]);
        assert_eq!(whats("x = a && !b"), ["&& → ||", "!b → b"]);
        assert_eq!(whats("if ok { x = y }"), ["ok → !(ok)"]);
    }

    #[test]
    fn a_call_is_left_out_and_its_names_stay_in_use() {
        let text = "package p\n\nfunc f() {\n\tif err := r.Patch(ctx, a, b); err != nil {\n\t\treturn\n\t}\n\tm.Set(x)\n}\n";

        let found = changes(text).expect("the snippet is Go");

        let removed: Vec<&Change> = found
            .iter()
            .filter(|change| change.what.starts_with("without"))
            .collect();
        assert_eq!(removed[0].what, "without r.Patch");
        assert_eq!(
            removed[0].replacement,
            "func() error { if false { return r.Patch(ctx, a, b) }; return nil }()"
        );
        assert_eq!(removed[1].replacement, "if false { m.Set(x) }");
        assert_eq!(removed[1].line, 7);
        assert_eq!(removed[1].function.as_deref(), Some("f"));
    }

    #[test]
    fn neighbours_of_one_shape_are_swapped() {
        assert_eq!(
            whats("x = g(ctx, org, repo, s.a, s.b, \"t\")"),
            ["org, repo → repo, org", "s.a, s.b → s.b, s.a"]
        );
    }

    #[test]
    fn logs_and_the_texts_of_errors_are_left_alone() {
        for body in [
            "log.V(1).Info(\"n\", \"a\", 1, x, y)",
            "r.Log.Error(err, \"n\", a, b)",
            "return fmt.Errorf(\"%d %v\", 1, true)",
        ] {
            assert_eq!(whats(body), Vec::<String>::new(), "{body}");
        }
    }

    #[test]
    fn what_is_not_go_is_refused() {
        let error = changes("package p\n\nfunc {").expect_err("half a function is not Go");

        assert_eq!(error.to_string(), "this is not Go, or newer than the grammar");
    }
}
