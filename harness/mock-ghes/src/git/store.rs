//! Makes the repositories of a world and answers questions about refs, commits and files.

use std::process::{Output, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use tokio::io::AsyncWriteExt as _;

use super::{GitError, command};
use crate::view::CommitView;
use crate::{RepositoryName, RepositorySpec};

/// Time of the first commits: fixed, so that a world has the same commits in every run (2023-07-01T00:00:00Z).
const BIRTH: i64 = 1_688_169_600;

/// The folder of all repositories, `OWNER/NAME.git` below it.
#[derive(Debug, Clone)]
pub(crate) struct Repositories {
    root: Utf8PathBuf,
}

/// A ref and the commit it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResolvedRef {
    /// For example `refs/heads/main`; a bare commit is its own name.
    pub(crate) full: String,
    /// 40 hex digits.
    pub(crate) sha: String,
}

/// A branch and its commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Branch {
    pub(crate) name: String,
    pub(crate) sha: String,
}

impl Repositories {
    pub(crate) fn new(root: Utf8PathBuf) -> Self {
        Repositories { root }
    }

    pub(crate) fn root(&self) -> &Utf8Path {
        &self.root
    }

    pub(crate) fn folder(&self, name: &RepositoryName) -> Utf8PathBuf {
        self.root.join(&name.owner).join(format!("{}.git", name.name))
    }

    /// Makes a repository with two commits: a first README, then the files. One that exists already is kept.
    pub(crate) async fn create(&self, spec: &RepositorySpec) -> Result<(), GitError> {
        let name = spec.full_name();
        let folder = self.folder(&name);
        if folder.join("HEAD").exists() {
            return Ok(());
        }
        let mut init = command();
        init.args(["init", "--quiet", "--bare", "-b", &spec.default_branch])
            .arg(&folder);
        finish("init", &folder, init.output().await)?;
        for (key, value) in [
            ("http.receivepack", "true"),
            ("uploadpack.allowAnySHA1InWant", "true"),
            ("uploadpack.allowFilter", "true"),
            ("gc.auto", "0"),
        ] {
            self.git(&name, &["config", key, value]).await?;
        }
        let mut import = command();
        import
            .arg("--git-dir")
            .arg(&folder)
            .args(["fast-import", "--quiet"]);
        import
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = import.spawn().map_err(GitError::Start)?;
        let mut stdin = child.stdin.take().ok_or_else(|| GitError::Form {
            operation: "fast-import".into(),
        })?;
        let stream = import_stream(spec);
        // A write error shows again as the program's failure, with a reason.
        let (_written, output) = tokio::join!(
            async move {
                let written = stdin.write_all(&stream).await;
                drop(stdin);
                written
            },
            child.wait_with_output()
        );
        finish("fast-import", &folder, output)?;
        Ok(())
    }

    /// Resolves what users write as a ref: a full ref, a branch, a tag, or a commit.
    pub(crate) async fn resolve(
        &self,
        name: &RepositoryName,
        reference: &str,
    ) -> Result<Option<ResolvedRef>, GitError> {
        if reference.is_empty() || reference.starts_with('-') || reference.contains("..") {
            return Ok(None);
        }
        let mut candidates: Vec<String> = Vec::new();
        if reference.starts_with("refs/") {
            candidates.push(reference.to_owned());
        } else {
            candidates.push(format!("refs/heads/{reference}"));
            candidates.push(format!("refs/tags/{reference}"));
            if reference.len() == 40 && reference.bytes().all(|b| b.is_ascii_hexdigit()) {
                candidates.push(reference.to_owned());
            }
        }
        for full in candidates {
            let commit = format!("{full}^{{commit}}");
            let output = self
                .run(name, &["rev-parse", "--verify", "--quiet", &commit])
                .await?;
            if output.status.success() {
                let sha = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                return Ok(Some(ResolvedRef { full, sha }));
            }
        }
        Ok(None)
    }

