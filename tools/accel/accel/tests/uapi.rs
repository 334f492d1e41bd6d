// SPDX-License-Identifier: GPL-2.0 OR MIT
//! `uapi.rs` and the C headers say the same, as a C compiler sees them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::mem::offset_of;
use std::path::Path;
use std::process::Command;

use accel::uapi;

/// What C calls it, and what Rust has.
struct Fact {
    expression: String,
    value: u64,
}

/// Size and offsets of each struct.
macro_rules! layouts {
    ($($rust:ident = $c:literal { $($field:ident)* })*) => {{
        let mut facts = Vec::new();
        $(
            facts.push(Fact {
                expression: format!("sizeof(struct {})", $c),
                value: size_of::<uapi::$rust>() as u64,
            });
            $(facts.push(Fact {
                expression: offset($c, stringify!($field)),
                value: offset_of!(uapi::$rust, $field) as u64,
            });)*
        )*
        facts
    }};
}

fn offset(name: &str, field: &str) -> String {
    format!(
        "offsetof(struct {name}, {})",
        field.trim_start_matches("r#")
    )
}

fn layouts() -> Vec<Fact> {
    layouts! {
        Info = "accel_info" { size query flags count element_size reserved data }
        InfoAddressMode = "accel_info_address_mode" { mode reason }
        InfoDevice = "accel_info_device" {
            functions address_modes numa_node queues_max depth_max doorbell id request_max
            contexts_max priorities job_limit_ms flags name driver version bus address
        }
        InfoStatus = "accel_info_status" {
            status generation contexts queues queues_created completions errors timestamp_ns
            jobs busy_ns usage_ns
        }
        InfoContext = "accel_info_context" {
            id pid uid mode pasid queues reserved completions jobs bytes busy_ns device_memory
            mapped client
        }
        InfoSensor = "accel_info_sensor" { kind reserved value timestamp_ns label }
        InfoErrors = "accel_info_errors" {
            hardware faults timeouts resets resets_failed threshold recent
        }
        InfoMemory = "accel_info_memory" { size used buffers }
        ContextBind = "accel_context_bind" { size flags mode pasid }
        QueueCreate = "accel_queue_create" {
            size flags depth priority driver_data driver_data_size fd
        }
        Reset = "accel_reset" { size flags }
        BufferAlloc = "accel_buffer_alloc" { size flags memory fd length alignment }
        BufferWrap = "accel_buffer_wrap" { size flags address length fd reserved }
        BufferMap = "accel_buffer_map" { size flags fd reserved offset length address }
        BufferUnmap = "accel_buffer_unmap" { size flags address length }
        Event = "accel_event" {
            size r#type sequence timestamp_ns address value queue pasid pid reserved
        }
        Events = "accel_events" { size flags mask event_size reserved }
        Region = "accel_region" { kind flags offset size element_size reserved }
        QueueInfo = "accel_queue_info" {
            size flags id depth job_size region_count region_size reserved regions
        }
        QueueEventfd = "accel_queue_eventfd" { size flags fd reserved }
        SubmitBuffer = "accel_submit_buffer" { fd flags }
        SubmitFence = "accel_submit_fence" { fd flags }
        QueueSubmit = "accel_queue_submit" {
            size flags jobs buffers in_fences job_count job_size buffer_count buffer_size
            in_fence_count in_fence_size out_fence reserved
        }
        JobRecord = "accel_job_record" { number error reserved }
        QueueStatus = "accel_queue_status" { state generation completions }
        HisiZipQueue = "hisi_zip_queue" { size direction }
        HisiZipCqe = "hisi_zip_cqe" { rsvd0 cmd_id rsvd1 sq_head sq_num rsvd2 w7 }
        HisiZipSqe = "hisi_zip_sqe" {
            consumed produced comp_data_length status input_data_length lba_l lba_h r#type
            dest_offset algorithm rsvd0 tag0 dest_avail_out stream_state rsvd1 source_l source_h
            dest_l dest_h ctx_l ctx_h rsvd2 tag3 rsvd3 ctx_dw1 ctx_dw2 plain_length checksum
        }
        HisiZipRecord = "hisi_zip_record" { head sqe }
        DmaBufSync = "dma_buf_sync" { flags }
        SyncFileInfo = "sync_file_info" { name status flags num_fences pad sync_fence_info }
    }
}

