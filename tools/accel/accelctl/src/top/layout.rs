// SPDX-License-Identifier: GPL-2.0
//! Where what is shown.

use accel::Status;

use super::rates::{DeviceLine, HISTORY, ProcessLine, View};
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

const KEYS: &str = "q quit   ↑ ↓ processes   ← → columns   s sort   ? help";

/// What keys and columns mean: of a screen of 80 times 24.
const HELP: [&str; 20] = [
    "",
    "q  Ctrl-C   quit",
    "↑ ↓  k j    scroll the processes",
    "← →         scroll the columns",
    "s           sort the processes by something else",
    "?  h  F1    this page; any other key ends it",
    "Ctrl-Z      stop",
    "",
    "BUSY%       part of the time that the device worked, the sum of its queues:",
    "            above 100 where it works on several at once",
    "HISTORY     that at the last looks, this one at the right, full at 100",
    "ERRORS      hardware errors, faults and timeouts since it was registered",
    "CONTEXTS    opens of the compute node",
    "MEMORY      of a device, its own: in buffers, and all; of a process, its part",
    "MAPPED      buffers mapped into address spaces of the process's own",
    "TEMP POWER  the highest of its sensors",
    "",
    "Letters behind bytes are powers of 1024, behind jobs of 1000. A dash is what is",
    "not known, or not yet. Devices that take no jobs are red, or reversed with",
    "NO_COLOR. Who has CAP_PERFMON sees the processes of all.",
];

/// The lines of a screen of this size, never more or longer than fit.
pub fn frame(view: &View, state: &State, width: usize, height: usize) -> Vec<Line> {
    let mut lines = vec![head(title(view, state))];
    if state.help {
        lines.extend(HELP.map(|line| plain(line.into())));
    } else {
        lines.extend(device_lines(view, state, height));
        lines.push(plain(String::new()));
        lines.extend(process_lines(view, state, height));
    }
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
    let devices = table::lines(&DEVICES, &device_rows(view));
    let processes = table::lines(&PROCESSES, &process_rows(view));
    let lines = devices.into_iter().chain([String::new()]).chain(processes);
    lines.map(|line| line + "\n").collect()
}

/// Processes that do not fit a screen of this height.
pub fn hidden_processes(view: &View, height: usize) -> usize {
    view.processes
        .len()
        .saturating_sub(process_room(view, height))
}

/// Columns to scroll until the last of both tables is seen on a screen of this width.
pub fn hidden_columns(view: &View, width: usize) -> usize {
    let fits = |skip: &usize| {
        let mut lines = live_devices(view, *skip);
        lines.extend(live_processes(view, *skip));
        lines.iter().all(|line| line.chars().count() <= width)
    };
    let most = LIVE_DEVICES.len().max(PROCESSES.len()) - 2;
    (0..most).find(fits).unwrap_or(most)
}

fn live_devices(view: &View, skip: usize) -> Vec<String> {
    let mut rows = device_rows(view);
    for (row, device) in rows.iter_mut().zip(&view.devices) {
        row.insert(HISTORY_AT, history(device));
    }
    table::lines_from(&LIVE_DEVICES, &rows, skip)
}

fn live_processes(view: &View, skip: usize) -> Vec<String> {
    table::lines_from(&PROCESSES, &process_rows(view), skip)
}

/// Bars of the last looks, empty where that is not known.
fn history(device: &DeviceLine) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let known = device.history.iter().flatten();
    let full = known.fold(100.0, |full: f64, value| full.max(*value));
    let bar = |value: &Option<f64>| {
        value.map_or(' ', |value| {
            let part = (value / full * (BARS.len() - 1) as f64).round();
            BARS[(part as usize).min(BARS.len() - 1)]
        })
    };
    let bars: String = device.history.iter().map(bar).collect();
    format!("{bars:>HISTORY$}")
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

fn device_lines(view: &View, state: &State, height: usize) -> Vec<Line> {
    let room = device_room(view, height);
    let mut lines = with_head(live_devices(view, state.column));
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
    let mut lines = with_head(live_processes(view, state.column));
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
    Column::numbers("ERRORS"),
    Column::numbers("CONTEXTS"),
    Column::numbers("MEMORY"),
    Column::numbers("TEMP"),
    Column::numbers("POWER"),
    Column::words("NAME"),
];

