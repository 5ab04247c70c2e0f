//! Go builds: one `go build` per module, two runs at once, interruption, offline, and each way a build can fail.

mod support;

use std::time::Duration;

use harness_artifacts::{CLOCK_VARIABLE, Options, Resolver, Silent, State, list};
use harness_model::{Exit, Origin};
use support::{Place, Recorder, pair, tool};

/// Writes what `go build` would: a file, or a file per package in a folder.
const BUILD: &str =
    "if [ -d \"$out\" ]; then echo one >\"$out/one\"; echo two >\"$out/two\"; else echo built >\"$out\"; fi";

#[tokio::test]
async fn the_real_go_builds_a_program_with_its_version_stamped_in() {
    let place = Place::new(&tool(true, ""));
    let resolver = Resolver::open(Options {
        path: None,
        offline: true,
        ..place.options()
    })
    .expect("readable pins");

    let parts = resolver
        .resolve_all(&[("tool", None)], &Silent)
        .await
        .expect("Go builds a program without modules");

    let output = std::process::Command::new(&parts["tool"].path)
        .output()
        .expect("the program runs");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "tool v1\n");
    assert_eq!(
        parts["tool"].part.origin,
        Origin::GoModule {
            module: "example.org/tool@v1".to_owned()
        }
    );
    let rows = list(&resolver, true);
    let State::Cached { toolchain, .. } = &rows[0].state else {
        panic!("it must be cached: {rows:?}")
    };
    assert!(
        toolchain.as_ref().is_some_and(|go| go.starts_with("go1.")),
        "{toolchain:?}"
    );
    assert!(place.leftovers().is_empty());
}

/// Prints what its clock says, and whether two readings one after the other are in order.
const CLOCK: &str = r#"package main

import (
	"fmt"
	"time"
)

func main() {
	before := time.Now()
	fmt.Println(before.Unix(), time.Since(before) >= 0, time.Since(before) < time.Hour)
}
"#;

#[tokio::test]
async fn a_program_with_a_controlled_clock_shows_the_time_that_it_is_given() {
    let place = Place::new(&format!("{}clock = true\n", tool(true, "")));
    fs_err::write(place.module().join("main.go"), CLOCK).expect("the module can be written");
    let resolver = Resolver::open(Options {
        path: None,
        offline: true,
        ..place.options()
    })
    .expect("readable pins");
    let parts = resolver
        .resolve_all(&[("tool", None)], &Silent)
        .await
        .expect("Go builds a program with the overlay");
    let clock = place.path("clock");
    let year = 365 * 24 * 60 * 60_i64;
    let shown = |nanoseconds: i64| {
        fs_err::write(&clock, nanoseconds.to_ne_bytes()).expect("the clock can be set");
        let output = std::process::Command::new(&parts["tool"].path)
            .env(CLOCK_VARIABLE, &clock)
            .output()
            .expect("the program runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (seconds, rest) = text.split_once(' ').expect("two words and more");
        (seconds.parse::<i64>().expect("seconds"), rest.to_owned())
    };

    let (real, ahead, behind) = (
        shown(0),
        shown(year * 1_000_000_000 + 1),
        shown(-year * 1_000_000_000 - 1),
    );

    let in_order = "true true\n";
    assert_eq!(
        (real.1.as_str(), ahead.1.as_str(), behind.1.as_str()),
        (in_order, in_order, in_order)
    );
    let near = |seconds: i64, wanted: i64| (seconds - wanted).abs() < 24 * 60 * 60;
    assert!(near(ahead.0, real.0 + year), "{ahead:?} is a year after {real:?}");
    assert!(
        near(behind.0, real.0 - year),
        "{behind:?} is a year before {real:?}"
    );
    assert!(place.leftovers().is_empty(), "the changed file must be gone");
}

#[tokio::test]
async fn a_program_with_a_controlled_clock_refuses_to_run_without_the_file_that_it_is_told_of() {
    let place = Place::new(&format!("{}clock = true\n", tool(true, "")));
    fs_err::write(place.module().join("main.go"), CLOCK).expect("the module can be written");
    let resolver = Resolver::open(Options {
        path: None,
        offline: true,
        ..place.options()
    })
    .expect("readable pins");
    let parts = resolver
        .resolve_all(&[("tool", None)], &Silent)
        .await
        .expect("Go builds a program with the overlay");

    let output = std::process::Command::new(&parts["tool"].path)
        .env(CLOCK_VARIABLE, place.path("nowhere"))
        .output()
        .expect("the program starts");

    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("open the clock file"), "{said}");
}