/// Constants by their name in Rust and in C.
macro_rules! constants {
    ($($prefix:literal: $($name:ident)*;)*) => {
        vec![$($(Fact {
            expression: format!("{}{}", $prefix, stringify!($name)),
            value: uapi::$name as u64,
        },)*)*]
    };
}

fn constants() -> Vec<Fact> {
    constants! {
        "ACCEL_": IOC_TYPE NR_INFO NR_CONTEXT_BIND NR_QUEUE_CREATE NR_RESET NR_EVENTS
            NR_BUFFER_ALLOC NR_BUFFER_WRAP NR_BUFFER_MAP NR_BUFFER_UNMAP
            NR_QUEUE_INFO NR_QUEUE_EVENTFD NR_QUEUE_SUBMIT
            INFO_QUERIES INFO_DEVICE INFO_STATUS INFO_ADDRESS_MODES INFO_CONTEXTS INFO_SENSORS
            INFO_ERRORS INFO_MEMORY
            FUNCTION_COPY FUNCTION_FILL FUNCTION_CHECKSUM FUNCTION_DEFLATE FUNCTION_ZLIB
            FUNCTION_GZIP
            MODE_NONE MODE_SHARED MODE_PRIVATE MODE_KERNEL
            REASON_AVAILABLE REASON_DRIVER REASON_NO_IOMMU REASON_NO_PASID REASON_NO_PRI
            REASON_NO_SVA REASON_NO_DOMAIN REASON_NOT_COHERENT
            DOORBELL_NONE DOORBELL_PER_QUEUE DOORBELL_SHARED
            DEVICE_RESET DEVICE_AUTO_RECOVERY DEVICE_COUNTS_JOBS DEVICE_COUNTS_BYTES
            DEVICE_COUNTS_BUSY DEVICE_COUNTS_AT_LEAST
            STATUS_OPERATIONAL STATUS_IN_RESET STATUS_ISOLATED STATUS_REMOVED
            SENSOR_TEMPERATURE SENSOR_POWER SENSOR_FREQUENCY
            MEMORY_SYSTEM MEMORY_DEVICE ALLOC_CONTIGUOUS ALLOC_WRITE_COMBINE WRAP_READ_ONLY
            ACCESS_READ ACCESS_WRITE MAP_FIXED
            SUBMIT_BUFFERS_MAX SUBMIT_FENCES_MAX SUBMIT_OUT_FENCE
            EVENT_LOST EVENT_RESET_BEGIN EVENT_RESET_END EVENT_FAULT EVENT_TIMEOUT EVENT_ERROR
            EVENT_ISOLATED EVENT_CONTEXT_OPEN EVENT_CONTEXT_CLOSE EVENT_REMOVED NO_QUEUE
            REGION_STATUS REGION_DOORBELL REGION_RING REGION_RECORDS
            QUEUE_LIVE QUEUE_DEAD_RESET QUEUE_DEAD_REMOVED QUEUE_DEAD_TIMEOUT
            QUEUE_DEAD_ISOLATED QUEUE_DEAD_ERROR NAME_MAX;
        "": HISI_ZIP_SQE_SIZE HISI_ZIP_CQE_SIZE HISI_ZIP_PAGE_SIZE HISI_ZIP_DOORBELL_OFFSET
            HISI_ZIP_ROOM_MIN
            HISI_ZIP_DB_SQ HISI_ZIP_DB_CQ HISI_ZIP_COMPRESS HISI_ZIP_DECOMPRESS
            HISI_ZIP_DEFLATE HISI_ZIP_ZLIB HISI_ZIP_GZIP
            HISI_ZIP_WINDOW_32K HISI_ZIP_WINDOW_SHIFT
            HISI_ZIP_OK HISI_ZIP_NEGATIVE HISI_ZIP_NO_ROOM HISI_ZIP_BAD_CHECKSUM
            HISI_ZIP_STREAM_END
            DMA_BUF_SYNC_READ DMA_BUF_SYNC_WRITE DMA_BUF_SYNC_START DMA_BUF_SYNC_END;
    }
}

