// SPDX-License-Identifier: GPL-2.0

//! Interrupts, requested for the driver and freed before its data goes.

use super::{
    device::Device,
    driver::Driver, //
};
use crate::{
    irq::{
        Flags,
        IrqReturn,
        ThreadedHandler,
        ThreadedRegistration, //
    },
    prelude::*,
    sync::{
        new_mutex,
        Arc,
        Mutex,
        SetOnce, //
    }, //
};
use core::ptr::NonNull;

/// Whether interrupts of one line reach the driver. Held while one is there.
#[pin_data]
struct Line {
    #[pin]
    open: Mutex<bool>,
}

/// The lines of a device, so that no interrupt is handled while it is halted: the handler would
/// find jobs that are no longer there, or begin some.
pub(super) struct Lines(SetOnce<KVec<Arc<Line>>>);

impl Lines {
    pub(super) fn new() -> Self {
        Self(SetOnce::new())
    }

    /// Lets no interrupt through any more. When this returns, none is being handled.
    pub(super) fn close(&self) {
        self.set(false);
    }

    pub(super) fn open(&self) {
        self.set(true);
    }

    fn set(&self, open: bool) {
        for line in self.0.as_ref().into_iter().flatten() {
            *line.open.lock() = open;
        }
    }
}

/// Leads an interrupt to the driver.
///
/// # Invariants
///
/// `data` lives for as long as the handler is registered.
pub(super) struct Handler<T: Driver> {
    device: Arc<Device>,
    data: NonNull<T::Data<'static>>,
    index: usize,
    line: Arc<Line>,
}

// SAFETY: `T::Data` is `Sync`, and `Device` is reached through an `Arc`.
unsafe impl<T: Driver> Send for Handler<T> {}
// SAFETY: As above.
unsafe impl<T: Driver> Sync for Handler<T> {}

impl<T: Driver> ThreadedHandler for Handler<T> {
    fn handle_threaded(&self) -> IrqReturn {
        let open = self.line.open.lock();
        if !*open {
            return IrqReturn::None;
        }
        // SAFETY: By the type invariant.
        T::interrupt(unsafe { self.data.as_ref() }, &self.device, self.index)
    }
}

/// A handler that is registered.
pub(super) type Interrupt<T> = Pin<KBox<ThreadedRegistration<'static, Handler<T>>>>;

/// Requests all interrupts that the driver names.
///
/// A line that is raised until its cause is gone is masked until the driver's thread has run, or it
/// would keep the thread from running. So it is not shared: all else on it would have to wait for
/// the thread, and agree to that. Messages need no mask, and get none.
///
/// # Safety
///
/// The result must be dropped before `data` is, and must not be leaked.
pub(super) unsafe fn request<T: Driver>(
    device: &Arc<Device>,
    data: &T::Data<'static>,
) -> Result<KVec<Interrupt<T>>> {
    // SAFETY: Only the lifetime changes. What is made here is dropped before `data`, by the
    // requirement of this function.
    let held: &'static T::Data<'static> = unsafe { NonNull::from(data).as_ref() };

    let mut all = KVec::new();
    let mut lines = KVec::new();
    for (index, request) in T::interrupts(held)?.into_iter().enumerate() {
        let line = Arc::pin_init(pin_init!(Line { open <- new_mutex!(true) }), GFP_KERNEL)?;
        lines.push(line.clone(), GFP_KERNEL)?;
        let handler = Handler {
            device: device.clone(),
            // INVARIANT: By the requirement of this function.
            data: NonNull::from(data),
            index,
            line,
        };
        // SAFETY: It is not leaked, by the requirement of this function.
        let interrupt = unsafe {
            ThreadedRegistration::new(request, Flags::ONESHOT, device.ops().name, Ok(handler))
        };
        let interrupt = KBox::pin_init(interrupt, GFP_KERNEL)
            .inspect_err(|e| tell_refused(device, index, *e))?;
        all.push(interrupt, GFP_KERNEL)?;
    }
    device.lines.0.populate(lines);
    Ok(all)
}

fn tell_refused(device: &Device, index: usize, e: Error) {
    let why = match e {
        EBUSY => ": others have the line, and it can't be shared; messages (MSI) have no lines",
        _ => "",
    };
    dev_err!(
        device.parent(),
        "interrupt {index} can't be requested ({e:?}){why}\n"
    );
}
