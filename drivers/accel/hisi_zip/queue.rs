// SPDX-License-Identifier: GPL-2.0

//! Queues of the engine.

use crate::{
    capabilities::{
        Capabilities,
        Revision, //
    },
    jobs::{
        Bell,
        Registered, //
    },
    mailbox::{
        Bar,
        Command,
        Context,
        Mailbox, //
    },
    pasid::PasidUse,
    regs,
    sqe::Sqe,
    Zip,
    ZipDriver, //
};
use core::mem::offset_of;
use kernel::{
    accel::{
        AddressMode,
        Operation,
        Progress,
        QueueRequest,
        Region, //
    },
    device::Bound,
    dma::pages::CoherentPages,
    io::poll::read_poll_timeout,
    mm::fault::Registers,
    pci,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        barrier::{
            dma_mb,
            Read, //
        },
        Arc, //
    },
    time::Delta,
    uapi, //
};
use zerocopy::little_endian::{
    U16,
    U32, //
};

/// Entries that a queue has if the application does not say.
const DEPTH_DEFAULT: u32 = 1024;

const SQE_SIZE: usize = uapi::HISI_ZIP_SQE_SIZE as usize;
const CQE_SIZE: usize = uapi::HISI_ZIP_CQE_SIZE as usize;

const _: () = assert!(size_of::<uapi::hisi_zip_sqe>() == SQE_SIZE);
const _: () = assert!(size_of::<uapi::hisi_zip_cqe>() == CQE_SIZE);

/// The driver's struct behind `accel_queue_create.driver_data`: `struct hisi_zip_queue`.
#[repr(C)]
#[derive(FromBytes, IntoBytes)]
pub(crate) struct Args {
    size: u32,
    direction: u32,
}

const _: () = assert!(size_of::<Args>() == size_of::<uapi::hisi_zip_queue>());

impl Args {
    /// For a queue that does this.
    pub(crate) fn of(operation: Operation) -> Self {
        Self {
            size: size_of::<Self>() as u32,
            direction: match operation {
                Operation::Compress(_) => uapi::hisi_zip_direction_HISI_ZIP_COMPRESS,
                Operation::Decompress(_) => uapi::hisi_zip_direction_HISI_ZIP_DECOMPRESS,
            },
        }
    }
}

/// `struct hisi_zip_cqe`.
#[repr(C)]
#[derive(Copy, Clone, FromBytes)]
struct Cqe {
    rsvd0: [U32; 2],
    sq_head: U16,
    sq_num: U16,
    rsvd2: U16,
    w7: U16,
}

const _: () = assert!(size_of::<Cqe>() == CQE_SIZE);

/// The submission ring of a queue, and its completion ring behind it.
pub(crate) struct Rings {
    memory: Arc<CoherentPages>,
    cq_offset: usize,
    /// Entries of each.
    pub(crate) depth: u32,
}

impl Rings {
    fn new(zip: &Zip<'_>, depth: u32) -> Result<Self> {
        let cq_offset =
            (depth as usize * SQE_SIZE).next_multiple_of(uapi::HISI_ZIP_PAGE_SIZE as usize);
        let size = cq_offset + depth as usize * CQE_SIZE;
        Ok(Self {
            memory: Arc::new(
                zip.rings.pages(zip.pdev.as_ref(), size)?,
                GFP_KERNEL_ACCOUNT,
            )?,
            cq_offset,
            depth,
        })
    }

    /// The index that comes after `index`.
    pub(crate) fn after(&self, index: u32) -> u32 {
        (index + 1) % self.depth
    }

    /// The submission entry at `index`.
    pub(crate) fn entry(&self, index: u16) -> Result<Sqe> {
        self.memory.read(usize::from(index) * SQE_SIZE)
    }

    /// Writes the submission entry at `index`; the device does not look before its doorbell is
    /// rung.
    pub(crate) fn write_entry(&self, index: u32, entry: &Sqe) -> Result {
        self.memory.write(index as usize * SQE_SIZE, *entry)
    }

    /// The submission entry that the completion at `index` says is done, once it is there: it has
    /// the phase `phase` then.
    pub(crate) fn completion(&self, index: u32, phase: bool) -> Option<u16> {
        let at = self.cq_offset + index as usize * CQE_SIZE;
        let w7: u16 = self.memory.read(at + offset_of!(Cqe, w7)).ok()?;
        if (u16::from_le(w7) & 1 != 0) != phase {
            return None;
        }
        // The device writes the phase last: the rest, and the submission entry, are there.
        dma_mb(Read);
        let sq_head: u16 = self.memory.read(at + offset_of!(Cqe, sq_head)).ok()?;
        Some(u16::from_le(sq_head))
    }
}

