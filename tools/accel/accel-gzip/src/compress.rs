// SPDX-License-Identifier: GPL-2.0
//! Compression: a request for each block of input, whose outputs make one member, or one each.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::BorrowedFd;

use accel::hisi_zip::{
    Algorithm, Completion, Job, JobError, REQUEST_MAX, ROOM_MIN, Report, Stream,
};
use accel::memory::{Memory, Source};

use crate::buffers::{Buffers, LEAD};
use crate::container::{
    HEADER_MAX, Header, LAST_BLOCK, Origin, TRAILER, Trailer, end_mark, store, stored_len,
};
use crate::error::{Error, Result};
use crate::input::{Input, Next, Patience};
use crate::pipeline::{Chunk, Stage, run};
use crate::progress::Progress;
use crate::proof::Proof;
use crate::queues::Queues;
use crate::sink::Sink;
use crate::software::Deflate;

/// Bytes of input in a request that is part of a stream: that there is room for the output.
const JOINED_MAX: usize = REQUEST_MAX / 9 * 8;

/// How to compress.
#[derive(Clone, Debug)]
pub struct Form {
    /// What the first header tells.
    pub origin: Origin,
    /// Bytes in a block.
    pub block: usize,
    /// Whether each block is a member of its own.
    pub independent: bool,
    /// The level where no engine does it.
    pub level: u8,
    /// Whether all that the engine makes is proved, and not the first block alone.
    pub verify: bool,
}

/// Compresses all of `input`, with the engine if it is `ready`; returns the number of jobs.
///
/// Where the engine fails, the rest is done without it, after `tell` was told.
pub fn compress(
    input: &mut Input,
    form: &Form,
    queues: &mut Queues<'_>,
    ready: bool,
    sink: &mut Sink,
    progress: &mut Progress,
    tell: &dyn Fn(&Error),
) -> Result<u64> {
    let mut stage = Compress::new(input, form);
    stage.begin(sink)?;
    let mut jobs = 0;
    if ready {
        match stage.by_engine(queues, sink, progress) {
            Ok(done) => jobs = done,
            Err(error) if error.is_of_engine() => {
                queues.leave(error, tell)?;
                stage.by_software(sink, progress)?;
            }
            Err(error) => return Err(error),
        }
    } else {
        stage.by_software(sink, progress)?;
    }
    stage.end(sink)?;
    Ok(jobs)
}

/// Bytes of a buffer for what comes of a block of `block` bytes, whatever is in there.
pub fn output_len(block: usize) -> usize {
    LEAD + (stored_len(block) + TRAILER).max(ROOM_MIN)
}

/// The same where it is part of a stream: the engine asks for more than it needs.
fn joined_len(block: usize) -> usize {
    output_len(block).max(LEAD + (block * 9).div_ceil(8))
}

/// A request that compresses `source` to behind the lead of `output`.
pub fn request(source: Source, output: Memory) -> Job {
    let room = (output.len() - LEAD).min(REQUEST_MAX);
    let mut job = Job::new(0, Algorithm::Gzip, source, output);
    job.output_start = LEAD;
    job.output_room = room;
    job
}

struct Compress<'a> {
    input: &'a mut Input,
    form: &'a Form,
    block: usize,
    members: Members,
    joined: Joined,
    proof: Proof,
    inputs: Buffers,
    /// Never what was an input: its bytes would pass for the engine's.
    outputs: Buffers,
    /// What jobs read whose output is not written, the oldest first.
    pending: VecDeque<Source>,
}

impl<'a> Compress<'a> {
    fn new(input: &'a mut Input, form: &'a Form) -> Self {
        let block = match form.independent {
            true => form.block,
            false => form.block.min(JOINED_MAX),
        };
        Self {
            input,
            form,
            block,
            members: Members::new(form.origin.clone()),
            joined: Joined::new(),
            proof: Proof::new(form.verify),
            inputs: Buffers::default(),
            outputs: Buffers::default(),
            pending: VecDeque::new(),
        }
    }

