// SPDX-License-Identifier: GPL-2.0

//! The mailbox: 128 bits through which the driver gives commands.

const STATUS_SHIFT: u32 = 9;
const STATUS_MASK: u32 = 0xf << STATUS_SHIFT;
const BUSY: u32 = 1 << 13;
const READ: u32 = 1 << 14;

/// What the driver may command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// The context of an SQ.
    Sqc,
    /// The context of a CQ.
    Cqc,
    /// The context of the event queue.
    Eqc,
    /// The context of the queue of abnormal events.
    Aeqc,
    /// The address of the table of SQCs.
    SqcTable,
    /// The address of the table of CQCs.
    CqcTable,
    /// The queue range.
    QueueRange,
    /// The end of a queue.
    StopQueue,
    /// The end of all queues.
    Flush,
}

impl Command {
    fn parse(value: u32) -> Option<Self> {
        Some(match value {
            0 => Command::Sqc,
            1 => Command::Cqc,
            2 => Command::Eqc,
            3 => Command::Aeqc,
            4 => Command::SqcTable,
            5 => Command::CqcTable,
            6 => Command::QueueRange,
            8 => Command::StopQueue,
            9 => Command::Flush,
            _ => return None,
        })
    }
}

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Failure {
    /// No such command.
    Unknown = 1,
    /// The queue is outside of the function's range.
    Range = 2,
    /// The context could not be read or written.
    Memory = 3,
    /// The context has a value that the device can't work with.
    Value = 4,
}

/// A command with its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The command, if it is known.
    pub command: Option<Command>,
    /// Whether the device is to answer rather than to obey.
    pub read: bool,
    /// The queue.
    pub queue: u16,
    /// An I/O address.
    pub address: u64,
}

/// The mailbox.
#[derive(Default)]
pub struct Mailbox {
    words: [u32; 4],
    /// What the command under way waits for is gone: it never ends.
    stuck: bool,
}

impl Mailbox {
    /// 32-bit word `index`.
    pub fn read(&self, index: usize) -> u32 {
        self.words[index]
    }

    /// Writes words from `index` on. Returns whether that gave a command.
    pub fn write(&mut self, index: usize, values: &[u32]) -> bool {
        const TRIGGER: usize = 2;
        if self.is_busy() {
            return false;
        }
        self.words[index..][..values.len()].copy_from_slice(values);
        let triggered = (index..index + values.len()).contains(&TRIGGER);
        if triggered {
            self.words[0] |= BUSY;
            self.words[0] &= !STATUS_MASK;
        } else {
            // Software sets the bit in what it writes first; nothing is under way before the rest.
            self.words[0] &= !BUSY;
        }
        triggered
    }

    /// Whether a command is under way.
    pub fn is_busy(&self) -> bool {
        self.words[0] & BUSY != 0
    }

    /// All contexts are forgotten. A stop that is under way has nothing to wait for any more.
    pub fn forget(&mut self, frees: bool) {
        let stops = matches!(
            self.order().and_then(|order| order.command),
            Some(Command::StopQueue | Command::Flush)
        );
        match (stops || self.stuck) && !frees {
            true => self.stuck = true,
            false => *self = Self::default(),
        }
    }

    /// The command under way, unless it never ends.
    pub fn order(&self) -> Option<Order> {
        (self.is_busy() && !self.stuck).then(|| Order {
            command: Command::parse(self.words[0] & 0xff),
            read: self.words[0] & READ != 0,
            queue: (self.words[0] >> 16) as u16,
            address: u64::from(self.words[1]) | u64::from(self.words[2]) << 32,
        })
    }

    /// Ends the command under way; a value answers it.
    pub fn finish(&mut self, result: Result<Option<u64>, Failure>) {
        self.words[0] &= !(BUSY | STATUS_MASK);
        match result {
            Ok(None) => {}
            Ok(Some(value)) => {
                self.words[1] = value as u32;
                self.words[2] = (value >> 32) as u32;
            }
            Err(failure) => self.words[0] |= (failure as u32) << STATUS_SHIFT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_halves_as_on_arm64_or_x86() {
        let mut mailbox = Mailbox::default();
        assert!(!mailbox.write(0, &[BUSY | 5 << 16, 0x1000]));
        assert!(!mailbox.is_busy());
        assert!(mailbox.write(2, &[0x7, 0]));
        let order = Order {
            command: Some(Command::Sqc),
            read: false,
            queue: 5,
            address: 0x7_0000_1000,
        };
        assert_eq!(mailbox.order(), Some(order));
        assert!(!mailbox.write(2, &[1, 0]), "busy");
        mailbox.finish(Ok(None));
        assert_eq!(mailbox.read(0), 5 << 16);
    }

    #[test]
    fn what_forgetting_leaves() {
        for (command, frees, busy) in [(8, false, true), (9, false, true), (8, true, false)] {
            let mut mailbox = Mailbox::default();
            mailbox.write(0, &[command | BUSY, 0, 0, 0]);
            for _ in 0..2 {
                mailbox.forget(frees);
                assert_eq!((mailbox.is_busy(), mailbox.order()), (busy, None));
            }
        }
        let mut mailbox = Mailbox::default();
        mailbox.write(0, &[BUSY, 0, 0, 0]);
        mailbox.forget(false);
        assert!(!mailbox.is_busy(), "no stop");
    }

    #[test]
    fn failure_and_answer() {
        let mut mailbox = Mailbox::default();
        mailbox.write(0, &[0xff, 0, 0, 0]);
        assert_eq!(mailbox.order().unwrap().command, None);
        mailbox.finish(Err(Failure::Unknown));
        assert_eq!(mailbox.read(0), 0xff | 1 << 9);
        mailbox.write(0, &[6 | READ, 0, 0, 0]);
        mailbox.finish(Ok(Some(0x1_0000_0002)));
        assert_eq!(
            (mailbox.read(0), mailbox.read(1), mailbox.read(2)),
            (6 | READ, 2, 1)
        );
    }
}
