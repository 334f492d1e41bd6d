// SPDX-License-Identifier: GPL-2.0
//! Compression: a request for each block of input, a member of each request.

use std::os::fd::BorrowedFd;

use accel::hisi_zip::{Algorithm, Completion, Job, JobError, REQUEST_MAX, ROOM_MIN, Report};
use accel::memory::{Memory, Source};

use crate::buffers::{Buffers, LEAD};
use crate::container::{Header, TRAILER, Trailer, empty_member, store, stored_len};
use crate::error::{Error, Result};
use crate::input::{Input, Next};
use crate::pipeline::{Chunk, Stage, run};
use crate::progress::Progress;
use crate::queues::Queues;
use crate::sink::Sink;

/// What the first member tells of the original file.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Its name.
    pub name: Option<Vec<u8>>,
    /// Its modification time; 0: not told.
    pub mtime: u32,
}

/// Compresses all of `input` in blocks of `block` bytes; returns the number of jobs.
pub fn compress(
    input: &mut Input,
    origin: &Origin,
    block: usize,
    queues: &mut Queues<'_>,
    sink: &mut Sink,
    progress: &mut Progress,
) -> Result<u64> {
    // A pipe may bring any number of blocks.
    let blocks = input.total().map(|total| total.div_ceil(block as u64));
    queues.prepare(
        blocks
            .and_then(|blocks| blocks.try_into().ok())
            .unwrap_or(usize::MAX),
    )?;
    let mut stage = Compress {
        input,
        members: Members::new(origin.clone()),
        spare: queues.buffers()?,
        block,
    };
    let jobs = run(&mut stage, queues, sink, progress)?;
    if jobs == 0 {
        let member = empty_member(origin.name.as_deref(), origin.mtime);
        sink.write(&mut [std::io::IoSlice::new(&member)])?;
    }
    Ok(jobs)
}

/// Bytes of a buffer for the member of a block of `block` bytes, whatever is in there.
pub fn output_len(block: usize) -> usize {
    LEAD + (stored_len(block) + TRAILER).max(ROOM_MIN)
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
    members: Members,
    spare: Buffers,
    block: usize,
}

impl Stage for Compress<'_> {
    fn next(&mut self, may_block: bool) -> Result<Next<Job>> {
        Ok(
            match self.input.take(self.block, may_block, &mut self.spare)? {
                Next::Item(source) => {
                    let output = self.spare.get(output_len(self.block))?;
                    Next::Item(request(source, output))
                }
                Next::Later => Next::Later,
                Next::End => Next::End,
            },
        )
    }

    fn finish(&mut self, completion: Completion) -> Result<Chunk> {
        let offset = completion.job.tag * self.block as u64;
        let (chunk, source) = self.members.make(completion, self.input, offset, None)?;
        self.spare.put_source(source);
        Ok(chunk)
    }

    fn recycle(&mut self, chunk: Chunk) {
        self.spare.put(without_end(chunk));
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
}

impl Members {
    /// Members whose first tells of `origin`.
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            room: Vec::new(),
        }
    }

    /// The member of the block at `offset`; also returns what the job read. `crc`: CRC-32 of that,
    /// if it is known.
    pub fn make(
        &mut self,
        completion: Completion,
        input: &Input,
        offset: u64,
        crc: Option<u32>,
    ) -> Result<(Chunk, Source)> {
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
        let name = if tag == 0 {
            self.origin.name.as_deref()
        } else {
            None
        };
        let header = Header::write(
            &mut buffer.bytes_mut()[..LEAD],
            name,
            self.origin.mtime,
            len,
        );
        let start = LEAD - header.len();
        Ok((
            Chunk {
                buffer,
                range: start..LEAD + len,
            },
            source,
        ))
    }
}

/// Length of the engine's output, if it ends as the rest of its report says, and as `input` does.
///
/// The trailer has the length of all input in the place that the report tells, and nothing of an
/// older job has ([`without_end`]): the engine has been here, and has come to the end. It has its
/// checksum, too: the engine has read the input as this program has. What it has made of it is not
/// looked at.
fn checked(report: &Report, input: Trailer, output: &Memory, offset: u64) -> Result<usize> {
    let payload = &output.bytes()[LEAD..LEAD + report.produced];
    let found = payload.last_chunk().copied().map(Trailer::parse);
    let what = match found.filter(|found| found.len == input.len) {
        Some(found) if report.consumed == input.len as usize => match found.crc == input.crc {
            true => return Ok(report.produced),
            false => "the engine's checksum is not that of the input; has that changed meanwhile?",
        },
        _ => "the engine's output does not end as it should",
    };
    Err(Error::Data { offset, what })
}

/// The buffer of a member that is written, in which its trailer is none any more: a job that writes
/// nothing must not be taken for one that has written the same.
pub fn without_end(chunk: Chunk) -> Memory {
    let Chunk { mut buffer, range } = chunk;
    // No block has this length.
    buffer.bytes_mut()[range.end - TRAILER..range.end].fill(0);
    buffer
}

/// Deflate data and trailer of `plain` without compression.
fn stored(plain: &[u8], room: &mut [u8]) -> usize {
    let len = store(plain, room);
    let trailer = Trailer {
        crc: crc32fast::hash(plain),
        len: plain.len() as u32,
    };
    room[len..len + TRAILER].copy_from_slice(&trailer.bytes());
    len + TRAILER
}
