// SPDX-License-Identifier: GPL-2.0

//! What a driver does when the system sleeps.
//!
//! C header: [`include/linux/pm.h`](srctree/include/linux/pm.h)
//!
//! Reference: <https://docs.kernel.org/power/pci.html>

use super::{
    callback::bound,
    Device,
    Driver, //
};
use crate::{
    bindings,
    container_of,
    device,
    error::from_result,
    prelude::*, //
};
use core::{
    marker::PhantomData,
    ptr::null, //
};

/// The callbacks of a driver for system sleep: suspend to memory, to idle and to disk.
///
/// Both may sleep. The device lock is held, so that the driver is bound, its probe is over and its
/// [`Driver::unbind`] waits. User space is frozen, and freezable work queues are, too. Not called
/// in kernels without `CONFIG_PM_SLEEP`.
///
/// # Examples
///
/// ```
/// use kernel::device::Core;
/// use kernel::pci::{self, Sleep, SleepOps};
/// use kernel::prelude::*;
/// use kernel::sync::atomic::{Atomic, Relaxed};
///
/// struct MyDriver;
///
/// struct MyData {
///     works: Atomic<bool>,
/// }
///
/// kernel::pci_device_table!(
///     PCI_TABLE,
///     <MyDriver as pci::Driver>::IdInfo,
///     [(pci::DeviceId::from_id(pci::Vendor::REDHAT, 0x1235), ())]
/// );
///
/// impl pci::Driver for MyDriver {
///     type IdInfo = ();
///     type Data<'bound> = MyData;
///     const ID_TABLE: pci::IdTable<Self::IdInfo> = &PCI_TABLE;
///     const SLEEP_OPS: Option<SleepOps<Self>> = Some(SleepOps::of_driver());
///
///     fn probe<'bound>(
///         _pdev: &'bound pci::Device<Core<'_>>,
///         _id_info: Option<&'bound Self::IdInfo>,
///     ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
///         Ok(MyData { works: Atomic::new(true) })
///     }
/// }
///
/// impl Sleep for MyDriver {
///     fn suspend<'bound>(_pdev: &'bound pci::Device<Core<'_>>, data: Pin<&MyData>) -> Result {
///         data.works.store(false, Relaxed);
///         Ok(())
///     }
///
///     fn resume<'bound>(_pdev: &'bound pci::Device<Core<'_>>, data: Pin<&MyData>) -> Result {
///         data.works.store(true, Relaxed);
///         Ok(())
///     }
/// }
/// ```
pub trait Sleep: Driver {
    /// Brings the device to rest: it must not do DMA or send interrupts when this returns. Its
    /// configuration is saved and its power taken afterwards.
    ///
    /// Called before the system suspends, before an image of memory is made for hibernation, and
    /// before the power goes after that. An error keeps the system awake, and
    /// [`resume`](Self::resume) is not called then.
    fn suspend<'bound>(
        pdev: &'bound Device<device::Core<'_>>,
        data: Pin<&Self::Data<'bound>>,
    ) -> Result;

    /// Sets the device up again. Its configuration was restored, but what it knew may be lost, or
    /// the firmware or another kernel may have used it meanwhile.
    ///
    /// An error is logged; the driver stays bound to a device that does not work.
    fn resume<'bound>(
        pdev: &'bound Device<device::Core<'_>>,
        data: Pin<&Self::Data<'bound>>,
    ) -> Result;
}

/// The [`Sleep`] callbacks of the driver `T`, for [`Driver::SLEEP_OPS`].
pub struct SleepOps<T: ?Sized> {
    ops: &'static bindings::dev_pm_ops,
    _driver: PhantomData<fn(&T)>,
}

impl<T: Sleep> SleepOps<T> {
    /// The callbacks of `T`.
    pub const fn of_driver() -> Self {
        Self {
            ops: &Callbacks::<T>::OPS,
            _driver: PhantomData,
        }
    }
}

/// What a driver's `driver.pm` has to be.
pub(super) fn driver_pm<T: Driver + ?Sized>() -> *const bindings::dev_pm_ops {
    T::SLEEP_OPS.map_or(null(), |sleep| core::ptr::from_ref(sleep.ops))
}

/// The callbacks that C calls for the driver `T`.
struct Callbacks<T: Sleep>(PhantomData<T>);

impl<T: Sleep> Callbacks<T> {
    const OPS: bindings::dev_pm_ops = bindings::dev_pm_ops {
        suspend: Some(Self::suspend),
        resume: Some(Self::resume),
        freeze: Some(Self::suspend),
        thaw: Some(Self::resume),
        poweroff: Some(Self::suspend),
        restore: Some(Self::resume),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `dev` must be a PCI device that is bound to the driver `T`, and its lock be held.
    unsafe extern "C" fn suspend(dev: *mut bindings::device) -> c_int {
        // SAFETY: By the requirements of this function.
        let bound = unsafe { bound::<T>(container_of!(dev, bindings::pci_dev, dev)) };
        from_result(|| {
            bound.map_or(Ok(()), |(pdev, data)| T::suspend(pdev, data))?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`Self::suspend`].
    unsafe extern "C" fn resume(dev: *mut bindings::device) -> c_int {
        // SAFETY: By the requirements of this function.
        let bound = unsafe { bound::<T>(container_of!(dev, bindings::pci_dev, dev)) };
        from_result(|| {
            bound.map_or(Ok(()), |(pdev, data)| T::resume(pdev, data))?;
            Ok(0)
        })
    }
}
