// SPDX-License-Identifier: GPL-2.0 OR MIT
//! A queue: its descriptor, its regions, its state.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::fence::Fence;
use crate::info::numbered;
use crate::node::Node;
use crate::region::{Access, Region};
use crate::submit::{Records, Submission, Submitted};
use crate::uapi::Plain;
use crate::{ioctl, uapi};

numbered! {
    /// State of a queue.
    QueueState {
        /// Takes jobs.
        Live = uapi::QUEUE_LIVE, "live";
        /// The device was reset.
        DeadReset = uapi::QUEUE_DEAD_RESET, "the device was reset";
        /// The device is gone.
        DeadRemoved = uapi::QUEUE_DEAD_REMOVED, "the device is gone";
        /// A job did not end in time.
        DeadTimeout = uapi::QUEUE_DEAD_TIMEOUT, "a job of it did not end in time";
        /// The device was taken out of service.
        DeadIsolated = uapi::QUEUE_DEAD_ISOLATED, "the device was taken out of service";
        /// The device can't go on with it.
        DeadError = uapi::QUEUE_DEAD_ERROR, "the device could not go on with it";
    }
}

numbered! {
    /// What a region of a queue is.
    RegionKind {
        /// The status page.
        Status = uapi::REGION_STATUS, "status page";
        /// Registers of the device.
        Doorbell = uapi::REGION_DOORBELL, "doorbell";
        /// Memory that the device reads and writes.
        Ring = uapi::REGION_RING, "ring memory";
        /// What became of jobs that the kernel handed over.
        Records = uapi::REGION_RECORDS, "records of jobs";
    }
}

/// What to ask for when creating a queue.
#[derive(Clone, Copy, Debug, Default)]
pub struct QueueOptions<'a> {
    /// Entries wanted; 0 for the driver's default.
    pub depth: u32,
    /// 0, or up to [`DeviceInfo::priorities`](crate::DeviceInfo::priorities) - 1, more urgent.
    /// Needs `CAP_SYS_NICE` above 0.
    pub priority: u32,
    /// The driver's own struct, as its header has it.
    pub driver_data: &'a [u8],
}

/// What of a queue can be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionInfo {
    /// What it is.
    pub kind: RegionKind,
    /// Offset for mmap() of the queue's descriptor.
    pub offset: u64,
    /// Bytes.
    pub size: usize,
    /// Bytes from one element to the next, of a region that is an array of records; else 0.
    pub element_size: usize,
    /// The protections allowed; none if it can't be read.
    pub access: Option<Access>,
}

impl From<uapi::Region> for RegionInfo {
    fn from(raw: uapi::Region) -> Self {
        let readable = raw.flags & uapi::ACCESS_READ != 0;
        let writable = raw.flags & uapi::ACCESS_WRITE != 0;
        Self {
            kind: raw.kind.into(),
            offset: raw.offset,
            size: usize::try_from(raw.size).unwrap_or(0),
            element_size: usize::try_from(raw.element_size).unwrap_or(0),
            access: readable.then_some(if writable {
                Access::ReadWrite
            } else {
                Access::Read
            }),
        }
    }
}

/// Facts of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueFacts {
    /// Its number on the device.
    pub id: u32,
    /// Entries.
    pub depth: u32,
    /// Bytes of a job that it is handed over, as the kernel knows it; 0 if it takes none.
    pub job_size: usize,
    /// What can be mapped.
    pub regions: Vec<RegionInfo>,
}

impl QueueFacts {
    fn region(&self, kind: RegionKind) -> Option<&RegionInfo> {
        self.regions.iter().find(|region| region.kind == kind)
    }
}

/// Why [`Queue::wait`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// This many completion events were raised.
    Events(u64),
    /// The time was over.
    Timeout,
    /// The queue is dead.
    Dead,
}

/// A queue of a context.
#[derive(Debug)]
pub struct Queue {
    fd: OwnedFd,
    status: Region,
    facts: QueueFacts,
    node: Arc<Node>,
    /// Jobs handed over by [`Queue::submit`] so far.
    submitted: u64,
}

