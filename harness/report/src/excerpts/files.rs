//! Files of a run's folder: which there are, and bounded excerpts of them.
//!
//! Names come from the log, which may be anything: only plain names below the run's folder are followed, and no
//! symbolic link.

use std::collections::HashMap;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use serde_json::Value;

use crate::words::Word;

/// Bytes of one excerpt.
const EXCERPT: usize = 16 * 1024;
/// Bytes at the end of a log that are searched.
const SEARCHED: u64 = 2 * 1024 * 1024;
/// Bytes at the end of a program's log that are searched, and for how many words.
const SEARCHED_OF_PROGRAM: u64 = 512 * 1024;
const MOST_WORDS: usize = 6;
/// Lines of ARC's log.
const ARC_LINES: usize = 60;
/// Pods whose logs are shown, the newest.
const MOST_PODS: usize = 8;
/// Bytes of one line of a log.
const LINE: usize = 600;

/// A part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Excerpt {
    /// The file's name.
    pub(crate) name: String,
    /// The text, redacted as it lies on disk.
    pub(crate) text: String,
    /// What is not shown, as a fragment; empty if all is.
    pub(crate) left_out: String,
}

/// A line of a program's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProgramLine {
    /// The log's name.
    pub(crate) log: String,
    /// The line.
    pub(crate) text: String,
    /// The word for which it was chosen.
    pub(crate) word: String,
}

impl ProgramLine {
    fn of(log: &Excerpt, line: &str, word: &str) -> ProgramLine {
        ProgramLine {
            log: log.name.clone(),
            text: line[..line.floor_char_boundary(LINE)].to_owned(),
            word: word.to_owned(),
        }
    }
}

/// The path, if it stays below the folder that it is relative to.
pub(super) fn inside(path: &Utf8Path) -> Option<&Utf8Path> {
    let plain = path
        .components()
        .all(|part| matches!(part, Utf8Component::Normal(_)));
    (plain && !path.as_str().is_empty()).then_some(path)
}

/// Whether the text can be the name of a file, and no more.
pub(super) fn is_name(text: &str) -> bool {
    inside(Utf8Path::new(text)).is_some_and(|path| path.components().count() == 1 && !text.contains('\0'))
}

/// The size in bytes, if it is an ordinary file.
pub(super) fn size(path: &Utf8Path) -> Option<u64> {
    let metadata = path.symlink_metadata().ok()?;
    metadata.is_file().then_some(metadata.len())
}

/// The ordinary files of a folder, which is relative to the run's folder, by name.
pub(super) fn listing(
    run_dir: &Utf8Path,
    folder: &Utf8Path,
    gaps: &mut Vec<String>,
) -> Vec<(Utf8PathBuf, u64)> {
    let entries = match run_dir.join(folder).read_dir_utf8() {
        Ok(entries) => entries,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                gaps.push(format!("{folder} cannot be listed: {error}"));
            }
            return Vec::new();
        }
    };
    let mut files: Vec<(Utf8PathBuf, u64)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| Some((folder.join(entry.file_name()), size(entry.path())?)))
        .collect();
    files.sort();
    files
}

/// The logs of pods by namespace: `evidence/pods/NAMESPACE_POD_CONTAINER.log`.
pub(super) fn pod_logs(
    run_dir: &Utf8Path,
    gaps: &mut Vec<String>,
) -> HashMap<String, Vec<(Utf8PathBuf, u64)>> {
    let mut logs: HashMap<String, Vec<_>> = HashMap::new();
    for (path, size) in listing(run_dir, Utf8Path::new("evidence/pods"), gaps) {
        let name = path.file_name().unwrap_or_default();
        if let Some((namespace, _)) = name.split_once('_') {
            logs.entry(namespace.to_owned()).or_default().push((path, size));
        }
    }
    logs
}

/// The ends of the logs that were written last.
pub(super) fn newest_logs(
    run_dir: &Utf8Path,
    logs: &[(Utf8PathBuf, u64)],
    gaps: &mut Vec<String>,
) -> Vec<Excerpt> {
    let written = |path: &Utf8Path| run_dir.join(path).metadata().and_then(|m| m.modified()).ok();
    let mut newest: Vec<&Utf8Path> = logs.iter().map(|(path, _)| path.as_path()).collect();
    newest.sort_by_key(|path| std::cmp::Reverse(written(path)));
    newest.truncate(MOST_PODS);
    newest
        .into_iter()
        .filter_map(|path| tail(&run_dir.join(path), EXCERPT as u64, gaps))
        .map(|mut excerpt| {
            excerpt.text = cut_lines(excerpt.text.lines());
            excerpt
        })
        .collect()
}

