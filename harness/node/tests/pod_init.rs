//! The launcher as the node uses it: inside user, mount, network and PID namespaces, as root and as an ordinary user.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use camino_tempfile::Utf8TempDir;
use harness_node::launch::{Launch, Mount, Order, Report, line};

const POD_INIT: &str = env!("CARGO_BIN_EXE_pod-init");
const NOBODY: u32 = 65534;

/// Whose namespaces the container is started in.
#[derive(Clone, Copy, PartialEq)]
enum User {
    Own,
    Nobody,
}

/// Who can be tried here: changing to another user takes root.
fn users() -> Vec<User> {
    let root =
        std::fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0);
    if root {
        vec![User::Own, User::Nobody]
    } else {
        vec![User::Own]
    }
}

struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

/// A folder of the host with all that a container needs.
struct Bench {
    dir: Utf8TempDir,
    user: User,
    mounts: Vec<Mount>,
    env: Vec<(String, String)>,
}

impl Bench {
    fn new(user: User) -> Self {
        let dir = camino_tempfile::tempdir().expect("a temporary folder");
        std::fs::copy(POD_INIT, dir.path().join("pod-init")).expect("the launcher must be copied");
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755))
            .expect("the folder must be opened");
        let env = vec![
            ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
            ("GREETING".to_owned(), "hello".to_owned()),
        ];
        let bench = Self {
            dir,
            user,
            mounts: Vec::new(),
            env,
        };
        bench.folder("root");
        bench
    }

    fn folder(&self, name: &str) -> Utf8PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(&path).expect("the folder must be made");
        self.give(&path);
        path
    }

    fn file(&self, name: &str, text: &str) -> Utf8PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).expect("the file must be written");
        self.give(&path);
        path
    }

    fn give(&self, path: &Utf8Path) {
        if self.user == User::Nobody {
            chown(path, Some(NOBODY), Some(NOBODY)).expect("the owner must change");
        }
    }

    fn mount(mut self, source: Utf8PathBuf, target: &str, read_only: bool) -> Self {
        self.mounts.push(Mount {
            source,
            target: target.into(),
            read_only,
        });
        self
    }

    /// Starts a shell script as the container's main process.
    fn start(&self, script: &str) -> Container {
        self.launch(&["sh", "-c", script])
    }

    fn launch(&self, argv: &[&str]) -> Container {
        let (socket, theirs) = UnixStream::pair().expect("a socket pair");
        let mut unshare = Command::new("unshare");
        unshare
            .args(["-Urmnp", "--fork", "--kill-child", "--mount-proc"])
            .arg(self.dir.path().join("pod-init"))
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if self.user == User::Nobody {
            unshare.uid(NOBODY).gid(NOBODY);
        }
        let process = unshare.spawn().expect("unshare must run");
        // The command holds our copy of the container's end.
        drop(unshare);
        let reports = BufReader::new(socket.try_clone().expect("a second handle"));
        let mut container = Container {
            process,
            socket,
            reports,
        };
        container.order(&Order::Launch(Launch {
            hostname: "the-pod".to_owned(),
            root: self.dir.path().join("root"),
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            env: self.env.clone(),
            workdir: Some("/workdir/here".to_owned()),
            mounts: self.mounts.clone(),
        }));
        container
    }
}

struct Container {
    process: Child,
    socket: UnixStream,
    reports: BufReader<UnixStream>,
}

impl Container {
    fn order(&mut self, order: &Order) {
        self.socket
            .write_all(&line(order).expect("an order is JSON"))
            .expect("the launcher must listen");
    }

