// SPDX-License-Identifier: GPL-2.0

//! Use of the address space of a process by a kernel thread.
//!
//! C header: [`include/linux/kthread.h`](srctree/include/linux/kthread.h)

use super::{
    Mm,
    MmWithUser, //
};
use crate::{
    bindings,
    prelude::*,
    task::Task,
    types::NotThreadSafe, //
};

/// The address space that the current kernel thread uses.
///
/// # Invariants
///
/// The current task is a kernel thread that uses `mm` by a call of `kthread_use_mm()`, which
/// [`Drop`] ends.
struct InUse<'a> {
    mm: &'a MmWithUser,
    _not_send: NotThreadSafe,
}

impl<'a> InUse<'a> {
    fn new(mm: &'a MmWithUser) -> Result<Self> {
        let current = Task::current_raw();
        // SAFETY: These only look at the current context. A task's flags are written by itself, and
        // so is its `mm` once it runs.
        let (can_switch, is_kthread, is_busy) = unsafe {
            (
                bindings::in_task() && !bindings::irqs_disabled(),
                (*current).flags & bindings::PF_KTHREAD != 0,
                !(*current).mm.is_null(),
            )
        };
        if !can_switch || !is_kthread {
            return Err(EPERM);
        }
        if is_busy {
            return Err(EBUSY);
        }

        // SAFETY: The current task is a kernel thread without an address space, as was checked, and
        // `mm_users` is positive for as long as `mm` is borrowed.
        unsafe { bindings::kthread_use_mm(mm.as_raw()) };

        // INVARIANT: It was called just now.
        Ok(Self {
            mm,
            _not_send: NotThreadSafe,
        })
    }
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; `self` has not left its thread.
        unsafe { bindings::kthread_unuse_mm(self.mm.as_raw()) };
    }
}

impl MmWithUser {
    /// Runs `f` in the address space: [`UserSlice`](crate::uaccess::UserSlice) reaches the memory
    /// of that process, and `current!().mm()` is this address space.
    ///
    /// For kernel threads, workers of work queues among them. `f` may sleep and take page faults.
    ///
    /// `f` and what it returns must be [`Send`]: that keeps references to the current task out,
    /// whose address space is another one inside.
    ///
    /// Fails with [`EPERM`] if the current context is not a kernel thread, or is one but inside an
    /// interrupt or with interrupts off; with [`EBUSY`] if the thread uses an address space
    /// already.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::mm::MmWithUser;
    /// use kernel::prelude::*;
    /// use kernel::sync::aref::ARef;
    /// use kernel::uaccess::{UserPtr, UserSlice};
    /// use kernel::workqueue;
    ///
    /// /// Clears a byte of a process later.
    /// fn clear_later(mm: ARef<MmWithUser>, addr: usize) -> Result {
    ///     workqueue::system_dfl().try_spawn(GFP_KERNEL, move || {
    ///         let cleared = mm.use_in_kthread(|| {
    ///             UserSlice::new(UserPtr::from_addr(addr), 1).writer().write(&0u8)
    ///         });
    ///         if !matches!(cleared, Ok(Ok(()))) {
    ///             pr_warn!("the byte could not be cleared\n");
    ///         }
    ///     })?;
    ///     Ok(())
    /// }
    /// ```
    pub fn use_in_kthread<R: Send>(&self, f: impl FnOnce() -> R + Send) -> Result<R> {
        let in_use = InUse::new(self)?;
        let result = f();
        drop(in_use);
        Ok(result)
    }
}

impl Mm {
    /// Whether no task uses the address space any more: its process has ended, or executes another
    /// program.
    ///
    /// It lives on for as long as somebody has an [`MmWithUser`], and with it the files that are
    /// mapped there. Several threads that take turns in having one can keep it for ever; who works
    /// for a process in a kernel thread stops when this is so.
    ///
    /// May be called from any context. Without `CONFIG_MEMCG` the kernel does not know, and the
    /// answer is `false`. C: `mm_update_next_owner()`.
    pub fn is_abandoned(&self) -> bool {
        #[cfg(CONFIG_MEMCG)]
        // SAFETY: The `mm_struct` is there for as long as `self` is; its owner is written whole, by
        // `WRITE_ONCE()`, and only compared here.
        unsafe {
            (&raw const (*self.as_raw()).__bindgen_anon_1.owner)
                .read_volatile()
                .is_null()
        }
        #[cfg(not(CONFIG_MEMCG))]
        false
    }
}

