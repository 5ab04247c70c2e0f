//! Patterns of policies: `*` is any text, `?` any one character. No brackets, no escapes, no variables.

/// Whether the pattern takes the whole text. Case counts.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where the last `*` stands, and how far the text had come when it took one character more.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                p = at + 1;
                t = taken + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, word for word: slow, and plainly right.
    fn by_definition(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|n| by_definition(rest, &text[n..])),
            Some((c, rest)) => text
                .split_first()
                .is_some_and(|(first, left)| (*c == '?' || c == first) && by_definition(rest, left)),
        }
    }

    proptest! {
        #[test]
        fn it_is_the_definition(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());

            prop_assert_eq!(matches(&pattern, &text), by_definition(&p, &t));
        }

        #[test]
        fn a_text_without_wildcards_takes_itself_alone(pattern in "[a-z:/.]{0,12}", text in "[a-z:/.]{0,12}") {
            prop_assert_eq!(matches(&pattern, &text), pattern == text);
        }

        #[test]
        fn a_star_takes_whatever_begins_so(start in "[a-zé/]{0,8}", end in "\\PC{0,12}") {
            let pattern = format!("{start}*");
            let text = format!("{start}{end}");

            prop_assert!(matches(&pattern, &text));
        }
    }

    #[test]
    fn a_star_goes_over_slashes() {
        assert!(matches("arn:aws:s3:::b/*", "arn:aws:s3:::b/one/two"));
        assert!(!matches("arn:aws:s3:::b/*", "arn:aws:s3:::b"));
    }
}
