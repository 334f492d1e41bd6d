// SPDX-License-Identifier: GPL-2.0

//! What the core uses of the user interface.

pub type accel_queue_state = u32;
pub const accel_queue_state_ACCEL_QUEUE_LIVE: u32 = 1;
pub const accel_queue_state_ACCEL_QUEUE_DEAD_RESET: u32 = 2;
pub const accel_queue_state_ACCEL_QUEUE_DEAD_REMOVED: u32 = 3;
pub const accel_queue_state_ACCEL_QUEUE_DEAD_TIMEOUT: u32 = 4;
pub const accel_queue_state_ACCEL_QUEUE_DEAD_ISOLATED: u32 = 5;
pub const accel_queue_state_ACCEL_QUEUE_CLOSED: u32 = 6;
pub const accel_queue_state_ACCEL_QUEUE_DEAD_ERROR: u32 = 7;

pub type accel_status = u32;
pub const accel_status_ACCEL_STATUS_OPERATIONAL: u32 = 0;
pub const accel_status_ACCEL_STATUS_IN_RESET: u32 = 1;
pub const accel_status_ACCEL_STATUS_ISOLATED: u32 = 2;
pub const accel_status_ACCEL_STATUS_REMOVED: u32 = 3;

pub type accel_event_type = u32;
pub const accel_event_type_ACCEL_EVENT_RESET_BEGIN: u32 = 1;
pub const accel_event_type_ACCEL_EVENT_RESET_END: u32 = 2;
pub const accel_event_type_ACCEL_EVENT_FAULT: u32 = 3;
pub const accel_event_type_ACCEL_EVENT_TIMEOUT: u32 = 4;
pub const accel_event_type_ACCEL_EVENT_ERROR: u32 = 5;
pub const accel_event_type_ACCEL_EVENT_ISOLATED: u32 = 6;
pub const accel_event_type_ACCEL_EVENT_CONTEXT_CLOSE: u32 = 8;
pub const accel_event_type_ACCEL_EVENT_REMOVED: u32 = 9;

pub const accel_mode_reason_ACCEL_REASON_AVAILABLE: u32 = 0;
pub const accel_mode_reason_ACCEL_REASON_DRIVER: u32 = 1;
pub const accel_mode_reason_ACCEL_REASON_NO_IOMMU: u32 = 2;
pub const accel_mode_reason_ACCEL_REASON_NO_PASID: u32 = 3;
pub const accel_mode_reason_ACCEL_REASON_NO_PRI: u32 = 4;
pub const accel_mode_reason_ACCEL_REASON_NO_SVA: u32 = 5;
pub const accel_mode_reason_ACCEL_REASON_NO_DOMAIN: u32 = 6;
pub const accel_mode_reason_ACCEL_REASON_NOT_COHERENT: u32 = 7;

pub const accel_ioctl_nr_ACCEL_NR_QUEUE_INFO: u32 = 0x10;
pub const accel_ioctl_nr_ACCEL_NR_QUEUE_EVENTFD: u32 = 0x11;
pub const accel_ioctl_nr_ACCEL_NR_QUEUE_SUBMIT: u32 = 0x12;

pub const ACCEL_SUBMIT_OUT_FENCE: u32 = 1;
pub const ACCEL_SUBMIT_BUFFERS_MAX: u32 = 64;
pub const ACCEL_SUBMIT_FENCES_MAX: u32 = 64;

#[derive(Copy, Clone, Default)]
pub struct accel_queue_create {
    pub size: u32,
    pub flags: u32,
    pub depth: u32,
    pub priority: u32,
    pub driver_data: u64,
    pub driver_data_size: u32,
    pub fd: i32,
}

#[derive(Copy, Clone, Default)]
pub struct accel_queue_info {
    pub size: u32,
    pub flags: u32,
    pub id: u32,
    pub depth: u32,
    pub job_size: u32,
    pub region_count: u32,
    pub region_size: u32,
    pub reserved: u32,
    pub regions: u64,
}

#[derive(Copy, Clone, Default)]
pub struct accel_region;

#[derive(Copy, Clone, Default)]
pub struct accel_queue_eventfd {
    pub flags: u32,
    pub fd: i32,
    pub reserved: u32,
}

#[derive(Copy, Clone, Default)]
pub struct accel_queue_submit {
    pub size: u32,
    pub flags: u32,
    pub jobs: u64,
    pub buffers: u64,
    pub in_fences: u64,
    pub job_count: u32,
    pub job_size: u32,
    pub buffer_count: u32,
    pub buffer_size: u32,
    pub in_fence_count: u32,
    pub in_fence_size: u32,
    pub out_fence: i32,
    pub reserved: u32,
}

#[derive(Copy, Clone)]
pub struct accel_submit_buffer {
    pub fd: i32,
    pub flags: u32,
}

#[derive(Copy, Clone)]
pub struct accel_submit_fence {
    pub fd: i32,
    pub flags: u32,
}

pub struct accel_job_record {
    pub number: u64,
    pub error: i32,
    pub reserved: u32,
}
