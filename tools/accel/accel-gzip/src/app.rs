// SPDX-License-Identifier: GPL-2.0
//! From a command line to an exit status.

use std::fs::{File, Metadata};
use std::io::{IoSlice, IsTerminal, Write, stderr, stdin, stdout};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use accel::hisi_zip::Direction;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::bench::{self, Measure};
use crate::cli::Args;
use crate::compress::{Origin, compress};
use crate::decompress::{Rest, decompress, next_header};
use crate::error::{Error, Result};
use crate::input::{Input, Next};
use crate::names;
use crate::output::{self, Output};
use crate::progress::Progress;
use crate::queues::{Engine, Queues, Use};
use crate::sink::Sink;

/// All is well.
const OK: u8 = 0;
/// A file could not be dealt with.
const ERROR: u8 = 1;
/// A file was left alone.
const WARNING: u8 = 2;

/// Does what `args` say; returns the exit status.
pub fn run(args: &Args, engine: &dyn Engine) -> u8 {
    let how = Use {
        queues: args.queues.into(),
        in_flight: args.in_flight.into(),
        wait: args.wait,
    };
    let direction = match args.decompress || args.test {
        true => Direction::Decompress,
        false => Direction::Compress,
    };
    let mut app = App {
        args,
        direction,
        queues: Queues::new(engine, direction, how),
        status: OK,
    };
    app.run();
    app.status
}

struct App<'a> {
    args: &'a Args,
    direction: Direction,
    queues: Queues<'a>,
    status: u8,
}

/// What became of one input, for -v.
struct Done {
    jobs: u64,
    bytes_in: u64,
    bytes_out: u64,
    time: Duration,
    rest: Rest,
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
        self.direction == Direction::Compress
    }

    fn deal_with(&mut self, path: &Path, name: &str) -> Result<()> {
        if self.args.bench.is_some() {
            self.bench(path, name)
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
            eprintln!("accel-gzip: {name}: {error}");
            self.status = ERROR;
        }
    }

    fn warn(&mut self, name: &str, what: &dyn std::fmt::Display) {
        if !self.args.quiet {
            eprintln!("accel-gzip: {name}: {what}");
        }
        if self.status == OK {
            self.status = WARNING;
        }
    }

    /// Standard input to standard output.
    fn filter(&mut self, name: &str) -> Result<()> {
        self.check_terminals(true)?;
        let input = stdin().as_fd().try_clone_to_owned().map_err(Error::Read)?;
        let mut input = Input::new(File::from(input))?;
        let mut sink = self.stdout_or_nowhere()?;
        let done = self.transform(&mut input, &Origin::default(), &mut sink, name)?;
        self.tell(name, &done, "");
        self.judge(name, &done);
        Ok(())
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
        let (file, path) = self.open(path)?;
        let metadata = file.metadata().map_err(Error::Read)?;
        self.check_kind(&metadata)?;
        let mut input = Input::new(file)?;
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
        if !self.args.force && target.symlink_metadata().is_ok() {
            return Err(output::exists(&target));
        }
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

    /// Opens `path`, or, decompressing, the compressed file that belongs to it.
    fn open(&self, path: &Path) -> Result<(File, PathBuf)> {
        let direct = self.open_one(path);
        let missing = matches!(&direct, Err(e) if *e == Errno::NOENT);
        if missing && !self.compresses() {
            let mut other = path.as_os_str().to_owned();
            other.push(&self.args.suffix);
            if let Ok(file) = self.open_one(Path::new(&other)) {
                return Ok((file, other.into()));
            }
        }
        match direct {
            Ok(file) => Ok((file, path.into())),
            Err(Errno::LOOP) => Err(Error::Usage(
                "is a symbolic link (-f, -c and -t follow it)".into(),
            )),
            Err(errno) => Err(Error::Read(errno.into())),
        }
    }

    fn open_one(&self, path: &Path) -> std::result::Result<File, Errno> {
        let follow = self.args.force || self.args.stdout || self.args.test;
        // Without NONBLOCK, the open of a FIFO would wait for a writer.
        let mut flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        flags.set(OFlags::NOFOLLOW, !follow);
        let fd = rustix::fs::open(path, flags, Mode::empty())?;
        rustix::fs::fcntl_setfl(&fd, OFlags::empty())?;
        Ok(File::from(fd))
    }

    fn check_kind(&self, metadata: &Metadata) -> Result<()> {
        let skip = |why: String| Err(Error::Skipped(why));
        if metadata.is_dir() {
            return skip("is a directory -- ignored".into());
        }
        if self.args.stdout || self.args.test {
            return Ok(());
        }
        if !metadata.is_file() {
            return skip("is not a regular file -- ignored".into());
        }
        let others = metadata.nlink() - 1;
        if others > 0 && !self.args.force && !self.args.keep {
            return skip(format!(
                "has {others} other links -- unchanged (-f replaces it)"
            ));
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
        if restore && let Next::Item(Ok(header)) = next_header(input, true)? {
            let mtime = Some(header.mtime).filter(|&mtime| mtime != 0);
            let name = header.name.and_then(|name| names::restored(path, &name));
            return Ok((name.map_or_else(|| names::plain(path, suffix), Ok)?, mtime));
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
        if !self.args.verbose {
            return;
        }
        let (plain, packed) = match self.compresses() {
            true => (done.bytes_in, done.bytes_out),
            false => (done.bytes_out, done.bytes_in),
        };
        let saved = 100.0 - packed as f64 * 100.0 / plain.max(1) as f64;
        let saved = if plain == 0 { 0.0 } else { saved };
        let rate = plain as f64 / 1e6 / done.time.as_secs_f64().max(1e-9);
        let (jobs, queues) = (done.jobs, self.queues.count());
        let dash = if what.is_empty() { "" } else { " -- " };
        eprintln!(
            "{name}:\t{saved:5.1}%{dash}{what} ({jobs} jobs, {queues} queues, {rate:.1} MB/s)"
        );
    }

    fn bench(&mut self, path: &Path, name: &str) -> Result<()> {
        if path == Path::new("-") {
            return Err(Error::Usage("--bench needs a regular file".into()));
        }
        let (file, _) = self.open(path)?;
        let mut input = Input::new(file)?;
        let block = self.compresses().then_some(self.args.block_size);
        let rounds = self.args.bench.unwrap_or(1);
        let mark = |what: &str| {
            // One system call, and so a landmark in a trace.
            let line = format!("bench: {what}\n");
            let _ = rustix::io::write(stderr(), line.as_bytes());
        };
        let measure = bench::bench(&mut input, block, rounds, &mut self.queues, &mark)?;
        print_measure(name, &measure, self.queues.count());
        Ok(())
    }
}

fn print_measure(name: &str, measure: &Measure, queues: usize) {
    let Measure {
        jobs,
        bytes_in,
        bytes_out,
        time,
    } = *measure;
    let seconds = time.as_secs_f64().max(1e-9);
    let rate = |bytes: u64| bytes as f64 / 1e6 / seconds;
    let _ = writeln!(
        stdout(),
        "{name}: {jobs} jobs, {queues} queues, {seconds:.3} s, in {:.1} MB/s, out {:.1} MB/s, \
         {:.1} us/job",
        rate(bytes_in),
        rate(bytes_out),
        seconds * 1e6 / jobs.max(1) as f64
    );
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
