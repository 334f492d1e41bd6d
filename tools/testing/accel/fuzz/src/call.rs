// SPDX-License-Identifier: GPL-2.0
//! Makes the calls: those of the system, and what stands for several of them.

use crate::{devices, encode::PAGE, grammar::CallType};
use std::{ffi::CString, fs, io, ptr};

/// Two words for a descriptor in a control message: `CMSG_SPACE(sizeof(int))` is 24 bytes.
type Control = [u64; 3];

/// Offsets of `struct accel_sim_control`, and of what stands behind it.
const SQ_TAIL: u64 = 0;
const SQ_OFFSET: u64 = 4096;
const JOB_SIZE: usize = 64;

/// What a call returns, or its errno with a minus.
pub fn perform(what: &CallType, words: [u64; 6]) -> i64 {
    match number(what.base()) {
        Some(number) => system(number, words),
        None => other(what, words).unwrap_or_else(|error| -i64::from(code(&error))),
    }
}

fn code(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EINVAL)
}

fn number(base: &str) -> Option<libc::c_long> {
    Some(match base {
        "close" => libc::SYS_close,
        "dup" => libc::SYS_dup,
        "eventfd2" => libc::SYS_eventfd2,
        "fcntl" => libc::SYS_fcntl,
        "ioctl" => libc::SYS_ioctl,
        "lseek" => libc::SYS_lseek,
        "madvise" => libc::SYS_madvise,
        "mlock" => libc::SYS_mlock,
        "mmap" => libc::SYS_mmap,
        "mprotect" => libc::SYS_mprotect,
        "mremap" => libc::SYS_mremap,
        "munmap" => libc::SYS_munmap,
        "poll" => libc::SYS_poll,
        "read" => libc::SYS_read,
        "setuid" => libc::SYS_setuid,
        "write" => libc::SYS_write,
        _ => return None,
    })
}

fn system(number: libc::c_long, [a, b, c, d, e, f]: [u64; 6]) -> i64 {
    // SAFETY: Of this process nothing is relied on that a call could break, but the program, its
    // stack and its shared memory, and those lie elsewhere than what calls are given. Where a
    // wrong address hits them all the same, the process ends.
    match unsafe { libc::syscall(number, a, b, c, d, e, f) } {
        -1 => -i64::from(code(&io::Error::last_os_error())),
        value => value,
    }
}

fn other(what: &CallType, words: [u64; 6]) -> io::Result<i64> {
    let [first, second, third, ..] = words;
    match (what.base(), what.variant()) {
        ("syz_open_dev", kind) => open(kind, first, second, third),
        ("accel_memlock", _) => memlock(first),
        ("accel_pass", _) => pass(first as i32, true),
        ("accel_in_flight", _) => pass(first as i32, false),
        ("accel_load", _) => copy_word(first, None),
        ("accel_store", _) => copy_word(first, Some(second)),
        ("accel_ring", _) => ring(first, second, third),
        ("accel_sleep", _) => sleep(first),
        ("accel_fdinfo", _) => {
            fs::read(format!("/proc/self/fdinfo/{}", first as i32)).map(|text| text.len() as i64)
        }
        ("accel_sysfs", _) => devices::read_attribute(first as usize, second as usize).map(|()| 0),
        ("accel_memfd", _) => memfd(first, second),
        ("accel_udmabuf", _) => udmabuf(first as u32, second, third),
        ("accel_heap", _) => heap(first),
        ("accel_timeline", _) => open_file("/sys/kernel/debug/sync/sw_sync", libc::O_RDWR),
        ("accel_timeline_fence", _) => timeline_fence(first as i32, second as u32),
        ("accel_timeline_step", _) => step(first as i32, second as u32),
        ("accel_sim", file) => devices::misbehave(first as usize, file, second).map(|()| 0),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// The result of a C function that says -1 where it fails.
fn check(value: i32) -> io::Result<i64> {
    match value {
        -1 => Err(io::Error::last_os_error()),
        value => Ok(value.into()),
    }
}

fn open_file(path: &str, flags: i32) -> io::Result<i64> {
    let path = CString::new(path)?;
    // SAFETY: The path ends in a zero byte.
    check(unsafe { libc::open(path.as_ptr(), flags) })
}

/// The `id`-th device that is there.
fn open(kind: &str, _name: u64, id: u64, flags: u64) -> io::Result<i64> {
    let number = devices::number(id as usize).ok_or(io::Error::from_raw_os_error(libc::ENODEV))?;
    open_file(&format!("/dev/{kind}{number}"), flags as i32)
}

fn memlock(pages: u64) -> io::Result<i64> {
    let limit = libc::rlimit {
        rlim_cur: pages * PAGE,
        rlim_max: pages * PAGE,
    };
    // SAFETY: The limit is there for the call.
    check(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit) })
}