#[macros::kunit_tests(rust_mm_kthread)]
mod tests {
    use super::*;
    use crate::{
        page::PAGE_SIZE,
        sync::{
            aref::ARef,
            atomic::{
                Acquire,
                Atomic,
                Release, //
            },
            Arc,
            Completion, //
        },
        uaccess::{
            UserPtr,
            UserSlice, //
        },
        workqueue, //
    };

    /// Gives the thread of the test an address space, which goes with the thread, and a page there.
    fn user_page() -> Result<(ARef<MmWithUser>, usize)> {
        // SAFETY: Called by tests only.
        let addr = unsafe {
            bindings::kunit_vm_mmap(
                bindings::kunit_get_current_test(),
                core::ptr::null_mut(),
                0,
                PAGE_SIZE,
                (bindings::PROT_READ | bindings::PROT_WRITE) as usize,
                (bindings::MAP_ANONYMOUS | bindings::MAP_PRIVATE) as usize,
                0,
            )
        };
        let mm = current!().mm().map(ARef::from).ok_or(ENOMEM)?;
        Ok((mm, addr))
    }

    fn read(addr: usize) -> Result<u8> {
        UserSlice::new(UserPtr::from_addr(addr), 1).reader().read()
    }

    fn write(addr: usize, value: u8) -> Result {
        UserSlice::new(UserPtr::from_addr(addr), 1)
            .writer()
            .write(&value)
    }

    #[pin_data]
    struct Answer {
        value: Atomic<i32>,
        #[pin]
        done: Completion,
    }

    /// Lets a worker compute a number.
    fn in_worker(f: impl FnOnce() -> Result<i32> + Send + 'static) -> Result<i32> {
        let answer = pin_init!(Answer {
            value: Atomic::new(0),
            done <- Completion::new(),
        });
        let answer = Arc::pin_init(answer, GFP_KERNEL)?;
        let theirs = answer.clone();
        workqueue::system_dfl().try_spawn(GFP_KERNEL, move || {
            theirs
                .value
                .store(f().unwrap_or_else(|err| err.to_errno()), Release);
            theirs.done.complete_all();
        })?;
        answer.done.wait_for_completion();
        Ok(answer.value.load(Acquire))
    }

    #[test]
    fn a_worker_reads_and_writes() -> Result {
        let (mm, addr) = user_page()?;
        write(addr, 7)?;
        let seen = in_worker(move || {
            let seen = mm.use_in_kthread(|| {
                write(addr + 1, 8)?;
                read(addr)
            })??;
            assert!(current!().mm().is_none());
            Ok(i32::from(seen))
        })?;
        assert_eq!(seen, 7);
        assert_eq!(read(addr + 1)?, 8);
        Ok(())
    }

    #[test]
    fn memory_that_is_not_mapped_is_efault() -> Result {
        let (mm, addr) = user_page()?;
        let seen = in_worker(move || mm.use_in_kthread(|| read(addr + PAGE_SIZE))?.map(i32::from))?;
        assert_eq!(seen, EFAULT.to_errno());
        Ok(())
    }

    #[test]
    fn an_address_space_in_use_is_not_abandoned() -> Result {
        let (mm, _) = user_page()?;
        let seen = in_worker(move || mm.use_in_kthread(|| i32::from(mm.is_abandoned())))?;
        assert_eq!(seen, 0);
        Ok(())
    }

    #[test]
    fn one_at_a_time() -> Result {
        let (mm, _) = user_page()?;
        // The thread of a test is a kernel thread, and uses an address space since `user_page`.
        assert_eq!(mm.use_in_kthread(|| ()).err(), Some(EBUSY));
        let nested = in_worker(move || mm.use_in_kthread(|| mm.use_in_kthread(|| 1))?)?;
        assert_eq!(nested, EBUSY.to_errno());
        Ok(())
    }
}
