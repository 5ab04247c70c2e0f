//! The controlled clock of a world: a file that its ARC's manager maps, and the clock of its GHES, moved together.
//!
//! What it is not: the clock of anything else. API server, kube-controller-manager, node and runner pods stay on the real one.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::{SignedDuration, Timestamp};

/// A clock did not move.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// Backwards: tokens and caches of a later time would lie in the future.
    #[error("the clock shows {now} and cannot be set back to {to}; jump forward only")]
    Back {
        /// What it shows.
        now: Timestamp,
        /// What was asked for.
        to: Timestamp,
    },
    /// Further than a clock of nanoseconds reaches.
    #[error("the clock cannot be set to {0}, which is more than 292 years away")]
    Far(Timestamp),
    /// The file cannot be read or written.
    #[error("use the clock file {path}")]
    File {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A clock that a scenario moves.
pub struct WorldClock {
    path: Utf8PathBuf,
    file: Mutex<File>,
    ghes: mock_ghes::Clock,
}

impl WorldClock {
    /// One that shows the real time, with its file at `path`.
    pub(crate) fn new(path: Utf8PathBuf) -> std::io::Result<WorldClock> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)?;
        file.write_all_at(&0_i64.to_ne_bytes(), 0)?;
        Ok(WorldClock {
            path,
            file: Mutex::new(file),
            ghes: mock_ghes::Clock::default(),
        })
    }

    /// The file that ARC's manager maps.
    pub(crate) fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// GHES's side of it.
    pub(crate) fn ghes(&self) -> &mock_ghes::Clock {
        &self.ghes
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.ghes.now()
    }

    /// Moves it forward to this instant, from which it goes on. ARC looks at it only when it reconciles: see `Context::reconcile`.
    ///
    /// # Errors
    /// [`ClockError`].
    pub fn jump(&self, to: Timestamp) -> Result<(), ClockError> {
        let file = self.lock();
        let now = self.now();
        if to < now {
            return Err(ClockError::Back { now, to });
        }
        self.set(&file, to)
    }

    /// Sets it to this instant, back too: for a check that plays something again with new objects. What ARC and GHES keep besides, such as tokens,
    /// is then of a later time.
    ///
    /// # Errors
    /// [`ClockError::Far`], [`ClockError::File`].
    pub fn replay(&self, from: Timestamp) -> Result<(), ClockError> {
        self.set(&self.lock(), from)
    }

    /// Sets the clock of GHES so far from ARC's, ahead or behind, until the clock is moved again.
    ///
    /// # Errors
    /// [`ClockError::Far`], [`ClockError::File`].
    pub fn set_ghes_apart(&self, by: SignedDuration) -> Result<(), ClockError> {
        let file = self.lock();
        let mut bytes = [0; 8];
        file.read_exact_at(&mut bytes, 0)
            .map_err(|source| self.unusable(source))?;
        let of_arc = i64::from_ne_bytes(bytes);
        let offset = i64::try_from(by.as_nanos())
            .ok()
            .and_then(|by| of_arc.checked_add(by));
        self.ghes
            .set_offset(offset.ok_or_else(|| ClockError::Far(self.now()))?);
        Ok(())
    }

    fn unusable(&self, source: std::io::Error) -> ClockError {
        ClockError::File {
            path: self.path.clone(),
            source,
        }
    }

    fn lock(&self) -> MutexGuard<'_, File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, file: &File, to: Timestamp) -> Result<(), ClockError> {
        let ahead = to.duration_since(Timestamp::now()).as_nanos();
        let offset = i64::try_from(ahead).map_err(|_| ClockError::Far(to))?;
        // GHES first: a token that it gives meanwhile then expires in ARC's future, not in its past.
        self.ghes.set_offset(offset);
        file.write_all_at(&offset.to_ne_bytes(), 0)
            .map_err(|source| self.unusable(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_moves_the_file_and_ghes_alike_and_only_forward() {
        let folder = camino_tempfile::tempdir().expect("a temporary folder");
        let clock = WorldClock::new(folder.path().join("clocks/one")).expect("the folder is ours");
        let later = Timestamp::now() + SignedDuration::from_hours(24 * 400);

        clock.jump(later).expect("that is ahead");
        let back = clock.jump(later - SignedDuration::from_secs(1));

        let bytes = std::fs::read(clock.path()).expect("the file is there");
        let offset = i64::from_ne_bytes(bytes.try_into().expect("eight bytes"));
        let in_file = Timestamp::now() + SignedDuration::from_nanos(offset);
        assert!(clock.now() >= later && in_file >= later);
        assert!(matches!(back, Err(ClockError::Back { to, .. }) if to < later));
    }

    #[test]
    fn a_replay_sets_it_back_too() {
        let folder = camino_tempfile::tempdir().expect("a temporary folder");
        let clock = WorldClock::new(folder.path().join("clocks/one")).expect("the folder is ours");
        let earlier = Timestamp::now() + SignedDuration::from_hours(24);
        clock
            .jump(earlier + SignedDuration::from_hours(24))
            .expect("that is ahead");

        clock.replay(earlier).expect("a replay may go back");

        assert!((earlier..earlier + SignedDuration::from_hours(1)).contains(&clock.now()));
    }

    #[test]
    fn ghes_is_apart_until_the_clock_is_moved() {
        let folder = camino_tempfile::tempdir().expect("a temporary folder");
        let clock = WorldClock::new(folder.path().join("clocks/one")).expect("the folder is ours");
        let hour = SignedDuration::from_hours(1);

        clock.set_ghes_apart(-hour).expect("that is near");
        let behind = clock.now();
        let real = Timestamp::now();
        clock.jump(real).expect("that is ahead");

        assert!(behind < real - hour / 2, "{behind}");
        assert!(clock.now() >= real);
    }
}
