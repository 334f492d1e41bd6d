// SPDX-License-Identifier: GPL-2.0 OR MIT
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

            /// Its word for programs: lower case with `_`.
            pub fn word(self) -> String {
                match self {
                    $(Self::$variant => $crate::info::snake_case(stringify!($variant)),)*
                    Self::Unknown(number) => format!("unknown_{number}"),
                }
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S>(&self, s: S) -> std::result::Result<S::Ok, S::Error>
            where
                S: serde::Serializer,
            {
                s.serialize_str(&self.word())
            }
        }

        #[cfg(feature = "serde")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let words: Vec<_> = Self::KNOWN.iter().map(|value| value.word()).collect();
                $crate::info::words_schema(&words)
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

/// `PerQueue` as `per_queue`.
pub(crate) fn snake_case(name: &str) -> String {
    let mut word = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

/// One of the words, or what stands for a number without one.
#[cfg(feature = "serde")]
pub(crate) fn words_schema(words: &[String]) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "anyOf": [{ "enum": words }, { "pattern": "^unknown_[0-9]+$" }],
    })
}

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
            "the device can't make page requests (PCI ATS or PRI is missing, no IOMMU stalls)";
        /// No SVA.
        NoSva = uapi::REASON_NO_SVA,
            "the kernel or the IOMMU can't share page tables (CONFIG_IOMMU_SVA, scalable mode)";
        /// No page tables of its own.
        NoDomain = uapi::REASON_NO_DOMAIN, "the IOMMU can't give a PASID page tables of its own";
        /// Caches.
        NotCoherent = uapi::REASON_NOT_COHERENT, "the device does not see what processors cache";
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

numbered! {
    /// What a sensor measures.
    SensorKind {
        /// Thousandths of a degree Celsius.
        Temperature = uapi::SENSOR_TEMPERATURE, "temperature";
        /// Microwatts.
        Power = uapi::SENSOR_POWER, "power";
        /// Hertz.
        Frequency = uapi::SENSOR_FREQUENCY, "frequency";
    }
}

/// Whether an address mode is offered, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, schemars::JsonSchema))]
pub struct AddressModeInfo {
    /// The mode.
    pub mode: AddressMode,
    /// [`ModeReason::Available`] where it is offered.
    pub reason: ModeReason,
}

impl From<uapi::InfoAddressMode> for AddressModeInfo {
    fn from(raw: uapi::InfoAddressMode) -> Self {
        Self {
            mode: raw.mode.into(),
            reason: raw.reason.into(),
        }
    }
}

/// Facts of a device that do not change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, schemars::JsonSchema))]
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
    #[cfg_attr(feature = "serde", serde(rename = "request_max_bytes"))]
    pub request_max: u64,
    /// Opens of the compute node that can exist at once; 0: no limit.
    pub contexts_max: u32,
    /// Queues can have the priorities 0 to `priorities` - 1.
    pub priorities: u32,
    /// Milliseconds (nanoseconds in JSON) after which a job that does not end has its queue
    /// stopped; 0: never.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "job_limit_ns", serialize_with = "as_nanoseconds"),
        schemars(with = "u64")
    )]
    pub job_limit_ms: u32,
    /// Whether it can be reset.
    pub can_reset: bool,
    /// Whether it is reset by itself when a queue hangs and can't be stopped alone.
    pub auto_recovery: bool,
    /// Whether the jobs of queues are counted; else that count stays 0, and so below.
    pub counts_jobs: bool,
    /// Whether the bytes that jobs read and write are counted.
    pub counts_bytes: bool,
    /// Whether the time that queues are worked on is measured.
    pub counts_busy: bool,
    /// Whether there may have been more than is counted, of queues with rings of the process's own.
    pub counts_at_least: bool,
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
            contexts_max: raw.contexts_max,
            priorities: raw.priorities,
            job_limit_ms: raw.job_limit_ms,
            can_reset: raw.flags & uapi::DEVICE_RESET != 0,
            auto_recovery: raw.flags & uapi::DEVICE_AUTO_RECOVERY != 0,
            counts_jobs: raw.flags & uapi::DEVICE_COUNTS_JOBS != 0,
            counts_bytes: raw.flags & uapi::DEVICE_COUNTS_BYTES != 0,
            counts_busy: raw.flags & uapi::DEVICE_COUNTS_BUSY != 0,
            counts_at_least: raw.flags & uapi::DEVICE_COUNTS_AT_LEAST != 0,
        }
    }
}

