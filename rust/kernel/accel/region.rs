// SPDX-License-Identifier: GPL-2.0

//! What user space can map of a queue.

use crate::{
    device,
    dma::pages::CoherentPages,
    mm::fault::{
        Fault,
        FaultResult,
        Kind,
        NewMapping,
        Registers,
        Sigbus, //
    },
    page::{
        SharedPage,
        SharedPages,
        PAGE_SIZE, //
    },
    prelude::*,
    sync::Arc,
    uapi, //
};

/// A part of a queue that can be mapped.
#[derive(Clone)]
pub struct Region {
    backing: Backing,
    read_only: bool,
}

#[derive(Clone)]
enum Backing {
    Status,
    Doorbell(Registers),
    Ring(Arc<CoherentPages>),
    Memory(Arc<SharedPages>),
    /// Memory, and the bytes from one record to the next.
    Records(Arc<SharedPages>, u32),
}

impl Region {
    /// Registers that user space writes to tell the device about jobs, mapped uncached. They have
    /// to be its own.
    pub fn doorbell(registers: Registers) -> Self {
        Self::writable(Backing::Doorbell(registers))
    }

    /// Memory in which user space and the device exchange jobs.
    pub fn ring(memory: Arc<CoherentPages>) -> Self {
        Self::writable(Backing::Ring(memory))
    }

    /// The same, for a device in software, which does no DMA.
    pub fn memory(memory: Arc<SharedPages>) -> Self {
        Self::writable(Backing::Memory(memory))
    }

    /// Lets user space only read the region.
    pub fn read_only(self) -> Self {
        Self {
            read_only: true,
            ..self
        }
    }

    fn writable(backing: Backing) -> Self {
        Self {
            backing,
            read_only: false,
        }
    }

    pub(super) fn records(memory: Arc<SharedPages>, record_size: u32) -> Self {
        Self::writable(Backing::Records(memory, record_size)).read_only()
    }

    pub(super) fn status() -> Self {
        Self::writable(Backing::Status).read_only()
    }

    fn size(&self) -> u64 {
        match &self.backing {
            Backing::Status => PAGE_SIZE as u64,
            Backing::Doorbell(registers) => registers.size(),
            Backing::Ring(memory) => memory.size() as u64,
            Backing::Memory(memory) | Backing::Records(memory, _) => memory.size() as u64,
        }
    }

    fn kind(&self) -> uapi::accel_region_kind {
        match &self.backing {
            Backing::Status => uapi::accel_region_kind_ACCEL_REGION_STATUS,
            Backing::Doorbell(_) => uapi::accel_region_kind_ACCEL_REGION_DOORBELL,
            Backing::Records(..) => uapi::accel_region_kind_ACCEL_REGION_RECORDS,
            Backing::Ring(_) | Backing::Memory(_) => uapi::accel_region_kind_ACCEL_REGION_RING,
        }
    }

    fn element_size(&self) -> u32 {
        match &self.backing {
            Backing::Records(_, size) => *size,
            _ => 0,
        }
    }

    /// Whether a queue of the device `parent` can have it.
    pub(super) fn is_of(&self, parent: &device::Device) -> bool {
        match &self.backing {
            Backing::Doorbell(registers) => registers.are_of(parent),
            _ => true,
        }
    }

    fn flags(&self) -> u32 {
        if self.read_only {
            uapi::ACCEL_ACCESS_READ
        } else {
            uapi::ACCEL_ACCESS_READ | uapi::ACCEL_ACCESS_WRITE
        }
    }
}

/// Where a region lies in the offsets of the queue's descriptor.
struct Placed {
    region: Region,
    offset: u64,
}

/// The regions of a queue, one behind the other from offset 0, the status page first.
pub(super) struct Regions(KVec<Placed>);

impl Regions {
    pub(super) fn none() -> Self {
        Self(KVec::new())
    }

