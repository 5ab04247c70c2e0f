//! Rules for every committed text: no trailing space, no path of one machine, no registry's host.

use camino::Utf8Path;

use super::Finding;

/// Folders of one machine or one person. Built from halves, so that this file keeps its own rule.
const MACHINE_FOLDERS: [&str; 4] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/tmp/", "probe"),
];

/// The home of GitHub's runner image: part of a public contract, not of a machine.
const PUBLIC_HOME: &str = concat!("/ho", "me/runner");

/// Hosts that a package client knows by itself; named in a file, they pin a machine's way to the network.
const REGISTRY_HOSTS: [&str; 9] = [
    concat!("static.", "crates.io"),
    concat!("index.", "crates.io"),
    concat!("//", "crates.io"),
    concat!("proxy.", "golang.org"),
    concat!("sum.", "golang.org"),
    concat!("registry.", "npmjs.org"),
    concat!("py", "pi.org"),
    concat!("python", "hosted.org"),
    concat!("deb.", "debian.org"),
];

/// All findings in one file.
pub(super) fn check(file: &Utf8Path, content: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in content.lines().enumerate() {
        // Snapshots show what a program printed, spaces included.
        if line.ends_with([' ', '\t']) && file.extension() != Some("snap") {
            findings.push(Finding::in_line(file, index, "trailing space"));
        }
        if let Some(folder) = machine_folder(line) {
            findings.push(Finding::in_line(
                file,
                index,
                format!("{folder} is a path of one machine"),
            ));
        }
        if let Some(host) = REGISTRY_HOSTS.iter().find(|host| line.contains(**host)) {
            findings.push(Finding::in_line(
                file,
                index,
                format!("{host} is a registry's host: leave it to its client"),
            ));
        }
        if file.starts_with("kind") && pins_latest(line) {
            findings.push(Finding::in_line(file, index, "`latest` is no version: pin one"));
        }
    }
    if !content.is_empty() && !content.ends_with('\n') && file.extension() == Some("rs") {
        findings.push(Finding::in_file(file, "no newline at the end"));
    }
    findings
}

/// An absolute path into a machine's folder; the same name inside a longer path is none.
fn machine_folder(line: &str) -> Option<&'static str> {
    MACHINE_FOLDERS.into_iter().find(|folder| {
        line.match_indices(folder).any(|(at, _)| {
            let inside_a_path = line[..at].ends_with(|c: char| c.is_alphanumeric() || "_-./}".contains(c));
            !inside_a_path && !line[at..].starts_with(PUBLIC_HOME)
        })
    })
}

/// `image:latest`, `tag: latest`, `version = "latest"`.
fn pins_latest(line: &str) -> bool {
    line.match_indices("latest").any(|(at, word)| {
        let before = line[..at].trim_end_matches(['"', '\'']).trim_end();
        let after = line[at + word.len()..].chars().next();
        before.ends_with([':', '=', '@'])
            && !after.is_some_and(|c| c.is_alphanumeric() || c == '-' || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(file: &str, content: &str) -> Vec<String> {
        check(Utf8Path::new(file), content)
            .into_iter()
            .map(|f| format!("{}: {}", f.place, f.message))
            .collect()
    }

    #[test]
    fn trailing_space_is_found_with_its_line() {
        assert_eq!(messages("a.md", "good\nbad \n"), ["a.md:2: trailing space"]);
        assert!(messages("a.snap", "bad \n").is_empty());
    }

    #[test]
    fn machine_paths_are_found_and_relative_ones_are_not() {
        for line in MACHINE_FOLDERS.map(|folder| format!("see `{folder}x`")) {
            assert_eq!(messages("a.md", &line).len(), 1, "{line}");
        }
        for line in [
            "target/e2e/work/logs",
            "/runner/_work/repo",
            "${HOME}/work/",
            &format!("{PUBLIC_HOME}/x"),
        ] {
            assert!(messages("a.md", line).is_empty(), "{line}");
        }
    }

    #[test]
    fn registry_hosts_are_found() {
        for host in REGISTRY_HOSTS {
            assert_eq!(messages("a.rs", &format!("{host}/x\n")).len(), 1, "{host}");
        }
        assert!(messages("deny.toml", "https://github.com/rust-lang/crates.io-index\n").is_empty());
    }

    #[test]
    fn latest_is_no_pin() {
        for line in [
            "image: a/b:latest",
            "tag: latest",
            "version = \"latest\"",
            "a/b:latest",
        ] {
            assert_eq!(messages("kind/x.yaml", line).len(), 1, "{line}");
        }
        for line in ["# the latest that builds", "name: latest-thing", "image: a/b:v1"] {
            assert!(messages("kind/x.yaml", line).is_empty(), "{line}");
        }
        assert!(messages("README.md", "tag: latest").is_empty());
    }
}
