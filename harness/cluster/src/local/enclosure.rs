//! The run's own user, network, mount and PID namespaces: ports never clash, nothing can reach or be reached from outside, and
//! the kernel ends every process when the first one dies.
//!
//! Entered with util-linux's `unshare`, which works for root and for ordinary users alike (user_namespaces(7)). What it is not: a sandbox
//! against hostile programs; the file system outside `/run` is the host's.

use std::net::IpAddr;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use nix::mount::{MsFlags, mount};

/// The plane's address that is not loopback: kube-apiserver refuses to advertise 127.0.0.1.
pub const ADDRESS: &str = "10.99.0.1";

/// Where the plane keeps its state: a tmpfs of the run's own, gone with it.
pub const STATE: &str = "/run/plane";

/// The flags of `unshare`: user (mapped to root), mount, network and PID namespaces; the child dies with `unshare`.
const FLAGS: [&str; 4] = ["-Urmnp", "--fork", "--kill-child", "--mount-proc"];

/// The enclosure could not be entered or furnished.
#[derive(Debug, thiserror::Error)]
pub enum EnclosureError {
    /// A tool is missing or failed.
    #[error("{tool} failed in the run's namespaces: {reason}; {package} must be installed")]
    Tool {
        /// The command.
        tool: String,
        /// Its error.
        reason: String,
        /// The package that has it.
        package: &'static str,
    },
    /// A mount was refused.
    #[error("mount {target}")]
    Mount {
        /// Where.
        target: String,
        /// Why.
        #[source]
        source: nix::Error,
    },
    /// A file could not be written.
    #[error("write {path}")]
    Write {
        /// Which.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Why namespaces are refused on this machine, if they are.
#[must_use]
pub fn refusal() -> Option<String> {
    match Command::new("unshare")
        .args(FLAGS)
        .arg("true")
        .stdin(Stdio::null())
        .output()
    {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(format!("unshare cannot be run: {error}")),
    }
}

/// A command that runs `program` as the first process of new namespaces.
#[must_use]
pub fn enter(program: &Utf8Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(FLAGS).arg(program);
    command
}

/// Called by the first process inside: brings up loopback and the plane's address, gives the run its own `/run`, and makes each of `names`
/// resolve to its address.
///
/// # Errors
/// [`EnclosureError`].
pub fn furnish(names: &[(String, IpAddr)]) -> Result<(), EnclosureError> {
    ip(&["link", "set", "lo", "up"])?;
    ip(&["address", "add", &format!("{ADDRESS}/32"), "dev", "lo"])?;
    mount(
        Some("tmpfs"),
        "/run",
        Some("tmpfs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some("mode=0755"),
    )
    .map_err(|source| EnclosureError::Mount {
        target: "/run".into(),
        source,
    })?;
    write_file(Utf8Path::new(STATE).join("hosts"), &hosts(names))?;
    let hosts = format!("{STATE}/hosts");
    mount(
        Some(hosts.as_str()),
        "/etc/hosts",
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .map_err(|source| EnclosureError::Mount {
        target: "/etc/hosts".into(),
        source,
    })
}

/// The hosts file of the plane.
#[must_use]
pub fn hosts(names: &[(String, IpAddr)]) -> String {
    let mut text = String::from("127.0.0.1 localhost\n::1 localhost\n");
    for (name, address) in names {
        text.push_str(&address.to_string());
        text.push(' ');
        text.push_str(name);
        text.push('\n');
    }
    text
}

fn write_file(path: Utf8PathBuf, text: &str) -> Result<(), EnclosureError> {
    path.parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(&path, text))
        .map_err(|source| EnclosureError::Write { path, source })
}

fn ip(args: &[&str]) -> Result<(), EnclosureError> {
    let failed = |reason| EnclosureError::Tool {
        tool: format!("ip {}", args.join(" ")),
        reason,
        package: "iproute2",
    };
    // An ordinary user's PATH often lacks the folders of administration tools.
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output = Command::new("ip")
        .args(args)
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(
        format!("{} {}", output.status, said.trim()).trim_end().to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_resolves_to_its_address() {
        let text = hosts(&[("ghes.test".to_owned(), IpAddr::from([127, 0, 0, 1]))]);

        assert_eq!(text, "127.0.0.1 localhost\n::1 localhost\n127.0.0.1 ghes.test\n");
    }
}
