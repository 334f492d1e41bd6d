// SPDX-License-Identifier: GPL-2.0

//! The shaper: how much of each type of jobs a function may do.
//!
//! Rates are not kept to, but where there is none nothing is done. Revision 0x30.

use crate::context::Direction;
use crate::device::Device;
use crate::readings::Reading;
use crate::regs;

/// Bit of [`regs::SHAPER`] that switches it on.
pub const ENABLE: u32 = 1 << 30;

/// The rates of the function, for what is compressed and what is decompressed, as they were set.
pub(crate) type Rates = [u64; 2];

impl Device {
    /// Takes a rate over from the registers of the queue range.
    pub(crate) fn set_rate(&mut self) {
        let kind = self.regs.get(regs::VFT_FUNCTION) >> 6;
        if let Some(rate) = self.rates.get_mut(kind as usize) {
            *rate = self.regs.range_data();
            self.wake_all();
        }
    }

    /// Whether the shaper lets no job of this direction begin, ever.
    pub(crate) fn is_held_up(&self, direction: Option<Direction>) -> bool {
        const RATE: u64 = 0xff;
        let rate = match direction {
            Some(Direction::Compress) => self.rates[0],
            Some(Direction::Decompress) => self.rates[1],
            // The engine answers for a type that it does not know.
            None => return false,
        };
        let is_on = self.config.is_isolated() && self.regs.get(regs::SHAPER) & ENABLE != 0;
        is_on && rate & RATE == 0
    }

    /// What is in [`regs::SHAPER`] after a reset of the function.
    pub(crate) fn shaper_after_reset(&self) -> u32 {
        match self.config.mild.has(Reading::Shaper) {
            true => 0,
            false => self.regs.get(regs::SHAPER),
        }
    }
}
