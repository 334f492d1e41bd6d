// SPDX-License-Identifier: GPL-2.0

//! The job that most tests give the device: a text to be compressed.

use super::*;

pub const INPUT: u64 = 0x5000_0000;
pub const OUTPUT: u64 = 0x6000_0000;
pub const SIZE: usize = 2000;

pub fn job() -> Sqe {
    sqe(GZIP, STATELESS, (INPUT, SIZE), (OUTPUT, SIZE))
}

impl Machine {
    /// Maps what the job needs, starts the compressing queue 1, and puts the text there.
    pub fn prepare(mut self, page: Page) -> Self {
        self.memory.map(INPUT, SIZE, page);
        self.memory.map(OUTPUT, SIZE, page);
        self.memory.set_data(INPUT, &text(SIZE));
        self.start(1, COMPRESS);
        self
    }

    /// The device has caught the guest at nothing.
    pub fn expect_no_violation(&self) {
        assert!(self.violations().is_empty(), "{:?}", self.violations());
    }
}
