// SPDX-License-Identifier: GPL-2.0
//! Memory that is handed to devices.
//!
//! A device works on memory while the program runs, so a job owns its memory until it is done.
//! These types have fixed addresses and can be owned by a job.

use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::Arc;

use rustix::mm::{Advice, MapFlags, ProtFlags};

use crate::error::{Error, Result};

/// Anonymous memory, page-aligned. Its pages do not exist before somebody, a device perhaps,
/// touches them.
#[derive(Debug)]
pub struct Buffer {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to the process, and a `Buffer` is its only owner.
unsafe impl Send for Buffer {}
// SAFETY: a shared `Buffer` can only be read.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// Maps `len` bytes, at least one.
    pub fn new(len: usize) -> Result<Self> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice replaces nothing.
        let base =
            unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), len.max(1), prot, flags) };
        let base = base.map_err(|source| Error::Memory {
            what: "a buffer",
            bytes: len,
            source,
        })?;
        Ok(Self {
            base: NonNull::new(base.cast()).expect("mmap never returns null unasked"),
            len: len.max(1),
        })
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no bytes; it never does.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping is `len` bytes, readable, initialised by the kernel. While a job
        // owns the buffer, nobody has a reference to it.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }

    /// The bytes, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and writable.
        unsafe { std::slice::from_raw_parts_mut(self.base.as_ptr(), self.len) }
    }

    pub(crate) fn address(&self) -> u64 {
        self.base.as_ptr() as u64
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: `new` made this mapping, and no reference outlives the buffer.
        let result = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) };
        debug_assert!(result.is_ok(), "unmapping a buffer: {result:?}");
    }
}

/// A file mapped to be read by devices. The program has no access to the bytes: another process
/// could change them meanwhile, which a device does not mind.
#[derive(Debug)]
pub struct FileMap {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: as for `Buffer`; nothing in this program accesses the bytes at all.
unsafe impl Send for FileMap {}
// SAFETY: as above.
unsafe impl Sync for FileMap {}

impl FileMap {
    /// Maps the first `len` bytes of `file`, at least one.
    pub fn new(file: impl AsFd, len: usize) -> Result<Arc<Self>> {
        let error = |source| Error::Memory {
            what: "the input file",
            bytes: len,
            source,
        };
        // SAFETY: a new mapping at an address of the kernel's choice replaces nothing.
        let base = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ,
                MapFlags::PRIVATE,
                file,
                0,
            )
            .map_err(error)?
        };
        // SAFETY: advice changes no content. It is advice: that it fails does not matter.
        let _ = unsafe { rustix::mm::madvise(base, len, Advice::Sequential) };
        Ok(Arc::new(Self {
            base: NonNull::new(base.cast()).expect("mmap never returns null unasked"),
            len,
        }))
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no bytes; it never does.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Drop for FileMap {
    fn drop(&mut self) {
        // SAFETY: `new` made this mapping, and jobs hold an `Arc` of it.
        let result = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) };
        debug_assert!(result.is_ok(), "unmapping a file: {result:?}");
    }
}

/// What a job reads.
#[derive(Debug)]
pub enum Source {
    /// The first bytes of a buffer.
    Buffer {
        /// The buffer.
        buffer: Buffer,
        /// Where the input begins in it.
        start: usize,
        /// Bytes of input.
        len: usize,
    },
    /// A part of a mapped file.
    File {
        /// The file.
        map: Arc<FileMap>,
        /// Where the input begins in it.
        start: usize,
        /// Bytes of input.
        len: usize,
    },
}

impl Source {
    /// Bytes of input.
    pub fn len(&self) -> usize {
        match self {
            Self::Buffer { len, .. } | Self::File { len, .. } => *len,
        }
    }

    /// Where the input begins in its memory.
    pub fn start(&self) -> usize {
        match self {
            Self::Buffer { start, .. } | Self::File { start, .. } => *start,
        }
    }

    /// The same without its first `count` bytes.
    ///
    /// # Panics
    ///
    /// If there are not so many.
    pub fn advance(mut self, count: usize) -> Self {
        let (Self::Buffer { start, len, .. } | Self::File { start, len, .. }) = &mut self;
        *len = len
            .checked_sub(count)
            .expect("as many bytes as are skipped");
        *start += count;
        self
    }

    /// Whether there is no input.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Address of the input.
    ///
    /// # Panics
    ///
    /// If the input is not inside its memory.
    pub(crate) fn address(&self) -> u64 {
        let (base, room, start, len) = match self {
            Self::Buffer { buffer, start, len } => (buffer.address(), buffer.len, start, len),
            Self::File { map, start, len } => (map.base.as_ptr() as u64, map.len, start, len),
        };
        let end = start.checked_add(*len);
        assert!(
            end.is_some_and(|end| end <= room),
            "input outside its memory"
        );
        base + *start as u64
    }
}
