// SPDX-License-Identifier: GPL-2.0
//! gzip through an accelerator.

use std::process::ExitCode;

use accel_gzip::cli::{self, Args, LICENCE, Modes};
use accel_gzip::engine::{DeviceEngine, Missing, find};
use accel_gzip::report::complain;
use accel_gzip::{app, signals};

fn main() -> ExitCode {
    let args = cli::parse();
    if args.license {
        return app::tell(LICENCE);
    }
    let ready = signals::watch().and_then(|()| accel::survive_removal());
    if let Err(error) = ready {
        complain(&format!("signals cannot be handled: {error}"));
        return ExitCode::FAILURE;
    }
    run(&args)
}

fn run(args: &Args) -> ExitCode {
    let mode = match args.mode {
        Modes::One(mode) => Some(mode),
        Modes::All => None,
    };
    match find(args.device.as_deref(), mode) {
        Ok(device) => {
            let engine = |mode| Box::new(DeviceEngine::new(device.clone(), mode)) as _;
            ExitCode::from(app::run(args, &engine))
        }
        // Who names a device wants that one.
        Err(message) if args.device.is_some() => {
            complain(&message);
            ExitCode::FAILURE
        }
        Err(reason) => {
            let none = |mode| Box::new(Missing::new(reason.clone(), mode)) as _;
            ExitCode::from(app::run(args, &none))
        }
    }
}
