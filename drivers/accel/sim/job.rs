// SPDX-License-Identifier: GPL-2.0

//! Jobs: what they ask for, and how they are done.

use crate::memory::{
    Access,
    Fault,
    Miss,
    Missing, //
};
use kernel::{
    accel::{
        BufferAccess,
        Buffers, //
    },
    page::PAGE_SIZE,
    prelude::*,
    uapi, //
};
use zerocopy_derive::Immutable;

/// A job, `struct accel_sim_job`. Whoever wrote it may have written anything.
#[repr(C)]
#[derive(Copy, Clone, FromBytes, IntoBytes, Immutable)]
pub(crate) struct Job {
    opcode: u32,
    flags: u32,
    tag: u64,
    source: u64,
    dest: u64,
    length: u64,
    value: u64,
    reserved: [u64; 2],
}

const _: () = assert!(size_of::<Job>() == size_of::<uapi::accel_sim_job>());
const _: () = assert!(size_of::<Job>() == uapi::ACCEL_SIM_JOB_SIZE as usize);

/// The end of a job, `struct accel_sim_completion`.
#[repr(C)]
#[derive(Copy, Clone, Default, FromBytes, IntoBytes, Immutable)]
pub(crate) struct Completion {
    tag: u64,
    status: u32,
    result: u32,
    address: u64,
    bytes: u64,
}

const _: () = assert!(size_of::<Completion>() == size_of::<uapi::accel_sim_completion>());
const _: () = assert!(size_of::<Completion>() == uapi::ACCEL_SIM_COMPLETION_SIZE as usize);

/// What is to be done for a job.
pub(crate) enum Plan {
    /// Nothing: this is its end.
    End(Completion),
    /// [`Job::compute`].
    Compute,
    /// Waiting for so many milliseconds.
    Sleep(u32),
    /// Waiting for ever.
    Hang,
}

/// How far a job has come.
#[derive(Copy, Clone)]
pub(crate) struct Course {
    done: u64,
    crc: Crc32,
}

impl Course {
    /// It has not begun.
    pub(crate) const START: Self = Self {
        done: 0,
        crc: Crc32::START,
    };
}

/// What [`Job::compute`] came to.
pub(crate) enum Outcome {
    End(Completion),
    /// It was stopped in the middle.
    Stopped,
    /// It goes on from where it is when the page is there.
    Missing(Missing),
}

impl Completion {
    fn is(&self, status: uapi::accel_sim_status) -> bool {
        self.status == status
    }

    /// What user space is told that knows of errno only.
    pub(crate) fn result(&self) -> Result {
        match self.status {
            uapi::accel_sim_status_ACCEL_SIM_STATUS_OK => Ok(()),
            uapi::accel_sim_status_ACCEL_SIM_STATUS_FAULT => Err(EFAULT),
            uapi::accel_sim_status_ACCEL_SIM_STATUS_FAILED => Err(EIO),
            _ => Err(EINVAL),
        }
    }

    /// The access that was refused, if that was the end of the job.
    pub(crate) fn fault(&self) -> Option<Fault> {
        let refused = self.is(uapi::accel_sim_status_ACCEL_SIM_STATUS_FAULT);
        refused.then_some(Fault {
            address: self.address,
        })
    }
}

impl Job {
    /// Whether its end is an event.
    pub(crate) fn wants_event(&self) -> bool {
        self.flags & uapi::ACCEL_SIM_IRQ != 0
    }

    /// Bytes that it has read and written when `completion` is its end.
    pub(crate) fn traffic(&self, completion: &Completion) -> u64 {
        match self.opcode {
            uapi::accel_sim_opcode_ACCEL_SIM_COPY => 2 * completion.bytes,
            _ => completion.bytes,
        }
    }

