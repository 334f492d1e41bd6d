// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Tells what there is, and then what happens on the first device.

use accel::{Device, EventMask, Inquire};

fn main() -> accel::Result<()> {
    let devices = Device::list_some()?;
    for device in &devices {
        let monitor = device.monitor()?;
        println!(
            "{device}: {}, {}",
            monitor.facts()?.name,
            monitor.status()?.status
        );
    }
    for event in devices[0].monitor()?.events(EventMask::ALL)? {
        println!("{}: {}", devices[0], event?.kind);
    }
    Ok(())
}
