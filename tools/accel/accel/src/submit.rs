// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Jobs that the kernel hands over, in [`AddressMode::Kernel`](crate::AddressMode::Kernel).

use std::marker::PhantomData;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Errno;

use crate::barrier;
use crate::buffer::BufferAccess;
use crate::fence::{Fence, errno};
use crate::region::Region;
use crate::uapi::{self, Plain};

/// A buffer that jobs use.
#[derive(Clone, Copy, Debug)]
pub struct JobBuffer<'a> {
    /// Its descriptor.
    pub fd: BorrowedFd<'a>,
    /// What the jobs do with it.
    pub access: BufferAccess,
}

/// Jobs to be handed over together.
///
/// For addresses, the jobs have [`uapi::buffer_address`] of a place in `buffers` and an offset.
#[derive(Clone, Copy, Debug)]
pub struct Submission<'a> {
    /// The jobs, in the driver's own struct, one behind the other.
    pub jobs: &'a [u8],
    /// Bytes of one job.
    pub job_size: usize,
    /// All buffers that the jobs use, at most [`uapi::SUBMIT_BUFFERS_MAX`].
    pub buffers: &'a [JobBuffer<'a>],
    /// What the jobs wait for, at most [`uapi::SUBMIT_FENCES_MAX`].
    pub in_fences: &'a [BorrowedFd<'a>],
    /// Whether a fence of their end is wanted.
    pub out_fence: bool,
}

impl<'a> Submission<'a> {
    /// `jobs` in the driver's own struct, that use `buffers` and wait for nothing else.
    pub fn new<T: Plain>(jobs: &'a [T], buffers: &'a [JobBuffer<'a>]) -> Self {
        Self {
            jobs: uapi::bytes_of(jobs),
            job_size: size_of::<T>(),
            buffers,
            in_fences: &[],
            out_fence: false,
        }
    }

    /// How many jobs there are; an error if these are no whole jobs.
    pub fn count(&self) -> Result<u32, Errno> {
        if self.job_size == 0 || self.jobs.len() % self.job_size != 0 {
            return Err(Errno::INVAL);
        }
        u32::try_from(self.jobs.len() / self.job_size).map_err(|_| Errno::INVAL)
    }
}

/// Where jobs are handed over: the kernel, or a model of it.
pub trait SubmitPort: Send {
    /// Hands the jobs over; returns the sync file of their end, if that was asked for.
    ///
    /// Errors are those of `ACCEL_QUEUE_SUBMIT`.
    fn submit(&mut self, submission: &Submission<'_>) -> Result<Option<OwnedFd>, Errno>;
}

/// Jobs that were handed over.
#[derive(Debug)]
pub struct Submitted {
    /// Number of the first; the numbers of a queue count from 0.
    pub first: u64,
    /// How many there are.
    pub count: u32,
    /// Their end, if that was asked for.
    pub fence: Option<Fence>,
}

/// What became of a job.
#[derive(Clone, Copy, Debug)]
pub struct Ended<T> {
    /// The error with which it ended; `None`: it ended well.
    pub error: Option<Errno>,
    /// The driver's own record, which begins with [`uapi::JobRecord`].
    pub record: T,
}

/// What became of the last jobs of a queue, in records of the driver's type `T`.
///
/// Looking is no system call.
#[derive(Debug)]
pub struct Records<T> {
    region: Region,
    /// Bytes from one record to the next. Another kernel than the one whose headers this program
    /// knows may tell more, or less.
    stride: usize,
    depth: u64,
    record: PhantomData<fn() -> T>,
}

impl<T: Plain> Records<T> {
    const HEAD: () = assert!(
        size_of::<T>() >= size_of::<uapi::JobRecord>() && size_of::<T>() % 16 == 0,
        "a record begins with a `JobRecord`, and has a multiple of 16 bytes"
    );

