// SPDX-License-Identifier: GPL-2.0

//! Registers that count the entries of one queue.

use crate::device::Device;
use crate::queue::Counts;
use crate::readings::Reading;
use crate::regs;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entries {
    /// Those taken from the SQ.
    Submitted,
    /// Those written to the CQ.
    Completed,
}

impl Entries {
    /// The register that says whose they are.
    fn selection(self) -> u64 {
        match self {
            Entries::Submitted => regs::SQE_COUNT_SELECT,
            Entries::Completed => regs::CQE_COUNT_SELECT,
        }
    }

    fn of(self, counts: &mut Counts) -> &mut u32 {
        match self {
            Entries::Submitted => &mut counts.sqes,
            Entries::Completed => &mut counts.cqes,
        }
    }
}

impl Device {
    /// What the register at `offset` counts, if it counts. Clears the count if reading does.
    pub(crate) fn read_counter(&mut self, offset: u64) -> Option<u32> {
        let what = match offset {
            regs::SQE_COUNT => Entries::Submitted,
            regs::CQE_COUNT => Entries::Completed,
            _ => return None,
        };
        let clears = !self.counts_unselected() || self.regs.get(regs::COUNT_CLEAR) & 1 != 0;
        let Some(number) = self.selected(what) else {
            return Some(0);
        };
        let count = what.of(&mut self.queues[number].counts);
        let value = *count;
        if clears {
            *count = 0;
        }
        Some(value)
    }

    /// A queue was selected, whose entries of this kind count from now on.
    pub(crate) fn select_counter(&mut self, what: Entries) {
        if let Some(number) = self.selected(what).filter(|_| !self.counts_unselected()) {
            *what.of(&mut self.queues[number].counts) = 0;
        }
    }

    /// An entry of this kind went through queue `number`.
    pub(crate) fn count_entry(&mut self, number: u16, what: Entries) {
        let number = usize::from(number);
        if self.counts_unselected() || self.selected(what) == Some(number) {
            let count = what.of(&mut self.queues[number].counts);
            *count = count.wrapping_add(1);
        }
    }

    fn counts_unselected(&self) -> bool {
        self.config.mild.has(Reading::Counters)
    }

    /// The queue whose entries are to be told, if there is such a one.
    fn selected(&self, what: Entries) -> Option<usize> {
        let (function, number) = regs::split_selection(self.regs.get(what.selection()));
        (function == 0 && number < self.queues.len()).then_some(number)
    }
}
