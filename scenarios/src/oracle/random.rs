//! Small random numbers that are the same on every machine: SplitMix64.
//!
//! What it is not: good for secrets, and a dependency.

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    /// The stream of this seed and what it is for.
    pub(super) fn of(seed: u64, purpose: &str, number: usize) -> Random {
        // FNV-1a, so that neighbouring numbers and purposes lie far apart.
        let mut state = 0xcbf2_9ce4_8422_2325_u64 ^ seed;
        for byte in purpose.bytes().chain(number.to_le_bytes()) {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Random(state)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// At least 0 and less than `end`, which is at least 1.
    pub(super) fn below(&mut self, end: i64) -> i64 {
        i64::try_from(self.next() >> 1).map_or(0, |number| number % end.max(1))
    }

    /// At least `start` and less than `end`.
    pub(super) fn between(&mut self, start: i64, end: i64) -> i64 {
        start + self.below(end - start)
    }

    /// True so often in a hundred.
    pub(super) fn percent(&mut self, chance: i64) -> bool {
        self.below(100) < chance
    }

    /// One of these, of which there is at least one.
    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let index = self.below(i64::try_from(from.len()).unwrap_or(1));
        from[usize::try_from(index).unwrap_or(0)]
    }

    /// At least 0 and less than `end`.
    pub(super) fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.below(i64::try_from(end).unwrap_or(1))).unwrap_or(0)
    }
}
