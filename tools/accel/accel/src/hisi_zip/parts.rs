// SPDX-License-Identifier: GPL-2.0 OR MIT
//! What a queue is made of, and where that comes from.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;

use super::job::Revision;
use super::rings::{DoorbellPort, DoorbellRegion};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::info::AddressMode;
use crate::inquire::{Answers, Inquire};
use crate::ioctl;
use crate::node::Node;
use crate::queue::{QueueOptions, RegionKind};
use crate::region::Region;
use crate::space::AddressSpace;
use crate::submit::{Records, Submission, SubmitPort};
use crate::uapi;

/// Which way a queue works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// It compresses.
    Compress,
    /// It decompresses.
    Decompress,
}

impl Direction {
    /// The driver's own struct that asks for a queue of this direction.
    fn driver_data(self) -> [u8; size_of::<uapi::HisiZipQueue>()] {
        let direction = match self {
            Self::Compress => uapi::HISI_ZIP_COMPRESS,
            Self::Decompress => uapi::HISI_ZIP_DECOMPRESS,
        };
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&8u32.to_ne_bytes());
        bytes[4..].copy_from_slice(&direction.to_ne_bytes());
        bytes
    }
}

/// A queue's descriptor, by which the kernel takes jobs.
struct SubmitCall(Arc<OwnedFd>);

impl SubmitPort for SubmitCall {
    fn submit(
        &mut self,
        submission: &Submission<'_>,
    ) -> std::result::Result<Option<OwnedFd>, Errno> {
        ioctl::queue_submit(self.0.as_fd(), submission)
    }
}

/// The way by which jobs reach the engine and come back.
pub enum ZipPort {
    /// Rings in memory, in all address modes but the next.
    Rings {
        /// The rings.
        ring: Region,
        /// The doorbell.
        doorbell: Box<dyn DoorbellPort>,
    },
    /// The kernel, in [`AddressMode::Kernel`].
    Kernel {
        /// What became of the jobs.
        records: Records<uapi::HisiZipRecord>,
        /// Where they are handed over.
        submit: Box<dyn SubmitPort>,
    },
}

/// What a [`ZipQueue`](super::ZipQueue) is made of, for a queue that does not come from a
/// [`Context`].
pub struct ZipQueueParts {
    /// Name of the device, for messages.
    pub device: String,
    /// Which hardware that is.
    pub revision: Revision,
    /// Which way the queue works.
    pub direction: Direction,
    /// Number of the queue.
    pub id: u32,
    /// Entries.
    pub depth: u32,
    /// The queue's descriptor: polled and read for events.
    pub events: Arc<OwnedFd>,
    /// The status page.
    pub status: Region,
    /// The address space of its context.
    pub space: AddressSpace,
    /// The way to the engine.
    pub port: ZipPort,
}

/// Creates a queue of `depth` entries, 0 for the driver's default: its parts, and what keeps its
/// context open.
pub(super) fn create_parts(
    context: &Context,
    direction: Direction,
    depth: u32,
) -> Result<(ZipQueueParts, Arc<Node>)> {
    let revision = revision(context)?;
    let queue = context.create_queue(&QueueOptions {
        depth,
        driver_data: &direction.driver_data(),
        ..Default::default()
    })?;
    let (id, depth) = (queue.facts().id, queue.facts().depth);
    let port = if context.mode() == AddressMode::Kernel {
        Mapped::Records(queue.records()?)
    } else {
        let doorbell = DoorbellRegion::new(queue.map(RegionKind::Doorbell)?);
        let doorbell = doorbell.ok_or_else(|| too_short(queue.device_name(), id))?;
        Mapped::Rings(queue.map(RegionKind::Ring)?, doorbell)
    };
    let (events, status, node) = queue.into_parts();
    let events = Arc::new(events);
    let parts = ZipQueueParts {
        device: node.name().into(),
        revision,
        direction,
        id,
        depth,
        status,
        space: context.address_space().clone(),
        port: port.with(&events),
        events,
    };
    Ok((parts, node))
}

/// What is mapped of a queue, by its address mode.
enum Mapped {
    Rings(Region, DoorbellRegion),
    Records(Records<uapi::HisiZipRecord>),
}

impl Mapped {
    /// The way to the engine of the queue behind `fd`.
    fn with(self, fd: &Arc<OwnedFd>) -> ZipPort {
        match self {
            Self::Rings(ring, doorbell) => ZipPort::Rings {
                ring,
                doorbell: Box::new(doorbell),
            },
            Self::Records(records) => ZipPort::Kernel {
                records,
                submit: Box::new(SubmitCall(Arc::clone(fd))),
            },
        }
    }
}

/// The revision of the hardware, of those that are known here.
fn revision(context: &Context) -> Result<Revision> {
    let version = context.facts()?.version;
    Revision::of(&version).ok_or_else(|| Error::Mismatch {
        device: context.device_name().into(),
        what: format!("version {version:?} of the engine is not known"),
    })
}

pub(super) fn too_short(device: &str, queue: u32) -> Error {
    Error::Mismatch {
        device: device.into(),
        what: format!("a region of queue {queue} is too short"),
    }
}

/// The engine has 12 bits for a depth less one.
const DEPTH_MAX: u16 = 1 << 12;

/// The number of entries, if there can be so many.
pub(super) fn checked_depth(parts: &ZipQueueParts) -> Result<u16> {
    let fits = |depth: &u16| (2..=DEPTH_MAX).contains(depth);
    let depth = u16::try_from(parts.depth).ok().filter(fits);
    depth.ok_or_else(|| Error::Mismatch {
        device: parts.device.clone(),
        what: format!("queue {} has {} entries", parts.id, parts.depth),
    })
}
