// SPDX-License-Identifier: GPL-2.0

//! What a process maps of a queue: one ring.

use super::table::Engine;
use crate::{
    device::Device,
    mm::fault::{Fault, FaultResult, Kind, NewMapping},
    page::Page,
    prelude::*,
    sync::Arc,
    uapi,
};
use std::{any::Any, rc::Rc};

/// A ring and the engine that works on it; a mapping of it holds it, too.
pub struct Region(Option<(Rc<dyn Any>, Arc<Engine>)>);

impl Region {
    pub(super) fn ring(engine: Arc<Engine>) -> Self {
        Self(Some((Rc::new(()), engine)))
    }

    pub fn is_of(&self, _parent: &Device) -> bool {
        true
    }

    pub fn records() -> Self {
        Self(None)
    }
}

pub struct Regions(KVec<Region>);

impl Regions {
    pub fn none() -> Self {
        Self(KVec::new())
    }

    pub fn new(regions: KVec<Region>) -> Result<Self> {
        Ok(Self(regions))
    }

    pub fn len(&self) -> usize {
        0
    }

    pub fn describe(&self, _count: usize) -> Result<KVec<uapi::accel_region>> {
        Ok(KVec::new())
    }

    pub fn map(&self, _mapping: &NewMapping<'_>) -> Result<Kind> {
        Ok(Kind::Frames)
    }

    /// # Safety
    ///
    /// As in the kernel; here it is asserted when the regions go.
    pub unsafe fn fault(&self, fault: &Fault<'_>) -> FaultResult {
        fault.insert(self.0[0].0.as_ref().unwrap().0.clone())
    }

    pub fn is_doorbell(&self, _offset: u64) -> bool {
        false
    }

    pub fn fault_status(_fault: &Fault<'_>, _page: &Page) -> Option<FaultResult> {
        None
    }
}

impl Drop for Regions {
    fn drop(&mut self) {
        for region in &self.0 {
            if let Some((pages, engine)) = &region.0 {
                require!(!engine.is_on(), "a ring is freed that a queue works on");
                require!(
                    Rc::strong_count(pages) == 1,
                    "a ring is freed that is mapped"
                );
            }
        }
    }
}
