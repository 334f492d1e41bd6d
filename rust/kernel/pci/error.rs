// SPDX-License-Identifier: GPL-2.0

//! What a driver does about errors and resets of its function.
//!
//! C header: [`include/linux/pci.h`](srctree/include/linux/pci.h)
//!
//! Reference: <https://docs.kernel.org/PCI/pci-error-recovery.html>

use super::{
    callback::bound,
    Device,
    Driver, //
};
use crate::{
    bindings,
    device,
    error::{
        to_result,
        VTABLE_DEFAULT_ERROR, //
    },
    prelude::*, //
};
use core::marker::PhantomData;

/// How well the function can still be reached after an error.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum ChannelState {
    /// As always: memory and registers work.
    Normal,
    /// Neither registers nor DMA work, until a reset.
    Frozen,
    /// Nothing works, for good.
    PermanentFailure,
}

impl ChannelState {
    fn from_raw(state: bindings::pci_channel_state_t) -> Self {
        match state {
            bindings::pci_channel_io_normal => Self::Normal,
            bindings::pci_channel_io_frozen => Self::Frozen,
            _ => Self::PermanentFailure,
        }
    }
}

/// What a driver wants after an error.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum Recovery {
    /// It has no opinion.
    None = bindings::pci_ers_result_PCI_ERS_RESULT_NONE,
    /// It can go on without a reset: [`ErrorHandler::mmio_enabled`] is next.
    CanRecover = bindings::pci_ers_result_PCI_ERS_RESULT_CAN_RECOVER,
    /// It needs a reset: [`ErrorHandler::slot_reset`] is next.
    NeedReset = bindings::pci_ers_result_PCI_ERS_RESULT_NEED_RESET,
    /// The device is lost.
    Disconnect = bindings::pci_ers_result_PCI_ERS_RESULT_DISCONNECT,
    /// The device works again: [`ErrorHandler::resume`] is next.
    Recovered = bindings::pci_ers_result_PCI_ERS_RESULT_RECOVERED,
}

impl Recovery {
    fn into_raw(self) -> bindings::pci_ers_result_t {
        // CAST: The values are those of the C enum.
        self as bindings::pci_ers_result_t
    }
}