#[tokio::test]
async fn a_controlled_clock_is_another_file_in_the_cache() {
    let place = Place::new(&tool(true, "")).with_go(BUILD);
    let key = |versions: &str| {
        fs_err::write(place.kind().join("versions.toml"), versions).expect("the pins can be written");
        let resolver = place.resolver();
        async move { resolver.resolve_all(&[("tool", None)], &Silent).await }
    };
    let real = key(&tool(true, "")).await.expect("the stand-in builds");

    let refused = key(&format!("{}clock = true\n", tool(true, "")))
        .await
        .expect_err("the stand-in's folder holds no standard library");

    assert!(real["tool"].path.exists(), "the other file stays");
    assert!(
        refused.to_string().contains("src/time/time.go"),
        "it must be made anew, not taken from the cache: {refused}"
    );
}

#[tokio::test]
async fn programs_of_one_module_share_one_go_build() {
    let place = Place::new(&pair()).with_go(BUILD);
    let recorder = Recorder::default();

    let parts = place
        .resolver()
        .resolve_all(&[("one", None), ("two", None)], &recorder)
        .await
        .expect("the stand-in builds");

    assert_eq!(place.builds(), 1);
    assert_eq!(support::read(&parts["one"].path), "one\n");
    assert_eq!(support::read(&parts["two"].path), "two\n");
    let lines = recorder.lines();
    assert_eq!(lines[..2], ["plan one, two v1 (90 s)", "start one, two v1"]);
    assert_eq!(lines.last().map(String::as_str), Some("end one, two v1 true"));
}

#[tokio::test]
async fn a_build_is_verified_and_reads_the_committed_sums_only() {
    let place = Place::new(&tool(true, "")).with_go(&format!("env >>\"$LOG\"\n{BUILD}"));

    place
        .resolver()
        .resolve_all(&[("tool", None)], &Silent)
        .await
        .expect("the stand-in builds");

    let log = support::read(&place.log());
    assert!(
        log.contains("build -v -mod=readonly -trimpath -buildvcs=false -ldflags -X main.version=v1 -o "),
        "{log}"
    );
    assert!(log.lines().any(|line| line == "CGO_ENABLED=0"), "{log}");
    for forbidden in [
        "GOSUMDB=off",
        "GONOSUMDB=",
        "GONOSUMCHECK",
        "GOINSECURE",
        "GOPROXY=off",
    ] {
        assert!(!log.contains(forbidden), "{forbidden} in {log}");
    }
}

#[tokio::test]
async fn offline_forbids_the_network_to_go() {
    let place = Place::new(&tool(true, ""))
        .with_go("[ \"$GOPROXY\" = off ] && echo 'm@v1: module lookup disabled by GOPROXY=off' >&2; exit 1");

    let error = place
        .offline()
        .resolve_all(&[("tool", None)], &Silent)
        .await
        .expect_err("Go may not fetch");

    assert_eq!(
        error.to_string(),
        "tool v1 is not in the cache and --offline forbids to fetch it (m@v1: module lookup disabled by GOPROXY=off); run once without --offline"
    );
    assert_eq!(error.exit(), Exit::Environment);
}

