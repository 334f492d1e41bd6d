// SPDX-License-Identifier: GPL-2.0

//! Queues, and the ioctls on them.

use crate::{
    memory::Memory,
    pages::Pages,
    ring::Rings,
    roster::{
        Roster,
        Work, //
    },
    source::{
        Checked,
        Source, //
    },
    worker::Worker,
    Sim,
    SimDriver, //
};
use kernel::{
    accel::{
        AddressMode,
        ContextRequest,
        NewQueue,
        Progress,
        QueueRequest,
        Ticket, //
    },
    mm::fault_in::Listener,
    new_owned_delayed_work,
    prelude::*,
    sync::Arc,
    time::Delta,
    uapi,
    workqueue::{
        self,
        cancel::QueueRef, //
    }, //
};
use zerocopy_derive::Immutable;

/// Entries that a queue has if the application does not say.
const DEPTH_DEFAULT: u32 = 256;
/// Entries that a queue has at most.
pub(crate) const DEPTH_MAX: u32 = 4096;

/// Jobs that a queue does in one turn, by its priority. Queues take turns.
const TURNS: [u32; 3] = [4, 16, 64];
/// Priorities that a queue can have.
pub(crate) const PRIORITIES: u32 = TURNS.len() as u32;

/// How long a device that hangs is waited for by who makes a queue.
pub(crate) const CREATE_TIMEOUT: Delta = Delta::from_millis(100);

/// A context.
pub(crate) struct Context {
    memory: Memory,
}

impl Context {
    pub(crate) fn new(request: &ContextRequest<'_>) -> Result<Self> {
        let memory = match request.mode {
            AddressMode::Shared => Memory::Process(request.mm.ok_or(EINVAL)?.clone()),
            AddressMode::Private => Memory::Private(request.space.ok_or(EINVAL)?.clone()),
            AddressMode::Kernel => Memory::Nothing,
        };
        Ok(Self { memory })
    }
}

/// A queue.
pub(crate) struct Queue {
    roster: Arc<Roster>,
    /// Kicks `work` when a page has come.
    _pages: Option<Listener>,
    work: Arc<Work>,
}

impl Queue {
    /// Makes a queue and lets it take jobs.
    pub(crate) fn create(
        sim: &Sim,
        request: &QueueRequest<'_, SimDriver>,
    ) -> Result<NewQueue<Self>> {
        let depth = match request.depth {
            0 => DEPTH_DEFAULT,
            depth => depth.next_power_of_two(),
        };
        let turn = TURNS.get(request.priority as usize).ok_or(EINVAL)?;
        let mut regions = KVec::new();
        let (source, workers) = match request.mode {
            AddressMode::Kernel => (Source::core(depth)?, QueueRef::from(sim.workers.clone())),
            AddressMode::Shared | AddressMode::Private => {
                let rings = Rings::new(depth)?;
                regions.push(rings.region(), GFP_KERNEL_ACCOUNT)?;
                let source = Source::Rings(rings, request.context.memory.clone());
                (source, workqueue::system_dfl().into())
            }
        };

        let worker = Worker::new(
            request.id,
            request.device.clone(),
            sim.control.clone(),
            source,
            Pages::of(&request.context.memory, &sim.pages)?,
            *turn,
        );
        let work = Arc::pin_init(
            new_owned_delayed_work!(workers, worker, "accel_sim_queue"),
            GFP_KERNEL_ACCOUNT,
        )?;
        let pages = work.callback().listen(&work)?;
        sim.queues.add(work.clone())?;
        // The first tick: an application that never kicks is served too.
        work.schedule(0);

        Ok(NewQueue {
            queue: Self {
                roster: sim.queues.clone(),
                _pages: pages,
                work,
            },
            depth,
            regions,
        })
    }

    fn worker(&self) -> &Worker {
        self.work.callback()
    }

    /// Stops the queue: when this returns, no memory is touched for it any more. That takes as long
    /// as a piece of a job does: nobody waits for a page here.
    pub(crate) fn stop(&self) {
        self.worker().stop();
        self.work.cancel();
        self.roster.remove(&self.work);
    }

    pub(crate) fn progress(&self) -> Result<Progress> {
        self.worker().progress()
    }

    /// `ACCEL_SIM_KICK`.
    pub(crate) fn kick(_sim: &Sim, queue: &Self, arg: &mut Kick) -> Result {
        if arg.flags != 0 {
            return Err(EINVAL);
        }
        queue.work.reschedule(0);
        Ok(())
    }

    /// Takes a job of the core's; gives the ticket back if there is no room.
    pub(crate) fn submit(
        &self,
        checked: &Checked,
        ticket: Ticket<SimDriver>,
    ) -> Result<(), Ticket<SimDriver>> {
        self.worker().put(checked, ticket)?;
        self.work.reschedule(0);
        Ok(())
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // If the device was halted, nobody has told it to stop.
        self.stop();
    }
}

/// `struct accel_sim_kick`.
#[repr(C)]
#[derive(FromBytes, IntoBytes, Immutable)]
pub(crate) struct Kick {
    pub(crate) size: u32,
    flags: u32,
}

const _: () = assert!(size_of::<Kick>() == size_of::<uapi::accel_sim_kick>());
