// SPDX-License-Identifier: GPL-2.0
//! Memory as the engine sees it, and the buffers in it.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard};

use accel::{
    Access, BufferAccess, BufferOptions, BufferPort, MapOptions, MemoryKind, Region, uapi,
};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::Errno;

const PAGE: usize = uapi::HISI_ZIP_PAGE_SIZE;

/// Where the first buffer is mapped: nothing of a process is ever there.
const FIRST: u64 = 0xffff_0000_0000;

/// What is mapped at one address.
#[derive(Debug)]
struct Mapped {
    memory: Region,
    access: BufferAccess,
}

/// A private address space. Its buffers are memfds: these are mapped, and tell their length, as
/// dma-bufs are and do.
#[derive(Debug, Default)]
pub(crate) struct Space {
    mappings: Mutex<BTreeMap<u64, Mapped>>,
}

impl Space {
    fn mappings(&self) -> MutexGuard<'_, BTreeMap<u64, Mapped>> {
        self.mappings.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Memory with a descriptor.
pub(crate) fn memfd(len: usize) -> Result<OwnedFd, Errno> {
    let memory = memfd_create("accel-fake", MemfdFlags::CLOEXEC)?;
    ftruncate(&memory, len as u64)?;
    Ok(memory)
}

// SAFETY: the memory is that of a new memfd; the engine touches it as the entries in its rings say.
unsafe impl BufferPort for Space {
    fn alloc(&self, options: &BufferOptions) -> Result<(OwnedFd, usize), Errno> {
        if options.memory != MemoryKind::System {
            return Err(Errno::OPNOTSUPP);
        }
        if options.len == 0 {
            return Err(Errno::INVAL);
        }
        let len = options.len.next_multiple_of(PAGE);
        Ok((memfd(len)?, len))
    }

    /// Copies the memory: nobody here looks at it again.
    unsafe fn wrap(
        &self,
        address: NonNull<u8>,
        len: usize,
        _access: Access,
    ) -> Result<OwnedFd, Errno> {
        if len == 0 || len % PAGE != 0 || address.addr().get() % PAGE != 0 {
            return Err(Errno::INVAL);
        }
        // SAFETY: the caller has this memory and lets it be read.
        let bytes = unsafe { std::slice::from_raw_parts(address.as_ptr(), len) };
        let memory = memfd(len)?;
        Region::map(memory.as_fd(), 0, len, Access::ReadWrite)?.write_bytes(0, bytes);
        Ok(memory)
    }

    fn map(&self, buffer: BorrowedFd<'_>, len: usize, options: &MapOptions) -> Result<u64, Errno> {
        if len == 0 || len % PAGE != 0 || options.offset % PAGE != 0 {
            return Err(Errno::INVAL);
        }
        let memory = Region::map(buffer, options.offset as u64, len, Access::ReadWrite)?;
        let mut mappings = self.mappings();
        let end = |(at, mapped): (&u64, &Mapped)| at + mapped.memory.len() as u64;
        let address = match options.address {
            Some(address) if overlaps(&mappings, address, len) => return Err(Errno::EXIST),
            Some(address) => address,
            // A page that nobody has lies between any two.
            None => mappings.last_key_value().map_or(FIRST, end).max(FIRST) + PAGE as u64,
        };
        let access = options.access;
        mappings.insert(address, Mapped { memory, access });
        Ok(address)
    }

    fn unmap(&self, address: u64, len: usize) -> Result<(), Errno> {
        let mut mappings = self.mappings();
        match mappings.get(&address) {
            None => Err(Errno::NOENT),
            Some(mapped) if mapped.memory.len() != len => Err(Errno::INVAL),
            Some(_) => {
                mappings.remove(&address);
                Ok(())
            }
        }
    }
}

fn overlaps(mappings: &BTreeMap<u64, Mapped>, address: u64, len: usize) -> bool {
    let below = mappings.range(..address + len as u64).next_back();
    below.is_some_and(|(at, mapped)| at + mapped.memory.len() as u64 > address)
}

/// A buffer of a job that was handed over.
pub(crate) struct Handed {
    memory: Region,
    access: BufferAccess,
}

impl Handed {
    pub(crate) fn new(fd: BorrowedFd<'_>, access: BufferAccess) -> Result<Self, Errno> {
        let len = rustix::fs::fstat(fd)?.st_size as usize;
        let memory = Region::map(fd, 0, len, Access::ReadWrite)?;
        Ok(Self { memory, access })
    }
}

/// How the engine gets at the memory of a job.
pub(crate) enum Reach {
    /// By addresses of the process.
    Process,
    /// By addresses of a private space.
    Private(Arc<Space>),
    /// By offsets in buffers.
    Buffers(Vec<Handed>),
}

impl Reach {
    /// The bytes at `address`, if they may be read.
    pub(crate) fn read(&self, address: u64, len: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; len];
        match self {
            Self::Process => {
                let from = address as *const u8;
                // SAFETY: the entry comes from a `ZipQueue`, whose job owns this memory until it
                // is completed.
                unsafe { from.copy_to_nonoverlapping(bytes.as_mut_ptr(), len) };
            }
            _ => self.at(address, len, BufferAccess::Write, |memory, offset| {
                memory.read_bytes(offset, &mut bytes);
            })?,
        }
        Some(bytes)
    }

    /// Writes `bytes` to `address`, if that may be.
    pub(crate) fn write(&self, address: u64, bytes: &[u8]) -> Option<()> {
        if let Self::Process = self {
            let to = address as *mut u8;
            // SAFETY: as in `read`.
            unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
            return Some(());
        }
        self.at(
            address,
            bytes.len(),
            BufferAccess::Read,
            |memory, offset| {
                memory.write_bytes(offset, bytes);
            },
        )
    }

    /// Does something with `len` bytes at `address`, unless `other` is all that may be done there.
    fn at(
        &self,
        address: u64,
        len: usize,
        other: BufferAccess,
        action: impl FnOnce(&Region, usize),
    ) -> Option<()> {
        let go = |memory: &Region, access: BufferAccess, offset: u64| {
            let offset = usize::try_from(offset).ok()?;
            let inside = offset.checked_add(len)? <= memory.len();
            (inside && access != other).then(|| action(memory, offset))
        };
        match self {
            Self::Process => None,
            Self::Private(space) => {
                let mappings = space.mappings();
                let (start, mapped) = mappings.range(..=address).next_back()?;
                go(&mapped.memory, mapped.access, address - start)
            }
            Self::Buffers(buffers) => {
                let handed = buffers.get(usize::try_from(address >> 48).ok()?)?;
                go(&handed.memory, handed.access, address & ((1 << 48) - 1))
            }
        }
    }
}
