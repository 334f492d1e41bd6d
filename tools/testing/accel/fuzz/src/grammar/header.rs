// SPDX-License-Identifier: GPL-2.0
//! The descriptions say what the headers in `include/uapi/accel/` say, as a C compiler sees them.

use super::{Grammar, Type};
use std::{
    collections::BTreeSet,
    fmt::Write,
    fs,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

const HEADERS: [&str; 3] = ["accel.h", "accel_sim.h", "hisi_zip.h"];
const INCLUDES: &str = "#define _GNU_SOURCE\n#include <stddef.h>\n#include <fcntl.h>\n\
    #include <poll.h>\n#include <sys/mman.h>\n#include <linux/dma-buf.h>\n\
    #include <linux/sync_file.h>\n#include <accel/accel_sim.h>\n#include <accel/hisi_zip.h>\n";
/// What the kernel answers and nobody gives it, numbers of ioctls, sizes and offsets.
const ANSWERS: &[&str] = &[
    "ACCEL_IOC_",
    "ACCEL_NR_",
    "ACCEL_SIM_NR_",
    "ACCEL_FUNCTION_",
    "ACCEL_REASON_",
    "ACCEL_DOORBELL_",
    "ACCEL_NAME_MAX",
    "ACCEL_DEVICE_",
    "ACCEL_STATUS_",
    "ACCEL_SENSOR_",
    "ACCEL_EVENT_",
    "ACCEL_NO_QUEUE",
    "ACCEL_REGION_",
    "ACCEL_SUBMIT_BUFFERS_MAX",
    "ACCEL_SUBMIT_FENCES_MAX",
    "ACCEL_BUFFER_ADDRESS",
    "ACCEL_QUEUE_LIVE",
    "ACCEL_QUEUE_DEAD_",
    "ACCEL_QUEUE_CLOSED",
    "ACCEL_SIM_COMPLETION_SIZE",
    "ACCEL_SIM_SQ_OFFSET",
    "ACCEL_SIM_CQ_OFFSET",
    "ACCEL_SIM_LENGTH_MAX",
    "ACCEL_SIM_SLEEP_MAX",
    "ACCEL_SIM_NEEDS_KICK",
    "ACCEL_SIM_BAD_INDEX",
    "ACCEL_SIM_STATUS_",
    "HISI_ZIP_LAYOUT_",
    "HISI_ZIP_CQE_SIZE",
    "HISI_ZIP_PAGE_SIZE",
    "HISI_ZIP_DOORBELL_OFFSET",
    "HISI_ZIP_ROOM_MIN",
    "HISI_ZIP_CQ_OFFSET",
    "HISI_ZIP_DB",
    "HISI_ZIP_WINDOW_",
    "HISI_ZIP_OK",
    "HISI_ZIP_NEGATIVE",
    "HISI_ZIP_NO_ROOM",
    "HISI_ZIP_BAD_CHECKSUM",
    "HISI_ZIP_STREAM_END",
];

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../include/uapi")
}

fn header(name: &str) -> String {
    fs::read_to_string(directory().join("accel").join(name)).unwrap()
}

/// What a struct is called in C.
fn in_c(name: &str) -> &str {
    match name {
        "accel_pollfd" => "pollfd",
        "accel_sync_merge" => "sync_merge_data",
        "accel_sync_file_info" => "sync_file_info",
        "accel_sync_fence_info" => "sync_fence_info",
        "accel_dma_buf_export" => "dma_buf_export_sync_file",
        "accel_dma_buf_import" => "dma_buf_import_sync_file",
        "accel_dma_buf_sync" => "dma_buf_sync",
        other => other.strip_suffix("_hisi_zip").unwrap_or(other),
    }
}

/// One assertion a line, so that a compiler's message shows what is wrong.
fn assertions(grammar: &Grammar) -> String {
    let mut c = INCLUDES.to_owned();
    let mut says = |what: String, value: u64| {
        writeln!(
            c,
            "_Static_assert((unsigned long)({what}) == {value}UL, \"{what}\");"
        )
        .unwrap();
    };
    for (name, value) in &grammar.constants {
        says(name.clone(), *value);
    }
    for (name, fields) in &grammar.structs {
        let layout = grammar.layout(name);
        let c_name = in_c(name);
        says(format!("sizeof(struct {c_name})"), layout.size as u64);
        for (field, offset) in fields.iter().zip(layout.offsets) {
            let elements = match field.of {
                Type::Array { least, .. } => least,
                _ => 0,
            };
            let size = grammar.size(&field.of, elements).0;
            says(
                format!("offsetof(struct {c_name}, {})", field.name),
                offset as u64,
            );
            says(
                format!("sizeof(((struct {c_name} *)0)->{})", field.name),
                size as u64,
            );
        }
    }
    c
}

#[test]
fn a_compiler_agrees_with_the_descriptions() {
    let mut compiler = Command::new("cc")
        .args(["-fsyntax-only", "-x", "c", "-I"])
        .arg(directory())
        .arg("-")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("cc, a C compiler");
    let source = assertions(&Grammar::built_in());
    compiler
        .stdin
        .take()
        .unwrap()
        .write_all(source.as_bytes())
        .unwrap();
    let output = compiler.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn every_ioctl_is_described() {
    let grammar = Grammar::built_in();
    let mut count = 0;
    for header in HEADERS.map(header) {
        for line in header
            .lines()
            .filter(|line| line.contains("_IO(ACCEL_IOC_TYPE"))
        {
            let name = line.split_whitespace().nth(1).unwrap();
            let call = grammar.call(&format!("ioctl${name}"));
            let call = call.unwrap_or_else(|| panic!("{name} is not in accel.txt"));
            let Type::Const { value, .. } = grammar.calls[call].arguments[1].of else {
                panic!("{name} has no command");
            };
            assert_eq!(value, grammar.constants[name]);
            count += 1;
        }
    }
    assert!(count > 10);
}

/// Names that a header defines: macros and elements of enums.
fn names(header: &str) -> BTreeSet<String> {
    let name = |line: &str| -> Option<String> {
        let rest = match line.strip_prefix("#define ") {
            Some(rest) => rest,
            None => line
                .strip_prefix('\t')
                .filter(|line| line.contains(" = "))?,
        };
        let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_')?;
        (rest.starts_with("ACCEL_") || rest.starts_with("HISI_")).then(|| rest[..end].to_owned())
    };
    header.lines().filter_map(name).collect()
}

#[test]
fn every_value_that_the_kernel_takes_is_described() {
    let grammar = Grammar::built_in();
    for header in HEADERS.map(header) {
        let lacking: Vec<_> = names(&header)
            .into_iter()
            .filter(|name| !grammar.constants.contains_key(name))
            .filter(|name| !ANSWERS.iter().any(|answer| name.starts_with(answer)))
            // What structs once had.
            .filter(|name| !name.ends_with("_SIZE_VER0"))
            .collect();
        assert!(lacking.is_empty(), "not in accel.txt.const: {lacking:?}");
    }
}
