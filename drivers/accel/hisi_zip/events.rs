// SPDX-License-Identifier: GPL-2.0

//! The event queue, which says what queues have completions, and the abnormal-event queue.

use crate::{
    mailbox::{
        Bar,
        Command,
        Context,
        Mailbox, //
    },
    regs, //
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    dma::pages::CoherentPages,
    io::Io,
    num::Bounded,
    prelude::*,
    sync::{
        static_lock_class,
        Mutex, //
    }, //
};

/// Entries of the event queue. A process may raise one with each ring of its doorbell, so no number
/// of them is enough. Those that we read are free again after [`TAKEN_MAX`] of them.
const EVENTS: u32 = 2048;
const TAKEN_MAX: u32 = EVENTS / 8;

/// Entries of one queue among [`EVENTS`] unread ones from which on it is to blame that these are
/// too many. Who sleeps until jobs are done has one or two.
const FLOOD: u16 = 32;

/// An entry that the device has not written: its queue can't be, and it has the phase 0.
const UNWRITTEN: u32 = 0xffff;

/// No device has more queues.
const QUEUES_MAX: usize = 1024;

/// What has happened, by an abnormal event.
#[derive(Copy, Clone, Eq, PartialEq)]
pub(crate) enum Trouble {
    /// A completion queue is full.
    CqOverflow,
    /// The event queue was full; events are lost.
    EqOverflow,
    /// A completion could not be written.
    CqeError,
    /// Nobody knows.
    Unknown,
}

/// Which of the two.
#[derive(Copy, Clone, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Completions.
    Event,
    /// Trouble with queues.
    Abnormal,
}

impl Kind {
    /// Entries that it has if the device can have so many.
    const fn depth(self) -> u32 {
        match self {
            Kind::Event => EVENTS,
            Kind::Abnormal => 1024,
        }
    }

    fn context_command(self) -> Command {
        match self {
            Kind::Event => Command::Eqc,
            Kind::Abnormal => Command::Aeqc,
        }
    }

    fn doorbell_command(self) -> Bounded<u64, 4> {
        match self {
            Kind::Event => Bounded::<u64, 4>::new::<2>(),
            Kind::Abnormal => Bounded::<u64, 4>::new::<3>(),
        }
    }
}

/// An entry of either queue.
#[derive(Copy, Clone)]
pub(crate) struct Event(u32);

impl Event {
    /// The queue that it is about.
    pub(crate) fn queue(self) -> u32 {
        self.0 & 0xffff
    }

    /// The phase of the pass over the ring in which it was written.
    fn phase(self) -> bool {
        self.0 & 1 << 16 != 0
    }

    /// The device's number for what happened. Abnormal events only, as below.
    pub(crate) fn code(self) -> u32 {
        self.0 >> 17 & 0xf
    }

    /// What happened.
    pub(crate) fn trouble(self) -> Trouble {
        match self.code() {
            0 => Trouble::CqOverflow,
            1 => Trouble::EqOverflow,
            2 => Trouble::CqeError,
            _ => Trouble::Unknown,
        }
    }
}

/// Where the driver is in the ring.
struct Cursor {
    ring: CoherentPages,
    /// The ring of before, in which the device may have written until it was told of this one.
    old: CoherentPages,
    head: u32,
    /// Flips with each pass.
    phase: bool,
    /// Events that the last calls of `drain` have taken that found some.
    taken: [u32; 2],
    /// Events taken at all.
    total: u64,
    /// For each queue, how many of them came before it was made.
    before: KVVec<u64>,
    /// Entries of each queue, while who has too many is looked for.
    shares: KVVec<u16>,
}

/// A queue of events.
#[pin_data]
pub(crate) struct EventQueue {
    kind: Kind,
    depth: u32,
    #[pin]
    cursor: Mutex<Cursor>,
}

