// SPDX-License-Identifier: GPL-2.0

//! Registers that count the entries of one queue.

use crate::device::Device;
use crate::queue::Counts;
use crate::regs;

impl Device {
    /// What the register at `offset` counts, if it counts. Clears the count if it is set to.
    pub(crate) fn read_counter(&mut self, offset: u64) -> Option<u32> {
        type Pick = fn(&mut Counts) -> &mut u32;
        let (select, pick): (_, Pick) = match offset {
            regs::SQE_COUNT => (regs::SQE_COUNT_SELECT, |counts| &mut counts.sqes),
            regs::CQE_COUNT => (regs::CQE_COUNT_SELECT, |counts| &mut counts.cqes),
            _ => return None,
        };
        if let Some(lie) = self.lies.counter() {
            return Some(lie);
        }
        let (function, number) = regs::split_selection(self.regs.get(select));
        let queue = self.queues.get_mut(number).filter(|_| function == 0);
        let Some(queue) = queue else {
            return Some(0);
        };
        let count = pick(&mut queue.counts);
        let value = *count;
        if self.regs.get(regs::COUNT_CLEAR) & 1 != 0 {
            *count = 0;
        }
        Some(value)
    }
}
