// SPDX-License-Identifier: GPL-2.0

//! Pages of a process, for those who must not wait for them.
//!
//! A page that `userfaultfd()` or a file system in user space provides comes when user space likes,
//! and a kernel thread that waits for it can't be interrupted. Devices that share the address space
//! of a process leave that to the driver of the IOMMU, and can be stopped meanwhile. This is the
//! same for software: it touches memory [`without_faults`]; where a page is missing it asks for it
//! with a [`FaultIn`], lets go of everything, and is told when to try again.
//!
//! Who waits is the kernel proper. So a driver can stop, and its module go, while it does.
//!
//! C headers: [`include/linux/mm.h`](srctree/include/linux/mm.h),
//! [`include/linux/uaccess.h`](srctree/include/linux/uaccess.h)

use super::{
    Mm,
    MmWithUser,
    MmWithUserAsync, //
};
use crate::{
    bindings,
    capability::{
        capable_unaudited,
        Cap, //
    },
    error::to_result,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        aref::ARef,
        new_spinlock,
        Arc,
        SetOnce,
        SpinLock, //
    },
    task::Kuid,
    time::{
        delay::fsleep,
        Delta, //
    },
    workqueue::{
        impl_has_work,
        new_work,
        owned::{
            Flags,
            OwnedQueue, //
        },
        Work,
        WorkItem, //
    }, //
};

/// Bytes that are brought in at once, where that takes no waiting.
const AHEAD: usize = 64 * PAGE_SIZE;

/// Calls `f`; whatever it touches of user space must be there, and allowed. It is not brought in:
/// accesses fail with [`EFAULT`] then.
///
/// Calls `pagefault_disable()`. Does not keep `f` from sleeping.
pub fn without_faults<R>(f: impl FnOnce() -> R) -> R {
    // SAFETY: It counts something of the current task, and is taken back below.
    unsafe { bindings::pagefault_disable() };
    let result = f();
    // SAFETY: It was disabled above, by the same task.
    unsafe { bindings::pagefault_enable() };
    result
}

/// What is wanted of a page.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Access {
    /// To read it.
    Read,
    /// To write to it.
    Write,
}

impl Access {
    /// For `handle_mm_fault()`.
    fn fault_flags(self) -> u32 {
        // Whoever works for a process is not it: the rights that a thread has given up by itself,
        // protection keys, are for the access to tell.
        let remote = bindings::fault_flag_FAULT_FLAG_REMOTE;
        match self {
            Self::Read => remote,
            Self::Write => remote | bindings::fault_flag_FAULT_FLAG_WRITE,
        }
    }

    /// For `get_user_pages_remote()`, which knows that it is remote.
    fn gup_flags(self) -> u32 {
        match self {
            Self::Read => 0,
            Self::Write => bindings::FOLL_WRITE,
        }
    }
}

/// Bytes that are wanted from `address` on.
#[derive(Copy, Clone)]
struct Question {
    address: usize,
    len: usize,
    access: Access,
}

impl Question {
    /// The start of the page behind the first, and how many pages are wanted from there on.
    fn ahead(&self) -> Option<(usize, usize)> {
        let last = self
            .address
            .checked_add(self.len.min(AHEAD).checked_sub(1)?)?;
        let first = self.address / PAGE_SIZE;
        let next = (first + 1).checked_mul(PAGE_SIZE)?;
        Some((next, last / PAGE_SIZE - first))
    }
}

/// How many [`FaultIn`]s there may be at once, of those that were made with it.
///
/// Each can keep a kernel thread waiting, and goes on with that when its owner has dropped it. So
/// whoever lets processes make them needs a limit. A user gets no more than a quarter of it, so
/// that something is left for others; CAP_SYS_RESOURCE gets all.
#[pin_data]
pub struct Limit {
    most: usize,
    /// Who has one, as often as he has; there is room for all.
    #[pin]
    taken: SpinLock<KVec<Kuid>>,
}

impl Limit {
    /// There may be so many.
    pub fn new(most: usize) -> Result<Arc<Self>> {
        let taken = KVec::with_capacity(most, GFP_KERNEL)?;
        Arc::pin_init(
            pin_init!(Self {
                most,
                taken <- new_spinlock!(taken),
            }),
            GFP_KERNEL,
        )
    }

    /// How many of them one user may have.
    fn share(&self) -> usize {
        (self.most / 4).max(1)
    }
}

/// One of those that a limit allows.
struct Place {
    limit: Arc<Limit>,
    user: Kuid,
}

