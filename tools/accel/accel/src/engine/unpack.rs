// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Decompression.
//!
//! A stream begins in software: a small one ends there. A larger one goes to a device from its
//! beginning, and if that fails, to software, from the beginning again. What has been handed out is
//! left out then, and compared.

use std::time::Duration;

use super::checksum::{Checksum, TRAILER_MAX};
use super::inflate::{Fed, Inflate};
use super::kept::Kept;
use super::lane::Lane;
use super::step::{Step, sealed};
use super::{Engine, Format, header};
use crate::error::{Error, Result};
use crate::hisi_zip::{Algorithm, Direction, Job, Stream};
use crate::memory::{Memory, Source};

/// Bytes of input up to which a device is not worth its while.
const SMALL: u64 = 64 << 10;

/// Bytes of input in a request.
const INPUT: usize = 512 << 10;

/// Bytes of output that it has room for.
const OUTPUT: usize = 2 << 20;

/// How often a device may fail one user.
const FAILURES: u32 = 3;

/// What was handed out can't be taken back.
const WRONG: &str = "what the engine has made of them was wrong";

/// Decompresses.
pub struct Unpacker {
    engine: Engine,
    format: Format,
    failures: u32,
    /// Whether a stream has ended, and what follows may be another one.
    any: bool,
    stage: Stage,
}

enum Stage {
    /// A header is to come, or the rest of this one.
    Header(Vec<u8>),
    Body(Box<Body>),
    /// Nothing is to come but zeroes.
    End,
}

/// A stream behind its header.
struct Body {
    kept: Kept,
    worker: Worker,
    /// Of what was handed out.
    checksum: Checksum,
    old: Option<Old>,
}

enum Worker {
    Software(Inflate),
    Device(Box<Device>),
}

/// What was handed out before the stream began again.
struct Old {
    left: u64,
    value: u32,
    checksum: Checksum,
}

/// Why a worker does not go on.
enum Stop {
    /// The data are wrong.
    Data(&'static str),
    /// It is; somebody else may do better.
    Worker(Error),
}

impl Body {
    fn new(format: Format) -> Self {
        Self {
            kept: Kept::new(),
            worker: Worker::Software(Inflate::new(format)),
            checksum: Checksum::new(format),
            old: None,
        }
    }

    /// Takes some of `input` that was never there, and keeps it.
    fn step(&mut self, input: &[u8], output: &mut Vec<u8>) -> std::result::Result<Fed, Stop> {
        let fed = self.work(input, output)?;
        self.kept.add(&input[..fed.taken]);
        Ok(fed)
    }

    fn work(&mut self, input: &[u8], output: &mut Vec<u8>) -> std::result::Result<Fed, Stop> {
        let start = output.len();
        let fed = match &mut self.worker {
            Worker::Software(inflate) => inflate.step(input, output).map_err(Stop::Data),
            Worker::Device(device) => device.step(input, output).map_err(Stop::Worker),
        };
        self.leave_out_old(start, output)?;
        let before = self.checksum.clone();
        self.checksum.update(&output[start..]);
        let fed = fed?;
        match &self.worker {
            Worker::Software(_) if fed.ended && self.old.is_some() => Err(Stop::Data(WRONG)),
            // The engine compares them as well; but it may have written something else.
            Worker::Device(device) if fed.ended && !self.fits(device) => {
                let error = device.wrong("the engine's output does not fit its checksum");
                output.truncate(start);
                self.checksum = before;
                Err(Stop::Worker(error))
            }
            _ => Ok(fed),
        }
    }

    /// Whether all that was handed out is there, and what the trailer says.
    fn fits(&self, device: &Device) -> bool {
        device.has_seen(&self.checksum.trailer()) && self.old.is_none()
    }

