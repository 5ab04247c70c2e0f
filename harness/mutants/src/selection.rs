//! Which mutants a run takes: by name, by a sample that its seed determines, by shard.

use std::num::ParseIntError;
use std::str::FromStr;

use crate::Mutant;

/// The `index`-th of `count` parts, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard {
    index: usize,
    count: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let wrong = || format!("`{text}` is no shard; write I/N with I from 1 to N, as 2/8");
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let number = |text: &str| text.parse().map_err(|_: ParseIntError| wrong());
        let (index, count) = (number(index)?, number(count)?);
        if index == 0 || index > count {
            return Err(wrong());
        }
        Ok(Shard { index, count })
    }
}

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted<'a> {
    /// Beginnings of ids; with any, nothing else is asked.
    pub(crate) only: &'a [String],
    /// Beginnings of files' labels, or parts of their paths.
    pub(crate) file: Option<&'a str>,
    pub(crate) named: bool,
    pub(crate) sample: Option<usize>,
    pub(crate) shard: Option<Shard>,
}

/// Takes what was asked for, in the order of the list. Without `named` and `sample` that is everything.
pub(crate) fn select(mutants: Vec<Mutant>, wanted: &Wanted<'_>, seed: u64) -> Vec<Mutant> {
    if !wanted.only.is_empty() {
        let asked = |id: &str| wanted.only.iter().any(|only| id.starts_with(only.as_str()));
        return mutants.into_iter().filter(|mutant| asked(&mutant.id)).collect();
    }
    let in_file = |mutant: &Mutant| wanted.file.is_none_or(|file| mutant.file.contains(file));
    let (named, generated): (Vec<Mutant>, Vec<Mutant>) = mutants
        .into_iter()
        .filter(in_file)
        .partition(|mutant| mutant.is_named);
    let everything = !wanted.named && wanted.sample.is_none();
    let mut chosen = if wanted.named || everything {
        named
    } else {
        Vec::new()
    };
    if let Some(size) = wanted.sample {
        chosen.extend(sample(generated, size, seed));
    } else if everything {
        chosen.extend(generated);
    }
    match wanted.shard {
        None => chosen,
        Some(Shard { index, count }) => chosen.into_iter().skip(index - 1).step_by(count).collect(),
    }
}

/// The mutants whose ids come first in an order that the seed gives: a mutant more in the source changes little.
fn sample(mutants: Vec<Mutant>, size: usize, seed: u64) -> Vec<Mutant> {
    let mut ranks: Vec<(u64, usize)> = mutants
        .iter()
        .enumerate()
        .map(|(index, mutant)| (rank(&mutant.id, seed), index))
        .collect();
    ranks.sort_unstable();
    let taken: Vec<usize> = ranks.into_iter().take(size).map(|(_, index)| index).collect();
    let of_sample = mutants
        .into_iter()
        .enumerate()
        .filter(|(index, _)| taken.contains(index));
    of_sample.map(|(_, mutant)| mutant).collect()
}

/// FNV-1a over the seed and the id, then mixed, since similar ids differ in their last characters.
fn rank(id: &str, seed: u64) -> u64 {
    let bytes = seed.to_le_bytes().into_iter().chain(id.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash ^ (hash >> 27)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutants(count: usize) -> Vec<Mutant> {
        let mutant = |index: usize| Mutant {
            id: format!("a.go:{index} < → <="),
            is_named: index < 3,
            file: "a.go".to_owned(),
            range: 0..1,
            replacement: String::new(),
            function: None,
            checks: Vec::new(),
            programs: Vec::new(),
        };
        (0..count).map(mutant).collect()
    }

    fn ids(wanted: &Wanted<'_>, seed: u64) -> Vec<String> {
        let chosen = select(mutants(100), wanted, seed);
        chosen.into_iter().map(|mutant| mutant.id).collect()
    }

    #[test]
    fn a_sample_is_the_seeds() {
        let wanted = Wanted {
            sample: Some(10),
            ..Wanted::default()
        };

        assert_eq!(ids(&wanted, 7), ids(&wanted, 7));
        assert_ne!(ids(&wanted, 7), ids(&wanted, 8));
        assert_eq!(ids(&wanted, 7).len(), 10);
    }

    #[test]
    fn the_shards_are_everything_once() {
        let shard = |index| {
            let wanted = Wanted {
                shard: Some(Shard { index, count: 3 }),
                ..Wanted::default()
            };
            ids(&wanted, 1)
        };
        let mut all = [shard(1), shard(2), shard(3)].concat();

        all.sort();
        all.dedup();

        assert_eq!(all.len(), 100);
    }

    #[test]
    fn named_and_sample_add_up_and_only_is_alone() {
        let both = Wanted {
            named: true,
            sample: Some(4),
            ..Wanted::default()
        };
        let only = ["a.go:42".to_owned()];
        let one = Wanted {
            only: &only,
            ..both.clone()
        };

        assert_eq!(ids(&both, 1).len(), 7);
        assert_eq!(ids(&one, 1), ["a.go:42 < → <="]);
    }

    #[test]
    fn a_shard_that_is_none_is_refused() {
        assert_eq!("2/8".parse(), Ok(Shard { index: 2, count: 8 }));
        for text in ["0/3", "4/3", "3", "a/b", "1/0"] {
            assert_eq!(
                text.parse::<Shard>(),
                Err(format!(
                    "`{text}` is no shard; write I/N with I from 1 to N, as 2/8"
                ))
            );
        }
    }
}
