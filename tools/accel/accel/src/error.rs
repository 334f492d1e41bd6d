// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Errors: what, which device, why, and what to do.

use std::borrow::Cow;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use rustix::io::Errno;

use crate::hisi_zip::{Algorithm, DRIVER, JobError, REQUEST_MAX};
use crate::info::{AddressMode, ModeReason};
use crate::queue::QueueState;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong between an application and an accelerator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no accelerator at all.
    #[error(
        "no accelerator found: {place} names none. Is a driver loaded (for the HiSilicon ZIP \
         engine: modprobe accel_hisi_zip), and has the kernel CONFIG_ACCEL?"
    )]
    NoDevice {
        /// Where was looked.
        place: PathBuf,
    },

    /// SIGBUS can't be caught, which is what the kernel sends where a device goes away.
    #[error("SIGBUS cannot be caught: {source}")]
    Signals {
        /// Why.
        source: io::Error,
    },

    /// The runtime of the program's tasks can't wait for a queue.
    #[cfg(feature = "tokio")]
    #[error("a queue cannot be waited for by the runtime: {source}")]
    Runtime {
        /// Why.
        source: io::Error,
    },

    /// None of the accelerators can be used.
    #[error(
        "none of the {count} accelerators is a gzip engine of driver {DRIVER} that is in service \
         (`accelctl find --all` tells why)"
    )]
    NoneSuits {
        /// How many there are.
        count: usize,
    },

    /// The engine has not done a job.
    #[error("{device}: {error}")]
    Job {
        /// Name of the device.
        device: String,
        /// What it says.
        error: JobError,
    },

    /// Compressed data are not as they should be.
    #[error("the compressed data are damaged: {what}")]
    Damaged {
        /// What is wrong.
        what: &'static str,
    },

    /// Compressed data have no end.
    #[error("the compressed data are cut off")]
    CutOff,

    /// What was given is no accelerator's name.
    #[error(
        "{name}: not an accelerator's name; give a number, accelN, /dev/accelN or /dev/accel_monitorN"
    )]
    BadName {
        /// What was given.
        name: String,
    },

    /// A directory could not be read.
    #[error("{path}: cannot be read: {source}")]
    Scan {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// A node could not be opened.
    #[error("{path}: cannot be opened: {source}{}", open_hint(*source))]
    Open {
        /// The node.
        path: PathBuf,
        /// Why.
        source: Errno,
    },

    /// The kernel refused a request.
    #[error("{device}: {action}: {source}{}", hint(device, *source))]
    Refused {
        /// Name of the device.
        device: String,
        /// What was asked for.
        action: &'static str,
        /// Why.
        source: Errno,
    },

    /// The kernel did not allocate, wrap or map a buffer.
    #[error("{device}: {action}: {source}{}", buffer_hint(*source))]
    Buffer {
        /// Name of the device.
        device: String,
        /// What was asked for.
        action: &'static str,
        /// Why.
        source: Errno,
    },

    /// A descriptor that is no buffer's.
    #[error("the descriptor is no buffer: its length cannot be found out: {source}")]
    NoBuffer {
        /// Why.
        source: Errno,
    },

    /// A buffer can't be made ready for accesses of the CPU.
    #[error("a buffer cannot be made ready for the CPU: {source}; is the descriptor a dma-buf?")]
    NotSynced {
        /// Why.
        source: Errno,
    },

    /// The kernel did not take jobs.
    #[error("{device}: queue {queue} takes no job: {source}{}", submit_hint(*source))]
    NotSubmitted {
        /// Name of the device.
        device: String,
        /// Number of the queue.
        queue: u32,
        /// Why.
        source: Errno,
    },

    /// A job's memory is not where its queue's device could find it.
    #[error(
        "{device}: queue {queue} can't reach the memory of a job: it has to come from the address \
         space of the queue's own context"
    )]
    Unreachable {
        /// Name of the device.
        device: String,
        /// Number of the queue.
        queue: u32,
    },

    /// A job's room for output is less than its queue's device works with.
    #[error(
        "{device}: queue {queue}: {room} bytes of room for the output of a job are too few; it \
         needs {least}"
    )]
    Room {
        /// Name of the device.
        device: String,
        /// Number of the queue.
        queue: u32,
        /// Bytes of room.
        room: usize,
        /// Bytes that it needs.
        least: usize,
    },

    /// A job's input or room for output is larger than a request may have.
    #[error(
        "{device}: queue {queue}: {bytes} bytes of {what} are too many for a job; {REQUEST_MAX} \
         may be"
    )]
    TooLarge {
        /// Name of the device.
        device: String,
        /// Number of the queue.
        queue: u32,
        /// Input or output.
        what: &'static str,
        /// Bytes of it.
        bytes: usize,
    },

    /// A job's input, room for output, or context is not inside its memory.
    #[error("{device}: queue {queue}: the {what} of a job is not inside its memory")]
    Outside {
        /// Name of the device.
        device: String,
        /// Number of the queue.
        queue: u32,
        /// Input, output or context.
        what: &'static str,
    },

    /// A request of a stream has nothing to compress.
    #[error(
        "{device}: queue {queue}: a request of a stream without input is none for the engine; \
         `Stream::end` makes what ends a stream"
    )]
    NoInput {
        /// Name of the device.
        device: String,
        /// Number of the queue.
        queue: u32,
    },

    /// A fence can't be waited for, or asked.
    #[error("a fence cannot be waited for: {source}; is the descriptor a sync file?")]
    Fence {
        /// Why.
        source: Errno,
    },

    /// The device does not offer an address mode.
    #[error("{device}: address mode {mode} is not offered: {reason}")]
    ModeUnavailable {
        /// Name of the device.
        device: String,
        /// The mode.
        mode: AddressMode,
        /// Why.
        reason: ModeReason,
    },

    /// All queues are taken.
    #[error(
        "{device}: all its queues are in use; try again when another process has ended, or ask \
         for fewer"
    )]
    QueuesBusy {
        /// Name of the device.
        device: String,
    },

    /// The device was not reset.
    #[error("{device}: not reset: {source}{}", reset_hint(*source))]
    NotReset {
        /// Name of the device.
        device: String,
        /// Why.
        source: Errno,
    },

    /// A device to be near to was not found.
    #[error("{address}: no such PCI device: {path} does not exist; `lspci -D` shows the addresses")]
    NoPlace {
        /// What was given.
        address: String,
        /// Where was looked.
        path: PathBuf,
    },

    /// What was given is no address on the PCI bus.
    #[error("{address}: not a PCI address; give one such as 0000:01:00.0")]
    BadAddress {
        /// What was given.
        address: String,
    },

    /// The engine can't do what a job asks for.
    #[error("{device}: this revision of the engine can't do {algorithm:?}, only zlib and gzip")]
    NoAlgorithm {
        /// Name of the device.
        device: String,
        /// What was asked for.
        algorithm: Algorithm,
    },

    /// The kernel's answer can't be right.
    #[error("{device}: {what}; kernel and program do not fit each other, update the older one")]
    Mismatch {
        /// Name of the device.
        device: String,
        /// What is wrong.
        what: String,
    },

    /// The queue is dead.
    #[error("{device}: queue {queue} is dead: {state}; {}", revive_hint(device, *state))]
    QueueDead {
        /// Name of the device.
        device: String,
        /// Number of the queue.
        queue: u32,
        /// Its state.
        state: QueueState,
    },

    /// The queue belongs to the process of which this one is a child.
    #[error(
        "{device}: queue {queue} belongs to the parent of this process; after fork(), a child \
         opens the device for itself"
    )]
    Forked {
        /// Name of the device.
        device: String,
        /// Number of the queue.
        queue: u32,
    },

    /// Nothing came back from the device for a long time.
    #[error(
        "{device}: queue {queue} has not finished a job for {seconds} s; the device hangs or is \
         overloaded, the kernel log may say more"
    )]
    Timeout {
        /// Name of the device.
        device: String,
        /// Number of the queue.
        queue: u32,
        /// How long was waited.
        seconds: u64,
    },

    /// Memory could not be had.
    #[error("{bytes} bytes of memory for {what} cannot be mapped: {source}")]
    Memory {
        /// What for.
        what: &'static str,
        /// How much.
        bytes: usize,
        /// Why.
        source: Errno,
    },
}

