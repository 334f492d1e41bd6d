// SPDX-License-Identifier: GPL-2.0

//! Values that go just before a driver is unbound.
//!
//! What the device core releases by itself ([`devres`](crate::devres)), and the private data of a
//! driver, go after the bus has given up its claim to the device's DMA, which is too late for
//! whatever still uses a PASID of the device. So the adapters of the buses let go of these first,
//! with nothing locked but the device: it may take long, and what happens to other devices of the
//! bus does not wait for it.
//!
//! C header: [`include/linux/device/devres.h`](srctree/include/linux/device/devres.h)

use super::{
    Bound,
    Device, //
};
use crate::{
    bindings,
    prelude::*, //
};

/// A value of which only matters when it is dropped.
trait Kept: Send {}

impl<T: Send> Kept for T {}

/// Keeps `value` until the driver of `dev` is about to be unbound, or its probe has failed, and
/// drops it then: before the driver's own `unbind`, with all that the device has still there, what
/// was kept last first. May sleep.
///
/// On the auxiliary, faux, PCI and platform buses. On others it goes with what is managed by the
/// device core: after `unbind`.
///
/// Fails with [`ENOMEM`]; `value` is dropped then.
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
    // SAFETY: The function may be called with any size; the name is a static string.
    let node = unsafe {
        bindings::__devres_alloc_node(
            Some(release),
            size_of::<KBox<dyn Kept>>(),
            GFP_KERNEL.as_raw(),
            bindings::NUMA_NO_NODE,
            c"keep_until_unbind".as_char_ptr(),
        )
    };
    if node.is_null() {
        return Err(ENOMEM);
    }
    // SAFETY: The node has the size of a box and the alignment of any allocation. The device is
    // bound, so that it is released in the end.
    unsafe {
        node.cast::<KBox<dyn Kept>>().write(value);
        bindings::devres_add(dev.as_raw(), node);
    }
    Ok(())
}

/// # Safety
///
/// `node` must be one that [`keep`] has made, and not be used afterwards.
unsafe extern "C" fn release(_dev: *mut bindings::device, node: *mut c_void) {
    // SAFETY: There is a box in it, by the requirement of this function.
    drop(unsafe { node.cast::<KBox<dyn Kept>>().read() });
}

/// Drops all that is kept until `dev` is unbound.
///
/// To be called by the adapter of a bus: in the remove callback before the driver's own `unbind`,
/// and when a probe fails.
pub(crate) fn let_go<Ctx: super::DeviceContext>(dev: &Device<Ctx>) {
    loop {
        // SAFETY: `dev` is valid, and there is no further condition.
        let node = unsafe {
            bindings::devres_remove(dev.as_raw(), Some(release), None, core::ptr::null_mut())
        };
        if node.is_null() {
            return;
        }
        // SAFETY: `release` is that of nodes which `keep` has made, and this one was taken out. It
        // is freed before the value is dropped, which may take long.
        let value = unsafe {
            let value = node.cast::<KBox<dyn Kept>>().read();
            bindings::devres_free(node);
            value
        };
        drop(value);
    }
}

#[macros::kunit_tests(rust_device_unbind)]
mod tests {
    use super::*;
    use crate::{
        faux,
        new_mutex,
        sync::{
            Arc,
            Mutex, //
        }, //
    };

    type Order = Arc<Mutex<KVec<u32>>>;

    /// Writes down that it was dropped.
    struct Kept(u32, Order);

    impl Drop for Kept {
        fn drop(&mut self) {
            let noted = self.1.lock().push(self.0, GFP_KERNEL);
            assert!(noted.is_ok());
        }
    }

    fn keep_on(device: &faux::Registration, number: u32, order: &Order) -> Result {
        let bound: &faux::Device<Bound> = device.as_ref();
        keep_until_unbind(bound.as_ref(), Kept(number, order.clone()))
    }

    /// A device on the same bus, which comes and goes while this is dropped.
    struct Neighbour(Order);

    impl Drop for Neighbour {
        fn drop(&mut self) {
            let kept = faux::Registration::new(c"rust_unbind_neighbour", None)
                .and_then(|device| keep_on(&device, 2, &self.0));
            assert_eq!(kept, Ok(()));
        }
    }

    fn order() -> Result<Order> {
        Arc::pin_init(new_mutex!(KVec::new()), GFP_KERNEL)
    }

    #[test]
    fn what_came_last_goes_first() -> Result {
        let order = order()?;
        let device = faux::Registration::new(c"rust_unbind", None)?;
        for number in [1, 2, 3] {
            keep_on(&device, number, &order)?;
        }
        assert!(order.lock().is_empty());
        drop(device);
        assert_eq!(order.lock()[..], [3, 2, 1]);
        Ok(())
    }

    #[test]
    fn another_device_of_the_bus_comes_while_one_goes() -> Result {
        let order = order()?;
        let device = faux::Registration::new(c"rust_unbind", None)?;
        keep_on(&device, 1, &order)?;
        let bound: &faux::Device<Bound> = device.as_ref();
        keep_until_unbind(bound.as_ref(), Neighbour(order.clone()))?;
        drop(device);
        assert_eq!(order.lock()[..], [2, 1]);
        Ok(())
    }
}
