//! Reading a file of JSON lines one by one, as a run leaves it: perhaps absent, perhaps torn at its end.

use std::io::{BufRead as _, BufReader, ErrorKind};

use camino::Utf8Path;
use serde::de::DeserializeOwned;

use crate::ReportError;

/// Gives every line to `take`; says whether there is such a file. A last line without its end that cannot be read is left out.
pub(super) fn read_lines<T: DeserializeOwned>(
    path: &Utf8Path,
    mut take: impl FnMut(T),
) -> Result<bool, ReportError> {
    let file = match fs_err::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(source) => {
            return Err(ReportError::File {
                doing: "read evidence",
                source,
            });
        }
    };
    let mut file = BufReader::new(file);
    let mut raw = Vec::new();
    for line in 1.. {
        raw.clear();
        let read = file.read_until(b'\n', &mut raw);
        if read.map_err(ReportError::file("read evidence"))? == 0 {
            break;
        }
        match serde_json::from_slice(&raw) {
            Ok(value) => take(value),
            Err(_) if !raw.ends_with(b"\n") => break,
            Err(source) => {
                return Err(ReportError::Evidence {
                    path: path.to_owned(),
                    line,
                    source,
                });
            }
        }
    }
    Ok(true)
}
