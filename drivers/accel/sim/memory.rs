// SPDX-License-Identifier: GPL-2.0

//! The memory that jobs reach.

use kernel::{
    mm::{
        Mm,
        MmWithUser, //
    },
    prelude::*,
    sync::aref::ARef,
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

/// What the jobs of a context reach.
#[derive(Clone)]
pub(crate) enum Memory {
    /// That of a process, by its own addresses.
    Process(ARef<Mm>),
    /// None: every address is wrong.
    Nothing,
}

impl Memory {
    /// Calls `f` with access to the memory. It is refused if the process has gone.
    ///
    /// For kernel threads. `f` may wait for page faults, for as long as user space likes.
    pub(crate) fn with<R: Send>(&self, mut f: impl FnMut(Access) -> R + Send) -> R {
        let mm = match self {
            Self::Process(mm) => mm.mmget_not_zero(),
            Self::Nothing => None,
        };
        // If this is the last reference, the address space is not torn down by our thread, which
        // a queue of that process may be waiting for.
        let done = mm
            .map(MmWithUser::into_mmput_async)
            .and_then(|mm| mm.use_in_kthread(|| f(Access { open: true })).ok());
        done.unwrap_or_else(|| f(Access { open: false }))
    }
}

/// Access to memory, in the thread that it was given to.
#[derive(Copy, Clone)]
pub(crate) struct Access {
    open: bool,
}

impl Access {
    /// Reads from `address` on.
    pub(crate) fn read(self, address: u64, to: &mut [u8]) -> Result<(), Fault> {
        let slice = self.slice(address, to.len())?;
        let read = slice.reader().read_slice(to);
        read.map_err(|_| Fault { address })
    }

    /// Writes from `address` on.
    pub(crate) fn write(self, address: u64, from: &[u8]) -> Result<(), Fault> {
        let slice = self.slice(address, from.len())?;
        let written = slice.writer().write_slice(from);
        written.map_err(|_| Fault { address })
    }

    fn slice(self, address: u64, len: usize) -> Result<UserSlice, Fault> {
        let at = usize::try_from(address).map_err(|_| Fault { address })?;
        if !self.open {
            return Err(Fault { address });
        }
        Ok(UserSlice::new(UserPtr::from_addr(at), len))
    }
}