impl Error {
    /// What the system has said, where it is that.
    fn errno(&self) -> Option<Errno> {
        match self {
            Self::Open { source, .. }
            | Self::Refused { source, .. }
            | Self::Buffer { source, .. }
            | Self::NoBuffer { source }
            | Self::NotSynced { source }
            | Self::NotSubmitted { source, .. }
            | Self::Fence { source }
            | Self::NotReset { source, .. }
            | Self::Memory { source, .. } => Some(*source),
            Self::QueuesBusy { .. } => Some(Errno::BUSY),
            Self::Forked { .. } => Some(Errno::PERM),
            _ => None,
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoDevice { .. } | Self::NoneSuits { .. } | Self::NoPlace { .. } => {
                ErrorKind::NotFound
            }
            Self::Damaged { .. } => ErrorKind::InvalidData,
            Self::CutOff => ErrorKind::UnexpectedEof,
            Self::Scan { source, .. } | Self::Signals { source } => source.kind(),
            Self::BadName { .. }
            | Self::BadAddress { .. }
            | Self::Unreachable { .. }
            | Self::Room { .. }
            | Self::TooLarge { .. }
            | Self::Outside { .. }
            | Self::NoInput { .. } => ErrorKind::InvalidInput,
            Self::ModeUnavailable { .. } | Self::NoAlgorithm { .. } => ErrorKind::Unsupported,
            Self::Timeout { .. } => ErrorKind::TimedOut,
            Self::QueueDead { .. } => ErrorKind::ConnectionAborted,
            _ => self.errno().map_or(ErrorKind::Other, |errno| errno.kind()),
        }
    }
}