    fn begin(&self, sink: &mut Sink) -> Result<()> {
        match self.form.independent {
            true => Ok(()),
            false => sink.put(Header::write(&mut [0; HEADER_MAX], &self.form.origin, None)),
        }
    }

    fn end(&self, sink: &mut Sink) -> Result<()> {
        if self.form.independent {
            return sink.put(&end_mark());
        }
        sink.put(&LAST_BLOCK)?;
        sink.put(&self.joined.whole.bytes())
    }

    fn by_engine(
        &mut self,
        queues: &mut Queues<'_>,
        sink: &mut Sink,
        progress: &mut Progress,
    ) -> Result<u64> {
        // A pipe may bring any number of blocks.
        let blocks = self
            .input
            .total()
            .map(|total| total.div_ceil(self.block as u64));
        queues.prepare(
            blocks
                .and_then(|blocks| blocks.try_into().ok())
                .unwrap_or(usize::MAX),
        )?;
        self.inputs = queues.buffers()?;
        self.outputs = queues.buffers()?;
        run(self, queues, sink, progress)
    }

    /// Compresses what is left: what the engine has not done, and what was not read yet.
    fn by_software(&mut self, sink: &mut Sink, progress: &mut Progress) -> Result<()> {
        let mut deflate = Deflate::new(self.form.level);
        let mut output = Vec::new();
        let mut room = Vec::new();
        let mut pending = std::mem::take(&mut self.pending);
        self.joined.parts.clear();
        self.inputs = Buffers::default();
        loop {
            let source = match pending.pop_front() {
                Some(source) => source,
                None => match self
                    .input
                    .take(self.block, Patience::All, &mut self.inputs)?
                {
                    Next::Item(source) => source,
                    Next::Later | Next::End => return Ok(()),
                },
            };
            let plain = self.input.read(&source, &mut room)?;
            let trailer = Trailer::of(plain);
            output.clear();
            deflate.block(plain, self.form.independent, &mut output);
            if self.form.independent {
                output.extend(trailer.bytes());
                let mut header = [0; HEADER_MAX];
                sink.put(self.members.header(&mut header, output.len()))?;
            } else {
                self.joined.add(trailer);
            }
            sink.put(&output)?;
            self.inputs.put_source(source);
            progress.update(self.input.position());
        }
    }
}

impl Stage for Compress<'_> {
    fn next(&mut self, may_block: bool) -> Result<Next<Job>> {
        let patience = if may_block {
            Patience::All
        } else {
            Patience::None
        };
        let source = match self.input.take(self.block, patience, &mut self.inputs)? {
            Next::Item(source) => source,
            Next::Later => return Ok(Next::Later),
            Next::End => return Ok(Next::End),
        };
        self.pending.push_back(source.clone());
        if self.form.independent {
            let output = self.outputs.get(output_len(self.block))?;
            return Ok(Next::Item(request(source, output)));
        }
        let context = self.outputs.context()?;
        let output = self.outputs.get(joined_len(self.block))?;
        let mut job = request(source, output);
        job.stream = Some(Stream::new(context));
        Ok(Next::Item(job))
    }

    fn finish(&mut self, mut completion: Completion) -> Result<Chunk> {
        let offset = completion.job.tag * self.block as u64;
        let by_engine = completion.result.is_ok();
        if self.form.independent {
            let chunk = self.members.make(completion, self.input, offset, None)?;
            if by_engine {
                self.proof.of_member(&chunk, offset)?;
            }
            return Ok(chunk);
        }
        let stream = completion.job.stream.take();
        let stream = stream.expect("each request is part of a stream");
        let tag = completion.job.tag;
        let (chunk, trailer) = self.joined.make(completion, &stream, self.input, offset)?;
        if by_engine {
            self.proof.of_part(&chunk, trailer, offset)?;
        }
        self.joined.parts.insert(tag, trailer);
        self.outputs.put_context(stream.into_context());
        Ok(chunk)
    }

    fn recycle(&mut self, chunk: Chunk) {
        if let Some(source) = self.pending.pop_front() {
            self.inputs.put_source(source);
        }
        self.joined.written(self.members.made);
        self.members.made += 1;
        self.outputs.put(without_end(chunk));
    }

    fn pollable(&self) -> Option<BorrowedFd<'_>> {
        self.input.pollable()
    }

    fn position(&self) -> u64 {
        self.input.position()
    }
}