    pub(crate) async fn commit(&self, name: &RepositoryName, sha: &str) -> Result<CommitView, GitError> {
        let format = "--format=%H%x00%T%x00%an%x00%ae%x00%cI%x00%P%x00%B";
        let text = self.git(name, &["log", "-1", format, sha, "--"]).await?;
        let parts: Vec<&str> = text.splitn(7, '\0').collect();
        let [sha, tree, author, email, date, parents, message] = parts[..] else {
            return Err(GitError::Form {
                operation: "log".into(),
            });
        };
        Ok(CommitView {
            sha: sha.to_owned(),
            tree: tree.to_owned(),
            message: message.trim_end().to_owned(),
            author: author.to_owned(),
            email: email.to_owned(),
            date: date.to_owned(),
            parents: parents.split_whitespace().map(str::to_owned).collect(),
        })
    }

    pub(crate) async fn branches(&self, name: &RepositoryName) -> Result<Vec<Branch>, GitError> {
        let text = self
            .git(
                name,
                &[
                    "for-each-ref",
                    "--format=%(refname:lstrip=2) %(objectname)",
                    "refs/heads",
                ],
            )
            .await?;
        let branch = |line: &str| {
            let (name, sha) = line.rsplit_once(' ')?;
            Some(Branch {
                name: name.to_owned(),
                sha: sha.to_owned(),
            })
        };
        Ok(text.lines().filter_map(branch).collect())
    }

    /// The bytes of a file at a commit, if it is there.
    pub(crate) async fn file(
        &self,
        name: &RepositoryName,
        sha: &str,
        path: &str,
    ) -> Result<Option<Vec<u8>>, GitError> {
        let output = self
            .run(name, &["cat-file", "blob", &format!("{sha}:{path}")])
            .await?;
        Ok(output.status.success().then_some(output.stdout))
    }

    /// The workflow files at a commit, as paths from the repository's root.
    pub(crate) async fn workflow_paths(
        &self,
        name: &RepositoryName,
        sha: &str,
    ) -> Result<Vec<String>, GitError> {
        let text = self
            .git(name, &["ls-tree", "-z", "--name-only", sha, ".github/workflows/"])
            .await?;
        let is_workflow = |path: &&str| path.ends_with(".yml") || path.ends_with(".yaml");
        Ok(text.split('\0').filter(is_workflow).map(str::to_owned).collect())
    }

    /// A gzipped tar of a commit with one top folder.
    pub(crate) async fn archive(
        &self,
        name: &RepositoryName,
        sha: &str,
        top: &str,
    ) -> Result<Vec<u8>, GitError> {
        let prefix = format!("--prefix={top}/");
        let output = self
            .run(name, &["archive", "--format=tar.gz", &prefix, sha])
            .await?;
        Ok(finish("archive", &self.folder(name), Ok(output))?.stdout)
    }

