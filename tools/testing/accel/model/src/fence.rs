// SPDX-License-Identifier: GPL-2.0

//! `kernel::dma_buf`: fences that are signalled once and in order, and nothing to share.

pub mod dma_fence {
    use crate::{
        prelude::*,
        sync::{aref::ARef, Arc, SpinLock},
    };
    use core::sync::atomic::{AtomicU64, Ordering};

    type Call = Box<dyn FnOnce(Result)>;

    struct State {
        result: Option<Result>,
        calls: Vec<(u64, Call)>,
        next: u64,
    }

    /// Calls run under the lock, as those of a fence do.
    pub struct Fence(Arc<SpinLock<State>>);

    impl Fence {
        pub fn new() -> ARef<Self> {
            let state = SpinLock::new(State {
                result: None,
                calls: Vec::new(),
                next: 0,
            });
            ARef::of(Self(Arc::new(state, GFP_KERNEL).unwrap()))
        }

        pub fn result(&self) -> Option<Result> {
            self.0.lock().result
        }

        pub fn signal(&self, result: Result) {
            let mut state = self.0.lock();
            require!(state.result.is_none(), "a fence is signalled once");
            state.result = Some(result);
            for (_, call) in core::mem::take(&mut state.calls) {
                call(result);
            }
        }
    }

    pub struct FenceCallback(Call);

    impl FenceCallback {
        pub fn new(call: impl FnOnce(Result) + 'static, _flags: Flags) -> Result<Self> {
            Ok(Self(Box::new(call)))
        }

        /// Gives the callback back if the fence is signalled.
        pub fn register(self, fence: &Fence) -> Result<FenceCallbackRegistration, Self> {
            let mut state = fence.0.lock();
            if state.result.is_some() {
                return Err(self);
            }
            let number = state.next;
            state.next += 1;
            state.calls.push((number, self.0));
            Ok(FenceCallbackRegistration(fence.0.clone(), number))
        }
    }

    pub struct FenceCallbackRegistration(Arc<SpinLock<State>>, u64);

    impl Drop for FenceCallbackRegistration {
        fn drop(&mut self) {
            let gone: Vec<_> = {
                let mut state = self.0.lock();
                let at = state.calls.iter().position(|(number, _)| *number == self.1);
                at.map(|at| state.calls.remove(at)).into_iter().collect()
            };
            // Not under the lock: it refers to the pipeline.
            drop(gone);
        }
    }

    /// A timeline; the fences of one are signalled in their order.
    pub struct FenceContext {
        next: AtomicU64,
        signalled: AtomicU64,
    }

    impl FenceContext {
        pub fn new(_driver: &CStr, _name: &crate::str::CString, _: Flags) -> Result<ARef<Self>> {
            Ok(ARef::of(Self {
                next: AtomicU64::new(1),
                signalled: AtomicU64::new(0),
            }))
        }
    }

    pub struct DriverFenceAllocation(ARef<FenceContext>);

    impl DriverFenceAllocation {
        pub fn new(timeline: &ARef<FenceContext>, _flags: Flags) -> Result<Self> {
            Ok(Self(timeline.clone()))
        }

        pub fn arm(self) -> DriverFence {
            let number = self.0.next.fetch_add(1, Ordering::Relaxed);
            DriverFence {
                fence: Fence::new(),
                timeline: self.0,
                number,
            }
        }
    }

    pub struct DriverFence {
        fence: ARef<Fence>,
        timeline: ARef<FenceContext>,
        number: u64,
    }

    impl DriverFence {
        pub fn fence(&self) -> ARef<Fence> {
            self.fence.clone()
        }

        pub fn signal(self, result: Result) {
            let before = self.timeline.signalled.swap(self.number, Ordering::Relaxed);
            require!(before < self.number, "fences are signalled in order");
            self.fence.signal(result);
        }
    }

    /// What may be done in between is lockdep's to say.
    pub struct Signalling;

    pub fn signalling() -> Signalling {
        Signalling
    }
}

pub mod resv {
    use crate::{dma_buf::dma_fence::Fence, prelude::*, sync::aref::ARef};

    pub struct Usage;
    pub struct Resv;

    impl Resv {
        pub fn reserve_fences(&self, _count: u32) -> Result {
            Ok(())
        }

        pub fn add_fence(&self, _fence: &Fence, _usage: Usage) -> Result {
            Ok(())
        }

        pub fn fences(&self, _usage: Usage) -> Result<KVec<ARef<Fence>>> {
            Ok(KVec::new())
        }
    }

    pub struct LockSet<'a>(&'a [&'a Resv]);

    impl<'a> LockSet<'a> {
        pub fn iter(&self) -> impl Iterator<Item = &'a Resv> + '_ {
            self.0.iter().copied()
        }

        pub fn get(&self, index: usize) -> Option<&'a Resv> {
            self.0.get(index).copied()
        }
    }

    pub fn lock_all<'a>(all: &'a [&'a Resv]) -> Result<LockSet<'a>> {
        Ok(LockSet(all))
    }
}

pub mod sync_file {
    use crate::{
        dma_buf::dma_fence::Fence,
        fs::{self, File},
        prelude::*,
        sync::aref::ARef,
    };

    pub fn fence_from_fd(fd: i32) -> Result<ARef<Fence>> {
        fs::fence(fd).ok_or(EINVAL)
    }

    pub fn create(fence: &ARef<Fence>) -> Result<ARef<File>> {
        Ok(File::of_fence(fence.clone()))
    }
}

pub struct DmaBuf;

impl DmaBuf {
    pub fn from_fd(_fd: i32) -> crate::error::Result<crate::sync::aref::ARef<Self>> {
        Err(crate::error::EINVAL)
    }
}
