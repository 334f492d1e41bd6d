// SPDX-License-Identifier: GPL-2.0
//! What -l tells: a line for each file, as gzip has it.

use std::io::{Result, Write};
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::descriptors;
use crate::report::Done;

/// What is told of a file besides its name.
pub struct Row<'a> {
    /// What came of it.
    pub done: &'a Done,
    /// Bytes of it that are no data.
    pub overhead: usize,
    /// How it was compressed.
    pub kind: Kind,
    /// When these were modified, 0: not known.
    pub mtime: u32,
}

/// How a file was compressed.
#[derive(Clone, Copy)]
pub struct Kind {
    /// The method, as gzip calls it.
    pub method: &'static str,
    /// CRC-32 of the plain data, where the format has one.
    pub crc: Option<u32>,
}

/// The lines so far.
pub struct Listing {
    verbose: bool,
    quiet: bool,
    files: u32,
    bytes_in: u64,
    bytes_out: u64,
    overhead: usize,
}

impl Listing {
    /// No line yet.
    pub fn new(verbose: bool, quiet: bool) -> Self {
        Self {
            verbose,
            quiet,
            files: 0,
            bytes_in: 0,
            bytes_out: 0,
            overhead: 0,
        }
    }

    /// Writes the line of the file that decompresses to `name`.
    pub fn add(&mut self, row: &Row<'_>, name: &Path) -> Result<()> {
        let mut lines = String::new();
        if self.files == 0 && !self.quiet {
            if self.verbose {
                lines += "method  crc     date  time  ";
            }
            lines += "         compressed        uncompressed  ratio uncompressed_name\n";
        }
        if self.verbose {
            // Of what has no checksum, gzip says that it is this.
            let crc = row.kind.crc.unwrap_or(u32::MAX);
            let date = date(row.mtime, TimeZone::system());
            lines += &format!("{:5} {crc:08x} {date} ", row.kind.method);
        }
        let (packed, plain) = (row.done.bytes_in, row.done.bytes_out);
        lines += &sizes(packed, plain, row.overhead);
        lines += &format!(" {}\n", name.display());
        self.files += 1;
        self.bytes_in += packed;
        self.bytes_out += plain;
        self.overhead += row.overhead;
        write(&lines)
    }

    /// Writes the sums, if there are several lines.
    pub fn finish(&self) -> Result<()> {
        if self.files < 2 || self.quiet {
            return Ok(());
        }
        let indent = if self.verbose { 28 } else { 0 };
        let sizes = sizes(self.bytes_in, self.bytes_out, self.overhead);
        write(&format!("{:indent$}{sizes} (totals)\n", ""))
    }
}

fn write(lines: &str) -> Result<()> {
    let mut output = descriptors::text_output()?;
    output.write_all(lines.as_bytes())?;
    output.flush()
}

fn sizes(packed: u64, plain: u64, overhead: usize) -> String {
    let data = packed.saturating_sub(overhead as u64);
    let saved = match plain {
        0 => 0.0,
        plain => 100.0 - data as f64 * 100.0 / plain as f64,
    };
    format!("{packed:19} {plain:19} {saved:5.1}%")
}

/// Month, day and time of day, where `zone` is.
fn date(mtime: u32, zone: TimeZone) -> String {
    let time = Timestamp::from_second(mtime.into()).unwrap_or_default();
    time.to_zoned(zone).strftime("%b %e %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (mtime, text) in [
            (0, "Jan  1 00:00"),
            (951_827_696, "Feb 29 12:34"),
            (1_000_000_000, "Sep  9 01:46"),
            (1_796_050_800, "Nov 30 15:00"),
            (u32::MAX, "Feb  7 06:28"),
        ] {
            assert_eq!(date(mtime, TimeZone::UTC), text, "{mtime}");
        }
    }

    #[test]
    fn ratios_are_those_of_the_data() {
        let line = "                 51                  17 -76.5%";
        assert_eq!(sizes(51, 17, 21), line);
        assert!(sizes(20, 0, 18).ends_with("   0.0%"));
    }
}
