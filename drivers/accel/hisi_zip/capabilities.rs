// SPDX-License-Identifier: GPL-2.0

//! What a device is, and what it says that it can do.
//!
//! Revision 0x21 says nothing: what it has is known. Revision 0x30 has registers for it, which
//! count if they have a version; else it is known, too.

use crate::{
    errors::ErrorMasks,
    hardware::present,
    mailbox::Bar,
    regs, //
};
use kernel::{
    accel::{
        AddressMode,
        Function,
        Functions, //
    },
    device::Bound,
    io::Io,
    page,
    pci,
    prelude::*, //
};

/// Generation of the hardware, by the PCI revision.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Revision {
    /// 0x21, Kunpeng 920.
    V2,
    /// 0x30, Kunpeng 930.
    V3,
}

impl Revision {
    /// What a function of this PCI revision is. Fails with [`ENODEV`] if that is not known.
    pub(crate) fn of(pdev: &pci::Device<Bound>) -> Result<Self> {
        match u32::from(pdev.revision_id()) {
            0x21 => Ok(Self::V2),
            0x30 => Ok(Self::V3),
            other => Err(refuse(pdev, other)),
        }
    }

    pub(crate) fn name(self) -> &'static CStr {
        match self {
            Self::V2 => c"V2",
            Self::V3 => c"V3",
        }
    }
}

/// Says why a device of revision `number` can't be used.
fn refuse(pdev: &pci::Device<Bound>, number: u32) -> Error {
    let (name, why) = match number {
        0x50 => ("V4", "nobody has said in what it differs from V3"),
        0x51 => ("V5", "it drops doorbells until it is told not to"),
        _ => {
            dev_err!(pdev, "revision {number:#x} is not known\n");
            return ENODEV;
        }
    };
    dev_err!(
        pdev,
        "revision {number:#x} ({name}) is not supported: {why}\n"
    );
    ENODEV
}

/// Interrupts, by MSI vector.
pub(crate) struct Vectors {
    /// How many there are.
    pub(crate) count: u32,
    /// Of the event queue.
    pub(crate) events: u32,
    /// Of the abnormal-event queue, if it has one.
    pub(crate) abnormal_events: Option<u32>,
    /// Of errors, if they have one.
    pub(crate) errors: Option<u32>,
}

/// What a device can do.
pub(crate) struct Capabilities {
    /// How many queues the function may have.
    pub(crate) queues: u32,
    /// Entries of a queue at most.
    pub(crate) depth: u32,
    /// Entries of the event queue at most.
    pub(crate) events: u32,
    /// Entries of the abnormal-event queue at most.
    pub(crate) abnormal_events: u32,
    pub(crate) vectors: Vectors,
    pub(crate) functions: Functions,
    /// Each queue has a doorbell page of its own.
    pub(crate) has_doorbell_pages: bool,
    /// Queues can be told to stop.
    pub(crate) stops_queues: bool,
    /// All queues can be told to stop at once.
    pub(crate) flushes_queues: bool,
    /// Translations can be fetched before they are needed.
    pub(crate) prefetches: bool,
    /// Each type of jobs has a rate, without which it may not run.
    pub(crate) rates_jobs: bool,
    /// The cores, by the bits that switch them on.
    pub(crate) cores: u8,
    pub(crate) errors: ErrorMasks,
}

/// Reads capabilities.
struct Reader<'a> {
    bar: &'a Bar<'a>,
    revision: Revision,
    /// Whether the registers from 0x3100 on count.
    counts: bool,
}

impl<'a> Reader<'a> {
    fn new(revision: Revision, bar: &'a Bar<'a>) -> Result<Self> {
        let counts = match revision {
            Revision::V2 => false,
            Revision::V3 => present(bar.read(regs::CAPABILITIES))?.version().get() != 0,
        };
        Ok(Self {
            bar,
            revision,
            counts,
        })
    }

    /// What the register at `offset` says, or `known` if it does not count.
    fn read(&self, offset: usize, known: u32) -> Result<u32> {
        match self.counts {
            true => present(self.bar.try_read32(offset)?),
            false => Ok(known),
        }
    }