    /// Removes from `output` behind `start` what was handed out before.
    fn leave_out_old(
        &mut self,
        start: usize,
        output: &mut Vec<u8>,
    ) -> std::result::Result<(), Stop> {
        let Some(old) = &mut self.old else {
            return Ok(());
        };
        let new = output.len() - start;
        let count = usize::try_from(old.left).unwrap_or(usize::MAX).min(new);
        old.checksum.update(&output[start..][..count]);
        output.drain(start..start + count);
        old.left -= count as u64;
        if old.left > 0 {
            return Ok(());
        }
        let same = old.checksum.value() == old.value;
        self.old = None;
        match (same, &self.worker) {
            (true, _) => Ok(()),
            (false, Worker::Device(device)) => {
                output.truncate(start);
                Err(Stop::Worker(
                    device.wrong("the engine's output is not the program's"),
                ))
            }
            (false, Worker::Software(_)) => {
                output.truncate(start);
                Err(Stop::Data(WRONG))
            }
        }
    }

    /// Begins again with another worker. What is handed out stays so.
    fn restart(&mut self, worker: Worker, format: Format) {
        let none = self.checksum.len() == 0;
        self.worker = worker;
        self.old = (!none).then(|| Old {
            left: self.checksum.len(),
            value: self.checksum.value(),
            checksum: Checksum::new(format),
        });
    }

    /// Has the worker take all input that is kept; false if that is not there any more.
    fn replay(&mut self, output: &mut Vec<u8>) -> std::result::Result<bool, Stop> {
        let mut kept = std::mem::replace(&mut self.kept, Kept::new());
        let result = self.replay_from(&mut kept, output);
        self.kept = kept;
        result
    }

    fn replay_from(
        &mut self,
        kept: &mut Kept,
        output: &mut Vec<u8>,
    ) -> std::result::Result<bool, Stop> {
        let Some(mut again) = kept.again() else {
            return Ok(false);
        };
        let mut room = vec![0; INPUT];
        loop {
            let len = match again.fill(&mut room) {
                Ok(0) => return Ok(true),
                Ok(len) => len,
                Err(_) => return Ok(false),
            };
            let mut input = &room[..len];
            while !input.is_empty() {
                let fed = self.work(input, output)?;
                input = &input[fed.taken..];
                match (fed.ended, input) {
                    (false, _) => {}
                    (true, []) => return Ok(true),
                    // These were another stream's.
                    (true, _) => return Err(Stop::Data(WRONG)),
                }
            }
        }
    }
}

impl Unpacker {
    /// Decompresses what is in this format.
    pub fn new(engine: &Engine, format: Format) -> Self {
        Self {
            engine: engine.clone(),
            format,
            failures: 0,
            any: false,
            stage: Stage::Header(Vec::new()),
        }
    }

    /// Takes what belongs to the header, all of it or some.
    fn header(&mut self, mut head: Vec<u8>, input: &[u8]) -> Result<usize> {
        let had = head.len();
        head.extend_from_slice(input);
        if self.any && head.first() == Some(&0) {
            self.stage = Stage::End;
            return Ok(0);
        }
        match header::len(self.format, &head) {
            Ok(None) => {
                self.stage = Stage::Header(head);
                Ok(input.len())
            }
            Ok(Some(len)) => {
                self.stage = Stage::Body(Box::new(Body::new(self.format)));
                Ok(len - had)
            }
            Err(_) if self.any => Err(behind()),
            Err(what) => Err(Error::Damaged { what }),
        }
    }

    fn body(&mut self, mut body: Box<Body>, input: &[u8], output: &mut Vec<u8>) -> Result<usize> {
        if matches!(body.worker, Worker::Software(_)) && body.kept.len() >= SMALL {
            self.try_device(&mut body, output)?;
        }
        let start = output.len();
        // A large stream is not to be done here unawares.
        let input = match body.worker {
            Worker::Software(_) if self.failures < FAILURES => {
                let small = SMALL.saturating_sub(body.kept.len()).max(1);
                &input[..input
                    .len()
                    .min(usize::try_from(small).unwrap_or(usize::MAX))]
            }
            _ => input,
        };
        let result = body.step(input, output);
        let device = matches!(body.worker, Worker::Device(_));
        let fed = match result {
            Err(Stop::Worker(error)) => {
                self.count(false, output.len() - start);
                self.fall_back(&mut body, error, output)?;
                Fed {
                    taken: 0,
                    ended: false,
                }
            }
            Err(Stop::Data(what)) => return Err(Error::Damaged { what }),
            Ok(fed) => {
                self.count(device, output.len() - start);
                fed
            }
        };
        match fed.ended {
            true => self.end(*body),
            false => self.stage = Stage::Body(body),
        }
        Ok(fed.taken)
    }