fn sleep(milliseconds: u64) -> io::Result<i64> {
    std::thread::sleep(std::time::Duration::from_millis(milliseconds.min(20)));
    Ok(0)
}

/// Both ends of something.
fn pair(make: impl FnOnce(*mut i32) -> i32) -> io::Result<[i32; 2]> {
    let mut ends = [0; 2];
    check(make(ends.as_mut_ptr())).map(|_| ends)
}

fn close(fd: i32) {
    system(libc::SYS_close, [fd as u64, 0, 0, 0, 0, 0]);
}

/// Sends a descriptor through a socket, and takes it out again or leaves it there.
fn pass(fd: i32, take: bool) -> io::Result<i64> {
    // SAFETY: There is room for two descriptors.
    let ends = pair(|ends| unsafe {
        libc::socketpair(
            libc::AF_UNIX,
            libc::SOCK_STREAM | libc::SOCK_CLOEXEC,
            0,
            ends,
        )
    })?;
    let result = send(ends[0], fd).and_then(|()| if take { receive(ends[1]) } else { Ok(0) });
    ends.into_iter().for_each(close);
    result
}

/// Calls `f` with a message of one byte and room for one descriptor.
fn message<T>(f: impl FnOnce(&mut libc::msghdr) -> T) -> T {
    let mut byte = [0u8];
    let mut control: Control = [0; 3];
    let mut part = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    // SAFETY: All zero is a message of nothing.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of::<Control>();
    f(&mut header)
}

fn send(socket: i32, fd: i32) -> io::Result<()> {
    message(|header| {
        // SAFETY: The header's control buffer has room for a control message of one descriptor,
        // and all that it points to is there until `message()` returns.
        let sent = unsafe {
            let control = libc::CMSG_FIRSTHDR(header);
            (*control).cmsg_level = libc::SOL_SOCKET;
            (*control).cmsg_type = libc::SCM_RIGHTS;
            (*control).cmsg_len = libc::CMSG_LEN(4) as usize;
            ptr::write_unaligned(libc::CMSG_DATA(control).cast(), fd);
            libc::sendmsg(socket, header, 0)
        };
        check(sent as i32).map(|_| ())
    })
}

fn receive(socket: i32) -> io::Result<i64> {
    message(|header| {
        // SAFETY: As in `send()`; there is a control message if `CMSG_FIRSTHDR` finds one.
        unsafe {
            check(libc::recvmsg(socket, header, 0) as i32)?;
            let control = libc::CMSG_FIRSTHDR(header);
            if control.is_null() {
                return Err(io::Error::from_raw_os_error(libc::EBADF));
            }
            Ok(ptr::read_unaligned(libc::CMSG_DATA(control).cast::<i32>()).into())
        }
    })
}

/// Copies bytes by the kernel, through a pipe: what would be a signal is an error then.
fn copy(to: u64, from: u64, count: usize) -> io::Result<()> {
    // SAFETY: There is room for two descriptors.
    let ends = pair(|ends| unsafe { libc::pipe2(ends, libc::O_CLOEXEC | libc::O_NONBLOCK) })?;
    let count = count as u64;
    let moved = match system(libc::SYS_write, [ends[1] as u64, from, count, 0, 0, 0]) {
        written if written > 0 => system(
            libc::SYS_read,
            [ends[0] as u64, to, written as u64, 0, 0, 0],
        ),
        other => other,
    };
    ends.into_iter().for_each(close);
    match moved {
        0.. => Ok(()),
        error => Err(io::Error::from_raw_os_error(-error as i32)),
    }
}