/// The state of a device at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, schemars::JsonSchema))]
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
    #[cfg_attr(feature = "serde", serde(rename = "hardware_errors"))]
    pub errors: u64,
    /// `CLOCK_MONOTONIC`, in nanoseconds, when these values were collected.
    pub timestamp_ns: u64,
    /// Jobs done since then.
    pub jobs: u64,
    /// Nanoseconds that the device has worked since then, the sum of its queues.
    pub busy_ns: u64,
    /// `CLOCK_MONOTONIC`, in nanoseconds, of the sample from which `jobs` and `busy_ns` are; none
    /// if there was no sample yet.
    pub usage_ns: Option<u64>,
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
            jobs: raw.jobs,
            busy_ns: raw.busy_ns,
            usage_ns: Some(raw.usage_ns).filter(|&at| at != 0),
        }
    }
}

impl StatusInfo {
    /// Seconds between the sample of the use in `earlier` and the one in here; none if there are
    /// no two samples.
    pub fn sampled_since(&self, earlier: &Self) -> Option<f64> {
        let span = self.usage_ns?.checked_sub(earlier.usage_ns?)?;
        (span > 0).then_some(span as f64 / 1e9)
    }

    /// Part of the time since `earlier` that the device worked, the sum of its queues: above 1
    /// where it worked on several at once. None if that was not sampled in between.
    pub fn busy_since(&self, earlier: &Self) -> Option<f64> {
        let busy = self.busy_ns.saturating_sub(earlier.busy_ns);
        Some(busy as f64 / 1e9 / self.sampled_since(earlier)?)
    }
}

/// The use that one open of the compute node makes of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, schemars::JsonSchema))]
pub struct ContextInfo {
    /// Its number on the device, never used again.
    #[cfg_attr(feature = "serde", serde(rename = "context"))]
    pub id: u64,
    /// The process that opened it; none if it is not in the caller's PID namespace, or if it is the
    /// kernel's own.
    pub pid: Option<i32>,
    /// What in the kernel it is of; none if it is a process's.
    pub client: Option<String>,
    /// The user that opened it, as the caller's user namespace has it; 0 if it is the kernel's own.
    pub uid: u32,
    /// Its address mode; none if that is not chosen yet.
    pub mode: Option<AddressMode>,
    /// The PASID under which the device works for it, where it needs one.
    pub pasid: Option<u32>,
    /// Queues that it has now.
    pub queues: u32,
    /// Completion events signalled on its queues so far.
    pub completions: u64,
    /// Jobs done on its queues so far.
    pub jobs: u64,
    /// Bytes read and written by them.
    pub bytes: u64,
    /// Nanoseconds that its queues were worked on.
    pub busy_ns: u64,
    /// Bytes of device memory in buffers that it allocated and that still exist.
    #[cfg_attr(feature = "serde", serde(rename = "device_memory_bytes"))]
    pub device_memory: u64,
    /// Bytes of buffers mapped into its address space.
    #[cfg_attr(feature = "serde", serde(rename = "mapped_bytes"))]
    pub mapped: u64,
}

impl From<uapi::InfoContext> for ContextInfo {
    fn from(raw: uapi::InfoContext) -> Self {
        Self {
            id: raw.id,
            pid: Some(raw.pid).filter(|&pid| pid != 0),
            client: Some(text(&raw.client)).filter(|name| !name.is_empty()),
            uid: raw.uid,
            mode: Some(raw.mode)
                .filter(|&mode| mode != uapi::MODE_NONE)
                .map(Into::into),
            pasid: Some(raw.pasid).filter(|&pasid| pasid != 0),
            queues: raw.queues,
            completions: raw.completions,
            jobs: raw.jobs,
            bytes: raw.bytes,
            busy_ns: raw.busy_ns,
            device_memory: raw.device_memory,
            mapped: raw.mapped,
        }
    }
}

/// What a sensor measured last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SensorInfo {
    /// What it measures, and in which unit.
    pub kind: SensorKind,
    /// What of the device it measures.
    pub label: String,
    /// What was measured, in the unit of `kind`.
    pub value: i64,
    /// `CLOCK_MONOTONIC`, in nanoseconds, when it was measured.
    pub timestamp_ns: u64,
}

