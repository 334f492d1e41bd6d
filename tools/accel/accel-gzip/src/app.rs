// SPDX-License-Identifier: GPL-2.0
//! From a command line to an exit status.

use std::fs::{File, Metadata};
use std::io::{IsTerminal, Write, stderr, stdin, stdout};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use crate::bench;
use crate::cli::Args;
use crate::compress::{Form, compress};
use crate::container::{Effort, Origin, TRAILER};
use crate::decompress::{How, Rest, decompress, next_header};
use crate::descriptors;
use crate::error::{Error, Result};
use crate::files;
use crate::input::{Input, Next};
use crate::legacy;
use crate::list::{Kind, Listing, Row};
use crate::names;
use crate::output::{self, Output};
use crate::progress::Progress;
use crate::queues::{Engine, Queues, Use};
use crate::report::{Done, complain, complain_behind, describe_measure, say};
use crate::sink::{STDOUT, Sink};
use accel::AddressMode;
use accel::hisi_zip::Direction;

/// Bytes of a file that is compressed without a job.
const SMALL_FILE: u64 = 4 << 10;

/// All is well.
const OK: u8 = 0;
/// A file could not be dealt with.
const ERROR: u8 = 1;
/// A file was left alone.
const WARNING: u8 = 2;

/// Does what `args` say, with an engine for each address mode; returns the exit status.
pub fn run(args: &Args, engine: &dyn Fn(AddressMode) -> Box<dyn Engine>) -> u8 {
    let modes = args.mode.list().iter();
    let statuses = modes.map(|&mode| run_with(args, &*engine(mode)));
    statuses.fold(OK, worse)
}

