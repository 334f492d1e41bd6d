// SPDX-License-Identifier: GPL-2.0

//! Delayed work items with an owner, which go with it.
//!
//! A [`DelayedWork`](super::DelayedWork) keeps what it works on alive until it has run, so nobody
//! can say when it is over. Here it is the other way round: an [`OwnedDelayedWork`] belongs to
//! somebody, and when it is dropped its callback is not running and never will again. This is what
//! a watchdog or a poll loop needs that must be gone before a driver is unbound.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use super::{
    owned::OwnedQueue,
    Queue, //
};
use crate::{
    bindings,
    container_of,
    prelude::*,
    sync::{
        Arc,
        LockClassKey, //
    },
    time::Jiffies,
    types::Opaque, //
};
use core::ops::Deref;

/// What an [`OwnedDelayedWork`] does.
pub trait Callback: Send + Sync + 'static {
    /// Does the work. Called by a worker of the queue, never by two at the same time.
    ///
    /// May call [`Schedule::schedule`] to run again. Must not drop the [`OwnedDelayedWork`] that it
    /// is called for, nor call [`cancel`](OwnedDelayedWork::cancel) on it: either would wait for
    /// itself.
    fn run(&self, schedule: &Schedule);
}

impl<T: Callback> Callback for Arc<T> {
    fn run(&self, schedule: &Schedule) {
        (**self).run(schedule);
    }
}

/// The queue whose workers run an [`OwnedDelayedWork`]: one of the system's, or one that is kept
/// for as long as the work is there.
pub enum QueueRef {
    /// It is always there.
    Static(&'static Queue),
    /// It goes with the last who has it; that must not be one of its own workers.
    Owned(Arc<OwnedQueue>),
}

impl From<&'static Queue> for QueueRef {
    fn from(queue: &'static Queue) -> Self {
        Self::Static(queue)
    }
}

impl From<Arc<OwnedQueue>> for QueueRef {
    fn from(queue: Arc<OwnedQueue>) -> Self {
        Self::Owned(queue)
    }
}

impl QueueRef {
    fn queue(&self) -> &Queue {
        match self {
            Self::Static(queue) => queue,
            Self::Owned(queue) => queue.queue(),
        }
    }
}

/// The part of an [`OwnedDelayedWork`] that says when its callback runs.
#[pin_data]
pub struct Schedule {
    queue: QueueRef,
    #[pin]
    work: Opaque<bindings::delayed_work>,
}

// SAFETY: Work items are usable from any thread, and so are queues.
unsafe impl Send for Schedule {}
// SAFETY: The functions that are called on the work item take the locks they need.
unsafe impl Sync for Schedule {}

impl Schedule {
    /// Lets the callback run once, `delay` jiffies from now at the earliest.
    ///
    /// Returns whether this call did it: if one is due already it stays as it is, and if the work
    /// is cancelled nothing happens. Callable from any context but NMI. Calls
    /// `queue_delayed_work()`.
    pub fn schedule(&self, delay: Jiffies) -> bool {
        // SAFETY: The queue is there for as long as `self`; the work item was initialised and stays
        // until its owner has disabled it.
        unsafe {
            bindings::queue_delayed_work_on(
                bindings::wq_misc_consts_WORK_CPU_UNBOUND as c_int,
                self.queue.queue().0.get(),
                self.work.get(),
                delay,
            )
        }
    }

    /// Lets the callback run once, `delay` jiffies from now at the earliest, even if it was due at
    /// another time.
    ///
    /// Does nothing if the work is cancelled. Callable from any context but NMI. Calls
    /// `mod_delayed_work()`.
    pub fn reschedule(&self, delay: Jiffies) {
        // SAFETY: As for `schedule`.
        unsafe {
            bindings::mod_delayed_work_on(
                bindings::wq_misc_consts_WORK_CPU_UNBOUND as c_int,
                self.queue.queue().0.get(),
                self.work.get(),
                delay,
            )
        };
    }