impl From<Error> for io::Error {
    /// The same error, of the kind that fits.
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error)
    }
}

fn open_hint(errno: Errno) -> &'static str {
    match errno {
        Errno::NOENT => ". `accelctl list` shows the devices that exist",
        Errno::ACCESS | Errno::PERM => {
            ". Ask the administrator for access to this node (`ls -l` shows its group)"
        }
        Errno::NXIO | Errno::NODEV => ". The device is gone; `accelctl list` shows what is left",
        _ => "",
    }
}

fn hint(device: &str, errno: Errno) -> Cow<'static, str> {
    match errno {
        Errno::IO => return isolated_hint(device).into(),
        Errno::NODEV => ". The device is gone; `accelctl list` shows what is left",
        Errno::NOTTY => ". This kernel does not know the request: kernel and program do not fit",
        Errno::TOOBIG => ". The kernel is older than this program",
        Errno::OPNOTSUPP => ". It is not offered by this device, or by this kernel",
        Errno::PERM => {
            ". Either the process is not the one that opened the device, or queues share \
             doorbells and accel.allow_shared_doorbells=1 is not on the kernel command line"
        }
        Errno::ACCESS => ". A priority above 0 needs CAP_SYS_NICE; ask for priority 0",
        Errno::AGAIN => ". The device is being reset; try again in a moment",
        Errno::NOSPC => ". No PASID is free; try again when another process has ended",
        _ => "",
    }
    .into()
}

fn buffer_hint(errno: Errno) -> &'static str {
    match errno {
        Errno::NOMEM => {
            ". There is not enough memory, or not in one piece, or more is pinned than `ulimit -l` \
             allows"
        }
        Errno::NOSPC => {
            ". There is not enough device memory (`accelctl info` tells), or no room for so much \
             in the address space"
        }
        Errno::DQUOT => ". The cgroup's limit on device memory is reached",
        Errno::OPNOTSUPP => {
            ". The device has no such memory or can't be given it, or its address space is not \
             private"
        }
        Errno::INVAL => ". Buffers are mapped and made of whole pages, inside their length",
        Errno::FAULT => ". It is no memory, or such that can't be pinned",
        Errno::ACCESS => ". The buffer may only be read",
        Errno::EXIST => ". Something is mapped there",
        Errno::RANGE => ". The device or the IOMMU has no such addresses",
        Errno::NODEV => ". The device is gone; `accelctl list` shows what is left",
        Errno::NOTTY | Errno::TOOBIG => ". The kernel is older than this program",
        _ => "",
    }
}

fn submit_hint(errno: Errno) -> &'static str {
    match errno {
        Errno::AGAIN => ". It has as many jobs as it has entries, or the device is being reset",
        Errno::INVAL => ". A job, a buffer or a fence is wrong",
        Errno::ACCESS => ". A job writes a buffer that it may only read",
        Errno::OPNOTSUPP => ". Its context is not in kernel mode",
        Errno::NOTTY | Errno::TOOBIG => ". The kernel is older than this program",
        _ => "",
    }
}

fn isolated_hint(device: &str) -> String {
    format!(
        ". The device is isolated after too many errors, or after a reset that failed: \
         `accelctl reset {device}`, as root, brings it back"
    )
}

fn reset_hint(errno: Errno) -> &'static str {
    match errno {
        Errno::PERM => ". Only root, or who has CAP_SYS_ADMIN, may reset a device",
        Errno::OPNOTSUPP => {
            ". Its driver can't reset it; unbinding the driver and binding it again may help"
        }
        Errno::IO => {
            ". The reset failed and the device is isolated now; the kernel log may say why. Try \
             once more, or unbind its driver and bind it again"
        }
        Errno::NOTTY => ". This kernel can't reset accelerators: it is older than this program",
        Errno::AGAIN => ". Another reset is under way; try again in a moment",
        Errno::NODEV => ". The device is gone; `accelctl list` shows what is left",
        _ => "",
    }
}