    /// The two numbers that the register at `offset` has: low half, high half.
    fn halves(&self, offset: usize, known: u32) -> Result<(u32, u32)> {
        let both = self.read(offset, known)?;
        Ok((both & 0xffff, both >> 16))
    }

    /// The vector that the register at `offset` says, if it says that there is one.
    fn vector(&self, offset: usize, known: u32) -> Result<Option<u32>> {
        let (vector, used) = self.halves(offset, known)?;
        Ok((used != 0).then_some(vector))
    }

    fn vectors(&self) -> Result<Vectors> {
        let (_, count) = self.halves(regs::VECTORS, 0x4_0003)?;
        let events = self.vector(regs::EVENT_VECTOR, 0x1_0000)?;
        Ok(Vectors {
            count,
            events: events.ok_or(ENODEV)?,
            abnormal_events: self.vector(regs::ABNORMAL_EVENT_VECTOR, 0x1_0001)?,
            errors: self.vector(regs::ERROR_VECTOR, 0x1_0003)?,
        })
    }

    /// This register counts always, where there is one.
    fn has_doorbell_pages(&self) -> Result<bool> {
        match self.revision {
            Revision::V2 => Ok(false),
            Revision::V3 => Ok(present(self.bar.read(regs::DOORBELL_PAGES))?.isolated()),
        }
    }

    /// How many queues the function may have. All functions together may have more.
    fn queues(&self, has_doorbell_pages: bool) -> Result<u32> {
        match has_doorbell_pages {
            true => Ok(present(self.bar.read(regs::QUEUE_COUNT))?
                .per_function()
                .get()),
            false => Ok(1024),
        }
    }

    /// What the queue manager can do. Revision 0x30 can do all unless it says that it can't, 0x21
    /// nothing.
    fn abilities(&self) -> Result<regs::CAPABILITIES> {
        let all = regs::CAPABILITIES::zeroed()
            .with_stop_queue(true)
            .with_flush(true)
            .with_rates(true)
            .with_prefetch(true);
        match (self.revision, self.counts) {
            (Revision::V2, _) => Ok(regs::CAPABILITIES::zeroed()),
            (Revision::V3, false) => Ok(all),
            (Revision::V3, true) => present(self.bar.read(regs::CAPABILITIES)),
        }
    }

    fn errors(&self) -> Result<ErrorMasks> {
        let mut masks = ErrorMasks::known(self.revision);
        for (index, mask) in masks.iter_mut().enumerate() {
            *mask = self.read(regs::ERRORS + index * size_of::<u32>(), *mask)?;
        }
        Ok(ErrorMasks::new(self.revision, masks))
    }

    fn cores(&self) -> Result<u8> {
        let known = match self.revision {
            Revision::V2 => 0xfc_0003,
            Revision::V3 => 0x1c_0003,
        };
        let (compress, decompress) = self.halves(regs::CORES, known)?;
        // CAST: The register that switches them on has eight bits for them.
        Ok((compress | decompress) as u8)
    }

    fn functions(&self) -> Result<Functions> {
        let known = match self.revision {
            Revision::V2 => 0xf,
            Revision::V3 => 0x3f,
        };
        let algorithms = self.read(regs::ALGORITHMS, known)?;
        // Each has a bit for compression and one for decompression.
        let pairs = [
            (0b11, Function::Zlib),
            (0b11 << 2, Function::Gzip),
            (0b11 << 4, Function::Deflate),
        ];
        let mut functions = Functions::of(&[]);
        for (both, function) in pairs {
            if algorithms & both == both {
                functions = functions.with(function);
            }
        }
        Ok(functions)
    }
}

impl Capabilities {
    /// Bytes from one doorbell to the next, where they are apart.
    const INTERVAL: u64 = 0x1_0000;
    /// Bytes of the only doorbell page, where it is the only one.
    const SHARED: u64 = 0x1000;

