// SPDX-License-Identifier: GPL-2.0 OR MIT
//! The ioctls: the only place that hands the kernel pointers inside structs.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;

use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

use crate::buffer::BufferOptions;
use crate::region::Access;
use crate::space::MapOptions;
use crate::submit::{JobBuffer, Submission};
use crate::uapi;

const INFO: Opcode = opcode::none(uapi::IOC_TYPE, uapi::NR_INFO);
const CONTEXT_BIND: Opcode = opcode::none(uapi::IOC_TYPE, uapi::NR_CONTEXT_BIND);
const QUEUE_CREATE: Opcode = opcode::none(uapi::IOC_TYPE, uapi::NR_QUEUE_CREATE);
const RESET: Opcode = opcode::none(uapi::IOC_TYPE, uapi::NR_RESET);
const EVENTS: Opcode = opcode::none(uapi::IOC_TYPE, uapi::NR_EVENTS);
const BUFFER_ALLOC: Opcode = opcode::none(uapi::IOC_TYPE, uapi::NR_BUFFER_ALLOC);
const BUFFER_WRAP: Opcode = opcode::none(uapi::IOC_TYPE, uapi::NR_BUFFER_WRAP);
const BUFFER_MAP: Opcode = opcode::none(uapi::IOC_TYPE, uapi::NR_BUFFER_MAP);
const BUFFER_UNMAP: Opcode = opcode::none(uapi::IOC_TYPE, uapi::NR_BUFFER_UNMAP);
const QUEUE_SUBMIT: Opcode = opcode::none(uapi::IOC_TYPE, uapi::NR_QUEUE_SUBMIT);
const DMA_BUF_SYNC: Opcode =
    opcode::write::<uapi::DmaBufSync>(uapi::DMA_BUF_BASE, uapi::DMA_BUF_NR_SYNC);
const SYNC_FILE_INFO: Opcode =
    opcode::read_write::<uapi::SyncFileInfo>(uapi::SYNC_IOC_MAGIC, uapi::SYNC_NR_FILE_INFO);
const QUEUE_INFO: Opcode = opcode::none(uapi::IOC_TYPE, uapi::NR_QUEUE_INFO);
const QUEUE_EVENTFD: Opcode = opcode::none(uapi::IOC_TYPE, uapi::NR_QUEUE_EVENTFD);

/// Size of a uapi struct as its `size` member has it; the asserts in `uapi` bound it.
const fn size_u32<T>() -> u32 {
    size_of::<T>() as u32
}