/// Place of the history among the columns of devices.
const HISTORY_AT: usize = 3;

/// As [`DEVICES`], with the history.
const LIVE_DEVICES: [Column; 12] = {
    let [
        device,
        status,
        busy,
        jobs,
        queues,
        errors,
        contexts,
        memory,
        temp,
        power,
        name,
    ] = DEVICES;
    let history = Column::words("HISTORY");
    [
        device, status, busy, history, jobs, queues, errors, contexts, memory, temp, power, name,
    ]
};

fn device_rows(view: &View) -> Vec<Vec<String>> {
    view.devices.iter().map(device_row).collect()
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
        number(line.troubles()),
        number(line.contexts.map(Into::into)),
        or_unknown(line.memory, |memory| {
            format!("{}/{}", bytes(memory.used), bytes(memory.size))
        }),
        or_unknown(line.temperature_celsius, |value| format!("{value:.0}°C")),
        or_unknown(line.power_watts, |value| format!("{value:.1}W")),
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

fn process_rows(view: &View) -> Vec<Vec<String>> {
    view.processes.iter().map(process_row).collect()
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
            history: [None, Some(0.0), Some(45.0), Some(99.0)].into(),
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
            scroll,
            ..State::new(Sort::Busy)
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
                    "DEVICE  STATUS       BUSY%  HISTORY     JOBS/S  QUEUES  ERRORS  ",
                    "CONTEXTS   MEMORY  TEMP  POWER  NAME",
                ),
                concat!(
                    "accel0  operational   87.2         ▁▄█     12k    3/64       7  ",
                    "       2  16M/64M  46°C      -  zip",
                ),
                concat!(
                    "accel1  operational   87.2         ▁▄█     12k    3/64       7  ",
                    "       2  16M/64M  46°C      -  zip",
                ),
                "",
                concat!(
                    "PID  COMMAND      UID  DEVICE  MODE    QUEUES  ",
                    "JOBS/S  BYTES/S  BUSY%  MEMORY  MAPPED",
                ),
                concat!(
                    "700  accel-gzip  1000  accel0  shared       3  ",
                    "   12k     1.5G      -      8M       0",
                ),
                concat!(
                    "701  accel-gzip  1000  accel0  shared       3  ",
                    "   12k     1.5G      -      8M       0",
                ),
                "",
                "",
                "",
                KEYS,
            ]
        );
    }

    #[test]
    fn every_column_can_be_seen_on_a_small_screen() {
        let view = view(2, 2);
        let hidden = hidden_columns(&view, 80);
        assert!(hidden > 0);
        let mut seen = String::new();
        for column in 0..=hidden {
            let state = State {
                column,
                ..State::default()
            };
            let lines = frame(&view, &state, 80, 24);
            assert!(lines[2].text.starts_with("accel0  "), "{lines:?}");
            assert!(lines[6].text.starts_with("700  "), "{lines:?}");
            seen.extend(lines.into_iter().map(|line| line.text + "\n"));
        }
        for title in ["STATUS", "POWER  NAME\n", "COMMAND", "MEMORY  MAPPED\n"] {
            assert!(seen.contains(title), "{title}\n{seen}");
        }
        assert_eq!(hidden_columns(&view, 200), 0);
        assert!(hidden_columns(&view, 1) < LIVE_DEVICES.len() - 1);
    }

    #[test]
    fn bars_are_as_high_as_the_device_was_busy() {
        let mut device = device(0);
        for (values, bars) in [
            (vec![], "          "),
            (vec![None, Some(0.0), Some(100.0)], "        ▁█"),
            (vec![Some(50.0), Some(200.0)], "        ▃█"),
            (vec![Some(100.0); HISTORY], "██████████"),
        ] {
            device.history = values.into();
            assert_eq!(history(&device), bars);
        }
    }

    #[test]
    fn the_help_fits_a_small_screen() {
        let state = State {
            help: true,
            ..State::default()
        };
        let lines = frame(&view(3, 3), &state, 80, 24);
        assert_eq!(lines.len(), 24);
        let last = HELP.iter().rposition(|line| !line.is_empty()).unwrap();
        assert_eq!(lines[1 + last].text, HELP[last]);
        assert_eq!(lines[23].text, KEYS);
        let longest = HELP.iter().map(|line| line.chars().count()).max();
        assert!(longest <= Some(80), "{longest:?}");
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
