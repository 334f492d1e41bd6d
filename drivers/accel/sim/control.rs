// SPDX-License-Identifier: GPL-2.0

//! What the device is told to do wrong, through debugfs: `accelerator/accelN/`.

use crate::{
    worker::Worker,
    Sim, //
};
use kernel::{
    accel::Device,
    debugfs::ScopedDir,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    uaccess::UserSliceReader, //
};

/// How long a sensor of a hung device is waited for.
const SENSOR_TIMEOUT_MS: i64 = 5000;
/// How often it is looked whether the device hangs no longer.
const SENSOR_POLL_MS: i64 = 100;

/// In an epoch, the bit that says that the device is halted.
const HALTED: u32 = 1;
const WORKING: u32 = 0;

/// How long a reset that is held takes at most, and how often it is looked whether it still is.
const HOLD_MAX_MS: i64 = 60_000;
const HOLD_POLL_MS: i64 = 1;

/// What is asked of a device, and counted of it, across its queues.
pub(crate) struct Control {
    /// Counts when the device is started, and when it is halted. Odd while it is halted.
    epoch: Atomic<u32>,
    hung: Atomic<bool>,
    /// Queues that will refuse to be destroyed.
    stuck: Atomic<u32>,
    /// Resets that will fail.
    fail_reset: Atomic<u32>,
    /// Resets take until this is cleared, or for a minute.
    hold_reset: Atomic<u32>,
    /// Jobs that will fault.
    fault: Atomic<u32>,
    jobs: Atomic<u64>,
}

impl Control {
    pub(crate) fn new() -> Self {
        Self {
            epoch: Atomic::new(HALTED),
            hung: Atomic::new(false),
            stuck: Atomic::new(0),
            fail_reset: Atomic::new(0),
            hold_reset: Atomic::new(0),
            fault: Atomic::new(0),
            jobs: Atomic::new(0),
        }
    }

    /// Lets queues that are made from now on touch memory.
    pub(crate) fn start(&self) {
        self.begin_epoch(WORKING);
    }

    /// Lets no queue touch memory any more, nor any that is made until [`start`](Self::start). What
    /// is under way may take a moment.
    pub(crate) fn halt(&self) {
        self.begin_epoch(HALTED);
    }

    /// Begins an epoch of this kind, unless it is one.
    fn begin_epoch(&self, next: u32) {
        let now = self.epoch();
        if now & HALTED != next {
            self.epoch.store(now.wrapping_add(1), Relaxed);
        }
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.epoch.load(Relaxed)
    }

    /// Whether the device was halted since `epoch`, or in it.
    pub(crate) fn halted_since(&self, epoch: u32) -> bool {
        epoch & HALTED != 0 || self.epoch() != epoch
    }

    /// Whether the device does nothing any more.
    pub(crate) fn hangs(&self) -> bool {
        self.hung.load(Relaxed)
    }

    /// Fails with [`EBUSY`] if the next queue is not to be destroyed.
    pub(crate) fn check_stuck(&self) -> Result {
        refuse_if(&self.stuck, EBUSY)
    }

    /// Whether the next job is to fault.
    pub(crate) fn take_fault(&self) -> bool {
        take_one(&self.fault)
    }

    /// Fails with [`EIO`] if this reset is to fail; else all is well with the device again.
    pub(crate) fn reset(&self) -> Result {
        for _ in 0..HOLD_MAX_MS / HOLD_POLL_MS {
            if self.hold_reset.load(Relaxed) == 0 {
                break;
            }
            fsleep(Delta::from_millis(HOLD_POLL_MS));
        }
        refuse_if(&self.fail_reset, EIO)?;
        self.hung.store(false, Relaxed);
        self.stuck.store(0, Relaxed);
        self.fault.store(0, Relaxed);
        Ok(())
    }

    /// Waits for a sensor of a device that hangs. Fails with [`ETIMEDOUT`] if it does so for too
    /// long.
    pub(crate) fn wait_for_sensor(&self) -> Result {
        for _ in 0..SENSOR_TIMEOUT_MS / SENSOR_POLL_MS {
            if !self.hangs() {
                return Ok(());
            }
            fsleep(Delta::from_millis(SENSOR_POLL_MS));
        }
        Err(ETIMEDOUT)
    }

    pub(crate) fn count_job(&self) {
        self.jobs.fetch_add(1, Relaxed);
    }

    /// Jobs that have ended.
    pub(crate) fn jobs(&self) -> u64 {
        self.jobs.load(Relaxed)
    }
}

/// Takes one from what is left; returns whether there was one.
fn take_one(left: &Atomic<u32>) -> bool {
    let mut before = left.load(Relaxed);
    while before != 0 {
        match left.cmpxchg(before, before - 1, Relaxed) {
            Ok(_) => return true,
            Err(now) => before = now,
        }
    }
    false
}

fn refuse_if(left: &Atomic<u32>, error: Error) -> Result {
    if take_one(left) {
        return Err(error);
    }
    Ok(())
}

/// Bytes of the longest thing that is written to a file.
const TEXT_MAX: usize = 32;

/// Calls `f` with what was written to a file, without white space at its ends.
pub(crate) fn with_text(reader: &mut UserSliceReader, f: impl FnOnce(&str) -> Result) -> Result {
    let mut room = [0; TEXT_MAX];
    let text = room.get_mut(..reader.len()).ok_or(EINVAL)?;
    reader.read_slice(text)?;
    f(core::str::from_utf8(text)?.trim())
}

/// The same, for files that take a 1 only.
pub(crate) fn with_one(reader: &mut UserSliceReader, f: impl FnOnce() -> Result) -> Result {
    with_text(reader, |text| match text {
        "1" => f(),
        _ => Err(EINVAL),
    })
}

/// Adds the files of a device.
pub(crate) fn add_files<'a>(sim: &'a Sim, device: &'a Arc<Device>, dir: &ScopedDir<'a, '_>) {
    let control: &'a Control = &sim.control;
    dir.read_write_file(c"stuck", &control.stuck);
    dir.read_write_file(c"fail_reset", &control.fail_reset);
    dir.read_write_file(c"hold_reset", &control.hold_reset);
    dir.read_write_file(c"fault", &control.fault);
    dir.write_only_callback_file(c"hang", sim, &write_hang);
    dir.write_only_callback_file(c"error", device, &write_error);
    dir.write_only_callback_file(c"reset_request", device, &write_reset_request);
    dir.write_only_callback_file(c"remove", sim, &write_remove);
}

/// The number of a queue, or `device`.
fn write_hang(sim: &Sim, reader: &mut UserSliceReader) -> Result {
    with_text(reader, |text| match text {
        "device" => {
            sim.control.hung.store(true, Relaxed);
            Ok(())
        }
        id => sim
            .queues
            .with(id.parse().map_err(|_| EINVAL)?, Worker::hang),
    })
}

/// The code of a hardware error.
fn write_error(device: &Arc<Device>, reader: &mut UserSliceReader) -> Result {
    with_text(reader, |text| {
        let code = text.parse().map_err(|_| EINVAL)?;
        device.report_error(code);
        Ok(())
    })
}

fn write_reset_request(device: &Arc<Device>, reader: &mut UserSliceReader) -> Result {
    with_one(reader, || {
        device.request_reset();
        Ok(())
    })
}

fn write_remove(sim: &Sim, reader: &mut UserSliceReader) -> Result {
    with_one(reader, || sim.pull_out())
}
