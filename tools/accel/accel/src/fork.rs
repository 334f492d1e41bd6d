// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Telling a process from its children.
//!
//! A child of `fork()` has the descriptors of its parent's queues, but not their mappings: a touch
//! would be SIGSEGV. Asking for the process's number is a system call each time; looking at a page
//! that the kernel wipes in a child is none.

use std::process;
use std::ptr::{NonNull, null_mut};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

/// A process, as its children are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process(u64);

/// How many processes there were before this one, of those that asked.
static GENERATIONS: AtomicU64 = AtomicU64::new(0);

impl Process {
    /// This one. Hardly ever a system call.
    pub(crate) fn current() -> Self {
        let Some(mark) = mark() else {
            return Self(process::id().into());
        };
        match mark.load(Ordering::Relaxed) {
            0 => Self::begin(mark),
            own => Self(own),
        }
    }

    /// Names this process, of which nobody has asked before.
    fn begin(mark: &AtomicU64) -> Self {
        // The child has a copy of what its parent counted.
        let own = GENERATIONS.fetch_add(1, Ordering::Relaxed) + 1;
        match mark.compare_exchange(0, own, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => Self(own),
            Err(other) => Self(other),
        }
    }

    /// Whether this process is another one now.
    pub(crate) fn is_parent(self) -> bool {
        self != Self::current()
    }
}

/// The number of this process, in a page that is zero in a child; nothing if there can't be one.
fn mark() -> Option<&'static AtomicU64> {
    static MARK: OnceLock<Option<&'static AtomicU64>> = OnceLock::new();
    *MARK.get_or_init(|| {
        let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        let len = size_of::<AtomicU64>();
        // SAFETY: a new mapping at an address of the kernel's choice replaces nothing.
        let page = unsafe { mmap_anonymous(null_mut(), len, access, flags) }.ok()?;
        // SAFETY: nobody has a reference to the page yet, and all that it ever holds is an atomic,
        // of which zero is a value as any other.
        unsafe { madvise(page, len, Advice::LinuxWipeOnFork) }.ok()?;
        let page = NonNull::new(page)?.cast::<AtomicU64>();
        // SAFETY: the page is zero, aligned, and never unmapped.
        Some(unsafe { page.as_ref() })
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Whether `check` is true in a child of this process.
    pub(crate) fn in_child(check: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child looks at what it is given, and ends without running anything else.
        match unsafe { libc::fork() } {
            0 => {
                let status = i32::from(!check());
                // SAFETY: it ends the child, of which nothing is left to be done.
                unsafe { libc::_exit(status) }
            }
            child => {
                let mut status = 0;
                // SAFETY: `status` is a valid place for the answer.
                let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
                assert_eq!(waited, child, "fork or wait");
                status == 0
            }
        }
    }

    #[test]
    fn a_child_is_another_process() {
        let own = Process::current();
        assert!(!own.is_parent());
        assert!(in_child(
            || own.is_parent() && !Process::current().is_parent()
        ));
        let grandchild = || in_child(|| own.is_parent());
        assert!(in_child(|| own.is_parent() && grandchild()));
        assert!(!own.is_parent());
    }
}
