// SPDX-License-Identifier: GPL-2.0

//! `kernel::workqueue`: one queue, from which threads of the test take.

use crate::sync::{Arc, Mutex};
use std::{cell::RefCell, marker::PhantomData, rc::Rc};

pub use crate::{
    new_work, new_work as new_delayed_work, nothing as impl_has_delayed_work,
    nothing as impl_has_work,
};

pub trait WorkItem<const ID: u64 = 0> {
    type Pointer;
    fn run(this: Self::Pointer);
}

pub struct Work<T, const ID: u64>(PhantomData<fn() -> T>);
pub type DelayedWork<T, const ID: u64> = Work<T, ID>;

impl<T, const ID: u64> Work<T, ID> {
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

/// A reference to something that has work.
pub trait Pointer<const ID: u64>: Sized + 'static {
    fn address(&self) -> usize;
    fn run(self);
}

impl<T: WorkItem<ID, Pointer = Arc<T>> + 'static, const ID: u64> Pointer<ID> for Arc<T> {
    fn address(&self) -> usize {
        &raw const **self as usize
    }
    fn run(self) {
        T::run(self);
    }
}

struct Item {
    which: (usize, u64),
    run: Box<dyn FnOnce()>,
}

/// Work that was asked for. It runs in one thread at a time, as a work item does.
struct Pending {
    items: Mutex<Vec<Item>>,
    worker: Mutex<()>,
}

thread_local! {
    static PENDING: RefCell<Option<Rc<Pending>>> = const { RefCell::new(None) };
}

fn pending() -> Rc<Pending> {
    PENDING.with_borrow(|pending| pending.clone().expect("a test has begun"))
}

/// To be called at the beginning of each execution, and by what is returned at its end.
pub fn begin() -> impl Drop {
    struct End;

    impl Drop for End {
        fn drop(&mut self) {
            PENDING.set(None);
        }
    }

    PENDING.set(Some(Rc::new(Pending {
        items: Mutex::new(Vec::new()),
        worker: Mutex::new(()),
    })));
    End
}

pub struct Queue;

pub fn system_dfl() -> Queue {
    Queue
}

pub fn system_freezable() -> Queue {
    Queue
}

impl Queue {
    pub fn enqueue<P: Pointer<ID>, const ID: u64>(&self, work: P) -> Result<(), P> {
        let which = (work.address(), ID);
        let pending = pending();
        let mut items = pending.items.lock();
        if items.iter().any(|item| item.which == which) {
            return Err(work);
        }
        let run = Box::new(|| work.run());
        items.push(Item { which, run });
        Ok(())
    }

    /// Work for later is left to the test, which calls it when it likes.
    pub fn enqueue_delayed<P: Pointer<ID>, const ID: u64>(&self, _: P, _: u64) -> Result<(), P> {
        Ok(())
    }
}

/// Does what was asked for until nothing is left.
pub fn work() {
    let pending = pending();
    let _worker = pending.worker.lock();
    loop {
        let mut items = pending.items.lock();
        if items.is_empty() {
            return;
        }
        let item = items.remove(0);
        drop(items);
        (item.run)();
    }
}
