// SPDX-License-Identifier: GPL-2.0
//! Programs that have reached something, and all that was reached.

use crate::{program::Program, run};
use fastrand::Rng;
use std::collections::HashSet;

/// A program, and what it has reached.
pub struct Entry {
    pub program: Program,
    reached: Vec<u64>,
}

#[derive(Default)]
pub struct Corpus {
    pub entries: Vec<Entry>,
    reached: HashSet<u64>,
    code: usize,
}

impl Corpus {
    /// What of it was not reached before.
    pub fn new_of(&self, reached: &[u64]) -> Vec<u64> {
        reached
            .iter()
            .copied()
            .filter(|one| !self.reached.contains(one))
            .collect()
    }

    /// Takes a program in.
    pub fn add(&mut self, program: Program, reached: Vec<u64>) {
        self.note(&reached);
        self.entries.push(Entry { program, reached });
    }

    /// Notes what was reached by the way.
    pub fn note(&mut self, reached: &[u64]) {
        for one in reached {
            if self.reached.insert(*one) && run::is_code(*one) {
                self.code += 1;
            }
        }
    }

    /// Addresses of code that were reached.
    pub fn code(&self) -> usize {
        self.code
    }

    /// One of the programs, rather a later one.
    pub fn pick(&self, random: &mut Rng) -> Option<&Program> {
        let last = self.entries.len().checked_sub(1)?;
        let at = random.usize(0..=last).max(random.usize(0..=last));
        Some(&self.entries[at].program)
    }

    /// Few programs that together reach what all do: those first that add most.
    pub fn smallest(&self) -> Vec<&Program> {
        let mut left: HashSet<u64> = self
            .entries
            .iter()
            .flat_map(|entry| &entry.reached)
            .copied()
            .collect();
        let adds = |entry: &Entry, left: &HashSet<u64>| {
            entry
                .reached
                .iter()
                .filter(|one| left.contains(one))
                .count()
        };
        let mut chosen = Vec::new();
        let best = |left: &HashSet<u64>| {
            let best = self.entries.iter().max_by_key(|entry| adds(entry, left));
            best.filter(|entry| adds(entry, left) > 0)
        };
        while let Some(best) = best(&left) {
            best.reached.iter().for_each(|one| {
                left.remove(one);
            });
            chosen.push(&best.program);
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Call;

    const CODE: u64 = 0xffff_ffff_8100_0000;

    fn named(what: usize) -> Program {
        Program {
            calls: vec![Call {
                what,
                ..Call::default()
            }],
        }
    }

    #[test]
    fn code_is_counted_once_and_errors_are_not() {
        let mut corpus = Corpus::default();
        corpus.add(named(0), vec![CODE, CODE + 4, 1 << 63]);
        corpus.note(&[CODE]);
        assert_eq!(corpus.code(), 2);
        assert_eq!(corpus.new_of(&[CODE, CODE + 8]), [CODE + 8]);
    }

    #[test]
    fn what_others_reach_too_is_left_out() {
        let mut corpus = Corpus::default();
        corpus.add(named(0), vec![1, 2]);
        corpus.add(named(1), vec![2, 3, 4, 5]);
        corpus.add(named(2), vec![1, 2, 3]);
        let chosen: Vec<_> = corpus
            .smallest()
            .iter()
            .map(|program| program.calls[0].what)
            .collect();
        assert_eq!(chosen, [1, 2]);
    }
}
