// SPDX-License-Identifier: GPL-2.0
//! Lists accelerators and tells what they are.

mod cli;
mod report;
mod table;

use std::io::{ErrorKind, Write, stdout};
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    let result = match &args.command {
        Command::List => report::list(args.json),
        Command::Info { device } => report::info(device.as_deref(), args.json),
    };
    match result.and_then(|text| print(&text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("accelctl: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Prints `text`; that nobody wants to read on is no error.
fn print(text: &str) -> Result<(), String> {
    match stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("standard output: {error}"))
        }
        _ => Ok(()),
    }
}
