// SPDX-License-Identifier: GPL-2.0
//! Memory that this process and its children share.

use std::{io, ptr::NonNull};

/// Pages that are zero at first, and are never given back.
#[derive(Clone, Copy)]
pub struct Shared {
    start: NonNull<u8>,
    size: usize,
}

// SAFETY: Threads may read and write the memory as they like, as processes do: see `write()`.
unsafe impl Sync for Shared {}

impl Shared {
    pub fn new(size: usize) -> io::Result<Self> {
        // SAFETY: New memory, wherever there is room, harms nobody.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        Self::of(start, size)
    }

    /// The memory of a descriptor.
    pub fn of_file(fd: i32, size: usize) -> io::Result<Self> {
        // SAFETY: As above.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd,
                0,
            )
        };
        Self::of(start, size)
    }

    fn of(start: *mut libc::c_void, size: usize) -> io::Result<Self> {
        match NonNull::new(start.cast()) {
            Some(start) if start.as_ptr() as isize != -1 => Ok(Self { start, size }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    pub fn address(&self) -> u64 {
        self.start.as_ptr() as u64
    }

    /// All of it as atomic numbers, `T` being one of those of 4 or 8 bytes.
    pub fn atomics<T>(&self) -> &'static [T] {
        // SAFETY: The memory is mapped for ever and aligned to a page; all bytes are valid for the
        // atomic types, through which alone it is read and written.
        unsafe {
            std::slice::from_raw_parts(self.start.as_ptr().cast(), self.size / size_of::<T>())
        }
    }

    /// Writes bytes, unless they don't fit.
    pub fn write(&self, at: usize, bytes: &[u8]) {
        if at
            .checked_add(bytes.len())
            .is_some_and(|end| end <= self.size)
        {
            // SAFETY: It was checked that the bytes fit. That others, the kernel too, may write
            // there at the same time is what this memory is for, and nothing relies on its content.
            unsafe {
                std::ptr::copy_nonoverlapping(
                    bytes.as_ptr(),
                    self.start.as_ptr().add(at),
                    bytes.len(),
                );
            }
        }
    }

    /// Fills bytes, as far as they are inside.
    pub fn fill(&self, at: usize, count: usize, byte: u8) {
        let at = at.min(self.size);
        // SAFETY: The range was cut to what is mapped; else as for `write()`.
        unsafe {
            std::ptr::write_bytes(self.start.as_ptr().add(at), byte, count.min(self.size - at));
        }
    }

    /// Reads a number of `width` bytes; `None` if it isn't inside.
    pub fn read(&self, at: usize, width: usize) -> Option<u64> {
        let mut bytes = [0; 8];
        if width > 8 || at.checked_add(width)? > self.size {
            return None;
        }
        // SAFETY: It was checked that the bytes are inside; else as for `write()`.
        unsafe {
            std::ptr::copy_nonoverlapping(self.start.as_ptr().add(at), bytes.as_mut_ptr(), width);
        }
        Some(u64::from_le_bytes(bytes))
    }
}