/// The last lines of a log that name the namespace.
pub(super) fn lines_about(path: &Utf8Path, namespace: &str, gaps: &mut Vec<String>) -> Option<Excerpt> {
    let whole = tail(path, SEARCHED, gaps)?;
    let lines: Vec<&str> = whole.text.lines().collect();
    let about: Vec<&str> = lines
        .iter()
        .copied()
        .filter(|line| names(line, namespace))
        .collect();
    let shown = &about[about.len().saturating_sub(ARC_LINES)..];
    Some(Excerpt {
        name: whole.name,
        text: cut_lines(shown.iter().copied()),
        left_out: format!(
            "{} of {} kept lines name {namespace}; the last {} are shown",
            about.len(),
            lines.len(),
            shown.len()
        ),
    })
}

/// The ends of the programs' logs.
pub(super) fn program_logs(run_dir: &Utf8Path, gaps: &mut Vec<String>) -> Vec<Excerpt> {
    let logs = listing(run_dir, Utf8Path::new("evidence/programs"), gaps);
    logs.into_iter()
        .filter_map(|(path, _)| tail(&run_dir.join(path), SEARCHED_OF_PROGRAM, gaps))
        .collect()
}

/// The line with which a Go program told that it crashed. Of ARC's managers as for [`line_that_names`].
pub(super) fn crash(logs: &[Excerpt], own: Option<&str>) -> Option<ProgramLine> {
    let crashed = |line: &&str| line.starts_with("panic: ") || line.starts_with("fatal error: ");
    logs.iter().filter(|log| is_for(log, own)).find_map(|log| {
        let line = log.text.lines().rfind(crashed)?;
        Some(ProgramLine::of(log, line, "panic"))
    })
}

/// The last line of the log of a program that one of the words is the name of, else the last line of the first log that names one. Only
/// words that are none of a language. Of ARC's managers it looks at those of the namespace alone that has its own, else at the common ones.
pub(super) fn line_that_names(logs: &[Excerpt], words: &[Word], own: Option<&str>) -> Option<ProgramLine> {
    let logs: Vec<&Excerpt> = logs.iter().filter(|log| is_for(log, own)).collect();
    let words = words.iter().filter(|word| word.is_distinctive());
    words.take(MOST_WORDS).find_map(|word| {
        let is_of_program = |log: &Excerpt| log.name.strip_suffix(".log") == Some(word.text.as_str());
        let is_a_program = logs.iter().any(|log| is_of_program(log));
        logs.iter().find_map(|log| {
            let mut lines = log.text.lines();
            let line = if is_a_program {
                lines.rfind(|line| is_of_program(log) && !line.is_empty())?
            } else {
                lines.rfind(|line| names(line, &word.text))?
            };
            Some(ProgramLine::of(log, line, &word.text))
        })
    })
}

/// `own-1-arc-manager-0.log` is for the namespace that it names, `arc-manager.log` for whoever has no ARC of its own.
fn is_for(log: &Excerpt, own: Option<&str>) -> bool {
    match (log.name.starts_with("own-"), own) {
        (true, Some(namespace)) => log.text.lines().any(|line| names(line, namespace)),
        (true, None) => false,
        (false, own) => own.is_none() || log.name != "arc-manager.log",
    }
}

/// Whether the line has this name, not one of which it is a part.
fn names(line: &str, name: &str) -> bool {
    let part_of_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
    !name.is_empty()
        && line.match_indices(name).any(|(at, _)| {
            !line[..at].ends_with(part_of_name) && !line[at + name.len()..].starts_with(part_of_name)
        })
}

/// The YAML files of a failure's folder, without what only the API server needs; its events are shown elsewhere.
pub(super) fn objects(folder: &Utf8Path, gaps: &mut Vec<String>) -> Vec<Excerpt> {
    let files = listing(folder, Utf8Path::new(""), gaps);
    files
        .into_iter()
        .filter(|(path, size)| {
            path.extension() == Some("yaml") && path.file_stem() != Some("events") && *size > 3
        })
        .filter_map(|(path, _)| head(&folder.join(path), gaps))
        .collect()
}

