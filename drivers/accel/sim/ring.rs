// SPDX-License-Identifier: GPL-2.0

//! The memory in which an application and the device exchange jobs and completions.
//!
//! The application can write all of it at any time. So what the device knows is in [`Position`],
//! and each word of the application is read once and checked.

use crate::job::{
    Completion,
    Job, //
};
use core::mem::offset_of;
use kernel::{
    accel::Region,
    page::SharedPages,
    prelude::*,
    sync::{
        barrier::{
            smp_mb,
            Full,
            Read,
            Write, //
        },
        Arc, //
    },
    uapi, //
};

const SQ_TAIL: usize = offset_of!(uapi::accel_sim_control, sq_tail);
const CQ_HEAD: usize = offset_of!(uapi::accel_sim_control, cq_head);
const SQ_HEAD: usize = offset_of!(uapi::accel_sim_control, sq_head);
const CQ_TAIL: usize = offset_of!(uapi::accel_sim_control, cq_tail);
const FLAGS: usize = offset_of!(uapi::accel_sim_control, flags);

const SQ_OFFSET: usize = uapi::ACCEL_SIM_SQ_OFFSET as usize;

/// Where the device is.
#[derive(Default)]
pub(crate) struct Position {
    sq_head: u32,
    cq_tail: u32,
}

/// What the indices say.
#[derive(Copy, Clone, Eq, PartialEq)]
pub(crate) enum Ready {
    /// There is a job, and room for its completion.
    Job,
    /// There is no job, or no room.
    Nothing,
    /// They can't be right.
    BadIndex,
}

/// The rings of a queue.
pub(crate) struct Rings {
    memory: Arc<SharedPages>,
    depth: u32,
}

impl Rings {
    /// Rings of `depth` entries, which is a power of two.
    pub(crate) fn new(depth: u32) -> Result<Self> {
        let entries = depth as usize;
        let size = SQ_OFFSET + entries * (size_of::<Job>() + size_of::<Completion>());
        Ok(Self {
            memory: Arc::new(SharedPages::new(size)?, GFP_KERNEL_ACCOUNT)?,
            depth,
        })
    }

    pub(crate) fn region(&self) -> Region {
        Region::memory(self.memory.clone())
    }

    fn place(&self, index: u32) -> usize {
        // The depth is a power of two.
        (index & (self.depth - 1)) as usize
    }

    fn job_offset(&self, index: u32) -> usize {
        SQ_OFFSET + self.place(index) * size_of::<Job>()
    }

    fn completion_offset(&self, index: u32) -> usize {
        SQ_OFFSET
            + self.depth as usize * size_of::<Job>()
            + self.place(index) * size_of::<Completion>()
    }

    /// Looks at the application's indices.
    pub(crate) fn ready(&self, at: &Position) -> Result<Ready> {
        let jobs = self.memory.read::<u32>(SQ_TAIL)?.wrapping_sub(at.sq_head);
        let unread = at.cq_tail.wrapping_sub(self.memory.read(CQ_HEAD)?);
        if jobs > self.depth || unread > self.depth {
            return Ok(Ready::BadIndex);
        }
        if jobs == 0 || unread == self.depth {
            return Ok(Ready::Nothing);
        }
        Ok(Ready::Job)
    }

    /// Takes the next job, which [`ready`](Self::ready) has announced.
    pub(crate) fn take(&self, at: &mut Position) -> Result<Job> {
        // Whoever stored the index has written the job before.
        smp_mb(Read);
        let job = self.memory.read(self.job_offset(at.sq_head))?;
        at.sq_head = at.sq_head.wrapping_add(1);
        // The place is given back when it was read, and not before.
        smp_mb(Full);
        self.memory.write(SQ_HEAD, at.sq_head)?;
        Ok(job)
    }

    /// Writes the next completion; [`ready`](Self::ready) has told that there is room.
    pub(crate) fn complete(&self, at: &mut Position, completion: Completion) -> Result {
        self.memory
            .write(self.completion_offset(at.cq_tail), completion)?;
        at.cq_tail = at.cq_tail.wrapping_add(1);
        smp_mb(Write);
        self.memory.write(CQ_TAIL, at.cq_tail)
    }

    /// Tells the application how things stand. What it stores from here on it stores knowing that.
    pub(crate) fn set_flags(&self, flags: u32) -> Result {
        self.memory.write(FLAGS, flags)?;
        smp_mb(Full);
        Ok(())
    }
}
