// SPDX-License-Identifier: GPL-2.0

//! The memory that jobs reach.

use kernel::{
    accel::{
        AddressSpace,
        Buffers, //
    },
    mm::{
        fault_in::{
            self,
            without_faults, //
        },
        Mm,
        MmWithUser, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

/// An access that was refused.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct Fault {
    pub(crate) address: u64,
}

/// A page that has to be asked for: it is missing, or not to be had at all.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct Missing {
    pub(crate) address: u64,
    pub(crate) access: fault_in::Access,
}

/// Why an access came to nothing.
pub(crate) enum Miss {
    Fault(Fault),
    Missing(Missing),
}

/// What the jobs of a context reach.
#[derive(Clone)]
pub(crate) enum Memory {
    /// That of a process, by its own addresses.
    Process(ARef<Mm>),
    /// What is mapped for the context.
    Private(Arc<AddressSpace>),
    /// The buffers of a submission.
    Buffers(Arc<Buffers>),
    /// None: every address is wrong.
    Nothing,
}

impl Memory {
    /// Calls `f` with access to the memory. It is refused once the process has gone, in the middle
    /// of `f` too: a process that was killed is not kept by its jobs.
    ///
    /// For kernel threads. No access waits for a page.
    pub(crate) fn with<R: Send>(&self, mut f: impl FnMut(Access<'_>) -> R + Send) -> R {
        let mm = match self {
            Self::Process(mm) => mm.mmget_not_zero(),
            Self::Private(space) => return f(Access::Private(space)),
            Self::Buffers(buffers) => return f(Access::Buffers(buffers)),
            Self::Nothing => None,
        };
        // If this is the last reference, the address space is not torn down by our thread, which
        // a queue of that process may be waiting for.
        let done = mm
            .map(MmWithUser::into_mmput_async)
            .and_then(|mm| mm.use_in_kthread(|| f(Access::Process(&mm))).ok());
        done.unwrap_or_else(|| f(Access::Nothing))
    }
}

/// Access to memory, in the thread that it was given to.
#[derive(Copy, Clone)]
pub(crate) enum Access<'a> {
    /// That of the current thread.
    Process(&'a Mm),
    Private(&'a AddressSpace),
    Buffers(&'a Buffers),
    Nothing,
}

impl Access<'_> {
    /// Reads from `address` on, within a page.
    pub(crate) fn read(self, address: u64, to: &mut [u8]) -> Result<(), Miss> {
        let read = match self {
            Self::Process(mm) => slice(mm, address, to.len())
                .and_then(|slice| without_faults(|| slice.reader().read_slice(to))),
            Self::Private(space) => space.read(address, to),
            Self::Buffers(buffers) => buffers.read(address, to),
            Self::Nothing => Err(EFAULT),
        };
        read.map_err(|_| self.miss(address, fault_in::Access::Read))
    }

    /// Writes from `address` on, within a page.
    pub(crate) fn write(self, address: u64, from: &[u8]) -> Result<(), Miss> {
        let written = match self {
            Self::Process(mm) => slice(mm, address, from.len())
                .and_then(|slice| without_faults(|| slice.writer().write_slice(from))),
            Self::Private(space) => space.write(address, from),
            Self::Buffers(buffers) => buffers.write(address, from),
            Self::Nothing => Err(EFAULT),
        };
        written.map_err(|_| self.miss(address, fault_in::Access::Write))
    }

    fn miss(self, address: u64, access: fault_in::Access) -> Miss {
        match self {
            Self::Process(mm) if !mm.is_abandoned() => Miss::Missing(Missing { address, access }),
            _ => Miss::Fault(Fault { address }),
        }
    }
}

fn slice(mm: &Mm, address: u64, len: usize) -> Result<UserSlice> {
    if mm.is_abandoned() {
        return Err(EFAULT);
    }
    Ok(UserSlice::new(UserPtr::from_addr(address.try_into()?), len))
}
