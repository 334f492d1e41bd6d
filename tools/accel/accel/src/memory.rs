// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Memory that is handed to devices.
//!
//! A device works on memory while the program runs, so a job owns its memory until it is done.
//! These types have fixed addresses and can be owned by a job. Where a device finds them depends
//! on the address mode of its context: at the process's own addresses, at those of a mapping, or
//! by an offset in a buffer.

use std::ffi::c_void;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::Arc;

use rustix::mm::{Advice, MapFlags, ProtFlags};
use rustix::param::page_size;

use crate::buffer::{Buffer, BufferAccess};
use crate::error::{Error, Result};
use crate::info::AddressMode;
use crate::space::{AddressSpace, Mapping};
use crate::submit::JobBuffer;
use crate::uapi;

/// How devices reach memory of this process.
#[derive(Debug)]
enum Reach {
    /// Those that share its address space.
    Process,
    /// Also those that are given its buffer, or into whose address space that is mapped.
    Buffer {
        /// It never leaves here, so that nobody but jobs has it.
        buffer: Buffer,
        mapping: Option<Mapping>,
    },
}

/// Memory of this process, page-aligned, that jobs can own.
///
/// [`AddressSpace::memory`] makes such as the jobs of a context need it.
#[derive(Debug)]
pub struct Memory {
    base: NonNull<u8>,
    len: usize,
    reach: Reach,
}

// SAFETY: the mapping belongs to the process, and a `Memory` is its only owner.
unsafe impl Send for Memory {}
// SAFETY: a shared `Memory` can only be read.
unsafe impl Sync for Memory {}

impl Memory {
    /// Maps `len` bytes, at least one, for devices that share the process's address space.
    ///
    /// Its pages do not exist before somebody, a device perhaps, touches them.
    pub fn new(len: usize) -> Result<Self> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        let len = len.max(1);
        // SAFETY: a new mapping at an address of the kernel's choice replaces nothing.
        let base =
            unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), len, READ_WRITE, flags) };
        Self::mapped(base, len, Reach::Process)
    }

    /// Maps `buffer`, which has just been allocated, and which `mapping` has for a device.
    pub(crate) fn of_buffer(buffer: Buffer, mapping: Option<Mapping>) -> Result<Self> {
        let len = buffer.len();
        // SAFETY: a new mapping at an address of the kernel's choice replaces nothing.
        let base = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                len,
                READ_WRITE,
                MapFlags::SHARED,
                &buffer,
                0,
            )
        };
        Self::mapped(base, len, Reach::Buffer { buffer, mapping })
    }

    /// Takes what `mmap()` has returned for `len` bytes that are nobody else's.
    fn mapped(base: rustix::io::Result<*mut c_void>, len: usize, reach: Reach) -> Result<Self> {
        let base = base.map_err(|source| Error::Memory {
            what: "a buffer",
            bytes: len,
            source,
        })?;
        Ok(Self {
            base: NonNull::new(base.cast()).expect("mmap never returns null unasked"),
            len,
            reach,
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
        // SAFETY: the mapping is `len` bytes, readable, initialised by the kernel. Nobody else has
        // its buffer, if there is one, and while a job owns the memory, nobody has a reference to
        // it.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }

    /// The bytes, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and writable.
        unsafe { std::slice::from_raw_parts_mut(self.base.as_ptr(), self.len) }
    }

    /// Where its pages begin, and how many bytes they have.
    pub(crate) fn pages(&self) -> (NonNull<u8>, usize) {
        (self.base, self.len.next_multiple_of(page_size()))
    }

    /// The place `offset` bytes behind its beginning.
    pub(crate) fn place(&self, offset: usize) -> Place<'_> {
        Place {
            base: self.base,
            offset,
            reach: &self.reach,
        }
    }
}

const READ_WRITE: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: this struct made this mapping, and no reference outlives it. What a device may
        // still do goes to pages that are the buffer's alone then.
        let result = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) };
        debug_assert!(result.is_ok(), "unmapping memory: {result:?}");
    }
}

/// A file mapped to be read by devices that share the process's address space. The program has no
/// access to the bytes: another process could change them meanwhile, which a device does not mind.
#[derive(Debug)]
pub struct FileMap {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: as for `Memory`; nothing in this program accesses the bytes at all.
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

    fn place(&self, offset: usize) -> Place<'_> {
        Place {
            base: self.base,
            offset,
            reach: &Reach::Process,
        }
    }
}

impl Drop for FileMap {
    fn drop(&mut self) {
        // SAFETY: `new` made this mapping, and jobs hold an `Arc` of it.
        let result = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) };
        debug_assert!(result.is_ok(), "unmapping a file: {result:?}");
    }
}

