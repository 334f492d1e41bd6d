// SPDX-License-Identifier: GPL-2.0

//! The second half of the test port: the device lies.
//!
//! Registers behind those of [`crate::faults`], there on the same condition. A reset ends no lie:
//! what a driver is told while it starts a device may be one too. Only [`TRUTH`] does.

use crate::bus::Bus;
use crate::bus::DataAccess;
use crate::bus::PageRequest;
use crate::bus::PAGE_SIZE;
use crate::device::Device;
use crate::faults::PORT;
use crate::mailbox::Failure;
use crate::regs;
use crate::sqe;
use crate::sqe::Report;

/// Reads [`ID`]; any write makes the device tell the truth from now on.
pub const TRUTH: u64 = PORT + 0x40;
/// Offset of a register that is going to lie, or [`ALL_REGISTERS`].
pub const REGISTER: u64 = PORT + 0x44;
/// What that register reads from now on.
pub const VALUE: u64 = PORT + 0x48;
/// 1: the tails of CQs grow whenever they are read back.
pub const TAILS_RUN: u64 = PORT + 0x4c;
/// What becomes of commands: 0 what should, [`SILENT`], [`FAILS`], [`PRETENDS`].
pub const MAILBOX: u64 = PORT + 0x50;
/// An entry for the EQ: what [15:0] says, with the wrong phase if bit 31 is set.
pub const EVENT: u64 = PORT + 0x54;
/// The same for the AEQ: what [30:17] and [15:0] say.
pub const ABNORMAL_EVENT: u64 = PORT + 0x58;
/// A completion in CQ [30:16] that says that entry [15:0] is done, with the wrong phase if bit 31 is
/// set; and an event that tells of it.
pub const COMPLETION: u64 = PORT + 0x5c;
/// How often what is written next to the three above or to [`INTERRUPT`] is told; then 1 again.
pub const REPEAT: u64 = PORT + 0x60;
/// Interrupts by this vector, without cause.
pub const INTERRUPT: u64 = PORT + 0x64;
/// Address space of an access: a PASID, or [`NO_PASID`].
pub const DMA_PASID: u64 = PORT + 0x68;
/// Its address, low half.
pub const DMA_LOW: u64 = PORT + 0x6c;
/// Its address, high half.
pub const DMA_HIGH: u64 = PORT + 0x70;
/// 1 reads, 2 writes 8 bytes there, 3 asks for the page. Reads [`DMA_DONE`] or [`DMA_REFUSED`] when
/// that was tried, 0 before.
pub const DMA: u64 = PORT + 0x74;
/// How many of the next jobs say that they have produced 4 GiB.
pub const PRODUCED: u64 = PORT + 0x78;
/// 1: work goes on when the driver has forbidden all DMA, though 0x300150 reads 3.
pub const GOES_ON: u64 = PORT + 0x7c;
/// The device's PCI revision from now on; 0: what it is.
pub const REVISION: u64 = PORT + 0x80;
/// First byte behind the port.
pub const LIES_END: u64 = PORT + 0x84;

/// Tells software that the port is there: "LIES".
pub const ID: u32 = u32::from_le_bytes(*b"LIES");
/// Instead of an offset: whatever is in BAR2, but the test port.
pub const ALL_REGISTERS: u32 = u32::MAX;
/// Instead of a PASID: the function's own id.
pub const NO_PASID: u32 = u32::MAX;

/// Commands are never answered, and not carried out.
pub const SILENT: u32 = 1;
/// Commands are answered with an error, and not carried out.
pub const FAILS: u32 = 2;
/// Commands are answered as if they had been carried out.
pub const PRETENDS: u32 = 3;

/// The access was possible.
pub const DMA_DONE: u32 = 1;
/// It was not.
pub const DMA_REFUSED: u32 = 2;

/// Bit that asks for the wrong phase.
const WRONG_PHASE: u32 = 1 << 31;
/// What is written where it should not be.
const MARK: [u8; 8] = *b"intruder";

