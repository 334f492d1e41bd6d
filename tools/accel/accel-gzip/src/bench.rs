// SPDX-License-Identifier: GPL-2.0
//! Measuring: the jobs of one file again and again, nothing written.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use accel::AddressMode;
use accel::hisi_zip::{Completion, Job};
use accel::memory::{Input as Data, Memory, Source};

use crate::buffers::Buffers;
use crate::compress::{self, Members};
use crate::container::{Origin, Trailer};
use crate::decompress::{self, next_header, payload_len};
use crate::error::{Error, Result};
use crate::input::{Input, Next, Patience};
use crate::pipeline::{Chunk, Stage, run, window};
use crate::progress::Progress;
use crate::queues::Queues;
use crate::sink::Sink;

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// Jobs done.
    pub jobs: u64,
    /// Bytes read in them.
    pub bytes_in: u64,
    /// Bytes written in them.
    pub bytes_out: u64,
    /// Time that it took.
    pub time: Duration,
}

/// One job of the file: a part of it, and the trailer there if that is to be decompressed.
struct Item {
    data: Data,
    start: usize,
    len: usize,
    trailer: Option<Trailer>,
    /// CRC-32 of what is to be compressed: looked at before, it takes no time or system call later.
    crc: Option<u32>,
}

/// Submits the jobs of `input` in `rounds` rounds, after one that warms up.
///
/// Where the engine does not see the file itself, all of it is in a buffer before. `mark` is called
/// before and after the rounds: in between, no system call is made while completions are looked for
/// in memory, unless the kernel hands over the jobs.
pub fn bench(
    input: &mut Input,
    block: Option<usize>,
    rounds: u32,
    queues: &mut Queues<'_>,
    mark: &dyn Fn(&str),
) -> Result<Measure> {
    if !matches!(input, Input::File(_)) {
        return Err(Error::Usage(
            "--bench needs a regular file that is not empty".into(),
        ));
    }
    let mut spare = queues.buffers()?;
    let mut items = match block {
        Some(block) => blocks(input, block, &mut spare)?,
        None => members(input, &mut spare)?,
    };
    if queues.mode() != AddressMode::Shared {
        if let Input::File(file) = input {
            let data = file.load(&queues.space()?)?;
            items.iter_mut().for_each(|item| item.data = data.clone());
        }
    }
    queues.prepare(items.len())?;
    let bytes: u64 = items.iter().map(|item| item.len as u64).sum();
    let output_len = items.iter().map(Item::output_len).max().unwrap_or(0);
    spare.fill(window(queues), output_len)?;
    let mut replay = Replay::new(items, input, spare);
    replay.go(1, queues)?;
    // Reading the clock can be a system call, and so is done outside the marks.
    let begun = Instant::now();
    mark("begin");
    let (jobs, bytes_out) = replay.go(rounds, queues)?;
    mark("end");
    let time = begun.elapsed();
    Ok(Measure {
        jobs,
        bytes_in: bytes * u64::from(rounds),
        bytes_out,
        time,
    })
}

/// The next `len` bytes of the file, fewer at its end.
fn next_item(input: &mut Input, len: usize, spare: &mut Buffers) -> Result<Option<Item>> {
    match input.take(len, Patience::All, spare)? {
        Next::Item(source) => Ok(Some(Item {
            data: source.memory,
            start: source.start,
            len: source.len,
            trailer: None,
            crc: None,
        })),
        Next::Later | Next::End => Ok(None),
    }
}

fn blocks(input: &mut Input, block: usize, spare: &mut Buffers) -> Result<Vec<Item>> {
    let (mut items, mut room) = (Vec::new(), Vec::new());
    while let Some(mut item) = next_item(input, block, spare)? {
        let plain = item.source();
        item.crc = Some(crc32fast::hash(input.read(&plain, &mut room)?));
        items.push(item);
    }
    Ok(items)
}

fn members(input: &mut Input, spare: &mut Buffers) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    while let Next::Item(header) = next_header(input, true)? {
        let header = header?;
        let len = payload_len(&header).ok_or_else(only_ours)?;
        input.skip(header.len);
        let item = next_item(input, len, spare)?.filter(|item| item.len == len);
        let mut item = item.ok_or(Error::UnexpectedEnd)?;
        item.trailer = Some(input.trailer(&item.source())?);
        items.push(item);
    }
    if items.is_empty() {
        Err(only_ours())
    } else {
        Ok(items)
    }
}

fn only_ours() -> Error {
    Error::Usage("--bench -d needs a file made by accel-gzip --independent".into())
}

impl Item {
    fn source(&self) -> Source {
        Source::new(self.data.clone(), self.start, self.len)
    }

    fn output_len(&self) -> usize {
        match self.trailer {
            None => compress::output_len(self.len),
            Some(trailer) => decompress::output_len(trailer),
        }
    }

    fn job(&self, output: Memory) -> Job {
        match self.trailer {
            None => compress::request(self.source(), output),
            Some(trailer) => decompress::request(self.source(), trailer, output),
        }
    }
}

struct Replay<'a> {
    items: Vec<Item>,
    input: &'a Input,
    maker: Members,
    spare: Buffers,
    submitted: usize,
    end: usize,
}

impl<'a> Replay<'a> {
    fn new(items: Vec<Item>, input: &'a Input, spare: Buffers) -> Self {
        let maker = Members::new(Origin::default());
        Self {
            items,
            input,
            maker,
            spare,
            submitted: 0,
            end: 0,
        }
    }

    /// Jobs done and bytes written.
    fn go(&mut self, rounds: u32, queues: &mut Queues<'_>) -> Result<(u64, u64)> {
        self.submitted = 0;
        self.end = self.items.len() * rounds as usize;
        let mut sink = Sink::nowhere();
        let jobs = run(self, queues, &mut sink, &mut Progress::none())?;
        Ok((jobs, sink.written()))
    }

    fn item(&self, job: u64) -> &Item {
        &self.items[job as usize % self.items.len()]
    }
}

impl Stage for Replay<'_> {
    fn next(&mut self, _may_block: bool) -> Result<Next<Job>> {
        if self.submitted == self.end {
            return Ok(Next::End);
        }
        let item = &self.items[self.submitted % self.items.len()];
        let job = item.job(self.spare.get(item.output_len())?);
        self.submitted += 1;
        Ok(Next::Item(job))
    }

    fn finish(&mut self, completion: Completion) -> Result<Chunk> {
        let offset = completion.job.source.start as u64;
        let Item { trailer, crc, .. } = *self.item(completion.job.tag);
        match trailer {
            None => self.maker.make(completion, self.input, offset, crc),
            Some(trailer) => decompress::verify(completion, trailer, offset),
        }
    }

    fn recycle(&mut self, chunk: Chunk) {
        // What is decompressed has no trailer, and may be shorter than one.
        let plain = self.items.iter().any(|item| item.trailer.is_some());
        self.spare.put(match plain {
            true => chunk.buffer,
            false => compress::without_end(chunk),
        });
    }

    fn pollable(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn position(&self) -> u64 {
        0
    }
}
