// SPDX-License-Identifier: GPL-2.0

//! The structs of the user interface are plain bytes.

use crate::{
    transmute::{
        AsBytes,
        FromBytes, //
    },
    uapi,
    ustruct::Growing, //
};

/// Declares structs whose fields fill them without padding and are integers, or arrays of them;
/// with the bytes that they had in their first version, if the kernel reads them.
macro_rules! plain {
    ($($name:ident $([$min:ident])? { $($field:ident: $ty:ty),* $(,)? })*) => {
        $(
            const _: () = assert!(
                size_of::<uapi::$name>() == 0 $(+ size_of::<$ty>())*,
                "padding would leak kernel memory to user space",
            );
            const _: fn(uapi::$name) = |value| {
                $(let _: $ty = value.$field;)*
            };
            // SAFETY: All fields are integers, or arrays of them; any bits are a value.
            unsafe impl FromBytes for uapi::$name {}
            // SAFETY: As above, and the fields fill the struct, so no byte is uninitialised.
            unsafe impl AsBytes for uapi::$name {}
            $(
                impl Growing for uapi::$name {
                    const MIN: usize = uapi::$min as usize;
                }
            )?
        )*
    };
}

type Name = [crate::ffi::c_char; uapi::ACCEL_NAME_MAX as usize];

plain! {
    accel_info[ACCEL_INFO_SIZE_VER0] {
        size: u32,
        query: u32,
        flags: u32,
        count: u32,
        element_size: u32,
        reserved: u32,
        data: u64,
    }
    accel_info_address_mode { mode: u32, reason: u32 }
    accel_info_device {
        functions: u64,
        address_modes: u32,
        numa_node: i32,
        queues_max: u32,
        depth_max: u32,
        doorbell: u32,
        id: u32,
        request_max: u64,
        contexts_max: u32,
        priorities: u32,
        job_limit_ms: u32,
        flags: u32,
        name: Name,
        driver: Name,
        version: Name,
        bus: Name,
        address: Name,
    }
    accel_info_status {
        status: u32,
        generation: u32,
        contexts: u32,
        queues: u32,
        queues_created: u64,
        completions: u64,
        errors: u64,
        timestamp_ns: u64,
        jobs: u64,
        busy_ns: u64,
        usage_ns: u64,
    }
    accel_info_context {
        id: u64,
        pid: i32,
        uid: u32,
        mode: u32,
        pasid: u32,
        queues: u32,
        reserved: u32,
        completions: u64,
        jobs: u64,
        bytes: u64,
        busy_ns: u64,
        device_memory: u64,
        mapped: u64,
        client: Name,
    }
    accel_info_sensor { kind: u32, reserved: u32, value: i64, timestamp_ns: u64, label: Name }
    accel_info_errors {
        hardware: u64,
        faults: u64,
        timeouts: u64,
        resets: u64,
        resets_failed: u64,
        threshold: u32,
        recent: u32,
    }
    accel_reset[ACCEL_RESET_SIZE_VER0] { size: u32, flags: u32 }
    accel_event {
        size: u32,
        type_: u32,
        sequence: u64,
        timestamp_ns: u64,
        address: u64,
        value: u64,
        queue: u32,
        pasid: u32,
        pid: i32,
        reserved: u32,
    }
    accel_events[ACCEL_EVENTS_SIZE_VER0] {
        size: u32,
        flags: u32,
        mask: u64,
        event_size: u32,
        reserved: u32,
    }
    accel_queue_eventfd[ACCEL_QUEUE_EVENTFD_SIZE_VER0] {
        size: u32,
        flags: u32,
        fd: i32,
        reserved: u32,
    }
    accel_info_memory { size: u64, used: u64, buffers: u64 }
    accel_buffer_alloc[ACCEL_BUFFER_ALLOC_SIZE_VER0] {
        size: u32,
        flags: u32,
        memory: u32,
        fd: i32,
        length: u64,
        alignment: u64,
    }
    accel_buffer_wrap[ACCEL_BUFFER_WRAP_SIZE_VER0] {
        size: u32,
        flags: u32,
        address: u64,
        length: u64,
        fd: i32,
        reserved: u32,
    }
    accel_buffer_map[ACCEL_BUFFER_MAP_SIZE_VER0] {
        size: u32,
        flags: u32,
        fd: i32,
        reserved: u32,
        offset: u64,
        length: u64,
        address: u64,
    }
    accel_buffer_unmap[ACCEL_BUFFER_UNMAP_SIZE_VER0] {
        size: u32,
        flags: u32,
        address: u64,
        length: u64,
    }
    accel_queue_submit[ACCEL_QUEUE_SUBMIT_SIZE_VER0] {
        size: u32,
        flags: u32,
        jobs: u64,
        buffers: u64,
        in_fences: u64,
        job_count: u32,
        job_size: u32,
        buffer_count: u32,
        buffer_size: u32,
        in_fence_count: u32,
        in_fence_size: u32,
        out_fence: i32,
        reserved: u32,
    }
    accel_submit_buffer[ACCEL_SUBMIT_BUFFER_SIZE_VER0] { fd: i32, flags: u32 }
    accel_submit_fence[ACCEL_SUBMIT_FENCE_SIZE_VER0] { fd: i32, flags: u32 }
    accel_context_bind[ACCEL_CONTEXT_BIND_SIZE_VER0] {
        size: u32,
        flags: u32,
        mode: u32,
        pasid: u32,
    }
    accel_queue_create[ACCEL_QUEUE_CREATE_SIZE_VER0] {
        size: u32,
        flags: u32,
        depth: u32,
        priority: u32,
        driver_data: u64,
        driver_data_size: u32,
        fd: i32,
    }
    accel_region {
        kind: u32,
        flags: u32,
        offset: u64,
        size: u64,
        element_size: u32,
        reserved: u32,
    }
    accel_queue_info[ACCEL_QUEUE_INFO_SIZE_VER0] {
        size: u32,
        flags: u32,
        id: u32,
        depth: u32,
        job_size: u32,
        region_count: u32,
        region_size: u32,
        reserved: u32,
        regions: u64,
    }
}
