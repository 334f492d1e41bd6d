// SPDX-License-Identifier: GPL-2.0

//! What happens to a device, as readers of its monitor node learn it.
//!
//! The last events of a device are in one ring, and a reader is a place in it. So whoever tells of
//! an event never waits, and a reader that is slow loses the oldest ones and learns how many.

use crate::{
    bindings,
    fs::{
        file::flags,
        File, //
    },
    page::PAGE_SIZE,
    prelude::*,
    static_lock_class,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        new_spinlock,
        poll::{
            PollCondVarBox,
            PollTable, //
        },
        SpinLock, //
    },
    time::{
        ClockSource,
        Monotonic, //
    },
    uaccess::UserSliceWriter,
    uapi,
    ustruct, //
};

/// Events that are kept.
const KEPT: usize = 256;

/// What happened, and to whom.
#[derive(Copy, Clone)]
pub(super) struct Event {
    pub(super) kind: uapi::accel_event_type,
    pub(super) queue: u32,
    pub(super) pasid: u32,
    pub(super) pid: i32,
    pub(super) address: u64,
    pub(super) value: u64,
}

impl Event {
    /// An event of the device as a whole.
    pub(super) fn new(kind: uapi::accel_event_type, value: u64) -> Self {
        Self {
            kind,
            queue: uapi::ACCEL_NO_QUEUE,
            pasid: 0,
            pid: 0,
            address: 0,
            value,
        }
    }

    fn record(&self, sequence: u64) -> uapi::accel_event {
        uapi::accel_event {
            size: size_of::<uapi::accel_event>() as u32,
            type_: self.kind,
            sequence,
            timestamp_ns: Monotonic::ktime_get() as u64,
            address: self.address,
            value: self.value,
            queue: self.queue,
            pasid: self.pasid,
            pid: self.pid,
            reserved: 0,
        }
    }
}

struct Ring {
    /// Event `n` is at `n % KEPT`.
    records: KVec<uapi::accel_event>,
    /// Sequence number of the next event.
    next: u64,
    /// The device is gone, nothing comes any more.
    ended: bool,
}

/// The events of a device.
#[pin_data]
pub(super) struct Events {
    #[pin]
    ring: SpinLock<Ring>,
    wait: PollCondVarBox,
}

impl Events {
    pub(super) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            ring <- new_spinlock!(Ring {
                records: KVec::with_capacity(KEPT, GFP_KERNEL)?,
                next: 0,
                ended: false,
            }),
            wait: PollCondVarBox::new(c"accel_events", static_lock_class!())?,
        })
    }

    /// Tells all readers. Does not sleep.
    pub(super) fn tell(&self, event: Event) {
        let mut ring = self.ring.lock();
        if ring.ended {
            return;
        }
        let record = event.record(ring.next);
        let place = (ring.next % KEPT as u64) as usize;
        if let Some(old) = ring.records.get_mut(place) {
            *old = record;
        } else if ring.records.push_within_capacity(record).is_err() {
            return;
        }
        ring.next += 1;
        ring.ended = event.kind == uapi::accel_event_type_ACCEL_EVENT_REMOVED;
        self.wait.notify_all();
    }
}

/// A reader's place in the events of a device.
///
/// Several threads can read by one descriptor, and each waits for itself. So the place is no lock's
/// to keep but the ring's, under which alone it, `writing` and `awaited` are changed.
pub(super) struct Reader {
    next: Atomic<u64>,
    /// A thread writes the next event to its memory; the place is moved when it has.
    writing: Atomic<bool>,
    /// Another thread waits for that.
    awaited: Atomic<bool>,
    mask: Atomic<u64>,
    /// Bytes of a record, as user space wants them.
    size: Atomic<u32>,
    /// May learn of other users' processes.
    privileged: bool,
}

impl Reader {
    /// A reader of what happens from now on.
    pub(super) fn new(events: &Events, privileged: bool) -> Self {
        Self {
            next: Atomic::new(events.ring.lock().next),
            writing: Atomic::new(false),
            awaited: Atomic::new(false),
            mask: Atomic::new(u64::MAX),
            size: Atomic::new(uapi::ACCEL_EVENT_SIZE_VER0),
            privileged,
        }
    }

