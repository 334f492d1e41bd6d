// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Address spaces: where a device finds the memory of a context.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;

use rustix::io::Errno;

use crate::buffer::{Buffer, BufferAccess, BufferOptions, Wrapped};
use crate::error::{Error, Result};
use crate::info::AddressMode;
use crate::ioctl;
use crate::memory::Memory;
use crate::node::Node;
use crate::region::Access;

/// What of a buffer to map into an address space, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapOptions {
    /// The first byte, a whole number of pages.
    pub offset: usize,
    /// Bytes, whole pages; `None`: from `offset` to the end.
    pub len: Option<usize>,
    /// What the device may do with it.
    pub access: BufferAccess,
    /// Where the device is to find it; `None`: where there is room.
    pub address: Option<u64>,
}

impl MapOptions {
    /// All of the buffer, wherever there is room.
    pub fn whole(access: BufferAccess) -> Self {
        Self {
            offset: 0,
            len: None,
            access,
            address: None,
        }
    }
}

/// Where buffers come from and are mapped: the kernel, or a model of it.
///
/// Errors are those of the ioctls of the same names.
///
/// # Safety
///
/// The memory of a buffer that [`alloc`](Self::alloc) returns is new. Who is not given the buffer
/// does not touch it, and devices touch it only as the jobs say that they are given.
pub unsafe trait BufferPort: fmt::Debug + Send + Sync {
    /// Allocates a buffer; also returns its length.
    fn alloc(&self, options: &BufferOptions) -> std::result::Result<(OwnedFd, usize), Errno>;

    /// Makes a buffer of `len` bytes of the process's memory at `address`.
    ///
    /// # Safety
    ///
    /// Nobody relies on this memory not being read, and, with [`Access::ReadWrite`], on it not
    /// being written, by whoever ever gets the buffer, before the last of them has let go of it.
    unsafe fn wrap(
        &self,
        address: NonNull<u8>,
        len: usize,
        access: Access,
    ) -> std::result::Result<OwnedFd, Errno>;

    /// Maps `len` bytes of `buffer`; returns where the device finds them.
    fn map(
        &self,
        buffer: BorrowedFd<'_>,
        len: usize,
        options: &MapOptions,
    ) -> std::result::Result<u64, Errno>;

    /// Takes back what [`map`](Self::map) did. When this returns, the device can't reach it.
    fn unmap(&self, address: u64, len: usize) -> std::result::Result<(), Errno>;
}

// SAFETY: the kernel makes a buffer of pages that nobody else has, and the descriptor that it
// returns is the only way to them.
unsafe impl BufferPort for Node {
    fn alloc(&self, options: &BufferOptions) -> std::result::Result<(OwnedFd, usize), Errno> {
        ioctl::buffer_alloc(self.as_fd(), options)
    }

    unsafe fn wrap(
        &self,
        address: NonNull<u8>,
        len: usize,
        access: Access,
    ) -> std::result::Result<OwnedFd, Errno> {
        // SAFETY: the caller promises what `buffer_wrap` asks for.
        unsafe { ioctl::buffer_wrap(self.as_fd(), address, len, access) }
    }

    fn map(
        &self,
        buffer: BorrowedFd<'_>,
        len: usize,
        options: &MapOptions,
    ) -> std::result::Result<u64, Errno> {
        ioctl::buffer_map(self.as_fd(), buffer, len, options)
    }

    fn unmap(&self, address: u64, len: usize) -> std::result::Result<(), Errno> {
        ioctl::buffer_unmap(self.as_fd(), address, len)
    }
}

/// The address space of a context. Clones are the same one.
#[derive(Clone, Debug)]
pub struct AddressSpace(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    device: String,
    mode: AddressMode,
    port: Arc<dyn BufferPort>,
}

impl AddressSpace {
    /// An address space of a device called `device`, whose buffers come from `port`.
    pub fn from_parts(device: String, mode: AddressMode, port: Arc<dyn BufferPort>) -> Self {
        Self(Arc::new(Inner { device, mode, port }))
    }