/// The callbacks of a driver for errors and resets of its function.
///
/// All may sleep. The device lock is held, so that the driver is bound, its probe is over and its
/// [`Driver::unbind`] waits; resetting the function by
/// [`try_reset_function`](Device::try_reset_function) is not possible inside.
///
/// After an error `error_detected` is called, then, as its answer and those of all other drivers
/// under the same port demand, `mmio_enabled`, `slot_reset` after a reset of the port, and `resume`
/// if all went well. Without `error_detected` no driver under the port gets any of these.
/// `reset_prepare` and `reset_done` surround a reset that somebody asked for.
///
/// # Examples
///
/// ```
/// use kernel::device::Core;
/// use kernel::pci::{self, ChannelState, ErrorHandler, ErrorHandlers, Recovery};
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
///     [(pci::DeviceId::from_id(pci::Vendor::REDHAT, 0x1234), ())]
/// );
///
/// impl pci::Driver for MyDriver {
///     type IdInfo = ();
///     type Data<'bound> = MyData;
///     const ID_TABLE: pci::IdTable<Self::IdInfo> = &PCI_TABLE;
///     const ERROR_HANDLERS: Option<ErrorHandlers<Self>> = Some(ErrorHandlers::of_driver());
///
///     fn probe<'bound>(
///         _pdev: &'bound pci::Device<Core<'_>>,
///         _id_info: Option<&'bound Self::IdInfo>,
///     ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
///         Ok(MyData { works: Atomic::new(true) })
///     }
/// }
///
/// #[vtable]
/// impl ErrorHandler for MyDriver {
///     fn error_detected<'bound>(
///         _pdev: &'bound pci::Device<Core<'_>>,
///         data: Pin<&MyData>,
///         state: ChannelState,
///     ) -> Recovery {
///         data.works.store(false, Relaxed);
///         match state {
///             ChannelState::PermanentFailure => Recovery::Disconnect,
///             _ => Recovery::NeedReset,
///         }
///     }
///
///     fn slot_reset<'bound>(
///         pdev: &'bound pci::Device<Core<'_>>,
///         _data: Pin<&MyData>,
///     ) -> Recovery {
///         pdev.restore_state();
///         Recovery::Recovered
///     }
///
///     fn resume<'bound>(_pdev: &'bound pci::Device<Core<'_>>, data: Pin<&MyData>) {
///         data.works.store(true, Relaxed);
///     }
/// }
/// ```
#[vtable]
pub trait ErrorHandler: Driver {
    /// An error was found. The driver should stop using the device; with anything but
    /// [`ChannelState::Normal`] it must not access registers.
    fn error_detected<'bound>(
        pdev: &'bound Device<device::Core<'_>>,
        data: Pin<&Self::Data<'bound>>,
        state: ChannelState,
    ) -> Recovery {
        let _ = (pdev, data, state);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Registers work again, but the device should not yet do DMA.
    fn mmio_enabled<'bound>(
        pdev: &'bound Device<device::Core<'_>>,
        data: Pin<&Self::Data<'bound>>,
    ) -> Recovery {
        let _ = (pdev, data);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The function was reset, and has forgotten everything, its configuration space included:
    /// see [`Device::restore_state`].
    fn slot_reset<'bound>(
        pdev: &'bound Device<device::Core<'_>>,
        data: Pin<&Self::Data<'bound>>,
    ) -> Recovery {
        let _ = (pdev, data);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The error is over: the device may be used as before.
    fn resume<'bound>(pdev: &'bound Device<device::Core<'_>>, data: Pin<&Self::Data<'bound>>) {
        let _ = (pdev, data);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The function is about to be reset, by [`Device::try_reset_function`] or from user space. The
    /// driver should bring the device to rest. Its configuration is saved afterwards.
    fn reset_prepare<'bound>(
        pdev: &'bound Device<device::Core<'_>>,
        data: Pin<&Self::Data<'bound>>,
    ) {
        let _ = (pdev, data);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The reset is over, and the configuration space was restored. Whether the reset succeeded is
    /// not said; the driver has to look at the device.
    fn reset_done<'bound>(pdev: &'bound Device<device::Core<'_>>, data: Pin<&Self::Data<'bound>>) {
        let _ = (pdev, data);
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// The [`ErrorHandler`] callbacks of the driver `T`, for [`Driver::ERROR_HANDLERS`].
pub struct ErrorHandlers<T: ?Sized> {
    table: &'static bindings::pci_error_handlers,
    _driver: PhantomData<fn(&T)>,
}

impl<T: ErrorHandler> ErrorHandlers<T> {
    /// All callbacks that `T` implements.
    pub const fn of_driver() -> Self {
        Self {
            table: &Callbacks::<T>::TABLE,
            _driver: PhantomData,
        }
    }
}

impl Device<device::Core<'_>> {
    /// Saves what [`restore_state`](Self::restore_state) restores: the standard configuration space
    /// and what the core knows of the capabilities. Calls `pci_save_state()`.
    ///
    /// Best done at the end of a probe. The core has saved the state before that, when memory
    /// access and bus mastering were still off.
    ///
    /// Fails with [`ENOMEM`] if a capability has nowhere to be saved to.
    pub fn save_state(&self) -> Result {
        // SAFETY: `self` is a valid device in a callback of its bus.
        to_result(unsafe { bindings::pci_save_state(self.as_raw()) })
    }

    /// Gives the function back the configuration that was saved last, message interrupts included.
    /// For [`ErrorHandler::slot_reset`]; a reset of the function alone does it by itself. Calls
    /// `pci_restore_state()`.
    pub fn restore_state(&self) {
        // SAFETY: `self` is a valid device in a callback of its bus.
        unsafe { bindings::pci_restore_state(self.as_raw()) };
    }
}