/// Writes `text` to standard output, and that is all.
pub fn tell(text: &str) -> ExitCode {
    let told = descriptors::text_output()
        .and_then(|mut output| writeln!(output, "{text}").and_then(|()| output.flush()));
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("standard output: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Errors are worse than warnings, whatever their numbers.
fn worse(one: u8, other: u8) -> u8 {
    match [one, other].contains(&ERROR) {
        true => ERROR,
        false => one.max(other),
    }
}

fn run_with(args: &Args, engine: &dyn Engine) -> u8 {
    let how = Use {
        queues: args.queues.into(),
        in_flight: args.in_flight.into(),
        wait: args.wait,
        required: args.require_device || args.bench.is_some(),
    };
    let direction = match args.compresses() {
        true => Direction::Compress,
        false => Direction::Decompress,
    };
    let mut app = App {
        args,
        queues: Queues::new(engine, direction, how),
        status: OK,
        listing: Listing::new(args.verbose, args.quiet),
    };
    app.run();
    app.status
}

/// What messages call it.
const STDIN: &str = "stdin";

/// What is told of a file before it is read.
struct Listed {
    /// Name of the plain file.
    plain: PathBuf,
    /// Bytes of the compressed one that are no data.
    overhead: usize,
    mtime: u32,
    /// The method, if it is not of gzip.
    legacy: Option<&'static str>,
}

struct App<'a> {
    args: &'a Args,
    queues: Queues<'a>,
    status: u8,
    listing: Listing,
}

impl App<'_> {
    fn run(&mut self) {
        let args = self.args;
        if args.ascii && !args.quiet {
            complain("option --ascii ignored on this system");
        }
        if args.files.is_empty() {
            self.deal_with_or_tell(Path::new("-"));
        }
        for path in &args.files {
            self.deal_with_or_tell(path);
        }
        if let Err(error) = self.listing.finish() {
            self.complain("list", &not_told(error));
        }
    }

    fn deal_with_or_tell(&mut self, path: &Path) {
        let name = match path == Path::new("-") {
            true => STDIN.into(),
            false => path.display().to_string(),
        };
        if let Err(error) = self.deal_with(path, &name) {
            // What is in flight belongs to the failed file.
            self.queues.abandon();
            self.complain(&name, &error);
        }
    }

    fn compresses(&self) -> bool {
        self.args.compresses()
    }

    fn deal_with(&mut self, path: &Path, name: &str) -> Result<()> {
        if let Some(rounds) = self.args.bench {
            self.bench(path, name, rounds.get())
        } else if path == Path::new("-") {
            self.filter(name)
        } else {
            self.file(path, name)
        }
    }

    fn complain(&mut self, name: &str, error: &Error) {
        let broken_pipe = matches!(error, Error::Write { source, .. }
            if source.kind() == std::io::ErrorKind::BrokenPipe);
        if broken_pipe {
            // As any filter whose reader has enough.
            let _ = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGPIPE);
        }
        let args = self.args;
        // Whoever has all files of a directory done knows that some are not meant.
        let silent = args.quiet || (args.recursive && !args.verbose);
        match error {
            Error::Skipped(what) => self.warn(&format!("{name} {what}")),
            Error::UnknownSuffix if silent => {}
            Error::UnknownSuffix => self.warn(&format!("{name}: {error}")),
            Error::Compressed(_) if silent => {}
            Error::Compressed(what) => complain(&format!("{name} {what}")),
            _ => {
                complain_behind(error.lead(), &format!("{name}: {error}"));
                self.status = ERROR;
            }
        }
    }

    fn warn(&mut self, what: &str) {
        if !self.args.quiet {
            complain(what);
        }
        if self.status == OK {
            self.status = WARNING;
        }
    }

    /// Standard input to standard output.
    fn filter(&mut self, name: &str) -> Result<()> {
        self.check_terminals(true)?;
        let file = descriptors::input().map(File::from).map_err(Error::Read)?;
        let metadata = file.metadata().map_err(Error::Read)?;
        let mut input = self.input(file)?;
        // A pipe has no time worth telling.
        let origin = match metadata.is_file() {
            true => self.origin(None, &metadata),
            false => self.origin_without_file(),
        };
        let verb = if self.args.test { "OK" } else { "" };
        self.transform_to_stdout(&mut input, &origin, name, verb)
    }

    /// To standard output, or nowhere.
    fn transform_to_stdout(
        &mut self,
        input: &mut Input,
        origin: &Origin,
        name: &str,
        verb: &str,
    ) -> Result<()> {
        let listed = match self.args.list {
            // What comes of standard input goes there.
            true if name == STDIN => Some(self.listed(input, "stdout".as_ref(), origin.mtime)?),
            true => Some(self.listed(input, Path::new(name), origin.mtime)?),
            false => None,
        };
        let mut sink = self.stdout_or_nowhere()?;
        let done = self.transform(input, origin, &mut sink, name)?;
        match listed {
            Some(listed) => {
                let crc = listed.legacy.is_none().then(|| sink.sum());
                let row = Row {
                    done: &done,
                    overhead: listed.overhead,
                    kind: Kind {
                        method: listed.legacy.unwrap_or("defla"),
                        crc,
                    },
                    mtime: listed.mtime,
                };
                self.listing.add(&row, &listed.plain).map_err(not_told)?;
            }
            None => self.tell(name, &done, verb),
        }
        self.judge(name, &done);
        Ok(())
    }

    /// What the header tells of the file `path`, of that time.
    fn listed(&self, input: &mut Input, path: &Path, mtime: u32) -> Result<Listed> {
        let mut listed = Listed {
            plain: names::plain(path, &self.args.suffix).unwrap_or(path.into()),
            overhead: 0,
            mtime,
            legacy: legacy::method(input)?,
        };
        let Next::Item(Ok(header)) = next_header(input, true)? else {
            return Ok(listed);
        };
        listed.overhead = header.len + TRAILER;
        if self.args.with_time() && header.mtime != 0 {
            listed.mtime = header.mtime;
        }
        let stored = header.name.filter(|_| self.args.with_name());
        if let Some(name) = stored.and_then(|name| names::restored(path, &name)) {
            listed.plain = name;
        }
        Ok(listed)
    }

    /// Input that the engine reads where it lies, if it sees that, or else is read into buffers.
    fn input(&self, file: File) -> Result<Input> {
        Input::new(file, self.queues.mode() == AddressMode::Shared)
    }

    fn check_terminals(&self, reads_stdin: bool) -> Result<()> {
        let what = if self.args.force {
            return Ok(());
        } else if self.compresses() && stdout().is_terminal() {
            "not written to"
        } else if !self.compresses() && reads_stdin && stdin().is_terminal() {
            "not read from"
        } else {
            return Ok(());
        };
        Err(Error::Usage(format!(
            "compressed data is {what} a terminal (-f forces it)"
        )))
    }

    fn stdout_or_nowhere(&self) -> Result<Sink> {
        if self.args.list {
            return Ok(Sink::summing());
        }
        if self.args.test {
            return Ok(Sink::nowhere());
        }
        let fd = descriptors::output().map_err(not_told)?;
        Ok(Sink::stdout(File::from(fd)))
    }

    fn file(&mut self, path: &Path, name: &str) -> Result<()> {
        let (file, path) = files::open(path, self.args)?;
        let metadata = file.metadata().map_err(Error::Read)?;
        if metadata.is_dir() && self.args.recursive {
            for entry in files::entries(&path)? {
                self.deal_with_or_tell(&entry);
            }
            return Ok(());
        }
        files::check_kind(&metadata, self.args)?;
        if !self.args.only_reads() {
            return self.replace(&path, &metadata, file, name);
        }
        let mut input = self.input(file)?;
        let origin = self.origin(Some(&path), &metadata);
        if self.args.stdout {
            self.check_terminals(false)?;
        }
        if self.args.recursive && self.args.only_looks() {
            names::plain(&path, &self.args.suffix)?;
        }
        let verb = if self.args.test { "OK" } else { "" };
        self.transform_to_stdout(&mut input, &origin, name, verb)
    }

    /// Makes the output file and removes the input.
    fn replace(&mut self, path: &Path, metadata: &Metadata, file: File, name: &str) -> Result<()> {
        let mut input = self.input(file)?;
        let (target, modified) = self.target(path, &mut input)?;
        let overwrites = self.check_target(&target, metadata)?;
        let origin = self.origin(Some(path), metadata);
        let output = Output::create(target.clone())?;
        let mut sink = output.sink()?;
        let done = self.transform(&mut input, &origin, &mut sink, name)?;
        drop(sink);
        // What is not taken from the input would go with it.
        if matches!(done.rest, Rest::Entries) {
            return Err(Error::ManyEntries);
        }
        let remove = || remove(path, metadata).map_err(|why| cannot_remove(path, &why));
        let leave = || Ok(());
        let keep = self.args.keep;
        let then: Option<&dyn Fn() -> Result<()>> = match (keep, self.args.synchronous) {
            (false, _) => Some(&remove),
            (true, true) => Some(&leave),
            (true, false) => None,
        };
        output.commit(metadata, modified, overwrites, then)?;
        let verb = if keep { "created" } else { "replaced with" };
        self.tell(name, &done, &format!("{verb} {}", target.display()));
        self.judge(name, &done);
        Ok(())
    }

    /// Whether an older file of this name goes; an error if it is to stay.
    fn check_target(&self, target: &Path, input: &Metadata) -> Result<bool> {
        // A name that a header tells can be anything.
        if target.metadata().is_ok_and(|other| is_same(&other, input)) {
            let why = format!("{} is the input itself", target.display());
            return Err(Error::Usage(why));
        }
        if self.args.force || target.symlink_metadata().is_err() {
            return Ok(self.args.force);
        }
        let asks = self.args.presume_input_tty || stdin().is_terminal();
        match asks && ask(target) {
            true => Ok(true),
            false => Err(output::exists(target)),
        }
    }

    fn origin_without_file(&self) -> Origin {
        Origin {
            name: None,
            mtime: 0,
            effort: match self.args.level.0 {
                1 => Effort::Least,
                9 => Effort::Most,
                _ => Effort::Some,
            },
        }
    }

    fn origin(&mut self, path: Option<&Path>, metadata: &Metadata) -> Origin {
        let mut origin = self.origin_without_file();
        if !self.compresses() {
            origin.mtime = metadata.mtime().try_into().unwrap_or(0);
            return origin;
        }
        if self.args.with_name() {
            let name = path.and_then(Path::file_name);
            origin.name = name.map(|name| name.as_bytes().to_vec());
        }
        if self.args.with_time() {
            // 0 is no time.
            match u32::try_from(metadata.mtime()) {
                Ok(mtime) if mtime != 0 => origin.mtime = mtime,
                _ => {
                    let name = path.map_or("stdin".into(), |path| path.display().to_string());
                    let what = "file timestamp out of range for gzip format";
                    self.warn(&format!("{name}: {what}"));
                }
            }
        }
        origin
    }

    /// The output's name, and its modification time if the header is to be believed.
    fn target(&self, path: &Path, input: &mut Input) -> Result<(PathBuf, Option<u32>)> {
        let args = self.args;
        if self.compresses() {
            let target = names::compressed(path, &args.suffix, args.force)?;
            return Ok((target, None));
        }
        let (mut target, mut modified) = (None, None);
        if args.with_name() || args.with_time() {
            if let Next::Item(Ok(header)) = next_header(input, true)? {
                let mtime = Some(header.mtime).filter(|&mtime| mtime != 0);
                modified = mtime.filter(|_| args.with_time());
                let name = header.name.filter(|_| args.with_name());
                target = name.and_then(|name| names::restored(path, &name));
            }
        }
        let target = target.map_or_else(|| names::plain(path, &args.suffix), Ok)?;
        Ok((target, modified))
    }

    fn transform(
        &mut self,
        input: &mut Input,
        origin: &Origin,
        sink: &mut Sink,
        name: &str,
    ) -> Result<Done> {
        let begun = Instant::now();
        let start = input.position();
        // The line would be amid what comes out.
        let in_the_way = sink.is_shared() && !self.args.only_looks() && stdout().is_terminal();
        let mut progress = Progress::new(name, input.total(), self.args.verbose && !in_the_way);
        let result = if self.compresses() {
            let jobs = self.compress(input, origin, sink, &mut progress);
            jobs.map(|jobs| (jobs, Rest::Nothing))
        } else {
            self.decompress(input, sink, &mut progress)
        };
        // What there is of a damaged file is worth having.
        let flushed = sink.flush();
        let (jobs, rest) = result?;
        flushed?;
        drop(progress);
        if self.compresses() && input.total().is_some_and(|total| total != input.position()) {
            // gzip has no status for that, and does not keep quiet about it.
            complain(&format!("{name}: file size changed while zipping"));
        }
        Ok(Done {
            compressed: self.compresses(),
            jobs,
            bytes_in: input.position() - start,
            bytes_out: sink.written(),
            time: begun.elapsed(),
            rest,
        })
    }

    fn compress(
        &mut self,
        input: &mut Input,
        origin: &Origin,
        sink: &mut Sink,
        progress: &mut Progress,
    ) -> Result<u64> {
        let args = self.args;
        let form = Form {
            origin: origin.clone(),
            block: args.block_size,
            independent: args.independent,
            level: args.level.0,
            verify: args.verify,
        };
        let tell = |error: &Error| tell_why(args.verbose, error);
        // The engine can't but compress, and to set it to work takes longer than a little work.
        let small = input.total().is_some_and(|total| total <= SMALL_FILE);
        let wanted = form.level != 0 && (args.require_device || !small);
        let ready = wanted && self.queues.begin(&tell)?;
        compress(input, &form, &mut self.queues, ready, sink, progress, &tell)
    }

    fn decompress(
        &mut self,
        input: &mut Input,
        sink: &mut Sink,
        progress: &mut Progress,
    ) -> Result<(u64, Rest)> {
        let args = self.args;
        let tell = |error: &Error| tell_why(args.verbose, error);
        let how = How {
            ready: self.queues.begin(&tell)?,
            copies: args.force && sink.is_shared() && !args.list,
            tell: &tell,
        };
        decompress(input, &how, &mut self.queues, sink, progress)
    }

    fn judge(&mut self, name: &str, done: &Done) {
        let what = match done.rest {
            Rest::Nothing => return,
            Rest::Garbage => "decompression OK, trailing garbage ignored",
            Rest::Entries => "has more than one entry, of which the first was taken",
        };
        self.warn(&format!("{name}: {what}"));
    }

    fn tell(&self, name: &str, done: &Done, what: &str) {
        if self.args.verbose {
            say(&done.describe(name, what, self.queues.count()));
        }
    }

    fn bench(&mut self, path: &Path, name: &str, rounds: u32) -> Result<()> {
        if path == Path::new("-") {
            return Err(Error::Usage("--bench needs a regular file".into()));
        }
        let (file, _) = files::open(path, self.args)?;
        let mut input = Input::new(file, true)?;
        let block = self.compresses().then_some(self.args.block_size);
        let mark = |what: &str| say(&format!("bench: {what}"));
        let measure = bench::bench(&mut input, block, rounds, &mut self.queues, &mark)?;
        let (mode, queues) = (self.queues.mode(), self.queues.count());
        let line = describe_measure(name, &measure, mode, queues);
        let told = descriptors::text_output().and_then(|mut output| writeln!(output, "{line}"));
        told.map_err(not_told)
    }
}

/// Standard output does not take what it is to be told.
fn not_told(source: std::io::Error) -> Error {
    Error::Write {
        path: STDOUT.into(),
        source,
    }
}

/// Tells why a file is done without the engine.
fn tell_why(verbose: bool, error: &Error) {
    if verbose {
        complain(&format!("goes on in software: {error}"));
    }
}

/// Whether somebody at the terminal wants `target` overwritten.
fn ask(target: &Path) -> bool {
    let question = format!("{} already exists; overwrite (y or n)? ", target.display());
    let mut answer = String::new();
    let asked = stderr().write_all(question.as_bytes());
    asked.is_ok() && stdin().read_line(&mut answer).is_ok() && answer.starts_with(['y', 'Y'])
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Removes what was read under the name `path`, unless that is another file by now.
fn remove(path: &Path, read: &Metadata) -> std::result::Result<(), String> {
    // By a symbolic link too: then that is what goes.
    match path.metadata() {
        Ok(now) if !is_same(&now, read) => Err("it is another file now".into()),
        Ok(_) => std::fs::remove_file(path).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

fn cannot_remove(path: &Path, why: &str) -> Error {
    Error::Usage(format!(
        "the output is complete, but {} stays: {why}",
        path.display()
    ))
}
