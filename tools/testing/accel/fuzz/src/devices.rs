// SPDX-License-Identifier: GPL-2.0
//! The devices in software: which there are, and how they are told to misbehave.

use std::{
    fs, io,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

const CLASS: &str = "/sys/class/accelerator";
const DEBUGFS: &str = "/sys/kernel/debug";

/// Numbers of the devices that are there, in their order.
fn numbers() -> Vec<u32> {
    let Ok(entries) = fs::read_dir(CLASS) else {
        return Vec::new();
    };
    let mut numbers: Vec<u32> = entries
        .filter_map(|entry| {
            entry
                .ok()?
                .file_name()
                .to_str()?
                .strip_prefix("accel")?
                .parse()
                .ok()
        })
        .collect();
    numbers.sort_unstable();
    numbers
}

pub fn count() -> usize {
    numbers().len()
}

/// The number of the `nth` one that is there, counted round and round.
pub fn number(nth: usize) -> Option<u32> {
    let numbers = numbers();
    numbers.get(nth.checked_rem(numbers.len())?).copied()
}

fn gone() -> io::Error {
    io::Error::from_raw_os_error(libc::ENODEV)
}

/// Makes one more.
pub fn add() -> io::Result<()> {
    fs::write(format!("{DEBUGFS}/accel_sim/add"), "1")
}

/// Writes a number to a file of the `nth` device, in debugfs or in sysfs.
pub fn misbehave(nth: usize, file: &str, value: u64) -> io::Result<()> {
    let number = number(nth).ok_or_else(gone)?;
    let directory = match file {
        "reset" | "error_threshold" => format!("{CLASS}/accel{number}"),
        _ => format!("{DEBUGFS}/accelerator/accel{number}"),
    };
    // All queues, where it is not about one.
    let text = match (file, value) {
        ("hang", 3) => "device".to_owned(),
        _ => value.to_string(),
    };
    fs::write(format!("{directory}/{file}"), text)
}

/// Reads one of the attributes of the `nth` device.
pub fn read_attribute(nth: usize, file: usize) -> io::Result<()> {
    let number = number(nth).ok_or_else(gone)?;
    let mut files: Vec<PathBuf> = fs::read_dir(format!("{CLASS}/accel{number}"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file())
        .collect();
    files.sort_unstable();
    let file = files
        .get(file.checked_rem(files.len()).ok_or_else(gone)?)
        .ok_or_else(gone)?;
    fs::read(file).map(|_| ())
}

/// Takes back what was done to all devices, and sees to it that there are `count`.
pub fn mend(count: usize) {
    while self::count() < count && add().is_ok() {}
    for nth in 0..self::count() {
        for (file, value) in [("stuck", 0), ("fail_reset", 0), ("fault", 0)] {
            _ = misbehave(nth, file, value);
        }
        // It may be gone already, or be at it.
        _ = misbehave(nth, "reset", 1);
        _ = misbehave(nth, "error_threshold", 0);
    }
}

/// Mends all devices, and waits until they stay mended: what a program has asked for last is done by
/// a worker of the kernel's.
pub fn settle(count: usize) {
    const LIMIT: Duration = Duration::from_secs(20);
    const SAMPLES: usize = 10;
    let until = Instant::now() + LIMIT;
    let mut good = 0;
    mend(count);
    while good < SAMPLES && Instant::now() < until {
        thread::sleep(Duration::from_millis(20));
        good += 1;
        if !(0..self::count()).all(is_operational) {
            mend(count);
            good = 0;
        }
    }
}

fn is_operational(nth: usize) -> bool {
    let status = number(nth).map(|number| format!("{CLASS}/accel{number}/status"));
    status.is_some_and(|path| fs::read(path).is_ok_and(|text| text == b"operational\n"))
}