fn head(path: &Utf8Path, gaps: &mut Vec<String>) -> Option<Excerpt> {
    let raw = match fs_err::read(path) {
        Ok(raw) => String::from_utf8_lossy(&raw).into_owned(),
        Err(error) => {
            gaps.push(error.to_string());
            return None;
        }
    };
    let text = match harness_yaml::manifest::<Value>(&raw) {
        Ok(mut value) => {
            without_managed_fields(&mut value);
            harness_yaml::to_string(&value).unwrap_or(raw)
        }
        Err(_) => raw,
    };
    let shown = text.floor_char_boundary(EXCERPT);
    let left_out = text.len() - shown;
    Some(Excerpt {
        name: path.file_name().unwrap_or_default().to_owned(),
        text: text[..shown].to_owned(),
        left_out: if left_out == 0 {
            String::new()
        } else {
            format!("{left_out} more bytes are in the file")
        },
    })
}

fn without_managed_fields(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.shift_remove("managedFields");
            fields.values_mut().for_each(without_managed_fields);
        }
        Value::Array(items) => items.iter_mut().for_each(without_managed_fields),
        _ => {}
    }
}

/// The end of a file, from the beginning of a line on.
fn tail(path: &Utf8Path, most: u64, gaps: &mut Vec<String>) -> Option<Excerpt> {
    let size = size(path)?;
    let from = size.saturating_sub(most);
    let read = || -> io::Result<Vec<u8>> {
        let mut file = fs_err::File::open(path)?;
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = match read() {
        Ok(bytes) => bytes,
        Err(error) => {
            gaps.push(error.to_string());
            return None;
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    let (text, left_out) = match text.split_once('\n').filter(|_| from > 0) {
        Some((_, whole_lines)) => (
            whole_lines,
            format!(
                "{} bytes before this are in the file",
                size - whole_lines.len() as u64
            ),
        ),
        None => (text.as_ref(), String::new()),
    };
    Some(Excerpt {
        name: path.file_name().unwrap_or_default().to_owned(),
        text: text.to_owned(),
        left_out,
    })
}

fn cut_lines<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for line in lines {
        let shown = line.floor_char_boundary(LINE);
        text += &line[..shown];
        text += if shown < line.len() { "…\n" } else { "\n" };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_below_is_followed() {
        for path in ["", "/etc", "..", "evidence/../../etc", "./x"] {
            assert_eq!(inside(Utf8Path::new(path)), None, "{path}");
        }
        assert!(inside(Utf8Path::new("evidence/checks/e2e-x")).is_some());
        assert!(!is_name("a/b"));
        assert!(!is_name("a\0b"));
        assert!(is_name("e2e-x"));
    }

    #[test]
    fn a_namespace_is_not_its_longer_neighbour() {
        assert!(names("pod e2e-scaling/x", "e2e-scaling"));
        assert!(!names("pod e2e-scaling-ladder/x", "e2e-scaling"));
        assert!(!names("anything", ""));
    }

    #[test]
    fn a_check_has_the_log_of_its_own_arc_and_no_other() {
        let log = |name: &str, text: &str| Excerpt {
            name: name.to_owned(),
            text: text.to_owned(),
            left_out: String::new(),
        };
        let own = log("own-1-arc-manager-0.log", "reconciled e2e-a/x");
        let common = log("arc-manager.log", "reconciled e2e-b/x");
        let other = log("etcd.log", "");

        let of = |namespace| [&own, &common, &other].map(|log| is_for(log, namespace));

        assert_eq!(of(Some("e2e-a")), [true, false, true]);
        assert_eq!(of(Some("e2e-c")), [false, false, true]);
        assert_eq!(of(None), [false, true, true]);
    }

    #[test]
    fn the_line_of_a_crash_is_found_among_its_stack() {
        let log = Excerpt {
            name: "arc-manager.log".to_owned(),
            text: "INFO reconciled\npanic: nil pointer\n\ngoroutine 1 [running]:\npanic({0x1})\n".to_owned(),
            left_out: String::new(),
        };

        let line = crash(&[log], None).expect("it crashed");

        assert_eq!(line.text, "panic: nil pointer");
    }
}