    /// Checks the job.
    pub(crate) fn plan(&self) -> Plan {
        if self.reserved != [0; 2] || self.flags & !uapi::ACCEL_SIM_IRQ != 0 {
            return self.refuse(uapi::accel_sim_status_ACCEL_SIM_STATUS_BAD_FIELD);
        }
        match self.opcode {
            uapi::accel_sim_opcode_ACCEL_SIM_NOP => Plan::End(self.done()),
            uapi::accel_sim_opcode_ACCEL_SIM_COPY
            | uapi::accel_sim_opcode_ACCEL_SIM_FILL
            | uapi::accel_sim_opcode_ACCEL_SIM_CHECKSUM => self.plan_computation(),
            uapi::accel_sim_opcode_ACCEL_SIM_SLEEP => self.plan_sleep(),
            uapi::accel_sim_opcode_ACCEL_SIM_HANG => Plan::Hang,
            uapi::accel_sim_opcode_ACCEL_SIM_FAIL => Plan::End(Completion {
                // The low half is what the caller asks for.
                result: self.value as u32,
                ..self.end(uapi::accel_sim_status_ACCEL_SIM_STATUS_FAILED)
            }),
            _ => self.refuse(uapi::accel_sim_status_ACCEL_SIM_STATUS_BAD_OPCODE),
        }
    }

    /// Checks a job whose addresses lead into `buffers`.
    pub(crate) fn check(&self, buffers: &Buffers) -> Result {
        match self.plan() {
            Plan::End(completion) if completion.result() == Err(EINVAL) => Err(EINVAL),
            Plan::Compute => self.check_addresses(buffers),
            _ => Ok(()),
        }
    }

    fn check_addresses(&self, buffers: &Buffers) -> Result {
        if self.opcode != uapi::accel_sim_opcode_ACCEL_SIM_FILL {
            buffers.check(self.source, self.length, BufferAccess::Read)?;
        }
        if self.opcode != uapi::accel_sim_opcode_ACCEL_SIM_CHECKSUM {
            buffers.check(self.dest, self.length, BufferAccess::Write)?;
        }
        Ok(())
    }

    fn plan_computation(&self) -> Plan {
        match self.length {
            1..=LENGTH_MAX => Plan::Compute,
            _ => self.refuse(uapi::accel_sim_status_ACCEL_SIM_STATUS_BAD_SIZE),
        }
    }

    fn plan_sleep(&self) -> Plan {
        match u32::try_from(self.value) {
            Ok(ms) if ms <= uapi::ACCEL_SIM_SLEEP_MAX => Plan::Sleep(ms),
            _ => self.refuse(uapi::accel_sim_status_ACCEL_SIM_STATUS_BAD_SIZE),
        }
    }

    fn refuse(&self, status: uapi::accel_sim_status) -> Plan {
        Plan::End(self.end(status))
    }

    fn end(&self, status: uapi::accel_sim_status) -> Completion {
        Completion {
            tag: self.tag,
            status,
            ..Completion::default()
        }
    }

    /// The end of a job that all is well with.
    pub(crate) fn done(&self) -> Completion {
        self.end(uapi::accel_sim_status_ACCEL_SIM_STATUS_OK)
    }

    /// The end of a job that was refused its first access.
    pub(crate) fn faulted(&self) -> Completion {
        let address = match self.opcode {
            uapi::accel_sim_opcode_ACCEL_SIM_FILL => self.dest,
            _ => self.source,
        };
        Completion {
            address,
            ..self.end(uapi::accel_sim_status_ACCEL_SIM_STATUS_FAULT)
        }
    }

    /// Bytes that are left.
    pub(crate) fn rest(&self, course: &Course) -> u64 {
        self.length - course.done
    }

    /// The end of a job that came so far and was refused the next access.
    pub(crate) fn refused(&self, course: &Course, address: u64) -> Completion {
        Completion {
            address,
            bytes: course.done,
            ..self.end(uapi::accel_sim_status_ACCEL_SIM_STATUS_FAULT)
        }
    }

