// SPDX-License-Identifier: GPL-2.0
//! What a device tells about itself.

use crate::uapi;

/// Declares an enum of a number in the user API, with a name and a sentence for each value.
macro_rules! numbered {
    (
        $(#[$meta:meta])*
        $name:ident { $($(#[$doc:meta])* $variant:ident = $value:path, $text:literal;)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant,)*
            /// A value that this program does not know.
            Unknown(u32),
        }

        impl $name {
            /// Every value that this program knows.
            pub const KNOWN: &[Self] = &[$(Self::$variant,)*];

            /// Its number in the user API.
            pub fn number(self) -> u32 {
                match self {
                    $(Self::$variant => $value,)*
                    Self::Unknown(number) => number,
                }
            }
        }

        impl From<u32> for $name {
            fn from(number: u32) -> Self {
                match number {
                    $($value => Self::$variant,)*
                    _ => Self::Unknown(number),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $(Self::$variant => f.pad($text),)*
                    Self::Unknown(number) => f.pad(&format!("unknown ({number})")),
                }
            }
        }
    };
}
pub(crate) use numbered;

numbered! {
    /// What a device computes.
    Function {
        /// Copies memory.
        Copy = uapi::FUNCTION_COPY, "copy";
        /// Fills memory with a pattern.
        Fill = uapi::FUNCTION_FILL, "fill";
        /// Checksum of memory.
        Checksum = uapi::FUNCTION_CHECKSUM, "checksum";
        /// Raw deflate, RFC 1951.
        Deflate = uapi::FUNCTION_DEFLATE, "deflate";
        /// Deflate with the checksum of RFC 1950.
        Zlib = uapi::FUNCTION_ZLIB, "zlib";
        /// Deflate with the checksum of RFC 1952.
        Gzip = uapi::FUNCTION_GZIP, "gzip";
    }
}

numbered! {
    /// How a device sees the memory of a context.
    AddressMode {
        /// The process's own address space.
        Shared = uapi::MODE_SHARED, "shared";
        /// An address space of the context's own.
        Private = uapi::MODE_PRIVATE, "private";
        /// The kernel's; user space hands no commands to the device.
        Kernel = uapi::MODE_KERNEL, "kernel";
    }
}

numbered! {
    /// Why an address mode is not offered.
    ModeReason {
        /// It is offered.
        Available = uapi::REASON_AVAILABLE, "it is offered";
        /// The driver can't.
        Driver = uapi::REASON_DRIVER, "the driver does not support it";
        /// No IOMMU.
        NoIommu = uapi::REASON_NO_IOMMU,
            "no IOMMU translates for the device (is it off in the firmware or on the kernel \
             command line?)";
        /// No PASID.
        NoPasid = uapi::REASON_NO_PASID,
            "the device, its bus or its IOMMU has no PASIDs";
        /// No page requests.
        NoPri = uapi::REASON_NO_PRI,
            "the device can't make page requests (PCI ATS or PRI is missing)";
        /// No SVA.
        NoSva = uapi::REASON_NO_SVA,
            "the kernel or the IOMMU can't share page tables (CONFIG_IOMMU_SVA, scalable mode)";
    }
}

numbered! {
    /// How well the doorbells of queues are kept apart.
    Doorbell {
        /// Queues have no doorbells to map.
        None = uapi::DOORBELL_NONE, "none";
        /// Each queue has pages of its own.
        PerQueue = uapi::DOORBELL_PER_QUEUE, "a page per queue";
        /// Queues share a page.
        Shared = uapi::DOORBELL_SHARED, "shared by queues";
    }
}

numbered! {
    /// Operational state of a device.
    Status {
        /// Jobs are taken.
        Operational = uapi::STATUS_OPERATIONAL, "operational";
        /// It is being reset.
        InReset = uapi::STATUS_IN_RESET, "in reset";
        /// Out of service after too many errors.
        Isolated = uapi::STATUS_ISOLATED, "isolated";
        /// Gone.
        Removed = uapi::STATUS_REMOVED, "removed";
    }
}

/// Whether an address mode is offered, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct AddressModeInfo {
    /// The mode.
    pub mode: AddressMode,
    /// [`ModeReason::Available`] where it is offered.
    pub reason: ModeReason,
}

/// Facts of a device that do not change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DeviceInfo {
    /// `N` in `/dev/accelN`.
    pub id: u32,
    /// Name of the kind of device.
    pub name: String,
    /// Name of the driver.
    pub driver: String,
    /// Version of the hardware as the driver names it.
    pub version: String,
    /// Name of the bus.
    pub bus: String,
    /// Address on the bus.
    pub address: String,
    /// NUMA node that the device is near, where known.
    pub numa_node: Option<u32>,
    /// What it computes.
    pub functions: Vec<Function>,
    /// The address modes that work here.
    pub address_modes: Vec<AddressMode>,
    /// Queues that can exist at once.
    pub queues_max: u32,
    /// Entries of the deepest queue.
    pub depth_max: u32,
    /// How well doorbells are kept apart.
    pub doorbell: Doorbell,
    /// Bytes that a job reads or writes at most; 0: no limit.
    pub request_max: u64,
}

impl From<uapi::InfoDevice> for DeviceInfo {
    fn from(raw: uapi::InfoDevice) -> Self {
        Self {
            id: raw.id,
            name: text(&raw.name),
            driver: text(&raw.driver),
            version: text(&raw.version),
            bus: text(&raw.bus),
            address: text(&raw.address),
            numa_node: u32::try_from(raw.numa_node).ok(),
            functions: bits(raw.functions),
            address_modes: bits(raw.address_modes.into()),
            queues_max: raw.queues_max,
            depth_max: raw.depth_max,
            doorbell: raw.doorbell.into(),
            request_max: raw.request_max,
        }
    }
}

/// The state of a device at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct StatusInfo {
    /// Operational state.
    pub status: Status,
    /// Resets that the device has gone through.
    pub generation: u32,
    /// Contexts that exist.
    pub contexts: u32,
    /// Queues that exist.
    pub queues: u32,
    /// Queues created since the device was registered.
    pub queues_created: u64,
    /// Completion events signalled since then.
    pub completions: u64,
    /// Hardware errors since then.
    pub errors: u64,
    /// `CLOCK_MONOTONIC`, in nanoseconds, when these values were collected.
    pub timestamp_ns: u64,
}

