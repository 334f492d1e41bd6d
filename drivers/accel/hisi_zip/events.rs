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
    new_mutex,
    num::Bounded,
    prelude::*,
    sync::Mutex, //
};

/// Abnormal event: a completion queue is full.
pub(crate) const CQ_OVERFLOW: u32 = 0;

/// Which of the two.
#[derive(Copy, Clone, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Completions. More entries than queues, so that it can't overflow.
    Event,
    /// Trouble with queues.
    Abnormal,
}

impl Kind {
    const fn depth(self) -> u32 {
        match self {
            Kind::Event => 2048,
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

    /// What happened. Abnormal events only: 0 a completion queue overflowed, 1 the event queue did,
    /// 2 a completion could not be written.
    pub(crate) fn trouble(self) -> u32 {
        self.0 >> 17 & 0xf
    }
}

/// Where the driver is in the ring.
struct Cursor {
    ring: CoherentPages,
    head: u32,
    /// Flips with each pass.
    phase: bool,
}

/// A queue of events.
#[pin_data]
pub(crate) struct EventQueue {
    kind: Kind,
    #[pin]
    cursor: Mutex<Cursor>,
}

impl EventQueue {
    pub(crate) fn new(dev: &Device<Bound>, kind: Kind) -> impl PinInit<Self, Error> + '_ {
        try_pin_init!(Self {
            kind,
            cursor <- new_mutex!(Cursor {
                ring: CoherentPages::new(dev, kind.depth() as usize * size_of::<Event>())?,
                head: 0,
                phase: true,
            }),
        })
    }

    /// Tells the queue manager where the ring is.
    pub(crate) fn configure(&self, bar: &Bar<'_>, mailbox: &Mailbox) -> Result {
        let mut cursor = self.cursor.lock();
        cursor.rewind(self.kind.depth())?;
        let address = cursor.ring.dma_address();
        drop(cursor);
        let mut context = Context::default();
        context[1] = address as u32;
        context[2] = (address >> 32) as u32;
        // The first pass has phase 1.
        context[6] = (self.kind.depth() - 1) | 1 << 16;
        mailbox.write(bar, self.kind.context_command(), 0, &context)
    }

    /// Calls `f` for each event that has come, and lets the device raise the interrupt again.
    /// Returns whether there was one.
    pub(crate) fn drain(&self, bar: &Bar<'_>, mut f: impl FnMut(Event)) -> bool {
        let mut had_any = false;
        let mut cursor = self.cursor.lock();
        // A device that lies must not keep us here for ever.
        for _ in 0..self.kind.depth() {
            let Some(event) = cursor.next(self.kind.depth()) else {
                break;
            };
            f(event);
            had_any = true;
        }
        let rung = bar.try_write_reg(
            regs::EVENT_DOORBELL::zeroed()
                .with_command(self.kind.doorbell_command())
                .with_index(cursor.head as u16),
        );
        debug_assert!(rung.is_ok(), "the register lies in the BAR");
        had_any
    }
}

impl Cursor {
    /// Begins anew, with what the device wrote before a reset forgotten.
    fn rewind(&mut self, depth: u32) -> Result {
        for entry in 0..depth as usize {
            self.ring.write(entry * size_of::<Event>(), 0u32)?;
        }
        self.head = 0;
        self.phase = true;
        Ok(())
    }

    /// Takes the next event, if there is one.
    fn next(&mut self, depth: u32) -> Option<Event> {
        let raw: u32 = self
            .ring
            .read(self.head as usize * size_of::<Event>())
            .ok()?;
        let event = Event(u32::from_le(raw));
        if event.phase() != self.phase {
            return None;
        }

        self.head += 1;
        if self.head == depth {
            self.head = 0;
            self.phase = !self.phase;
        }
        Some(event)
    }
}
