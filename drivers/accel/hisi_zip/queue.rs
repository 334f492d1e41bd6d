// SPDX-License-Identifier: GPL-2.0

//! Queues of the engine.

use crate::{
    mailbox::{
        Bar,
        Command,
        Context,
        Mailbox, //
    },
    Revision, //
};
use kernel::{
    accel::Region,
    device::{
        Bound,
        Device, //
    },
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
        Arc, //
    },
    time::Delta,
    uapi, //
};

/// Entries that a queue has if the application does not say.
const DEPTH_DEFAULT: u32 = 1024;
/// Entries that a queue has at most: the context has 12 bits for them.
pub(crate) const DEPTH_MAX: u32 = 4096;
/// A ring of one entry is always full.
const DEPTH_MIN: u32 = 2;

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

/// A queue.
pub(crate) struct Queue {
    pub(crate) id: u16,
    direction: u32,
    pub(crate) depth: u32,
    /// The submission ring, and the completion ring behind it.
    ring: Arc<CoherentPages>,
    cq_offset: usize,
    /// The device's counter of completed entries when it was read last.
    counter: Atomic<u32>,
    completed: Atomic<u64>,
}

impl Queue {
    /// Checks what the application asks for, and allocates the rings.
    pub(crate) fn new(dev: &Device<Bound>, id: u32, depth: u32, args: &Args) -> Result<Self> {
        let depth = match depth {
            0 => DEPTH_DEFAULT,
            depth => depth.max(DEPTH_MIN),
        };
        match args.direction {
            uapi::hisi_zip_direction_HISI_ZIP_COMPRESS
            | uapi::hisi_zip_direction_HISI_ZIP_DECOMPRESS => {}
            _ => return Err(EINVAL),
        }

        let cq_offset =
            (depth as usize * SQE_SIZE).next_multiple_of(uapi::HISI_ZIP_PAGE_SIZE as usize);
        let size = cq_offset + depth as usize * CQE_SIZE;
        Ok(Self {
            id: u16::try_from(id)?,
            direction: args.direction,
            depth,
            ring: Arc::new(CoherentPages::new(dev, size)?, GFP_KERNEL)?,
            cq_offset,
            counter: Atomic::new(0),
            completed: Atomic::new(0),
        })
    }

    /// Takes `counter` as that of a queue that has done nothing yet.
    pub(crate) fn count_from(&self, counter: u32) {
        self.counter.store(counter, Relaxed);
    }

    /// Jobs that have ended. Called at least once within 2^32 of them.
    pub(crate) fn count(&self, counter: u32) -> u64 {
        let new = counter.wrapping_sub(self.counter.xchg(counter, Relaxed));
        self.completed.fetch_add(u64::from(new), Relaxed) + u64::from(new)
    }

    /// Whether entries were submitted that are not completed.
    pub(crate) fn is_pending(&self, bar: &Bar<'_>, mailbox: &Mailbox) -> Result<bool> {
        let (submitted, completed) = self.tails(bar, mailbox)?;
        Ok(submitted != completed)
    }

    /// The tails of the submission queue and of the completion queue, as the device has them.
    fn tails(&self, bar: &Bar<'_>, mailbox: &Mailbox) -> Result<(Tail, Tail)> {
        let sqc = mailbox.read(bar, Command::Sqc, self.id)?;
        let cqc = mailbox.read(bar, Command::Cqc, self.id)?;
        Ok((tail(&sqc), tail(&cqc)))
    }

    /// What the application can map.
    pub(crate) fn regions(
        &self,
        pdev: &pci::Device<Bound>,
        revision: Revision,
    ) -> Result<KVec<Region>> {
        let (bar, offset, size) = revision.doorbell(self.id);
        let mut regions = KVec::with_capacity(2, GFP_KERNEL)?;
        regions.push(
            Region::doorbell(Registers::from_bar(pdev, bar, offset, size)?),
            GFP_KERNEL,
        )?;
        regions.push(Region::ring(self.ring.clone()), GFP_KERNEL)?;
        Ok(regions)
    }

    /// Tells the queue manager about the queue, which works from then on.
    pub(crate) fn start(
        &self,
        bar: &Bar<'_>,
        mailbox: &Mailbox,
        revision: Revision,
        pasid: u32,
    ) -> Result {
        // Contexts have 16 bits for the PASID.
        let pasid = u32::from(u16::try_from(pasid)?);
        mailbox.write(bar, Command::Cqc, self.id, &self.cqc(revision, pasid))?;
        let started = mailbox.write(bar, Command::Sqc, self.id, &self.sqc(revision, pasid));
        if started.is_err() && self.stop(bar, mailbox, revision).is_err() {
            // The device may have it, so what it may write is not given to others.
            core::mem::forget(self.ring.clone());
        }
        started
    }

    /// The context of the submission queue. Its data is accessed under `pasid`.
    fn sqc(&self, revision: Revision, pasid: u32) -> Context {
        let base = self.ring.dma_address();
        let mut context = Context::default();
        context[1] = base as u32;
        context[2] = (base >> 32) as u32;
        context[3] = (self.depth - 1) | SQE_SIZE.ilog2() << 12;
        context[5] = pasid | u32::from(revision == Revision::V3) << (16 + 7);
        // Completions go to the queue of the same number; the order of jobs is kept.
        context[6] = u32::from(self.id) | 1 << (16 + 4) | self.direction << (16 + 8);
        context
    }

    /// The context of the completion queue. It is not armed: the application does that when it
    /// wants to sleep.
    fn cqc(&self, revision: Revision, pasid: u32) -> Context {
        let base = self.ring.dma_address() + self.cq_offset as u64;
        let mut context = Context::default();
        context[1] = base as u32;
        context[2] = (base >> 32) as u32;
        context[3] = (self.depth - 1) | CQE_SIZE.ilog2() << 12;
        context[5] = pasid | u32::from(revision == Revision::V3) << 16;
        // The first pass has phase 1.
        context[6] = 1;
        context
    }

    /// Stops the queue: when this returns, the device does not touch its rings or data any more.
    pub(crate) fn stop(&self, bar: &Bar<'_>, mailbox: &Mailbox, revision: Revision) -> Result {
        match revision {
            Revision::V3 => mailbox.send(bar, Command::StopQueue, self.id, 0),
            Revision::V2 => self.drain(bar, mailbox),
        }
    }

    /// Waits until every entry that was submitted is completed: revision 0x21 can't stop a queue.
    fn drain(&self, bar: &Bar<'_>, mailbox: &Mailbox) -> Result {
        read_poll_timeout(
            || self.tails(bar, mailbox),
            |(submitted, completed)| submitted == completed,
            Delta::from_micros(100),
            Delta::from_secs(5),
        )?;
        Ok(())
    }
}

/// The tail of a ring, and whether it has wrapped an odd number of times.
type Tail = (u32, bool);

/// The tail that the queue manager has written back.
fn tail(context: &Context) -> Tail {
    (context[0] >> 16, context[5] & 1 << (16 + 6) != 0)
}