/// What stands in the device's table for a submission queue that there is not: no doorbell begins
/// it. The device discards doorbells of a context with that bit, and those that do not have the tag
/// in it; ours have none.
pub(crate) const CLOSED: Context = [0, 0, 0, 0, 0xaaaa, 0, 1 << (16 + 6), 0];

/// A queue.
pub(crate) struct Queue {
    pub(crate) id: u16,
    direction: u32,
    /// Address space of the data, if not the function's own.
    pasid: Option<u16>,
    pub(crate) rings: Arc<Rings>,
    /// The jobs, if the driver hands them over.
    pub(crate) jobs: Option<Registered>,
    /// Where the tail of the completion queue was when it was looked at last, of two rounds.
    seen: Atomic<u32>,
    /// Jobs that have been seen to end.
    ended: Atomic<u64>,
    _switch: Option<PasidUse>,
}

impl Queue {
    /// Checks what the application asks for, and allocates the rings.
    pub(crate) fn new(zip: &Zip<'_>, request: &QueueRequest<'_, ZipDriver>) -> Result<Self> {
        let depth = match request.depth {
            0 => DEPTH_DEFAULT.min(zip.capabilities.depth),
            depth => depth.max(regs::DEPTH_MIN),
        };
        let direction = request.args.direction;
        match direction {
            uapi::hisi_zip_direction_HISI_ZIP_COMPRESS
            | uapi::hisi_zip_direction_HISI_ZIP_DECOMPRESS => {}
            _ => return Err(EINVAL),
        }

        let id = u16::try_from(request.id)?;
        let rings = Arc::new(Rings::new(zip, depth)?, GFP_KERNEL_ACCOUNT)?;
        let (pasid, jobs) = match request.mode {
            AddressMode::Kernel => (None, Some(Registered::new(&zip.registry, id, &rings)?)),
            // Contexts have 16 bits for it.
            AddressMode::Shared | AddressMode::Private => {
                (Some(u16::try_from(request.pasid)?), None)
            }
        };
        let switch = match &zip.pasid_switch {
            Some(switch) => Some(switch.hold(&zip.bar, pasid.is_some())?),
            None => None,
        };
        Ok(Self {
            id,
            direction,
            pasid,
            rings,
            jobs,
            _switch: switch,
            seen: Atomic::new(0),
            ended: Atomic::new(0),
        })
    }

    /// What the queue has done, at least, and whether it has more to do. Fails with [`EIO`] if what
    /// the device says of it can't be.
    ///
    /// The counters that the device has for debugging may count only while their queue is selected,
    /// so they are not asked.
    pub(crate) fn progress(&self, bar: &Bar<'_>, mailbox: &Mailbox) -> Result<Progress> {
        let (submitted, completed) = self.tails(bar, mailbox)?;
        Ok(Progress {
            jobs: self.count(completed)?,
            pending: submitted != completed,
            ..Progress::default()
        })
    }

    /// Jobs that were seen to end, now that the tail of the completion queue is `completed`. It
    /// tells them modulo twice the depth: of more than that between two looks, some are missed.
    fn count(&self, (index, wrapped): Tail) -> Result<u64> {
        let depth = self.rings.depth;
        if index >= depth {
            return Err(EIO);
        }
        let now = index + u32::from(wrapped) * depth;
        let before = self.seen.xchg(now, Relaxed);
        let new = u64::from((now + 2 * depth - before) % (2 * depth));
        Ok(self.ended.fetch_add(new, Relaxed) + new)
    }

    /// The tails of the submission queue and of the completion queue, as the device has them.
    fn tails(&self, bar: &Bar<'_>, mailbox: &Mailbox) -> Result<(Tail, Tail)> {
        let sqc = mailbox.read(bar, Command::Sqc, self.id)?;
        let cqc = mailbox.read(bar, Command::Cqc, self.id)?;
        Ok((tail(&sqc), tail(&cqc)))
    }

    /// What the application can map: nothing if the rings are the driver's.
    pub(crate) fn regions(
        &self,
        pdev: &pci::Device<Bound>,
        capabilities: &Capabilities,
    ) -> Result<KVec<Region>> {
        if self.jobs.is_some() {
            return Ok(KVec::new());
        }
        let (bar, offset, size) = capabilities.doorbell(self.id);
        let mut regions = KVec::with_capacity(2, GFP_KERNEL_ACCOUNT)?;
        regions.push(
            Region::doorbell(Registers::from_bar(pdev, bar, offset, size)?),
            GFP_KERNEL_ACCOUNT,
        )?;
        regions.push(Region::ring(self.rings.memory.clone()), GFP_KERNEL_ACCOUNT)?;
        Ok(regions)
    }

    /// Tells the queue manager about the queue, which works from then on.
    pub(crate) fn start(&self, zip: &Zip<'_>) -> Result {
        let (bar, mailbox, revision) = (&zip.bar, &zip.mailbox, zip.revision);
        mailbox.write(bar, Command::Cqc, self.id, &self.cqc(revision))?;
        let started = mailbox.write(bar, Command::Sqc, self.id, &self.sqc(revision));
        if started.is_err() && self.stop(zip).is_err() {
            zip.keep_until_reset(self.rings.clone());
        }
        started
    }