impl Queue {
    pub(crate) fn create(node: Arc<Node>, options: &QueueOptions<'_>) -> Result<Self> {
        let fd = match ioctl::queue_create(
            node.as_fd(),
            options.depth,
            options.priority,
            options.driver_data,
        ) {
            Err(Errno::BUSY) => Err(Error::QueuesBusy {
                device: node.name().into(),
            }),
            other => other.map_err(node.refused("creating a queue")),
        }?;
        // A wake-up whose event somebody else has read must not block in read().
        rustix::fs::fcntl_setfl(&fd, OFlags::NONBLOCK)
            .map_err(node.refused("making a queue's descriptor non-blocking"))?;
        let facts = facts(fd.as_fd(), &node)?;
        let status = map(fd.as_fd(), &facts, RegionKind::Status, &node)?;
        Ok(Self {
            fd,
            status,
            facts,
            node,
            submitted: 0,
        })
    }

    /// Facts as they were when the queue was created.
    pub fn facts(&self) -> &QueueFacts {
        &self.facts
    }

    /// Asks the kernel for the facts anew.
    pub fn info(&self) -> Result<QueueFacts> {
        facts(self.fd.as_fd(), &self.node)
    }

    /// Name of the device, for messages.
    pub fn device_name(&self) -> &str {
        self.node.name()
    }

    /// Maps a region.
    pub fn map(&self, kind: RegionKind) -> Result<Region> {
        map(self.fd.as_fd(), &self.facts, kind, &self.node)
    }

    /// Its state, from the status page: no system call.
    ///
    /// A child of `fork()` has no status page: there it is [`QueueState::DeadRemoved`].
    pub fn state(&self) -> QueueState {
        match self.status.read::<u32>(STATE).into() {
            QueueState::Live if self.status.is_revoked() => QueueState::DeadRemoved,
            state => state,
        }
    }

    /// Whether it takes no more jobs, from the status page: no system call.
    pub fn is_dead(&self) -> bool {
        self.state() != QueueState::Live
    }

    /// Completion events so far, from the status page: no system call.
    pub fn completions(&self) -> u64 {
        self.status.read(COMPLETIONS)
    }

    /// Resets that its device had gone through when it was made, from the status page: no system
    /// call.
    pub fn generation(&self) -> u32 {
        self.status.read(GENERATION)
    }

    /// Has an eventfd count up by 1 with each completion event, and when the queue dies; `None`
    /// for no more.
    ///
    /// It takes the place of the one before. Completion events that are unread now are counted at
    /// once.
    pub fn set_eventfd(&self, eventfd: Option<BorrowedFd<'_>>) -> Result<()> {
        ioctl::queue_eventfd(self.fd.as_fd(), eventfd)
            .map_err(self.node.refused("giving a queue an eventfd"))
    }

    /// Hands jobs over to the kernel, in [`AddressMode::Kernel`](crate::AddressMode::Kernel).
    ///
    /// They begin and end in the order of their numbers; their end is one completion event. What
    /// became of each is in the [`records`](Self::records), as many as the queue has entries.
    ///
    /// ```no_run
    /// use std::os::fd::AsFd;
    ///
    /// use accel::{AddressMode, BufferAccess, BufferOptions, Device, JobBuffer, QueueOptions};
    /// use accel::{Submission, uapi};
    ///
    /// # fn main() -> accel::Result<()> {
    /// let context = Device::by_index(0).context(AddressMode::Kernel)?;
    /// let mut queue = context.create_queue(&QueueOptions::default())?;
    /// let records = queue.records::<uapi::HisiZipRecord>()?;
    /// let buffer = context.alloc(&BufferOptions::system(1 << 20))?;
    /// // Its addresses are made by `uapi::buffer_address`.
    /// let job = uapi::HisiZipSqe::default();
    /// let buffers = [JobBuffer { fd: buffer.as_fd(), access: BufferAccess::ReadWrite }];
    /// let submitted = queue.submit(&Submission {
    ///     out_fence: true,
    ///     ..Submission::new(&[job], &buffers)
    /// })?;
    /// if let Some(fence) = submitted.fence {
    ///     fence.wait(None)?;
    /// }
    /// println!("{:?}", records.get(submitted.first).map(|ended| ended.error));
    /// # Ok(())
    /// # }
    /// ```
    pub fn submit(&mut self, submission: &Submission<'_>) -> Result<Submitted> {
        let handed = submission.count().and_then(|count| {
            let fence = ioctl::queue_submit(self.fd.as_fd(), submission)?;
            Ok((count, fence))
        });
        let (count, fence) = handed.map_err(|errno| self.not_submitted(errno))?;
        let first = self.submitted;
        self.submitted += u64::from(count);
        Ok(Submitted {
            first,
            count,
            fence: fence.map(Fence::from),
        })
    }