    /// Those of `pdev`. Fails with [`ENODEV`] if it is of a revision that is not supported after
    /// all, if it is gone, or if what it says can't be.
    pub(crate) fn new(
        pdev: &pci::Device<Bound>,
        revision: Revision,
        bar: &Bar<'_>,
    ) -> Result<Self> {
        let unreadable = |_: &Error| dev_err!(pdev, "it can't be asked what it can do\n");
        let version = match revision {
            Revision::V2 => 0,
            Revision::V3 => present(bar.try_read32(regs::SUB_VERSION)?).inspect_err(unreadable)?,
        };
        if version != 0 {
            // Later ones may call themselves 0x30 in the configuration space.
            return Err(refuse(pdev, version));
        }
        let capabilities = Self::read(revision, bar).inspect_err(unreadable)?;
        if !capabilities.are_possible() {
            dev_err!(pdev, "what it says that it can do can't be\n");
            return Err(ENODEV);
        }
        Ok(capabilities)
    }

    fn read(revision: Revision, bar: &Bar<'_>) -> Result<Self> {
        let reader = Reader::new(revision, bar)?;
        let (sq, cq) = reader.halves(regs::QUEUE_DEPTHS, 0x400_0400)?;
        let (events, abnormal_events) = reader.halves(regs::EVENT_DEPTHS, 0x400_0800)?;
        let has_doorbell_pages = reader.has_doorbell_pages()?;
        let abilities = reader.abilities()?;
        Ok(Self {
            queues: reader.queues(has_doorbell_pages)?,
            depth: sq.min(cq).min(regs::DEPTH_MAX),
            events,
            abnormal_events,
            vectors: reader.vectors()?,
            functions: reader.functions()?,
            has_doorbell_pages,
            stops_queues: abilities.stop_queue(),
            flushes_queues: abilities.flush(),
            prefetches: abilities.prefetch(),
            rates_jobs: abilities.rates(),
            cores: reader.cores()?,
            errors: reader.errors()?,
        })
    }

    /// Whether the driver can work with it.
    fn are_possible(&self) -> bool {
        let Vectors {
            count,
            events,
            abnormal_events,
            errors,
        } = self.vectors;
        let exists = |vector: u32| vector < count;
        let depths = [self.depth, self.events, self.abnormal_events];
        self.queues != 0
            && depths.iter().all(|depth| *depth >= regs::DEPTH_MIN)
            && (1..=regs::VECTORS_MAX).contains(&count)
            && exists(events)
            && abnormal_events.is_none_or(exists)
            && errors.is_none_or(exists)
    }

    /// Where a queue's doorbell is: BAR, offset, size.
    pub(crate) fn doorbell(&self, queue: u16) -> (u32, u64, u64) {
        match self.has_doorbell_pages {
            false => (2, 0x1000, Self::SHARED),
            true => (4, u64::from(queue) * Self::INTERVAL, Self::INTERVAL),
        }
    }

    /// How many queues can be used: a number that the device can't mean would lead beyond its
    /// doorbells. Fails with [`ENODEV`] if there are none.
    pub(crate) fn usable_queues(&self, pdev: &pci::Device<Bound>) -> Result<u32> {
        let doorbells = match self.has_doorbell_pages {
            false => self.queues,
            true => u32::try_from(pdev.resource_len(4)? / Self::INTERVAL)?,
        };
        if self.queues > doorbells {
            dev_warn!(
                pdev,
                "it says that it has {} queues, but has doorbells for {doorbells}\n",
                self.queues
            );
        }
        match self.queues.min(doorbells) {
            0 => Err(ENODEV),
            queues => Ok(queues),
        }
    }

    /// The address modes. Where a page is larger than the only doorbell page it would have the
    /// mailbox in it, too, so that no process may map it.
    pub(crate) fn modes(&self) -> &'static [AddressMode] {
        if !self.has_doorbell_pages && page::PAGE_SIZE as u64 > Self::SHARED {
            return &[AddressMode::Kernel];
        }
        &[
            AddressMode::Shared,
            AddressMode::Private,
            AddressMode::Kernel,
        ]
    }
}
