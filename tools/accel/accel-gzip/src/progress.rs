// SPDX-License-Identifier: GPL-2.0
//! One line on a terminal that tells how far it is.

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
    /// A line for `name`, of `total` bytes where that is known.
    pub fn new(name: &str, total: Option<u64>, quiet: bool) -> Self {
        if quiet || !stderr().is_terminal() {
            return Self(None);
        }
        let now = Instant::now();
        Self(Some(Line {
            name: name.into(),
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
}