/// Asks `query` and stores as many elements of the answer, of `element` bytes each, as fit into
/// `room`.
///
/// Returns how many elements the kernel has to tell.
pub(crate) fn info(
    fd: BorrowedFd<'_>,
    query: u32,
    element: usize,
    room: &mut [u8],
) -> Result<usize, Errno> {
    let fitting = room.len().checked_div(element).ok_or(Errno::INVAL)?;
    let mut arg = uapi::Info {
        size: size_u32::<uapi::Info>(),
        query,
        count: u32::try_from(fitting).map_err(|_| Errno::INVAL)?,
        element_size: u32::try_from(element).map_err(|_| Errno::INVAL)?,
        data: room.as_mut_ptr() as u64,
        ..Default::default()
    };
    // SAFETY: `INFO` takes a `uapi::Info` and writes at most `count` elements of `element_size`
    // bytes to `data`, which is the exclusively borrowed `room`.
    unsafe { ioctl(fd, Updater::<INFO, _>::new(&mut arg))? };
    Ok(arg.count as usize)
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

/// Chooses the types of events that `fd` is told of, in records as this program knows them.
pub(crate) fn events(fd: BorrowedFd<'_>, mask: u64) -> Result<(), Errno> {
    let mut arg = uapi::Events {
        size: size_u32::<uapi::Events>(),
        mask,
        event_size: size_u32::<uapi::Event>(),
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
        region_size: size_u32::<uapi::Region>(),
        region_count: u32::try_from(regions.len()).map_err(|_| Errno::INVAL)?,
        regions: address,
        ..Default::default()
    };
    // SAFETY: `QUEUE_INFO` takes a `uapi::QueueInfo` and writes at most `region_count` elements
    // to `regions`, which is exclusively borrowed; any bytes are a valid `uapi::Region`.
    unsafe { ioctl(fd, Updater::<QUEUE_INFO, _>::new(&mut arg))? };
    Ok(arg)
}

/// Allocates a buffer; also returns its length.
pub(crate) fn buffer_alloc(
    fd: BorrowedFd<'_>,
    options: &BufferOptions,
) -> Result<(OwnedFd, usize), Errno> {
    let flag = |wanted: bool, flag: u32| if wanted { flag } else { 0 };
    let mut arg = uapi::BufferAlloc {
        size: size_u32::<uapi::BufferAlloc>(),
        flags: flag(options.contiguous, uapi::ALLOC_CONTIGUOUS)
            | flag(options.write_combine, uapi::ALLOC_WRITE_COMBINE),
        memory: options.memory.number(),
        fd: -1,
        length: options.len as u64,
        alignment: options.alignment,
    };
    // SAFETY: `BUFFER_ALLOC` takes a `uapi::BufferAlloc`, which holds no pointers.
    unsafe { ioctl(fd, Updater::<BUFFER_ALLOC, _>::new(&mut arg))? };
    // SAFETY: on success the kernel has stored a new descriptor that nobody else knows.
    let buffer = unsafe { OwnedFd::from_raw_fd(arg.fd) };
    let len = usize::try_from(arg.length).map_err(|_| Errno::OVERFLOW)?;
    Ok((buffer, len))
}

/// Makes a buffer of `len` bytes of this process's memory at `address`.
///
/// # Safety
///
/// Nobody relies on this memory not being read, and, with [`Access::ReadWrite`], on it not being
/// written, by whoever ever gets the buffer, before the last of them has let go of it.
pub(crate) unsafe fn buffer_wrap(
    fd: BorrowedFd<'_>,
    address: NonNull<u8>,
    len: usize,
    access: Access,
) -> Result<OwnedFd, Errno> {
    let flags = match access {
        Access::Read => uapi::WRAP_READ_ONLY,
        Access::ReadWrite => 0,
    };
    let mut arg = uapi::BufferWrap {
        size: size_u32::<uapi::BufferWrap>(),
        flags,
        address: address.as_ptr() as u64,
        length: len as u64,
        fd: -1,
        ..Default::default()
    };
    // SAFETY: `BUFFER_WRAP` takes a `uapi::BufferWrap`; what becomes of the memory at `address` is
    // the caller's to allow. The kernel refuses a range that the process does not have.
    unsafe { ioctl(fd, Updater::<BUFFER_WRAP, _>::new(&mut arg))? };
    // SAFETY: on success the kernel has stored a new descriptor that nobody else knows.
    Ok(unsafe { OwnedFd::from_raw_fd(arg.fd) })
}

/// Maps `len` bytes of `buffer` into the address space of the context; returns where.
pub(crate) fn buffer_map(
    fd: BorrowedFd<'_>,
    buffer: BorrowedFd<'_>,
    len: usize,
    options: &MapOptions,
) -> Result<u64, Errno> {
    let fixed = options.address.map_or(0, |_| uapi::MAP_FIXED);
    let mut arg = uapi::BufferMap {
        size: size_u32::<uapi::BufferMap>(),
        flags: options.access.flags() | fixed,
        fd: buffer.as_raw_fd(),
        offset: options.offset as u64,
        length: len as u64,
        address: options.address.unwrap_or(0),
        ..Default::default()
    };
    // SAFETY: `BUFFER_MAP` takes a `uapi::BufferMap`, which holds no pointers of this process.
    unsafe { ioctl(fd, Updater::<BUFFER_MAP, _>::new(&mut arg))? };
    Ok(arg.address)
}

/// Takes `len` bytes at `address` out of the address space of the context.
pub(crate) fn buffer_unmap(fd: BorrowedFd<'_>, address: u64, len: usize) -> Result<(), Errno> {
    let mut arg = uapi::BufferUnmap {
        size: size_u32::<uapi::BufferUnmap>(),
        flags: 0,
        address,
        length: len as u64,
    };
    // SAFETY: `BUFFER_UNMAP` takes a `uapi::BufferUnmap`, which holds no pointers of this process.
    unsafe { ioctl(fd, Updater::<BUFFER_UNMAP, _>::new(&mut arg)) }
}

/// Address and number of the elements of an array, as the kernel takes them.
fn array<T>(elements: &[T]) -> Result<(u64, u32), Errno> {
    let address = if elements.is_empty() {
        0
    } else {
        elements.as_ptr() as u64
    };
    let count = u32::try_from(elements.len()).map_err(|_| Errno::INVAL)?;
    Ok((address, count))
}

/// Hands jobs over to the queue behind `fd`; returns the sync file of their end, if that was asked
/// for.
pub(crate) fn queue_submit(
    fd: BorrowedFd<'_>,
    submission: &Submission<'_>,
) -> Result<Option<OwnedFd>, Errno> {
    let buffer = |buffer: &JobBuffer<'_>| uapi::SubmitBuffer {
        fd: buffer.fd.as_raw_fd(),
        flags: buffer.access.flags(),
    };
    let buffers: Vec<_> = submission.buffers.iter().map(buffer).collect();
    let fence = |fence: &BorrowedFd<'_>| uapi::SubmitFence {
        fd: fence.as_raw_fd(),
        flags: 0,
    };
    let fences: Vec<_> = submission.in_fences.iter().map(fence).collect();
    let (buffers_at, buffer_count) = array(&buffers)?;
    let (in_fences, in_fence_count) = array(&fences)?;
    let flags = if submission.out_fence {
        uapi::SUBMIT_OUT_FENCE
    } else {
        0
    };
    let mut arg = uapi::QueueSubmit {
        size: size_u32::<uapi::QueueSubmit>(),
        flags,
        jobs: submission.jobs.as_ptr() as u64,
        buffers: buffers_at,
        in_fences,
        job_count: submission.count()?,
        job_size: u32::try_from(submission.job_size).map_err(|_| Errno::INVAL)?,
        buffer_count,
        buffer_size: size_u32::<uapi::SubmitBuffer>(),
        in_fence_count,
        in_fence_size: size_u32::<uapi::SubmitFence>(),
        out_fence: -1,
        reserved: 0,
    };
    // SAFETY: `QUEUE_SUBMIT` takes a `uapi::QueueSubmit` and only reads the arrays, which the
    // borrowed slices and the vectors above hold. What the jobs do is limited to the buffers, and
    // these belong to nobody who relies on their content.
    unsafe { ioctl(fd, Updater::<QUEUE_SUBMIT, _>::new(&mut arg))? };
    // SAFETY: on success, and asked to, the kernel has stored a new descriptor that nobody else
    // knows.
    let out_fence = || unsafe { OwnedFd::from_raw_fd(arg.out_fence) };
    Ok(submission.out_fence.then(out_fence))
}

/// What the kernel tells of the sync file behind `fd`.
pub(crate) fn sync_file_info(fd: BorrowedFd<'_>) -> Result<uapi::SyncFileInfo, Errno> {
    let mut arg = uapi::SyncFileInfo::default();
    // SAFETY: `SYNC_FILE_INFO` takes a `uapi::SyncFileInfo`. With `num_fences` 0 the kernel
    // writes nothing to `sync_fence_info`.
    unsafe { ioctl(fd, Updater::<SYNC_FILE_INFO, _>::new(&mut arg))? };
    Ok(arg)
}

/// Begins or ends accesses of the CPU to the buffer behind `fd`.
pub(crate) fn buffer_sync(fd: BorrowedFd<'_>, flags: u64) -> Result<(), Errno> {
    let mut arg = uapi::DmaBufSync { flags };
    // SAFETY: `DMA_BUF_SYNC` takes a `uapi::DmaBufSync`, which holds no pointers.
    unsafe { ioctl(fd, Updater::<DMA_BUF_SYNC, _>::new(&mut arg)) }
}
