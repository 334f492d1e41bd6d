// SPDX-License-Identifier: GPL-2.0

//! `ACCEL_INFO`: one query call for both nodes. It reads what the core knows and never the
//! hardware.

use super::{
    device::Device,
    driver::AddressMode, //
};
use crate::{
    prelude::*,
    sync::atomic::Relaxed,
    time::{
        ClockSource,
        Monotonic, //
    },
    transmute::AsBytes,
    uaccess::UserPtr,
    uapi,
    ustruct, //
};

const QUERIES: [uapi::accel_info_query; 4] = [
    uapi::accel_info_query_ACCEL_INFO_QUERIES,
    uapi::accel_info_query_ACCEL_INFO_DEVICE,
    uapi::accel_info_query_ACCEL_INFO_STATUS,
    uapi::accel_info_query_ACCEL_INFO_ADDRESS_MODES,
];

/// Room for an answer that a caller may offer, in bytes.
const ROOM_MAX: u32 = 65536;

/// Answers one query.
pub(super) fn query(device: &Device, arg: UserPtr) -> Result<isize> {
    let mut info: uapi::accel_info = ustruct::read(arg, size_of::<uapi::accel_info>())?;
    if info.flags != 0 || info.data_size > ROOM_MAX {
        return Err(EINVAL);
    }

    let room = info.data_size;
    let answer = Answer {
        to: UserPtr::from_addr(info.data as usize),
        room: room as usize,
    };
    info.data_size = match info.query {
        uapi::accel_info_query_ACCEL_INFO_QUERIES => answer.give(&QUERIES[..])?,
        uapi::accel_info_query_ACCEL_INFO_DEVICE => answer.give(&device_facts(device)?)?,
        uapi::accel_info_query_ACCEL_INFO_STATUS => answer.give(&status(device))?,
        uapi::accel_info_query_ACCEL_INFO_ADDRESS_MODES => answer.give(&modes(device)[..])?,
        _ => return Err(EOPNOTSUPP),
    };
    ustruct::write(arg, info.size, &info).map(|()| 0)
}

/// Where the answer goes.
struct Answer {
    to: UserPtr,
    room: usize,
}

impl Answer {
    /// Gives as much of the answer as there is room for, and returns its full size.
    fn give<T: AsBytes + ?Sized>(&self, value: &T) -> Result<u32> {
        if self.room != 0 {
            ustruct::fill(self.to, self.room, value)?;
        }
        Ok(value.as_bytes().len() as u32)
    }
}

fn device_facts(device: &Device) -> Result<uapi::accel_info_device> {
    // What follows is read from the parent, which may have gone.
    let access = device.enter()?;
    let info = device.info();
    let parent = access.parent();

    Ok(uapi::accel_info_device {
        functions: info.functions.bits(),
        address_modes: offered(device),
        numa_node: parent.numa_node(),
        queues_max: info.queues_max,
        depth_max: info.depth_max,
        doorbell: info.doorbell as u32,
        id: device.id(),
        request_max: info.request_max,
        name: text(info.name),
        driver: text(device.ops().name),
        version: text(info.version),
        bus: text(parent.bus_name()),
        address: text(parent.name()),
    })
}

/// Mask of the address modes that work here.
fn offered(device: &Device) -> u32 {
    modes(device)
        .iter()
        .filter(|m| m.reason == uapi::accel_mode_reason_ACCEL_REASON_AVAILABLE)
        .fold(0, |mask, m| mask | 1 << m.mode)
}

fn modes(device: &Device) -> [uapi::accel_info_address_mode; AddressMode::ALL.len()] {
    AddressMode::ALL.map(|mode| uapi::accel_info_address_mode {
        mode: mode as u32,
        reason: device.reason(mode),
    })
}

fn status(device: &Device) -> uapi::accel_info_status {
    let counters = &device.counters;
    uapi::accel_info_status {
        status: device.status(),
        generation: 0,
        contexts: counters.contexts.load(Relaxed),
        queues: counters.queues.load(Relaxed),
        queues_created: counters.queues_created.load(Relaxed),
        completions: counters.completions.load(Relaxed),
        errors: counters.errors.load(Relaxed),
        timestamp_ns: Monotonic::ktime_get() as u64,
    }
}

/// A string as user space gets it: cut to fit, and a zero byte behind it.
fn text(from: &CStr) -> [c_char; uapi::ACCEL_NAME_MAX as usize] {
    let mut to = [0; uapi::ACCEL_NAME_MAX as usize];
    let last = to.len() - 1;
    for (to, from) in to[..last].iter_mut().zip(from.to_bytes()) {
        *to = *from as c_char;
    }
    to
}

#[macros::kunit_tests(rust_accel_info)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_to_fit_and_always_ends() {
        let all = text(c"0123456789abcdef0123456789abcdef0123456789");
        assert_eq!(&all[..31], b"0123456789abcdef0123456789abcde");
        assert_eq!(all[31], 0);

        let short = text(c"zip");
        assert_eq!(&short[..3], b"zip");
        assert!(short[3..].iter().all(|&byte| byte == 0));
    }
}