/// Makes members of what the engine compressed.
pub struct Members {
    origin: Origin,
    room: Vec<u8>,
    /// How many are written.
    made: u64,
}

impl Members {
    /// Members whose first tells of `origin`.
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            room: Vec::new(),
            made: 0,
        }
    }

    /// The header of the member that is next, of which `rest` bytes follow.
    fn header<'a>(&mut self, room: &'a mut [u8], rest: usize) -> &'a [u8] {
        let number = self.made;
        self.made += 1;
        self.write(number, room, rest)
    }

    fn write<'a>(&self, number: u64, room: &'a mut [u8], rest: usize) -> &'a [u8] {
        match number {
            0 => Header::write(room, &self.origin, Some(rest)),
            _ => Header::write(room, &self.origin.without_name(), Some(rest)),
        }
    }

    /// The member of the block at `offset`. `crc`: CRC-32 of that, if it is known.
    pub fn make(
        &mut self,
        completion: Completion,
        input: &Input,
        offset: u64,
        crc: Option<u32>,
    ) -> Result<Chunk> {
        let Completion { job, result } = completion;
        let (tag, source, mut buffer) = (job.tag, job.source, job.output);
        let len = match result {
            Ok(report) => {
                let crc = match crc {
                    Some(crc) => crc,
                    None => crc32fast::hash(input.read(&source, &mut self.room)?),
                };
                let len = source.len as u32;
                checked(&report, Trailer { crc, len }, &buffer, offset)?
            }
            // Data that can't be compressed need not fit.
            Err(JobError::NoRoom) => {
                let plain = input.read(&source, &mut self.room)?;
                stored(plain, &mut buffer.bytes_mut()[LEAD..])
            }
            Err(error) => return Err(Error::Job { offset, error }),
        };
        let header = self.write(tag, &mut buffer.bytes_mut()[..LEAD], len);
        let start = LEAD - header.len();
        Ok(Chunk {
            buffer,
            range: start..LEAD + len,
        })
    }
}

/// Makes one member of what the engine compressed.
struct Joined {
    room: Vec<u8>,
    /// Of the parts that are written.
    whole: Trailer,
    /// Of those that are not yet, and no more.
    parts: BTreeMap<u64, Trailer>,
}

impl Joined {
    fn new() -> Self {
        Self {
            room: Vec::new(),
            whole: Trailer::NOTHING,
            parts: BTreeMap::new(),
        }
    }

    /// The part of the block at `offset`, and what its own trailer would be.
    fn make(
        &mut self,
        completion: Completion,
        stream: &Stream,
        input: &Input,
        offset: u64,
    ) -> Result<(Chunk, Trailer)> {
        let Job {
            source, mut output, ..
        } = completion.job;
        let (len, trailer) = match completion.result {
            Ok(report) => {
                let trailer = Trailer::of(input.read(&source, &mut self.room)?);
                agree(stream.end(Algorithm::Gzip).last_chunk(), trailer, offset)?;
                (whole(&report, &source, &output, offset)?, trailer)
            }
            Err(JobError::NoRoom) => {
                let plain = input.read(&source, &mut self.room)?;
                let len = store(plain, &mut output.bytes_mut()[LEAD..], false);
                (len, Trailer::of(plain))
            }
            Err(error) => return Err(Error::Job { offset, error }),
        };
        let chunk = Chunk {
            buffer: output,
            range: LEAD..LEAD + len,
        };
        Ok((chunk, trailer))
    }

