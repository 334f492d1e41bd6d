// SPDX-License-Identifier: GPL-2.0
//! The ioctls: the only place that hands the kernel pointers inside structs.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

use crate::uapi;

const INFO: Opcode = opcode::none(uapi::IOC_TYPE, uapi::NR_INFO);
const CONTEXT_BIND: Opcode = opcode::none(uapi::IOC_TYPE, uapi::NR_CONTEXT_BIND);
const QUEUE_CREATE: Opcode = opcode::none(uapi::IOC_TYPE, uapi::NR_QUEUE_CREATE);
const RESET: Opcode = opcode::none(uapi::IOC_TYPE, uapi::NR_RESET);
const EVENTS: Opcode = opcode::none(uapi::IOC_TYPE, uapi::NR_EVENTS);
const QUEUE_INFO: Opcode = opcode::none(uapi::IOC_TYPE, uapi::NR_QUEUE_INFO);
const QUEUE_EVENTFD: Opcode = opcode::none(uapi::IOC_TYPE, uapi::NR_QUEUE_EVENTFD);

/// Size of a uapi struct as its `size` member has it; the asserts in `uapi` bound it.
const fn size_u32<T>() -> u32 {
    size_of::<T>() as u32
}

/// Asks `query` and stores as much of the answer as fits into `room`.
///
/// Returns the bytes that the kernel has to tell.
pub(crate) fn info(fd: BorrowedFd<'_>, query: u32, room: &mut [u8]) -> Result<usize, Errno> {
    let mut arg = uapi::Info {
        size: size_u32::<uapi::Info>(),
        query,
        data_size: u32::try_from(room.len()).map_err(|_| Errno::INVAL)?,
        data: room.as_mut_ptr() as u64,
        ..Default::default()
    };
    // SAFETY: `INFO` takes a `uapi::Info` and writes at most `data_size` bytes to `data`, which
    // is the exclusively borrowed `room`.
    unsafe { ioctl(fd, Updater::<INFO, _>::new(&mut arg))? };
    Ok(arg.data_size as usize)
}

/// Resets the device.
pub(crate) fn reset(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut arg = uapi::Reset {
        size: size_u32::<uapi::Reset>(),
        ..Default::default()
    };
    // SAFETY: `RESET` takes a `uapi::Reset`, which holds no pointers.
    unsafe { ioctl(fd, Updater::<RESET, _>::new(&mut arg)) }
}

/// Chooses the types of events that `fd` is told of.
pub(crate) fn events(fd: BorrowedFd<'_>, mask: u64) -> Result<(), Errno> {
    let mut arg = uapi::Events {
        size: size_u32::<uapi::Events>(),
        mask,
        ..Default::default()
    };
    // SAFETY: `EVENTS` takes a `uapi::Events`, which holds no pointers.
    unsafe { ioctl(fd, Updater::<EVENTS, _>::new(&mut arg)) }
}

/// Has the completion events of the queue behind `fd` counted by `eventfd`, or by none.
pub(crate) fn queue_eventfd(
    fd: BorrowedFd<'_>,
    eventfd: Option<BorrowedFd<'_>>,
) -> Result<(), Errno> {
    let mut arg = uapi::QueueEventfd {
        size: size_u32::<uapi::QueueEventfd>(),
        fd: eventfd.map_or(-1, |fd| fd.as_raw_fd()),
        ..Default::default()
    };
    // SAFETY: `QUEUE_EVENTFD` takes a `uapi::QueueEventfd`; the kernel takes a reference of its
    // own to the eventfd.
    unsafe { ioctl(fd, Updater::<QUEUE_EVENTFD, _>::new(&mut arg)) }
}

/// Gives the context behind `fd` its address space; returns the PASID.
pub(crate) fn context_bind(fd: BorrowedFd<'_>, mode: u32) -> Result<u32, Errno> {
    let mut arg = uapi::ContextBind {
        size: size_u32::<uapi::ContextBind>(),
        mode,
        ..Default::default()
    };
    // SAFETY: `CONTEXT_BIND` takes a `uapi::ContextBind`, which holds no pointers.
    unsafe { ioctl(fd, Updater::<CONTEXT_BIND, _>::new(&mut arg))? };
    Ok(arg.pasid)
}

/// Creates a queue of `depth` entries and this `priority` with the driver's own struct in
/// `driver_data`.
pub(crate) fn queue_create(
    fd: BorrowedFd<'_>,
    depth: u32,
    priority: u32,
    driver_data: &[u8],
) -> Result<OwnedFd, Errno> {
    let address = if driver_data.is_empty() {
        0
    } else {
        driver_data.as_ptr() as u64
    };
    let mut arg = uapi::QueueCreate {
        size: size_u32::<uapi::QueueCreate>(),
        depth,
        priority,
        driver_data: address,
        driver_data_size: u32::try_from(driver_data.len()).map_err(|_| Errno::INVAL)?,
        fd: -1,
        ..Default::default()
    };
    // SAFETY: `QUEUE_CREATE` takes a `uapi::QueueCreate` and only reads `driver_data_size` bytes
    // at `driver_data`, which the slice holds.
    unsafe { ioctl(fd, Updater::<QUEUE_CREATE, _>::new(&mut arg))? };
    // SAFETY: on success the kernel has stored a new descriptor that nobody else knows.
    Ok(unsafe { OwnedFd::from_raw_fd(arg.fd) })
}

/// Facts of the queue behind `fd`, and what of it can be mapped.
pub(crate) fn queue_info(
    fd: BorrowedFd<'_>,
) -> Result<(uapi::QueueInfo, Vec<uapi::Region>), Errno> {
    let count = queue_info_into(fd, &mut [])?.region_count;
    let mut regions = vec![uapi::Region::default(); count as usize];
    let info = queue_info_into(fd, &mut regions)?;
    regions.truncate(info.region_count as usize);
    Ok((info, regions))
}

fn queue_info_into(
    fd: BorrowedFd<'_>,
    regions: &mut [uapi::Region],
) -> Result<uapi::QueueInfo, Errno> {
    let address = if regions.is_empty() {
        0
    } else {
        regions.as_mut_ptr() as u64
    };
    let mut arg = uapi::QueueInfo {
        size: size_u32::<uapi::QueueInfo>(),
        region_count: u32::try_from(regions.len()).map_err(|_| Errno::INVAL)?,
        regions: address,
        ..Default::default()
    };
    // SAFETY: `QUEUE_INFO` takes a `uapi::QueueInfo` and writes at most `region_count` elements
    // to `regions`, which is exclusively borrowed; any bytes are a valid `uapi::Region`.
    unsafe { ioctl(fd, Updater::<QUEUE_INFO, _>::new(&mut arg))? };
    Ok(arg)
}
