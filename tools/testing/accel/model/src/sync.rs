// SPDX-License-Identifier: GPL-2.0

//! `kernel::sync`: the same, for threads that are run in every order.

use crate::{
    error::{Error, Result},
    init::PinInit,
    prelude::Flags,
};
use std::{
    ops::{CoerceUnsized, Deref},
    sync::{self as real, PoisonError},
};

pub use crate::{new_mutex, new_spinlock};

/// A reference. Counting is not among what is explored.
pub struct Arc<T: ?Sized>(real::Arc<T>);
pub type ArcBorrow<'a, T> = &'a Arc<T>;

impl<T: ?Sized + std::marker::Unsize<U>, U: ?Sized> CoerceUnsized<Arc<U>> for Arc<T> {}

impl<T> Arc<T> {
    pub fn new(value: T, _flags: Flags) -> Result<Self> {
        Ok(Self(real::Arc::new(value)))
    }

    pub fn pin_init(init: impl PinInit<T, Error>, _flags: Flags) -> Result<Self> {
        Ok(Self(real::Arc::new(init.init()?)))
    }

    /// What is in it, if this is the last reference.
    pub fn into_inner(this: Self) -> Option<T> {
        real::Arc::into_inner(this.0)
    }
}

impl<T: ?Sized> Clone for Arc<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: ?Sized> Deref for Arc<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> From<&Arc<T>> for Arc<T> {
    fn from(from: &Arc<T>) -> Self {
        from.clone()
    }
}

/// A lock, of either kind.
pub struct Mutex<T>(loom::sync::Mutex<T>);
pub type SpinLock<T> = Mutex<T>;
pub type Guard<'a, T> = loom::sync::MutexGuard<'a, T>;

impl<T> Mutex<T> {
    pub fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub fn lock(&self) -> Guard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sections under way, of two generations, and which of them is entered.
type Sections = ([u32; 2], usize);

/// Sleepable RCU, as it is promised: `synchronize` returns when all sections are left that were
/// entered before, and each section that is entered later sees what was done before it.
pub struct Srcu {
    sections: loom::sync::Mutex<Sections>,
    left: loom::sync::Condvar,
    synchronizing: loom::sync::Mutex<()>,
}

impl Srcu {
    pub fn new() -> Self {
        Self {
            sections: loom::sync::Mutex::new(([0; 2], 0)),
            left: loom::sync::Condvar::new(),
            synchronizing: loom::sync::Mutex::new(()),
        }
    }

    fn lock(&self) -> Guard<'_, Sections> {
        self.sections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn read_lock(&self) -> srcu::Guard<'_> {
        let mut sections = self.lock();
        let generation = sections.1;
        sections.0[generation] += 1;
        srcu::Guard(self, generation)
    }

    pub fn synchronize(&self) {
        let _one = self
            .synchronizing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut sections = self.lock();
        let before = sections.1;
        sections.1 = 1 - before;
        while sections.0[before] != 0 {
            sections = self
                .left
                .wait(sections)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

pub mod srcu {
    pub use crate::new_srcu;

    pub struct Guard<'a>(pub(super) &'a super::Srcu, pub(super) usize);

    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            let mut sections = self.0.lock();
            sections.0[self.1] -= 1;
            if sections.0[self.1] == 0 {
                self.0.left.notify_all();
            }
        }
    }
}

pub struct SetOnce<T>(real::OnceLock<T>);

impl<T> SetOnce<T> {
    pub const fn new() -> Self {
        Self(real::OnceLock::new())
    }

    pub fn populate(&self, value: T) -> bool {
        self.0.set(value).is_ok()
    }

    pub fn as_ref(&self) -> Option<&T> {
        self.0.get()
    }
}

pub mod aref {
    use super::*;

    pub struct ARef<T>(pub(crate) real::Arc<T>);

    impl<T> ARef<T> {
        pub fn of(value: T) -> Self {
            Self(real::Arc::new(value))
        }
    }

    impl<T> Clone for ARef<T> {
        fn clone(&self) -> Self {
            Self(self.0.clone())
        }
    }

    impl<T> Deref for ARef<T> {
        type Target = T;
        fn deref(&self) -> &T {
            &self.0
        }
    }
}

pub mod poll {
    use crate::{error::Result, fs::File, sync::Guard};

    pub struct PollTable<'a>(pub &'a ());

    impl PollTable<'_> {
        pub fn register_wait(&self, _file: &File, _wait: &PollCondVarBox) {}
    }

    /// Nobody sleeps here, so nobody has to be woken.
    pub struct PollCondVarBox;

    impl PollCondVarBox {
        pub fn new(_name: &core::ffi::CStr, _class: ()) -> Result<Self> {
            Ok(Self)
        }

        pub fn notify_all(&self) {}

        pub fn wait_interruptible<T>(&self, _guard: &mut Guard<'_, T>) -> bool {
            true
        }
    }
}

