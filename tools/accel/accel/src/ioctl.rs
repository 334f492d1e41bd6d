// SPDX-License-Identifier: GPL-2.0
//! The ioctls: the only place that hands the kernel pointers inside structs.

use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

use crate::uapi::{self, Plain};

const INFO: Opcode = opcode::none(uapi::IOC_TYPE, uapi::NR_INFO);
const CONTEXT_BIND: Opcode = opcode::none(uapi::IOC_TYPE, uapi::NR_CONTEXT_BIND);
const QUEUE_CREATE: Opcode = opcode::none(uapi::IOC_TYPE, uapi::NR_QUEUE_CREATE);
const QUEUE_INFO: Opcode = opcode::none(uapi::IOC_TYPE, uapi::NR_QUEUE_INFO);

/// Size of a uapi struct as its `size` member has it; the asserts in `uapi` bound it.
const fn size_u32<T>() -> u32 {
    size_of::<T>() as u32
}

/// Asks `query` and stores as much of the answer as fits into `room`.
///
/// Returns the bytes that the kernel has to tell.
fn info_into<T: Plain>(fd: BorrowedFd<'_>, query: u32, room: &mut [T]) -> Result<usize, Errno> {
    let mut arg = uapi::Info {
        size: size_u32::<uapi::Info>(),
        query,
        data_size: u32::try_from(size_of_val(room)).map_err(|_| Errno::INVAL)?,
        data: room.as_mut_ptr() as u64,
        ..Default::default()
    };
    // SAFETY: `INFO` takes a `uapi::Info`, writes at most `data_size` bytes to `data`, which is
    // the exclusively borrowed `room`, and any bytes are a valid `T`.
    unsafe { ioctl(fd, Updater::<INFO, _>::new(&mut arg))? };
    Ok(arg.data_size as usize)
}

/// Answer to a query that has one struct.
pub(crate) fn info<T: Plain>(fd: BorrowedFd<'_>, query: u32) -> Result<T, Errno> {
    let mut answer = T::default();
    info_into(fd, query, std::slice::from_mut(&mut answer))?;
    Ok(answer)
}

/// Answer to a query that has an array.
pub(crate) fn info_array<T: Plain>(fd: BorrowedFd<'_>, query: u32) -> Result<Vec<T>, Errno> {
    let bytes = info_into::<T>(fd, query, &mut [])?;
    let mut answer = vec![T::default(); bytes / size_of::<T>()];
    let told = info_into(fd, query, &mut answer)?;
    answer.truncate(told / size_of::<T>());
    Ok(answer)
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

/// Creates a queue of `depth` entries with the driver's own struct in `driver_data`.
pub(crate) fn queue_create(
    fd: BorrowedFd<'_>,
    depth: u32,
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
