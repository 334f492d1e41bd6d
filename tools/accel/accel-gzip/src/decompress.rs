// SPDX-License-Identifier: GPL-2.0
//! Decompression: members that tell their length in parallel, all others as streams.

use std::collections::HashMap;
use std::os::fd::BorrowedFd;

use accel::hisi_zip::{Algorithm, Completion, Job, REQUEST_MAX, ROOM_MIN};
use accel::memory::{Memory, Source};

use crate::buffers::Buffers;
use crate::container::{FIXED, Header, Parsed, TRAILER, Trailer};
use crate::error::{Error, Result};
use crate::input::{Input, Next};
use crate::pipeline::{Chunk, Stage, run};
use crate::progress::Progress;
use crate::queues::Queues;
use crate::sink::Sink;
use crate::stream::stream;

/// What was found behind the last member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing, or padding of zeroes.
    Nothing,
    /// Something else.
    Garbage,
}

/// Decompresses all of `input`; returns the number of jobs.
pub fn decompress(
    input: &mut Input,
    queues: &mut Queues<'_>,
    sink: &mut Sink,
    progress: &mut Progress,
) -> Result<(u64, Rest)> {
    let mut spare = queues.buffers()?;
    let (mut jobs, mut begun) = (0, false);
    loop {
        let header = match next_header(input, true)? {
            Next::Item(Ok(header)) => header,
            Next::Item(Err(error)) if begun => {
                return behind(input, error).map(|rest| (jobs, rest));
            }
            Next::Item(Err(error)) => return Err(error),
            Next::Later | Next::End if begun => return Ok((jobs, Rest::Nothing)),
            Next::Later | Next::End => return Err(Error::UnexpectedEnd),
        };
        begun = true;
        jobs += if payload_len(&header).is_some() {
            queues.prepare(members(input, &header))?;
            run(
                &mut Parallel::new(input, &mut spare),
                queues,
                sink,
                progress,
            )?
        } else {
            queues.prepare(1)?;
            input.skip(header.len);
            stream(input, &mut spare, queues, sink, progress)?
        };
    }
}

/// A guess at how many members like the one of `header` are to come.
fn members(input: &Input, header: &Header) -> usize {
    match (input.total(), header.member_len) {
        (Some(total), Some(len)) => (total - input.position()).div_ceil(len as u64) as usize,
        _ => usize::MAX,
    }
}

/// What follows the last member, where it is no header because of `error`.
fn behind(input: &mut Input, error: Error) -> Result<Rest> {
    match error {
        Error::NotGzip | Error::UnexpectedEnd if skip_zeroes(input)? => Ok(Rest::Nothing),
        Error::NotGzip | Error::UnexpectedEnd => Ok(Rest::Garbage),
        other => Err(other),
    }
}

/// The header at the input's place, without going on. The inner error: there is none.
pub fn next_header(input: &mut Input, may_block: bool) -> Result<Next<Result<Header>>> {
    /// No sensible header is longer.
    const MOST: usize = 1 << 20;
    // The shortest member has these bytes. Asking for more than a member has could be to wait for
    // bytes that a pipe brings much later.
    const LEAST: usize = FIXED + 2 + TRAILER;
    let mut want = LEAST;
    loop {
        let bytes = match input.peek(want, may_block)? {
            Next::Item([]) | Next::End => return Ok(Next::End),
            Next::Later => return Ok(Next::Later),
            Next::Item(bytes) => bytes,
        };
        let at_end = bytes.len() < want;
        return Ok(Next::Item(match Header::parse(bytes) {
            Parsed::Header(header) => Ok(header),
            Parsed::Short if !at_end && want < MOST => {
                // Ten bytes or more follow any header; a long one is worth a larger step.
                want += (LEAST - FIXED).max(want / 8);
                continue;
            }
            Parsed::Short if at_end => Err(Error::UnexpectedEnd),
            Parsed::Short | Parsed::Foreign => Err(Error::NotGzip),
            Parsed::Unsupported(why) => Err(Error::Data {
                offset: input.position(),
                what: why,
            }),
        }));
    }
}

/// Whether nothing but zeroes is left.
fn skip_zeroes(input: &mut Input) -> Result<bool> {
    loop {
        let count = match input.peek(4096, true)? {
            Next::Item([]) => return Ok(true),
            Next::Item(bytes) if bytes.iter().all(|&byte| byte == 0) => bytes.len(),
            _ => return Ok(false),
        };
        input.skip(count);
    }
}

