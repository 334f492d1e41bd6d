// SPDX-License-Identifier: GPL-2.0

//! What became of the jobs of a queue in `KERNEL` mode, for its process to read.

use super::region::Region;
use crate::{
    page::{
        SharedPage,
        SharedPages, //
    },
    prelude::*,
    sync::{
        barrier::{
            smp_mb,
            Write, //
        },
        Arc, //
    },
    uapi, //
};
use core::mem::offset_of;

/// One `struct accel_job_record` with what the driver tells behind it for each entry of a queue.
/// The kernel alone writes them, under the lock of the queue's pipeline.
pub(super) struct Records {
    memory: Arc<SharedPages>,
    depth: u64,
    /// Bytes of a record, a multiple of 16.
    size: usize,
}

impl Records {
    pub(super) fn new(depth: u32, size: usize) -> Result<Self> {
        let bytes = size.checked_mul(depth as usize).ok_or(EOVERFLOW)?;
        u32::try_from(size)?;
        Ok(Self {
            memory: Arc::new(SharedPages::new(bytes)?, GFP_KERNEL_ACCOUNT)?,
            depth: u64::from(depth),
            size,
        })
    }

    pub(super) fn region(&self) -> Region {
        // It fits: `new` has seen to it.
        Region::records(self.memory.clone(), self.size as u32)
    }

    pub(super) fn page(&self, index: usize) -> Option<&SharedPage> {
        self.memory.page(index)
    }

    fn place(&self, number: u64) -> usize {
        (number % self.depth) as usize * self.size
    }

    /// Whether the job's record is there.
    pub(super) fn has(&self, number: u64) -> bool {
        let there: Result<u64> = self.memory.read(self.place(number));
        there == Ok(number + 1)
    }

    /// Writes the job's record; `told` is the driver's part of it, or empty.
    pub(super) fn write(&self, number: u64, result: Result, told: &[u8]) {
        let written = self.try_write(number, result, told);
        debug_assert!(written.is_ok(), "a record lies in its place");
    }

    fn try_write(&self, number: u64, result: Result, told: &[u8]) -> Result {
        const HEAD: usize = size_of::<uapi::accel_job_record>();
        const WORD: usize = size_of::<u64>();

        let at = self.place(number);
        for i in (0..self.size - HEAD).step_by(WORD) {
            let mut word = [0; WORD];
            if let Some(told) = told.get(i..i + WORD) {
                word.copy_from_slice(told);
            }
            self.memory.write(at + HEAD + i, u64::from_ne_bytes(word))?;
        }
        let errno = result.err().map_or(0, |e| -e.to_errno());
        let error = at + offset_of!(uapi::accel_job_record, error);
        self.memory.write(error, errno)?;
        // Who reads the number finds the rest.
        smp_mb(Write);
        self.memory.write(at, number + 1)
    }
}

#[macros::kunit_tests(rust_accel_records)]
mod tests {
    use super::*;

    #[test]
    fn a_record_stays_until_a_later_job_takes_its_place() -> Result {
        let records = Records::new(2, 32)?;
        for number in 0..5 {
            assert!(!records.has(number));
            records.write(number, Err(EIO), &[number as u8; 16]);
            assert!(records.has(number));
        }
        assert!(records.has(3) && records.has(4) && !records.has(2));
        assert_eq!(records.memory.read::<i32>(8)?, -EIO.to_errno());
        assert_eq!(records.memory.read::<u64>(16)?, u64::from_ne_bytes([4; 8]));
        Ok(())
    }
}