    /// Adds the part that is next.
    fn add(&mut self, part: Trailer) {
        self.whole = self.whole.join(part);
    }

    /// Adds the part of this number, which is next.
    fn written(&mut self, number: u64) {
        if let Some(part) = self.parts.remove(&number) {
            self.add(part);
        }
    }
}

fn no_end(offset: u64) -> Error {
    let what = "the engine's output does not end as it should";
    Error::Engine { offset, what }
}

/// Compares what the engine says of its input with what that is.
fn agree(told: Option<&[u8; TRAILER]>, input: Trailer, offset: u64) -> Result<()> {
    let told = told.copied().map(Trailer::parse);
    let what = match told.filter(|told| told.len == input.len) {
        None => return Err(no_end(offset)),
        Some(told) if told.crc == input.crc => return Ok(()),
        Some(_) => "the engine's checksum is not that of the input; has that changed meanwhile?",
    };
    Err(Error::Engine { offset, what })
}

/// Length of the engine's output, if it ends as the rest of its report says, and as `input` does.
///
/// The trailer has the length of all input in the place that the report tells, and nothing of an
/// older job has ([`without_end`]): the engine has been here, and has come to the end. It has its
/// checksum, too: the engine has read the input as this program has. What it has made of it is
/// another question ([`Proof`]).
fn checked(report: &Report, input: Trailer, output: &Memory, offset: u64) -> Result<usize> {
    let payload = &output.bytes()[LEAD..LEAD + report.produced];
    agree(payload.last_chunk(), input, offset)?;
    match report.consumed == input.len as usize {
        true => Ok(report.produced),
        false => Err(no_end(offset)),
    }
}

/// Length of a part of the engine's output, if it is there.
///
/// No block of deflate begins with so many zeroes, and the end of a part is not zero either, as is
/// what an older job has left ([`without_end`]). So much tells a part that has come to memory from
/// none. It is too weak for one of which a piece amid has not come, or whose bits are wrong, and
/// does not tell that it ends at a whole byte, where the next one is put: that is [`Proof`]'s.
fn whole(report: &Report, source: &Source, output: &Memory, offset: u64) -> Result<usize> {
    let payload = &output.bytes()[LEAD..LEAD + report.produced];
    let begins = payload.iter().take(MARK).any(|&byte| byte != 0);
    let ends = payload.iter().rev().take(MARK).any(|&byte| byte != 0);
    if report.consumed == source.len && begins && ends {
        return Ok(report.produced);
    }
    Err(no_end(offset))
}

/// Bytes at both ends of a part that are not all zero.
const MARK: usize = 5;

/// The buffer of a member or part that is written, in which its ends are none any more: a job that
/// writes nothing must not be taken for one that has written the same.
pub fn without_end(chunk: Chunk) -> Memory {
    let Chunk { mut buffer, range } = chunk;
    let bytes = buffer.bytes_mut();
    bytes[LEAD..LEAD + MARK].fill(0);
    // No block has this length.
    bytes[range.end.saturating_sub(TRAILER)..range.end].fill(0);
    buffer
}

/// Deflate data and trailer of `plain` without compression.
fn stored(plain: &[u8], room: &mut [u8]) -> usize {
    let len = store(plain, room, true);
    room[len..len + TRAILER].copy_from_slice(&Trailer::of(plain).bytes());
    len + TRAILER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_parts_that_are_written_one_sum_is_kept() {
        let plain: Vec<u8> = (0..1000).map(|n| (n * 7 % 251) as u8).collect();
        let mut joined = Joined::new();
        for (number, pair) in (0..).step_by(2).zip(plain.chunks(20)) {
            // They come in any order.
            joined.parts.insert(number + 1, Trailer::of(&pair[10..]));
            joined.parts.insert(number, Trailer::of(&pair[..10]));
            joined.written(number);
            joined.written(number + 1);
            assert!(joined.parts.is_empty());
        }
        assert_eq!(joined.whole, Trailer::of(&plain));
    }
}
