// SPDX-License-Identifier: GPL-2.0
//! Totals that never go back while this process runs.
//!
//! A device that is bound anew counts from 0 again, and a context takes its counts with it. What
//! they had counted when they were last seen stays in the total.

use std::collections::{BTreeMap, BTreeSet};

/// Totals by name and labels.
#[derive(Debug, Default)]
pub struct Ledger {
    totals: BTreeMap<Series, Total>,
    /// Users of each device that have been seen, and when.
    users: BTreeMap<String, BTreeMap<u32, u64>>,
    /// Counts how often users were looked at.
    looks: u64,
}

/// Users of a device who are remembered at most while they do not use it.
const USERS_MAX: usize = 256;

/// A total: its name, the device, and the user if it is by user.
type Series = (&'static str, String, Option<u32>);

#[derive(Debug, Default)]
struct Total {
    /// Counted by sources that are gone.
    gone: u64,
    /// What each source had counted when it was last seen.
    sources: BTreeMap<u64, u64>,
}

impl Total {
    /// Takes what the sources have counted by now, and returns the sum.
    fn settle(&mut self, sources: BTreeMap<u64, u64>) -> u64 {
        for (id, counted) in &self.sources {
            // One that has counted less than before is another one.
            if sources.get(id).is_none_or(|now| now < counted) {
                self.gone = self.gone.saturating_add(*counted);
            }
        }
        self.sources = sources;
        let sum = self
            .sources
            .values()
            .fold(0, |sum: u64, n| sum.saturating_add(*n));
        self.gone.saturating_add(sum)
    }
}

impl Ledger {
    /// The total of a device's own counter that stands at `counted`.
    pub fn device(&mut self, name: &'static str, device: &str, counted: u64) -> u64 {
        let series = (name, device.to_string(), None);
        let total = self.totals.entry(series).or_default();
        total.settle(BTreeMap::from([(0, counted)]))
    }

    /// The total of a user's contexts, by their numbers.
    pub fn user(
        &mut self,
        name: &'static str,
        device: &str,
        uid: u32,
        contexts: BTreeMap<u64, u64>,
    ) -> u64 {
        let series = (name, device.to_string(), Some(uid));
        self.totals.entry(series).or_default().settle(contexts)
    }

    /// All users of a device that are remembered, with those of now. Where there are too many,
    /// those who have been away for longest are forgotten, with their totals.
    pub fn users(&mut self, device: &str, now: impl Iterator<Item = u32>) -> BTreeSet<u32> {
        self.looks += 1;
        let users = self.users.entry(device.to_string()).or_default();
        users.extend(now.map(|uid| (uid, self.looks)));
        let mut away: Vec<_> = users
            .iter()
            .filter(|(_, seen)| **seen != self.looks)
            .map(|(&uid, &seen)| (seen, uid))
            .collect();
        away.sort_unstable();
        away.truncate(away.len().saturating_sub(USERS_MAX));
        let forgotten: BTreeSet<_> = away.into_iter().map(|(_, uid)| uid).collect();
        users.retain(|uid, _| !forgotten.contains(uid));
        let all = users.keys().copied().collect();
        if !forgotten.is_empty() {
            self.totals.retain(|(_, of, uid), _| {
                of != device || uid.is_none_or(|uid| !forgotten.contains(&uid))
            });
        }
        all
    }

    /// Notes that there are these devices now: what comes back later under the name of another
    /// one counts from 0.
    pub fn keep(&mut self, devices: &BTreeSet<String>) {
        for ((_, device, _), total) in &mut self.totals {
            if !devices.contains(device) {
                total.settle(BTreeMap::new());
            }
        }
    }

    /// Totals that are kept.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.totals.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_counts_anew_does_not_go_back() {
        let mut ledger = Ledger::default();
        let mut add = |counted| ledger.device("jobs", "accel0", counted);
        assert_eq!([add(5), add(7), add(3), add(3), add(4)], [5, 7, 10, 10, 11]);
    }

    #[test]
    fn one_that_was_away_counts_from_zero_whatever_it_says() {
        let mut ledger = Ledger::default();
        ledger.device("jobs", "accel0", 5);
        ledger.keep(&BTreeSet::from(["accel0".into()]));
        assert_eq!(ledger.device("jobs", "accel0", 6), 6);
        ledger.keep(&BTreeSet::new());
        ledger.keep(&BTreeSet::new());
        assert_eq!(ledger.device("jobs", "accel0", 8), 14);
    }

    #[test]
    fn contexts_leave_what_they_did() {
        let mut ledger = Ledger::default();
        let mut add = |contexts: &[(u64, u64)]| {
            ledger.user("jobs", "accel0", 1000, contexts.iter().copied().collect())
        };
        assert_eq!(add(&[(1, 10), (2, 5)]), 15);
        assert_eq!(add(&[(2, 6), (3, 1)]), 17);
        assert_eq!(add(&[]), 17);
        assert_eq!(add(&[(4, 2)]), 19);
        assert_eq!(ledger.users("accel0", [1000].into_iter()).len(), 1);
        assert_eq!(ledger.users("accel0", std::iter::empty()).len(), 1);
    }

    #[test]
    fn users_without_end_are_forgotten_in_time() {
        let mut ledger = Ledger::default();
        for uid in 8..10_000 {
            ledger.users("accel0", [uid, 7].into_iter());
            for user in [uid, 7] {
                ledger.user("jobs", "accel0", user, BTreeMap::from([(1, uid.into())]));
            }
        }
        assert!(ledger.len() <= USERS_MAX + 2, "{}", ledger.len());
        let users = ledger.users("accel0", std::iter::empty());
        assert!(users.len() <= USERS_MAX && users.contains(&7) && users.contains(&9999));
        assert_eq!(ledger.user("jobs", "accel0", 7, BTreeMap::new()), 9999);
    }

    #[test]
    fn the_end_of_numbers_is_no_panic() {
        let mut ledger = Ledger::default();
        ledger.device("jobs", "accel0", u64::MAX);
        assert_eq!(ledger.device("jobs", "accel0", 9), u64::MAX);
    }
}
