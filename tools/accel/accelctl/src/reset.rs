// SPDX-License-Identifier: GPL-2.0
//! `accelctl reset`: resets an accelerator.

use std::io::Write;
use std::time::Instant;

use accel::{Device, Inquire, Status, StatusInfo};
use schemars::JsonSchema;
use serde::Serialize;

use crate::failure::Result;
use crate::json::{self, Document};
use crate::system::System;

/// What happened.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Outcome {
    /// The device that was reset.
    device: String,
    /// The state just before.
    status_before: Option<Status>,
    /// Queues that there were just before.
    queues_ended: Option<u32>,
    /// The state now.
    status: Option<Status>,
    /// Resets that the device has gone through.
    generation: Option<u32>,
    /// Nanoseconds that it took.
    duration_ns: u64,
}

/// Resets the device `name`.
pub fn run(system: &dyn System, name: &str, as_json: bool, out: &mut dyn Write) -> Result<()> {
    let device = Device::by_name(name)?;
    let before = status(system, &device);
    let begin = Instant::now();
    system.reset(&device)?;
    let duration_ns = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let after = status(system, &device);
    let outcome = Outcome {
        device: device.to_string(),
        status_before: before.map(|status| status.status),
        queues_ended: before.map(|status| status.queues),
        status: after.map(|status| status.status),
        generation: after.map(|status| status.generation),
        duration_ns,
    };
    if as_json {
        return json::write(&Document::new(system.now(), outcome), out);
    }
    Ok(writeln!(out, "{}", sentence(&outcome))?)
}

/// The state of the device; a reset does not fail because it is not told.
fn status(system: &dyn System, device: &Device) -> Option<StatusInfo> {
    system.ask(device).ok()?.status().ok()
}

fn sentence(outcome: &Outcome) -> String {
    let ms = outcome.duration_ns / 1_000_000;
    let mut text = format!("{}: reset in {ms} ms", outcome.device);
    if outcome.status_before == Some(Status::Isolated) {
        text += "; it was isolated";
    }
    match outcome.queues_ended {
        None | Some(0) => {}
        Some(1) => text += "; 1 queue ended",
        Some(count) => text += &format!("; {count} queues ended"),
    }
    if let Some(status) = outcome.status {
        text += &format!("; it is {status} now");
    }
    text
}

#[cfg(test)]
mod tests {
    use accel::uapi;
    use rustix::io::Errno;

    use super::*;
    use crate::fake::{Fake, json, said, text};

    #[test]
    fn people_are_told_what_it_cost() {
        let fake = Fake::with(1);
        let text = text(|out| run(&fake, "0", false, out));
        assert!(text.starts_with("accel0: reset in "), "{text}");
        assert!(
            text.ends_with(" ms; 3 queues ended; it is operational now\n"),
            "{text}"
        );
    }

    #[test]
    fn an_isolated_device_comes_back() {
        let fake = Fake::with(1);
        fake.device(0).status.status = uapi::STATUS_ISOLATED;
        fake.device(0).status.queues = 1;
        let text = text(|out| run(&fake, "accel0", false, out));
        assert!(
            text.contains("; it was isolated; 1 queue ended; "),
            "{text}"
        );
    }

    #[test]
    fn programs_get_states_and_counts() {
        let json = json(|out| run(&Fake::with(1), "accel0", true, out));
        assert_eq!(json["device"], "accel0");
        assert_eq!(json["status_before"], "operational");
        assert_eq!(json["queues_ended"], 3);
        assert_eq!(json["status"], "operational");
        assert_eq!(json["generation"], 2);
        assert!(json["duration_ns"].is_u64());
    }

    #[test]
    fn each_failure_says_what_to_do() {
        let fake = Fake::with(1);
        for (errno, part) in [
            (Errno::PERM, "root"),
            (Errno::OPNOTSUPP, "driver can't"),
            (Errno::IO, "isolated now"),
        ] {
            fake.device(0).reset_errno = Some(errno);
            let text = said(run(&fake, "accel0", false, &mut Vec::new()));
            assert!(text.contains(part), "{text}");
        }
        fake.device(0).silent = true;
        let text = said(run(&fake, "accel0", false, &mut Vec::new()));
        assert!(text.starts_with("/dev/accel0: cannot be opened"), "{text}");
    }
}
