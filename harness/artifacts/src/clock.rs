//! A Go program whose wall clock another process can move, its own source untouched: the overlay for `go build -overlay`.
//!
//! The overlay replaces one file of the toolchain's standard library by a copy with one more line in `time.Now`, and adds a file to package
//! `time`. That file maps eight bytes named by an environment variable, nanoseconds as a native integer, which are added to every wall reading. The
//! monotonic reading stays as it is, so timers, timeouts and intervals are real. Without the variable the program runs on the real clock.
//!
//! The copy is made from the toolchain that builds and goes with the build's workspace; none is kept here.

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;

use crate::ArtifactError;

/// Names the file of eight bytes to the built program.
pub const CLOCK_VARIABLE: &str = "GHES_HARNESS_CLOCK";

/// Build tags: the zones are compiled in, so that `TZ` means the same whatever the machine has in `/usr/share/zoneinfo`.
pub(crate) const TAGS: &str = "timetzdata";

/// Where `time.Now` reads the clock, in Go 1.24 to 1.26.
const FUNCTION: &str = "\nfunc Now() Time {\n";
const READINGS: [&str; 2] = [
    "\tsec, nsec, mono := runtimeNow()\n",
    "\tsec, nsec, mono := now()\n",
];
const MOVED: &str = "\tsec, nsec = controlledClock.move(sec, nsec)\n";

/// The file that package `time` gets, but for the variable's name.
const ADDED: &str = r#"package time

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

// controlledClock is read at each time.Now; nil bytes mean the real clock.
var controlledClock = openControlledClock()

type movedClock struct {
	bytes []byte
}

func openControlledClock() movedClock {
	path, found := syscall.Getenv("VARIABLE")
	if !found {
		return movedClock{}
	}
	file, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		panic("open the clock file " + path + ", named by VARIABLE: " + err.Error())
	}
	defer syscall.Close(file)
	var about syscall.Stat_t
	if err := syscall.Fstat(file, &about); err != nil || about.Size < 8 {
		panic("the clock file " + path + ", named by VARIABLE, has no eight bytes")
	}
	bytes, err := syscall.Mmap(file, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic("map the clock file " + path + ", named by VARIABLE: " + err.Error())
	}
	return movedClock{bytes}
}

func (clock movedClock) move(sec int64, nsec int32) (int64, int32) {
	if clock.bytes == nil {
		return sec, nsec
	}
	offset := atomic.LoadInt64((*int64)(unsafe.Pointer(&clock.bytes[0])))
	sec += offset / 1e9
	nsec += int32(offset % 1e9)
	if nsec >= 1e9 {
		return sec + 1, nsec - 1e9
	}
	if nsec < 0 {
		return sec - 1, nsec + 1e9
	}
	return sec, nsec
}
"#;

/// All that of the overlay which decides what is built, for the recipe.
pub(crate) fn recipe() -> [&'static str; 4] {
    [ADDED, MOVED, CLOCK_VARIABLE, TAGS]
}

/// Writes the overlay of the toolchain at `goroot` to the folder `into`; gives the file for `go build -overlay`.
///
/// # Errors
/// [`ArtifactError::Overlay`] if this toolchain's `time.Now` is not one that can be changed; [`ArtifactError::File`].
pub(crate) fn write_overlay(
    part: &str,
    goroot: &Utf8Path,
    into: &Utf8Path,
) -> Result<Utf8PathBuf, ArtifactError> {
    let package = goroot.join("src/time");
    let original = package.join("time.go");
    let source = fs_err::read_to_string(&original)
        .map_err(|error| ArtifactError::file(part, "read", &original, &error))?;
    let patched = patch(&source).ok_or_else(|| ArtifactError::Overlay {
        part: part.to_owned(),
        file: original.to_string(),
    })?;
    let (copy, added) = (into.join("time.go"), into.join("controlled_clock.go"));
    let overlay = into.join("overlay.json");
    let replace = json!({
        "Replace": { original.as_str(): copy, package.join("controlled_clock.go").as_str(): added },
    });
    for (path, text) in [
        (&copy, patched),
        (&added, ADDED.replace("VARIABLE", CLOCK_VARIABLE)),
        (&overlay, replace.to_string()),
    ] {
        fs_err::write(path, text).map_err(|error| ArtifactError::file(part, "write", path, &error))?;
    }
    Ok(overlay)
}

/// `time.go` with one more line in `Now`, after the line that reads the clock; `None` if that is not the function's first line.
fn patch(source: &str) -> Option<String> {
    let (before, rest) = source.split_once(FUNCTION)?;
    let reading = READINGS.iter().find(|reading| rest.starts_with(**reading))?;
    let (_, after) = rest.split_at(reading.len());
    Some([before, FUNCTION, reading, MOVED, after].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_moved_right_after_it_is_read() {
        let source =
            "package time\n\nfunc Now() Time {\n\tsec, nsec, mono := runtimeNow()\n\tmono -= startNano\n}\n";

        let patched = patch(source).expect("the function begins by reading the clock");

        assert_eq!(
            patched,
            "package time\n\nfunc Now() Time {\n\tsec, nsec, mono := runtimeNow()\n\tsec, nsec = controlledClock.move(sec, nsec)\n\tmono -= startNano\n}\n"
        );
    }

    #[test]
    fn a_function_that_reads_the_clock_in_another_way_is_refused() {
        for source in [
            "package time\n",
            "\nfunc Now() Time {\n\treturn now()\n}\n",
            "\nfunc now() Time {\n\tsec, nsec, mono := runtimeNow()\n}\n",
        ] {
            assert_eq!(patch(source), None, "{source}");
        }
    }

    #[test]
    fn a_toolchain_without_the_patch_point_is_refused_in_one_sentence() {
        let root = camino_tempfile::tempdir().expect("a temporary folder");
        let package = root.path().join("src/time");
        fs_err::create_dir_all(&package).expect("the folder is ours");
        fs_err::write(package.join("time.go"), "package time\n").expect("the folder is ours");

        let error = write_overlay("arc-manager-clock v1", root.path(), root.path())
            .expect_err("nothing there reads the clock");

        assert_eq!(
            error.to_string(),
            format!(
                "arc-manager-clock v1 cannot have a controlled clock: {}/time.go does not begin `func Now` as Go 1.24 to 1.26 do; build with one of those",
                package
            )
        );
    }
}