fn revive_hint(device: &str, state: QueueState) -> Cow<'static, str> {
    match state {
        QueueState::DeadReset => "start again, the device takes jobs after the reset",
        QueueState::DeadTimeout => {
            "start again with smaller jobs; `accelctl info` tells the time that a job may take"
        }
        QueueState::DeadError => "start again; `accelctl info` tells whether the device has errors",
        QueueState::DeadIsolated => {
            return format!("`accelctl reset {device}`, as root, brings it back").into();
        }
        _ => "`accelctl list` shows the devices that are left",
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_name_the_device_and_the_remedy() {
        let open = Error::Open {
            path: "/dev/accel7".into(),
            source: Errno::NOENT,
        };
        let text = open.to_string();
        assert!(text.starts_with("/dev/accel7: "), "{text}");
        assert!(text.contains("accelctl list"), "{text}");

        let mode = Error::ModeUnavailable {
            device: "accel0".into(),
            mode: AddressMode::Shared,
            reason: ModeReason::NoPri,
        };
        assert!(mode.to_string().contains("page requests"), "{mode}");
    }
    fn refused(source: Errno) -> String {
        let device = "accel3".into();
        let action = "creating a queue";
        let error = Error::Refused {
            device,
            action,
            source,
        };
        error.to_string()
    }

    #[test]
    fn each_refusal_has_its_remedy() {
        for (errno, remedy) in [
            (Errno::IO, "`accelctl reset accel3`"),
            (Errno::AGAIN, "try again"),
            (Errno::ACCESS, "CAP_SYS_NICE"),
            (Errno::NODEV, "accelctl list"),
        ] {
            let text = refused(errno);
            assert!(text.starts_with("accel3: creating a queue: "), "{text}");
            assert!(text.contains(remedy), "{text}");
        }
    }

    #[test]
    fn each_refusal_of_a_buffer_or_a_job_has_its_reason() {
        let device = || "accel3".to_string();
        for (source, words) in [
            (Errno::NOMEM, "`ulimit -l`"),
            (Errno::NOSPC, "device memory"),
            (Errno::DQUOT, "cgroup"),
            (Errno::ACCESS, "only be read"),
        ] {
            let action = "allocating a buffer";
            let error = Error::Buffer {
                device: device(),
                action,
                source,
            };
            assert!(error.to_string().contains(words), "{error}");
        }
        for (source, words) in [
            (Errno::AGAIN, "as many jobs"),
            (Errno::OPNOTSUPP, "not in kernel mode"),
        ] {
            let error = Error::NotSubmitted {
                device: device(),
                queue: 4,
                source,
            };
            assert!(error.to_string().starts_with("accel3: queue 4 "), "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn a_reset_that_fails_says_what_is_left() {
        for (source, remedy) in [
            (Errno::PERM, "root"),
            (Errno::OPNOTSUPP, "driver can't"),
            (Errno::IO, "isolated now"),
            (Errno::AGAIN, "try again"),
        ] {
            let device = "accel3".into();
            let text = Error::NotReset { device, source }.to_string();
            assert!(text.starts_with("accel3: not reset: "), "{text}");
            assert!(text.contains(remedy), "{text}");
        }
    }

    #[test]
    fn an_error_of_input_and_output_has_its_kind() {
        let (device, queue) = (|| "accel3".to_string(), 7);
        let table = [
            (
                ErrorKind::PermissionDenied,
                Error::Open {
                    path: "/dev/accel3".into(),
                    source: Errno::ACCESS,
                },
            ),
            (
                ErrorKind::ResourceBusy,
                Error::QueuesBusy { device: device() },
            ),
            (
                ErrorKind::PermissionDenied,
                Error::Forked {
                    device: device(),
                    queue,
                },
            ),
            (
                ErrorKind::ConnectionAborted,
                Error::QueueDead {
                    device: device(),
                    queue,
                    state: QueueState::DeadReset,
                },
            ),
            (
                ErrorKind::TimedOut,
                Error::Timeout {
                    device: device(),
                    queue,
                    seconds: 60,
                },
            ),
            (
                ErrorKind::Other,
                Error::Mismatch {
                    device: device(),
                    what: "nonsense".into(),
                },
            ),
        ];
        for (kind, error) in table {
            let text = error.to_string();
            let error = io::Error::from(error);
            assert_eq!((error.kind(), error.to_string()), (kind, text));
            assert!(error.get_ref().is_some_and(|inner| inner.is::<Error>()));
        }
    }

    #[test]
    fn a_dead_queue_says_how_to_go_on() {
        for (state, remedy) in [
            (QueueState::DeadTimeout, "smaller jobs"),
            (QueueState::DeadIsolated, "`accelctl reset accel3`"),
            (QueueState::DeadReset, "start again"),
            (QueueState::DeadError, "has errors"),
            (QueueState::DeadRemoved, "that are left"),
        ] {
            let (device, queue) = ("accel3".into(), 7);
            let error = Error::QueueDead {
                device,
                queue,
                state,
            };
            assert!(error.to_string().contains(remedy), "{error}");
        }
    }
}
