// SPDX-License-Identifier: GPL-2.0

//! What the evidence about the silicon leaves open, and how the device reads it.
//!
//! Where only hardware can decide, the device does what harms most those who have guessed wrong. Each
//! of these readings has a milder one, which the property `mild` of the device chooses by its name.

/// Something that the evidence leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Bits 15:1 of word 7 of a completion: anything, or 0.
    CompletionBits,
    /// Bits of word 3 that say nothing of how a request ended: left as they are, or made 0.
    Word3,
    /// Word 31 of a request that is a whole stream: 0, or what it has in streams.
    StatelessChecksum,
    /// Room of 17 to 199 bytes for a whole stream: the request is ignored, or done.
    SmallRooms,
    /// Room of 17 to 199 bytes in a stream: the request is ignored, or an error.
    SmallStreamRooms,
    /// Room below 9/8 of the input, to compress in a stream: the request is ignored, or an error.
    TightRooms,
    /// The last request of a stream that compresses, without input: ignored, or an error.
    EmptyFinish,
    /// The status of a stream's end: other blocks end so, too, or nothing else.
    EarlyEnd,
    /// The last block of raw deflate, if it is fixed and empty: may be left in the context, for a
    /// request without input; or is read with what is before it.
    LastBlock,
    /// Counters of entries: those of a queue while it is selected, from when it was, until they are
    /// read; or of all queues, always.
    Counters,
    /// The EQ after an overflow: says nothing until its context is written anew, or goes on when
    /// there is room.
    EqOverflow,
    /// An interrupt that the driver has not acknowledged: no other comes, whatever is written to the
    /// contexts of the event queues; or that is forgotten with them.
    InterruptSource,
    /// The switch of the shaper: a reset of the function leaves it as it is, or switches it off.
    Shaper,
    /// Contexts in the tables: a doorbell makes the device look there for a queue that does not
    /// work; or they mean nothing to it.
    StaleContexts,
    /// Most entries of an SQ or a CQ: 1024, as its capability says, or what its context has bits
    /// for.
    QueueDepth,
    /// What the bits of the engine's registers are that nobody has named: to be left as they are,
    /// or nothing.
    EngineBits,
    /// Whether a chain has 256 lists at most, and an entry of a list 1 byte to 8 MiB.
    ListLimits,
    /// Whether to stop a queue is to do all that was submitted, or no more than was begun.
    StopDrains,
    /// Whether the window of an entry limits how far back repetitions are looked for.
    Windows,
    /// A doorbell that should not have been rung: an error of the hardware, or ignored.
    BadDoorbells,
    /// After an error that is not contained: wrong results, or right ones.
    UncontainedErrors,
    /// What opens the way to memory that the driver has shut: only the driver, and the platform, or
    /// each reset.
    BusAfterReset,
    /// A way to memory that an error has closed: stays so after a function-level reset, until it is
    /// opened; or the reset opens it.
    ContainmentAfterReset,
    /// The mailbox while a queue is being stopped, when all contexts are forgotten: busy until a
    /// reset, or free.
    MailboxAfterForgetting,
    /// A function-level reset amid work: the end of the device, or of the work.
    ResetAmidWork,
    /// An access of a job's data that is refused: an error of the device, too, or of the job alone.
    RefusedAccess,
    /// A malformed scatter list: an error of the device, too, or of the job alone.
    MalformedList,
}

/// All of them, as `mild` names what is chosen with it.
pub const NAMES: &[(&str, Reading)] = &[
    ("clean-completions", Reading::CompletionBits),
    ("word-3-whole", Reading::Word3),
    ("stateless-checksum", Reading::StatelessChecksum),
    ("small-rooms", Reading::SmallRooms),
    ("small-stream-rooms-fail", Reading::SmallStreamRooms),
    ("tight-rooms-fail", Reading::TightRooms),
    ("empty-finish-fails", Reading::EmptyFinish),
    ("end-is-the-end", Reading::EarlyEnd),
    ("last-block-at-once", Reading::LastBlock),
    ("counts-unselected", Reading::Counters),
    ("eq-recovers", Reading::EqOverflow),
    ("contexts-clear-interrupts", Reading::InterruptSource),
    ("reset-ends-shaping", Reading::Shaper),
    ("stopped-queues-stay", Reading::StaleContexts),
    ("deep-queues", Reading::QueueDepth),
    ("endless-lists", Reading::ListLimits),
    ("loose-registers", Reading::EngineBits),
    ("stop-abandons", Reading::StopDrains),
    ("whole-window", Reading::Windows),
    ("quiet-doorbells", Reading::BadDoorbells),
    ("uncontained-harmless", Reading::UncontainedErrors),
    ("reset-opens-bus", Reading::BusAfterReset),
    ("reset-ends-containment", Reading::ContainmentAfterReset),
    ("forgetting-frees-mailbox", Reading::MailboxAfterForgetting),
    ("reset-ends-work", Reading::ResetAmidWork),
    ("faults-of-job", Reading::RefusedAccess),
    ("lists-of-job", Reading::MalformedList),
];

/// The readings that are the mild ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mild(u64);

impl Mild {
    /// No reading but the harmful ones.
    pub const NONE: Self = Self(0);
    /// Each reading is the mild one.
    pub const ALL: Self = Self(u64::MAX);

    /// Those that `list` names, separated by `+`, or `all`. Fails with the name that is none.
    pub fn parse(list: &str) -> Result<Self, &str> {
        if list == "all" {
            return Ok(Self::ALL);
        }
        let names = list.split('+').filter(|name| !name.is_empty());
        names.into_iter().try_fold(Self::NONE, |mild, name| {
            let known = NAMES.iter().find(|(other, _)| *other == name);
            known.map(|(_, reading)| mild.with(*reading)).ok_or(name)
        })
    }

    /// The same, and `reading` is mild.
    pub const fn with(self, reading: Reading) -> Self {
        Self(self.0 | 1 << reading as u32)
    }

    /// Whether `reading` is the mild one.
    pub const fn has(self, reading: Reading) -> bool {
        self.0 & 1 << reading as u32 != 0
    }
}

/// Numbers that nobody can depend on: others for each seed, the same for the same.
#[derive(Clone, Debug)]
pub struct Nonsense(u64);

impl Nonsense {
    /// Those of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next one. Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_choose_the_mild_reading() {
        assert_eq!(Mild::parse(""), Ok(Mild::NONE));
        for (name, reading) in NAMES {
            let mild = Mild::parse(name).unwrap();
            assert!(mild.has(*reading) && !Mild::NONE.has(*reading), "{name}");
        }
        assert_eq!(Mild::parse("all"), Ok(Mild::ALL));
        assert_eq!(Mild::parse("clean-completions+cleen"), Err("cleen"));
    }

    #[test]
    fn nonsense_is_the_seed_s_own() {
        let of = |seed| {
            let mut nonsense = Nonsense::new(seed);
            [nonsense.draw(), nonsense.draw(), nonsense.draw()]
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
