//! The container's file system: the host's programs read-only, everything else its own, volumes where the pod wants them.
//!
//! It works as mapped root of an ordinary user's namespace: devices are bound, never made; mounts that came with the
//! namespace are bound with all that is mounted below them, and keep their locked flags.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};

use camino::{Utf8Path, Utf8PathBuf};
use harness_node::launch::{Launch, Mount};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{chdir, pivot_root};

use crate::doing::{Doing, Failed};

/// Where programs and what they need live. Whichever the host has is shown read-only.
const SHARED: [&str; 10] = [
    "bin", "etc", "lib", "lib32", "lib64", "libx32", "nix", "opt", "sbin", "usr",
];
/// Folders of the container's own, with their modes.
const OWN: [(&str, u32); 11] = [
    ("home", 0o755),
    ("mnt", 0o755),
    ("root", 0o700),
    ("run", 0o755),
    ("srv", 0o755),
    ("tmp", 0o1777),
    ("var", 0o755),
    ("var/cache", 0o755),
    ("var/lib", 0o755),
    ("var/log", 0o755),
    ("var/tmp", 0o1777),
];
const DEVICES: [&str; 6] = ["full", "null", "random", "tty", "urandom", "zero"];
const NONE: Option<&str> = None;
/// The host's root while volumes are mounted.
const OLD: &str = "/.old";

/// Makes the root, and moves this process into it.
pub(crate) fn build(launch: &Launch) -> Result<(), Failed> {
    unshare(CloneFlags::CLONE_NEWNS).doing("make a mount namespace")?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).doing("make mounts private")?;
    let root = launch.root.as_path();
    tmpfs(root)?;

    let mut shared = Vec::new();
    for name in SHARED {
        shared.extend(share(name, root)?);
    }
    for (name, mode) in OWN {
        own_folder(&root.join(name), mode)?;
    }
    symlink("/run", root.join("var/run")).doing("link /var/run")?;
    devices(root)?;
    let sys = root.join("sys");
    folder(&sys)?;
    bind(Utf8Path::new("/sys"), &sys)?;
    shared.push(sys);
    read_only(&shared)?;
    let proc = root.join("proc");
    folder(&proc)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), proc.as_str(), Some("proc"), flags, NONE).doing("mount /proc")?;

    // Links in a source lead where the host's programs would follow them.
    let resolve = |volume: &Mount| {
        let source = volume
            .source
            .canonicalize_utf8()
            .doing(format_args!("mount {}", volume.target))?;
        Ok(Mount {
            source,
            ..volume.clone()
        })
    };
    let volumes: Vec<Mount> = launch.mounts.iter().map(resolve).collect::<Result<_, Failed>>()?;

    // From inside, links in a mount path lead where the container's programs would follow them.
    let old = root.join(OLD.trim_start_matches('/'));
    folder(&old)?;
    pivot_root(root.as_str(), old.as_str()).doing("change the root")?;
    chdir("/").doing("enter the root")?;
    for volume in &volumes {
        mount_volume(volume)?;
    }
    umount2(OLD, MntFlags::MNT_DETACH).doing("let go of the host's root")?;
    fs_err::remove_dir(OLD).doing("let go of the host's root")
}

fn share(name: &str, root: &Utf8Path) -> Result<Option<Utf8PathBuf>, Failed> {
    let host = Utf8Path::new("/").join(name);
    let Ok(meta) = host.symlink_metadata() else {
        return Ok(None);
    };
    let target = root.join(name);
    if meta.is_symlink() {
        let link = host.read_link_utf8().doing(format_args!("read link {host}"))?;
        symlink(link, &target).doing(format_args!("link {host}"))?;
        return Ok(None);
    }
    folder(&target)?;
    bind(&host, &target)?;
    Ok(Some(target))
}

fn devices(root: &Utf8Path) -> Result<(), Failed> {
    let dev = root.join("dev");
    folder(&dev)?;
    for name in DEVICES {
        let target = dev.join(name);
        fs_err::File::create(&target).doing("make a device's place")?;
        bind(&Utf8Path::new("/dev").join(name), &target)?;
    }
    let links = [
        ("/proc/self/fd", "fd"),
        ("/proc/self/fd/0", "stdin"),
        ("/proc/self/fd/1", "stdout"),
        ("/proc/self/fd/2", "stderr"),
        ("pts/ptmx", "ptmx"),
    ];
    for (to, name) in links {
        symlink(to, dev.join(name)).doing(format_args!("link /dev/{name}"))?;
    }
    own_folder(&dev.join("shm"), 0o1777)?;
    let pts = dev.join("pts");
    folder(&pts)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    // Terminals are a courtesy: a host without devpts in user namespaces still runs containers.
    let _ = mount(
        Some("devpts"),
        pts.as_str(),
        Some("devpts"),
        flags,
        Some("newinstance,ptmxmode=0666"),
    );
    Ok(())
}