fn load(address: u64) -> io::Result<u32> {
    let mut value = 0u32;
    copy(&raw mut value as u64, address, 4).map(|()| value)
}

fn copy_word(address: u64, store: Option<u64>) -> io::Result<i64> {
    match store {
        Some(value) => copy(address, &raw const value as u64, 8).map(|()| 0),
        None => load(address).map(i64::from),
    }
}

/// Writes a job to the ring mapped at `ring`, and its tail.
fn ring(ring: u64, depth: u64, job: u64) -> io::Result<i64> {
    let tail = load(ring + SQ_TAIL)?;
    let place = u64::from(tail) % depth.max(1) * JOB_SIZE as u64;
    copy(
        ring.wrapping_add(SQ_OFFSET).wrapping_add(place),
        job,
        JOB_SIZE,
    )?;
    let next = tail.wrapping_add(1);
    copy(ring + SQ_TAIL, &raw const next as u64, 4).map(|()| 0)
}

fn memfd(pages: u64, seals: u64) -> io::Result<i64> {
    // SAFETY: The name ends in a zero byte.
    let fd = check(unsafe { libc::memfd_create(c"fuzz".as_ptr(), libc::MFD_ALLOW_SEALING) })?;
    // SAFETY: These take numbers.
    unsafe {
        check(libc::ftruncate(fd as i32, (pages * PAGE) as i64))?;
        check(libc::fcntl(fd as i32, libc::F_ADD_SEALS, seals as i32))?;
    }
    Ok(fd)
}

/// An ioctl on a file that is opened for it alone.
fn ioctl_of<T>(path: &str, request: libc::c_ulong, argument: &mut T) -> io::Result<i64> {
    let fd = open_file(path, libc::O_RDWR)? as i32;
    let result = ioctl(fd, request, argument);
    close(fd);
    result
}

fn ioctl<T>(fd: i32, request: libc::c_ulong, argument: &mut T) -> io::Result<i64> {
    // SAFETY: Each request below takes a pointer to the struct that it is used with.
    check(unsafe { libc::ioctl(fd, request, ptr::from_mut(argument)) })
}

/// `struct udmabuf_create`
#[repr(C)]
struct UdmabufCreate {
    memfd: u32,
    flags: u32,
    offset: u64,
    size: u64,
}

/// `UDMABUF_CREATE`
fn udmabuf(memfd: u32, offset: u64, size: u64) -> io::Result<i64> {
    let mut create = UdmabufCreate {
        memfd,
        flags: 1,
        offset,
        size,
    };
    ioctl_of("/dev/udmabuf", 0x4018_7542, &mut create)
}

/// `struct dma_heap_allocation_data`
#[repr(C)]
struct HeapAllocation {
    length: u64,
    fd: u32,
    fd_flags: u32,
    heap_flags: u64,
}

/// `DMA_HEAP_IOCTL_ALLOC`
fn heap(length: u64) -> io::Result<i64> {
    /// More would only be memory that is lacking elsewhere.
    const MOST: u64 = 1 << 20;
    let flags = (libc::O_RDWR | libc::O_CLOEXEC) as u32;
    let length = if length > MOST { MOST } else { length };
    let mut data = HeapAllocation {
        length,
        fd: 0,
        fd_flags: flags,
        heap_flags: 0,
    };
    ioctl_of("/dev/dma_heap/system", 0xc018_4800, &mut data)?;
    Ok(data.fd.into())
}

/// `struct sw_sync_create_fence_data`
#[repr(C)]
struct TimelineFence {
    value: u32,
    name: [u8; 32],
    fence: i32,
}

/// `SW_SYNC_IOC_CREATE_FENCE`
fn timeline_fence(fd: i32, value: u32) -> io::Result<i64> {
    let mut data = TimelineFence {
        value,
        name: [0; 32],
        fence: -1,
    };
    ioctl(fd, 0xc028_5700, &mut data)?;
    Ok(data.fence.into())
}

/// `SW_SYNC_IOC_INC`
fn step(fd: i32, mut steps: u32) -> io::Result<i64> {
    ioctl(fd, 0x4004_5701, &mut steps)
}
