// SPDX-License-Identifier: GPL-2.0

//! Errors of the hardware: who is told of them, and what they do to the device.

use crate::bus::Bus;
use crate::bus::PciError;
use crate::device::Device;
use crate::engine::Task;
use crate::job::Job;
use crate::queue::Queue;
use crate::readings::Reading;
use crate::regs;
use crate::regs::Abnormal;
use crate::sqe::Status;

/// Of the queue manager: a doorbell of neither kind.
pub const KIND_INVALID: u32 = 1 << 7;
/// Of the queue manager: a CQ doorbell of a queue that does not work, or is another page's.
pub const CQ_INVALID: u32 = 1 << 8;
/// Of the queue manager: the same for an SQ doorbell.
pub const SQ_INVALID: u32 = 1 << 9;
/// Of the queue manager: its FIFO has no room for completions.
pub const FIFO_OVERFLOW: u32 = 1 << 11;
/// Of the queue manager: a doorbell that makes no sense.
pub const DOORBELL_INVALID: u32 = 1 << 12;

/// Of the queue manager: a function-level reset does not end.
pub const RESET_TIMEOUT: u32 = 1 << 14;

/// Of the engine: the bus has refused to read.
pub const READ_REFUSED: u32 = 1 << 2;
/// Of the engine: the bus has refused to write.
pub const WRITE_REFUSED: u32 = 1 << 3;
/// Of the engine: it can't make sense of where the input is.
pub const INPUT_UNCLEAR: u32 = 1 << 4;
/// Of the engine: it can't make sense of where the output is to be.
pub const OUTPUT_UNCLEAR: u32 = 1 << 5;
/// Of the engine: an address that its PASID does not have (revision 0x30).
pub const PASID_REFUSED: u32 = 1 << 12;

/// Of the queue manager: its memory has more wrong bits than it can mend.
pub const MANAGER_ECC: u32 = 1 << 2;
/// Of the engine: the same.
pub const ENGINE_ECC: u32 = 1 << 1;

/// Arms the engine's way to memory, in [`regs::ZIP_CONTROL`].
const ARMED: u32 = 1 << 14;

/// What an error has done that only a reset mends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Damage {
    #[default]
    None,
    /// The way to memory is closed, and the mailbox is silent.
    Contained,
    /// The device goes on, and computes nonsense.
    Spreads,
    /// Nothing works any more until the platform resets it.
    Dead,
}

impl Damage {
    /// Whether there is neither DMA nor an answer of the mailbox.
    pub(crate) fn stops_all(self) -> bool {
        matches!(self, Self::Contained | Self::Dead)
    }
}

/// What a reset has left of a way to memory that an error had closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Gate {
    #[default]
    Open,
    /// Nothing passes until [`ARMED`] is taken away and set again.
    Closed,
    /// It was taken away.
    Disarmed,
}

/// What the bus of revision 0x21 has kept of an error of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reorder {
    #[default]
    Clean,
    /// It has met one.
    Wrong,
    /// The function was reset since: no MSI comes before that is cleared.
    Stuck,
}

/// Errors that have happened and that nobody was told of.
#[derive(Default)]
pub(crate) struct Alarms {
    interrupt: bool,
    reports: Vec<PciError>,
}

impl Device {
    /// Obeys a write to a register of `group`.
    pub(crate) fn write_abnormal(&mut self, group: Abnormal, offset: u64, value: u32) {
        if offset == group.set {
            return self.raise(group, value);
        }
        self.regs.set_abnormal(group, offset, value);
        self.alarms.interrupt |= self.regs.abnormal_status(group) != 0;
    }

    /// Errors happen.
    pub(crate) fn raise(&mut self, group: Abnormal, errors: u32) {
        let new = self.regs.raise(group, errors);
        self.alarms.interrupt |= new & self.regs.abnormal_status(group) != 0;
        let reports = [
            (group.non_fatal, PciError::NonFatal),
            (group.fatal, PciError::Fatal),
        ];
        for (register, report) in reports {
            if new & self.regs.get(register) != 0 {
                self.alarms.reports.push(report);
            }
        }
        let harmful = new & self.need_reset(group);
        if harmful != 0 && !self.damage.stops_all() {
            self.damage = self.damage_by(group, harmful);
        }
    }

    /// Errors that only a reset mends: mainline's masks, by revision.
    fn need_reset(&self, group: Abnormal) -> u32 {
        match (
            group.source == regs::QM_ABNORMAL.source,
            self.config.is_isolated(),
        ) {
            (true, true) => 0x6c77,
            (true, false) => 0xc57,
            (false, _) => 0x7fe,
        }
    }

    fn damage_by(&mut self, group: Abnormal, errors: u32) -> Damage {
        let isolated = self.config.is_isolated();
        let armed = self.regs.get(regs::ZIP_CONTROL) & ARMED != 0;
        let is_engine = group.source == regs::ZIP_ABNORMAL.source;
        let contained = match (isolated, is_engine) {
            (true, _) => self.regs.get(group.contained),
            (false, true) => ENGINE_ECC,
            (false, false) => MANAGER_ECC,
        };
        let chosen = contained & errors != 0;
        if chosen && !isolated && self.reorder == Reorder::Clean {
            self.reorder = Reorder::Wrong;
        }
        if chosen && (armed || isolated && !is_engine) {
            Damage::Contained
        } else if self.config.mild.has(Reading::UncontainedErrors) {
            Damage::None
        } else {
            Damage::Spreads
        }
    }

