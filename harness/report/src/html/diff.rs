//! The page of a diff: what differs between two runs, on one page that can be handed on, with every line.
//!
//! The verdict stands first, then which runs they are, then a section for each thing that was compared: what matters in a table, what
//! moved within the noise folded below it. What it is not: part of a run's folder; whoever wants it says where.

use super::markup::Html;
use super::{MOST_ROWS, POLICY_OF_DIFFS, ROOM_FOR_CHECKS, ROOM_FOR_EVIDENCE, SENTENCE, VALUE};
use super::{head, human, instant, outcome};
use crate::diff::{Head, OTHER_CHECKS};
use crate::text::count;
use crate::{Diff, Difference, Section};

pub(super) const SCRIPT: &str = include_str!("diff.js");

/// The text of a diff's page, below 5 MB whatever differs.
#[must_use]
pub fn diff_html(diff: &Diff) -> String {
    let is_same = diff.differences() == 0;
    let word = if is_same { "Same" } else { "Different" };
    let [first, second] = &diff.runs;
    let mut html = Html::default();
    let title = format!("{word} – runs {} and {}", first.run_id, second.run_id);
    head(&mut html, POLICY_OF_DIFFS, &title);
    banner(&mut html, diff, is_same);
    html.raw("<main id=\"main\">\n");
    runs(&mut html, diff);
    filter(&mut html, diff);
    for section in &diff.sections {
        part(&mut html, section);
    }
    html.raw("</main>\n<footer><p>Made from both runs' <code>run.jsonl</code> and what lies beside it. Differences are of the second run against the first.");
    html.raw("</p></footer>\n<script>")
        .raw(SCRIPT)
        .raw("</script>\n</body>\n</html>\n");
    html.finish()
}

fn banner(html: &mut Html, diff: &Diff, is_same: bool) {
    html.raw(
        "<body>\n<a class=\"skip\" href=\"#main\">Skip to the differences</a>\n<header>\n<div class=\"banner ",
    );
    html.raw(if is_same {
        "good\">\n<h1><span class=\"sign\" aria-hidden=\"true\">=</span> Same: no difference that matters"
    } else {
        "bad\">\n<h1><span class=\"sign\" aria-hidden=\"true\">≠</span> Different: "
    });
    let compared = diff.sections.iter().filter(|section| section.compared);
    let differing = compared.clone().filter(|section| !section.differences.is_empty());
    let (compared, differing) = (compared.count(), differing.count());
    if !is_same {
        html.text(&count(diff.differences(), "difference"))
            .raw(" in ")
            .number(differing)
            .raw(" of ")
            .number(compared)
            .raw(" sections");
    }
    html.raw("</h1>\n<p>");
    match diff.sections.len() - compared {
        0 => html.raw("Everything could be compared"),
        missing => html.text(&count(missing, "section")).raw(" not compared"),
    };
    let noise: usize = diff
        .sections
        .iter()
        .map(|section| section.within_noise.len())
        .sum();
    if noise > 0 {
        html.raw("; ")
            .text(&count(noise, "change"))
            .raw(" within the noise");
    }
    html.raw(".</p>\n</div>\n<nav aria-label=\"Sections\">");
    for section in &diff.sections {
        html.raw("<a")
            .attribute("href", &format!("#{}", anchor(section)))
            .raw(">");
        html.text(section.title);
        if !section.differences.is_empty() {
            html.raw(" <b>").number(section.differences.len()).raw("</b>");
        }
        html.raw("</a>");
    }
    html.raw("</nav>\n</header>\n");
}

fn anchor(section: &Section) -> String {
    section.title.to_lowercase().replace(' ', "-")
}

fn runs(html: &mut Html, diff: &Diff) {
    html.raw("<section class=\"said\" aria-labelledby=\"runs\"><h2 id=\"runs\">The two runs</h2>\n");
    html.raw("<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr><th scope=\"col\">Run</th><th scope=\"col\">Command</th>");
    html.raw("<th scope=\"col\">Result</th><th scope=\"col\">Subject</th></tr></thead>\n<tbody>\n");
    for (name, run) in ["First", "Second"].into_iter().zip(&diff.runs) {
        let Head {
            run_id,
            command,
            started,
            duration,
            outcome: ended,
            counts,
            subject,
            ..
        } = run;
        html.raw("<tr><th scope=\"row\">")
            .raw(name)
            .raw(" <code>")
            .cut(run_id, SENTENCE);
        html.raw("</code></th><td><code>")
            .cut(command, SENTENCE)
            .raw("</code><br><span class=\"quiet\">");
        html.text(&instant(*started))
            .raw(", ")
            .text(&human(*duration))
            .raw("</span></td><td>");
        let look = outcome(*ended);
        html.raw("<span class=\"verdict ")
            .raw(look.class)
            .raw("\"><span aria-hidden=\"true\">")
            .raw(look.sign);
        html.raw("</span> ")
            .raw(look.word)
            .raw("</span><br><span class=\"quiet\">")
            .text(counts);
        html.raw("</span></td><td>")
            .cut(subject, SENTENCE)
            .raw("</td></tr>\n");
    }
    html.raw("</tbody></table></div>\n");
    if !diff.same_checks {
        html.raw("<ul><li class=\"warn\">")
            .raw(OTHER_CHECKS)
            .raw(".</li></ul>\n");
    }
    html.raw("</section>\n");
}