    fn report(&mut self) -> Report {
        let mut line = String::new();
        self.reports
            .read_line(&mut line)
            .expect("the launcher must report");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("not a report: {line:?}: {error}"))
    }

    fn started(mut self) -> Self {
        match self.report() {
            Report::Started => self,
            Report::Refused(why) => panic!("the container must start: {why}"),
            _ => panic!("the first report must be of the start"),
        }
    }

    /// The next line of output.
    fn says(&mut self) -> String {
        let mut line = Vec::new();
        let stdout = self.process.stdout.as_mut().expect("stdout is piped");
        let mut byte = [0];
        while stdout.read(&mut byte).expect("stdout must be readable") > 0 && byte != *b"\n" {
            line.extend(byte);
        }
        String::from_utf8(line).expect("text")
    }

    fn ended(mut self) -> Ended {
        let Report::Exited(code) = self.report() else {
            panic!("the next report must be of the end")
        };
        let output = self.process.wait_with_output().expect("the launcher must end");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Ended {
            code,
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

#[test]
fn a_container_has_its_own_names_and_numbers_and_its_exit_code_comes_back() {
    for user in users() {
        let bench = Bench::new(user);

        let ended = bench
            .start("hostname; id -u; echo $$; pwd; echo $GREETING; env | wc -l; exit 7")
            .started()
            .ended();

        let expected = ["the-pod", "0", "1", "/workdir/here", "hello"];
        let lines: Vec<&str> = ended.stdout.lines().collect();
        assert_eq!((&lines[..5], ended.code), (&expected[..], 7), "{}", ended.stderr);
        assert_eq!(lines[5], "3", "the environment is what was given, and PWD");
    }
}

#[test]
fn volumes_appear_at_their_mount_paths() {
    for user in users() {
        let bench = Bench::new(user);
        let (scratch, hosts) = (
            bench.folder("scratch"),
            bench.file("hosts", "10.99.0.1 ghes.test\n"),
        );
        let inner = bench.file("inner", "inner\n");
        // A link of the host's must be followed on the host.
        let link = bench.dir.path().join("link");
        std::os::unix::fs::symlink(&scratch, &link).expect("the link must be made");
        let bench = bench
            .mount(link, "/data/scratch", false)
            .mount(hosts.clone(), "/etc/hosts", false)
            .mount(hosts.clone(), "/etc/new/folder/hosts", true)
            .mount(hosts, "/usr/local/bin/not-there-before", true)
            .mount(inner, "/data/scratch/inner", true);

        let script =
            "cat /etc/hosts /etc/new/folder/hosts /usr/local/bin/not-there-before /data/scratch/inner;
            ls /etc/passwd; echo written > /data/scratch/file;
            touch /etc/new/folder/hosts 2>/dev/null || echo read-only";
        let ended = bench.start(script).started().ended();

        let host = "10.99.0.1 ghes.test\n";
        assert_eq!(
            ended.stdout,
            format!("{host}{host}{host}inner\n/etc/passwd\nread-only\n"),
            "{}",
            ended.stderr
        );
        let written = std::fs::read_to_string(scratch.join("file")).expect("the volume is the host's folder");
        assert_eq!(written, "written\n");
    }
}

#[test]
fn writes_outside_volumes_do_not_reach_the_host() {
    for user in users() {
        let bench = Bench::new(user);
        let mark = format!("harness-node-test-{}", std::process::id());

        let script = format!(
            "for dir in /tmp /var/tmp /root /home /run /var/lib / /dev; do echo x > $dir/{mark} || echo cannot $dir; done
             for dir in /usr /usr/bin /etc /lib /sys; do touch $dir/{mark} 2>/dev/null && echo wrote $dir; done; true"
        );
        let ended = bench.start(&script).started().ended();

        assert_eq!(
            (ended.stdout.as_str(), ended.stderr.as_str(), ended.code),
            ("", "", 0)
        );
        let places = [
            "/tmp", "/var/tmp", "/root", "/home", "/run", "/var/lib", "/", "/dev", "/usr", "/usr/bin", "/etc",
        ];
        for place in places {
            assert!(
                !Utf8Path::new(place).join(&mark).exists(),
                "the host's {place} must be untouched"
            );
        }
    }
}

#[test]
fn sigterm_reaches_the_main_process_and_its_handler() {
    for user in users() {
        let bench = Bench::new(user);
        let script = "trap 'echo got it; exit 3' TERM; echo ready; while :; do sleep 0.05; done";
        let mut container = bench.start(script).started();
        let ready = container.says();

        container.order(&Order::Signal(15));
        let ended = container.ended();

        assert_eq!(
            (ready.as_str(), ended.stdout.as_str(), ended.code),
            ("ready", "got it\n", 3)
        );
    }
}

#[test]
fn no_signal_is_blocked_from_birth() {
    let bench = Bench::new(User::Own);

    let ended = bench
        .launch(&["grep", "SigBlk:", "/proc/self/status"])
        .started()
        .ended();

    assert_eq!(ended.stdout, "SigBlk:\t0000000000000000\n");
}

#[test]
fn a_main_process_without_a_handler_ignores_sigterm_as_pid_1_does() {
    let bench = Bench::new(User::Own);
    let mut container = bench.start("echo ready; exec sleep 1000").started();
    container.says();

    container.order(&Order::Signal(15));
    container.order(&Order::Exec {
        id: 1,
        argv: vec!["true".to_owned()],
    });
    let still_there = matches!(container.report(), Report::ExecDone { id: 1, code: 0 });
    container.order(&Order::Signal(9));
    let ended = container.ended();

    assert!(
        still_there,
        "the container must outlive a signal it does not handle"
    );
    assert_eq!(ended.code, 137);
}

#[test]
fn sigkill_takes_a_grandchild_in_a_session_of_its_own_with_it() {
    for user in users() {
        let bench = Bench::new(user);
        let scratch = bench.folder("scratch");
        let bench = bench.mount(scratch.clone(), "/scratch", false);
        // The grandchild holds its end of a pipe for as long as it lives.
        let script =
            "mkfifo /scratch/alive; setsid sh -c 'exec 8>/scratch/alive; echo up >&8; sleep 1000' & wait";
        let mut container = bench.start(script).started();
        let fifo = scratch.join("alive");
        while !fifo.exists() {
            std::thread::yield_now();
        }
        let mut alive = BufReader::new(std::fs::File::open(&fifo).expect("the pipe must open"));
        let mut up = String::new();
        alive.read_line(&mut up).expect("the grandchild must speak");

        container.order(&Order::Signal(9));
        let ended = container.ended();

        assert_eq!((up.as_str(), ended.code), ("up\n", 137));
        let mut rest = String::new();
        alive
            .read_to_string(&mut rest)
            .expect("the pipe must be readable");
        assert_eq!(rest, "", "the pipe ends only when the grandchild is gone");
    }
}

#[test]
fn a_node_that_is_gone_takes_its_containers_with_it() {
    let bench = Bench::new(User::Own);
    let mut container = bench
        .start("trap '' TERM HUP; echo ready; while :; do sleep 1000; done")
        .started();
    container.says();

    container
        .socket
        .shutdown(Shutdown::Write)
        .expect("the socket must close");
    let ended = container.ended();

    assert_eq!(ended.code, 137);
}

#[test]
fn a_hook_runs_inside_the_container() {
    for user in users() {
        let bench = Bench::new(user);
        let mut container = bench
            .start("echo ready; while [ ! -e /tmp/hooked ]; do sleep 0.02; done; cat /tmp/hooked")
            .started();
        container.says();

        let command =
            "echo $GREETING from $(hostname) in $PWD > /tmp/hook && mv /tmp/hook /tmp/hooked; exit 4";
        container.order(&Order::Exec {
            id: 7,
            argv: ["sh", "-c", command].map(str::to_owned).to_vec(),
        });
        let mut reports = [container.report(), container.report()];
        reports.sort_by_key(|report| matches!(report, Report::Exited(_)));
        let output = container
            .process
            .wait_with_output()
            .expect("the launcher must end");

        assert!(
            matches!(reports[0], Report::ExecDone { id: 7, code: 4 }),
            "the hook's exit code must come back"
        );
        assert!(matches!(reports[1], Report::Exited(0)));
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "hello from the-pod in /workdir/here\n"
        );
    }
}

#[test]
fn what_cannot_be_started_says_why() {
    let bench = Bench::new(User::Own);
    let mut no_program = bench.launch(&["no-such-program"]);
    let gone = Bench::new(User::Own).mount("/no/such/source".into(), "/data", false);
    let mut no_volume = gone.start("true");

    let why = |container: &mut Container| match container.report() {
        Report::Refused(why) => why,
        _ => panic!("the launch must be refused"),
    };

    assert_eq!(
        why(&mut no_program),
        "start container: execute \"no-such-program\": No such file or directory (os error 2)"
    );
    assert!(
        why(&mut no_volume).starts_with("start container: mount /data: "),
        "the mount must be named"
    );
}
