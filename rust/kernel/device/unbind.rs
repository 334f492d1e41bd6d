// SPDX-License-Identifier: GPL-2.0

//! Values that go just before a driver is unbound.
//!
//! What the device core releases by itself ([`devres`](crate::devres)), and the private data of a
//! driver, go after the bus has given up its claim to the device's DMA, which is too late for
//! whatever still uses a PASID of the device.
//!
//! C header: [`include/linux/device/bus.h`](srctree/include/linux/device/bus.h)

use super::{
    Bound,
    Device, //
};
use crate::{
    bindings,
    container_of,
    devres,
    error::to_result,
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        Mutex, //
    },
    types::Opaque, //
};

/// A value of which only matters when it is dropped.
trait Kept: Send {}

impl<T: Send> Kept for T {}

/// Keeps a value until its device is about to be unbound.
///
/// Not generic: lockdep knows the lock by the addresses of its key and of its name, and a module
/// with generic code would have a name of its own to the key that all have.
///
/// # Invariants
///
/// `block` is registered with the bus of `dev`.
#[pin_data(PinnedDrop)]
struct Keeper {
    dev: ARef<Device>,
    #[pin]
    value: Mutex<Option<KBox<dyn Kept>>>,
    #[pin]
    block: Opaque<bindings::notifier_block>,
}

/// Keeps `value` until the driver of `dev` is about to be unbound, or its probe has failed, and
/// drops it then: before the driver's own remove callback, with all that the device has still
/// there. May sleep.
///
/// Fails with [`EINVAL`] if `dev` is on no bus; `value` is dropped on any failure.
///
/// # Examples
///
/// ```
/// use kernel::device::{self, Bound};
/// use kernel::prelude::*;
///
/// struct Farewell;
///
/// impl Drop for Farewell {
///     fn drop(&mut self) {
///         pr_info!("the device is still there, but not for long\n");
///     }
/// }
///
/// fn probe(dev: &device::Device<Bound>) -> Result {
///     device::keep_until_unbind(dev, Farewell)
/// }
/// ```
pub fn keep_until_unbind<T: Send + 'static>(dev: &Device<Bound>, value: T) -> Result {
    keep(dev, KBox::new(value, GFP_KERNEL)?)
}

fn keep(dev: &Device<Bound>, value: KBox<dyn Kept>) -> Result {
    // SAFETY: A bound device is valid, and does not leave its bus.
    let bus = unsafe { (*dev.as_raw()).bus };
    if bus.is_null() {
        return Err(EINVAL);
    }

    let keeper = try_pin_init!(Keeper {
        dev: dev.into(),
        value <- new_mutex!(Some(value)),
        // INVARIANT: Registered here.
        block <- Opaque::try_ffi_init(|block: *mut bindings::notifier_block| {
            // SAFETY: `block` is valid for writes and pinned; the fields that the callback uses are
            // initialised above. `Drop` unregisters it.
            unsafe {
                block.write(bindings::notifier_block {
                    notifier_call: Some(Keeper::notify),
                    ..pin_init::zeroed()
                });
                to_result(bindings::bus_register_notifier(bus, block))
            }
        }),
    }? Error);
    devres::register(dev, keeper, GFP_KERNEL)
}

impl Keeper {
    extern "C" fn notify(
        block: *mut bindings::notifier_block,
        action: c_ulong,
        data: *mut c_void,
    ) -> c_int {
        // SAFETY: `block` is in a `Keeper`, which unregisters it before it goes.
        let keeper = unsafe { &*container_of!(Opaque::cast_from(block), Self, block) };
        let about_to_go = matches!(
            action as u32,
            bindings::bus_notifier_event_BUS_NOTIFY_UNBIND_DRIVER
                | bindings::bus_notifier_event_BUS_NOTIFY_DRIVER_NOT_BOUND
        );
        if about_to_go && data.cast() == keeper.dev.as_raw() {
            let value = keeper.value.lock().take();
            drop(value);
        }
        bindings::NOTIFY_DONE as c_int
    }
}

// SAFETY: The bus locks its notifiers, and a keeper may be dropped by any task.
unsafe impl Send for Keeper {}

#[pinned_drop]
impl PinnedDrop for Keeper {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant; the device is still on its bus, since this is called by
        // devres or on failure in its probe.
        unsafe {
            bindings::bus_unregister_notifier((*self.dev.as_raw()).bus, self.block.get());
        }
    }
}