pub mod atomic {
    use loom::sync::atomic as loomed;
    use std::sync::atomic::{self as real, Ordering};

    /// Orderings, each as itself: where one is too weak, a thread sees old values.
    pub struct Relaxed;
    pub struct Acquire;
    pub struct Release;
    pub struct Full;

    pub trait Order {
        const LOAD: Ordering;
        const STORE: Ordering;
        const RMW: Ordering;
    }

    macro_rules! orders {
        ($($order:ident: $load:ident $store:ident $rmw:ident,)*) => {
            $(impl Order for $order {
                const LOAD: Ordering = Ordering::$load;
                const STORE: Ordering = Ordering::$store;
                const RMW: Ordering = Ordering::$rmw;
            })*
        };
    }

    orders! {
        Relaxed: Relaxed Relaxed Relaxed,
        Acquire: Acquire Relaxed Acquire,
        Release: Relaxed Release Release,
        Full: SeqCst SeqCst SeqCst,
    }

    /// What is behind an `Atomic` of this type.
    pub trait Value: Copy {
        type Cell;
        fn cell(value: Self) -> Self::Cell;
        fn load(cell: &Self::Cell, order: Ordering) -> Self;
        fn store(cell: &Self::Cell, value: Self, order: Ordering);
        fn swap(cell: &Self::Cell, value: Self, order: Ordering) -> Self;
        fn exchange(cell: &Self::Cell, old: Self, new: Self, order: Ordering)
            -> Result<Self, Self>;
    }

    pub trait Number: Value {
        fn add(cell: &Self::Cell, value: Self, order: Ordering) -> Self;
        fn sub(cell: &Self::Cell, value: Self, order: Ordering) -> Self;
    }

    macro_rules! value {
        ($type:ty, $cell:ty, $store:ident $(, $generic:ident)?) => {
            impl$(<$generic>)? Value for $type {
                type Cell = $cell;
                fn cell(value: Self) -> Self::Cell {
                    <$cell>::new(value)
                }
                fn load(cell: &Self::Cell, order: Ordering) -> Self {
                    cell.load(order)
                }
                fn store(cell: &Self::Cell, value: Self, order: Ordering) {
                    cell.$store(value, order);
                }
                fn swap(cell: &Self::Cell, value: Self, order: Ordering) -> Self {
                    cell.swap(value, order)
                }
                fn exchange(
                    cell: &Self::Cell,
                    old: Self,
                    new: Self,
                    order: Ordering,
                ) -> Result<Self, Self> {
                    cell.compare_exchange(old, new, order, Ordering::Relaxed)
                }
            }
        };
    }

    macro_rules! number {
        ($type:ty, $cell:ty) => {
            value!($type, $cell, store);
            impl Number for $type {
                fn add(cell: &Self::Cell, value: Self, order: Ordering) -> Self {
                    cell.fetch_add(value, order)
                }
                fn sub(cell: &Self::Cell, value: Self, order: Ordering) -> Self {
                    cell.fetch_sub(value, order)
                }
            }
        };
    }

    // loom may put a store before an exchange that has not seen it, though nothing comes between an
    // exchange and what it has seen. An exchange instead of the store has its place.
    value!(bool, loomed::AtomicBool, swap);
    value!(*mut T, loomed::AtomicPtr<T>, store, T);
    number!(u32, loomed::AtomicU32);
    // Numbers of 64 bits are counts of what has been; nothing is decided by them. Exploring them
    // would multiply the orders and show nothing.
    number!(u64, real::AtomicU64);
    number!(i64, real::AtomicI64);
    // Who a task is does not change.
    number!(usize, real::AtomicUsize);

    pub struct Atomic<T: Value>(T::Cell);

    // SAFETY: The cells are, and pointers are not followed here.
    unsafe impl<T: Value> Send for Atomic<T> {}
    // SAFETY: As above.
    unsafe impl<T: Value> Sync for Atomic<T> {}

    impl<T: Value> Atomic<T> {
        pub fn new(value: T) -> Self {
            Self(T::cell(value))
        }

        pub fn load<O: Order>(&self, _order: O) -> T {
            T::load(&self.0, O::LOAD)
        }

        pub fn store<O: Order>(&self, value: T, _order: O) {
            T::store(&self.0, value, O::STORE)
        }

        pub fn xchg<O: Order>(&self, value: T, _order: O) -> T {
            T::swap(&self.0, value, O::RMW)
        }

        pub fn cmpxchg<O: Order>(&self, old: T, new: T, _order: O) -> Result<T, T> {
            T::exchange(&self.0, old, new, O::RMW)
        }
    }

    impl<T: Number> Atomic<T> {
        pub fn fetch_add<O: Order>(&self, value: T, _order: O) -> T {
            T::add(&self.0, value, O::RMW)
        }

        pub fn fetch_sub<O: Order>(&self, value: T, _order: O) -> T {
            T::sub(&self.0, value, O::RMW)
        }
    }
}
