// SPDX-License-Identifier: GPL-2.0
//! `accelctl events`: tells what happens on accelerators, as it happens.

use std::io::Write;
use std::time::Duration;

use accel::{Device, Event, EventMask, EventType};
use clap::ValueEnum;
use rustix::io::Errno;
use schemars::JsonSchema;
use serde::Serialize;

use crate::choice;
use crate::failure::Result;
use crate::follow::Following;
use crate::json::{self, Document};
use crate::system::{Moment, System};

/// What to tell, and when to stop.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The types that are wanted; all if empty.
    pub kinds: Vec<Kind>,
    /// Events after which to stop.
    pub count: Option<u64>,
    /// Time without an event after which to stop.
    pub timeout: Option<Duration>,
    /// Write JSON.
    pub json: bool,
}

/// A group of event types, as people name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A reset begins or ends
    Reset,
    /// A queue was refused an access to memory
    Fault,
    /// A queue was stopped because of a job that did not end
    Timeout,
    /// The driver reported a hardware error
    Error,
    /// The device was taken out of service
    Isolated,
    /// A process opened or closed the device
    Context,
    /// The device is gone
    Removed,
}

impl Kind {
    fn types(self) -> &'static [EventType] {
        match self {
            Self::Reset => &[EventType::ResetBegin, EventType::ResetEnd],
            Self::Fault => &[EventType::Fault],
            Self::Timeout => &[EventType::Timeout],
            Self::Error => &[EventType::Error],
            Self::Isolated => &[EventType::Isolated],
            Self::Context => &[EventType::ContextOpen, EventType::ContextClose],
            Self::Removed => &[EventType::Removed],
        }
    }
}

fn mask(kinds: &[Kind]) -> EventMask {
    match kinds {
        [] => EventMask::ALL,
        kinds => kinds
            .iter()
            .flat_map(|kind| kind.types())
            .copied()
            .collect(),
    }
}

/// Tells the events of the device `name`, or of all, also of those that come later.
pub fn run(
    system: &dyn System,
    name: Option<&str>,
    options: &Options,
    out: &mut dyn Write,
) -> Result<()> {
    // Before the list, so that none comes between.
    let mut following = Following::new(system, mask(&options.kinds), name.is_none())?;
    for device in choice::all(system, name, options.json)? {
        following.follow(&device)?;
    }
    let mut left = options.count.unwrap_or(u64::MAX);
    while left > 0 {
        let Some((device, event)) = following.next(options.timeout) else {
            break;
        };
        write(&device, &event?, system.now(), options.json, out)?;
        left -= 1;
    }
    Ok(())
}

/// An event, for programs; the times of the document are its own.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Record {
    /// On which device.
    device: String,
    /// What it is about.
    r#type: EventType,
    /// Its number on the device, from 0. A gap is what was not asked for, or was lost.
    sequence: u64,
    /// Of a fault, the address; none for who has no `CAP_PERFMON`.
    fault_address: Option<u64>,
    /// Of `lost`, how many; of `reset_end`, 0 or the errno; of `error`, the driver's number; of
    /// contexts, their number; else 0.
    value: u64,
    /// The queue that it is about, if any.
    queue: Option<u32>,
    /// PASID of the context that it is about; none for who has no `CAP_PERFMON`.
    pasid: Option<u32>,
    /// The process that opened that context; none for who has no `CAP_PERFMON`.
    pid: Option<i32>,
}

impl Record {
    fn new(device: &Device, event: &Event) -> Self {
        Self {
            device: device.to_string(),
            r#type: event.kind,
            sequence: event.sequence,
            fault_address: fault_address(event),
            value: event.value,
            queue: event.queue,
            pasid: event.pasid,
            pid: event.pid,
        }
    }
}