    fn count(&self, device: bool, bytes: usize) {
        match device {
            true => self.engine.count_device(bytes),
            false => self.engine.count_software(bytes),
        }
    }

    /// A stream has ended.
    fn end(&mut self, body: Body) {
        self.give_back(body.worker);
        self.any = true;
        self.stage = match self.format {
            Format::Gzip => Stage::Header(Vec::new()),
            Format::Deflate | Format::Zlib => Stage::End,
        };
    }

    fn give_back(&self, worker: Worker) {
        if let Worker::Device(device) = worker {
            self.engine.put(device.into_lane());
        }
    }

    /// Begins the stream again on a device, if there is one for it.
    fn try_device(&mut self, body: &mut Body, output: &mut Vec<u8>) -> Result<()> {
        if self.failures >= FAILURES {
            return Ok(());
        }
        let lane = match self.engine.lane(Direction::Decompress) {
            Ok(Some(lane)) => lane,
            Ok(None) => {
                // For this user it stays so.
                self.failures = FAILURES;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let limit = self.engine.job_limit();
        let device = match Device::new(lane, self.format, limit) {
            Ok(device) => device,
            Err(error) => {
                self.failures += 1;
                return self.engine.failed(error);
            }
        };
        body.restart(Worker::Device(Box::new(device)), self.format);
        let start = output.len();
        match body.replay(output) {
            Ok(true) => {
                self.count(true, output.len() - start);
                Ok(())
            }
            Ok(false) => Err(lost()),
            Err(Stop::Worker(error)) => self.fall_back(body, error, output),
            Err(Stop::Data(what)) => Err(Error::Damaged { what }),
        }
    }

    /// Begins the stream again in software, since the device has failed by `error`.
    fn fall_back(&mut self, body: &mut Body, error: Error, output: &mut Vec<u8>) -> Result<()> {
        self.failures += 1;
        let software = Worker::Software(Inflate::new(self.format));
        body.restart(software, self.format);
        let start = output.len();
        let result = body.replay(output);
        self.count(false, output.len() - start);
        match result {
            // It may be right that it has not done these.
            Ok(true) if matches!(error, Error::Job { .. } | Error::CutOff) => Ok(()),
            Ok(true) => self.engine.failed(error),
            Ok(false) => Err(error),
            Err(Stop::Data(what)) => Err(Error::Damaged { what }),
            Err(Stop::Worker(error)) => Err(error),
        }
    }
}

/// What is wrong behind the end.
fn behind() -> Error {
    Error::Damaged {
        what: "something else follows them",
    }
}

/// Input that is needed once more is not there.
fn lost() -> Error {
    Error::Damaged {
        what: "they could not be read once more",
    }
}

impl sealed::Sealed for Unpacker {}

impl Step for Unpacker {
    fn begin(engine: &Engine, format: Format) -> Self {
        Self::new(engine, format)
    }

    fn step(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize> {
        match std::mem::replace(&mut self.stage, Stage::End) {
            Stage::Header(head) => self.header(head, input),
            Stage::Body(body) => self.body(body, input, output),
            Stage::End => match self.format {
                Format::Gzip if input.iter().all(|byte| *byte == 0) => Ok(input.len()),
                _ if input.is_empty() => Ok(0),
                _ => Err(behind()),
            },
        }
    }

    fn flush(&mut self, output: &mut Vec<u8>) -> Result<()> {
        loop {
            let before = output.len();
            self.step(&[], output)?;
            if output.len() == before {
                return Ok(());
            }
        }
    }

    fn finish(&mut self, output: &mut Vec<u8>) -> Result<()> {
        let before = output.len();
        self.step(&[], output)?;
        if output.len() > before {
            return Ok(());
        }
        match std::mem::replace(&mut self.stage, Stage::End) {
            Stage::End => Ok(()),
            Stage::Header(head) if self.any && head.is_empty() => Ok(()),
            Stage::Header(_) => Err(Error::CutOff),
            Stage::Body(mut body) => match body.worker {
                Worker::Software(_) => Err(Error::CutOff),
                // There may be more in them than the engine has given.
                Worker::Device(_) => {
                    self.fall_back(&mut body, Error::CutOff, output)?;
                    self.stage = Stage::Body(body);
                    match output.len() > before {
                        true => Ok(()),
                        false => self.finish(output),
                    }
                }
            },
        }
    }
}

impl Drop for Unpacker {
    fn drop(&mut self) {
        if let Stage::Body(body) = std::mem::replace(&mut self.stage, Stage::End) {
            self.give_back(body.worker);
        }
    }
}

/// A stream on a device.
struct Device {
    lane: Lane,
    algorithm: Algorithm,
    limit: Duration,
    /// None while a request has it, and once one has failed.
    stream: Option<Stream>,
    input: Option<Memory>,
    output: Option<Memory>,
    /// Whether the engine asks for a request without input.
    asks: bool,
    /// The last bytes that it took.
    tail: [u8; TRAILER_MAX],
}

impl Device {
    fn new(mut lane: Lane, format: Format, limit: Duration) -> Result<Self> {
        Ok(Self {
            algorithm: match format {
                Format::Deflate => Algorithm::Deflate,
                Format::Zlib => Algorithm::Zlib,
                Format::Gzip => Algorithm::Gzip,
            },
            limit,
            stream: Some(lane.stream()?),
            input: Some(lane.memory(INPUT)?),
            output: Some(lane.memory(OUTPUT)?),
            asks: false,
            tail: [0; TRAILER_MAX],
            lane,
        })
    }

    /// One request, if it has something to do.
    fn step(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<Fed> {
        let input = &input[..input.len().min(INPUT)];
        if input.is_empty() && !self.asks {
            return Ok(Fed {
                taken: 0,
                ended: false,
            });
        }
        let parts = (self.stream.take(), self.input.take(), self.output.take());
        let (Some(stream), Some(mut memory), Some(room)) = parts else {
            return Err(self.wrong("a request before has failed"));
        };
        memory.bytes_mut()[..input.len()].copy_from_slice(input);
        let source = Source::new(memory, 0, input.len());
        let mut job = Job::new(0, self.algorithm, source, room);
        job.output_room = OUTPUT;
        job.stream = Some(stream);
        self.lane.submit(job)?;
        self.receive(input, output)
    }

    fn receive(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<Fed> {
        let completion = loop {
            match self.lane.poll()? {
                Some(completion) => break completion,
                None => self.lane.wait(self.limit)?,
            }
        };
        let job = completion.job;
        let report = completion.result.map_err(|error| Error::Job {
            device: self.lane.device_name().into(),
            error,
        })?;
        let taken = input.get(..report.consumed);
        let (Some(taken), Some(made)) = (taken, job.output.bytes().get(..report.produced)) else {
            return Err(self.wrong("the engine tells of more than it was given"));
        };
        let moved = report.consumed > 0 || report.produced > 0 || report.stream_end;
        if !moved && !input.is_empty() {
            return Err(self.wrong("the engine makes no progress"));
        }
        output.extend_from_slice(made);
        self.remember(taken);
        self.asks = report.asks && moved;
        self.stream = job.stream;
        self.output = Some(job.output);
        self.input = job.source.into_memory();
        Ok(Fed {
            taken: report.consumed,
            ended: report.stream_end,
        })
    }

    fn remember(&mut self, taken: &[u8]) {
        let last = &taken[taken.len().saturating_sub(TRAILER_MAX)..];
        self.tail.rotate_left(last.len());
        self.tail[TRAILER_MAX - last.len()..].copy_from_slice(last);
    }

    /// Whether the input that it has taken ends so.
    fn has_seen(&self, trailer: &[u8]) -> bool {
        self.tail.ends_with(trailer)
    }

    fn wrong(&self, what: &str) -> Error {
        self.lane.wrong(what)
    }

    /// The queue, for somebody else.
    fn into_lane(mut self) -> Lane {
        if let Some(stream) = self.stream {
            self.lane.put_stream(stream);
        }
        for memory in [self.input, self.output].into_iter().flatten() {
            self.lane.put_memory(memory);
        }
        self.lane
    }
}
