// SPDX-License-Identifier: GPL-2.0

//! The queues that a device has, by number.
//!
//! What halts the device looks at all of them, and others may wait for fences until it has: so
//! nothing is allocated here with the lock held, nor waited for but jobs that stop.

use crate::worker::Worker;
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex, //
    },
    workqueue::cancel::OwnedDelayedWork, //
};

/// What does the jobs of a queue.
pub(crate) type Work = OwnedDelayedWork<Worker>;

/// Queues that may touch memory.
#[pin_data]
pub(crate) struct Roster {
    /// A place for each number.
    #[pin]
    places: Mutex<KVec<Option<Arc<Work>>>>,
    /// Nanoseconds that queues have worked which are gone.
    busy_before: Atomic<u64>,
}

fn busy_ns(work: &Work) -> u64 {
    let done = work.callback().progress();
    done.unwrap_or_default().busy_ns
}

impl Roster {
    /// For so many queues.
    pub(crate) fn new(size: u32) -> Result<Arc<Self>> {
        let mut places = KVec::with_capacity(size as usize, GFP_KERNEL)?;
        for _ in 0..size {
            places.push(None, GFP_KERNEL)?;
        }
        let roster = pin_init!(Self {
            places <- new_mutex!(places),
            busy_before: Atomic::new(0),
        });
        Arc::pin_init(roster, GFP_KERNEL)
    }

    /// Enters a queue. If the number was that of another, the device was halted and has forgotten
    /// it.
    pub(crate) fn add(&self, work: Arc<Work>) -> Result {
        let mut places = self.places.lock();
        let id = work.callback().id() as usize;
        let before = places.get_mut(id).ok_or(EINVAL)?.replace(work);
        drop(places);
        self.retire(before);
        Ok(())
    }

    /// Strikes a queue off, if it is there.
    pub(crate) fn remove(&self, work: &Arc<Work>) {
        let mut places = self.places.lock();
        let mut all = places.iter_mut();
        let place = all.find(|place| place.as_ref().is_some_and(|there| Arc::ptr_eq(there, work)));
        let gone = place.and_then(Option::take);
        drop(places);
        self.retire(gone);
    }

    /// Lets go of a queue that is not in its place any more.
    fn retire(&self, work: Option<Arc<Work>>) {
        if let Some(work) = work {
            self.busy_before.fetch_add(busy_ns(&work), Relaxed);
        }
    }

    /// Calls `f` with a queue. Fails with [`EINVAL`] if there is none of that number.
    pub(crate) fn with(&self, id: u32, f: impl FnOnce(&Worker)) -> Result {
        let places = self.places.lock();
        let work = places.get(id as usize).and_then(Option::as_ref);
        f(work.ok_or(EINVAL)?.callback());
        Ok(())
    }

    /// Stops all that are there: when this returns, none of them touches memory.
    ///
    /// They know already that they are to stop, by `Control::halt`, and so do those that come
    /// later.
    pub(crate) fn stop(&self) {
        for work in self.places.lock().iter().flatten() {
            work.cancel();
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.places.lock().iter().flatten().count()
    }

    /// Nanoseconds that all queues have worked.
    pub(crate) fn busy_ns(&self) -> u64 {
        let places = self.places.lock();
        let now: u64 = places.iter().flatten().map(|work| busy_ns(work)).sum();
        now + self.busy_before.load(Relaxed)
    }
}
