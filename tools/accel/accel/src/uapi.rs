// SPDX-License-Identifier: GPL-2.0 OR MIT
//! What `include/uapi/accel/accel.h` and `include/uapi/accel/hisi_zip.h` say, in Rust, and what of
//! `include/uapi/linux/sync_file.h` and `include/uapi/linux/dma-buf.h` is needed with them.
//!
//! The names are the headers' without their prefix, so that the headers' comments are the
//! documentation of this file. `tests/uapi.rs` compares both with a C compiler.
#![expect(missing_docs, reason = "documented in the C headers")]

/// Type number of all ioctls.
pub const IOC_TYPE: u8 = 0xBC;

pub const NR_INFO: u8 = 0x00;
pub const NR_CONTEXT_BIND: u8 = 0x01;
pub const NR_QUEUE_CREATE: u8 = 0x02;
pub const NR_RESET: u8 = 0x03;
pub const NR_EVENTS: u8 = 0x04;
pub const NR_BUFFER_ALLOC: u8 = 0x05;
pub const NR_BUFFER_WRAP: u8 = 0x06;
pub const NR_BUFFER_MAP: u8 = 0x07;
pub const NR_BUFFER_UNMAP: u8 = 0x08;
pub const NR_QUEUE_INFO: u8 = 0x10;
pub const NR_QUEUE_EVENTFD: u8 = 0x11;
pub const NR_QUEUE_SUBMIT: u8 = 0x12;

pub const INFO_QUERIES: u32 = 0;
pub const INFO_DEVICE: u32 = 1;
pub const INFO_STATUS: u32 = 2;
pub const INFO_ADDRESS_MODES: u32 = 3;
pub const INFO_CONTEXTS: u32 = 4;
pub const INFO_SENSORS: u32 = 5;
pub const INFO_ERRORS: u32 = 6;
pub const INFO_MEMORY: u32 = 7;

pub const FUNCTION_COPY: u32 = 0;
pub const FUNCTION_FILL: u32 = 1;
pub const FUNCTION_CHECKSUM: u32 = 2;
pub const FUNCTION_DEFLATE: u32 = 3;
pub const FUNCTION_ZLIB: u32 = 4;
pub const FUNCTION_GZIP: u32 = 5;

pub const MODE_NONE: u32 = 0;
pub const MODE_SHARED: u32 = 1;
pub const MODE_PRIVATE: u32 = 2;
pub const MODE_KERNEL: u32 = 3;

pub const REASON_AVAILABLE: u32 = 0;
pub const REASON_DRIVER: u32 = 1;
pub const REASON_NO_IOMMU: u32 = 2;
pub const REASON_NO_PASID: u32 = 3;
pub const REASON_NO_PRI: u32 = 4;
pub const REASON_NO_SVA: u32 = 5;
pub const REASON_NO_DOMAIN: u32 = 6;
pub const REASON_NOT_COHERENT: u32 = 7;

pub const DOORBELL_NONE: u32 = 0;
pub const DOORBELL_PER_QUEUE: u32 = 1;
pub const DOORBELL_SHARED: u32 = 2;

pub const DEVICE_RESET: u32 = 1 << 0;
pub const DEVICE_AUTO_RECOVERY: u32 = 1 << 1;
pub const DEVICE_COUNTS_JOBS: u32 = 1 << 2;
pub const DEVICE_COUNTS_BYTES: u32 = 1 << 3;
pub const DEVICE_COUNTS_BUSY: u32 = 1 << 4;
pub const DEVICE_COUNTS_AT_LEAST: u32 = 1 << 5;

pub const STATUS_OPERATIONAL: u32 = 0;
pub const STATUS_IN_RESET: u32 = 1;
pub const STATUS_ISOLATED: u32 = 2;
pub const STATUS_REMOVED: u32 = 3;

pub const SENSOR_TEMPERATURE: u32 = 0;
pub const SENSOR_POWER: u32 = 1;
pub const SENSOR_FREQUENCY: u32 = 2;

pub const MEMORY_SYSTEM: u32 = 0;
pub const MEMORY_DEVICE: u32 = 1;

pub const ALLOC_CONTIGUOUS: u32 = 1 << 0;
pub const ALLOC_WRITE_COMBINE: u32 = 1 << 1;

pub const WRAP_READ_ONLY: u32 = 1 << 0;

pub const ACCESS_READ: u32 = 1 << 0;
pub const ACCESS_WRITE: u32 = 1 << 1;
pub const MAP_FIXED: u32 = 1 << 2;

pub const EVENT_LOST: u32 = 0;
pub const EVENT_RESET_BEGIN: u32 = 1;
pub const EVENT_RESET_END: u32 = 2;
pub const EVENT_FAULT: u32 = 3;
pub const EVENT_TIMEOUT: u32 = 4;
pub const EVENT_ERROR: u32 = 5;
pub const EVENT_ISOLATED: u32 = 6;
pub const EVENT_CONTEXT_OPEN: u32 = 7;
pub const EVENT_CONTEXT_CLOSE: u32 = 8;
pub const EVENT_REMOVED: u32 = 9;

