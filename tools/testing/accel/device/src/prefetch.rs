// SPDX-License-Identifier: GPL-2.0

//! Translations that are fetched in advance. None are here, but a driver has to wait for their end.

use crate::device::Device;
use crate::readings::Reading;
use crate::regs;

/// What [`regs::PREFETCH_STATE`] tells one after the other, whenever [`regs::PREFETCH`] is written:
/// whether it is busy. A single 0 means nothing; mainline waits for three.
const TOLD: [bool; 6] = [true, false, true, false, false, false];

/// In [`regs::PREFETCH`]: no more is fetched in advance. In [`regs::PREFETCH_STATE`]: not yet.
const DISABLED: u32 = 1 << 26;

#[derive(Default)]
pub(crate) struct Prefetch {
    /// How much is still to be told.
    left: usize,
    /// The driver has opened it, and not closed it since.
    open: bool,
}

impl Device {
    /// [`regs::PREFETCH`] was written.
    pub(crate) fn begin_prefetch(&mut self) {
        if self.config.is_isolated() && !self.config.mild.has(Reading::EngineBits) {
            let open = self.regs.get(regs::PREFETCH) & DISABLED == 0;
            let left = TOLD.len();
            self.prefetch = Prefetch { left, open };
        }
    }

    /// What [`regs::PREFETCH_STATE`] reads.
    pub(crate) fn read_prefetch(&mut self) -> u32 {
        let next = TOLD.len() - self.prefetch.left;
        self.prefetch.left = self.prefetch.left.saturating_sub(1);
        let closes = self.regs.get(regs::PREFETCH) & DISABLED != 0;
        match TOLD.get(next) {
            Some(true) if closes => DISABLED | 1,
            Some(true) => 1 << 16,
            _ => 0,
        }
    }

    /// A function-level reset comes: notes it if the driver has not closed this, or not waited.
    pub(crate) fn judge_prefetch(&mut self) {
        let honest = !self.lies.may_be_believed() && !self.faults.is_removed();
        if honest && (self.prefetch.open || self.prefetch.left != 0) {
            self.stats
                .violation("a function-level reset came while it fetched in advance".into());
        }
    }
}
