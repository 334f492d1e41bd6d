// SPDX-License-Identifier: GPL-2.0
//! The command line.

use clap::{Parser, Subcommand};

const AFTER_HELP: &str = "\
Only the monitor nodes (/dev/accel_monitorN) are opened: no call waits for hardware, and no \
access to the compute nodes is needed.

Exit status: 0, or 1 after an error.

Examples:
  accelctl list                 a line for each accelerator
  accelctl info                 all that is known of the only accelerator
  accelctl info accel1 --json   the same of accel1, for programs";

/// Lists accelerators and tells what they are.
#[derive(Debug, Parser)]
#[command(name = "accelctl", version, after_help = AFTER_HELP)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Write JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// A line for each accelerator
    List,
    /// Facts, status and address modes of one
    Info {
        /// A number, accelN or a path; not needed if there is only one
        #[arg(value_name = "DEV")]
        device: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_consistent() {
        <Args as clap::CommandFactory>::command().debug_assert();
        let args = Args::try_parse_from(["accelctl", "info", "accel1", "--json"]).unwrap();
        assert!(args.json);
    }
}