impl From<uapi::InfoStatus> for StatusInfo {
    fn from(raw: uapi::InfoStatus) -> Self {
        Self {
            status: raw.status.into(),
            generation: raw.generation,
            contexts: raw.contexts,
            queues: raw.queues,
            queues_created: raw.queues_created,
            completions: raw.completions,
            errors: raw.errors,
            timestamp_ns: raw.timestamp_ns,
        }
    }
}

/// The text up to the first zero byte.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// The values whose bits are set.
fn bits<T: From<u32>>(mask: u64) -> Vec<T> {
    (0..u64::BITS)
        .filter(|bit| mask >> bit & 1 == 1)
        .map(T::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_decoded() {
        let mut raw = uapi::InfoDevice {
            functions: 1 << 3 | 1 << 5 | 1 << 40,
            address_modes: 1 << uapi::MODE_SHARED,
            numa_node: -1,
            doorbell: uapi::DOORBELL_PER_QUEUE,
            ..Default::default()
        };
        raw.name[..3].copy_from_slice(b"zip");
        let info = DeviceInfo::from(raw);
        assert_eq!(info.name, "zip");
        assert_eq!(info.numa_node, None);
        assert_eq!(
            info.functions,
            [Function::Deflate, Function::Gzip, Function::Unknown(40)]
        );
        assert_eq!(info.address_modes, [AddressMode::Shared]);
        assert_eq!(info.doorbell, Doorbell::PerQueue);
    }

    #[test]
    fn text_without_end_is_taken_whole() {
        assert_eq!(text(&[b'x'; 32]).len(), 32);
        assert_eq!(text(b"ab\0cd"), "ab");
    }

    #[test]
    fn numbers_survive() {
        for &reason in ModeReason::KNOWN {
            assert_eq!(ModeReason::from(reason.number()), reason);
        }
        assert_eq!(ModeReason::from(77).number(), 77);
        assert_eq!(ModeReason::from(77).to_string(), "unknown (77)");
    }
}
