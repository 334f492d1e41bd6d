// SPDX-License-Identifier: GPL-2.0

//! Errors of the hardware: which there are, and what they mean.

use crate::capabilities::Revision;
use kernel::fmt;

/// Errors, by the bits of the registers that tell of them. Written as their names.
#[derive(Copy, Clone, Eq, PartialEq)]
pub(crate) struct Errors {
    /// Those of the queue manager.
    pub(crate) manager: u32,
    /// Those of the engine.
    pub(crate) engine: u32,
}

impl Errors {
    pub(crate) const NONE: Self = Self::new(0, 0);
    pub(crate) const ALL: Self = Self::new(u32::MAX, u32::MAX);

    const fn new(manager: u32, engine: u32) -> Self {
        Self { manager, engine }
    }

    /// The number of an event of them.
    pub(crate) fn code(self) -> u64 {
        u64::from(self.engine) << 32 | u64::from(self.manager)
    }

    /// These and `others`.
    pub(crate) fn and(self, others: Self) -> Self {
        Self::new(self.manager | others.manager, self.engine | others.engine)
    }

    /// Those that are among `others`, too.
    pub(crate) fn among(self, others: Self) -> Self {
        Self::new(self.manager & others.manager, self.engine & others.engine)
    }

    /// These without `others`.
    pub(crate) fn without(self, others: Self) -> Self {
        Self::new(self.manager & !others.manager, self.engine & !others.engine)
    }

    /// Whether the registers read as they never do while the device works: not all bits of one are
    /// errors.
    pub(crate) fn is_nonsense(self) -> bool {
        self.manager == u32::MAX || self.engine == u32::MAX
    }
}

/// What the errors of a device are.
#[derive(Copy, Clone)]
pub(crate) struct ErrorMasks {
    /// The hardware mends them.
    pub(crate) corrected: Errors,
    /// The bus is told of them.
    pub(crate) non_fatal: Errors,
    /// Of these, what only a reset mends. Of the others nobody suffers but whose doing they are.
    pub(crate) reset: Errors,
    /// Upon these the hardware is to end its accesses to memory by itself.
    pub(crate) contained: Errors,
}

impl ErrorMasks {
    /// Those of a device that has said `masks` as [`regs::ERRORS`](crate::regs::ERRORS) has them.
    pub(crate) fn new(revision: Revision, masks: [u32; 6]) -> Self {
        let [non_fatal, reset, corrected, engine_non_fatal, engine_reset, engine_corrected] = masks;
        let reset = Errors::new(reset, engine_reset);
        Self {
            corrected: Errors::new(corrected, engine_corrected),
            non_fatal: Errors::new(non_fatal, engine_non_fatal),
            reset,
            contained: match revision {
                // Not chosen, but known.
                Revision::V2 => Errors::new(0x4, 0x2),
                Revision::V3 => reset,
            },
        }
    }

    /// What a device of `revision` has that does not say it.
    pub(crate) fn known(revision: Revision) -> [u32; 6] {
        match revision {
            Revision::V2 => [0x1c57, 0xc57, 0x8, 0x7fe, 0x7fe, 0x1],
            Revision::V3 => [0x7c77, 0x6c77, 0x8, 0x1ffe, 0x7fe, 0x1],
        }
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (half, errors, names) in [
            ("queue manager", self.manager, MANAGER),
            ("engine", self.engine, ENGINE),
        ] {
            for bit in (0..u32::BITS).filter(|bit| errors >> bit & 1 != 0) {
                match names.get(bit as usize) {
                    Some(name) => write!(f, "{separator}{half}: {name}")?,
                    None => write!(f, "{separator}{half}: unknown error {bit}")?,
                }
                separator = ", ";
            }
        }
        Ok(())
    }
}

/// Errors of the queue manager, by their bits.
const MANAGER: &[&str] = &[
    "a read failed on the bus",
    "a write failed on the bus",
    "memory of its own with two wrong bits",
    "memory of its own with one wrong bit, mended",
    "the engine takes no job",
    "the engine does not end a job",
    "the engine does not take back a job's result",
    "a doorbell for a queue that has none",
    "a doorbell for no completion queue",
    "a doorbell for no submission queue",
    "a doorbell that it has no time for",
    "more events or completions than there is room for",
    "a doorbell without sense",
    "the mailbox takes too long",
    "a reset of the function takes too long",
];

/// Errors of the engine, by their bits.
const ENGINE: &[&str] = &[
    "memory of its own with one wrong bit, mended",
    "memory of its own with two wrong bits",
    "a read failed on the bus",
    "a write failed on the bus",
    "the address of input without sense",
    "the address of output without sense",
    "an address without sense on the way in",
    "data without sense on the way in",
    "compression without sense",
    "encoding without sense",
    "nonsense on the way out",
    "poisoned data on the bus",
    "an access to the memory of a process failed",
];
