// SPDX-License-Identifier: GPL-2.0

//! Pages that a queue asks for, as hardware asks the IOMMU's driver for them.
//!
//! A page may never come, so the worker does not wait for it: it is kicked when the answer is
//! there.

use crate::{
    memory::{
        Memory,
        Missing, //
    },
    roster::Work, //
};
use kernel::{
    mm::fault_in::{
        FaultIn,
        Limit,
        Listener, //
    },
    prelude::*,
    sync::Arc, //
};

/// How often a page is asked for that is not there when it was brought in. Between two attempts it
/// may have been taken away; but there are pages that only a process itself can reach.
const ATTEMPTS: u32 = 64;

/// Where a queue asks for pages.
pub(crate) struct Pages(Option<Arc<FaultIn>>);

/// What a queue has asked for.
#[derive(Copy, Clone)]
pub(crate) struct Asked {
    pub(crate) page: Missing,
    /// How often, one time after the other.
    attempts: u32,
}

impl Asked {
    /// The same page again, or another one.
    pub(crate) fn next(before: Option<Self>, page: Missing) -> Self {
        let before = before.filter(|before| before.page == page);
        Self {
            page,
            attempts: before.map_or(0, |before| before.attempts) + 1,
        }
    }
}

impl Pages {
    /// For a queue whose jobs reach `memory`. Fails with [`EBUSY`] if too many pages are waited
    /// for, on behalf of queues that are gone.
    pub(crate) fn of(memory: &Memory, limit: &Arc<Limit>) -> Result<Self> {
        match memory {
            Memory::Process(mm) => Ok(Self(Some(FaultIn::new(mm.clone(), limit)?))),
            _ => Ok(Self(None)),
        }
    }

    /// Lets answers kick `work`, which holds these pages, until the listener is dropped.
    pub(crate) fn kick(&self, work: &Arc<Work>) -> Result<Option<Listener>> {
        let Some(pages) = &self.0 else {
            return Ok(None);
        };
        let work = work.clone();
        pages.listen(move || work.reschedule(0)).map(Some)
    }

    /// Asks for a page, and for `len` bytes from there on, if those are to be had at once.
    pub(crate) fn ask(&self, asked: &Asked, len: u64) -> Result {
        let pages = self.0.as_ref().ok_or(EFAULT)?;
        if asked.attempts > ATTEMPTS {
            return Err(EFAULT);
        }
        let address = asked.page.address.try_into()?;
        pages.ask(address, len.try_into()?, asked.page.access)
    }

    /// The answer, if it is there.
    pub(crate) fn answer(&self) -> Option<Result> {
        self.0
            .as_ref()
            .map_or(Some(Err(EFAULT)), |pages| pages.answer())
    }
}