impl Place {
    fn take(limit: &Arc<Limit>) -> Result<Self> {
        let user = Kuid::current_euid();
        let may_have_all = capable_unaudited(Cap::SysResource);
        let mut taken = limit.taken.lock();
        let own = taken.iter().filter(|other| **other == user).count();
        if taken.len() >= limit.most || (own >= limit.share() && !may_have_all) {
            return Err(EBUSY);
        }
        taken.push_within_capacity(user).map_err(|_| EBUSY)?;
        drop(taken);
        let limit = limit.clone();
        Ok(Self { limit, user })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.limit.taken.lock();
        if let Some(own) = taken.iter().position(|user| *user == self.user) {
            let _ = taken.remove(own);
        }
    }
}

/// The workers that wait for pages: those of the kernel's own queues are for everybody. It is never
/// destroyed.
fn workers() -> Result<&'static OwnedQueue> {
    static WORKERS: SetOnce<OwnedQueue> = SetOnce::new();

    if let Some(workers) = WORKERS.as_ref() {
        return Ok(workers);
    }
    // If somebody else was faster, this one goes again.
    WORKERS.populate(OwnedQueue::new(c"fault_in", Flags::UNBOUND)?);
    loop {
        if let Some(workers) = WORKERS.as_ref() {
            return Ok(workers);
        }
        fsleep(Delta::from_millis(1));
    }
}

/// What a [`FaultIn`] is at.
enum State {
    /// Nothing was asked for, or the answer has been taken.
    Idle,
    Asked(Question),
    Answered(Result),
}

struct Inner {
    at: State,
    /// Whom to tell of an answer. Only [`Listener`] puts it there and takes it out.
    listener: Option<KBox<dyn Fn() + Send>>,
}

/// Brings in pages of a process, one at a time, while whoever asks for them does not wait.
///
/// What is needed for that is allocated when it is made.
///
/// # Examples
///
/// ```
/// use kernel::mm::{
///     fault_in::{Access, FaultIn, Limit, Listener},
///     Mm,
/// };
/// use kernel::prelude::*;
/// use kernel::sync::{aref::ARef, Arc, Completion};
///
/// /// Asks for the page at `address`, and lets `there` be completed when the answer has come.
/// fn ask(mm: ARef<Mm>, address: usize, there: Arc<Completion>) -> Result<Listener> {
///     let pages = FaultIn::new(mm, &Limit::new(1)?)?;
///     let listener = pages.listen(move || there.complete_all())?;
///     pages.ask(address, 1, Access::Read)?;
///     Ok(listener)
/// }
/// ```
#[pin_data]
pub struct FaultIn {
    mm: ARef<Mm>,
    #[pin]
    inner: SpinLock<Inner>,
    #[pin]
    work: Work<FaultIn>,
    workers: &'static OwnedQueue,
    _place: Place,
}

impl_has_work! {
    impl HasWork<Self> for FaultIn { self.work }
}