#[tokio::test]
async fn two_runs_at_once_build_once() {
    let place = Place::new(&tool(true, "")).with_go(&format!("/bin/sleep 0.5\n{BUILD}"));
    let (left, right) = (place.resolver(), place.resolver());

    let (left, right) = tokio::join!(
        left.resolve_all(&[("tool", None)], &Silent),
        right.resolve_all(&[("tool", None)], &Silent)
    );

    let (left, right) = (left.expect("the first builds"), right.expect("the second waits"));
    assert_eq!(left["tool"].path, right["tool"].path);
    assert_eq!(support::read(&left["tool"].path), "built\n");
    assert_eq!(place.builds(), 1);
}

/// Hangs with a child of its own and names both processes in the log.
const HANG: &str = "echo half >\"$out\"; /bin/sleep 1000 & echo \"pids $$ $!\" >>\"$LOG\"; wait";

#[tokio::test]
async fn an_interrupted_build_leaves_no_process_and_nothing_that_looks_finished() {
    let place = Place::new(&tool(true, "")).with_go(HANG);
    let resolver = place.resolver();
    let build = tokio::spawn(async move { resolver.resolve_all(&[("tool", None)], &Silent).await.map(drop) });
    let pids = hanging(&place).await;

    build.abort();
    build.await.expect_err("an aborted task gives no answer");

    until("both processes are gone", || {
        pids.iter().all(|pid| is_gone(pid)).then_some(())
    })
    .await;
    assert!(!place.cache().join("parts").exists(), "nothing may look finished");
    let place = place.with_go(BUILD);
    let parts = place
        .resolver()
        .resolve_all(&[("tool", None)], &Silent)
        .await
        .expect("the next run builds");
    assert_eq!(support::read(&parts["tool"].path), "built\n");
    assert!(
        place.leftovers().is_empty(),
        "the next use must clear what was left"
    );
}

