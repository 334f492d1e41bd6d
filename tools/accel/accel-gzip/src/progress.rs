// SPDX-License-Identifier: GPL-2.0
//! One line on a terminal that tells how far it is, where somebody wants to hear much.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// Time between two updates.
const PERIOD: Duration = Duration::from_millis(200);

/// The line. Where standard error is no terminal, nothing is written and no clock is read.
pub struct Progress(Option<Line>);

struct Line {
    name: String,
    total: Option<u64>,
    begun: Instant,
    updated: Instant,
    shown: bool,
}

impl Progress {
    /// A line for `name`, of `total` bytes where that is known, if it is `wanted`.
    pub fn new(name: &str, total: Option<u64>, wanted: bool) -> Self {
        if !wanted || !stderr().is_terminal() {
            return Self(None);
        }
        let now = Instant::now();
        Self(Some(Line {
            name: shortened(name),
            total,
            begun: now,
            updated: now,
            shown: false,
        }))
    }

    /// No line.
    pub fn none() -> Self {
        Self(None)
    }

    /// `position` bytes of input are taken.
    pub fn update(&mut self, position: u64) {
        let Some(line) = &mut self.0 else { return };
        if line.updated.elapsed() < PERIOD {
            return;
        }
        line.updated = Instant::now();
        line.shown = true;
        let text = describe(&line.name, position, line.total, line.begun.elapsed());
        // That progress can't be shown is no reason to stop.
        let _ = write!(stderr(), "\r{text}\x1b[K");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Self(Some(Line { shown: true, .. })) = self {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

/// Characters of a name that leave room for the rest in a line of 80.
const NAME: usize = 36;

/// `name`, or its end.
fn shortened(name: &str) -> String {
    let count = name.chars().count();
    match count > NAME {
        true => {
            let end: String = name.chars().skip(count - NAME + 1).collect();
            format!("…{end}")
        }
        false => name.into(),
    }
}

fn describe(name: &str, position: u64, total: Option<u64>, time: Duration) -> String {
    let megabytes = position as f64 / 1e6;
    let rate = megabytes / time.as_secs_f64().max(1e-9);
    match total {
        Some(total) if total > 0 => {
            let percent = position as f64 * 100.0 / total as f64;
            format!(
                "{name}: {percent:3.0}% of {:.1} MB, {rate:.1} MB/s",
                total as f64 / 1e6
            )
        }
        _ => format!("{name}: {megabytes:.1} MB, {rate:.1} MB/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_percent_where_the_total_is_known() {
        let second = Duration::from_secs(1);
        assert_eq!(
            describe("x", 5_000_000, Some(10_000_000), second),
            "x:  50% of 10.0 MB, 5.0 MB/s"
        );
        assert_eq!(
            describe("x", 5_000_000, None, second),
            "x: 5.0 MB, 5.0 MB/s"
        );
    }

    #[test]
    fn a_long_name_does_not_make_two_lines_of_it() {
        let name = shortened(&"ä".repeat(200));
        assert_eq!(name.chars().count(), NAME);
        let day = Duration::from_secs(86_400);
        let line = describe(&name, u64::MAX >> 20, Some(u64::MAX >> 20), day);
        assert!(line.chars().count() < 80, "{line}");
        assert_eq!(shortened("data"), "data");
    }
}
