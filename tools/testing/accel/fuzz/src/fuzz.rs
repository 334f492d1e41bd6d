// SPDX-License-Identifier: GPL-2.0
//! The loop: a program is changed, run, and kept if it has reached something new.
//!
//! To standard output go lines for the host: `address HEX` for each address of code, once;
//! `program` and the text of a program that was kept, up to `end`; `chosen` likewise at the end,
//! for few programs that reach what all do; `stat …` every few seconds; `found …` for what the
//! kernel complained about, and `last` for the programs that ran before it.

use crate::{
    corpus::Corpus,
    devices,
    generate::Generator,
    grammar::Grammar,
    log::Log,
    program::Program,
    record::Record,
    run::{self, Runner},
    text, weather,
};
use std::{
    collections::VecDeque,
    error::Error,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Devices that are there at most times.
const DEVICES: usize = 2;
const STAT_EVERY: Duration = Duration::from_secs(10);
/// Programs between two looks at the kernel's log.
const LOOK_EVERY: u64 = 16;
/// Programs that are shown if the kernel complains.
const LAST: usize = 24;
/// Of so many programs one is from nothing.
const NEW_OF: u32 = 8;
/// Seconds from which on a program that is so long about its end is shown.
const SLOW: u64 = 10;
/// Runs that are spent on making one program shorter.
const SHORTER: usize = 60;

/// What is asked for.
pub struct Plan {
    pub time: Duration,
    pub seed: u64,
    /// Directory of programs to begin with.
    pub corpus: Option<PathBuf>,
    /// Disk for the last programs.
    pub record: Option<PathBuf>,
    /// Whether devices are left alone.
    pub calm: bool,
}

/// Runs programs until the time is over or the kernel complains; false then.
pub fn fuzz(grammar: &Grammar, plan: &Plan) -> Result<bool, Box<dyn Error>> {
    devices::mend(DEVICES);
    let mut state = State::new(grammar, plan)?;
    if !plan.calm {
        weather::begin(plan.seed ^ 0x5eed, DEVICES);
    }
    if !state.runner.is_guided() {
        println!("stat this kernel has no KCOV: programs are not guided");
    }
    let good = state.go_on(plan)?;
    state.tell();
    for program in state.corpus.smallest() {
        state.show("chosen", program);
    }
    Ok(good)
}

/// Programs in a directory, by name.
pub fn programs(grammar: &Grammar, directory: &Path) -> Result<Vec<(String, Program)>, String> {
    let wrong = |error| format!("{}: {error}", directory.display());
    let entries = std::fs::read_dir(directory).map_err(|error| wrong(error.to_string()))?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort_unstable();
    let mut programs = Vec::new();
    for path in paths {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let text = std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
        let program =
            text::parse(grammar, &text).map_err(|error| format!("{}: {error}", path.display()))?;
        programs.push((name, program));
    }
    Ok(programs)
}

struct State<'g> {
    grammar: &'g Grammar,
    runner: Runner<'g>,
    generator: Generator<'g>,
    corpus: Corpus,
    log: Log,
    record: Option<Record>,
    last: VecDeque<Program>,
    executions: u64,
    began: Instant,
    told: Instant,
}

impl<'g> State<'g> {
    fn new(grammar: &'g Grammar, plan: &Plan) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            grammar,
            runner: Runner::new(grammar)?,
            generator: Generator::new(grammar, plan.seed),
            corpus: Corpus::default(),
            log: Log::open()?,
            record: plan.record.as_deref().map(Record::open).transpose()?,
            last: VecDeque::new(),
            executions: 0,
            began: Instant::now(),
            told: Instant::now(),
        })
    }

    /// False: the kernel has complained.
    fn go_on(&mut self, plan: &Plan) -> Result<bool, Box<dyn Error>> {
        if let Some(directory) = &plan.corpus {
            for (_, program) in programs(self.grammar, directory)? {
                if !self.try_out(&program, false)? {
                    return Ok(false);
                }
            }
        }
        while self.began.elapsed() < plan.time {
            let program = self.next();
            if !self.try_out(&program, true)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn next(&mut self) -> Program {
        if self.generator.random.u32(0..NEW_OF) == 0 {
            return self.generator.program();
        }
        let random = &mut self.generator.random;
        let (Some(one), Some(other)) = (self.corpus.pick(random), self.corpus.pick(random)) else {
            return self.generator.program();
        };
        let mut program = one.clone();
        self.generator.mutate(&mut program, other);
        program
    }

    /// Runs a program, and keeps it if it has reached something new.
    fn try_out(&mut self, program: &Program, shorten: bool) -> Result<bool, Box<dyn Error>> {
        let reached = self.run(program)?;
        let new = self.corpus.new_of(&reached);
        if !new.is_empty() {
            new.iter()
                .filter(|one| run::is_code(**one))
                .for_each(|code| println!("address {code:x}"));
            let (program, reached) = match shorten {
                true => self.shorter(program, reached, &new)?,
                false => (program.clone(), reached),
            };
            self.show("program", &program);
            // What was reached once is not new again, even if the shorter one misses it.
            self.corpus.note(&new);
            self.corpus.add(program, reached);
        }
        self.tell_now_and_then();
        if self.executions % LOOK_EVERY == 0 {
            if let Some(complaint) = self.log.complaint() {
                println!("found {complaint}");
                self.last
                    .iter()
                    .for_each(|program| self.show("last", program));
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn run(&mut self, program: &Program) -> Result<Vec<u64>, Box<dyn Error>> {
        if let Some(record) = &mut self.record {
            record.note(&text::print(self.grammar, program))?;
        }
        self.last.push_back(program.clone());
        if self.last.len() > LAST {
            self.last.pop_front();
        }
        self.executions += 1;
        let began = Instant::now();
        let result = self.runner.run(program);
        let seconds = began.elapsed().as_secs();
        if seconds >= SLOW {
            println!(
                "a program took {seconds} s to end:\n{}",
                text::print(self.grammar, program)
            );
        }
        match result {
            Ok(outcome) => Ok(outcome.reached),
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                println!("found a program that can't be ended");
                self.show("last", program);
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Leaves out calls as long as the rest still reaches all that is new.
    fn shorter(
        &mut self,
        program: &Program,
        reached: Vec<u64>,
        new: &[u64],
    ) -> Result<(Program, Vec<u64>), Box<dyn Error>> {
        let (mut best, mut best_reached) = (program.clone(), reached);
        let mut at = best.calls.len();
        for _ in 0..SHORTER {
            at = match at.checked_sub(1) {
                Some(at) if best.calls.len() > 1 => at,
                _ => break,
            };
            let mut candidate = best.clone();
            candidate.remove(at);
            let reached = self.run(&candidate)?;
            self.tell_now_and_then();
            if new.iter().all(|one| reached.binary_search(one).is_ok()) {
                (best, best_reached) = (candidate, reached);
            }
        }
        Ok((best, best_reached))
    }

    fn show(&self, word: &str, program: &Program) {
        print!("{word}\n{}end\n", text::print(self.grammar, program));
    }

    fn tell_now_and_then(&mut self) {
        if self.told.elapsed() > STAT_EVERY {
            self.tell();
        }
    }

    fn tell(&mut self) {
        self.told = Instant::now();
        println!(
            "stat {} s, {} executions, {} programs kept, {} addresses of code",
            self.began.elapsed().as_secs(),
            self.executions,
            self.corpus.entries.len(),
            self.corpus.code(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_regressions_are_programs() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
        let programs = programs(&Grammar::built_in(), &directory).unwrap();
        assert!(programs.len() > 5);
    }
}
