// SPDX-License-Identifier: GPL-2.0
//! Sensors that tell of now. The kernel answers at once with what it knows, and measures behind
//! that if it was asked after a while: who asks twice gets news.

use std::time::Duration;

use accel::{Device, Inquire};

use crate::system::{Moment, System};

/// What is older than this is old.
pub const OLD_NS: u64 = 1_000_000_000;

/// How often it is looked for news, and the time before each look: 50 ms in all.
const LOOKS: u32 = 5;
const LOOK_DELAY: Duration = Duration::from_millis(10);

/// Has the sensors of devices measured anew where what they tell is old, and waits for a moment.
/// What is old after that tells its age.
pub fn refresh(system: &dyn System, devices: &[Device]) {
    let mut old: Vec<_> = devices.iter().collect();
    old.retain(|device| is_old(system, device, system.now()));
    for _ in 0..LOOKS {
        if old.is_empty() {
            return;
        }
        system.sleep(LOOK_DELAY);
        old.retain(|device| is_old(system, device, system.now()));
    }
}

/// A device that does not answer has nothing to be waited for.
fn is_old(system: &dyn System, device: &Device, now: Moment) -> bool {
    let sensors = system.ask(device).and_then(|node| node.sensors());
    let mut sensors = sensors.into_iter().flatten();
    sensors.any(|sensor| now.since(sensor.timestamp_ns) > OLD_NS)
}