/// The memory in which the input of a job lies. Clones are the same memory: several jobs may read
/// it.
#[derive(Clone, Debug)]
pub enum Input {
    /// Memory.
    Memory(Arc<Memory>),
    /// A mapped file, in shared address spaces.
    File(Arc<FileMap>),
}

impl From<Memory> for Input {
    fn from(memory: Memory) -> Self {
        Self::Memory(Arc::new(memory))
    }
}

impl From<Arc<FileMap>> for Input {
    fn from(map: Arc<FileMap>) -> Self {
        Self::File(map)
    }
}

impl Input {
    fn len(&self) -> usize {
        match self {
            Self::Memory(memory) => memory.len,
            Self::File(map) => map.len,
        }
    }

    fn place(&self, offset: usize) -> Place<'_> {
        match self {
            Self::Memory(memory) => memory.place(offset),
            Self::File(map) => map.place(offset),
        }
    }
}

/// What a job reads: a part of some memory.
#[derive(Clone, Debug)]
pub struct Source {
    /// The memory.
    pub memory: Input,
    /// Where the input begins in it.
    pub start: usize,
    /// Bytes of input.
    pub len: usize,
}

impl Source {
    /// `len` bytes of `memory` from `start` on.
    pub fn new(memory: impl Into<Input>, start: usize, len: usize) -> Self {
        Self {
            memory: memory.into(),
            start,
            len,
        }
    }

    /// Whether there is no input.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The same without its first `count` bytes; empty if there are not so many.
    pub fn advance(mut self, count: usize) -> Self {
        let count = count.min(self.len);
        self.len -= count;
        self.start += count;
        self
    }

    /// The bytes of the input; nothing for a file, which this program does not touch, and for what
    /// is not inside its memory.
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.memory {
            Input::Memory(memory) => memory.bytes().get(self.start..)?.get(..self.len),
            Input::File(_) => None,
        }
    }

    /// The memory, if no other job has it.
    pub fn into_memory(self) -> Option<Memory> {
        match self.memory {
            Input::Memory(memory) => Arc::into_inner(memory),
            Input::File(_) => None,
        }
    }

    /// Whether the input is inside its memory.
    pub(crate) fn is_inside(&self) -> bool {
        let end = self.start.checked_add(self.len);
        end.is_some_and(|end| end <= self.memory.len())
    }

    /// Where the input begins; nothing if it is not inside its memory.
    pub(crate) fn place(&self) -> Option<Place<'_>> {
        self.is_inside().then(|| self.memory.place(self.start))
    }
}

/// A place in memory that a job owns.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    base: NonNull<u8>,
    offset: usize,
    reach: &'a Reach,
}

impl<'a> Place<'a> {
    fn buffer(self) -> Option<(&'a Buffer, Option<&'a Mapping>)> {
        match self.reach {
            Reach::Process => None,
            Reach::Buffer { buffer, mapping } => Some((buffer, mapping.as_ref())),
        }
    }
}

/// Turns the places of one job into the addresses by which a device finds them.
pub(crate) struct Addresses<'a> {
    space: &'a AddressSpace,
    /// What goes with the addresses where these are offsets in buffers.
    buffers: Vec<JobBuffer<'a>>,
}

impl<'a> Addresses<'a> {
    /// Addresses in `space`.
    pub(crate) fn new(space: &'a AddressSpace) -> Self {
        Self {
            space,
            buffers: Vec::new(),
        }
    }

    /// Address of `place`, with which the job does what `access` says; nothing if it can't be
    /// reached.
    pub(crate) fn of(&mut self, place: Place<'a>, access: BufferAccess) -> Option<u64> {
        let offset = place.offset as u64;
        match self.space.mode() {
            AddressMode::Shared => Some(place.base.as_ptr() as u64 + offset),
            AddressMode::Private => {
                let mapping = place.buffer()?.1?;
                // In another address space, something else may be at this address.
                mapping
                    .is_in(self.space)
                    .then(|| mapping.address() + offset)
            }
            AddressMode::Kernel => {
                let fd = place.buffer()?.0.as_fd();
                self.buffers.push(JobBuffer { fd, access });
                let index = self.buffers.len() as u64 - 1;
                Some(uapi::buffer_address(index, offset))
            }
            AddressMode::Unknown(_) => None,
        }
    }

    /// The buffers that the addresses name.
    pub(crate) fn into_buffers(self) -> Vec<JobBuffer<'a>> {
        self.buffers
    }
}
