// SPDX-License-Identifier: GPL-2.0

//! `ACCEL_INFO`: one query call for both nodes. It reads what the core knows and never the
//! hardware.

use super::{
    context::Context,
    device::Device,
    driver::{
        AddressMode,
        SensorKind, //
    }, //
};
use crate::{
    capability::{
        capable_unaudited,
        Cap, //
    },
    prelude::*,
    sync::{
        atomic::Relaxed,
        Arc, //
    },
    task::Kuid,
    time::{
        ClockSource,
        Monotonic, //
    },
    transmute::AsBytes,
    uaccess::UserPtr,
    uapi,
    ustruct::{
        self,
        Array, //
    }, //
};

const QUERIES: [uapi::accel_info_query; 8] = [
    uapi::accel_info_query_ACCEL_INFO_QUERIES,
    uapi::accel_info_query_ACCEL_INFO_DEVICE,
    uapi::accel_info_query_ACCEL_INFO_STATUS,
    uapi::accel_info_query_ACCEL_INFO_ADDRESS_MODES,
    uapi::accel_info_query_ACCEL_INFO_CONTEXTS,
    uapi::accel_info_query_ACCEL_INFO_SENSORS,
    uapi::accel_info_query_ACCEL_INFO_ERRORS,
    uapi::accel_info_query_ACCEL_INFO_MEMORY,
];

/// Answers one query.
pub(super) fn query(device: &Arc<Device>, arg: UserPtr) -> Result<isize> {
    let mut info: uapi::accel_info = ustruct::read(arg)?;
    if info.flags != 0 || info.reserved != 0 {
        return Err(EINVAL);
    }
    match info.query {
        uapi::accel_info_query_ACCEL_INFO_QUERIES => give(&mut info, &QUERIES)?,
        uapi::accel_info_query_ACCEL_INFO_DEVICE => give(&mut info, &[device_facts(device)?])?,
        uapi::accel_info_query_ACCEL_INFO_STATUS => give(&mut info, &[status(device)])?,
        uapi::accel_info_query_ACCEL_INFO_ADDRESS_MODES => give(&mut info, &modes(device))?,
        uapi::accel_info_query_ACCEL_INFO_CONTEXTS => give(&mut info, &contexts(device)?)?,
        uapi::accel_info_query_ACCEL_INFO_SENSORS => give(&mut info, &sensors(device)?)?,
        uapi::accel_info_query_ACCEL_INFO_ERRORS => give(&mut info, &[errors(device)])?,
        uapi::accel_info_query_ACCEL_INFO_MEMORY => give(&mut info, &[memory(device)])?,
        _ => return Err(EOPNOTSUPP),
    }
    ustruct::write(arg, info.size, &info).map(|()| 0)
}

/// Gives as much of the answer as there is room for, and says how much there is.
fn give<T: AsBytes>(info: &mut uapi::accel_info, answer: &[T]) -> Result {
    Array::new(info.data, info.count, info.element_size)?.write(answer)?;
    info.count = answer.len() as u32;
    info.element_size = size_of::<T>() as u32;
    Ok(())
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
        contexts_max: info.contexts_max,
        priorities: info.priorities,
        job_limit_ms: info.job_limit.map_or(0, |limit| limit.as_millis() as u32),
        flags: flags(device),
        name: text(info.name),
        driver: text(device.ops().name),
        version: text(info.version),
        bus: text(parent.bus_name()),
        address: text(parent.name()),
    })
}

fn flags(device: &Device) -> u32 {
    let mut flags = device.info().counts;
    if device.ops().reset.is_some() {
        flags |= uapi::ACCEL_DEVICE_RESET;
        if device.info().auto_recovery {
            flags |= uapi::ACCEL_DEVICE_AUTO_RECOVERY;
        }
    }
    flags
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
        generation: device.recovery.generation.load(Relaxed),
        contexts: counters.contexts.load(Relaxed),
        queues: counters.queues.load(Relaxed),
        queues_created: counters.queues_created.load(Relaxed),
        completions: counters.completions.load(Relaxed),
        errors: counters.errors.load(Relaxed),
        timestamp_ns: Monotonic::ktime_get() as u64,
        jobs: counters.jobs.load(Relaxed),
        busy_ns: counters.busy_ns.load(Relaxed),
        usage_ns: counters.usage_ns.load(Relaxed) as u64,
    }
}

/// The contexts that the current process may know of.
fn contexts(device: &Device) -> Result<KVVec<uapi::accel_info_context>> {
    let all = capable_unaudited(Cap::Perfmon);
    let user = Kuid::current_euid();
    let mut told = KVVec::new();
    for context in device.contexts()? {
        if all || context.uid() == Some(user) {
            told.push(context_info(&context), GFP_KERNEL)?;
        }
    }
    Ok(told)
}

fn context_info(context: &Context) -> uapi::accel_info_context {
    let usage = *context.usage.lock();
    let none = (uapi::accel_address_mode_ACCEL_MODE_NONE, 0);
    let (mode, pasid) = context
        .mode()
        .map_or(none, |(mode, pasid)| (mode as u32, pasid));
    uapi::accel_info_context {
        id: context.id(),
        pid: context.pid_for_current(),
        uid: context.uid().map_or(0, Kuid::into_uid_in_current_ns),
        mode,
        pasid,
        queues: context.queues.load(Relaxed),
        reserved: 0,
        completions: context.completions.load(Relaxed),
        jobs: usage.jobs,
        bytes: usage.bytes,
        busy_ns: usage.busy_ns,
        device_memory: context.device_memory.load(Relaxed),
        mapped: context.mapped.load(Relaxed),
        client: context
            .client()
            .map_or_else(Default::default, |inbox| text(inbox.name())),
    }
}

/// The sensors as they were measured last; old values are measured anew for the next one who asks.
///
/// Power is for those who may look at others: from enough values of it can be told what they
/// compute.
fn sensors(device: &Arc<Device>) -> Result<KVec<uapi::accel_info_sensor>> {
    device.refresh_sensors();
    let mut told = KVec::new();
    let all = capable_unaudited(Cap::Perfmon);
    for (sensor, value, at) in device.sensors.iter() {
        if sensor.kind == SensorKind::Power && !all {
            continue;
        }
        let sensor = uapi::accel_info_sensor {
            kind: sensor.kind as u32,
            reserved: 0,
            value,
            timestamp_ns: at as u64,
            label: text(sensor.label),
        };
        told.push(sensor, GFP_KERNEL)?;
    }
    Ok(told)
}

fn errors(device: &Device) -> uapi::accel_info_errors {
    let (counters, recovery) = (&device.counters, &device.recovery);
    uapi::accel_info_errors {
        hardware: counters.errors.load(Relaxed),
        faults: counters.faults.load(Relaxed),
        timeouts: counters.timeouts.load(Relaxed),
        resets: recovery.resets.load(Relaxed),
        resets_failed: recovery.resets_failed.load(Relaxed),
        threshold: recovery.threshold.load(Relaxed),
        recent: recovery.recent_errors(),
    }
}

fn memory(device: &Device) -> uapi::accel_info_memory {
    let none = uapi::accel_info_memory::default();
    device
        .local_memory()
        .map_or(none, |memory| uapi::accel_info_memory {
            size: memory.size(),
            used: memory.used(),
            buffers: memory.buffers(),
        })
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