    pub(super) fn new(regions: KVec<Region>) -> Result<Self> {
        let mut all = KVec::with_capacity(regions.len() + 1, GFP_KERNEL_ACCOUNT)?;
        let mut offset = 0u64;
        for region in Iterator::chain(core::iter::once(Region::status()), regions) {
            let size = region.size();
            all.push(Placed { region, offset }, GFP_KERNEL_ACCOUNT)?;
            offset = offset.checked_add(size).ok_or(EOVERFLOW)?;
        }
        Ok(Self(all))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The first `count` regions as user space is told about them.
    pub(super) fn describe(&self, count: usize) -> Result<KVec<uapi::accel_region>> {
        let count = count.min(self.0.len());
        let mut all = KVec::with_capacity(count, GFP_KERNEL)?;
        for Placed { region, offset } in &self.0[..count] {
            let region = uapi::accel_region {
                kind: region.kind(),
                flags: region.flags(),
                offset: *offset,
                size: region.size(),
                element_size: region.element_size(),
                reserved: 0,
            };
            all.push(region, GFP_KERNEL)?;
        }
        Ok(all)
    }

    /// The region at `offset`, and the offset inside it.
    fn find(&self, offset: u64) -> Option<(&Region, u64)> {
        self.0.iter().find_map(|placed| {
            let inside = offset.checked_sub(placed.offset)?;
            (inside < placed.region.size()).then_some((&placed.region, inside))
        })
    }

    /// Checks a request of `mmap()`.
    pub(super) fn map(&self, mapping: &NewMapping<'_>) -> Result<Kind> {
        let (region, inside) = self.find(mapping.offset()).ok_or(EINVAL)?;
        if !mapping.shared() || mapping.size() > region.size() - inside {
            return Err(EINVAL);
        }
        mapping.forbid_exec()?;
        if region.read_only {
            mapping.forbid_write()?;
        }
        match &region.backing {
            Backing::Status | Backing::Memory(_) | Backing::Records(..) => return Ok(Kind::Pages),
            Backing::Doorbell(_) => mapping.set_uncached(),
            Backing::Ring(memory) => mapping.set_coherent(memory),
        }
        Ok(Kind::Frames)
    }

    /// Answers a fault, but for the status page and records.
    ///
    /// # Safety
    ///
    /// The regions must be kept until the mapping was zapped and this is not called any more, and
    /// the driver bound until then.
    pub(super) unsafe fn fault(&self, fault: &Fault<'_>) -> FaultResult {
        let (region, inside) = self.find(fault.offset()).ok_or(Sigbus)?;
        match &region.backing {
            // These outlive the regions.
            Backing::Status | Backing::Records(..) => Err(Sigbus),
            // SAFETY: By the requirements of this function.
            Backing::Doorbell(registers) => unsafe { fault.insert_registers(registers, inside) },
            // SAFETY: As above; the region holds the memory.
            Backing::Ring(memory) => unsafe { fault.insert_coherent(memory, inside as usize) },
            Backing::Memory(memory) => {
                let page = memory.page(inside as usize / PAGE_SIZE).ok_or(Sigbus)?;
                fault.insert_page(page)
            }
        }
    }

    /// Whether the page at `offset` is one of a doorbell.
    pub(super) fn is_doorbell(&self, offset: u64) -> bool {
        self.find(offset)
            .is_some_and(|(region, _)| matches!(region.backing, Backing::Doorbell(_)))
    }

    /// Answers a fault on the status page, if it is one.
    pub(super) fn fault_status(fault: &Fault<'_>, page: &SharedPage) -> Option<FaultResult> {
        (fault.offset() < PAGE_SIZE as u64).then(|| fault.insert_page(page))
    }
}

#[macros::kunit_tests(rust_accel_region)]
mod tests {
    use super::*;

    #[test]
    fn every_queue_has_a_status_page_first() -> Result {
        let regions = Regions::new(KVec::new())?;
        let all = regions.describe(2)?;
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].kind, uapi::accel_region_kind_ACCEL_REGION_STATUS);
        assert_eq!(all[0].flags, uapi::ACCEL_ACCESS_READ);
        assert_eq!((all[0].offset, all[0].size), (0, PAGE_SIZE as u64));
        Ok(())
    }

    #[test]
    fn offsets_are_found_in_their_region_and_nowhere_else() -> Result {
        let page = PAGE_SIZE as u64;
        let mut list = KVec::new();
        list.push(Region::status(), GFP_KERNEL)?;
        let regions = Regions::new(list)?;
        for (offset, inside) in [
            (0, Some(0)),
            (page - 1, Some(page - 1)),
            (page, Some(0)),
            (2 * page - 1, Some(page - 1)),
            (2 * page, None),
            (u64::MAX, None),
        ] {
            assert_eq!(regions.find(offset).map(|(_, inside)| inside), inside);
        }
        Ok(())
    }
}
