// SPDX-License-Identifier: GPL-2.0
//! From a command line to an exit status.

use std::fs::{File, Metadata};
use std::io::{IoSlice, IsTerminal, Write, stdin, stdout};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::bench;
use crate::cli::Args;
use crate::compress::{Origin, compress};
use crate::decompress::{Rest, decompress, next_header};
use crate::error::{Error, Result};
use crate::files;
use crate::input::{Input, Next};
use crate::names;
use crate::output::{self, Output};
use crate::progress::Progress;
use crate::queues::{Engine, Queues, Use};
use crate::report::{Done, describe_measure, say};
use crate::sink::Sink;
use accel::AddressMode;
use accel::hisi_zip::Direction;

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
    };
    let direction = match args.compresses() {
        true => Direction::Compress,
        false => Direction::Decompress,
    };
    let mut app = App {
        args,
        queues: Queues::new(engine, direction, how),
        status: OK,
    };
    app.run();
    app.status
}

struct App<'a> {
    args: &'a Args,
    queues: Queues<'a>,
    status: u8,
}

impl App<'_> {
    fn run(&mut self) {
        let standard = [PathBuf::from("-")];
        let args = self.args;
        let files = if args.files.is_empty() {
            &standard[..]
        } else {
            &args.files
        };
        for path in files {
            let name = match path == Path::new("-") {
                true => "stdin".into(),
                false => path.display().to_string(),
            };
            let result = self.deal_with(path, &name);
            if let Err(error) = result {
                // What is in flight belongs to the failed file.
                self.queues.abandon();
                self.complain(&name, &error);
                if error.is_fatal() {
                    break;
                }
            }
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
        if matches!(error, Error::Skipped(_)) {
            self.warn(name, error);
        } else {
            say(&format!("accel-gzip: {name}: {error}"));
            self.status = ERROR;
        }
    }

    fn warn(&mut self, name: &str, what: &dyn std::fmt::Display) {
        if !self.args.quiet {
            say(&format!("accel-gzip: {name}: {what}"));
        }
        if self.status == OK {
            self.status = WARNING;
        }
    }

    /// Standard input to standard output.
    fn filter(&mut self, name: &str) -> Result<()> {
        self.check_terminals(true)?;
        let input = stdin().as_fd().try_clone_to_owned().map_err(Error::Read)?;
        let mut input = self.input(File::from(input))?;
        let mut sink = self.stdout_or_nowhere()?;
        let done = self.transform(&mut input, &Origin::default(), &mut sink, name)?;
        self.tell(name, &done, "");
        self.judge(name, &done);
        Ok(())
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
        if self.args.test {
            return Ok(Sink::nowhere());
        }
        let path = PathBuf::from("standard output");
        match stdout().as_fd().try_clone_to_owned() {
            Ok(fd) => Ok(Sink::file(File::from(fd), path)),
            Err(source) => Err(Error::Write { path, source }),
        }
    }

    fn file(&mut self, path: &Path, name: &str) -> Result<()> {
        let (file, path) = files::open(path, self.args)?;
        let metadata = file.metadata().map_err(Error::Read)?;
        files::check_kind(&metadata, self.args)?;
        let mut input = self.input(file)?;
        let origin = self.origin(&path, &metadata);
        if self.args.test || self.args.stdout {
            if self.args.stdout && !self.args.test {
                self.check_terminals(false)?;
            }
            let mut sink = self.stdout_or_nowhere()?;
            let done = self.transform(&mut input, &origin, &mut sink, name)?;
            self.tell(name, &done, if self.args.test { "OK" } else { "" });
            self.judge(name, &done);
            return Ok(());
        }
        self.replace(&path, &metadata, &mut input, &origin, name)
    }

    /// Makes the output file and removes the input.
    fn replace(
        &mut self,
        path: &Path,
        metadata: &Metadata,
        input: &mut Input,
        origin: &Origin,
        name: &str,
    ) -> Result<()> {
        let (target, modified) = self.target(path, input)?;
        self.check_target(&target, metadata)?;
        let output = Output::create(target.clone())?;
        let mut sink = output.sink()?;
        let done = self.transform(input, origin, &mut sink, name)?;
        drop(sink);
        let remove = || std::fs::remove_file(path).map_err(|e| cannot_remove(path, e));
        let keep = self.args.keep;
        let removal: Option<&dyn Fn() -> Result<()>> = if keep { None } else { Some(&remove) };
        output.commit(metadata, modified, self.args.force, removal)?;
        let verb = if keep { "created" } else { "replaced with" };
        self.tell(name, &done, &format!("{verb} {}", target.display()));
        self.judge(name, &done);
        Ok(())
    }

    fn check_target(&self, target: &Path, input: &Metadata) -> Result<()> {
        // A name that a header tells can be anything.
        let same = |other: Metadata| (other.dev(), other.ino()) == (input.dev(), input.ino());
        if target.metadata().is_ok_and(same) {
            let why = format!("{} is the input itself", target.display());
            return Err(Error::Usage(why));
        }
        if !self.args.force && target.symlink_metadata().is_ok() {
            return Err(output::exists(target));
        }
        Ok(())
    }

    fn origin(&self, path: &Path, metadata: &Metadata) -> Origin {
        if !self.args.with_name() {
            return Origin::default();
        }
        Origin {
            name: path.file_name().map(|name| name.as_bytes().to_vec()),
            // Times that the format can't tell are not told.
            mtime: metadata.mtime().try_into().unwrap_or(0),
        }
    }

    /// The output's name, and its modification time if the header is to be believed.
    fn target(&self, path: &Path, input: &mut Input) -> Result<(PathBuf, Option<u32>)> {
        let suffix = &self.args.suffix;
        if self.compresses() {
            return Ok((names::compressed(path, suffix)?, None));
        }
        let restore = self.args.with_name();
        if restore {
            if let Next::Item(Ok(header)) = next_header(input, true)? {
                let mtime = Some(header.mtime).filter(|&mtime| mtime != 0);
                let name = header.name.and_then(|name| names::restored(path, &name));
                return Ok((name.map_or_else(|| names::plain(path, suffix), Ok)?, mtime));
            }
        }
        Ok((names::plain(path, suffix)?, None))
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
        let mut progress = Progress::new(name, input.total(), self.args.quiet);
        let (jobs, rest) = if self.compresses() {
            let block = self.args.block_size;
            let queues = &mut self.queues;
            (
                compress(input, origin, block, queues, sink, &mut progress)?,
                Rest::Nothing,
            )
        } else {
            self.decompress(input, sink, &mut progress)?
        };
        Ok(Done {
            compressed: self.compresses(),
            jobs,
            bytes_in: input.position() - start,
            bytes_out: sink.written(),
            time: begun.elapsed(),
            rest,
        })
    }

    fn decompress(
        &mut self,
        input: &mut Input,
        sink: &mut Sink,
        progress: &mut Progress,
    ) -> Result<(u64, Rest)> {
        let start = input.position();
        match decompress(input, &mut self.queues, sink, progress) {
            Err(Error::NotGzip)
                if self.args.force && self.args.stdout && input.position() == start =>
            {
                copy(input, sink).map(|()| (0, Rest::Nothing))
            }
            other => other,
        }
    }

    fn judge(&mut self, name: &str, done: &Done) {
        if done.rest == Rest::Garbage {
            self.warn(name, &"decompression OK, trailing garbage ignored");
        }
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
        // A reader that does not want the result has it all the same.
        let _ = writeln!(
            stdout(),
            "{}",
            describe_measure(name, &measure, self.queues.mode(), self.queues.count())
        );
        Ok(())
    }
}

fn cannot_remove(path: &Path, error: std::io::Error) -> Error {
    Error::Usage(format!(
        "the output is complete, but {} stays: {error}",
        path.display()
    ))
}

/// Hands on what is not in gzip format.
fn copy(input: &mut Input, sink: &mut Sink) -> Result<()> {
    loop {
        let count = match input.peek(64 << 10, true)? {
            Next::Item([]) | Next::Later | Next::End => return Ok(()),
            Next::Item(bytes) => {
                sink.write(&mut [IoSlice::new(bytes)])?;
                bytes.len()
            }
        };
        input.skip(count);
    }
}
