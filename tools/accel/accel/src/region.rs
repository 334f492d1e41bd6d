// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Mapped regions: of queues, and of buffers.

use std::ffi::c_void;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};

use crate::fork::Process;
use crate::revoked;

/// What may be done with a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads only.
    Read,
    /// Reads and writes.
    ReadWrite,
}

/// A shared mapping: device registers, or memory that a device or the kernel writes too.
///
/// Every access is one volatile load or store of its own width. A `Region` can move to another
/// thread, but not be used by two at once.
///
/// When the kernel revokes the region (reset, removal of the device), touching it raises SIGBUS;
/// see [`survive_removal`](crate::survive_removal).
#[derive(Debug)]
pub struct Region {
    base: NonNull<u8>,
    len: usize,
    access: Access,
    ticket: revoked::Ticket,
    /// The process that has the mapping, where its children do not.
    owner: Option<Process>,
}

// SAFETY: the mapping belongs to the process, not to a thread, and a `Region` is its only owner.
unsafe impl Send for Region {}

/// Bytes that are read and written at once where many are.
const WORD: usize = size_of::<u64>();

/// Integers that a region can be read and written as.
pub trait Word: Copy + Default + sealed::Sealed {}
mod sealed {
    pub trait Sealed {}
}
macro_rules! words {
    ($($word:ty)*) => {$(
        impl sealed::Sealed for $word {}
        impl Word for $word {}
    )*};
}
words!(u8 u16 u32 u64);

