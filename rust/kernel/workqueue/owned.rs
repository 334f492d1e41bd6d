// SPDX-License-Identifier: GPL-2.0

//! Work queues of one's own.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use super::{
    Queue,
    RawDelayedWorkItem,
    RawWorkItem, //
};
use crate::{
    bindings,
    prelude::*,
    time::Jiffies, //
};
use core::{
    ops::BitOr,
    ptr::NonNull, //
};

/// How the workers of a queue are. See `enum wq_flags`.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Flags(u32);

impl Flags {
    /// They run on any processor (`WQ_UNBOUND`).
    pub const UNBOUND: Self = Self(bindings::wq_flags_WQ_UNBOUND);
    /// One of them is there even if no memory is: those who reclaim memory may wait for the work
    /// (`WQ_MEM_RECLAIM`).
    pub const MEM_RECLAIM: Self = Self(bindings::wq_flags_WQ_MEM_RECLAIM);
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A work queue. Dropping it waits for all work that is in it. May sleep; one of its own workers
/// that drops it waits for itself.
///
/// It is no [`Queue`]: what waits for its time there is in no queue yet, so nobody would wait for
/// it. Work with a delay is [`OwnedDelayedWork`](super::cancel::OwnedDelayedWork), which keeps the
/// queue, or on a queue that stays.
///
/// # Examples
///
/// ```
/// use kernel::prelude::*;
/// use kernel::sync::Arc;
/// use kernel::workqueue::owned::{Flags, OwnedQueue};
/// use kernel::workqueue::{impl_has_work, new_work, Work, WorkItem};
///
/// #[pin_data]
/// struct Job {
///     #[pin]
///     work: Work<Job>,
/// }
///
/// impl_has_work! {
///     impl HasWork<Self> for Job { self.work }
/// }
///
/// impl WorkItem for Job {
///     type Pointer = Arc<Self>;
///
///     fn run(_job: Arc<Self>) {
///         pr_info!("done before the queue has gone\n");
///     }
/// }
///
/// let queue = OwnedQueue::new(c"rust_example", Flags::UNBOUND | Flags::MEM_RECLAIM)?;
/// let job = Arc::pin_init(pin_init!(Job { work <- new_work!("Job::work") }), GFP_KERNEL)?;
/// let _ = queue.enqueue(job);
/// # Ok::<(), Error>(())
/// ```
///
/// # Invariants
///
/// A valid work queue that nobody else destroys.
pub struct OwnedQueue(NonNull<Queue>);

impl OwnedQueue {
    /// Makes a queue, whose workers have this name. May sleep.
    ///
    /// Fails with [`ENOMEM`], also if the flags do not go together.
    pub fn new(name: &CStr, flags: Flags) -> Result<Self> {
        // SAFETY: `%s` takes a string. It is copied.
        let raw = unsafe {
            bindings::alloc_workqueue_noprof(c"%s".as_char_ptr(), flags.0, 0, name.as_char_ptr())
        };
        // INVARIANT: It was made just now; `Queue` is a transparent work queue.
        Ok(Self(NonNull::new(raw.cast()).ok_or(ENOMEM)?))
    }
}

impl OwnedQueue {
    /// Enqueues a work item. See [`Queue::enqueue`].
    pub fn enqueue<W, const ID: u64>(&self, work: W) -> W::EnqueueOutput
    where
        W: RawWorkItem<ID> + Send + 'static,
    {
        self.queue().enqueue::<W, ID>(work)
    }

    /// Enqueues a work item after so many jiffies, on a queue that is never destroyed. See
    /// [`Queue::enqueue_delayed`].
    pub fn enqueue_delayed<W, const ID: u64>(
        &'static self,
        work: W,
        delay: Jiffies,
    ) -> W::EnqueueOutput
    where
        W: RawDelayedWorkItem<ID> + Send + 'static,
    {
        self.queue().enqueue_delayed::<W, ID>(work, delay)
    }

    /// The queue, for those who leave no timer behind that would put work there later.
    pub(super) fn queue(&self) -> &Queue {
        // SAFETY: By the type invariant.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for OwnedQueue {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; nobody can add work any more, and no timer is to: delayed
        // work keeps the queue.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr().cast()) };
    }
}

// SAFETY: A work queue may be used and destroyed by any task.
unsafe impl Send for OwnedQueue {}
// SAFETY: As above.
unsafe impl Sync for OwnedQueue {}

#[macros::kunit_tests(rust_workqueue_owned)]
mod tests {
    use super::*;
    use crate::{
        sync::{
            atomic::{
                Atomic,
                Relaxed, //
            },
            Arc, //
        },
        time::{
            delay::fsleep,
            Delta, //
        },
    };

    #[test]
    fn all_is_done_when_it_is_gone() -> Result {
        let done = Arc::new(Atomic::new(0u32), GFP_KERNEL)?;
        let queue = OwnedQueue::new(c"rust_owned", Flags::UNBOUND)?;
        for _ in 0..3 {
            let done = done.clone();
            queue.queue().try_spawn(GFP_KERNEL, move || {
                fsleep(Delta::from_millis(1));
                done.fetch_add(1, Relaxed);
            })?;
        }
        drop(queue);
        assert_eq!(done.load(Relaxed), 3);
        Ok(())
    }
}
