// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Buffers: memory that has a descriptor.
//!
//! A buffer is a dma-buf of the kernel. It can be mapped by processes, mapped into the address
//! space of a context ([`Context::map`](crate::Context::map)), named in jobs that the kernel hands
//! over ([`Queue::submit`](crate::Queue::submit)), and sent to other processes and devices.

use std::marker::PhantomData;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::info::numbered;
use crate::region::{Access, Region};
use crate::{ioctl, uapi};

numbered! {
    /// Where the memory of a buffer is.
    MemoryKind {
        /// Pages of the system.
        System = uapi::MEMORY_SYSTEM, "system memory";
        /// Memory of the device.
        Device = uapi::MEMORY_DEVICE, "device memory";
    }
}

/// What a device, or a job, may do with a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BufferAccess {
    /// Read it.
    Read,
    /// Write it.
    Write,
    /// Both.
    ReadWrite,
}

impl BufferAccess {
    /// Its flags in the user API.
    pub fn flags(self) -> u32 {
        match self {
            Self::Read => uapi::ACCESS_READ,
            Self::Write => uapi::ACCESS_WRITE,
            Self::ReadWrite => uapi::ACCESS_READ | uapi::ACCESS_WRITE,
        }
    }
}

/// What to ask for when allocating a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferOptions {
    /// Bytes wanted; the buffer has whole pages.
    pub len: usize,
    /// Where the memory is to be.
    pub memory: MemoryKind,
    /// Whether it is to be one piece, physically.
    pub contiguous: bool,
    /// Whether the CPU's writes are combined and its reads not cached, on x86; a hint that others
    /// do not take. System memory only.
    pub write_combine: bool,
    /// Of the piece's address, a power of two; 0 for a page. More than a page needs device memory
    /// or `contiguous`.
    pub alignment: u64,
}

impl BufferOptions {
    /// `len` bytes of system memory.
    pub fn system(len: usize) -> Self {
        Self {
            len,
            memory: MemoryKind::System,
            contiguous: false,
            write_combine: false,
            alignment: 0,
        }
    }

    /// `len` bytes of the device's own memory.
    pub fn device(len: usize) -> Self {
        Self {
            memory: MemoryKind::Device,
            ..Self::system(len)
        }
    }
}

/// Memory that has a descriptor: a dma-buf, whoever made it.
///
/// Dropping it closes this descriptor. The memory lives on while it is mapped somewhere, or a job
/// uses it, or another descriptor of it is open.
#[derive(Debug)]
pub struct Buffer {
    fd: OwnedFd,
    len: usize,
}

impl Buffer {
    /// The buffer of a descriptor that came from elsewhere: another device, another process.
    pub fn from_fd(fd: OwnedFd) -> Result<Self> {
        let end = seek(&fd, SeekFrom::End(0)).and_then(|end| {
            seek(&fd, SeekFrom::Start(0))?;
            Ok(end)
        });
        let end = end.map_err(|source| Error::NoBuffer { source })?;
        let len = usize::try_from(end).map_err(|_| Error::NoBuffer {
            source: Errno::OVERFLOW,
        })?;
        Ok(Self { fd, len })
    }

    pub(crate) fn new(fd: OwnedFd, len: usize) -> Self {
        Self { fd, len }
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Maps all of it into this process.
    ///
    /// Devices and other processes may write the memory at any time, so it is read and written
    /// through [`Region`], which makes no references to it.
    pub fn map(&self, access: Access) -> Result<Region> {
        Region::map(self.as_fd(), 0, self.len, access).map_err(|source| Error::Memory {
            what: "a buffer",
            bytes: self.len,
            source,
        })
    }

    /// Begins accesses of this process to the memory; they end when the guard is dropped.
    ///
    /// It waits for the jobs of devices that have the buffer, and sees to it that their writes and
    /// those of the process are seen by each other where a device is not coherent with the CPU, or
    /// reaches memory through bounce buffers. Who knows that a job is done, and that neither is so,
    /// needs none.
    pub fn access(&self, access: BufferAccess) -> Result<CpuAccess<'_>> {
        let flags = match access {
            BufferAccess::Read => uapi::DMA_BUF_SYNC_READ,
            BufferAccess::Write => uapi::DMA_BUF_SYNC_WRITE,
            BufferAccess::ReadWrite => uapi::DMA_BUF_SYNC_READ | uapi::DMA_BUF_SYNC_WRITE,
        };
        let buffer = self.as_fd();
        loop {
            match ioctl::buffer_sync(buffer, flags | uapi::DMA_BUF_SYNC_START) {
                Ok(()) => return Ok(CpuAccess { buffer, flags }),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(source) => return Err(Error::NotSynced { source }),
            }
        }
    }
}

/// Accesses of this process to a buffer.
#[derive(Debug)]
pub struct CpuAccess<'a> {
    buffer: BorrowedFd<'a>,
    flags: u64,
}

impl Drop for CpuAccess<'_> {
    fn drop(&mut self) {
        // It only fails, and is to be tried again, because of a signal.
        while let Err(Errno::INTR | Errno::AGAIN) =
            ioctl::buffer_sync(self.buffer, self.flags | uapi::DMA_BUF_SYNC_END)
        {}
    }
}

impl AsFd for Buffer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Buffer {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl From<Buffer> for OwnedFd {
    fn from(buffer: Buffer) -> Self {
        buffer.fd
    }
}

/// A buffer made of memory that is borrowed, and that is only read through it.
///
/// What it borrows does not change while this exists. Who has got another descriptor of the buffer
/// can read the memory longer, whatever is in there then, but nobody can ever write it.
#[derive(Debug)]
pub struct Wrapped<'a> {
    buffer: Buffer,
    memory: PhantomData<&'a [u8]>,
}

impl<'a> Wrapped<'a> {
    /// `buffer` has been made of `_memory`, to be read only.
    pub(crate) fn new(buffer: Buffer, _memory: &'a [u8]) -> Self {
        Self {
            buffer,
            memory: PhantomData,
        }
    }
}

impl Deref for Wrapped<'_> {
    type Target = Buffer;

    fn deref(&self) -> &Buffer {
        &self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_tells_its_length() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(12_288).unwrap();
        let buffer = Buffer::from_fd(file.into()).unwrap();
        assert_eq!(buffer.len(), 12_288);
        let region = buffer.map(Access::ReadWrite).unwrap();
        region.write_bytes(5, b"across a word");
        let mut room = [0; 15];
        buffer.map(Access::Read).unwrap().read_bytes(4, &mut room);
        assert_eq!(&room, b"\0across a word\0");
    }

    #[test]
    fn a_pipe_is_no_buffer() {
        let (reader, _writer) = rustix::pipe::pipe().unwrap();
        let error = Buffer::from_fd(reader).unwrap_err();
        assert!(error.to_string().contains("no buffer"), "{error}");
    }

    #[test]
    fn what_is_no_dma_buf_is_not_synced() {
        let buffer = Buffer::from_fd(tempfile::tempfile().unwrap().into()).unwrap();
        let error = buffer.access(BufferAccess::ReadWrite).unwrap_err();
        assert!(error.to_string().starts_with("a buffer "), "{error}");
    }

    #[test]
    fn access_has_its_flags() {
        assert_eq!(BufferAccess::Read.flags(), 1);
        assert_eq!(BufferAccess::Write.flags(), 2);
        assert_eq!(BufferAccess::ReadWrite.flags(), 3);
    }
}