    /// How the device sees memory.
    pub fn mode(&self) -> AddressMode {
        self.0.mode
    }

    /// Whether `other` is the same address space, and not just one of the same kind.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn refused(&self, action: &'static str) -> impl Fn(Errno) -> Error {
        move |source| Error::Buffer {
            device: self.0.device.clone(),
            action,
            source,
        }
    }

    /// Allocates a buffer. Its memory is zero.
    pub fn alloc(&self, options: &BufferOptions) -> Result<Buffer> {
        let made = self.0.port.alloc(options);
        let (fd, len) = made.map_err(self.refused("allocating a buffer"))?;
        Ok(Buffer::new(fd, len))
    }

    /// Makes a buffer of memory that this process has, without a copy; gives the memory back if
    /// that can't be.
    ///
    /// The memory leaves this process's address space and lives on as the buffer's, where nothing
    /// that Rust knows of lies: so whoever gets the buffer, and however long they keep it, may do
    /// with it what they like. [`Buffer::map`] is the way to look at it.
    ///
    /// Its pages are pinned and count against `RLIMIT_MEMLOCK`.
    pub fn wrap(&self, memory: Memory) -> std::result::Result<Buffer, (Memory, Error)> {
        let (base, len) = memory.pages();
        // SAFETY: `memory` is owned and there is no reference to it. If this succeeds, it is
        // unmapped below without another access. Until then, nobody else has the buffer.
        let wrapped = unsafe { self.wrap_raw(base, len, Access::ReadWrite) };
        match wrapped {
            Ok(buffer) => Ok(buffer),
            Err(error) => Err((memory, error)),
        }
    }

    /// Makes a buffer, to be read only, of memory that this process goes on to use, whole pages.
    ///
    /// Its pages are pinned and count against `RLIMIT_MEMLOCK`.
    ///
    /// There is no such call for memory that the device shall write: a borrow ends, and a buffer
    /// that was sent elsewhere need not. [`wrap`](Self::wrap) takes memory over instead.
    pub fn wrap_slice<'a>(&self, bytes: &'a [u8]) -> Result<Wrapped<'a>> {
        let base = NonNull::from(bytes).cast();
        // SAFETY: `bytes` may be read by others at all times; nobody can write it through a
        // buffer that is read-only. That does not end with the borrow: memory that is somebody
        // else's later may be read then, which breaks no rule of Rust's.
        let buffer = unsafe { self.wrap_raw(base, bytes.len(), Access::Read)? };
        Ok(Wrapped::new(buffer, bytes))
    }

    /// Makes a buffer of `len` bytes at `address`, whole pages.
    ///
    /// # Safety
    ///
    /// With [`Access::ReadWrite`], until the last descriptor, mapping and job of the buffer is
    /// gone, wherever it was sent: this memory is not used for anything else, and there is no
    /// reference to it while a device or another process may write it.
    pub unsafe fn wrap_raw(
        &self,
        address: NonNull<u8>,
        len: usize,
        access: Access,
    ) -> Result<Buffer> {
        // SAFETY: as the caller promises; reading the memory does no harm to anybody.
        let fd = unsafe { self.0.port.wrap(address, len, access) };
        let fd = fd.map_err(self.refused("making a buffer of memory"))?;
        Ok(Buffer::new(fd, len))
    }

    /// Maps a buffer into this address space, which is a private one.
    pub fn map(&self, buffer: &Buffer, options: &MapOptions) -> Result<Mapping> {
        let refused = self.refused("mapping a buffer for the device");
        let rest = buffer.len().checked_sub(options.offset);
        let len = options.len.or(rest).ok_or_else(|| refused(Errno::INVAL))?;
        let mapped = self.0.port.map(buffer.as_fd(), len, options);
        Ok(Mapping {
            address: mapped.map_err(refused)?,
            len,
            space: Some(self.clone()),
        })
    }

    /// At least `len` bytes that jobs of this context can work on: of the process itself in a
    /// shared address space, else a buffer of system memory that the device can read and write.
    ///
    /// It is for devices that are coherent with the CPU, and have no bounce buffers: nothing waits,
    /// or is flushed, when a job is done.
    pub fn memory(&self, len: usize) -> Result<Memory> {
        self.memory_as(&BufferOptions::system(len.max(1)))
    }

    /// As [`memory`](Self::memory), in one piece for the device.
    pub fn memory_in_one_piece(&self, len: usize) -> Result<Memory> {
        self.memory_as(&BufferOptions {
            // Elsewhere, addresses of the process or of a mapping are without gaps.
            contiguous: self.mode() == AddressMode::Kernel,
            ..BufferOptions::system(len.max(1))
        })
    }

    fn memory_as(&self, options: &BufferOptions) -> Result<Memory> {
        if self.mode() == AddressMode::Shared {
            return Memory::new(options.len);
        }
        let buffer = self.alloc(options)?;
        let mapping = match self.mode() {
            AddressMode::Private => {
                Some(self.map(&buffer, &MapOptions::whole(BufferAccess::ReadWrite))?)
            }
            _ => None,
        };
        Memory::of_buffer(buffer, mapping)
    }
}

