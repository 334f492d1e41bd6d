// SPDX-License-Identifier: GPL-2.0
//! What is told of a file that is done.

use std::ffi::OsStr;
use std::io::{Write, stderr};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use accel::AddressMode;

use crate::bench::Measure;
use crate::decompress::Rest;

/// How this program is called.
static NAME: OnceLock<String> = OnceLock::new();

/// Sets what messages begin with to the last part of `program`, and returns it.
pub fn set_name(program: &OsStr) -> &'static str {
    let name = Path::new(program)
        .file_name()
        .unwrap_or("accel-gzip".as_ref());
    NAME.get_or_init(|| name.to_string_lossy().into_owned())
}

/// Writes a line to standard error that begins with the program's name.
pub fn complain(line: &str) {
    complain_behind("", line);
}

/// The same, behind `lead`.
pub fn complain_behind(lead: &str, line: &str) {
    let name = NAME.get().map_or("accel-gzip", String::as_str);
    say(&format!("{lead}{name}: {line}"));
}

/// Writes a line to standard error, at once: other processes may write there too.
///
/// A line that nobody can be told is lost.
pub fn say(line: &str) {
    let _ = stderr().write_all(format!("{line}\n").as_bytes());
}

/// What became of one input.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// Whether it was compressed.
    pub compressed: bool,
    /// Jobs that it took.
    pub jobs: u64,
    /// Bytes of input.
    pub bytes_in: u64,
    /// Bytes of output.
    pub bytes_out: u64,
    /// Time that it took.
    pub time: Duration,
    /// What was behind it.
    pub rest: Rest,
}

impl Done {
    /// The line of -v: how much smaller than plain, `what` was done, and how fast.
    pub fn describe(&self, name: &str, what: &str, queues: usize) -> String {
        let plain = match self.compressed {
            true => self.bytes_in,
            false => self.bytes_out,
        };
        let saved = self.saved();
        let rate = rate(plain, self.time);
        let dash = if what.is_empty() { "" } else { " -- " };
        let how = match self.jobs {
            0 => "software".into(),
            jobs => format!("{jobs} jobs, {queues} queues"),
        };
        format!("{name}:\t{saved:5.1}%{dash}{what} ({how}, {rate:.1} MB/s)")
    }

    /// Percent of the plain data that compression saves.
    pub fn saved(&self) -> f64 {
        let (plain, packed) = match self.compressed {
            true => (self.bytes_in, self.bytes_out),
            false => (self.bytes_out, self.bytes_in),
        };
        match plain {
            0 => 0.0,
            plain => 100.0 - packed as f64 * 100.0 / plain as f64,
        }
    }
}

/// The result of a bench.
pub fn describe_measure(name: &str, measure: &Measure, mode: AddressMode, queues: usize) -> String {
    let &Measure {
        jobs,
        bytes_in,
        bytes_out,
        time,
    } = measure;
    format!(
        "{name}: {jobs} jobs, {mode} mode, {queues} queues, {:.3} s, in {:.1} MB/s, \
         out {:.1} MB/s, {:.1} us/job",
        time.as_secs_f64(),
        rate(bytes_in, time),
        rate(bytes_out, time),
        time.as_secs_f64() * 1e6 / jobs.max(1) as f64
    )
}

/// Megabytes in a second.
fn rate(bytes: u64, time: Duration) -> f64 {
    bytes as f64 / 1e6 / time.as_secs_f64().max(1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_that_of_the_plain_data_both_ways() {
        let mut done = Done {
            compressed: true,
            jobs: 4,
            bytes_in: 4_000_000,
            bytes_out: 1_000_000,
            time: Duration::from_secs(2),
            rest: Rest::Nothing,
        };
        let line = "x:\t 75.0% -- OK (4 jobs, 1 queues, 2.0 MB/s)";
        assert_eq!(done.describe("x", "OK", 1), line);
        (done.compressed, done.bytes_in, done.bytes_out) = (false, 1_000_000, 4_000_000);
        assert_eq!(done.describe("x", "OK", 1), line);
        (done.bytes_in, done.bytes_out) = (30, 0);
        assert!(done.describe("x", "", 1).starts_with("x:\t  0.0% ("));
        done.jobs = 0;
        assert!(done.describe("x", "", 1).contains("(software, "));
    }
}