pub const NO_QUEUE: u32 = 0xffff_ffff;

pub const REGION_STATUS: u32 = 0;
pub const REGION_DOORBELL: u32 = 1;
pub const REGION_RING: u32 = 2;
pub const REGION_RECORDS: u32 = 3;

pub const SUBMIT_BUFFERS_MAX: usize = 64;
pub const SUBMIT_FENCES_MAX: usize = 64;

pub const SUBMIT_OUT_FENCE: u32 = 1 << 0;

pub const QUEUE_LIVE: u32 = 1;
pub const QUEUE_DEAD_RESET: u32 = 2;
pub const QUEUE_DEAD_REMOVED: u32 = 3;
pub const QUEUE_DEAD_TIMEOUT: u32 = 4;
pub const QUEUE_DEAD_ISOLATED: u32 = 5;
pub const QUEUE_DEAD_ERROR: u32 = 7;

pub const NAME_MAX: usize = 32;

/// Marks structs of which any bytes are a valid value.
///
/// # Safety
///
/// The type is `repr(C)`, has no padding, and all its fields are integers or arrays of them.
pub unsafe trait Plain: Copy + Default {}

// SAFETY: an integer.
unsafe impl Plain for u32 {}
// SAFETY: an integer.
unsafe impl Plain for i32 {}

