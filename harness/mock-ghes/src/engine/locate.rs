//! Where a key stands in a workflow file, for mistakes that are found after reading, when the reader's positions are
//! gone. Knows block style; in flow style (`{a: {b: …}}`) it answers the nearest key around that stands on a line.

/// Line and column, from 1, of the key path: names, and numbers from 0 for items of a list.
pub(super) fn locate(text: &str, path: &[String]) -> (u64, u64) {
    let lines: Vec<Line<'_>> = text.lines().enumerate().filter_map(Line::read).collect();
    let mut found = (1, 1);
    let mut block = lines.as_slice();
    for step in path {
        let Some((position, inside)) = child(block, step) else {
            break;
        };
        found = position;
        block = inside;
    }
    found
}

struct Line<'t> {
    number: u64,
    indent: usize,
    text: &'t str,
}

impl<'t> Line<'t> {
    /// Nothing for blank lines and comments.
    fn read((index, line): (usize, &'t str)) -> Option<Self> {
        let text = line.trim_start_matches(' ');
        (!text.trim().is_empty() && !text.starts_with('#')).then_some(Self {
            number: index as u64 + 1,
            indent: line.len() - text.len(),
            text,
        })
    }

    fn is_item(&self) -> bool {
        self.text == "-" || self.text.starts_with("- ")
    }

    fn has_key(&self, key: &str) -> bool {
        let bare = self.text.trim_start_matches(['"', '\'']);
        bare.strip_prefix(key)
            .is_some_and(|rest| rest.trim_start_matches(['"', '\'']).trim_start().starts_with(':'))
    }
}

/// The child's position and the lines inside it. A block's children are the lines of its first line's indent.
fn child<'l, 't>(block: &'l [Line<'t>], step: &str) -> Option<((u64, u64), &'l [Line<'t>])> {
    let level = block.first()?.indent;
    let at = match step.parse::<usize>() {
        Ok(index) => {
            let mut items = block
                .iter()
                .enumerate()
                .filter(|(_, line)| line.indent == level && line.is_item());
            items.nth(index)?.0
        }
        Err(_) => block
            .iter()
            .position(|line| line.indent == level && line.has_key(step))?,
    };
    let line = &block[at];
    let after = &block[at + 1..];
    // The items of a list may stand as far left as their key.
    let end = after.iter().position(|next| {
        next.indent < level || (next.indent == level && (line.is_item() || !next.is_item()))
    });
    Some((
        (line.number, line.indent as u64 + 1),
        &after[..end.unwrap_or(after.len())],
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &[&str]) -> (u64, u64) {
        let text = "name: x\n\njobs:\n  # first\n  a:\n    steps:\n    - run: |\n        b:\n    - run: two\n  b:\n    needs: [a]\n    steps:\n      - run: three\n";
        locate(
            text,
            &path.iter().map(|step| (*step).to_owned()).collect::<Vec<_>>(),
        )
    }

    #[test]
    fn keys_and_items_are_found() {
        assert_eq!(at(&["name"]), (1, 1));
        assert_eq!(at(&["jobs", "a", "steps", "1"]), (9, 5));
        assert_eq!(at(&["jobs", "b", "needs"]), (11, 5));
        assert_eq!(at(&["jobs", "b", "steps", "0"]), (13, 7));
    }

    #[test]
    fn the_nearest_parent_stands_for_what_is_not_found() {
        assert_eq!(at(&["jobs", "b", "timeout-minutes"]), (10, 3));
        assert_eq!(at(&["on"]), (1, 1));
    }
}
