// SPDX-License-Identifier: GPL-2.0
//! gzip through an accelerator.

use std::process::ExitCode;

use accel_gzip::engine::{DeviceEngine, find};
use accel_gzip::report::say;
use accel_gzip::{app, cli, signals};

fn main() -> ExitCode {
    let args = cli::parse();
    let ready = signals::watch()
        .and_then(|()| accel::survive_removal())
        .map_err(|error| format!("signals cannot be handled: {error}"))
        .and_then(|()| find(args.device.as_deref()));
    match ready {
        Ok(device) => {
            let engine = |mode| Box::new(DeviceEngine::new(device.clone(), mode)) as _;
            ExitCode::from(app::run(&args, &engine))
        }
        Err(message) => {
            say(&format!("accel-gzip: {message}"));
            ExitCode::FAILURE
        }
    }
}
