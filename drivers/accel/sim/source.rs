// SPDX-License-Identifier: GPL-2.0

//! Where a queue's jobs come from, and where their ends go: rings that the application has mapped,
//! or the core, which hands them over one by one.

use crate::{
    job::{
        Completion,
        Job, //
    },
    memory::Memory,
    ring::{
        Position,
        Ready,
        Rings, //
    },
    SimDriver, //
};
use kernel::{
    accel::{
        Buffers,
        Ticket, //
    },
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        SpinLock, //
    },
    uapi, //
};

/// A job that the core has had checked.
pub(crate) struct Checked {
    pub(crate) job: Job,
    pub(crate) buffers: Arc<Buffers>,
}

/// A job that the core has handed over.
struct Handed {
    job: Job,
    buffers: Arc<Buffers>,
    ticket: Ticket<SimDriver>,
}

/// Jobs that the core has handed over, oldest first.
pub(crate) struct Fifo {
    jobs: KVVec<Option<Handed>>,
    head: usize,
    count: usize,
}

impl Fifo {
    fn put(&mut self, handed: Handed) -> Result<(), Handed> {
        if self.count == self.jobs.len() {
            return Err(handed);
        }
        let tail = (self.head + self.count) % self.jobs.len();
        self.jobs[tail] = Some(handed);
        self.count += 1;
        Ok(())
    }

    fn take(&mut self) -> Option<Handed> {
        if self.count == 0 {
            return None;
        }
        let oldest = self.jobs[self.head].take();
        self.head = (self.head + 1) % self.jobs.len();
        self.count -= 1;
        oldest
    }
}

/// What a job that was taken leaves to be done.
pub(crate) struct Duty {
    /// Where its addresses lead.
    pub(crate) memory: Memory,
    /// To whom its end is told; the ring if to nobody.
    ticket: Option<Ticket<SimDriver>>,
}

/// Where jobs come from.
pub(crate) enum Source {
    /// The rings, and what the addresses in them lead to.
    Rings(Rings, Memory),
    /// The core.
    Core(Pin<KBox<SpinLock<Fifo>>>),
}

impl Source {
    /// Room for `depth` jobs of the core's.
    pub(crate) fn core(depth: u32) -> Result<Self> {
        let mut jobs = KVVec::with_capacity(depth as usize, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..depth {
            jobs.push(None, GFP_KERNEL_ACCOUNT)?;
        }
        let fifo = Fifo {
            jobs,
            head: 0,
            count: 0,
        };
        let fifo = KBox::pin_init(new_spinlock!(fifo), GFP_KERNEL_ACCOUNT)?;
        Ok(Self::Core(fifo))
    }

    /// Takes a job of the core's; gives the ticket back if there is no room.
    pub(crate) fn put(
        &self,
        checked: &Checked,
        ticket: Ticket<SimDriver>,
    ) -> Result<(), Ticket<SimDriver>> {
        let Self::Core(fifo) = self else {
            return Err(ticket);
        };
        let handed = Handed {
            job: checked.job,
            buffers: checked.buffers.clone(),
            ticket,
        };
        fifo.lock().put(handed).map_err(|handed| handed.ticket)
    }

    /// What there is to do.
    pub(crate) fn ready(&self, at: &Position) -> Result<Ready> {
        match self {
            Self::Rings(rings, _) => rings.ready(at),
            Self::Core(fifo) if fifo.lock().count == 0 => Ok(Ready::Nothing),
            Self::Core(_) => Ok(Ready::Job),
        }
    }

    /// Takes the next job, which [`ready`](Self::ready) has announced.
    pub(crate) fn take(&self, at: &mut Position) -> Result<(Job, Duty)> {
        match self {
            Self::Rings(rings, memory) => {
                let duty = Duty {
                    memory: memory.clone(),
                    ticket: None,
                };
                Ok((rings.take(at)?, duty))
            }
            Self::Core(fifo) => {
                let handed = fifo.lock().take().ok_or(EAGAIN)?;
                let duty = Duty {
                    memory: Memory::Buffers(handed.buffers),
                    ticket: Some(handed.ticket),
                };
                Ok((handed.job, duty))
            }
        }
    }

    /// Tells of the end of a job.
    pub(crate) fn complete(&self, at: &mut Position, duty: Duty, completion: Completion) -> Result {
        match (self, duty.ticket) {
            (Self::Rings(rings, _), _) => rings.complete(at, completion)?,
            (Self::Core(_), Some(ticket)) => ticket.end(completion.result(), &completion),
            (Self::Core(_), None) => {}
        }
        Ok(())
    }

    /// Tells the application how things stand.
    pub(crate) fn set_flags(&self, flags: u32) -> Result {
        match self {
            Self::Rings(rings, _) => rings.set_flags(flags),
            Self::Core(_) => Ok(()),
        }
    }
}

const _: () = assert!(
    size_of::<uapi::accel_sim_record>()
        == size_of::<uapi::accel_job_record>() + size_of::<Completion>()
);