    /// Does the job piece by piece, from where it is; `bounce` has room for a page. Looks before
    /// each whether `stopped` says that it is to end.
    pub(crate) fn compute(
        &self,
        memory: Access<'_>,
        course: &mut Course,
        bounce: &mut [u8],
        stopped: impl Fn() -> bool,
    ) -> Outcome {
        while course.done < self.length {
            if stopped() {
                return Outcome::Stopped;
            }
            let piece = &mut bounce[..self.piece(course.done)];
            match self.compute_piece(memory, piece, course) {
                Ok(()) => course.done += piece.len() as u64,
                Err(Miss::Fault(fault)) => {
                    return Outcome::End(self.refused(course, fault.address));
                }
                Err(Miss::Missing(page)) => return Outcome::Missing(page),
            }
        }
        Outcome::End(Completion {
            result: self.result(&course.crc),
            bytes: course.done,
            ..self.done()
        })
    }

    /// Bytes from `done` on that lie in one page, at either address: so a fault is one of the first
    /// of them.
    fn piece(&self, done: u64) -> usize {
        let to_page_end = |address: u64| PAGE - address.wrapping_add(done) % PAGE;
        let piece = match self.opcode {
            uapi::accel_sim_opcode_ACCEL_SIM_COPY => {
                to_page_end(self.source).min(to_page_end(self.dest))
            }
            uapi::accel_sim_opcode_ACCEL_SIM_FILL => to_page_end(self.dest),
            _ => to_page_end(self.source),
        };
        piece.min(self.length - done) as usize
    }

    fn compute_piece(
        &self,
        memory: Access<'_>,
        piece: &mut [u8],
        course: &mut Course,
    ) -> Result<(), Miss> {
        let Course { done, crc } = course;
        let done = *done;
        // An address that wraps around comes by the kernel's first, and faults there.
        let (source, dest) = (self.source.wrapping_add(done), self.dest.wrapping_add(done));
        match self.opcode {
            uapi::accel_sim_opcode_ACCEL_SIM_COPY => {
                memory.read(source, piece)?;
                memory.write(dest, piece)
            }
            uapi::accel_sim_opcode_ACCEL_SIM_FILL => {
                self.fill(piece, done);
                memory.write(dest, piece)
            }
            _ => {
                memory.read(source, piece)?;
                crc.add(piece);
                Ok(())
            }
        }
    }

    fn fill(&self, piece: &mut [u8], done: u64) {
        let mut pattern = self.value.to_ne_bytes();
        pattern.rotate_left((done % PATTERN) as usize);
        for (byte, value) in piece.iter_mut().zip(pattern.iter().cycle()) {
            *byte = *value;
        }
    }

    fn result(&self, crc: &Crc32) -> u32 {
        match self.opcode {
            uapi::accel_sim_opcode_ACCEL_SIM_CHECKSUM => crc.value(),
            _ => 0,
        }
    }
}

/// Bytes of the pattern that memory is filled with.
const PATTERN: u64 = size_of::<u64>() as u64;
const PAGE: u64 = PAGE_SIZE as u64;
const LENGTH_MAX: u64 = uapi::ACCEL_SIM_LENGTH_MAX as u64;

/// The CRC-32 of zlib, gzip and Ethernet.
#[derive(Copy, Clone)]
struct Crc32(u32);

impl Crc32 {
    /// What a byte does to a register of zeroes: the polynomial, lowest bit first.
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < table.len() {
            let mut crc = byte as u32;
            let mut bit = 0;
            while bit < 8 {
                crc = (crc >> 1) ^ ((crc & 1) * 0xedb8_8320);
                bit += 1;
            }
            table[byte] = crc;
            byte += 1;
        }
        table
    };

    const START: Self = Self(!0);

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let [low, ..] = self.0.to_le_bytes();
            self.0 = (self.0 >> 8) ^ Self::TABLE[usize::from(low ^ byte)];
        }
    }

    fn value(&self) -> u32 {
        !self.0
    }
}