fn write(
    device: &Device,
    event: &Event,
    now: Moment,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<()> {
    if as_json {
        let record = Record::new(device, event);
        return json::line(&Document::new(now.at(event.timestamp_ns), record), out);
    }
    writeln!(out, "{}", line(device, event))?;
    Ok(out.flush()?)
}

/// The line of an event for people; its time is as in the kernel log.
fn line(device: &Device, event: &Event) -> String {
    let (seconds, ns) = (
        event.timestamp_ns / 1_000_000_000,
        event.timestamp_ns % 1_000_000_000,
    );
    format!(
        "[{seconds:5}.{:06}] {device} {}: {}{}",
        ns / 1000,
        event.kind,
        sentence(device, event),
        who(event)
    )
}

fn sentence(device: &Device, event: &Event) -> String {
    let queue = event
        .queue
        .map_or("a queue".into(), |queue| format!("queue {queue}"));
    match event.kind {
        EventType::Lost => format!("{} events were lost, they came too fast", event.value),
        EventType::ResetBegin => "the device is being reset".into(),
        EventType::ResetEnd => reset_end(event.value),
        EventType::Fault => match fault_address(event) {
            Some(address) => format!("{queue} was refused an access to {address:#x}"),
            None => format!("{queue} was refused an access"),
        },
        EventType::Timeout => format!("{queue} was stopped: a job did not end in time"),
        EventType::Error => format!("hardware error {:#x}", event.value),
        EventType::Isolated => {
            format!("the device was taken out of service; `accelctl reset {device}` brings it back")
        }
        EventType::ContextOpen => format!("context {} was opened", event.value),
        EventType::ContextClose => format!("context {} was closed", event.value),
        EventType::Removed => "the device is gone".into(),
        _ => format!("value {:#x}, address {:#x}", event.value, event.address),
    }
}

fn reset_end(value: u64) -> String {
    let errno = i32::try_from(value).ok().filter(|&errno| errno != 0);
    match errno.map(Errno::from_raw_os_error) {
        None => "the device was reset".into(),
        Some(errno) => format!("the reset failed: {errno}"),
    }
}

/// Where it was; without the capability the kernel tells 0 for this and for who it was.
fn fault_address(event: &Event) -> Option<u64> {
    let is_told = event.address != 0 || event.pid.is_some();
    (event.kind == EventType::Fault && is_told).then_some(event.address)
}

fn who(event: &Event) -> String {
    match (event.pid, event.pasid) {
        (None, None) => String::new(),
        (Some(pid), None) => format!(" (pid {pid})"),
        (None, Some(pasid)) => format!(" (PASID {pasid})"),
        (Some(pid), Some(pasid)) => format!(" (pid {pid}, PASID {pasid})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, said, text};

    fn event(kind: EventType, value: u64) -> Event {
        Event {
            kind,
            sequence: 4,
            timestamp_ns: 12_345_678_901,
            address: 0,
            value,
            queue: None,
            pasid: None,
            pid: None,
        }
    }

    fn fault() -> Event {
        Event {
            address: 0x7f00,
            queue: Some(3),
            pasid: Some(5),
            pid: Some(700),
            ..event(EventType::Fault, 0)
        }
    }

    fn fake() -> Fake {
        let fake = Fake::with(1);
        fake.device(0).events = vec![
            event(EventType::ContextOpen, 12),
            fault(),
            event(EventType::Lost, 7),
            event(EventType::ResetEnd, 0),
        ];
        fake
    }

    fn told(fake: &Fake, options: &Options) -> String {
        text(|out| run(fake, None, options, out))
    }

    #[test]
    fn people_get_a_line_for_each_event() {
        assert_eq!(
            told(&fake(), &Options::default()),
            "[   12.345678] accel0 context-open: context 12 was opened\n\
             [   12.345678] accel0 fault: queue 3 was refused an access to 0x7f00 \
             (pid 700, PASID 5)\n\
             [   12.345678] accel0 lost: 7 events were lost, they came too fast\n\
             [   12.345678] accel0 reset-end: the device was reset\n"
        );
    }

    #[test]
    fn each_type_has_a_sentence() {
        let device = Device::by_index(2);
        for (kind, value, part) in [
            (EventType::ResetBegin, 0, "being reset"),
            (EventType::ResetEnd, 5, "the reset failed: "),
            (EventType::Fault, 0, "a queue was refused an access"),
            (EventType::Timeout, 0, "a job did not end in time"),
            (EventType::Error, 26, "hardware error 0x1a"),
            (EventType::Isolated, 0, "`accelctl reset accel2`"),
            (EventType::ContextClose, 9, "context 9 was closed"),
            (EventType::Removed, 0, "gone"),
            (EventType::Unknown(77), 1, "unknown (77): value 0x1"),
        ] {
            let line = line(&device, &event(kind, value));
            assert!(line.contains(part), "{line}");
        }
    }

    #[test]
    fn types_are_chosen_and_losses_told_all_the_same() {
        let options = Options {
            kinds: vec![Kind::Fault, Kind::Reset],
            ..Options::default()
        };
        let text = told(&fake(), &options);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains("lost") && !text.contains("context"), "{text}");
    }

    #[test]
    fn programs_get_a_value_for_each_line() {
        let options = Options {
            json: true,
            ..Options::default()
        };
        let fake = fake();
        fake.slept.set(Duration::from_secs(5));
        let text = told(&fake, &options);
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(
            lines[1],
            serde_json::json!({
                "schema_version": 1, "time": "2026-01-01T00:00:02.345Z",
                "timestamp_ns": 12_345_678_901_u64,
                "device": "accel0", "type": "fault", "sequence": 4, "fault_address": 0x7f00,
                "value": 0, "queue": 3, "pasid": 5, "pid": 700,
            })
        );
        assert_eq!(lines[2]["type"], "lost");
        assert!(lines[2]["queue"].is_null());
    }

    #[test]
    fn it_stops_when_told() {
        let options = Options {
            count: Some(2),
            ..Options::default()
        };
        assert_eq!(told(&fake(), &options).lines().count(), 2);
    }

    fn text_of_one(fake: &Fake) -> String {
        text(|out| run(fake, Some("accel0"), &Options::default(), out))
    }

    #[test]
    fn all_devices_are_followed() {
        let fake = Fake::with(3);
        for index in 0..3 {
            fake.device(index).events = vec![event(EventType::Isolated, 0)];
        }
        let text = told(&fake, &Options::default());
        for name in ["accel0 ", "accel1 ", "accel2 "] {
            assert!(text.contains(name), "{text}");
        }
        let mut fake = Fake::with(1);
        fake.device(0).events = vec![event(EventType::Isolated, 0)];
        fake.arriving = vec![0];
        assert_eq!(told(&fake, &Options::default()).lines().count(), 2);
        let one = text_of_one(&fake);
        assert_eq!(one.lines().count(), 1, "{one}");
    }

    #[test]
    fn a_device_that_cannot_be_opened_is_an_error() {
        let fake = Fake::with(2);
        fake.device(1).silent = true;
        let options = Options::default();
        assert!(said(run(&fake, None, &options, &mut Vec::new())).contains("accel_monitor1"));
    }
}
