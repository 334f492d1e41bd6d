// SPDX-License-Identifier: GPL-2.0 OR MIT
//! The kernel as the way to the engine: a system call hands a job over, and its record comes back.

use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::job::JobError;
use super::port::{Done, Port};
use super::sqe::{Results, Words};
use crate::submit::{JobBuffer, Records, Submission, SubmitPort};
use crate::uapi::{self, HisiZipRecord};

/// How long a place is waited for that the kernel says is taken.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long not to ask again.
const PAUSE: Duration = Duration::from_micros(50);

/// Entries handed over, and their records. They end in their order.
pub(super) struct Handover {
    depth: u16,
    records: Records<HisiZipRecord>,
    submit: Box<dyn SubmitPort>,
    /// Number of the next job to be handed over.
    next: u64,
    /// Number of the next job whose record is to be read.
    oldest: u64,
}

impl Handover {
    /// Nothing if `records` are not those of a queue with `depth` entries.
    pub(super) fn new(
        depth: u16,
        records: Records<HisiZipRecord>,
        submit: Box<dyn SubmitPort>,
    ) -> Option<Self> {
        (records.depth() == u64::from(depth)).then_some(Self {
            depth,
            records,
            submit,
            next: 0,
            oldest: 0,
        })
    }

    fn slot(&self, number: u64) -> u16 {
        // Less than the depth.
        (number % u64::from(self.depth)) as u16
    }
}

impl Port for Handover {
    fn capacity(&self) -> u16 {
        self.depth
    }

    fn next_slot(&self) -> u16 {
        self.slot(self.next)
    }

    fn submit(
        &mut self,
        words: &Words,
        buffers: &[JobBuffer<'_>],
        _in_flight: u16,
    ) -> Result<(), Errno> {
        let words = words.map(u32::to_le);
        let submission = Submission {
            jobs: uapi::bytes_of(&words),
            job_size: size_of::<Words>(),
            buffers,
            in_fences: &[],
            out_fence: false,
        };
        let since = Instant::now();
        loop {
            match self.submit.submit(&submission) {
                // A job whose end was told can have its place a little longer: until the kernel
                // has let go of its buffers.
                Err(Errno::AGAIN) if since.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
                other => {
                    other?;
                    self.next += 1;
                    return Ok(());
                }
            }
        }
    }

    fn has_completion(&self) -> bool {
        self.records.has(self.oldest)
    }

    fn completion(&self) -> Option<Done> {
        let ended = self.records.get(self.oldest)?;
        let results = Results::from(&ended.record.sqe);
        // What the engine tells says more than that it went wrong.
        let unexplained = ended.error.filter(|_| results.error().is_none());
        Some(Done {
            slot: self.slot(self.oldest),
            // Tags count as numbers do.
            tag: self.oldest as u32,
            results,
            error: unexplained.map(JobError::Kernel),
        })
    }

    fn advance(&mut self) {
        self.oldest += 1;
    }

    /// The end of each job is an event.
    fn arm(&mut self) {}

    fn is_revoked(&self) -> bool {
        self.records.is_revoked()
    }
}