/// This test runs itself again as the process that is killed.
#[tokio::test]
async fn a_build_ends_when_the_run_is_killed() {
    const INSIDE: &str = "HARNESS_ARTIFACTS_TEST_KILLED_PLACE";
    if let Ok(options) = std::env::var(INSIDE) {
        let words: Vec<&str> = options.split(' ').collect();
        let [kind_dir, cache_dir, path] = words[..] else {
            panic!("three paths, not {options}")
        };
        let (kind_dir, cache_dir, path) = (kind_dir.into(), Some(cache_dir.into()), Some(path.into()));
        let resolver = Resolver::open(Options {
            kind_dir,
            cache_dir,
            path,
            offline: false,
        })
        .expect("readable pins");
        resolver
            .resolve_all(&[("tool", None)], &Silent)
            .await
            .expect_err("the stand-in never ends");
        return;
    }
    let place = Place::new(&tool(true, "")).with_go(HANG);
    let path = place.options().path.expect("the place has its own PATH");
    let mut run = tokio::process::Command::new(std::env::current_exe().expect("a test has a path"))
        .args(["--exact", "a_build_ends_when_the_run_is_killed"])
        .env(
            INSIDE,
            format!("{} {} {}", place.kind(), place.cache(), path.display()),
        )
        .kill_on_drop(true)
        .spawn()
        .expect("a test can be run again");
    let pids = hanging(&place).await;

    run.kill().await.expect("our own child can be killed");

    until("both processes are gone", || {
        pids.iter().all(|pid| is_gone(pid)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_changed_pin_does_not_find_the_old_file() {
    let place = Place::new(&tool(true, "")).with_go(BUILD);
    let old = place
        .resolver()
        .resolve_all(&[("tool", None)], &Silent)
        .await
        .expect("the stand-in builds");

    fs_err::write(place.module().join("go.sum"), "example.org/other v1 h1:x\n")
        .expect("go.sum can be written");
    let new = place
        .resolver()
        .resolve_all(&[("tool", None)], &Silent)
        .await
        .expect("the stand-in builds");

    assert_ne!(old["tool"].path, new["tool"].path);
    assert_eq!(place.builds(), 2);
}

#[tokio::test]
async fn a_damaged_file_is_made_again_with_a_note() {
    let place = Place::new(&tool(true, "")).with_go(BUILD);
    let parts = place
        .resolver()
        .resolve_all(&[("tool", None)], &Silent)
        .await
        .expect("the stand-in builds");
    fs_err::write(&parts["tool"].path, "cut").expect("the cache can be written");
    let recorder = Recorder::default();

    let parts = place
        .resolver()
        .resolve_all(&[("tool", None)], &recorder)
        .await
        .expect("it is built again");

    assert_eq!(support::read(&parts["tool"].path), "built\n");
    assert_eq!(
        recorder.lines()[0],
        "note tool v1 in the cache is damaged (it has 3 bytes where 6 were recorded): making it again"
    );
}

#[tokio::test]
async fn verification_finds_what_a_size_does_not_show() {
    let place = Place::new(&tool(true, "")).with_go(BUILD);
    let parts = place
        .resolver()
        .resolve_all(&[("tool", None)], &Silent)
        .await
        .expect("the stand-in builds");
    fs_err::write(&parts["tool"].path, "BUILT\n").expect("the cache can be written");

    let (quick, thorough) = (list(&place.resolver(), false), list(&place.resolver(), true));

    assert!(matches!(quick[0].state, State::Cached { .. }));
    assert!(matches!(&thorough[0].state, State::Damaged { reason } if reason.starts_with("its SHA-256 is ")));
}

#[tokio::test]
async fn no_go_is_one_sentence() {
    let place = Place::new(&tool(true, ""));

    let error = place
        .resolver()
        .resolve_all(&[("tool", None)], &Silent)
        .await
        .expect_err("there is no Go");

    assert_eq!(
        error.to_string(),
        "tool v1 cannot be built: there is no `go` on PATH; install Go 1.25 or newer and run again"
    );
    assert_eq!(error.exit(), Exit::Environment);
}

#[tokio::test]
async fn a_failed_build_quotes_gos_last_lines_and_a_full_disk_is_recognised() {
    let cases = [
        (
            "./main.go:3:1: syntax error",
            "the Go build of tool v1 failed (# tool | ./main.go:3:1: syntax error); try",
        ),
        (
            "write /x: no space left on device",
            "no space is left for tool v1 while writing ",
        ),
    ];
    for (line, sentence) in cases {
        let place = Place::new(&tool(true, "")).with_go(&format!("echo '# tool\n{line}' >&2; exit 1"));

        let error = place
            .resolver()
            .resolve_all(&[("tool", None)], &Silent)
            .await
            .expect_err("Go fails");

        assert!(error.to_string().starts_with(sentence), "{error}");
        assert_eq!(error.exit(), Exit::Environment);
        assert!(place.leftovers().is_empty());
    }
}

/// The processes of [`HANG`], as soon as it has started.
async fn hanging(place: &Place) -> Vec<String> {
    until("the stand-in names its processes", || {
        let log = fs_err::read_to_string(place.log()).ok()?;
        let line = log.lines().find_map(|line| line.strip_prefix("pids "))?;
        Some(line.split(' ').map(str::to_owned).collect())
    })
    .await
}

/// Asks 50 times a second, for at most 10 seconds.
async fn until<T>(what: &str, probe: impl Fn() -> Option<T>) -> T {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let asked = async {
        loop {
            ticks.tick().await;
            if let Some(found) = probe() {
                return found;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), asked)
        .await
        .unwrap_or_else(|_| panic!("waited 10 s until {what}"))
}

/// A process that has ended may still be listed until somebody reaps it.
fn is_gone(pid: &str) -> bool {
    let Ok(status) = fs_err::read_to_string(format!("/proc/{pid}/status")) else {
        return true;
    };
    status.lines().any(|line| line.starts_with("State:\tZ"))
}