impl EventQueue {
    /// One of `depth_max` entries at most. The lock of abnormal events is taken before that of the
    /// others, which is of another class.
    pub(crate) fn new(
        dev: &Device<Bound>,
        kind: Kind,
        depth_max: u32,
    ) -> impl PinInit<Self, Error> + '_ {
        let class = match kind {
            Kind::Event => static_lock_class!(),
            Kind::Abnormal => static_lock_class!(),
        };
        let depth = kind.depth().min(depth_max);
        try_pin_init!(Self {
            kind,
            depth,
            cursor <- Mutex::new(Cursor {
                ring: CoherentPages::new(dev, *depth as usize * size_of::<Event>())?,
                old: CoherentPages::new(dev, *depth as usize * size_of::<Event>())?,
                head: 0,
                phase: true,
                taken: [0; 2],
                total: 0,
                before: KVVec::from_elem(0, QUEUES_MAX, GFP_KERNEL)?,
                shares: KVVec::from_elem(0, QUEUES_MAX, GFP_KERNEL)?,
            }, c"EventQueue::cursor", class),
        })
    }

    /// Tells the queue manager where the ring is. To be called before the interrupt is unmasked.
    pub(crate) fn configure(&self, bar: &Bar<'_>, mailbox: &Mailbox) -> Result {
        self.begin(&mut self.cursor.lock(), bar, mailbox)
    }

    /// Begins anew after events were lost. Calls `flooder` for each queue that is to blame, and
    /// then `f`, while no event is taken: it has to look after the queues whose events are lost.
    pub(crate) fn begin_anew(
        &self,
        bar: &Bar<'_>,
        mailbox: &Mailbox,
        flooder: impl FnMut(u32),
        f: impl FnOnce(),
    ) -> Result {
        let mut cursor = self.cursor.lock();
        cursor.find_flooders(self.depth, flooder)?;
        let begun = self.begin(&mut cursor, bar, mailbox);
        f();
        begun
    }

    fn begin(&self, cursor: &mut Cursor, bar: &Bar<'_>, mailbox: &Mailbox) -> Result {
        cursor.rewind(self.depth)?;
        let address = cursor.ring.dma_address();
        let mut context = Context::default();
        context[1] = address as u32;
        context[2] = (address >> 32) as u32;
        // The first pass has phase 1.
        context[6] = (self.depth - 1) | 1 << 16;
        mailbox.write(bar, self.kind.context_command(), 0, &context)?;
        // An interrupt of before, which may have got lost, must not hold up the next.
        self.acknowledge(cursor, bar);
        Ok(())
    }

    /// Calls `f` for each event that has come, and lets the device raise the interrupt again.
    /// Returns whether there was one.
    pub(crate) fn drain(&self, bar: &Bar<'_>, mut f: impl FnMut(Event)) -> bool {
        let mut taken = 0;
        let mut cursor = self.cursor.lock();
        // A device that lies must not keep us here for ever.
        while taken < self.depth {
            let Some(event) = cursor.next(self.depth) else {
                break;
            };
            f(event);
            taken += 1;
            if taken % TAKEN_MAX == 0 {
                self.acknowledge(&cursor, bar);
            }
        }
        self.acknowledge(&cursor, bar);
        if taken != 0 {
            cursor.taken = [cursor.taken[1], taken];
        }
        taken != 0
    }

    /// A queue is going to be made: what was taken before is not about this one, but about who had
    /// its number.
    pub(crate) fn forget(&self, queue: u16) {
        let mut cursor = self.cursor.lock();
        let total = cursor.total;
        if let Some(before) = cursor.before.get_mut(usize::from(queue)) {
            *before = total;
        }
    }

    /// Tells the device what was read: that is free again, and the next event interrupts.
    fn acknowledge(&self, cursor: &Cursor, bar: &Bar<'_>) {
        let rung = bar.try_write_reg(
            regs::EVENT_DOORBELL::zeroed()
                .with_command(self.kind.doorbell_command())
                .with_index(cursor.head as u16),
        );
        debug_assert!(rung.is_ok(), "the register lies in the BAR");
    }
}

impl Cursor {
    /// Begins anew, with what the device wrote before forgotten.
    fn rewind(&mut self, depth: u32) -> Result {
        core::mem::swap(&mut self.ring, &mut self.old);
        for entry in 0..depth as usize {
            self.ring
                .write(entry * size_of::<Event>(), UNWRITTEN.to_le())?;
        }
        self.head = 0;
        self.phase = true;
        Ok(())
    }

    /// Calls `f` for each queue that has more than its share of the events for which the room was
    /// not enough, if that can be: they were read just now, or are there.
    fn find_flooders(&mut self, depth: u32, mut f: impl FnMut(u32)) -> Result {
        let (head, phase, total) = (self.head, self.phase, self.total);
        let mut unread = 0;
        while unread < depth && self.next(depth).is_some() {
            unread += 1;
        }
        (self.head, self.phase, self.total) = (head, phase, total);
        if unread + self.taken[0] + self.taken[1] < depth - 1 {
            return Ok(());
        }
        self.count_shares(depth, unread)?;
        for (queue, &share) in (0..).zip(self.shares.iter()) {
            if share >= FLOOD {
                f(queue);
            }
        }
        Ok(())
    }

    /// Counts the entries of each queue in the ring, of which `unread` are to be read.
    fn count_shares(&mut self, depth: u32, unread: u32) -> Result {
        self.shares.fill(0);
        for ahead in 0..depth {
            let queue = self.entry((self.head + ahead) % depth)?.queue() as usize;
            // Behind those that are unread stand those of the pass before.
            let pass = if ahead < unread { depth } else { 0 };
            let came = self.total + u64::from(ahead + pass);
            let is_its = |before: &u64| came >= before + u64::from(depth);
            if self.before.get(queue).is_some_and(is_its) {
                self.shares[queue] += 1;
            }
        }
        Ok(())
    }

    fn entry(&self, index: u32) -> Result<Event> {
        let raw: u32 = self.ring.read(index as usize * size_of::<Event>())?;
        Ok(Event(u32::from_le(raw)))
    }

    /// Takes the next event, if there is one.
    fn next(&mut self, depth: u32) -> Option<Event> {
        let event = self.entry(self.head).ok()?;
        if event.phase() != self.phase {
            return None;
        }

        self.head += 1;
        self.total += 1;
        if self.head == depth {
            self.head = 0;
            self.phase = !self.phase;
        }
        Some(event)
    }
}