impl Region {
    /// Maps `len` bytes of `fd` from `offset`.
    pub fn map(fd: BorrowedFd<'_>, offset: u64, len: usize, access: Access) -> Result<Self, Errno> {
        let prot = match access {
            Access::Read => ProtFlags::READ,
            Access::ReadWrite => ProtFlags::READ | ProtFlags::WRITE,
        };
        // SAFETY: a new mapping at an address of the kernel's choice replaces nothing.
        let base = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                len,
                prot,
                MapFlags::SHARED,
                fd,
                offset,
            )?
        };
        let base = NonNull::new(base.cast()).ok_or(Errno::FAULT)?;
        Ok(Self {
            base,
            len,
            access,
            ticket: revoked::watch(base.as_ptr().addr(), len),
            owner: None,
        })
    }

    /// The same of a queue, of which a child of `fork()` has no mapping. There it reads as zero,
    /// and says that it is revoked.
    pub(crate) fn of_queue(
        fd: BorrowedFd<'_>,
        offset: u64,
        len: usize,
        access: Access,
    ) -> Result<Self, Errno> {
        let mut region = Self::map(fd, offset, len, access)?;
        region.owner = Some(Process::current());
        Ok(region)
    }

    /// Whether this process is a child that does not have the mapping.
    fn is_elsewhere(&self) -> bool {
        self.owner.is_some_and(Process::is_parent)
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no bytes; it never does.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether a touch has found the region revoked.
    ///
    /// Only ever true after [`survive_removal`](crate::survive_removal), and in a child of
    /// `fork()`, which has no regions of its parent's queues. What was read from a revoked region
    /// is nothing that the device wrote: ask this after the read.
    pub fn is_revoked(&self) -> bool {
        self.ticket.is_revoked() || self.is_elsewhere()
    }

    /// Reads the word at `offset`.
    ///
    /// # Panics
    ///
    /// If the word is not inside the region or not aligned.
    pub fn read<T: Word>(&self, offset: usize) -> T {
        let word = self.word::<T>(offset);
        if self.is_elsewhere() {
            return T::default();
        }
        // SAFETY: `word` has checked bounds and alignment; any bytes are a valid integer, and
        // volatile accesses are defined on memory that others write.
        unsafe { word.read_volatile() }
    }

    /// Writes the word at `offset`.
    ///
    /// # Panics
    ///
    /// If the word is not inside the region or not aligned, or the region is mapped to be read
    /// only.
    pub fn write<T: Word>(&self, offset: usize, value: T) {
        assert_eq!(self.access, Access::ReadWrite, "region is read-only");
        let word = self.word::<T>(offset);
        if self.is_elsewhere() {
            return;
        }
        // SAFETY: as in `read`; the mapping is writable. `Region` is not `Sync`, so no other
        // thread of this program writes the same word at the same time.
        unsafe { word.write_volatile(value) }
    }

    /// Reads the bytes from `offset` on, as many as `room` has. Others may write them meanwhile.
    ///
    /// # Panics
    ///
    /// If they are not inside the region.
    pub fn read_bytes(&self, offset: usize, room: &mut [u8]) {
        self.check_bytes(offset, room.len());
        let mut at = 0;
        while at < room.len() {
            match room.get_mut(at..at + WORD) {
                Some(chunk) if (offset + at) % WORD == 0 => {
                    chunk.copy_from_slice(&self.read::<u64>(offset + at).to_ne_bytes());
                    at += WORD;
                }
                _ => {
                    room[at] = self.read(offset + at);
                    at += 1;
                }
            }
        }
    }

    /// Writes `bytes` from `offset` on.
    ///
    /// # Panics
    ///
    /// If they do not fit into the region, or it is mapped to be read only.
    pub fn write_bytes(&self, offset: usize, bytes: &[u8]) {
        self.check_bytes(offset, bytes.len());
        let mut at = 0;
        while at < bytes.len() {
            match bytes.get(at..at + WORD) {
                Some(chunk) if (offset + at) % WORD == 0 => {
                    let mut word = [0; WORD];
                    word.copy_from_slice(chunk);
                    self.write(offset + at, u64::from_ne_bytes(word));
                    at += WORD;
                }
                _ => {
                    self.write(offset + at, bytes[at]);
                    at += 1;
                }
            }
        }
    }

    fn check_bytes(&self, offset: usize, len: usize) {
        let end = offset.checked_add(len);
        assert!(end.is_some_and(|end| end <= self.len), "outside the region");
    }

    fn word<T: Word>(&self, offset: usize) -> *mut T {
        let end = offset.checked_add(size_of::<T>());
        assert!(end.is_some_and(|end| end <= self.len), "outside the region");
        assert!(offset % align_of::<T>() == 0, "not aligned");
        // SAFETY: inside the mapping, as just checked.
        unsafe { self.base.as_ptr().add(offset).cast() }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        self.ticket.end();
        if self.is_elsewhere() {
            // What is there now is not this.
            return;
        }
        // SAFETY: this is the mapping that `map` made (or what replaced it, at the same place),
        // and no pointer to it leaves this struct.
        let result = unsafe { rustix::mm::munmap(self.base.as_ptr().cast::<c_void>(), self.len) };
        debug_assert!(result.is_ok(), "unmapping a region: {result:?}");
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::fork::tests::in_child;

    fn memory(len: usize, access: Access) -> Region {
        let file = tempfile::tempfile().unwrap();
        file.set_len(len as u64).unwrap();
        Region::map(file.as_fd(), 0, len, access).unwrap()
    }

    #[test]
    fn words_are_written_and_read() {
        let region = memory(4096, Access::ReadWrite);
        region.write(4088, 0x0123_4567_89ab_cdef_u64);
        assert_eq!(region.read::<u32>(4088), 0x89ab_cdef);
        assert_eq!(region.read::<u16>(4094), 0x0123);
        assert!(!region.is_revoked());
    }

    #[test]
    fn bytes_are_copied_from_any_place_to_any_place() {
        let region = memory(4096, Access::ReadWrite);
        let pattern: Vec<u8> = (0..64).collect();
        for start in 0..9 {
            for len in 0..33 {
                region.write_bytes(start, &pattern[..len]);
                let mut room = vec![0xff; len];
                region.read_bytes(start, &mut room);
                assert_eq!(room, pattern[..len], "{start} {len}");
            }
        }
        region.write_bytes(4095, &[7]);
        assert_eq!(region.read::<u8>(4095), 7);
    }

    #[test]
    fn a_child_has_no_region_of_a_queue() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(4096).unwrap();
        let region = Region::of_queue(file.as_fd(), 0, 4096, Access::ReadWrite).unwrap();
        let advice = rustix::mm::Advice::LinuxDontFork;
        // SAFETY: the kernel has made the mappings of queues like this; no content changes.
        unsafe { rustix::mm::madvise(region.base.as_ptr().cast(), 4096, advice) }.unwrap();
        region.write(8, 77u32);
        assert!(in_child(|| {
            region.write(8, 5u32);
            let read = region.read::<u32>(8);
            let revoked = region.is_revoked();
            drop(region);
            read == 0 && revoked
        }));
    }

    #[test]
    #[should_panic(expected = "outside")]
    fn no_bytes_behind_the_end() {
        memory(4096, Access::ReadWrite).write_bytes(4090, &[0; 7]);
    }

    #[test]
    #[should_panic(expected = "outside")]
    fn no_access_behind_the_end() {
        memory(4096, Access::Read).read::<u64>(4092);
    }

    #[test]
    #[should_panic(expected = "outside")]
    fn no_access_at_a_wrapping_offset() {
        memory(4096, Access::Read).read::<u64>(usize::MAX - 3);
    }

    #[test]
    #[should_panic(expected = "aligned")]
    fn no_unaligned_access() {
        memory(4096, Access::Read).read::<u32>(2);
    }

    #[test]
    #[should_panic(expected = "read-only")]
    fn no_write_to_what_is_mapped_to_be_read() {
        memory(4096, Access::Read).write(0, 1u32);
    }
}
