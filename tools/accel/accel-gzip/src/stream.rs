// SPDX-License-Identifier: GPL-2.0
//! One member of any size, as a stream of requests: each depends on the one before.

use std::io::IoSlice;

use accel::hisi_zip::{Algorithm, Completion, Job, Report, Stream};
use accel::memory::{Memory, Source};

use crate::buffers::Buffers;
use crate::container::{TRAILER, Trailer};
use crate::error::{Error, Result};
use crate::input::{Input, Next, Patience};
use crate::progress::Progress;
use crate::queues::Queues;
use crate::sink::Sink;

/// Input handed over at once.
const INPUT: usize = 1 << 20;

/// Output made at once.
const OUTPUT: usize = 4 << 20;

/// A member that could not be decompressed to its end.
pub struct Failure {
    /// Why.
    pub error: Error,
    /// CRC-32 of what is written.
    pub written: u32,
}

/// Decompresses the member whose header has just been read; returns the number of jobs. Where it
/// fails, what was made is written nevertheless.
///
/// While the engine works on a request, the output of the one before is written.
pub fn stream(
    input: &mut Input,
    spare: &mut Buffers,
    queues: &mut Queues<'_>,
    sink: &mut Sink,
    progress: &mut Progress,
) -> std::result::Result<u64, Failure> {
    let nothing = |error| Failure { error, written: 0 };
    let context = spare.context().map_err(nothing)?;
    let mut state = State::new(input.position(), Stream::new(context));
    let mut unwritten = None;
    let mut result = state.go(input, spare, queues, sink, &mut unwritten, progress);
    if !matches!(result, Err(Error::Write { .. })) {
        let written = write_out(&mut unwritten, sink, spare);
        result = written.and(result);
    }
    match result {
        Ok(jobs) => {
            spare.put_context(state.into_context());
            Ok(jobs)
        }
        Err(error) => {
            queues.abandon();
            Err(Failure {
                error,
                written: state.crc.finalize(),
            })
        }
    }
}

fn submit(queues: &mut Queues<'_>, job: Job) -> Result<()> {
    let refused = queues.submit(job)?;
    assert!(refused.is_none(), "nothing else is in flight");
    Ok(())
}

fn receive(queues: &mut Queues<'_>) -> Result<Completion> {
    loop {
        if let Some(completion) = queues.poll()? {
            return Ok(completion);
        }
        queues.wait(None)?;
    }
}

/// Writes what waits for it; whether there was something.
fn write_out(
    unwritten: &mut Option<(Memory, usize)>,
    sink: &mut Sink,
    spare: &mut Buffers,
) -> Result<bool> {
    let Some((buffer, len)) = unwritten.take() else {
        return Ok(false);
    };
    sink.write(&mut [IoSlice::new(&buffer.bytes()[..len])])?;
    spare.put(buffer);
    Ok(true)
}

fn more(input: &mut Input, spare: &mut Buffers) -> Result<Source> {
    match input.take(INPUT, Patience::Some, spare)? {
        Next::Item(source) => Ok(source),
        Next::Later | Next::End => Err(Error::UnexpectedEnd),
    }
}

/// What is known of the stream between two requests.
struct State {
    /// Where it begins in the input.
    offset: u64,
    /// It, while no request has it.
    stream: Option<Stream>,
    /// CRC-32 so far.
    crc: crc32fast::Hasher,
    /// Length so far modulo 2^32.
    len: u32,
    /// The last bytes that the engine took.
    tail: [u8; TRAILER],
}

impl State {
    fn new(offset: u64, stream: Stream) -> Self {
        Self {
            offset,
            stream: Some(stream),
            crc: crc32fast::Hasher::new(),
            len: 0,
            tail: [0; TRAILER],
        }
    }

    /// Does all requests; returns how many. What is made and not written stays in `unwritten`.
    fn go(
        &mut self,
        input: &mut Input,
        spare: &mut Buffers,
        queues: &mut Queues<'_>,
        sink: &mut Sink,
        unwritten: &mut Option<(Memory, usize)>,
        progress: &mut Progress,
    ) -> Result<u64> {
        let mut source = None;
        let mut jobs = 0;
        loop {
            if source.is_none() && input.would_wait()? {
                // Whoever writes our input may wait for our output.
                write_out(unwritten, sink, spare)?;
            }
            let chunk = match source.take() {
                Some(source) => source,
                None => more(input, spare)?,
            };
            submit(queues, self.request(chunk, spare.get(OUTPUT)?))?;
            jobs += 1;
            if write_out(unwritten, sink, spare)? {
                progress.update(input.position());
            }
            let (output, report, rest) = self.finish(receive(queues)?, input, spare)?;
            *unwritten = Some((output, report.produced));
            if report.stream_end {
                self.end(rest, input, spare)?;
                return Ok(jobs);
            }
            source = rest;
        }
    }

    /// The context of a stream that has ended.
    fn into_context(self) -> Memory {
        let stream = self.stream.expect("no request has it");
        stream.into_context()
    }

    fn request(&mut self, source: Source, output: Memory) -> Job {
        let mut job = Job::new(0, Algorithm::Gzip, source, output);
        job.output_room = OUTPUT;
        job.stream = self.stream.take();
        job
    }

    /// The output, the engine's report, and what is to be sent next: the input that it has not
    /// taken, or nothing but that, if it asks.
    fn finish(
        &mut self,
        completion: Completion,
        input: &mut Input,
        spare: &mut Buffers,
    ) -> Result<(Memory, Report, Option<Source>)> {
        let Job {
            source,
            output,
            stream,
            ..
        } = completion.job;
        let offset = self.offset;
        let report = completion
            .result
            .map_err(|error| Error::Job { offset, error })?;
        let moved = report.consumed > 0 || report.produced > 0 || report.stream_end;
        if !moved && !source.is_empty() {
            return Err(Error::Engine {
                offset,
                what: "the engine makes no progress",
            });
        }
        self.stream = stream;
        self.crc.update(&output.bytes()[..report.produced]);
        self.len = self.len.wrapping_add(report.produced as u32);
        self.remember(input, &source, report.consumed)?;
        let rest = if report.consumed < source.len {
            Some(source.advance(report.consumed))
        } else if report.asks && moved {
            // Behind its last byte there need not be any, and the engine may look.
            Some(Source { len: 0, ..source })
        } else {
            spare.put_source(source);
            None
        };
        Ok((output, report, rest))
    }

    /// Keeps the last bytes of what was taken: they will have been the trailer.
    fn remember(&mut self, input: &mut Input, source: &Source, consumed: usize) -> Result<()> {
        let count = consumed.min(TRAILER);
        let mut last = [0; TRAILER];
        input.copy(source, consumed - count, &mut last[..count])?;
        self.tail.rotate_left(count);
        self.tail[TRAILER - count..].copy_from_slice(&last[..count]);
        Ok(())
    }

    /// Compares with the trailer, and gives the input back what lies behind it.
    fn end(&self, rest: Option<Source>, input: &mut Input, spare: &mut Buffers) -> Result<()> {
        if let Some(rest) = rest {
            input.give_back(&rest);
            spare.put_source(rest);
        }
        if Trailer::parse(self.tail)
            != (Trailer {
                crc: self.crc.clone().finalize(),
                len: self.len,
            })
        {
            return Err(Error::Invalid("crc error"));
        }
        Ok(())
    }
}