    /// # Safety
    ///
    /// `run` must be sound to call with the work item for as long as the item is not disabled.
    unsafe fn new(
        queue: QueueRef,
        run: unsafe extern "C" fn(*mut bindings::work_struct),
        names: [&'static CStr; 2],
        keys: [Pin<&'static LockClassKey>; 2],
    ) -> impl PinInit<Self> {
        let [work_name, timer_name] = names;
        let [work_key, timer_key] = keys;
        pin_init!(Self {
            queue,
            work <- Opaque::ffi_init(move |slot: *mut bindings::delayed_work| {
                // SAFETY: `slot` is valid for writes and pinned, the names and keys are static. The
                // timer is the one of a delayed work, as its function requires.
                unsafe {
                    bindings::init_work_with_key(
                        &raw mut (*slot).work,
                        Some(run),
                        false,
                        work_name.as_char_ptr(),
                        work_key.as_ptr(),
                    );
                    bindings::timer_init_key(
                        &raw mut (*slot).timer,
                        Some(bindings::delayed_work_timer_fn),
                        bindings::TIMER_IRQSAFE,
                        timer_name.as_char_ptr(),
                        timer_key.as_ptr(),
                    );
                }
            }),
        })
    }
}

/// A callback that a work queue runs after a delay, at the latest until it is dropped.
///
/// Dropping it waits until the callback neither runs nor will run. May sleep. No lock that the
/// callback takes may be held then, and no callback on the same queue may be needed to release what
/// the callback waits for.
///
/// # Examples
///
/// ```
/// use kernel::new_owned_delayed_work;
/// use kernel::prelude::*;
/// use kernel::sync::atomic::{Atomic, Relaxed};
/// use kernel::time::msecs_to_jiffies;
/// use kernel::workqueue::{
///     self,
///     cancel::{Callback, OwnedDelayedWork, Schedule},
/// };
///
/// struct Heartbeat {
///     beats: Atomic<u32>,
/// }
///
/// impl Callback for Heartbeat {
///     fn run(&self, schedule: &Schedule) {
///         self.beats.fetch_add(1, Relaxed);
///         schedule.schedule(msecs_to_jiffies(1000));
///     }
/// }
///
/// let heartbeat: Pin<KBox<OwnedDelayedWork<Heartbeat>>> = KBox::pin_init(
///     new_owned_delayed_work!(
///         workqueue::system_dfl(),
///         Heartbeat { beats: Atomic::new(0) },
///         "heartbeat"
///     ),
///     GFP_KERNEL,
/// )?;
/// assert!(heartbeat.schedule(msecs_to_jiffies(1000)));
///
/// // It beats until it is dropped.
/// drop(heartbeat);
/// # Ok::<(), Error>(())
/// ```
///
/// # Invariants
///
/// Unless it is disabled, the work item of `schedule` runs `Self::run`.
#[pin_data(PinnedDrop)]
pub struct OwnedDelayedWork<T: Callback> {
    #[pin]
    callback: T,
    #[pin]
    schedule: Schedule,
}

impl<T: Callback> OwnedDelayedWork<T> {
    /// Makes `callback` a work item of `queue`; it runs when it is scheduled. Best called by
    /// [`new_owned_delayed_work!`](crate::new_owned_delayed_work).
    ///
    /// `names` and `keys` are those of the work item and of its timer, for lockdep.
    pub fn new<E>(
        queue: impl Into<QueueRef>,
        callback: impl PinInit<T, E>,
        names: [&'static CStr; 2],
        keys: [Pin<&'static LockClassKey>; 2],
    ) -> impl PinInit<Self, Error>
    where
        Error: From<E>,
    {
        let queue = queue.into();
        try_pin_init!(Self {
            callback <- callback,
            // INVARIANT: The work item gets this function.
            // SAFETY: The work item lies in a pinned `Self`, whose `Drop` disables it first.
            schedule <- unsafe { Schedule::new(queue, Self::run, names, keys) },
        }? Error)
    }

    /// # Safety
    ///
    /// `work` must be the work item in an `OwnedDelayedWork<T>` that is not dropped meanwhile.
    unsafe extern "C" fn run(work: *mut bindings::work_struct) {
        // SAFETY: By the requirements of this function, `work` lies in a `delayed_work`, that in a
        // `Schedule`, and that in a `Self`; references to a `Self` are shared only, until its
        // `Drop` has waited for this function.
        let this = unsafe {
            let work = container_of!(work, bindings::delayed_work, work);
            let schedule = container_of!(Opaque::cast_from(work), Schedule, work);
            &*container_of!(schedule, Self, schedule)
        };
        this.callback.run(&this.schedule);
    }

    /// What the work item runs.
    pub fn callback(&self) -> &T {
        &self.callback
    }

    /// Cancels the work for good, and waits until its callback neither runs nor will run; later
    /// calls of [`schedule`](Schedule::schedule) do nothing.
    ///
    /// May sleep; no lock that the callback takes may be held. Calls
    /// `disable_delayed_work_sync()`.
    pub fn cancel(&self) {
        // SAFETY: The work item was initialised, and stays for as long as `self`.
        unsafe { bindings::disable_delayed_work_sync(self.schedule.work.get()) };
    }
}

impl<T: Callback> Deref for OwnedDelayedWork<T> {
    type Target = Schedule;

    fn deref(&self) -> &Schedule {
        &self.schedule
    }
}

#[pinned_drop]
impl<T: Callback> PinnedDrop for OwnedDelayedWork<T> {
    fn drop(self: Pin<&mut Self>) {
        self.cancel();
    }
}

/// Creates an initialiser of an
/// [`OwnedDelayedWork`](crate::workqueue::cancel::OwnedDelayedWork) from a queue, a callback and a
/// name, with lock classes of its own.
#[macro_export]
macro_rules! new_owned_delayed_work {
    ($queue:expr, $callback:expr, $name:literal $(,)?) => {
        $crate::workqueue::cancel::OwnedDelayedWork::new(
            $queue,
            $callback,
            [
                $crate::c_str!($name),
                $crate::c_str!(::core::concat!($name, "_timer")),
            ],
            [$crate::static_lock_class!(), $crate::static_lock_class!()],
        )
    };
}

#[macros::kunit_tests(rust_workqueue_cancel)]
mod tests {
    use super::*;
    use crate::{
        sync::{
            atomic::{
                Atomic,
                Full,
                Relaxed, //
            },
            Completion, //
        },
        time::{
            delay::fsleep,
            msecs_to_jiffies,
            Delta, //
        },
        workqueue::{
            self,
            owned::Flags, //
        }, //
    };

    const NEVER: Jiffies = Jiffies::MAX / 4;

    /// Runs `wanted` times, and says when it has begun and when it is done.
    #[pin_data]
    struct Counter {
        wanted: u32,
        runs: Atomic<u32>,
        nap: Delta,
        #[pin]
        begun: Completion,
        #[pin]
        done: Completion,
    }

    impl Counter {
        fn new(wanted: u32, nap: Delta) -> Result<Arc<Self>> {
            let counter = pin_init!(Self {
                wanted,
                runs: Atomic::new(0),
                nap,
                begun <- Completion::new(),
                done <- Completion::new(),
            });
            Arc::pin_init(counter, GFP_KERNEL)
        }
    }

    impl Callback for Counter {
        fn run(&self, schedule: &Schedule) {
            self.begun.complete_all();
            fsleep(self.nap);
            if self.runs.fetch_add(1, Full) + 1 < self.wanted {
                schedule.schedule(1);
            } else {
                self.done.complete_all();
            }
        }
    }

    #[test]
    fn a_queue_lives_for_as_long_as_its_work() -> Result {
        let counter = Counter::new(3, Delta::ZERO)?;
        let queue = OwnedQueue::new(c"rust_cancel", Flags::UNBOUND | Flags::MEM_RECLAIM)?;
        let queue = Arc::new(queue, GFP_KERNEL)?;
        let work = KBox::pin_init(
            new_owned_delayed_work!(queue.clone(), counter.clone(), "counter"),
            GFP_KERNEL,
        )?;
        drop(queue);
        assert!(work.schedule(0));
        counter.done.wait_for_completion();
        drop(work);
        assert_eq!(counter.runs.load(Relaxed), 3);
        Ok(())
    }

    fn work(counter: &Arc<Counter>) -> Result<Pin<KBox<OwnedDelayedWork<Arc<Counter>>>>> {
        let work = new_owned_delayed_work!(workqueue::system_dfl(), counter.clone(), "counter");
        KBox::pin_init(work, GFP_KERNEL)
    }

    #[test]
    fn runs_once_per_schedule() -> Result {
        let counter = Counter::new(1, Delta::ZERO)?;
        let work = work(&counter)?;
        assert!(work.schedule(0));
        counter.done.wait_for_completion();
        drop(work);
        assert_eq!(counter.runs.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn schedules_itself() -> Result {
        let counter = Counter::new(5, Delta::ZERO)?;
        let work = work(&counter)?;
        assert!(work.schedule(1));
        counter.done.wait_for_completion();
        drop(work);
        assert_eq!(counter.runs.load(Relaxed), 5);
        Ok(())
    }

    #[test]
    fn is_due_only_once() -> Result {
        let counter = Counter::new(1, Delta::ZERO)?;
        let work = work(&counter)?;
        assert!(work.schedule(NEVER));
        assert!(!work.schedule(0));
        work.reschedule(0);
        counter.done.wait_for_completion();
        drop(work);
        assert_eq!(counter.runs.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn never_runs_after_cancel() -> Result {
        let counter = Counter::new(1, Delta::ZERO)?;
        let work = work(&counter)?;
        assert!(work.schedule(msecs_to_jiffies(20)));
        work.cancel();
        assert!(!work.schedule(0));
        work.reschedule(0);
        fsleep(Delta::from_millis(40));
        assert_eq!(counter.runs.load(Relaxed), 0);
        Ok(())
    }

    #[test]
    fn drop_waits_for_the_callback() -> Result {
        let counter = Counter::new(u32::MAX, Delta::from_millis(20))?;
        let work = work(&counter)?;
        assert!(work.schedule(0));
        counter.begun.wait_for_completion();
        drop(work);
        let runs = counter.runs.load(Relaxed);
        assert!(runs >= 1);
        // The work item held the only other reference.
        assert!(Arc::into_unique_or_drop(counter).is_some());
        Ok(())
    }
}