/// Hidden until the script can serve it; absent where there is nothing to filter.
fn filter(html: &mut Html, diff: &Diff) {
    let is_empty = |section: &Section| section.differences.is_empty() && section.within_noise.is_empty();
    if diff.sections.iter().all(is_empty) {
        return;
    }
    html.raw("<form id=\"filters\" role=\"search\" aria-label=\"Filter the differences\" hidden>\n");
    html.raw(
        "<label>Text <input type=\"search\" id=\"text\" autocomplete=\"off\" spellcheck=\"false\"></label>\n",
    );
    html.raw("<output id=\"shown\" aria-live=\"polite\"></output>\n</form>\n");
}

fn part(html: &mut Html, section: &Section) {
    let Section {
        title,
        scope,
        compared,
        differences,
        within_noise,
        ..
    } = section;
    html.raw("<section class=\"part\"")
        .attribute("aria-labelledby", &anchor(section))
        .raw("><h2")
        .attribute("id", &anchor(section))
        .raw(">");
    html.text(title).raw(" ");
    if differences.is_empty() {
        html.raw(if *compared {
            "<span class=\"verdict good\"><span aria-hidden=\"true\">=</span> same</span>"
        } else {
            "<span class=\"verdict none\"><span aria-hidden=\"true\">–</span> not compared</span>"
        });
    } else {
        html.raw("<span class=\"verdict bad\"><span aria-hidden=\"true\">≠</span> ")
            .text(&count(differences.len(), "difference"))
            .raw("</span>");
    }
    let scope = scope.strip_prefix("not compared: ").unwrap_or(scope);
    html.raw("</h2>\n<p class=\"quiet\">")
        .cut(scope, SENTENCE)
        .raw("</p>\n");
    if section.brief.len() < differences.len() {
        // What repeats is drawn together first, as on a terminal.
        html.raw("<ul class=\"brief\">\n");
        for line in section.brief.iter().take(MOST_ROWS) {
            html.raw("<li><span class=\"mark\" aria-hidden=\"true\">≠</span> ");
            html.cut(line, SENTENCE).raw("</li>\n");
        }
        html.raw("</ul>\n<details class=\"block\"><summary>All ")
            .text(&count(differences.len(), "line"))
            .raw("</summary>\n");
        table(html, differences, true);
        html.raw("</details>\n");
    } else if !differences.is_empty() {
        table(html, differences, true);
    }
    if !within_noise.is_empty() {
        html.raw("<details class=\"block\"><summary>")
            .text(&count(within_noise.len(), "change"))
            .raw(" within the noise</summary>\n");
        table(html, within_noise, false);
        html.raw("</details>\n");
    }
    html.raw("</section>\n");
}

/// What matters is marked: by its sign, and as taken away and added.
fn table(html: &mut Html, differences: &[Difference], matter: bool) {
    let room = if matter {
        ROOM_FOR_CHECKS
    } else {
        ROOM_FOR_EVIDENCE
    };
    let has_reasons = differences.iter().any(|difference| !difference.why.is_empty());
    html.raw("<div class=\"scroll\" tabindex=\"0\"><table class=\"lines")
        .raw(if has_reasons { " reasons\">" } else { "\">" })
        .raw("\n<thead><tr><th scope=\"col\">What</th>");
    html.raw("<th scope=\"col\">First run</th><th scope=\"col\">Second run</th>");
    html.raw(if has_reasons {
        "<th scope=\"col\">Why</th></tr></thead>\n<tbody>\n"
    } else {
        "</tr></thead>\n<tbody>\n"
    });
    let mut left_out = 0;
    for difference in differences {
        if html.len() > room {
            left_out += 1;
            continue;
        }
        html.raw("<tr><th scope=\"row\">");
        if matter {
            html.raw("<span class=\"mark\" aria-hidden=\"true\">≠</span> ");
        }
        html.cut(&difference.what, SENTENCE).raw("</th>");
        let [first, second] = &difference.values;
        value(html, first.as_deref(), if matter { "<del>" } else { "<span>" });
        value(html, second.as_deref(), if matter { "<ins>" } else { "<span>" });
        if has_reasons {
            html.raw("<td>").cut(&difference.why, SENTENCE).raw("</td>");
        }
        html.raw("</tr>\n");
    }
    html.raw("</tbody></table></div>\n");
    super::more(
        html,
        "<p>",
        left_out,
        "are not here, since this page is full: <code>cargo xtask diff RUN RUN --all</code> prints what matters.",
        "</p>\n",
    );
}

fn value(html: &mut Html, value: Option<&str>, open: &'static str) {
    html.raw("<td>");
    match value {
        None => html.raw("<span class=\"quiet\">not there</span>"),
        Some(value) => {
            html.raw(open);
            if value.is_empty() {
                html.raw("there");
            }
            html.cut(value, VALUE).raw(match open {
                "<del>" => "</del>",
                "<ins>" => "</ins>",
                _ => "</span>",
            })
        }
    };
    html.raw("</td>");
}