    /// What a reset of the function leaves of the way to memory.
    pub(crate) fn gate_after_reset(&self) -> Gate {
        let closed = self.damage == Damage::Contained || self.gate != Gate::Open;
        match closed && !self.config.mild.has(Reading::ContainmentAfterReset) {
            true => Gate::Closed,
            false => Gate::Open,
        }
    }

    /// What a reset of the function leaves of an error of memory on the way of MSIs.
    pub(crate) fn reorder_after_reset(&self) -> Reorder {
        let clean = self.config.mild.has(Reading::ContainmentAfterReset);
        match self.reorder {
            Reorder::Wrong | Reorder::Stuck if !clean => Reorder::Stuck,
            _ => Reorder::Clean,
        }
    }

    /// What [`regs::REORDER_SOURCE`] reads.
    pub(crate) fn reorder_source(&self) -> u32 {
        match self.reorder {
            Reorder::Clean => 0,
            Reorder::Wrong | Reorder::Stuck => regs::REORDER_ECC,
        }
    }

    /// [`regs::REORDER_SOURCE`] is written. While MSIs can be it is to no purpose.
    pub(crate) fn clear_reorder(&mut self, value: u32) {
        let open = self.regs.get(regs::PORTS) & regs::MSI_PORT != 0;
        if value & regs::REORDER_ECC != 0 && !open {
            self.reorder = Reorder::Clean;
        }
    }

    /// Whether MSIs come to where they are sent.
    pub(crate) fn may_interrupt(&self) -> bool {
        let open = self.regs.get(regs::PORTS) & regs::MSI_PORT != 0;
        self.config.is_isolated() || open && self.reorder != Reorder::Stuck
    }

    /// [`regs::ZIP_CONTROL`] was written.
    pub(crate) fn turn_gate(&mut self) {
        let armed = self.regs.get(regs::ZIP_CONTROL) & ARMED != 0;
        self.gate = match (self.gate, armed) {
            (Gate::Closed, false) => Gate::Disarmed,
            (Gate::Disarmed, true) => Gate::Open,
            _ => return,
        };
        self.wake_all();
    }

    /// Errors of the engine that a job has made which ends with `status`.
    pub(crate) fn errors_of(&self, job: &Job, status: Status) -> u32 {
        let mild = self.config.mild;
        match status {
            Status::BadList if mild.has(Reading::MalformedList) => 0,
            Status::BadList if job.knows_its_input() => OUTPUT_UNCLEAR,
            Status::BadList => INPUT_UNCLEAR,
            _ if !status.is_fault() || mild.has(Reading::RefusedAccess) => 0,
            _ if self.config.is_isolated() && !job.is_own() => PASID_REFUSED,
            _ if job.wanted_to_write() => WRITE_REFUSED,
            _ => READ_REFUSED,
        }
    }

    /// Whether a function-level reset that comes now never ends.
    pub(crate) fn dies_of_reset(&self) -> bool {
        if self.config.mild.has(Reading::ResetAmidWork) {
            return false;
        }
        let works = self.queues.iter().any(Queue::has_work);
        self.damage == Damage::Dead || works || !self.requests.is_empty()
    }

    /// A function-level reset has come that never ends.
    pub(crate) fn die(&mut self) {
        self.regs.raise(regs::QM_ABNORMAL, RESET_TIMEOUT);
        self.damage = Damage::Dead;
    }

    /// A doorbell was rung that should not have been.
    pub(crate) fn bad_doorbell(&mut self, error: u32) {
        self.stats.doorbells_dropped += 1;
        if !self.config.mild.has(Reading::BadDoorbells) {
            self.raise(regs::QM_ABNORMAL, error);
        }
    }

    /// What a device computes that goes on after an error.
    pub(crate) fn spoil(&mut self, task: &mut Task) {
        if self.damage != Damage::Spreads {
            return;
        }
        if let Some(outcome) = &mut task.outcome {
            for byte in &mut outcome.output {
                *byte ^= 1 << (self.nonsense.draw() % 8);
            }
        }
    }

    /// Tells of what has happened.
    pub(crate) fn raise_alarms(&mut self, bus: &mut dyn Bus) {
        let mut alarms = std::mem::take(&mut self.alarms);
        if alarms.interrupt && !self.may_interrupt() {
            (alarms.interrupt, self.alarms.interrupt) = (false, true);
        }
        if alarms.interrupt {
            bus.interrupt(self.capabilities.vectors.errors);
            self.stats.interrupts += 1;
            self.stats.abnormal_interrupts += 1;
        }
        for report in alarms.reports {
            bus.report_error(report);
            self.stats.pci_errors += 1;
        }
    }
}