/// The bytes of `values`.
pub fn bytes_of<T: Plain>(values: &[T]) -> &[u8] {
    // SAFETY: `T` is `Plain`, so that all its bytes are initialised; the view borrows `values`.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

/// The bytes of `values`, to be written.
pub fn bytes_of_mut<T: Plain>(values: &mut [T]) -> &mut [u8] {
    let len = size_of_val(values);
    // SAFETY: as in `bytes_of`, and any bytes are a valid `T`; the view borrows `values`
    // exclusively.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), len) }
}

/// The struct at the beginning of `bytes`; members that are not in there are zero.
pub fn read<T: Plain>(bytes: &[u8]) -> T {
    let mut value = T::default();
    let len = bytes.len().min(size_of::<T>());
    bytes_of_mut(std::slice::from_mut(&mut value))[..len].copy_from_slice(&bytes[..len]);
    value
}

/// Declares the structs, and the check that nothing in them is padding.
macro_rules! plain {
    ($(struct $name:ident ($size:literal) { $($field:ident: $type:ty,)* })*) => {$(
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name { $(pub $field: $type,)* }

        const _: () = assert!(size_of::<$name>() == $size);
        const _: () = assert!(0 $(+ size_of::<$type>())* == $size);

        // SAFETY: `repr(C)`; the sum of the fields is the size, so there is no padding; every
        // field below is an integer, an array of them, or such a struct.
        unsafe impl Plain for $name {}
    )*};
}

plain! {
    struct Info (32) {
        size: u32,
        query: u32,
        flags: u32,
        count: u32,
        element_size: u32,
        reserved: u32,
        data: u64,
    }

    struct InfoAddressMode (8) {
        mode: u32,
        reason: u32,
    }

    struct InfoDevice (216) {
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
        name: [u8; NAME_MAX],
        driver: [u8; NAME_MAX],
        version: [u8; NAME_MAX],
        bus: [u8; NAME_MAX],
        address: [u8; NAME_MAX],
    }

    struct InfoStatus (72) {
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

    struct InfoContext (112) {
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
        client: [u8; NAME_MAX],
    }

    struct InfoSensor (56) {
        kind: u32,
        reserved: u32,
        value: i64,
        timestamp_ns: u64,
        label: [u8; NAME_MAX],
    }

    struct InfoErrors (48) {
        hardware: u64,
        faults: u64,
        timeouts: u64,
        resets: u64,
        resets_failed: u64,
        threshold: u32,
        recent: u32,
    }

    struct InfoMemory (24) {
        size: u64,
        used: u64,
        buffers: u64,
    }

    struct ContextBind (16) {
        size: u32,
        flags: u32,
        mode: u32,
        pasid: u32,
    }

    struct QueueCreate (32) {
        size: u32,
        flags: u32,
        depth: u32,
        priority: u32,
        driver_data: u64,
        driver_data_size: u32,
        fd: i32,
    }

    struct Reset (8) {
        size: u32,
        flags: u32,
    }

    struct BufferAlloc (32) {
        size: u32,
        flags: u32,
        memory: u32,
        fd: i32,
        length: u64,
        alignment: u64,
    }

    struct BufferWrap (32) {
        size: u32,
        flags: u32,
        address: u64,
        length: u64,
        fd: i32,
        reserved: u32,
    }

    struct BufferMap (40) {
        size: u32,
        flags: u32,
        fd: i32,
        reserved: u32,
        offset: u64,
        length: u64,
        address: u64,
    }

    struct BufferUnmap (24) {
        size: u32,
        flags: u32,
        address: u64,
        length: u64,
    }

    struct Event (56) {
        size: u32,
        r#type: u32,
        sequence: u64,
        timestamp_ns: u64,
        address: u64,
        value: u64,
        queue: u32,
        pasid: u32,
        pid: i32,
        reserved: u32,
    }

    struct Events (24) {
        size: u32,
        flags: u32,
        mask: u64,
        event_size: u32,
        reserved: u32,
    }

    struct Region (32) {
        kind: u32,
        flags: u32,
        offset: u64,
        size: u64,
        element_size: u32,
        reserved: u32,
    }

    struct QueueInfo (40) {
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

    struct QueueEventfd (16) {
        size: u32,
        flags: u32,
        fd: i32,
        reserved: u32,
    }

    struct SubmitBuffer (8) {
        fd: i32,
        flags: u32,
    }

    struct SubmitFence (8) {
        fd: i32,
        flags: u32,
    }

    struct QueueSubmit (64) {
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

    struct JobRecord (16) {
        number: u64,
        error: i32,
        reserved: u32,
    }

    struct QueueStatus (16) {
        state: u32,
        generation: u32,
        completions: u64,
    }

    struct HisiZipQueue (8) {
        size: u32,
        direction: u32,
    }

    struct HisiZipCqe (16) {
        rsvd0: u32,
        cmd_id: u16,
        rsvd1: u16,
        sq_head: u16,
        sq_num: u16,
        rsvd2: u16,
        w7: u16,
    }

    struct HisiZipSqe (128) {
        consumed: u32,
        produced: u32,
        comp_data_length: u32,
        status: u32,
        input_data_length: u32,
        lba_l: u32,
        lba_h: u32,
        r#type: u32,
        dest_offset: u32,
        algorithm: u32,
        rsvd0: [u32; 3],
        tag0: u32,
        dest_avail_out: u32,
        stream_state: u32,
        rsvd1: [u32; 2],
        source_l: u32,
        source_h: u32,
        dest_l: u32,
        dest_h: u32,
        ctx_l: u32,
        ctx_h: u32,
        rsvd2: [u32; 2],
        tag3: u32,
        rsvd3: u32,
        ctx_dw1: u32,
        ctx_dw2: u32,
        plain_length: u32,
        checksum: u32,
    }

    struct HisiZipRecord (144) {
        head: JobRecord,
        sqe: HisiZipSqe,
    }

    struct SyncFileInfo (56) {
        name: [u8; 32],
        status: i32,
        flags: u32,
        num_fences: u32,
        pad: u32,
        sync_fence_info: u64,
    }

    struct DmaBufSync (8) {
        flags: u64,
    }
}

pub const DMA_BUF_BASE: u8 = b'b';
/// Number of `DMA_BUF_IOCTL_SYNC`.
pub const DMA_BUF_NR_SYNC: u8 = 0;
pub const DMA_BUF_SYNC_READ: u64 = 1;
pub const DMA_BUF_SYNC_WRITE: u64 = 2;
pub const DMA_BUF_SYNC_START: u64 = 0;
pub const DMA_BUF_SYNC_END: u64 = 4;

pub const SYNC_IOC_MAGIC: u8 = b'>';
/// Number of `SYNC_IOC_FILE_INFO`.
pub const SYNC_NR_FILE_INFO: u8 = 4;

pub const HISI_ZIP_SQE_SIZE: usize = 128;
pub const HISI_ZIP_CQE_SIZE: usize = 16;
pub const HISI_ZIP_PAGE_SIZE: usize = 4096;
pub const HISI_ZIP_DOORBELL_OFFSET: usize = 0x1000;
pub const HISI_ZIP_ROOM_MIN: usize = 256;

pub const HISI_ZIP_DB_SQ: u64 = 0;
pub const HISI_ZIP_DB_CQ: u64 = 1;

pub const HISI_ZIP_COMPRESS: u32 = 0;
pub const HISI_ZIP_DECOMPRESS: u32 = 1;

pub const HISI_ZIP_DEFLATE: u32 = 1;
pub const HISI_ZIP_ZLIB: u32 = 2;
pub const HISI_ZIP_GZIP: u32 = 3;

pub const HISI_ZIP_WINDOW_32K: u32 = 4;
pub const HISI_ZIP_WINDOW_SHIFT: u32 = 12;

pub const HISI_ZIP_OK: u32 = 0x00;
pub const HISI_ZIP_NEGATIVE: u32 = 0x0d;
pub const HISI_ZIP_NO_ROOM: u32 = 0x0e;
pub const HISI_ZIP_BAD_CHECKSUM: u32 = 0x10;
pub const HISI_ZIP_STREAM_END: u32 = 0x13;

/// Offset of the completion queue in the ring region: the page behind the submission queue.
pub const fn hisi_zip_cq_offset(depth: usize) -> usize {
    (depth * HISI_ZIP_SQE_SIZE).next_multiple_of(HISI_ZIP_PAGE_SIZE)
}

/// What stands for an address in a job of `QUEUE_SUBMIT`.
pub const fn buffer_address(index: u64, offset: u64) -> u64 {
    index << 48 | offset
}

/// Value of the doorbell register.
pub const fn hisi_zip_db(queue: u32, command: u64, index: u16, priority: u64) -> u64 {
    queue as u64 | command << 12 | (index as u64) << 32 | priority << 48
}
