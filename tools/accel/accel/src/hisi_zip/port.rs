// SPDX-License-Identifier: GPL-2.0 OR MIT
//! The ways by which entries reach the engine and completions come back.

use rustix::io::Errno;

use super::job::JobError;
use super::sqe::{Results, Words};
use crate::submit::JobBuffer;

/// A completion.
pub(super) struct Done {
    /// Slot of the job that it is about.
    pub(super) slot: u16,
    /// Tag of that job.
    pub(super) tag: u32,
    /// What the engine tells of it.
    pub(super) results: Results,
    /// What else went wrong.
    pub(super) error: Option<JobError>,
}

/// A way to the engine. Jobs have slots, of which there are as many as the queue has entries; each
/// entry takes the one behind that of the last.
pub(super) trait Port: Send {
    /// Jobs that can be in flight at once.
    fn capacity(&self) -> u16;

    /// Slot of the next entry.
    fn next_slot(&self) -> u16;

    /// Hands an entry to the engine, with the buffers that its addresses name. There are
    /// `in_flight` others, fewer than the capacity, and the slot is free.
    fn submit(
        &mut self,
        words: &Words,
        buffers: &[JobBuffer<'_>],
        in_flight: u16,
    ) -> Result<(), Errno>;

    /// Whether there is an unread completion, as one more job is in flight. No system call.
    fn has_completion(&self) -> bool;

    /// The oldest unread completion, which there is; nothing if it is about no slot.
    fn completion(&self) -> Option<Done>;

    /// That completion is read.
    fn advance(&mut self);

    /// Asks for an event at the next completion, or at once if there is one unread.
    fn arm(&mut self);

    /// Whether what is read may come from memory that was revoked.
    fn is_revoked(&self) -> bool;
}