impl FaultIn {
    /// For pages of `mm`. Fails with [`EBUSY`] if the limit allows no more, or the current user no
    /// more of it, with [`ENOMEM`]. Whoever is current is
    /// charged.
    // Not inlined: what the work item runs is in the kernel then, and not in the caller's module.
    #[inline(never)]
    pub fn new(mm: ARef<Mm>, limit: &Arc<Limit>) -> Result<Arc<Self>> {
        let workers = workers()?;
        let place = Place::take(limit)?;
        Arc::pin_init(
            pin_init!(Self {
                mm,
                inner <- new_spinlock!(Inner {
                    at: State::Idle,
                    listener: None,
                }),
                work <- new_work!("FaultIn::work"),
                workers,
                _place: place,
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// Lets `f` be called whenever an answer has come. Fails with [`EBUSY`] if somebody listens
    /// already.
    ///
    /// `f` is called in process context with a spinlock held that all functions here take: it must
    /// not sleep, nor call them, nor drop the listener.
    pub fn listen(self: &Arc<Self>, f: impl Fn() + Send + 'static) -> Result<Listener> {
        let f: KBox<dyn Fn() + Send> = KBox::new(f, GFP_KERNEL_ACCOUNT)?;
        let mut inner = self.inner.lock();
        if inner.listener.is_some() {
            drop(inner);
            return Err(EBUSY);
        }
        inner.listener = Some(f);
        drop(inner);
        Ok(Listener(self.clone()))
    }

    /// Asks for the page at `address`. When it is there, and that was told, memory of no file that
    /// comes behind it is brought in as well, up to `len` bytes, if that takes no waiting.
    ///
    /// Fails with [`EBUSY`] if the answer to the last question has not come, with [`EINVAL`] if
    /// nobody listens. Does not sleep and does not allocate.
    pub fn ask(self: &Arc<Self>, address: usize, len: usize, access: Access) -> Result {
        let mut inner = self.inner.lock();
        if inner.listener.is_none() {
            return Err(EINVAL);
        }
        if matches!(inner.at, State::Asked(_)) {
            return Err(EBUSY);
        }
        inner.at = State::Asked(Question {
            address,
            len,
            access,
        });
        drop(inner);
        // It can't be waiting to run: what it was queued for has been answered.
        let _ = self.workers.enqueue(self.clone());
        Ok(())
    }

    /// Takes the answer, if there is one: [`EFAULT`] if the process may not do this itself, or has
    /// ended; other errors if it could not be brought in.
    ///
    /// It may have gone again by the time that it is used.
    pub fn answer(&self) -> Option<Result> {
        let mut inner = self.inner.lock();
        match inner.at {
            State::Answered(result) => {
                inner.at = State::Idle;
                Some(result)
            }
            _ => None,
        }
    }

    /// What was asked for, if somebody still waits for it.
    fn question(&self) -> Option<Question> {
        let mut inner = self.inner.lock();
        if inner.listener.is_none() {
            inner.at = State::Idle;
        }
        match inner.at {
            State::Asked(question) => Some(question),
            _ => None,
        }
    }

    /// The address space, if it has users. Should this become the last reference to it, its end is
    /// not for us to wait for.
    fn users(&self) -> Option<ARef<MmWithUserAsync>> {
        Some(MmWithUser::into_mmput_async(self.mm.mmget_not_zero()?))
    }

    /// Brings it in, however long that takes. The stack of a process does not grow by it.
    fn bring_in(&self, question: &Question) -> Result {
        let mm = self.users().ok_or(EFAULT)?;
        let mut unlocked = false;
        // SAFETY: There are users of the `mm_struct` for as long as `mm` lives. The lock is held
        // when the function is called and when it returns.
        let ret = unsafe {
            bindings::mmap_read_lock(mm.as_raw());
            let ret = bindings::fixup_user_fault(
                mm.as_raw(),
                question.address,
                question.access.fault_flags(),
                &mut unlocked,
            );
            bindings::mmap_read_unlock(mm.as_raw());
            ret
        };
        to_result(ret)
    }

    /// Brings in what is wanted behind it, where nobody waits for that.
    fn bring_in_ahead(&self, question: &Question) {
        let (Some((next, pages)), Some(mm)) = (question.ahead(), self.users()) else {
            return;
        };
        let lock = mm.mmap_read_lock();
        let Some(vma) = lock.vma_lookup(next) else {
            return;
        };
        // A file's pages may have to be read, with the lock held, whatever flags say.
        // SAFETY: The area is there for as long as the lock is held.
        if unsafe { !(*vma.as_ptr()).vm_file.is_null() } {
            return;
        }
        let pages = pages.min((vma.end() - next) / PAGE_SIZE);
        // SAFETY: There are users of the `mm_struct`, and its lock is held, which stays so, since
        // this may not wait. It gets no references to pages.
        unsafe {
            bindings::get_user_pages_remote(
                mm.as_raw(),
                next,
                pages,
                question.access.gup_flags() | bindings::FOLL_NOWAIT,
                core::ptr::null_mut(),
                core::ptr::null_mut(),
            )
        };
    }

    fn tell(&self, answer: Result) {
        let mut inner = self.inner.lock();
        inner.at = State::Answered(answer);
        if let Some(listener) = &inner.listener {
            listener();
        }
    }
}

impl WorkItem for FaultIn {
    type Pointer = Arc<FaultIn>;

    fn run(this: Arc<FaultIn>) {
        let Some(question) = this.question() else {
            return;
        };
        let answer = this.bring_in(&question);
        this.tell(answer);
        if answer.is_ok() {
            this.bring_in_ahead(&question);
        }
    }
}

/// Who is told of answers. Nobody is any more once this is dropped, which does not wait for pages.
#[must_use = "nobody is told when it is dropped"]
pub struct Listener(Arc<FaultIn>);

impl Drop for Listener {
    fn drop(&mut self) {
        // Calls are made under the lock: none is under way now.
        let listener = self.0.inner.lock().listener.take();
        drop(listener);
    }
}

#[macros::kunit_tests(rust_mm_fault_in)]
mod tests {
    use super::*;
    use crate::{
        sync::Completion,
        uaccess::{
            UserPtr,
            UserSlice, //
        }, //
    };

    const READ_ONLY: u32 = bindings::PROT_READ;
    const READ_WRITE: u32 = bindings::PROT_READ | bindings::PROT_WRITE;

    /// Gives the thread of the test an address space, which goes with the thread, and two pages
    /// there that nobody has touched.
    fn user_pages(prot: u32) -> Result<(ARef<Mm>, usize)> {
        // SAFETY: Called by tests only.
        let addr = unsafe {
            bindings::kunit_vm_mmap(
                bindings::kunit_get_current_test(),
                core::ptr::null_mut(),
                0,
                2 * PAGE_SIZE,
                prot as usize,
                (bindings::MAP_ANONYMOUS | bindings::MAP_PRIVATE) as usize,
                0,
            )
        };
        let mm = current!().mm().map(|mm| ARef::<Mm>::from(&**mm));
        Ok((mm.ok_or(ENOMEM)?, addr))
    }

    fn read(addr: usize) -> Result<u8> {
        UserSlice::new(UserPtr::from_addr(addr), 1).reader().read()
    }

    fn write(addr: usize, value: u8) -> Result {
        UserSlice::new(UserPtr::from_addr(addr), 1)
            .writer()
            .write(&value)
    }

    /// Asks for a page, and waits for the answer and for what comes behind the page.
    fn bring_in(mm: &ARef<Mm>, addr: usize, len: usize, access: Access) -> Result {
        let there = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let limit = Limit::new(1)?;
        let pages = FaultIn::new(mm.clone(), &limit)?;
        let theirs = there.clone();
        let listener = pages.listen(move || theirs.complete_all())?;
        pages.ask(addr, len, access)?;
        there.wait_for_completion();
        drop(listener);
        let answer = pages.answer().ok_or(EAGAIN)?;
        assert!(pages.answer().is_none());
        drop(pages);
        // Whoever works for it has it for as long as that takes.
        while !limit.taken.lock().is_empty() {
            fsleep(Delta::from_millis(1));
        }
        answer
    }

    #[test]
    fn nothing_is_brought_in_without_faults() -> Result {
        let (_mm, addr) = user_pages(READ_WRITE)?;
        assert_eq!(without_faults(|| read(addr)), Err(EFAULT));
        assert_eq!(read(addr)?, 0);
        assert_eq!(without_faults(|| read(addr))?, 0);
        Ok(())
    }

    #[test]
    fn a_page_is_there_when_it_was_asked_for() -> Result {
        let (mm, addr) = user_pages(READ_WRITE)?;
        assert_eq!(bring_in(&mm, addr, 1, Access::Read), Ok(()));
        assert_eq!(without_faults(|| read(addr))?, 0);
        assert_eq!(bring_in(&mm, addr, 1, Access::Write), Ok(()));
        without_faults(|| write(addr, 7))?;
        assert_eq!(read(addr)?, 7);
        Ok(())
    }

    #[test]
    fn what_comes_behind_is_there_too() -> Result {
        let (mm, addr) = user_pages(READ_WRITE)?;
        // As far as it is asked for.
        bring_in(&mm, addr + 1, PAGE_SIZE - 1, Access::Write)?;
        assert_eq!(without_faults(|| read(addr + PAGE_SIZE)), Err(EFAULT));
        // As far as there is something.
        bring_in(&mm, addr + 1, usize::MAX, Access::Write)?;
        without_faults(|| write(addr + PAGE_SIZE, 7))?;
        Ok(())
    }

    #[test]
    fn what_the_process_may_not_do_is_efault() -> Result {
        let (mm, addr) = user_pages(READ_ONLY)?;
        assert_eq!(bring_in(&mm, addr, 1, Access::Write), Err(EFAULT));
        assert_eq!(bring_in(&mm, addr, 1, Access::Read), Ok(()));
        assert_eq!(
            bring_in(&mm, addr + 2 * PAGE_SIZE, 1, Access::Read),
            Err(EFAULT)
        );
        assert_eq!(bring_in(&mm, usize::MAX, 1, Access::Read), Err(EFAULT));
        Ok(())
    }

    #[test]
    fn nobody_is_told_who_does_not_listen() -> Result {
        let (mm, addr) = user_pages(READ_WRITE)?;
        let there = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let theirs = there.clone();
        let pages = FaultIn::new(mm, &Limit::new(1)?)?;
        drop(pages.listen(move || theirs.complete_all())?);
        // What the listener had is gone with it.
        assert!(Arc::into_unique_or_drop(there).is_some());
        assert_eq!(pages.ask(addr, 1, Access::Read), Err(EINVAL));
        assert_eq!(without_faults(|| read(addr)), Err(EFAULT));
        Ok(())
    }

    #[test]
    fn there_are_as_many_as_the_limit_says() -> Result {
        let (mm, _) = user_pages(READ_WRITE)?;
        let limit = Limit::new(1)?;
        let first = FaultIn::new(mm.clone(), &limit)?;
        assert_eq!(FaultIn::new(mm.clone(), &limit).err(), Some(EBUSY));
        drop(first);
        assert!(FaultIn::new(mm, &limit).is_ok());
        Ok(())
    }

    #[test]
    fn one_listens_at_a_time() -> Result {
        let (mm, _) = user_pages(READ_WRITE)?;
        let pages = FaultIn::new(mm, &Limit::new(1)?)?;
        let listener = pages.listen(|| ())?;
        assert_eq!(pages.listen(|| ()).err(), Some(EBUSY));
        drop(listener);
        assert!(pages.listen(|| ()).is_ok());
        Ok(())
    }
}
