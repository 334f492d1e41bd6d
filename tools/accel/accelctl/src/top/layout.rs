// SPDX-License-Identifier: GPL-2.0
//! Where what is shown.

use accel::Status;

use super::rates::{DeviceLine, ProcessLine, View};
use super::state::State;
use crate::table::{self, Column};
use crate::units::{or_unknown, percent, short, size, words};

/// A line of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// No longer than the screen is wide.
    pub text: String,
    /// What it is.
    pub look: Look,
}

/// What a line is, and how far it stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Of the title and the heads of tables.
    Head,
    /// Of all else.
    Plain,
    /// Of a device that does not work.
    Bad,
}

/// Lines that are neither a device nor a process: the title, two heads, one between the tables,
/// the keys.
const FIXED: usize = 5;

const KEYS: &str = "q quit   ↑ k / ↓ j scroll   s sort   ^Z stop";

/// The lines of a screen of this size, never more or longer than fit.
pub fn frame(view: &View, state: &State, width: usize, height: usize) -> Vec<Line> {
    let mut lines = vec![head(title(view, state))];
    lines.extend(device_lines(view, height));
    lines.push(plain(String::new()));
    lines.extend(process_lines(view, state, height));
    // What does not fit is the end of the tables, and not the keys.
    lines.resize(height.saturating_sub(1), plain(String::new()));
    lines.push(plain(KEYS.into()));
    lines.truncate(height);
    for line in &mut lines {
        line.text = line.text.chars().take(width).collect();
    }
    lines
}

/// Both tables as they are, for a file or a pipe.
pub fn tables(view: &View) -> String {
    let devices = device_table(&view.devices);
    let processes = process_table(&view.processes);
    let lines = devices.into_iter().chain([String::new()]).chain(processes);
    lines.map(|line| line + "\n").collect()
}

/// Processes that do not fit a screen of this height.
pub fn hidden_processes(view: &View, height: usize) -> usize {
    view.processes
        .len()
        .saturating_sub(process_room(view, height))
}

fn head(text: String) -> Line {
    let look = Look::Head;
    Line { text, look }
}

fn plain(text: String) -> Line {
    let look = Look::Plain;
    Line { text, look }
}

fn title(view: &View, state: &State) -> String {
    let count = |count: usize, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    };
    format!(
        "accelctl top: {}, {}, sorted by {}",
        count(view.devices.len(), "device", "devices"),
        count(view.processes.len(), "process", "processes"),
        state.sort
    )
}

/// Devices that are shown: all, if that leaves half of the room to processes.
fn device_room(view: &View, height: usize) -> usize {
    let half = height.saturating_sub(FIXED).div_ceil(2);
    view.devices.len().min(half)
}

fn process_room(view: &View, height: usize) -> usize {
    height.saturating_sub(FIXED + device_room(view, height))
}

fn device_lines(view: &View, height: usize) -> Vec<Line> {
    let room = device_room(view, height);
    let mut lines = with_head(device_table(&view.devices));
    for (line, device) in lines.iter_mut().skip(1).zip(&view.devices) {
        if !works(device) {
            line.look = Look::Bad;
        }
    }
    if room < view.devices.len() && room > 0 {
        lines.truncate(room);
        let more = view.devices.len() + 1 - room;
        lines.push(plain(format!("and {more} more")));
    }
    lines
}

fn process_lines(view: &View, state: &State, height: usize) -> Vec<Line> {
    let mut lines = with_head(process_table(&view.processes));
    let rows = lines.split_off(1).into_iter();
    let shown = rows.skip(state.scroll).take(process_room(view, height));
    lines.extend(shown);
    lines
}

/// Whether it takes jobs, or soon does again.
fn works(device: &DeviceLine) -> bool {
    matches!(device.status, Some(Status::Operational | Status::InReset))
}

fn with_head(table: Vec<String>) -> Vec<Line> {
    let mut lines: Vec<_> = table.into_iter().map(plain).collect();
    lines[0].look = Look::Head;
    lines
}

const DEVICES: [Column; 11] = [
    Column::words("DEVICE"),
    Column::words("STATUS"),
    Column::numbers("BUSY%"),
    Column::numbers("JOBS/S"),
    Column::numbers("QUEUES"),
    Column::numbers("CONTEXTS"),
    Column::numbers("MEMORY"),
    Column::numbers("TEMP"),
    Column::numbers("POWER"),
    Column::numbers("ERRORS"),
    Column::words("NAME"),
];