/// An access that no job asked for.
#[derive(Clone, Copy)]
struct Access {
    how: u32,
    pasid: u32,
    address: u64,
}

/// What is told or done once.
#[derive(Clone, Copy)]
enum Tale {
    Event(u32),
    Abnormal(u32),
    Completion(u32),
    Interrupt(u8),
    Access(Access),
    Revision(u8),
}

/// The lies of a device.
#[derive(Default)]
pub(crate) struct Lies {
    registers: Vec<(u32, u32)>,
    register: u32,
    /// Registers have lied, and the guest may still go by it.
    believed: bool,
    tails_run: bool,
    read_back: u16,
    mailbox: u32,
    repeat: u32,
    dma_pasid: u32,
    dma_address: u64,
    dma_result: u32,
    produced: u32,
    goes_on: bool,
    /// What is left to be told, and how often.
    tales: Vec<(Tale, u32)>,
}

impl Lies {
    /// What the register at `offset` reads, if it lies.
    pub(crate) fn register(&self, offset: u64) -> Option<u32> {
        let about = |of: u32| of == ALL_REGISTERS || u64::from(of) == offset;
        let last = self.registers.iter().rev().find(|(of, _)| about(*of));
        last.map(|(_, value)| *value)
    }

    /// Whether the guest may have been told of registers what is not so. A driver reads some of
    /// them once.
    pub(crate) fn may_be_believed(&self) -> bool {
        self.believed
    }

    /// By how many entries the tail of a CQ that is read back is too far.
    pub(crate) fn tail(&mut self) -> u16 {
        self.read_back = self.read_back.wrapping_add(u16::from(self.tails_run));
        self.read_back
    }

    /// Whether no command is carried out or answered.
    pub(crate) fn is_silent(&self) -> bool {
        self.mailbox == SILENT
    }

    /// How a command is answered that is not carried out.
    pub(crate) fn answer(&self) -> Option<Result<Option<u64>, Failure>> {
        match self.mailbox {
            FAILS => Some(Err(Failure::Value)),
            PRETENDS => Some(Ok(None)),
            _ => None,
        }
    }

    /// Whether commands are answered that were not carried out.
    pub(crate) fn pretends(&self) -> bool {
        self.mailbox == PRETENDS
    }

    /// Makes a report worse.
    pub(crate) fn distort(&mut self, report: &mut Report) {
        if self.produced != 0 {
            self.produced -= 1;
            report.produced = u32::MAX;
        }
    }

    /// Whether DMA that was forbidden goes on.
    pub(crate) fn goes_on(&self) -> bool {
        self.goes_on
    }

    fn tell(&mut self, tale: Tale) {
        self.tales.push((tale, self.repeat.max(1)));
        self.repeat = 0;
    }

    /// How much is left to be told.
    fn left(&self) -> u32 {
        let all = self.tales.iter();
        all.fold(0, |sum, (_, left)| sum.saturating_add(*left))
    }

    /// The next thing to be told.
    fn next(&mut self) -> Option<Tale> {
        let (tale, left) = self.tales.first_mut()?;
        let tale = *tale;
        *left -= 1;
        if *left == 0 {
            self.tales.remove(0);
        }
        Some(tale)
    }
}

impl Device {
    /// What the register at `offset` reads, if it is one of the port's.
    pub(crate) fn read_lies_port(&self, offset: u64) -> Option<u32> {
        self.is_lies_port(offset).then_some(match offset {
            TRUTH => ID,
            DMA => self.lies.dma_result,
            PRODUCED => self.lies.produced,
            INTERRUPT => self.lies.left(),
            _ => 0,
        })
    }

