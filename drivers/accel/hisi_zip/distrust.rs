// SPDX-License-Identifier: GPL-2.0

//! What is told of a device that says or does what can't be: it is broken, or wants to break more.

use kernel::{
    accel,
    device::{
        Bound,
        Device, //
    },
    fmt,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::{
        ClockSource,
        Monotonic, //
    }, //
};

/// What it is reported as: neither the queue manager's errors, nor the engine's, nor the bus's.
const MISBEHAVIOUR: u64 = u64::MAX - 1;

/// Lines that the log takes within [`WINDOW_NS`]; what is beyond is counted only.
const LINES: u32 = 10;
const WINDOW_NS: i64 = 5 * 1_000_000_000;

/// Keeps a device from filling the log.
pub(crate) struct LogLimit {
    begun: Atomic<i64>,
    lines: Atomic<u32>,
}

impl LogLimit {
    pub(crate) fn new() -> Self {
        Self {
            begun: Atomic::new(0),
            lines: Atomic::new(0),
        }
    }

    /// Whether there is room for one more line. Two that begin a window at once get a few more.
    pub(crate) fn allows(&self) -> bool {
        let now = Monotonic::ktime_get();
        if now - self.begun.load(Relaxed) > WINDOW_NS {
            self.begun.store(now, Relaxed);
            self.lines.store(0, Relaxed);
        }
        self.lines.fetch_add(1, Relaxed) < LINES
    }

    /// Counts something as an error of the hardware, and says what it was.
    ///
    /// May be called wherever [`accel::Device::report_error`] may.
    pub(crate) fn misbehaves(
        &self,
        dev: &Device<Bound>,
        device: &Arc<accel::Device>,
        what: fmt::Arguments<'_>,
    ) {
        device.report_error(MISBEHAVIOUR);
        if self.allows() {
            dev_err!(dev, "the device misbehaves: {what}\n");
        }
    }
}