fn device_table(devices: &[DeviceLine]) -> Vec<String> {
    let rows: Vec<_> = devices.iter().map(device_row).collect();
    table::lines(&DEVICES, &rows)
}

fn device_row(line: &DeviceLine) -> Vec<String> {
    let number = |value: Option<u64>| or_unknown(value, |value| value.to_string());
    let queues = line.queues.zip(line.queues_max);
    let bytes = |count: u64| size(count as f64);
    let status = line.status.map(|status| status.to_string());
    vec![
        line.device.clone(),
        or_unknown(status, |status| status),
        or_unknown(line.busy_percent, percent),
        or_unknown(line.jobs_per_second, short),
        or_unknown(queues, |(used, max)| format!("{used}/{max}")),
        number(line.contexts.map(Into::into)),
        or_unknown(line.memory, |memory| {
            format!("{}/{}", bytes(memory.used), bytes(memory.size))
        }),
        or_unknown(line.temperature_celsius, |value| format!("{value:.0}°C")),
        or_unknown(line.power_watts, |value| format!("{value:.1}W")),
        number(line.troubles()),
        or_unknown(line.name.clone().or_else(|| line.error.clone()), |text| {
            text
        }),
    ]
}

const PROCESSES: [Column; 11] = [
    Column::numbers("PID"),
    Column::words("COMMAND"),
    Column::numbers("UID"),
    Column::words("DEVICE"),
    Column::words("MODE"),
    Column::numbers("QUEUES"),
    Column::numbers("JOBS/S"),
    Column::numbers("BYTES/S"),
    Column::numbers("BUSY%"),
    Column::numbers("MEMORY"),
    Column::numbers("MAPPED"),
];

fn process_table(processes: &[ProcessLine]) -> Vec<String> {
    let rows: Vec<_> = processes.iter().map(process_row).collect();
    table::lines(&PROCESSES, &rows)
}

fn process_row(line: &ProcessLine) -> Vec<String> {
    vec![
        or_unknown(line.pid, |pid| pid.to_string()),
        or_unknown(line.command.clone(), |name| name),
        line.uid.to_string(),
        line.device.clone(),
        words(&line.modes),
        line.queues.to_string(),
        or_unknown(line.jobs_per_second, short),
        or_unknown(line.bytes_per_second, size),
        or_unknown(line.busy_percent, percent),
        size(line.device_memory as f64),
        size(line.mapped as f64),
    ]
}

#[cfg(test)]
mod tests {
    use accel::{AddressMode, MemoryInfo};

    use super::*;
    use crate::top::state::Sort;

    fn device(index: usize) -> DeviceLine {
        DeviceLine {
            device: format!("accel{index}"),
            name: Some("zip".into()),
            status: Some(Status::Operational),
            busy_percent: Some(87.25),
            jobs_per_second: Some(12_345.0),
            queues: Some(3),
            queues_max: Some(64),
            contexts: Some(2),
            memory: Some(MemoryInfo {
                size: 64 << 20,
                used: 16 << 20,
                buffers: 1,
            }),
            temperature_celsius: Some(45.5),
            hardware_errors: Some(7),
            ..DeviceLine::default()
        }
    }

    fn process(index: usize) -> ProcessLine {
        ProcessLine {
            device: "accel0".into(),
            pid: Some(700 + i32::try_from(index).unwrap()),
            command: Some("accel-gzip".into()),
            uid: 1000,
            modes: vec![AddressMode::Shared],
            contexts: 1,
            queues: 3,
            device_memory: 8 << 20,
            mapped: 0,
            interval_ns: None,
            jobs_per_second: Some(12_345.0),
            bytes_per_second: Some(1.5 * 1_073_741_824.0),
            busy_percent: None,
        }
    }

    fn view(devices: usize, processes: usize) -> View {
        View {
            devices: (0..devices).map(device).collect(),
            processes: (0..processes).map(process).collect(),
        }
    }