fn functions() -> Vec<Fact> {
    let mut facts = vec![Fact {
        expression: "HISI_ZIP_DB(5, HISI_ZIP_DB_CQ, 77, 1)".into(),
        value: uapi::hisi_zip_db(5, uapi::HISI_ZIP_DB_CQ, 77, 1),
    }];
    facts.push(Fact {
        expression: "ACCEL_BUFFER_ADDRESS(63, 0x123456789a)".into(),
        value: uapi::buffer_address(63, 0x12_3456_789a),
    });
    facts.push(Fact {
        expression: "DMA_BUF_IOCTL_SYNC".into(),
        value: rustix::ioctl::opcode::write::<uapi::DmaBufSync>(
            uapi::DMA_BUF_BASE,
            uapi::DMA_BUF_NR_SYNC,
        )
        .into(),
    });
    facts.push(Fact {
        expression: "SYNC_IOC_FILE_INFO".into(),
        value: rustix::ioctl::opcode::read_write::<uapi::SyncFileInfo>(
            uapi::SYNC_IOC_MAGIC,
            uapi::SYNC_NR_FILE_INFO,
        )
        .into(),
    });
    for depth in [2, 32, 33, 1024] {
        facts.push(Fact {
            expression: format!("HISI_ZIP_CQ_OFFSET({depth})"),
            value: uapi::hisi_zip_cq_offset(depth) as u64,
        });
    }
    facts
}

fn program(facts: &[Fact]) -> String {
    let mut c = String::from(
        "#include <stddef.h>\n#include <stdio.h>\n\
         #include <linux/dma-buf.h>\n#include <linux/sync_file.h>\n\
         #include <accel/accel.h>\n#include <accel/hisi_zip.h>\n\
         int main(void)\n{\n",
    );
    for (i, fact) in facts.iter().enumerate() {
        writeln!(
            c,
            "\tprintf(\"{i} %llu\\n\", (unsigned long long)({}));",
            fact.expression
        )
        .unwrap();
    }
    c.push_str("\treturn 0;\n}\n");
    c
}

#[test]
fn rust_and_c_agree() {
    if Command::new("cc").arg("--version").output().is_err() {
        eprintln!("skipped: no C compiler (cc)");
        return;
    }
    let facts: Vec<_> = layouts()
        .into_iter()
        .chain(constants())
        .chain(functions())
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let (source, binary) = (
        directory.path().join("facts.c"),
        directory.path().join("facts"),
    );
    std::fs::write(&source, program(&facts)).unwrap();
    let headers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../include/uapi");
    let built = Command::new("cc")
        .arg("-I")
        .arg(headers)
        .arg(&source)
        .arg("-o")
        .arg(&binary)
        .output();
    let built = built.unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );

    let output = String::from_utf8(Command::new(&binary).output().unwrap().stdout).unwrap();
    let told: BTreeMap<usize, u64> = output
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(i, value)| (i.parse().unwrap(), value.parse().unwrap()))
        .collect();
    for (i, fact) in facts.iter().enumerate() {
        assert_eq!(told[&i], fact.value, "{}", fact.expression);
    }
}

/// What of the headers is not needed: the parts of an ioctl's number are, sizes of first versions
/// and the other windows are not.
fn is_needed(name: &str) -> bool {
    let other = [
        "ACCEL_NR_DRIVER_BASE",
        "ACCEL_NR_DRIVER_END",
        "ACCEL_QUEUE_CLOSED",
        "HISI_ZIP_LAYOUT_V2",
        "HISI_ZIP_LAYOUT_V3",
    ];
    let is_ioctl = name.strip_prefix("ACCEL_").is_some_and(|name| {
        constants()
            .iter()
            .any(|fact| fact.expression == format!("ACCEL_NR_{name}"))
    });
    let window = name.starts_with("HISI_ZIP_WINDOW_") && name.ends_with('K');
    !(is_ioctl || window || name.ends_with("_SIZE_VER0") || other.contains(&name))
}

/// A name of a header that is not here would be missed by nobody.
#[test]
fn rust_has_all_that_c_has() {
    let facts = layouts().into_iter().chain(constants()).chain(functions());
    let known: String = facts.map(|fact| fact.expression + " ").collect();
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let known: Vec<_> = known.split(|c| !is_name(c)).collect();
    for header in ["accel.h", "hisi_zip.h"] {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../include/uapi/accel");
        let text = std::fs::read_to_string(directory.join(header)).unwrap();
        for line in text.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            let name = match words[..] {
                ["struct", name, "{"] => name,
                ["#define", name, ..] => name.split('(').next().unwrap(),
                [name, "=", ..] => name,
                _ => continue,
            };
            let ours = ["ACCEL_", "HISI_ZIP_", "accel_", "hisi_zip_"];
            if ours.iter().any(|prefix| name.starts_with(prefix)) && is_needed(name) {
                assert!(known.contains(&name), "{header}: {name} is not compared");
            }
        }
    }
}
