// SPDX-License-Identifier: GPL-2.0

//! The test port: the device misbehaves when told to.
//!
//! Registers that no real engine has, at the end of BAR2. They are there only if
//! [`Config::faults`](crate::Config) says so. Every reset ends all that they started. Behind
//! them are those of [`crate::lies`].

use crate::bus::Bus;
use crate::bus::PciError;
use crate::device::Device;
use crate::queue::Hang;
use crate::stats::Stats;

/// First byte of the test port in BAR2.
pub const PORT: u64 = 0x3f_f000;
/// First byte behind it.
pub const PORT_END: u64 = PORT + 0x24;

/// Reads [`ID`]; any write ends all hangs and drops.
pub const RELEASE: u64 = PORT;
/// Queue that hangs until it is stopped.
pub const HANG: u64 = PORT + 0x4;
/// Queue that hangs, and can't be stopped.
pub const HANG_HARD: u64 = PORT + 0x8;
/// 1: the whole device hangs.
pub const HANG_DEVICE: u64 = PORT + 0xc;
/// How many of the next completions get lost.
pub const DROP_COMPLETIONS: u64 = PORT + 0x10;
/// How many of the next events get lost.
pub const DROP_EVENTS: u64 = PORT + 0x14;
/// Reports a PCI error: 0 correctable, 1 non-fatal, 2 fatal.
pub const PCI_ERROR: u64 = PORT + 0x18;
/// Pulls the device out, for as many milliseconds; 0: for good.
pub const REMOVE: u64 = PORT + 0x1c;
/// Scatter lists read so far, modulo 2^32.
pub const SCATTER_LISTS: u64 = PORT + 0x20;

/// Tells software that the port is there: "FLTS".
pub const ID: u32 = u32::from_le_bytes(*b"FLTS");
/// Instead of the number of a queue: all that work.
pub const ALL_QUEUES: u32 = 0xffff;

/// What only the host of the device can do.
enum Deed {
    Report(PciError),
    Unplug(u32),
}

/// What is wrong with the device, but for the queues that hang.
#[derive(Default)]
pub(crate) struct Faults {
    hangs: bool,
    removed: bool,
    completions: u32,
    events: u32,
    deeds: Vec<Deed>,
}

impl Faults {
    /// Whether nothing but registers works.
    pub(crate) fn device_hangs(&self) -> bool {
        self.hangs
    }

    /// Whether nothing works at all.
    pub(crate) fn is_removed(&self) -> bool {
        self.removed
    }

    /// Whether the completion that is due gets lost.
    pub(crate) fn drops_completion(&mut self, stats: &mut Stats) -> bool {
        take_one(&mut self.completions, &mut stats.completions_dropped)
    }

    /// Whether the event that is due gets lost.
    pub(crate) fn drops_event(&mut self, stats: &mut Stats) -> bool {
        take_one(&mut self.events, &mut stats.events_dropped)
    }
}

fn take_one(left: &mut u32, count: &mut u64) -> bool {
    let taken = *left != 0;
    *left -= u32::from(taken);
    *count += u64::from(taken);
    taken
}

impl Device {
    /// What the register at `offset` reads, if it is one of the test port's.
    pub(crate) fn read_test_port(&self, offset: u64) -> Option<u32> {
        self.is_test_port(offset).then_some(match offset {
            RELEASE => ID,
            DROP_COMPLETIONS => self.faults.completions,
            DROP_EVENTS => self.faults.events,
            SCATTER_LISTS => self.stats.scatter_lists as u32,
            _ => 0,
        })
    }

    /// Obeys a write to the register at `offset`. False if it is not one of the test port's.
    pub(crate) fn write_test_port(&mut self, offset: u64, value: u32) -> bool {
        if !self.is_test_port(offset) {
            return false;
        }
        match offset {
            RELEASE => self.release(),
            HANG => self.hang(value, Hang::UntilStopped),
            HANG_HARD => self.hang(value, Hang::UntilReset),
            HANG_DEVICE if value & 1 != 0 => {
                self.faults.hangs = true;
                self.stats.hangs += 1;
            }
            DROP_COMPLETIONS => self.faults.completions = value,
            DROP_EVENTS => self.faults.events = value,
            PCI_ERROR => self.faults.deeds.extend(pci_error(value).map(Deed::Report)),
            REMOVE => {
                self.faults.removed = true;
                self.faults.deeds.push(Deed::Unplug(value));
            }
            _ => {}
        }
        true
    }

    fn is_test_port(&self, offset: u64) -> bool {
        self.config.faults && (PORT..PORT_END).contains(&offset)
    }

    fn hang(&mut self, number: u32, hang: Hang) {
        for (at, queue) in (0..).zip(&mut self.queues) {
            if queue.sq.is_some() && [at, ALL_QUEUES].contains(&number) {
                queue.hang = Some(hang);
                self.stats.hangs += 1;
            }
        }
    }

    fn release(&mut self) {
        self.faults.hangs = false;
        self.faults.completions = 0;
        self.faults.events = 0;
        for queue in &mut self.queues {
            queue.hang = None;
        }
        self.wake_all();
    }

    /// Has done what only the host can do.
    pub(crate) fn perform_deeds(&mut self, bus: &mut dyn Bus) {
        for deed in self.faults.deeds.drain(..) {
            match deed {
                Deed::Report(error) => {
                    bus.report_error(error);
                    self.stats.pci_errors += 1;
                }
                Deed::Unplug(away_ms) => {
                    bus.unplug(away_ms);
                    self.stats.removals += 1;
                }
            }
        }
    }
}

fn pci_error(value: u32) -> Option<PciError> {
    [PciError::Correctable, PciError::NonFatal, PciError::Fatal]
        .get(usize::try_from(value).ok()?)
        .copied()
}
