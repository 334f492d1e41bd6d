// SPDX-License-Identifier: GPL-2.0
//! gzip through an accelerator.

use std::process::ExitCode;

use accel_gzip::cli::Args;
use accel_gzip::engine::DeviceEngine;
use accel_gzip::{app, signals};
use clap::Parser;

fn main() -> ExitCode {
    let args = Args::try_parse().unwrap_or_else(|error| leave(&error));
    let ready = signals::watch()
        .and_then(|()| accel::survive_removal())
        .map_err(|error| format!("signals cannot be handled: {error}"))
        .and_then(|()| DeviceEngine::new(args.device.as_deref()));
    match ready {
        Ok(engine) => ExitCode::from(app::run(&args, &engine)),
        Err(message) => {
            eprintln!("accel-gzip: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Prints help or a mistake in the command line. That is status 1 here: 2 is a warning of gzip's.
fn leave(error: &clap::Error) -> ! {
    let _ = error.print();
    std::process::exit(i32::from(error.use_stderr()));
}
