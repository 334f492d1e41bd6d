// SPDX-License-Identifier: GPL-2.0
//! What code of the kernel a thread has run: `Documentation/dev-tools/kcov.rst`.

use crate::shared::Shared;
use std::{
    fs::{File, OpenOptions},
    io,
    os::fd::AsRawFd,
    sync::atomic::{AtomicU64, Ordering},
};

const FILE: &str = "/sys/kernel/debug/kcov";
/// `_IOR('c', 1, unsigned long)`, `_IO('c', 100)`
const INIT_TRACE: libc::c_ulong = 0x8008_6301;
const ENABLE: libc::c_ulong = 0x6364;
const TRACE_PC: libc::c_ulong = 0;
/// Addresses that fit in.
const ENTRIES: usize = 1 << 17;

/// Coverage of one thread at a time.
pub struct Kcov {
    file: File,
    memory: Shared,
}

impl Kcov {
    /// NotFound: the kernel has no KCOV.
    pub fn open() -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(FILE)?;
        // SAFETY: The request takes a number.
        if unsafe { libc::ioctl(file.as_raw_fd(), INIT_TRACE, ENTRIES) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let memory = Shared::of_file(file.as_raw_fd(), ENTRIES * 8)?;
        Ok(Self { file, memory })
    }

    /// From here on the calling thread is traced, until it ends.
    pub fn enable(&self) -> io::Result<()> {
        self.words()[0].store(0, Ordering::Relaxed);
        // SAFETY: The request takes a number.
        match unsafe { libc::ioctl(self.file.as_raw_fd(), ENABLE, TRACE_PC) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn words(&self) -> &'static [AtomicU64] {
        self.memory.atomics()
    }

    /// Calls `f` with each address since the last time.
    pub fn take(&self, mut f: impl FnMut(u64)) {
        let words = self.words();
        let count = (words[0].load(Ordering::Relaxed) as usize).min(ENTRIES - 1);
        words[1..=count]
            .iter()
            .for_each(|word| f(word.load(Ordering::Relaxed)));
        words[0].store(0, Ordering::Relaxed);
    }
}
