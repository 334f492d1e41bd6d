// SPDX-License-Identifier: GPL-2.0

//! Records of jobs.

use super::region::Region;
use crate::{page::Page, prelude::*};
use std::cell::RefCell;

/// For each place the last job, and how it has ended. Under the lock of the pipeline.
pub struct Records(RefCell<Vec<(u64, Result)>>);

impl Records {
    pub fn new(depth: u32, _size: usize) -> Result<Self> {
        Ok(Self(RefCell::new(vec![(u64::MAX, Ok(())); depth as usize])))
    }

    pub(super) fn region(&self) -> Region {
        Region::records()
    }

    pub fn page(&self, _index: usize) -> Option<&Page> {
        None
    }

    pub fn has(&self, number: u64) -> bool {
        let records = self.0.borrow();
        records[number as usize % records.len()].0 == number
    }

    pub fn write(&self, number: u64, result: Result, _told: &[u8]) {
        require!(!self.has(number), "a job ends once");
        let mut records = self.0.borrow_mut();
        let place = number as usize % records.len();
        records[place] = (number, result);
    }
}
