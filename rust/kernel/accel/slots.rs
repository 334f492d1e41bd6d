// SPDX-License-Identifier: GPL-2.0

//! The queues of a device, by number.

use super::queue::Queue;
use crate::{
    bitmap::BitmapVec,
    prelude::*,
    sync::{
        new_mutex,
        new_spinlock,
        Arc,
        Mutex,
        SpinLock, //
    }, //
};

/// A place for a queue, with a lock of its own, so that completions of different queues do not wait
/// for each other.
#[pin_data]
struct Slot {
    #[pin]
    queue: SpinLock<Option<Arc<Queue>>>,
}

/// One slot for each queue that the device can have.
#[pin_data]
pub(super) struct Slots {
    slots: KVVec<Pin<KBox<Slot>>>,
    /// Numbers in use. A number is in use from before its queue is made until after it is
    /// destroyed, so it is kept apart from the slots.
    #[pin]
    used: Mutex<BitmapVec>,
}

impl Slots {
    pub(super) fn new(count: u32) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            slots: Self::make(count as usize)?,
            used <- new_mutex!(BitmapVec::new(count as usize, GFP_KERNEL)?),
        })
    }

    fn make(count: usize) -> Result<KVVec<Pin<KBox<Slot>>>> {
        let mut slots = KVVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            let slot =
                KBox::pin_init(pin_init!(Slot { queue <- new_spinlock!(None) }), GFP_KERNEL)?;
            slots.push(slot, GFP_KERNEL)?;
        }
        Ok(slots)
    }

    /// Takes a free number, the lowest, if more are free than `reserved`. Fails with [`EBUSY`] if
    /// not.
    pub(super) fn claim(&self, reserved: u32) -> Result<u32> {
        let mut used = self.used.lock();
        let first = used.next_zero_bit(0).ok_or(EBUSY)?;
        let mut last = first;
        for _ in 0..reserved {
            if last + 1 >= self.slots.len() {
                return Err(EBUSY);
            }
            last = used.next_zero_bit(last + 1).ok_or(EBUSY)?;
        }
        used.set_bit(first);
        Ok(first as u32)
    }

    /// Gives a number back.
    pub(super) fn release(&self, id: u32) {
        self.used.lock().clear_bit(id as usize);
    }

    /// Makes a queue known under its number.
    pub(super) fn set(&self, queue: Arc<Queue>) {
        if let Some(slot) = self.slots.get(queue.id() as usize) {
            *slot.queue.lock() = Some(queue);
        }
    }

    /// The queue with this number, if it is there.
    pub(super) fn get(&self, id: u32) -> Option<Arc<Queue>> {
        self.slots.get(id as usize)?.queue.lock().clone()
    }

    /// Takes the queue with this number out, if it is there.
    pub(super) fn take(&self, id: u32) -> Option<Arc<Queue>> {
        self.slots.get(id as usize)?.queue.lock().take()
    }

    /// Takes this queue out, if it is still there: its number may be another's by now.
    pub(super) fn take_if(&self, queue: &Queue) -> Option<Arc<Queue>> {
        let mut slot = self.slots.get(queue.id() as usize)?.queue.lock();
        let there = slot
            .as_ref()
            .is_some_and(|held| core::ptr::eq(&**held, queue));
        there.then(|| slot.take()).flatten()
    }

    /// Calls `f` with the queue of this number, if there is one. `f` must not sleep.
    pub(super) fn with(&self, id: u32, f: impl FnOnce(&Queue)) {
        if let Some(slot) = self.slots.get(id as usize) {
            if let Some(queue) = slot.queue.lock().as_ref() {
                f(queue);
            }
        }
    }

    /// How many queues the device can have.
    pub(super) fn len(&self) -> u32 {
        self.slots.len() as u32
    }
}

#[macros::kunit_tests(rust_accel_slots)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_given_once_and_the_lowest_first() -> Result {
        let slots = KBox::pin_init(Slots::new(3), GFP_KERNEL)?;
        for id in 0..3 {
            assert_eq!(slots.claim(0)?, id);
        }
        assert_eq!(slots.claim(0), Err(EBUSY));

        slots.release(1);
        assert_eq!(slots.claim(0)?, 1);
        assert_eq!(slots.claim(0), Err(EBUSY));
        Ok(())
    }

    #[test]
    fn what_is_reserved_is_left() -> Result {
        let slots = KBox::pin_init(Slots::new(3), GFP_KERNEL)?;
        assert_eq!(slots.claim(3), Err(EBUSY));
        assert_eq!(slots.claim(2)?, 0);
        assert_eq!(slots.claim(2), Err(EBUSY));
        assert_eq!(slots.claim(1)?, 1);
        assert_eq!(slots.claim(1), Err(EBUSY));
        assert_eq!(slots.claim(0)?, 2);
        Ok(())
    }

    #[test]
    fn numbers_that_are_no_queues_lead_nowhere() -> Result {
        let slots = KBox::pin_init(Slots::new(2), GFP_KERNEL)?;
        for id in [0, 1, 2, u32::MAX] {
            slots.with(id, |_| panic!("there is no queue {id}"));
            assert!(slots.get(id).is_none());
            assert!(slots.take(id).is_none());
        }
        Ok(())
    }
}
