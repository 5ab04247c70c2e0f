//! When a figure differs: the rule and its numbers.
//!
//! A change counts only if it is larger than an absolute floor *and* than a share of the smaller figure. The numbers come from five green
//! runs of one commit on two cores: between any two of them no check and no figure of a check moved by more than 5.8 s, no phase by more
//! than 0.9 s, the whole run by 5.4 s of 36, and no kind of request by more than 80 of 164. A busier machine may need a second look.

/// What a figure may move by without meaning anything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// In the figure's unit.
    pub floor: f64,
    /// Of the smaller figure.
    pub share: f64,
}

impl Noise {
    /// A check's duration or a figure of it in seconds.
    pub const CHECK_SECONDS: Noise = Noise {
        floor: 6.0,
        share: 1.0,
    };
    /// The whole run, a phase, or a figure of the run in seconds.
    pub const RUN_SECONDS: Noise = Noise {
        floor: 3.0,
        share: 0.5,
    };
    /// How often a request or an event came.
    pub const TIMES: Noise = Noise {
        floor: 30.0,
        share: 1.0,
    };
    /// Any other figure.
    pub const OTHER: Noise = Noise {
        floor: 0.0,
        share: 0.5,
    };

    /// Whether the change counts. The order of the two does not matter.
    #[must_use]
    pub fn exceeded(self, before: f64, after: f64) -> bool {
        (after - before).abs() > self.floor.max(self.share * before.min(after))
    }

    /// The rule in words: `6 s and 100 %`.
    pub(super) fn words(self, unit: &str) -> String {
        let share = format!("{:.0} %", self.share * 100.0);
        if self.floor > 0.0 {
            format!("{}{unit} and {share}", self.floor)
        } else {
            share
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_change_counts_beyond_both_limits_only() {
        let noise = Noise {
            floor: 6.0,
            share: 1.0,
        };

        assert!(!noise.exceeded(1.0, 7.0), "not more than the floor");
        assert!(noise.exceeded(1.0, 7.1));
        assert!(!noise.exceeded(20.0, 40.0), "not more than the share");
        assert!(noise.exceeded(20.0, 40.1));
    }

    proptest! {
        #[test]
        fn the_order_of_the_runs_does_not_matter(a in 0.0..1e6_f64, b in 0.0..1e6_f64) {
            prop_assert_eq!(Noise::TIMES.exceeded(a, b), Noise::TIMES.exceeded(b, a));
            prop_assert!(!Noise::TIMES.exceeded(a, a));
        }
    }
}
