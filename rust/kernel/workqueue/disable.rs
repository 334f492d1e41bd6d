// SPDX-License-Identifier: GPL-2.0

//! The end of work items that keep what they work on.
//!
//! While it is queued, a [`Work`] or [`DelayedWork`](super::DelayedWork) holds a reference to the
//! value that it is part of. Who is done with the value, but not the last to have it, disables its
//! work items, lest the value stay until a timer has run out.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use super::{
    HasDelayedWork,
    HasWork,
    Work,
    WorkItem, //
};
use crate::{
    bindings,
    container_of,
    sync::Arc, //
};

/// Ends the work item `ID` of `owner` for good: returns when it neither runs nor will run, and
/// holds no reference any more. To queue it again fails.
///
/// May sleep. Not to be called by the work item itself, or with a lock that it takes. For a
/// [`DelayedWork`](super::DelayedWork) there is [`disable_delayed`]. Calls `disable_work_sync()`.
pub fn disable<T, const ID: u64>(owner: &Arc<T>)
where
    T: WorkItem<ID, Pointer = Arc<T>> + HasWork<T, ID>,
{
    end::<T, ID>(owner, |work| {
        // SAFETY: The work item was initialised, and stays for as long as `owner`.
        unsafe { bindings::disable_work_sync(work) }
    });
}

/// The same for a delayed work item, whose timer may run.
///
/// Calls `disable_delayed_work_sync()`.
///
/// # Examples
///
/// ```
/// use kernel::prelude::*;
/// use kernel::sync::Arc;
/// use kernel::workqueue::{self, impl_has_delayed_work, new_delayed_work, DelayedWork, WorkItem};
///
/// #[pin_data]
/// struct Reminder {
///     #[pin]
///     work: DelayedWork<Reminder>,
/// }
///
/// impl_has_delayed_work! {
///     impl HasDelayedWork<Self> for Reminder { self.work }
/// }
///
/// impl WorkItem for Reminder {
///     type Pointer = Arc<Reminder>;
///
///     fn run(_this: Arc<Reminder>) {
///         pr_info!("a year has passed\n");
///     }
/// }
///
/// const YEAR: kernel::time::Jiffies = kernel::time::Jiffies::MAX / 4;
///
/// let new = pin_init!(Reminder { work <- new_delayed_work!("reminder") });
/// let reminder = Arc::pin_init(new, GFP_KERNEL)?;
/// assert!(workqueue::system_dfl().enqueue_delayed(reminder.clone(), YEAR).is_ok());
///
/// workqueue::disable_delayed(&reminder);
/// assert!(workqueue::system_dfl().enqueue_delayed(reminder.clone(), 0).is_err());
/// // The work item has no reference left.
/// assert!(Arc::into_unique_or_drop(reminder).is_some());
/// # Ok::<(), Error>(())
/// ```
pub fn disable_delayed<T, const ID: u64>(owner: &Arc<T>)
where
    T: WorkItem<ID, Pointer = Arc<T>> + HasDelayedWork<T, ID>,
{
    end::<T, ID>(owner, |work| {
        // SAFETY: By the requirement of `HasDelayedWork` it lies in a delayed work item, which was
        // initialised, and stays for as long as `owner`.
        unsafe {
            bindings::disable_delayed_work_sync(container_of!(work, bindings::delayed_work, work))
        }
    });
}

/// `disable` tells whether it took a work item from a queue, or from a timer.
fn end<T, const ID: u64>(owner: &Arc<T>, disable: impl FnOnce(*mut bindings::work_struct) -> bool)
where
    T: WorkItem<ID, Pointer = Arc<T>> + HasWork<T, ID>,
{
    let held = Arc::into_raw(owner.clone());
    // SAFETY: `held` points to a valid value, and so does what is a part of it.
    let work = unsafe { Work::raw_get(T::raw_get_work(held.cast_mut())) };
    let was_queued = disable(work);
    // SAFETY: It comes from `into_raw` above.
    drop(unsafe { Arc::from_raw(held) });
    if was_queued {
        // SAFETY: Whoever queued it gave a reference of the same value to the queue, by `into_raw`;
        // the only one who would have taken it back is the run that does not come any more.
        drop(unsafe { Arc::from_raw(held) });
    }
}

#[macros::kunit_tests(rust_workqueue_disable)]
mod tests {
    use super::*;
    use crate::{
        impl_has_work,
        new_work,
        prelude::*,
        sync::{
            atomic::{
                Atomic,
                Relaxed, //
            },
            Completion, //
        },
        time::{
            delay::fsleep,
            Delta, //
        },
        workqueue, //
    };

    /// Says when it has begun, and takes its time.
    #[pin_data]
    struct Slow {
        ended: Atomic<bool>,
        #[pin]
        begun: Completion,
        #[pin]
        work: Work<Slow>,
    }

    impl_has_work! {
        impl HasWork<Self> for Slow { self.work }
    }

    impl WorkItem for Slow {
        type Pointer = Arc<Slow>;

        fn run(this: Arc<Slow>) {
            this.begun.complete_all();
            fsleep(Delta::from_millis(50));
            this.ended.store(true, Relaxed);
            // To go on would be refused, and gives the reference back.
            let _ = workqueue::system_dfl().enqueue(this);
        }
    }

    fn slow() -> Result<Arc<Slow>> {
        let new = pin_init!(Slow {
            ended: Atomic::new(false),
            begun <- Completion::new(),
            work <- new_work!("slow"),
        });
        Arc::pin_init(new, GFP_KERNEL)
    }

    #[test]
    fn one_that_runs_is_waited_for() -> Result {
        let slow = slow()?;
        assert!(workqueue::system_dfl().enqueue(slow.clone()).is_ok());
        slow.begun.wait_for_completion();
        disable(&slow);
        assert!(slow.ended.load(Relaxed));
        assert!(Arc::into_unique_or_drop(slow).is_some());
        Ok(())
    }

    #[test]
    fn one_that_is_not_queued_holds_nothing() -> Result {
        let slow = slow()?;
        disable(&slow);
        assert!(workqueue::system_dfl().enqueue(slow.clone()).is_err());
        assert!(!slow.ended.load(Relaxed));
        assert!(Arc::into_unique_or_drop(slow).is_some());
        Ok(())
    }
}
