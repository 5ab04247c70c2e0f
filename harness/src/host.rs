//! Processes of the host, as /proc shows them: told apart from later ones of the same number, and found by the run whose they are.
//!
//! What it is not: the run's own PID namespace. There the kernel ends everything.

use harness_model::journal::{ProcessId, RUN_VARIABLE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process that runs, and what it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Running {
    pub(crate) process: ProcessId,
    pub(crate) name: String,
}

impl std::fmt::Display for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name, self.process.number)
    }
}

/// The process of this number, if it runs. A zombie does not: it only waits to be counted.
pub(crate) fn running(number: u32) -> Option<Running> {
    let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    // The name stands in parentheses and may hold anything (proc_pid_stat(5)).
    let (head, tail) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = tail.split_whitespace().collect();
    if matches!(fields.first(), Some(&("Z" | "X"))) {
        return None;
    }
    let started = fields.get(19)?.parse().ok()?;
    let process = ProcessId {
        boot: boot()?,
        namespace: namespace()?,
        number,
        started,
    };
    Some(Running { process, name })
}

/// This process.
pub(crate) fn this() -> Option<ProcessId> {
    running(std::process::id()).map(|running| running.process)
}

/// Whether this very process runs, not another one that has its number now.
pub(crate) fn is_alive(process: &ProcessId) -> bool {
    running(process.number).is_some_and(|running| running.process == *process)
}

/// Whether the number of this process counts in a PID namespace of this boot that is not ours: then nothing can be said of it here.
pub(crate) fn is_elsewhere(process: &ProcessId) -> bool {
    boot().is_some_and(|boot| boot == process.boot)
        && namespace().is_some_and(|namespace| namespace != process.namespace)
}

/// Every process that was started for this run, by its environment; never this one.
pub(crate) fn of_run(run_id: &str) -> Vec<Running> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mark = format!("{RUN_VARIABLE}={run_id}");
    let is_marked = |number: &u32| {
        // One that is gone, or is not ours to read, has none.
        let environment = std::fs::read(format!("/proc/{number}/environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == mark.as_bytes())
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|number| *number != std::process::id())
        .filter(is_marked)
        .filter_map(running)
        .collect()
}

/// Sends a signal to this very process, if it runs.
pub(crate) fn send(process: &ProcessId, signal: Signal) {
    if is_alive(process)
        && let Ok(number) = i32::try_from(process.number)
    {
        // One that has just ended needs no signal.
        kill(Pid::from_raw(number), signal).unwrap_or_default();
    }
}

fn boot() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(boot.trim().to_owned())
}

fn namespace() -> Option<String> {
    let link = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(link.to_string_lossy().into_owned())
}

/// The turn of tests that start processes or take journals: between fork and exec a process has what another test has just let go.
#[cfg(test)]
pub(crate) static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_process_of_the_same_number_is_not_it() {
        let this = this().expect("this process runs");
        let earlier = ProcessId {
            started: this.started - 1,
            ..this.clone()
        };
        let before_the_boot = ProcessId {
            boot: "another".to_owned(),
            ..this.clone()
        };

        assert!(is_alive(&this) && !is_elsewhere(&this));
        assert!(!is_alive(&earlier));
        assert!(!is_alive(&before_the_boot) && !is_elsewhere(&before_the_boot));
    }

    #[test]
    fn a_number_of_another_namespace_says_nothing_here() {
        let this = this().expect("this process runs");
        let other = ProcessId {
            namespace: "pid:[1]".to_owned(),
            ..this
        };

        assert!(is_elsewhere(&other) && !is_alive(&other));
    }
}