    fn not_submitted(&self, source: Errno) -> Error {
        not_submitted(self.node.name(), self.facts.id, self.state(), source)
    }

    /// Maps the records of the jobs handed over, in the struct of the driver's header.
    pub fn records<T: Plain>(&self) -> Result<Records<T>> {
        let region = self.map(RegionKind::Records)?;
        let told = self.facts.region(RegionKind::Records);
        let stride = told.map_or(0, |region| region.element_size);
        Records::new(region, stride, self.facts.depth).ok_or_else(|| Error::Mismatch {
            device: self.node.name().into(),
            what: format!("the records of queue {} are too short", self.facts.id),
        })
    }

    /// Sleeps until a completion event is raised or the queue dies.
    ///
    /// When a device raises an event is the driver's to say; most want to be asked for it.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<Wake> {
        let refused = self.node.refused("waiting for a completion");
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        let timeout = timeout.and_then(|t| Timespec::try_from(t).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) | Err(Errno::INTR) => Ok(Wake::Timeout),
            Ok(_) => self.take_events(),
            Err(errno) => Err(refused(errno)),
        }
    }

    /// Takes the unread completion events, without waiting for one.
    pub fn take_events(&self) -> Result<Wake> {
        let mut count = [0; 8];
        match rustix::io::read(&self.fd, &mut count) {
            Ok(_) => Ok(Wake::Events(u64::from_ne_bytes(count))),
            Err(Errno::AGAIN | Errno::INTR) if self.is_dead() => Ok(Wake::Dead),
            Err(Errno::AGAIN | Errno::INTR) => Ok(Wake::Events(0)),
            Err(Errno::NODEV) => Ok(Wake::Dead),
            Err(errno) => Err(self.node.refused("reading completion events")(errno)),
        }
    }

    /// Takes the queue apart into its descriptor and its status page.
    pub(crate) fn into_parts(self) -> (OwnedFd, Region, Arc<Node>) {
        (self.fd, self.status, self.node)
    }
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Queue {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// Why jobs were not handed over: that the queue is dead, or what the kernel says.
pub(crate) fn not_submitted(device: &str, queue: u32, state: QueueState, source: Errno) -> Error {
    let device = device.into();
    match state {
        QueueState::Live => Error::NotSubmitted {
            device,
            queue,
            source,
        },
        state => Error::QueueDead {
            device,
            queue,
            state,
        },
    }
}

/// Offsets in the status page.
pub(crate) const STATE: usize = std::mem::offset_of!(uapi::QueueStatus, state);
const GENERATION: usize = std::mem::offset_of!(uapi::QueueStatus, generation);
const COMPLETIONS: usize = std::mem::offset_of!(uapi::QueueStatus, completions);

fn facts(fd: BorrowedFd<'_>, node: &Node) -> Result<QueueFacts> {
    let (info, regions) =
        ioctl::queue_info(fd).map_err(node.refused("asking for a queue's facts"))?;
    Ok(QueueFacts {
        id: info.id,
        depth: info.depth,
        job_size: usize::try_from(info.job_size).unwrap_or(0),
        regions: regions.into_iter().map(RegionInfo::from).collect(),
    })
}

fn map(fd: BorrowedFd<'_>, facts: &QueueFacts, kind: RegionKind, node: &Node) -> Result<Region> {
    let mappable = facts
        .region(kind)
        .and_then(|region| Some((region, region.access?)));
    let Some((region, access)) = mappable else {
        return Err(Error::Mismatch {
            device: node.name().into(),
            what: format!("queue {} has no {kind} to map", facts.id),
        });
    };
    Region::of_queue(fd, region.offset, region.size, access)
        .map_err(node.refused("mapping a region of a queue"))
}