fn mount_volume(volume: &Mount) -> Result<(), Failed> {
    let source = Utf8PathBuf::from(format!("{OLD}{}", volume.source));
    let target = volume.target.as_path();
    let is_dir = fs_err::metadata(&source)
        .doing(format_args!("mount {target}"))?
        .is_dir();
    // Each turn makes one more folder of the path writable, so this ends.
    while let Err(failed) = make_place(target, is_dir) {
        let holder = target.ancestors().skip(1).find(|path| path.is_dir());
        match holder {
            Some(holder) if failed.errno() == Some(Errno::EROFS as i32) => shadow(holder)?,
            _ => return Err(failed),
        }
    }
    bind(&source, target)?;
    if volume.read_only {
        read_only(&[target.to_owned()])
    } else {
        Ok(())
    }
}

fn make_place(target: &Utf8Path, is_dir: bool) -> Result<(), Failed> {
    if target.exists() {
        return Ok(());
    }
    let holder = target.parent().unwrap_or(Utf8Path::new("/"));
    std::fs::create_dir_all(if is_dir { target } else { holder })
        .and_then(|()| {
            if is_dir {
                Ok(())
            } else {
                std::fs::File::create(target).map(drop)
            }
        })
        .doing(format_args!("make mount path {target}"))
}

/// Replaces a read-only folder by a writable one that shows the same things.
fn shadow(dir: &Utf8Path) -> Result<(), Failed> {
    let lower = Utf8Path::new("/.lower");
    folder(lower)?;
    bind(dir, lower)?;
    tmpfs(dir)?;
    for entry in lower.read_dir_utf8().doing(format_args!("list {dir}"))? {
        let entry = entry.doing(format_args!("list {dir}"))?;
        let target = dir.join(entry.file_name());
        let kind = entry.file_type().doing(format_args!("look at {target}"))?;
        if kind.is_symlink() {
            let link = entry
                .path()
                .read_link_utf8()
                .doing(format_args!("read link {target}"))?;
            symlink(link, &target).doing(format_args!("link {target}"))?;
        } else {
            if kind.is_dir() {
                folder(&target)?;
            } else {
                fs_err::File::create(&target).doing("make a file's place")?;
            }
            bind(entry.path(), &target)?;
        }
    }
    umount2(lower.as_str(), MntFlags::MNT_DETACH).doing(format_args!("shadow {dir}"))?;
    fs_err::remove_dir(lower).doing(format_args!("shadow {dir}"))
}

fn tmpfs(at: &Utf8Path) -> Result<(), Failed> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(
        Some("tmpfs"),
        at.as_str(),
        Some("tmpfs"),
        flags,
        Some("mode=0755"),
    )
    .doing(format_args!("mount a tmpfs at {at}"))
}

fn bind(source: &Utf8Path, target: &Utf8Path) -> Result<(), Failed> {
    mount(
        Some(source.as_str()),
        target.as_str(),
        NONE,
        MsFlags::MS_BIND | MsFlags::MS_REC,
        NONE,
    )
    .doing(format_args!("bind {source} to {target}"))
}

fn folder(path: &Utf8Path) -> Result<(), Failed> {
    fs_err::create_dir(path).doing("make a folder")
}

fn own_folder(path: &Utf8Path, mode: u32) -> Result<(), Failed> {
    folder(path)?;
    fs_err::set_permissions(path, Permissions::from_mode(mode)).doing("set a folder's mode")
}

/// Makes these mounts and what is mounted below them read-only. A mount below one may be hidden or refuse: then it keeps
/// what the host gave it; the mounts themselves must obey.
fn read_only(tops: &[Utf8PathBuf]) -> Result<(), Failed> {
    let table = fs_err::read_to_string("/proc/self/mountinfo").doing("list mounts")?;
    for point in table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(unescape)
    {
        let point = Utf8Path::new(&point);
        if tops.iter().any(|top| point != top && point.starts_with(top)) {
            let _ = remount_read_only(point);
        }
    }
    tops.iter()
        .try_for_each(|top| remount_read_only(top).doing(format_args!("make {top} read-only")))
}

fn remount_read_only(point: &Utf8Path) -> io::Result<()> {
    // An unprivileged remount must repeat the flags that are locked.
    const KEPT: [(FsFlags, MsFlags); 6] = [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ];
    let present = statvfs(point.as_str())?.flags();
    let mut flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    for (shown, kept) in KEPT {
        if present.contains(shown) {
            flags |= kept;
        }
    }
    Ok(mount(NONE, point.as_str(), NONE, flags, NONE)?)
}

/// The kernel writes blanks in mount points as octal escapes.
fn unescape(point: &str) -> String {
    point
        .replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}