    /// The bytes that records get if `accel_events.event_size` is `wanted`.
    pub(super) fn check_size(&self, wanted: u32) -> Result<u32> {
        match wanted {
            0 => Ok(self.size.load(Relaxed)),
            wanted if wanted < uapi::ACCEL_EVENT_SIZE_VER0 || wanted % 8 != 0 => Err(EINVAL),
            wanted if wanted as usize > PAGE_SIZE => Err(E2BIG),
            wanted => Ok(wanted),
        }
    }

    /// `ACCEL_EVENTS`.
    pub(super) fn choose(&self, mask: u64, size: u32) {
        self.mask.store(mask, Relaxed);
        self.size.store(size, Relaxed);
    }

    /// The next event that this reader wants, and the place behind it.
    fn peek(&self, ring: &Ring) -> Option<(uapi::accel_event, u64)> {
        let next = self.next.load(Relaxed);
        let oldest = ring.next.saturating_sub(KEPT as u64);
        if next < oldest {
            let lost = uapi::accel_event_type_ACCEL_EVENT_LOST;
            return Some((Event::new(lost, oldest - next).record(next), oldest));
        }
        let mask = self.mask.load(Relaxed);
        (next..ring.next).find_map(|sequence| {
            let record = ring.records.get((sequence % KEPT as u64) as usize)?;
            (mask & 1 << record.type_ != 0).then(|| (self.censor(*record), sequence + 1))
        })
    }

    /// Takes out what would tell about another user's process.
    fn censor(&self, mut record: uapi::accel_event) -> uapi::accel_event {
        if !self.privileged {
            record.address = 0;
            record.pasid = 0;
            record.pid = 0;
        }
        record
    }

    /// The next event, and the place behind it; waits for one unless `nonblock`. Nobody else gets
    /// one by this descriptor until [`end`](Self::end). `None`: none will come.
    fn begin(&self, events: &Events, nonblock: bool) -> Result<Option<(uapi::accel_event, u64)>> {
        let mut ring = events.ring.lock();
        loop {
            if self.writing.load(Relaxed) {
                self.awaited.store(true, Relaxed);
            } else if let Some(found) = self.peek(&ring) {
                self.writing.store(true, Relaxed);
                return Ok(Some(found));
            } else {
                // What the mask leaves out need not be looked at again.
                self.next.store(ring.next, Relaxed);
                if ring.ended {
                    return Ok(None);
                }
            }
            if nonblock {
                return Err(EAGAIN);
            }
            if events.wait.wait_interruptible(&mut ring) {
                return Err(ERESTARTSYS);
            }
        }
    }

    /// Moves on to `next` if the event that [`begin`](Self::begin) has found was read, and not if
    /// it is to be read again.
    fn end(&self, events: &Events, next: Option<u64>) {
        let _ring = events.ring.lock();
        if let Some(next) = next {
            self.next.store(next, Relaxed);
        }
        self.writing.store(false, Relaxed);
        if self.awaited.load(Relaxed) {
            self.awaited.store(false, Relaxed);
            events.wait.notify_all();
        }
    }

    /// `read()` of the monitor node: as many whole records as fit.
    pub(super) fn read(
        &self,
        events: &Events,
        file: &File,
        to: &mut UserSliceWriter,
    ) -> Result<usize> {
        let size = self.size.load(Relaxed);
        let bytes = size as usize;
        if to.len() < bytes {
            return Err(EINVAL);
        }

        let mut nonblock = file.flags() & flags::O_NONBLOCK != 0;
        let mut done = 0;
        while to.len() >= bytes {
            let (record, next) = match self.begin(events, nonblock) {
                Ok(Some(found)) => found,
                Ok(None) => break,
                Err(_) if done != 0 => break,
                Err(e) => return Err(e),
            };
            let record = uapi::accel_event { size, ..record };
            let written = ustruct::fill(to, bytes, &record);
            self.end(events, written.is_ok().then_some(next));
            match written {
                Ok(()) => done += bytes,
                Err(_) if done != 0 => break,
                Err(e) => return Err(e),
            }
            // One was worth waiting for; what else is there comes along.
            nonblock = true;
        }
        Ok(done)
    }