impl From<uapi::InfoSensor> for SensorInfo {
    fn from(raw: uapi::InfoSensor) -> Self {
        Self {
            kind: raw.kind.into(),
            label: text(&raw.label),
            value: raw.value,
            timestamp_ns: raw.timestamp_ns,
        }
    }
}

/// What went wrong on a device since it was registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, schemars::JsonSchema))]
pub struct ErrorsInfo {
    /// Hardware errors reported by the driver.
    #[cfg_attr(feature = "serde", serde(rename = "hardware_errors"))]
    pub hardware: u64,
    /// Accesses to memory that a queue was refused.
    pub faults: u64,
    /// Queues stopped because of a job that did not end.
    pub timeouts: u64,
    /// Resets that ended well.
    pub resets: u64,
    /// Resets that did not.
    pub resets_failed: u64,
    /// Hardware errors within an hour that isolate the device; 0: no number of them does.
    pub threshold: u32,
    /// Hardware errors within this hour, 0 again after a reset.
    pub recent: u32,
}

impl From<uapi::InfoErrors> for ErrorsInfo {
    fn from(raw: uapi::InfoErrors) -> Self {
        Self {
            hardware: raw.hardware,
            faults: raw.faults,
            timeouts: raw.timeouts,
            resets: raw.resets,
            resets_failed: raw.resets_failed,
            threshold: raw.threshold,
            recent: raw.recent,
        }
    }
}

/// The memory that a device has for buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, schemars::JsonSchema))]
pub struct MemoryInfo {
    /// Bytes; 0: it has none of its own.
    #[cfg_attr(feature = "serde", serde(rename = "size_bytes"))]
    pub size: u64,
    /// Bytes of it in buffers that exist.
    #[cfg_attr(feature = "serde", serde(rename = "used_bytes"))]
    pub used: u64,
    /// Number of these buffers.
    pub buffers: u64,
}

impl From<uapi::InfoMemory> for MemoryInfo {
    fn from(raw: uapi::InfoMemory) -> Self {
        Self {
            size: raw.size,
            used: raw.used,
            buffers: raw.buffers,
        }
    }
}

/// The one unit of times in JSON.
#[cfg(feature = "serde")]
fn as_nanoseconds<S: serde::Serializer>(ms: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::from(*ms) * 1_000_000)
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
    fn flags_are_named() {
        let raw = |flags| uapi::InfoDevice {
            flags,
            ..Default::default()
        };
        let info = DeviceInfo::from(raw(uapi::DEVICE_RESET | uapi::DEVICE_COUNTS_BYTES | 1 << 9));
        assert!(info.can_reset && !info.auto_recovery);
        assert!(!info.counts_jobs && info.counts_bytes && !info.counts_busy);
        assert!(!info.counts_at_least);
        assert!(DeviceInfo::from(raw(uapi::DEVICE_COUNTS_AT_LEAST)).counts_at_least);
        assert!(DeviceInfo::from(raw(uapi::DEVICE_AUTO_RECOVERY)).auto_recovery);
    }

    #[test]
    fn what_is_not_there_is_none() {
        let context = ContextInfo::from(uapi::InfoContext::default());
        assert_eq!(
            (context.pid, context.mode, context.pasid),
            (None, None, None)
        );
        let status = StatusInfo::from(uapi::InfoStatus::default());
        assert_eq!(status.usage_ns, None);
    }

    #[test]
    fn use_is_measured_between_samples() {
        let at = |usage_ns, busy_ns| {
            StatusInfo::from(uapi::InfoStatus {
                usage_ns,
                busy_ns,
                ..Default::default()
            })
        };
        assert_eq!(at(5_000, 700).busy_since(&at(1_000, 100)), Some(0.15));
        assert_eq!(at(1_000, 100).busy_since(&at(1_000, 100)), None);
        assert_eq!(at(1_000, 100).busy_since(&at(0, 0)), None);
        assert_eq!(at(1_000, 100).busy_since(&at(2_000, 0)), None);
    }

    #[test]
    fn text_without_end_is_taken_whole() {
        assert_eq!(text(&[b'x'; 32]).len(), 32);
        assert_eq!(text(b"ab\0cd"), "ab");
    }

    #[test]
    fn words_are_lower_case() {
        assert_eq!(Doorbell::PerQueue.word(), "per_queue");
        assert_eq!(Status::InReset.word(), "in_reset");
        assert_eq!(Function::Unknown(40).word(), "unknown_40");
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
