//! An image made on a Docker engine and found again. Ignored, with the reason, where `DOCKER_HOST` names no engine.

use std::process::{Command, ExitCode};

use camino_tempfile::Utf8TempDir;
use harness_images::{Content, Engine, Image, Program};
use libtest_mimic::{Arguments, Trial};

/// What stands in place of the kind of an ignored trial.
const NEEDED: &str = "needs a Docker engine: set DOCKER_HOST";

fn main() -> ExitCode {
    let trial = Trial::test("an_image_is_made_once_and_is_what_was_asked_for", || {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(an_image_is_made_once_and_is_what_was_asked_for());
        Ok(())
    });
    let trial = match std::env::var_os("DOCKER_HOST") {
        Some(_) => trial,
        None => trial.with_kind(NEEDED).with_ignored_flag(true),
    };
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

const IMAGE: Image = Image {
    name: "test-of-the-harness",
    programs: &[Program {
        part: "none",
        path: "/usr/local/bin/none",
    }],
    user: "65532:65532",
    entrypoint: "/usr/local/bin/none",
};

/// Removes the image whatever the test finds.
struct Removed(String);

impl Drop for Removed {
    fn drop(&mut self) {
        // Not there is as good as removed.
        let _status = Command::new("docker")
            .args(["image", "rm", "--force", &self.0])
            .output();
    }
}

async fn an_image_is_made_once_and_is_what_was_asked_for() {
    let engine = Engine::find().await.expect("a Docker engine answers");
    let folder = Utf8TempDir::new().expect("a temporary folder");
    let program = folder.path().join("none");
    // Of this test process alone, so that two runs on one engine do not meet.
    fs_err::write(&program, std::process::id().to_string()).expect("the folder is ours");
    let content = Content::read(IMAGE, vec![program]).expect("the program is there");
    let removed = Removed(content.reference());

    let before = engine.has(&content).await.expect("the engine answers");
    engine.make(&content).await.expect("the engine takes the image");
    let after = engine.has(&content).await.expect("the engine answers");

    assert!(!before && after, "before: {before}, after: {after}");
    let format = "{{.Config.User}} {{.Config.Entrypoint}} {{.Config.Env}} {{len .RootFS.Layers}}";
    let inspected = Command::new("docker")
        .args(["image", "inspect", "--format", format, &removed.0])
        .output()
        .expect("the client runs");
    assert_eq!(
        String::from_utf8_lossy(&inspected.stdout).trim(),
        "65532:65532 [/usr/local/bin/none] [PATH=/usr/local/bin] 1"
    );
}
