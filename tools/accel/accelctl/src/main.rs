// SPDX-License-Identifier: GPL-2.0
//! Shows, watches, chooses, resets and questions accelerators. Each command is a file of its name.

mod arrivals;
mod cdi;
mod choice;
mod cli;
mod descriptors;
mod events;
mod export;
mod failure;
#[cfg(test)]
mod fake;
mod file;
mod find;
mod follow;
mod info;
mod json;
mod list;
mod manual;
mod report;
mod reset;
mod schema;
mod selftest;
mod sensors;
mod system;
mod table;
mod top;
mod units;

use std::io::{Write, stderr};
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Args, Command};
use crate::descriptors::Output;
use crate::failure::{Failure, Result};
use crate::system::{Machine, System};

/// Of a mistake on the command line; clap's is the same.
const MISUSED: u8 = 2;

fn main() -> ExitCode {
    match answer(&mut Output::new()) {
        Ok(()) | Err(Failure::Closed) => ExitCode::SUCCESS,
        Err(Failure::Said(sentence)) => fail(&sentence, ExitCode::FAILURE),
        Err(Failure::Misused(sentence)) => fail(&sentence, MISUSED.into()),
    }
}

fn answer(out: &mut dyn Write) -> Result<()> {
    match Args::try_parse() {
        Ok(args) => run(&args, &Machine, out)?,
        Err(mistake) if mistake.use_stderr() => mistake.exit(),
        Err(help) => {
            descriptors::check()?;
            help.print()?;
        }
    }
    Ok(out.flush()?)
}

fn fail(sentence: &str, code: ExitCode) -> ExitCode {
    // Where that can't be written, there is nobody left to tell.
    let _ = writeln!(stderr(), "accelctl: {sentence}");
    code
}

fn run(args: &Args, system: &dyn System, out: &mut dyn Write) -> Result<()> {
    let json = args.json;
    match &args.command {
        Command::List => list::run(system, json, out),
        Command::Info { device } => info::run(system, device.as_deref(), json, out),
        Command::Top(top) => top::run(system, &top.options(json), out),
        Command::Events(events) => {
            let device = events.device.as_deref();
            events::run(system, device, &events.options(json), out)
        }
        Command::Reset { device } => reset::run(system, device, json, out),
        Command::Selftest(selftest) => {
            let device = selftest.device.as_deref();
            selftest::run(system, device, selftest.alone, json, out)
        }
        Command::Cdi { output } => cdi::run(system, output, out),
        Command::Export(export) => export::run(system, &export.target(), out),
        Command::Find(find) => find::run(system, &find.options(json), out),
        Command::Completions { shell } => manual::completions(*shell, out),
        Command::Manual { output } => manual::pages(output),
        Command::Schema { command } => schema::run(*command, out),
    }
}