/// Bytes behind the header of a member that fits into one request.
pub fn payload_len(header: &Header) -> Option<usize> {
    let len = header.member_len?.checked_sub(header.len)?;
    (TRAILER + 2..=REQUEST_MAX).contains(&len).then_some(len)
}

/// Room for what the member with `trailer` claims to have.
pub fn output_len(trailer: Trailer) -> usize {
    (trailer.len as usize).clamp(ROOM_MIN, REQUEST_MAX)
}

/// A request that decompresses the payload `source`, which has `trailer` at its end.
pub fn request(source: Source, trailer: Trailer, output: Memory) -> Job {
    let mut job = Job::new(0, Algorithm::Gzip, source, output);
    job.output_room = output_len(trailer);
    job
}

/// The output of a member's job, if it is what the trailer says.
///
/// The engine has compared, too; what it has written may still have been lost on the way.
pub fn verify(completion: Completion, trailer: Trailer, offset: u64) -> Result<(Chunk, Source)> {
    let Job { source, output, .. } = completion.job;
    let report = completion
        .result
        .map_err(|error| Error::Job { offset, error })?;
    let found = Trailer {
        crc: crc32fast::hash(&output.bytes()[..report.produced]),
        len: report.produced as u32,
    };
    if found != trailer || report.consumed != source.len {
        let what = "the data is damaged: checksum or length does not match";
        return Err(Error::Data { offset, what });
    }
    Ok((
        Chunk {
            buffer: output,
            range: 0..report.produced,
        },
        source,
    ))
}

/// Members that tell their length. Ends at the first that does not.
struct Parallel<'a> {
    input: &'a mut Input,
    spare: &'a mut Buffers,
    /// Where the members in flight begin, and their trailers, by job.
    expected: HashMap<u64, (u64, Trailer)>,
    submitted: u64,
    /// Bytes of the member at hand that a pipe still owes.
    owed: Option<Owed>,
}

/// A member whose header is read.
#[derive(Clone, Copy)]
struct Owed {
    offset: u64,
    len: usize,
}

impl<'a> Parallel<'a> {
    fn new(input: &'a mut Input, spare: &'a mut Buffers) -> Self {
        Self {
            input,
            spare,
            expected: HashMap::new(),
            submitted: 0,
            owed: None,
        }
    }

    /// Begins with the member at the input's place, if it is of the right kind.
    fn begin(&mut self, may_block: bool) -> Result<Next<Owed>> {
        let header = match next_header(self.input, may_block)? {
            Next::Item(Ok(header)) => header,
            Next::Later => return Ok(Next::Later),
            Next::Item(Err(_)) | Next::End => return Ok(Next::End),
        };
        let Some(len) = payload_len(&header) else {
            return Ok(Next::End);
        };
        let owed = Owed {
            offset: self.input.position(),
            len,
        };
        self.input.skip(header.len);
        Ok(Next::Item(owed))
    }
}

impl Stage for Parallel<'_> {
    fn next(&mut self, may_block: bool) -> Result<Next<Job>> {
        let owed = match self.owed.take() {
            Some(owed) => owed,
            None => match self.begin(may_block)? {
                Next::Item(owed) => owed,
                Next::Later => return Ok(Next::Later),
                Next::End => return Ok(Next::End),
            },
        };
        let source = match self.input.take(owed.len, may_block, self.spare)? {
            Next::Item(source) if source.len == owed.len => source,
            Next::Later => {
                self.owed = Some(owed);
                return Ok(Next::Later);
            }
            Next::Item(_) | Next::End => return Err(Error::UnexpectedEnd),
        };
        let trailer = self.input.trailer(&source)?;
        self.expected.insert(self.submitted, (owed.offset, trailer));
        self.submitted += 1;
        let output = self.spare.get(output_len(trailer))?;
        Ok(Next::Item(request(source, trailer, output)))
    }

    fn finish(&mut self, completion: Completion) -> Result<Chunk> {
        let expected = self.expected.remove(&completion.job.tag);
        let (offset, trailer) = expected.expect("each job in flight is expected");
        let (chunk, source) = verify(completion, trailer, offset)?;
        self.spare.put_source(source);
        Ok(chunk)
    }

    fn recycle(&mut self, chunk: Chunk) {
        self.spare.put(chunk.buffer);
    }

    fn pollable(&self) -> Option<BorrowedFd<'_>> {
        self.input.pollable()
    }

    fn position(&self) -> u64 {
        self.input.position()
    }
}