    /// The records of a queue with `depth` entries in `region`, `stride` bytes apart; nothing if it
    /// is too small for them.
    pub fn new(region: Region, stride: usize, depth: u32) -> Option<Self> {
        const { Self::HEAD };
        let bytes = usize::try_from(depth).ok()?.checked_mul(stride)?;
        let has_head = stride >= size_of::<uapi::JobRecord>() && stride % 16 == 0;
        (depth > 0 && has_head && region.len() >= bytes).then_some(Self {
            region,
            stride,
            depth: depth.into(),
            record: PhantomData,
        })
    }

    /// Offset of the record of job `number`.
    fn place(&self, number: u64) -> usize {
        // Less than the depth, and so inside the region.
        (number % self.depth) as usize * self.stride
    }

    /// Entries of the queue.
    pub(crate) fn depth(&self) -> u64 {
        self.depth
    }

    /// Whether job `number` has ended and its record is there.
    pub fn has(&self, number: u64) -> bool {
        number.checked_add(1) == Some(self.region.read(self.place(number)))
    }

    /// What became of job `number`; nothing while it has not ended. What the kernel does not tell
    /// of it is zero.
    ///
    /// The place of its record belongs to the job `depth` later as soon as that is handed over:
    /// read it before.
    pub fn get(&self, number: u64) -> Option<Ended<T>> {
        if !self.has(number) {
            return None;
        }
        barrier::after_device_word();
        let place = self.place(number);
        let mut record = T::default();
        let bytes = uapi::bytes_of_mut(std::slice::from_mut(&mut record));
        let told = bytes.len().min(self.stride);
        self.region.read_bytes(place, &mut bytes[..told]);
        let head: uapi::JobRecord = uapi::read(bytes);
        Some(Ended {
            error: (head.error != 0).then(|| errno(head.error)),
            record,
        })
    }

    /// Whether a touch has found the region revoked: what was read before is not to be believed.
    pub fn is_revoked(&self) -> bool {
        self.region.is_revoked()
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;
    use std::os::fd::AsFd;

    use super::*;
    use crate::region::Access;

    fn region(len: usize) -> Region {
        let file = tempfile::tempfile().unwrap();
        file.set_len(len as u64).unwrap();
        Region::map(file.as_fd(), 0, len, Access::ReadWrite).unwrap()
    }

    #[test]
    fn a_record_is_there_when_its_number_is() {
        // As this program knows records, as a later kernel may tell them, and an earlier one.
        for second in [size_of::<uapi::HisiZipRecord>(), 160, 32] {
            a_record_is_found_at(second);
        }
    }

    fn a_record_is_found_at(second: usize) {
        let region = region(4096);
        let sqe = offset_of!(uapi::HisiZipRecord, sqe);
        region.write(second + sqe, 77u32);
        region.write(second + offset_of!(uapi::JobRecord, error), 5u32);
        region.write(second + 40, 99u32);
        region.write(second, 6u64);
        let records = Records::<uapi::HisiZipRecord>::new(region, second, 4).unwrap();
        let ended = records.get(5).unwrap();
        assert_eq!(ended.error, Some(Errno::IO));
        assert_eq!(ended.record.sqe.consumed, 77);
        let told = if second == 32 { 0 } else { 99 };
        assert_eq!(ended.record.sqe.lba_h, told);
        for other in [0, 1, 4, 6, 9, u64::MAX] {
            assert!(!records.has(other), "{other}");
            assert!(records.get(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_region_has_room_for_all_records() {
        let records = |stride, depth| {
            Records::<uapi::HisiZipRecord>::new(region(4096), stride, depth).is_some()
        };
        assert!(records(144, 28) && !records(144, 29) && !records(144, 0));
        assert!(records(160, 25) && !records(160, 26));
        assert!(records(16, 1) && !records(0, 1) && !records(8, 1) && !records(152, 1));
    }

    #[test]
    fn jobs_are_whole() {
        let jobs = [uapi::HisiZipSqe::default(); 3];
        let submission = Submission::new(&jobs, &[]);
        assert_eq!(submission.count(), Ok(3));
        for (jobs, job_size) in [(&submission.jobs[1..], 128), (submission.jobs, 0)] {
            let wrong = Submission {
                jobs,
                job_size,
                ..submission
            };
            assert_eq!(wrong.count(), Err(Errno::INVAL));
        }
    }
}
