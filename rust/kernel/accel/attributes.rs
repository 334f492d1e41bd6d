// SPDX-License-Identifier: GPL-2.0

//! The attributes of a device in sysfs, `/sys/class/accelerator/accelN/`. They are described in
//! `Documentation/ABI/testing/sysfs-class-accelerator`.

use super::{
    class,
    device::Device,
    driver::{
        AddressMode,
        Doorbell,
        Function, //
    }, //
};
use crate::{
    capability::{
        capable,
        Cap, //
    },
    prelude::*,
    sync::{
        atomic::Relaxed,
        Arc, //
    },
    sysfs::{
        self,
        Attribute,
        Output, //
    },
    uapi, //
};

pub(super) const GROUP: &sysfs::Group<Arc<Device>> = sysfs::group![
    Status,
    Functions,
    AddressModes,
    BusyTime,
    QueuesTotal,
    QueuesUsed,
    Contexts,
    Errors,
    Faults,
    Timeouts,
    Generation,
    NumaNode,
    Doorbells,
    Reset,
    ErrorThreshold,
];

/// Declares attributes that are one number, or one word.
macro_rules! values {
    ($($type:ident $name:literal |$device:ident| $value:expr;)+) => {
        $(
            struct $type;

            #[vtable]
            impl Attribute<Arc<Device>> for $type {
                const NAME: &'static CStr = $name;

                fn show($device: &Arc<Device>, out: &mut Output<'_>) -> Result {
                    out.emit(fmt!("{}\n", $value))
                }
            }
        )+
    };
}

values! {
    Status c"status" |device| status(device);
    BusyTime c"busy_time_us" |device| device.counters.busy_ns.load(Relaxed) / 1000;
    QueuesTotal c"queues_total" |device| device.info().queues_max;
    QueuesUsed c"queues_used" |device| device.counters.queues.load(Relaxed);
    Contexts c"contexts" |device| device.counters.contexts.load(Relaxed);
    Errors c"errors" |device| device.counters.errors.load(Relaxed);
    Faults c"faults" |device| device.counters.faults.load(Relaxed);
    Timeouts c"timeouts" |device| device.counters.timeouts.load(Relaxed);
    Generation c"generation" |device| device.recovery.generation.load(Relaxed);
    NumaNode c"numa_node" |device| device.enter()?.parent().numa_node();
    Doorbells c"doorbell" |device| doorbell(device)?;
}

fn status(device: &Device) -> &'static str {
    match device.status() {
        uapi::accel_status_ACCEL_STATUS_OPERATIONAL => "operational",
        uapi::accel_status_ACCEL_STATUS_IN_RESET => "in-reset",
        uapi::accel_status_ACCEL_STATUS_ISOLATED => "isolated",
        _ => "removed",
    }
}

fn doorbell(device: &Device) -> Result<&'static str> {
    Ok(match device.info().doorbell {
        Doorbell::None => "none",
        Doorbell::PerQueue => "per-queue",
        Doorbell::Shared if class::shared()?.allow_shared_doorbells => "shared, allowed",
        Doorbell::Shared => "shared, refused",
    })
}

struct Functions;

#[vtable]
impl Attribute<Arc<Device>> for Functions {
    const NAME: &'static CStr = c"functions";

    fn show(device: &Arc<Device>, out: &mut Output<'_>) -> Result {
        let functions = device.info().functions;
        let mut space = "";
        for (function, name) in Function::NAMES {
            if functions.contains(function) {
                out.emit(fmt!("{space}{name}"))?;
                space = " ";
            }
        }
        out.emit(fmt!("\n"))
    }
}

struct AddressModes;

#[vtable]
impl Attribute<Arc<Device>> for AddressModes {
    const NAME: &'static CStr = c"address_modes";

    fn show(device: &Arc<Device>, out: &mut Output<'_>) -> Result {
        for mode in AddressMode::ALL {
            let name = mode.name();
            match sentence(device.reason(mode)) {
                None => out.emit(fmt!("{name} available\n"))?,
                Some(reason) => out.emit(fmt!("{name} unavailable: {reason}\n"))?,
            }
        }
        Ok(())
    }
}

/// Why a mode is not offered; `None` if it is.
fn sentence(reason: uapi::accel_mode_reason) -> Option<&'static str> {
    match reason {
        uapi::accel_mode_reason_ACCEL_REASON_AVAILABLE => None,
        uapi::accel_mode_reason_ACCEL_REASON_DRIVER => Some("the driver does not support it"),
        uapi::accel_mode_reason_ACCEL_REASON_NO_IOMMU => {
            Some("no IOMMU translates for the device (there is none, or it is switched off)")
        }
        uapi::accel_mode_reason_ACCEL_REASON_NO_PASID => {
            Some("the device, its bus or its IOMMU has no PASIDs")
        }
        uapi::accel_mode_reason_ACCEL_REASON_NO_PRI => {
            Some("the device can't request pages (PCI ATS or PRI), and no IOMMU stalls it")
        }
        uapi::accel_mode_reason_ACCEL_REASON_NO_SVA => {
            Some("the kernel or the IOMMU can't share page tables with the device")
        }
        uapi::accel_mode_reason_ACCEL_REASON_NO_DOMAIN => {
            Some("the IOMMU can't give a PASID page tables of its own")
        }
        _ => Some("the device does not see what processors cache"),
    }
}

/// Fails with [`EPERM`] without the capability: the owner of a file may be root of a user namespace
/// only, or have given up all that root may.
fn check_administrator() -> Result {
    if capable(Cap::SysAdmin) {
        Ok(())
    } else {
        Err(EPERM)
    }
}

struct Reset;

#[vtable]
impl Attribute<Arc<Device>> for Reset {
    const NAME: &'static CStr = c"reset";

    fn store(device: &Arc<Device>, value: &str) -> Result {
        if value != "1" {
            return Err(EINVAL);
        }
        check_administrator()?;
        device.reset(&device.enter()?)
    }
}

struct ErrorThreshold;

#[vtable]
impl Attribute<Arc<Device>> for ErrorThreshold {
    const NAME: &'static CStr = c"error_threshold";

    fn show(device: &Arc<Device>, out: &mut Output<'_>) -> Result {
        let threshold = device.recovery.threshold.load(Relaxed);
        out.emit(fmt!("{threshold}\n"))
    }

    fn store(device: &Arc<Device>, value: &str) -> Result {
        let threshold = value.parse().map_err(|_| EINVAL)?;
        check_administrator()?;
        device.recovery.threshold.store(threshold, Relaxed);
        Ok(())
    }
}
