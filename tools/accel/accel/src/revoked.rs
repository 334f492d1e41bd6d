// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Outliving the removal of a device.
//!
//! When a device goes, the kernel takes the mappings of its queues away, and the next touch raises
//! SIGBUS, which ends the process. A program that looks for completions in memory can't help
//! touching them. [`survive_removal`] installs a handler that puts empty memory in the place of a
//! revoked region and remembers that it did, so that the program goes on to an ordinary error.

use std::ffi::{c_int, c_void};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

/// A watched address range. The handler reads these, so they are atomics and never freed.
struct Watch {
    start: AtomicUsize,
    len: AtomicUsize,
    revoked: AtomicBool,
}

impl Watch {
    const fn new() -> Self {
        Self {
            start: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
            revoked: AtomicBool::new(false),
        }
    }
}

/// As many regions as are watched at once; further ones are mapped, but not watched.
const WATCHES: usize = 4096;
static TABLE: [Watch; WATCHES] = [const { Watch::new() }; WATCHES];
/// Which entries of the table are taken; the handler does not need it.
static TAKEN: Mutex<[bool; WATCHES]> = Mutex::new([false; WATCHES]);

/// The entry of one region.
#[derive(Debug)]
pub(crate) struct Ticket(Option<usize>);

impl Ticket {
    pub(crate) fn is_revoked(&self) -> bool {
        self.0
            .is_some_and(|i| TABLE[i].revoked.load(Ordering::Acquire))
    }

    /// The region is about to be unmapped.
    pub(crate) fn end(&mut self) {
        if let Some(i) = self.0.take() {
            TABLE[i].len.store(0, Ordering::Release);
            taken()[i] = false;
        }
    }
}

fn taken() -> std::sync::MutexGuard<'static, [bool; WATCHES]> {
    // A panic can't leave the table half-changed.
    TAKEN
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Begins to watch a mapping.
pub(crate) fn watch(start: usize, len: usize) -> Ticket {
    let mut taken = taken();
    let Some(i) = taken.iter().position(|taken| !taken) else {
        return Ticket(None);
    };
    taken[i] = true;
    TABLE[i].revoked.store(false, Ordering::Relaxed);
    TABLE[i].start.store(start, Ordering::Relaxed);
    // The length makes the entry valid, and so comes last.
    TABLE[i].len.store(len, Ordering::Release);
    Ticket(Some(i))
}

/// Makes this process survive the removal of a device whose queues it has mapped.
///
/// Installs a handler for SIGBUS. A fault outside the regions of this crate is handed on to the
/// handler that was there before, or ends the process as it would have.
pub fn survive_removal() -> io::Result<()> {
    static PREVIOUS_SET: OnceLock<Result<(), i32>> = OnceLock::new();
    let result = PREVIOUS_SET.get_or_init(|| install().map_err(|e| e.raw_os_error().unwrap_or(0)));
    result.map_err(io::Error::from_raw_os_error)
}

/// What SIGBUS did before.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();

fn install() -> io::Result<()> {
    // SAFETY: all zeroes are a valid `sigaction`.
    let mut previous: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: only asks; both pointers are valid or null.
    check(unsafe { libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut previous) })?;
    // Before the handler can run.
    let _ = PREVIOUS.set(previous);

    // SAFETY: as above.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_sigbus as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the handler has the signature that SA_SIGINFO asks for and is async-signal-safe.
    check(unsafe { libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()) })
}

fn check(result: c_int) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The handler: atomics and system calls only.
extern "C" fn on_sigbus(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a valid siginfo to a handler with SA_SIGINFO.
    let address = unsafe { (*info).si_addr() }.addr();
    if !replace(address) {
        hand_on(signal, info, context);
    }
}

/// Replaces the watched region at `address` by empty memory; false if there is none.
fn replace(address: usize) -> bool {
    let hit = TABLE.iter().find_map(|watch| {
        let len = watch.len.load(Ordering::Acquire);
        let start = watch.start.load(Ordering::Relaxed);
        (address.wrapping_sub(start) < len).then_some((watch, start, len))
    });
    let Some((watch, start, len)) = hit else {
        return false;
    };
    watch.revoked.store(true, Ordering::Release);
    // SAFETY: the range is a mapping of this crate (the entry is removed before it is unmapped)
    // whose users only make volatile accesses to it. mmap is async-signal-safe.
    let mapped = unsafe {
        libc::mmap(
            start as *mut c_void,
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
            -1,
            0,
        )
    };
    mapped != libc::MAP_FAILED
}

/// Lets the handler that was there before have the signal.
fn hand_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let handler = PREVIOUS.get().map_or(libc::SIG_DFL, |p| p.sa_sigaction);
    let flags = PREVIOUS.get().map_or(0, |p| p.sa_flags);
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        // The faulting access is made again when the handler returns, and then ends the process.
        // SAFETY: `signal` is async-signal-safe and SIGBUS a valid number.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    } else if flags & libc::SA_SIGINFO != 0 {
        // SAFETY: sigaction() told this address as that of a handler with three arguments.
        unsafe {
            let previous: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) =
                std::mem::transmute(handler);
            previous(signal, info, context);
        }
    } else {
        // SAFETY: sigaction() told this address as that of a handler with one argument.
        unsafe {
            let previous: extern "C" fn(c_int) = std::mem::transmute(handler);
            previous(signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::region::{Access, Region};

    /// A file cut short does to its mapping what revocation does to a queue's.
    #[test]
    fn a_revoked_region_reads_as_zero_and_says_so() {
        survive_removal().unwrap();
        let file = tempfile::tempfile().unwrap();
        file.set_len(8192).unwrap();
        let region = Region::map(file.as_fd(), 0, 8192, Access::ReadWrite).unwrap();
        let other = Region::map(file.as_fd(), 0, 4096, Access::Read).unwrap();
        region.write(4096, 7u32);
        file.set_len(0).unwrap();
        assert!(!region.is_revoked());
        assert_eq!(region.read::<u32>(4096), 0);
        assert!(region.is_revoked());
        assert!(!other.is_revoked());
        region.write(0, 1u32);
    }

    #[test]
    fn entries_are_used_again() {
        let mut first = watch(0x1000, 0x1000);
        let i = first.0;
        first.end();
        assert!(!first.is_revoked());
        assert!(i.is_some());
    }
}
