// SPDX-License-Identifier: GPL-2.0

//! Counters, and what the guest was caught doing.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

/// Violations that are kept; further ones are only counted.
pub const VIOLATIONS: usize = 1000;

/// Everything counted since the device was made. Resets clear nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Jobs completed, whatever their status.
    pub jobs: u64,
    /// Of these, jobs that did not do what they were asked to do.
    pub job_errors: u64,
    /// Bytes of input consumed.
    pub bytes_in: u64,
    /// Bytes of output produced.
    pub bytes_out: u64,
    /// Scatter lists read.
    pub scatter_lists: u64,
    /// Page requests sent.
    pub page_requests: u64,
    /// Page requests answered negatively, or not in time.
    pub page_refusals: u64,
    /// Data accesses refused for good.
    pub faults: u64,
    /// Requests of streams that did not bring back what the last one left in its entry.
    pub words_lost: u64,
    /// MSIs raised.
    pub interrupts: u64,
    /// Mailbox commands.
    pub mailboxes: u64,
    /// Doorbells to a queue that does not work, or of a wrong page.
    pub doorbells_dropped: u64,
    /// Queues started.
    pub queue_starts: u64,
    /// Queues stopped.
    pub queue_stops: u64,
    /// Resets of any kind.
    pub resets: u64,
    /// Of these, function-level resets.
    pub flrs: u64,
    /// Of the interrupts, those for hardware errors.
    pub abnormal_interrupts: u64,
    /// Queues that were told to hang, and how often the whole device was.
    pub hangs: u64,
    /// Completions lost on command.
    pub completions_dropped: u64,
    /// Events lost on command.
    pub events_dropped: u64,
    /// PCI errors that were reported.
    pub pci_errors: u64,
    /// How often the device was pulled out on command.
    pub removals: u64,
    /// Lies that were told once, on command.
    pub lies: u64,
    /// Events that found the EQ full, and were the first since it was started.
    pub eq_overflows: u64,
    /// What the guest must never do and did, the first [`VIOLATIONS`] times.
    pub violations: Vec<String>,
    /// How often it did so after that.
    pub violations_more: u64,
}

impl Stats {
    /// Notes what the guest must never do.
    pub fn violation(&mut self, text: String) {
        match self.violations.len() < VIOLATIONS {
            true => self.violations.push(text),
            false => self.violations_more += 1,
        }
    }

    /// The contents of the stats file.
    pub fn render(&self) -> String {
        let counters = [
            ("jobs", self.jobs),
            ("job_errors", self.job_errors),
            ("bytes_in", self.bytes_in),
            ("bytes_out", self.bytes_out),
            ("scatter_lists", self.scatter_lists),
            ("page_requests", self.page_requests),
            ("page_refusals", self.page_refusals),
            ("faults", self.faults),
            ("words_lost", self.words_lost),
            ("interrupts", self.interrupts),
            ("mailboxes", self.mailboxes),
            ("doorbells_dropped", self.doorbells_dropped),
            ("queue_starts", self.queue_starts),
            ("queue_stops", self.queue_stops),
            ("resets", self.resets),
            ("flrs", self.flrs),
            ("abnormal_interrupts", self.abnormal_interrupts),
            ("hangs", self.hangs),
            ("completions_dropped", self.completions_dropped),
            ("events_dropped", self.events_dropped),
            ("pci_errors", self.pci_errors),
            ("removals", self.removals),
            ("lies", self.lies),
            ("eq_overflows", self.eq_overflows),
        ];
        let mut text = String::new();
        for (key, value) in counters {
            // Writing to a String can't fail.
            let _ = writeln!(text, "{key} {value}");
        }
        for violation in &self.violations {
            let _ = writeln!(text, "violation {violation}");
        }
        if self.violations_more != 0 {
            let _ = writeln!(text, "violation {} more", self.violations_more);
        }
        text
    }

    /// Replaces the file at `path`, so that a reader never sees half of it.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        std::fs::write(&part, self.render())?;
        std::fs::rename(&part, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let mut stats = Stats {
            jobs: 3,
            ..Stats::default()
        };
        stats.violation("queue 1: caught".into());
        let text = stats.render();
        assert!(text.starts_with("jobs 3\njob_errors 0\n"));
        assert!(text.ends_with("eq_overflows 0\nviolation queue 1: caught\n"));
    }

    #[test]
    fn saved_as_a_whole() {
        let path = std::env::temp_dir().join(format!("hisi-zip-stats-{}", std::process::id()));
        let stats = Stats {
            resets: 2,
            ..Stats::default()
        };
        stats.save(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(text, stats.render());
    }
}