    fn texts(view: &View, scroll: usize, width: usize, height: usize) -> Vec<String> {
        let state = State {
            sort: Sort::Busy,
            scroll,
        };
        let lines = frame(view, &state, width, height);
        lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn a_screen_with_room_shows_all() {
        let lines = texts(&view(2, 2), 0, 100, 12);
        assert_eq!(
            lines,
            [
                "accelctl top: 2 devices, 2 processes, sorted by busy",
                concat!(
                    "DEVICE  STATUS       BUSY%  JOBS/S  QUEUES  CONTEXTS   MEMORY  TEMP  POWER  ",
                    "ERRORS  NAME",
                ),
                concat!(
                    "accel0  operational   87.2     12k    3/64         2  16M/64M  46°C      -  ",
                    "     7  zip",
                ),
                concat!(
                    "accel1  operational   87.2     12k    3/64         2  16M/64M  46°C      -  ",
                    "     7  zip",
                ),
                "",
                "PID  COMMAND      UID  DEVICE  MODE    QUEUES  JOBS/S  BYTES/S  BUSY%  MEMORY  MAPPED",
                "700  accel-gzip  1000  accel0  shared       3     12k     1.5G      -      8M       0",
                "701  accel-gzip  1000  accel0  shared       3     12k     1.5G      -      8M       0",
                "",
                "",
                "",
                KEYS,
            ]
        );
    }

    #[test]
    fn it_fits_every_size() {
        for view in [
            view(0, 0),
            view(1, 0),
            view(3, 40),
            view(40, 3),
            view(40, 40),
        ] {
            for (width, height) in [
                (0, 0),
                (1, 1),
                (10, 2),
                (20, 5),
                (40, 6),
                (40, 7),
                (80, 24),
                (200, 60),
            ] {
                let lines = texts(&view, 0, width, height);
                assert_eq!(lines.len(), height, "{width}x{height}");
                let longest = lines.iter().map(|line| line.chars().count()).max();
                assert!(longest.unwrap_or(0) <= width, "{width}x{height}");
            }
        }
    }

    #[test]
    fn the_keys_are_always_last() {
        for height in 1..30 {
            let lines = texts(&view(9, 30), 0, 100, height);
            assert_eq!(lines.last().map(String::as_str), Some(KEYS), "{height}");
        }
    }

    #[test]
    fn processes_scroll_under_their_head() {
        let view = view(1, 30);
        let lines = texts(&view, 5, 80, 12);
        assert!(lines[4].starts_with("PID"), "{lines:?}");
        assert!(lines[5].starts_with("705"), "{lines:?}");
        assert!(lines[10].starts_with("710"), "{lines:?}");
        assert_eq!(hidden_processes(&view, 12), 24);
        assert_eq!(hidden_processes(&view, 100), 0);
        let last = texts(&view, 24, 80, 12);
        assert!(last[10].starts_with("729"), "{last:?}");
    }

    #[test]
    fn many_devices_leave_room_for_processes() {
        let lines = texts(&view(20, 20), 0, 80, 15);
        assert!(lines[5].starts_with("accel3"), "{lines:?}");
        assert_eq!(lines[6], "and 16 more");
        assert!(lines[8].starts_with("PID"), "{lines:?}");
        assert!(lines[9].starts_with("700"), "{lines:?}");
    }

    #[test]
    fn a_silent_device_says_why() {
        let mut view = view(1, 0);
        view.devices.push(DeviceLine {
            device: "accel1".into(),
            error: Some("no access".into()),
            ..DeviceLine::default()
        });
        let text = tables(&view);
        let line = text.lines().nth(2).unwrap();
        assert!(line.starts_with("accel1  -"), "{text}");
        assert!(line.ends_with("no access"), "{text}");
    }

    #[test]
    fn heads_stand_out() {
        let lines = frame(&view(1, 1), &State::default(), 80, 10);
        let heads: Vec<_> = lines.iter().map(|line| line.look == Look::Head).collect();
        let expected = [true, true, false, false, true, false];
        assert_eq!(heads[..6], expected);
    }

    #[test]
    fn what_does_not_work_stands_out_on_a_small_screen() {
        let mut view = view(3, 0);
        view.devices[1].status = Some(Status::Isolated);
        view.devices[1].name = Some("a name of sixty-four characters or so ".repeat(2));
        view.devices[2].status = None;
        let lines = frame(&view, &State::default(), 80, 24);
        let looks: Vec<_> = lines[2..5].iter().map(|line| line.look).collect();
        assert_eq!(looks, [Look::Plain, Look::Bad, Look::Bad]);
        assert!(lines[3].text.starts_with("accel1  isolated"), "{lines:?}");
    }
}