    /// `poll()` of the monitor node.
    pub(super) fn poll(&self, events: &Events, file: &File, table: &PollTable<'_>) -> u32 {
        table.register_wait(file, &events.wait);
        let ring = events.ring.lock();
        let mut mask = 0;
        if self.peek(&ring).is_some() {
            mask |= bindings::POLLIN | bindings::POLLRDNORM;
        }
        if ring.ended {
            mask |= bindings::POLLHUP;
        }
        mask
    }
}

#[macros::kunit_tests(rust_accel_events)]
mod tests {
    use super::*;

    fn take(reader: &Reader, events: &Events) -> Result<Option<uapi::accel_event>> {
        Ok(reader.begin(events, true)?.map(|(record, next)| {
            reader.end(events, Some(next));
            record
        }))
    }

    fn tell(events: &Events, kind: u32, values: core::ops::Range<u64>) {
        values.for_each(|value| events.tell(Event::new(kind, value)));
    }

    #[test]
    fn a_slow_reader_learns_how_many_events_it_lost() -> Result {
        let events = KBox::pin_init(Events::new(), GFP_KERNEL)?;
        let reader = Reader::new(&events, true);
        tell(
            &events,
            uapi::accel_event_type_ACCEL_EVENT_ERROR,
            0..KEPT as u64 + 10,
        );

        let lost = take(&reader, &events)?.ok_or(EIO)?;
        assert_eq!(lost.type_, uapi::accel_event_type_ACCEL_EVENT_LOST);
        assert_eq!((lost.sequence, lost.value), (0, 10));
        for value in 10..KEPT as u64 + 10 {
            let record = take(&reader, &events)?.ok_or(EIO)?;
            assert_eq!((record.sequence, record.value), (value, value));
        }
        assert!(take(&reader, &events).is_err_and(|e| e == EAGAIN));
        Ok(())
    }

    #[test]
    fn a_reader_gets_what_its_mask_has_and_then_the_end() -> Result {
        let events = KBox::pin_init(Events::new(), GFP_KERNEL)?;
        let reader = Reader::new(&events, false);
        reader.choose(1 << uapi::accel_event_type_ACCEL_EVENT_FAULT, 0);
        tell(&events, uapi::accel_event_type_ACCEL_EVENT_ERROR, 0..3);
        events.tell(Event {
            address: 4096,
            pasid: 7,
            ..Event::new(uapi::accel_event_type_ACCEL_EVENT_FAULT, 3)
        });
        tell(&events, uapi::accel_event_type_ACCEL_EVENT_REMOVED, 4..6);

        let fault = take(&reader, &events)?.ok_or(EIO)?;
        assert_eq!((fault.sequence, fault.value), (3, 3));
        assert_eq!((fault.address, fault.pasid), (0, 0));
        assert!(take(&reader, &events)?.is_none());
        Ok(())
    }

    #[test]
    fn an_event_is_read_once_however_many_try() -> Result {
        let events = KBox::pin_init(Events::new(), GFP_KERNEL)?;
        let reader = Reader::new(&events, true);
        tell(&events, uapi::accel_event_type_ACCEL_EVENT_ERROR, 0..2);

        let (first, _) = reader.begin(&events, true)?.ok_or(EIO)?;
        // Meanwhile nobody gets it, nor the one behind it.
        assert!(take(&reader, &events).is_err_and(|e| e == EAGAIN));
        reader.end(&events, None);
        for value in 0..2 {
            let record = take(&reader, &events)?.ok_or(EIO)?;
            assert_eq!((record.sequence, record.value), (value, value));
        }
        assert_eq!(first.sequence, 0);
        Ok(())
    }
}
