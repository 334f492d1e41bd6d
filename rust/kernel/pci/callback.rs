// SPDX-License-Identifier: GPL-2.0

//! What callbacks of a driver other than probe and remove have in common.

use super::{
    Device,
    Driver, //
};
use crate::{
    bindings,
    device,
    prelude::*, //
};

/// The device that a callback is for, and its driver's data, if its probe has succeeded.
///
/// # Safety
///
/// For `'a`, `pdev` must be bound to the driver `T`, and its device lock be held.
pub(super) unsafe fn bound<'a, T: Driver>(
    pdev: *mut bindings::pci_dev,
) -> Option<(&'a Device<device::CoreInternal<'a>>, Pin<&'a T::Data<'a>>)> {
    // SAFETY: By the requirements of this function; a device is never null.
    let pdev = unsafe { &*pdev.cast::<Device<device::CoreInternal<'_>>>() };

    // SAFETY: The device is valid.
    if unsafe { bindings::dev_get_drvdata(pdev.as_ref().as_raw()) }.is_null() {
        return None;
    }

    // SAFETY: The data is set, which only the probe callback of `T` does, with its `T::Data`. It
    // is freed when the device is unbound, which waits for the device lock.
    let data = unsafe { pdev.as_ref().drvdata_borrow::<T::Data<'_>>() };
    Some((pdev, data))
}

#[macros::kunit_tests(rust_pci_callback)]
mod tests {
    use crate::{
        device::Core,
        device_id::IdArray,
        pci::{
            error::err_handler,
            pm::driver_pm,
            Device,
            DeviceId,
            Driver,
            ErrorHandler,
            ErrorHandlers,
            IdTable,
            Sleep,
            SleepOps,
            Vendor, //
        },
        prelude::*, //
    };

    static IDS: IdArray<DeviceId, (), 1> =
        IdArray::new([(DeviceId::from_id(Vendor::REDHAT, 0xffff), &())]);

    struct Plain;

    impl Driver for Plain {
        type IdInfo = ();
        type Data<'bound> = ();
        const ID_TABLE: IdTable<()> = &IDS;

        fn probe<'bound>(
            _pdev: &'bound Device<Core<'_>>,
            _info: Option<&'bound ()>,
        ) -> impl PinInit<(), Error> + 'bound {
            Err(ENODEV)
        }
    }

    struct WithCallbacks;

    impl Driver for WithCallbacks {
        type IdInfo = ();
        type Data<'bound> = ();
        const ID_TABLE: IdTable<()> = &IDS;
        const ERROR_HANDLERS: Option<ErrorHandlers<Self>> = Some(ErrorHandlers::of_driver());
        const SLEEP_OPS: Option<SleepOps<Self>> = Some(SleepOps::of_driver());

        fn probe<'bound>(
            _pdev: &'bound Device<Core<'_>>,
            _info: Option<&'bound ()>,
        ) -> impl PinInit<(), Error> + 'bound {
            Err(ENODEV)
        }
    }

    #[vtable]
    impl ErrorHandler for WithCallbacks {
        fn reset_prepare<'bound>(_pdev: &'bound Device<Core<'_>>, _data: Pin<&()>) {}

        fn reset_done<'bound>(_pdev: &'bound Device<Core<'_>>, _data: Pin<&()>) {}
    }

    impl Sleep for WithCallbacks {
        fn suspend<'bound>(_pdev: &'bound Device<Core<'_>>, _data: Pin<&()>) -> Result {
            Ok(())
        }

        fn resume<'bound>(_pdev: &'bound Device<Core<'_>>, _data: Pin<&()>) -> Result {
            Ok(())
        }
    }

    #[test]
    fn a_plain_driver_has_none() {
        assert!(err_handler::<Plain>().is_null());
        assert!(driver_pm::<Plain>().is_null());
    }

    #[test]
    fn only_what_is_implemented_is_called() -> Result {
        // SAFETY: It is null or static.
        let table = unsafe { err_handler::<WithCallbacks>().as_ref() }.ok_or(EINVAL)?;
        assert!(table.reset_prepare.is_some() && table.reset_done.is_some());
        assert!(table.error_detected.is_none() && table.mmio_enabled.is_none());
        assert!(table.slot_reset.is_none() && table.resume.is_none());
        Ok(())
    }

    #[test]
    fn all_kinds_of_sleep_are_handled() -> Result {
        // SAFETY: It is null or static.
        let ops = unsafe { driver_pm::<WithCallbacks>().as_ref() }.ok_or(EINVAL)?;
        assert!(ops.suspend.is_some() && ops.freeze.is_some() && ops.poweroff.is_some());
        assert!(ops.resume.is_some() && ops.thaw.is_some() && ops.restore.is_some());
        assert!(ops.runtime_suspend.is_none());
        Ok(())
    }
}
