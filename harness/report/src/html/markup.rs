//! The one way to write HTML here: markup is a constant of the program, every other text is escaped.
//!
//! That constants are constants the compiler checks: [`Html::raw`] takes nothing that a run could have said.

use std::fmt::Write as _;

use crate::text::without_controls;

/// Bytes after which no text is taken any more: only markup, whose amount is bounded, and the page stays below 5 MB.
const CEILING: usize = 4_700_000;

/// A growing page.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The page.
    pub(super) fn finish(self) -> String {
        self.0
    }

    /// Markup of the program's own.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text from anywhere: control sequences and control characters go, the rest is escaped.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        if self.0.len() > CEILING {
            return self;
        }
        let clean;
        let text = if text.bytes().any(|byte| !(b' '..0x7f).contains(&byte)) {
            clean = without_controls(text);
            &clean
        } else {
            text
        };
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // Overrides of the writing direction: they make a text look like another one.
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => self.0.push('\u{fffd}'),
                c => self.0.push(c),
            }
        }
        self
    }

    /// At most this many bytes of the text; where it was cut it says so.
    pub(super) fn cut(&mut self, text: &str, most: usize) -> &mut Self {
        let shown = text.floor_char_boundary(most);
        self.text(&text[..shown]);
        if shown < text.len() {
            self.raw("… <span class=\"quiet\">(")
                .number(text.len() - shown)
                .raw(" more bytes)</span>");
        }
        self
    }

    /// A whole number.
    pub(super) fn number(&mut self, number: impl Into<Number>) -> &mut Self {
        let Number(number) = number.into();
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{number}");
        self
    }

    /// ` name="value"`; the value is escaped.
    pub(super) fn attribute(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.raw(" ").raw(name).raw("=\"").text(value).raw("\"")
    }

    /// ` name="12.3"`.
    pub(super) fn coordinate(&mut self, name: &'static str, value: f64) -> &mut Self {
        self.raw(" ").raw(name);
        let _ = write!(self.0, "=\"{value:.1}\"");
        self
    }

    /// `x,y ` of a list of points.
    pub(super) fn point(&mut self, x: f64, y: f64) -> &mut Self {
        let _ = write!(self.0, "{x:.1},{y:.1} ");
        self
    }

    /// `open`, the text, `close`.
    pub(super) fn element(&mut self, open: &'static str, text: &str, close: &'static str) -> &mut Self {
        self.raw(open).text(text).raw(close)
    }
}

/// A whole number of any size.
pub(super) struct Number(i128);

impl From<usize> for Number {
    fn from(number: usize) -> Self {
        // A usize has at most 64 bits.
        Number(i128::try_from(number).unwrap_or_default())
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Number(number.into())
    }
}

impl From<u16> for Number {
    fn from(number: u16) -> Self {
        Number(number.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_text_is_only_text() {
        let mut html = Html::default();

        html.text("</script><img src=x onerror='a()'>\u{0}\u{1b}[31m&amp;\u{202e}");

        assert_eq!(
            html.finish(),
            "&lt;/script&gt;&lt;img src=x onerror=&#39;a()&#39;&gt;&amp;amp;\u{fffd}"
        );
    }

    #[test]
    fn a_cut_says_how_much_is_missing() {
        let mut html = Html::default();

        html.cut("äää", 3);

        assert_eq!(html.finish(), "ä… <span class=\"quiet\">(4 more bytes)</span>");
    }

    proptest! {
        #[test]
        fn no_text_opens_a_tag_or_leaves_an_attribute(text in any::<String>()) {
            let mut html = Html::default();

            html.text(&text);

            prop_assert!(!html.finish().contains(['<', '>', '"', '\'', '\0']));
        }
    }
}
