// SPDX-License-Identifier: GPL-2.0
//! A fuzzer of the user interface of accelerators.
//!
//! It runs random programs of system calls against devices in software (`accel_sim`), while these
//! are reset, removed and told to misbehave, and is guided by what code of the kernel they reach.
//! It belongs into a virtual machine.

mod call;
mod corpus;
mod devices;
mod encode;
mod errno;
mod fuzz;
mod generate;
mod grammar;
mod kcov;
mod log;
mod program;
mod record;
mod replay;
mod run;
mod shared;
mod symbols;
mod text;
mod weather;

use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode, time::Duration};

/// Fuzzes the user interface of accelerators.
#[derive(Parser)]
#[command(version)]
struct Options {
    #[command(subcommand)]
    job: Job,
}

#[derive(Subcommand)]
enum Job {
    /// Runs random programs, and keeps those that reach something new
    Run {
        /// Seconds that it goes on
        #[arg(long, default_value_t = 60)]
        time: u64,
        /// Seed of the random numbers
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Directory of programs to begin with
        #[arg(long)]
        corpus: Option<PathBuf>,
        /// Disk to which each program is written before it runs
        #[arg(long)]
        record: Option<PathBuf>,
        /// Neither reset nor remove devices, but where a program does
        #[arg(long)]
        calm: bool,
    },
    /// Runs the programs of a directory once, as a test
    Replay {
        /// The directory
        directory: PathBuf,
    },
}

fn main() -> ExitCode {
    let grammar = grammar::Grammar::built_in();
    let result = match Options::parse().job {
        Job::Run {
            time,
            seed,
            corpus,
            record,
            calm,
        } => {
            let time = Duration::from_secs(time);
            fuzz::fuzz(
                &grammar,
                &fuzz::Plan {
                    time,
                    seed,
                    corpus,
                    record,
                    calm,
                },
            )
        }
        Job::Replay { directory } => replay::replay(&grammar, &directory),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("accel-fuzz: {error}");
            ExitCode::from(2)
        }
    }
}