    /// The PASID as it stands in both contexts, where revision 0x30 has a bit that says whether it
    /// is used.
    fn pasid_word(&self, revision: Revision, used: u32) -> u32 {
        match self.pasid {
            Some(pasid) if revision == Revision::V3 => u32::from(pasid) | used,
            Some(pasid) => pasid.into(),
            None => 0,
        }
    }

    /// The context of the submission queue.
    fn sqc(&self, revision: Revision) -> Context {
        let base = self.rings.memory.dma_address();
        let mut context = Context::default();
        context[1] = base as u32;
        context[2] = (base >> 32) as u32;
        context[3] = (self.rings.depth - 1) | SQE_SIZE.ilog2() << 12;
        context[5] = self.pasid_word(revision, 1 << (16 + 7));
        // Completions go to the queue of the same number; the order of jobs is kept.
        context[6] = u32::from(self.id) | 1 << (16 + 4) | self.direction << (16 + 8);
        context
    }

    /// The context of the completion queue. It is armed if the rings are the driver's; an
    /// application does that when it wants to sleep.
    fn cqc(&self, revision: Revision) -> Context {
        let base = self.rings.memory.dma_address() + self.rings.cq_offset as u64;
        let mut context = Context::default();
        context[1] = base as u32;
        context[2] = (base >> 32) as u32;
        context[3] = (self.rings.depth - 1) | CQE_SIZE.ilog2() << 12;
        context[5] = self.pasid_word(revision, 1 << 16);
        // The first pass has phase 1.
        context[6] = 1 | u32::from(self.jobs.is_some()) << 1;
        context
    }

    /// Stops the queue: when this succeeds, the device does not touch its rings or data any more.
    ///
    /// Fails with [`EBUSY`] if it has entries that are not completed. All queues share the mailbox,
    /// so it is not asked to wait for jobs: what one of them waits for may never come.
    pub(crate) fn stop(&self, zip: &Zip<'_>) -> Result {
        let completed = self.drain(zip)?;
        match zip.capabilities.stops_queues {
            true => self.abort(&zip.bar, &zip.mailbox),
            false => self.shut(zip, completed),
        }
    }

    /// The same for a queue that can't be told to stop, and has completed its entries up to
    /// `completed`. It does nothing; but where all doorbells are one page, any process can give it
    /// some to do.
    fn shut(&self, zip: &Zip<'_>, completed: Tail) -> Result {
        zip.mailbox
            .write(&zip.bar, Command::Sqc, self.id, &CLOSED)?;
        let cqc = zip.mailbox.read(&zip.bar, Command::Cqc, self.id)?;
        if tail(&cqc) != completed {
            // Somebody has, just before.
            zip.keep_until_reset(self.rings.clone());
        }
        Ok(())
    }

    /// The same for a queue that has entries, if the device can be told.
    pub(crate) fn abort(&self, bar: &Bar<'_>, mailbox: &Mailbox) -> Result {
        mailbox.send(bar, Command::StopQueue, self.id, 0)
    }

    /// Gives up the jobs of a queue that is stopped.
    pub(crate) fn close(&self) {
        if let Some(jobs) = &self.jobs {
            jobs.close();
        }
    }

    /// Waits a moment until every entry that was submitted is completed; returns the tail of
    /// completions.
    fn drain(&self, zip: &Zip<'_>) -> Result<Tail> {
        let (_, completed) = read_poll_timeout(
            || {
                let (submitted, completed) = self.tails(&zip.bar, &zip.mailbox)?;
                // Nobody reads completions any more, and the rest needs room.
                if submitted != completed && self.jobs.is_none() {
                    zip.ring(self.id, Bell::Taken(completed.0));
                }
                Ok((submitted, completed))
            },
            |(submitted, completed)| submitted == completed,
            Delta::from_micros(50),
            Delta::from_millis(2),
        )
        .map_err(|e| if e == ETIMEDOUT { EBUSY } else { e })?;
        Ok(completed)
    }
}

/// The tail of a ring, and whether it has wrapped an odd number of times.
type Tail = (u32, bool);

/// Whether a completion queue has no room, by its context: an entry stays free, to tell that from
/// an empty one.
pub(crate) fn is_full(cqc: &Context) -> bool {
    let (head, tail) = (cqc[0] & 0xffff, cqc[0] >> 16);
    let depth = (cqc[3] & 0xfff) + 1;
    (tail + 1) % depth == head
}

/// The tail that the queue manager has written back.
fn tail(context: &Context) -> Tail {
    (context[0] >> 16, context[5] & 1 << (16 + 6) != 0)
}
