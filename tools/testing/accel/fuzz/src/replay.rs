// SPDX-License-Identifier: GPL-2.0
//! Runs programs again, each once, and says in TAP what became of them.

use crate::{
    devices, errno, fuzz,
    grammar::Grammar,
    log::Log,
    program::Program,
    run::{self, Outcome, Runner},
};
use std::{error::Error, path::Path};

/// Runs the programs of a directory; whether all was well.
pub fn replay(grammar: &Grammar, directory: &Path) -> Result<bool, Box<dyn Error>> {
    let programs = fuzz::programs(grammar, directory)?;
    let runner = Runner::new(grammar)?;
    let mut log = Log::open()?;
    println!("1..{}", programs.len());
    let mut good = true;
    for (number, (name, program)) in programs.iter().enumerate() {
        devices::settle(2);
        let outcome = runner.run(program)?;
        let mut wrong = differences(grammar, program, &outcome);
        wrong.extend(log.complaint());
        if runner.is_guided() && !outcome.reached.iter().any(|reached| run::is_code(*reached)) {
            wrong.push("it has reached no code of the subsystem".to_owned());
        }
        wrong.iter().for_each(|line| println!("# {line}"));
        println!(
            "{}ok {} - {name}",
            if wrong.is_empty() { "" } else { "not " },
            number + 1
        );
        good &= wrong.is_empty();
    }
    devices::mend(2);
    Ok(good)
}

/// Calls that ended otherwise than it is written in the program.
fn differences(grammar: &Grammar, program: &Program, outcome: &Outcome) -> Vec<String> {
    let mut found = Vec::new();
    for (number, (call, error)) in program.calls.iter().zip(&outcome.errors).enumerate() {
        let (Some(known), name) = (call.known, &grammar.calls[call.what].name) else {
            continue;
        };
        if *error != Some(known) {
            let ended = error.map_or("nothing, it did not end".to_owned(), errno::name);
            found.push(format!(
                "call {number}, {name}: {ended}, not {}",
                errno::name(known)
            ));
        }
    }
    found
}