/// A buffer, or a part of one, in the address space of a context. Dropping it takes it out: the
/// device can't reach it any more.
#[derive(Debug)]
pub struct Mapping {
    address: u64,
    len: usize,
    /// None once it is unmapped.
    space: Option<AddressSpace>,
}

impl Mapping {
    /// Where the device finds it.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no bytes; it never does.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether it is in this address space.
    pub fn is_in(&self, space: &AddressSpace) -> bool {
        self.space.as_ref().is_some_and(|own| own.is_same(space))
    }

    /// Takes it out, and tells if that went wrong.
    pub fn unmap(mut self) -> Result<()> {
        match self.space.take() {
            Some(space) => self.leave(&space),
            None => Ok(()),
        }
    }

    fn leave(&self, space: &AddressSpace) -> Result<()> {
        let left = space.0.port.unmap(self.address, self.len);
        left.map_err(space.refused("taking a buffer out of the device's address space"))
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if let Some(space) = self.space.take() {
            // It fails where the device is gone, and then nothing is mapped any more.
            let _ = self.leave(&space);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node that is a plain file: it knows no request.
    fn deaf() -> AddressSpace {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("accel4");
        std::fs::write(&path, "").unwrap();
        let node = Arc::new(Node::open("accel4".into(), path).unwrap());
        AddressSpace::from_parts("accel4".into(), AddressMode::Private, node)
    }

    fn check<T: fmt::Debug>(result: Result<T>, action: &str) {
        let text = result.unwrap_err().to_string();
        assert!(text.starts_with(&format!("accel4: {action}: ")), "{text}");
        assert!(text.contains("older than this program"), "{text}");
    }

    #[test]
    fn each_request_that_is_refused_says_what_it_was() {
        let space = deaf();
        check(space.memory(1), "allocating a buffer");
        let memory = Memory::new(4096).unwrap();
        check(
            space.wrap_slice(memory.bytes()),
            "making a buffer of memory",
        );
        let (memory, error) = space.wrap(memory).unwrap_err();
        assert_eq!(memory.len(), 4096);
        check::<()>(Err(error), "making a buffer of memory");
        let file = tempfile::tempfile().unwrap();
        file.set_len(4096).unwrap();
        let buffer = Buffer::from_fd(file.into()).unwrap();
        let whole = MapOptions::whole(BufferAccess::Read);
        check(
            space.map(&buffer, &whole),
            "mapping a buffer for the device",
        );
        let mapping = Mapping {
            address: 4096,
            len: 4096,
            space: Some(space),
        };
        check(
            mapping.unmap(),
            "taking a buffer out of the device's address space",
        );
    }
}
