//! Tables as kubectl prints them, read by the positions of their headings, so that empty cells stay empty.

/// One table: its headings, and a cell under each in every row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// The cells of these columns, row by row; a heading that is not there gives empty cells.
    pub(crate) fn columns(&self, headings: &[&str]) -> Vec<Vec<String>> {
        let at: Vec<Option<usize>> = headings
            .iter()
            .map(|wanted| self.headings.iter().position(|h| h == wanted))
            .collect();
        let cell = |row: &[String], at: Option<usize>| at.map(|at| row[at].clone()).unwrap_or_default();
        self.rows
            .iter()
            .map(|row| at.iter().map(|at| cell(row, *at)).collect())
            .collect()
    }

    /// The headings.
    pub(crate) fn headings(&self) -> &[String] {
        &self.headings
    }
}

/// Reads every table of an output; an empty line ends a table.
pub(crate) fn read(text: &str) -> Vec<Table> {
    text.split("\n\n")
        .filter_map(|block| read_one(block.trim_matches('\n')))
        .collect()
}

fn read_one(block: &str) -> Option<Table> {
    let mut lines = block.lines();
    let head = lines.next().filter(|head| !head.trim().is_empty())?;
    // Headings may hold single spaces ("WF REPO"); columns are at least two apart.
    let mut starts = vec![0];
    let bytes = head.as_bytes();
    for at in 2..bytes.len() {
        if bytes[at] != b' ' && bytes[at - 1] == b' ' && bytes[at - 2] == b' ' {
            starts.push(at);
        }
    }
    let cells = |line: &str| -> Vec<String> {
        let characters: Vec<char> = line.chars().collect();
        let slice = |from: usize, to: usize| -> String {
            let to = to.min(characters.len());
            characters
                .get(from..to)
                .unwrap_or_default()
                .iter()
                .collect::<String>()
                .trim()
                .to_owned()
        };
        let ends = starts.iter().skip(1).copied().chain([usize::MAX]);
        starts
            .iter()
            .copied()
            .zip(ends)
            .map(|(from, to)| slice(from, to))
            .collect()
    };
    Some(Table {
        headings: cells(head),
        rows: lines.map(cells).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_cells_stay_empty_and_tables_apart() {
        let text = "\
NAME      ENTERPRISE   ORGANIZATION   WF REPO   AGE
r1        dogecompany                           34m

NAME   READY
c      True
";

        let tables = read(text);

        assert_eq!(tables.len(), 2);
        assert_eq!(
            tables[0].headings(),
            ["NAME", "ENTERPRISE", "ORGANIZATION", "WF REPO", "AGE"]
        );
        assert_eq!(
            tables[0].columns(&["ORGANIZATION", "AGE", "NAME"]),
            [[String::new(), "34m".to_owned(), "r1".to_owned()]]
        );
        assert_eq!(tables[1].columns(&["READY"]), [["True"]]);
    }
}