    /// Obeys a write to the register at `offset`. False if it is not one of the port's.
    pub(crate) fn write_lies_port(&mut self, offset: u64, value: u32) -> bool {
        if !self.is_lies_port(offset) {
            return false;
        }
        let lies = &mut self.lies;
        match offset {
            TRUTH => {
                *lies = Lies {
                    believed: lies.believed,
                    ..Lies::default()
                }
            }
            REGISTER => lies.register = value,
            VALUE => {
                lies.registers.push((lies.register, value));
                lies.believed = true;
            }
            TAILS_RUN => lies.tails_run = value & 1 != 0,
            MAILBOX => lies.mailbox = value,
            EVENT => lies.tell(Tale::Event(value)),
            ABNORMAL_EVENT => lies.tell(Tale::Abnormal(value)),
            COMPLETION => lies.tell(Tale::Completion(value)),
            REPEAT => lies.repeat = value,
            INTERRUPT => lies.tell(Tale::Interrupt(value as u8)),
            DMA_PASID => lies.dma_pasid = value,
            DMA_LOW => lies.dma_address = u64::from(value),
            DMA_HIGH => lies.dma_address |= u64::from(value) << 32,
            DMA => {
                lies.dma_result = 0;
                lies.tell(Tale::Access(Access {
                    how: value,
                    pasid: lies.dma_pasid,
                    address: lies.dma_address,
                }));
            }
            PRODUCED => lies.produced = value,
            GOES_ON => lies.goes_on = value & 1 != 0,
            REVISION => lies.tell(Tale::Revision(value as u8)),
            _ => {}
        }
        true
    }

    fn is_lies_port(&self, offset: u64) -> bool {
        self.config.faults && (TRUTH..LIES_END).contains(&offset)
    }

    /// Tells the next lie. Returns whether there are more: one at a time, so that the guest can do
    /// something in between.
    pub(crate) fn tell_lie(&mut self, bus: &mut dyn Bus) -> bool {
        let Some(tale) = self.lies.next() else {
            return false;
        };
        self.stats.lies += 1;
        match tale {
            Tale::Event(entry) => self.eq.force(bus, entry & 0xffff, entry & WRONG_PHASE == 0),
            Tale::Abnormal(entry) => {
                self.aeq
                    .force(bus, entry & 0x7ffe_ffff, entry & WRONG_PHASE == 0);
            }
            Tale::Completion(value) => self.force_completion(bus, value),
            Tale::Interrupt(vector) => bus.interrupt(vector),
            Tale::Access(access) => self.lies.dma_result = intrude(bus, access),
            Tale::Revision(0) => bus.set_revision(self.config.revision),
            Tale::Revision(revision) => bus.set_revision(revision),
        }
        !self.lies.tales.is_empty()
    }

    fn force_completion(&mut self, bus: &mut dyn Bus, value: u32) {
        let (number, index) = ((value >> 16 & 0x7fff) as u16, value as u16);
        let Some(cq) = self
            .queues
            .get_mut(usize::from(number))
            .and_then(|queue| queue.cq.as_mut())
        else {
            return;
        };
        let phase = cq.ring.phase() == (value & WRONG_PHASE == 0);
        // If the IOMMU refuses it, so much the better.
        let _ = cq.ring.push(bus, &sqe::cqe(index, number, phase, 0));
        self.eq.force(bus, u32::from(number), true);
    }
}

/// Tries an access, and says whether it was possible.
fn intrude(bus: &mut dyn Bus, access: Access) -> u32 {
    /// Group of the page request, which no request of a job has for long.
    const GROUP: u16 = 511;
    let Access {
        how,
        pasid,
        address,
    } = access;
    let mut data = MARK;
    let done = match (how, pasid) {
        (1, NO_PASID) => bus.read(address, &mut data).is_ok(),
        (2, NO_PASID) => bus.write(address, &data).is_ok(),
        (1, _) => bus.read_data(pasid, address, &mut data) == DataAccess::Done,
        (2, _) => bus.write_data(pasid, address, &data) == DataAccess::Done,
        _ => {
            let page = address & !(PAGE_SIZE - 1);
            bus.request_page(pasid, page, true, GROUP) == PageRequest::Sent
        }
    };
    if done {
        DMA_DONE
    } else {
        DMA_REFUSED
    }
}

/// Whether the register at `offset` is of the test port, which never lies.
pub(crate) fn is_honest(offset: u64) -> bool {
    (PORT..regs::BAR2_SIZE).contains(&offset)
}