/// What a driver's `err_handler` has to be.
pub(super) fn err_handler<T: Driver + ?Sized>() -> *const bindings::pci_error_handlers {
    match T::ERROR_HANDLERS {
        Some(handlers) => handlers.table,
        None => core::ptr::null(),
    }
}

/// The callbacks that C calls for the driver `T`.
struct Callbacks<T: ErrorHandler>(PhantomData<T>);

impl<T: ErrorHandler> Callbacks<T> {
    const TABLE: bindings::pci_error_handlers = bindings::pci_error_handlers {
        error_detected: if T::HAS_ERROR_DETECTED {
            Some(Self::error_detected)
        } else {
            None
        },
        mmio_enabled: if T::HAS_MMIO_ENABLED {
            Some(Self::mmio_enabled)
        } else {
            None
        },
        slot_reset: if T::HAS_SLOT_RESET {
            Some(Self::slot_reset)
        } else {
            None
        },
        reset_prepare: if T::HAS_RESET_PREPARE {
            Some(Self::reset_prepare)
        } else {
            None
        },
        reset_done: if T::HAS_RESET_DONE {
            Some(Self::reset_done)
        } else {
            None
        },
        resume: if T::HAS_RESUME {
            Some(Self::resume)
        } else {
            None
        },
        cor_error_detected: None,
    };

    // The PCI core, AER, EEH, s390 and the front-end of Xen hold the device lock around all of
    // these.

    /// # Safety
    ///
    /// `pdev` must be bound to the driver `T`, and its device lock be held.
    unsafe extern "C" fn error_detected(
        pdev: *mut bindings::pci_dev,
        state: bindings::pci_channel_state_t,
    ) -> bindings::pci_ers_result_t {
        // SAFETY: By the requirements of this function.
        let answer = unsafe { bound::<T>(pdev) }
            .map(|(pdev, data)| T::error_detected(pdev, data, ChannelState::from_raw(state)));
        answer.unwrap_or(Recovery::Disconnect).into_raw()
    }

    /// # Safety
    ///
    /// As for [`Self::error_detected`].
    unsafe extern "C" fn mmio_enabled(pdev: *mut bindings::pci_dev) -> bindings::pci_ers_result_t {
        // SAFETY: By the requirements of this function.
        let answer = unsafe { bound::<T>(pdev) }.map(|(pdev, data)| T::mmio_enabled(pdev, data));
        answer.unwrap_or(Recovery::Disconnect).into_raw()
    }

    /// # Safety
    ///
    /// As for [`Self::error_detected`].
    unsafe extern "C" fn slot_reset(pdev: *mut bindings::pci_dev) -> bindings::pci_ers_result_t {
        // SAFETY: By the requirements of this function.
        let answer = unsafe { bound::<T>(pdev) }.map(|(pdev, data)| T::slot_reset(pdev, data));
        answer.unwrap_or(Recovery::Disconnect).into_raw()
    }

    /// # Safety
    ///
    /// As for [`Self::error_detected`].
    unsafe extern "C" fn reset_prepare(pdev: *mut bindings::pci_dev) {
        // SAFETY: By the requirements of this function.
        if let Some((pdev, data)) = unsafe { bound::<T>(pdev) } {
            T::reset_prepare(pdev, data);
        }
    }

    /// # Safety
    ///
    /// As for [`Self::error_detected`].
    unsafe extern "C" fn reset_done(pdev: *mut bindings::pci_dev) {
        // SAFETY: By the requirements of this function.
        if let Some((pdev, data)) = unsafe { bound::<T>(pdev) } {
            T::reset_done(pdev, data);
        }
    }

    /// # Safety
    ///
    /// As for [`Self::error_detected`].
    unsafe extern "C" fn resume(pdev: *mut bindings::pci_dev) {
        // SAFETY: By the requirements of this function.
        if let Some((pdev, data)) = unsafe { bound::<T>(pdev) } {
            T::resume(pdev, data);
        }
    }
}
