// SPDX-License-Identifier: GPL-2.0
//! What a person has chosen on the live screen.

use std::cmp::Ordering;
use std::fmt;

use clap::ValueEnum;

use super::rates::ProcessLine;

/// What processes are sorted by, the highest first but for their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// Time that the device worked for them
    #[default]
    Busy,
    /// Jobs per second
    Jobs,
    /// Bytes per second
    Bytes,
    /// Queues
    Queues,
    /// Number of the process
    Pid,
}

impl Sort {
    /// The next one, for the key.
    fn next(self) -> Self {
        match self {
            Self::Busy => Self::Jobs,
            Self::Jobs => Self::Bytes,
            Self::Bytes => Self::Queues,
            Self::Queues => Self::Pid,
            Self::Pid => Self::Busy,
        }
    }

    /// Puts processes in this order.
    pub fn apply(self, processes: &mut [ProcessLine]) {
        processes.sort_by(|one, other| {
            self.compare(one, other)
                .then_with(|| (one.pid, &one.device).cmp(&(other.pid, &other.device)))
        });
    }

    fn compare(self, one: &ProcessLine, other: &ProcessLine) -> Ordering {
        let falling = |get: fn(&ProcessLine) -> Option<f64>| {
            let value = |line| get(line).unwrap_or(-1.0);
            value(other).total_cmp(&value(one))
        };
        match self {
            Self::Busy => falling(|line| line.busy_percent),
            Self::Jobs => falling(|line| line.jobs_per_second),
            Self::Bytes => falling(|line| line.bytes_per_second),
            Self::Queues => other.queues.cmp(&one.queues),
            Self::Pid => Ordering::Equal,
        }
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "busy",
            Self::Jobs => "jobs",
            Self::Bytes => "bytes",
            Self::Queues => "queues",
            Self::Pid => "pid",
        })
    }
}

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// End.
    Quit,
    /// One line up.
    Up,
    /// One line down.
    Down,
    /// One column to the left.
    Left,
    /// One column to the right.
    Right,
    /// What keys and columns mean.
    Help,
    /// Sort by something else.
    Sort,
    /// Stop, as other programs do at this key.
    Stop,
    /// Draw anew, because the terminal has another size.
    Redraw,
}

/// The choices.
#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    /// What processes are sorted by.
    pub sort: Sort,
    /// Processes above the first that is shown.
    pub scroll: usize,
    /// Columns left of the first that is shown behind the names.
    pub column: usize,
    /// Whether keys and columns are explained in the place of the tables.
    pub help: bool,
}

impl State {
    /// At the top.
    pub fn new(sort: Sort) -> Self {
        Self {
            sort,
            ..Self::default()
        }
    }

    /// Does what a key means.
    pub fn take(&mut self, action: Action) {
        if self.help && action != Action::Redraw {
            self.help = false;
            return;
        }
        match action {
            Action::Up => self.scroll = self.scroll.saturating_sub(1),
            Action::Down => self.scroll += 1,
            Action::Left => self.column = self.column.saturating_sub(1),
            Action::Right => self.column += 1,
            Action::Help => self.help = true,
            Action::Sort => self.sort = self.sort.next(),
            Action::Quit | Action::Stop | Action::Redraw => {}
        }
    }

    /// Does not scroll further than to the last of the processes that don't fit, and the columns.
    pub fn limit(&mut self, processes: usize, columns: usize) {
        self.scroll = self.scroll.min(processes);
        self.column = self.column.min(columns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, queues: u32, busy: Option<f64>) -> ProcessLine {
        ProcessLine {
            device: "accel0".into(),
            pid: Some(pid),
            command: None,
            uid: 0,
            modes: Vec::new(),
            contexts: 1,
            queues,
            device_memory: 0,
            mapped: 0,
            interval_ns: None,
            jobs_per_second: busy.map(|busy| 100.0 - busy),
            bytes_per_second: None,
            busy_percent: busy,
        }
    }

    #[test]
    fn the_highest_is_first() {
        let all = [
            process(3, 1, Some(10.0)),
            process(1, 9, None),
            process(2, 5, Some(50.0)),
        ];
        for (sort, pids) in [
            (Sort::Busy, [2, 3, 1]),
            (Sort::Jobs, [3, 2, 1]),
            (Sort::Bytes, [1, 2, 3]),
            (Sort::Queues, [1, 2, 3]),
            (Sort::Pid, [1, 2, 3]),
        ] {
            let mut lines = all.to_vec();
            sort.apply(&mut lines);
            let order: Vec<_> = lines.iter().filter_map(|line| line.pid).collect();
            assert_eq!(order, pids, "{sort}");
        }
    }

    #[test]
    fn the_key_goes_through_all_orders() {
        let mut state = State::default();
        let mut seen = Vec::new();
        for _ in Sort::value_variants() {
            seen.push(state.sort);
            state.take(Action::Sort);
        }
        assert_eq!(seen, Sort::value_variants());
        assert_eq!(state.sort, Sort::Busy);
    }

    #[test]
    fn scrolling_ends_at_both_ends() {
        let mut state = State::default();
        state.take(Action::Up);
        assert_eq!(state.scroll, 0);
        for _ in 0..5 {
            state.take(Action::Down);
            state.take(Action::Right);
            state.limit(2, 3);
        }
        assert_eq!((state.scroll, state.column), (2, 3));
        state.take(Action::Up);
        state.take(Action::Left);
        assert_eq!((state.scroll, state.column), (1, 2));
    }

    #[test]
    fn any_key_ends_the_help_and_does_nothing_else() {
        let mut state = State::default();
        state.take(Action::Help);
        state.take(Action::Redraw);
        assert!(state.help);
        state.take(Action::Sort);
        assert!(!state.help);
        assert_eq!(state.sort, Sort::Busy);
    }
}