    async fn git(&self, name: &RepositoryName, args: &[&str]) -> Result<String, GitError> {
        let output = self.run(name, args).await?;
        let output = finish(
            args.first().copied().unwrap_or_default(),
            &self.folder(name),
            Ok(output),
        )?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    async fn run(&self, name: &RepositoryName, args: &[&str]) -> Result<Output, GitError> {
        let mut git = command();
        git.arg("--git-dir")
            .arg(self.folder(name))
            .args(args)
            .stdin(Stdio::null());
        git.output().await.map_err(GitError::Start)
    }
}

fn finish(operation: &str, folder: &Utf8Path, output: std::io::Result<Output>) -> Result<Output, GitError> {
    let output = output.map_err(GitError::Start)?;
    if output.status.success() {
        return Ok(output);
    }
    Err(GitError::Failed {
        operation: operation.to_owned(),
        repository: folder.to_owned(),
        message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// The two commits in `git fast-import`'s language.
fn import_stream(spec: &RepositorySpec) -> Vec<u8> {
    let mut out = Vec::new();
    let mut commit = |time: i64, message: &str, files: &mut dyn Iterator<Item = (&str, &str)>| {
        let who = format!("Mona Lisa Octocat <octocat@users.noreply.github.com> {time} +0000");
        let head = format!(
            "commit refs/heads/{}\nauthor {who}\ncommitter {who}\ndata {}\n{message}\n",
            spec.default_branch,
            message.len()
        );
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(b"deleteall\n");
        for (path, text) in files {
            let mode = if text.starts_with("#!") {
                "100755"
            } else {
                "100644"
            };
            out.extend_from_slice(
                format!("M {mode} inline {}\ndata {}\n{text}\n", quoted(path), text.len()).as_bytes(),
            );
        }
        out.push(b'\n');
    };
    let readme = format!("# {}\n", spec.name);
    commit(
        BIRTH,
        "Initial commit",
        &mut std::iter::once(("README.md", readme.as_str())),
    );
    if !spec.files.is_empty() {
        let mut files = spec
            .files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()));
        commit(BIRTH + 60, "Add the files", &mut files);
    }
    out
}

/// A path as fast-import wants it if it holds anything unusual.
fn quoted(path: &str) -> String {
    format!(
        "\"{}\"",
        path.replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn repository() -> (camino_tempfile::Utf8TempDir, Repositories, RepositorySpec) {
        let dir = camino_tempfile::tempdir().expect("a temporary folder can be made");
        let repositories = Repositories::new(dir.path().to_owned());
        let mut spec = crate::World::default().repositories.remove(0);
        spec.files
            .insert("run \"me\".sh".into(), "#!/bin/sh\necho hi\n".into());
        repositories
            .create(&spec)
            .await
            .expect("git makes the repository");
        (dir, repositories, spec)
    }

    #[tokio::test]
    async fn a_world_repository_holds_its_files_and_a_previous_commit() {
        let (_dir, repositories, spec) = repository().await;
        let name = spec.full_name();

        let head = repositories
            .resolve(&name, "main")
            .await
            .expect("git runs")
            .expect("main exists");
        let commit = repositories
            .commit(&name, &head.sha)
            .await
            .expect("the commit exists");
        let script = repositories
            .file(&name, &head.sha, "run \"me\".sh")
            .await
            .expect("git runs");
        let workflows = repositories
            .workflow_paths(&name, &head.sha)
            .await
            .expect("git runs");
        let branches = repositories.branches(&name).await.expect("git runs");

        assert_eq!(head.full, "refs/heads/main");
        assert_eq!(commit.message, "Add the files");
        assert_eq!(commit.parents.len(), 1);
        assert_eq!(script.as_deref(), Some(&b"#!/bin/sh\necho hi\n"[..]));
        assert_eq!(workflows, [".github/workflows/quickstart.yml"]);
        assert_eq!(
            branches,
            [Branch {
                name: "main".into(),
                sha: head.sha
            }]
        );
    }

    #[tokio::test]
    async fn the_same_world_has_the_same_commits_in_every_run() {
        let (_one, first, spec) = repository().await;
        let (_two, second, _) = repository().await;
        let name = spec.full_name();

        let shas = [
            first.resolve(&name, "refs/heads/main").await.expect("git runs"),
            second.resolve(&name, "refs/heads/main").await.expect("git runs"),
        ];

        assert!(shas[0].is_some());
        assert_eq!(shas[0], shas[1]);
    }

    #[tokio::test]
    async fn what_is_no_ref_resolves_to_nothing() {
        let (_dir, repositories, spec) = repository().await;
        let name = spec.full_name();

        for reference in ["nowhere", "--all", "main..main", "", "HEAD~1"] {
            let resolved = repositories.resolve(&name, reference).await.expect("git runs");
            assert_eq!(resolved, None, "{reference} must not resolve");
        }
    }
}
