// SPDX-License-Identifier: GPL-2.0
//! Jobs out, results back in order, output in batches.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;
use std::os::fd::BorrowedFd;

use accel::hisi_zip::{Completion, Job};
use accel::memory::Memory;

use crate::error::{Error, Result};
use crate::input::Next;
use crate::progress::Progress;
use crate::queues::Queues;
use crate::sink::Sink;

/// Output of one job.
pub struct Chunk {
    /// Where it lies.
    pub buffer: Memory,
    /// What of the buffer it is.
    pub range: Range<usize>,
}

/// What a pipeline does.
pub trait Stage {
    /// The next job. Tags are the pipeline's.
    fn next(&mut self, may_block: bool) -> Result<Next<Job>>;

    /// Makes the output of a job that came back; jobs come back in any order.
    fn finish(&mut self, completion: Completion) -> Result<Chunk>;

    /// Takes back a chunk that is written. Chunks are written in the order of their jobs.
    fn recycle(&mut self, chunk: Chunk);

    /// What to wait for when [`next`](Self::next) says [`Next::Later`].
    fn pollable(&self) -> Option<BorrowedFd<'_>>;

    /// Bytes of input taken so far.
    fn position(&self) -> u64;
}

/// Bytes that are worth a system call.
const BATCH_BYTES: usize = 4 << 20;

/// Chunks written at once at most; as many may wait besides what is in flight.
const BATCH_CHUNKS: usize = 16;

/// Jobs of a pipeline that may be in flight or wait to be written, and so outputs in use at once.
pub fn window(queues: &Queues<'_>) -> usize {
    queues.capacity() + BATCH_CHUNKS
}

/// Runs `stage` to its end; returns the number of jobs. Where it fails, the output of the first
/// jobs is written, as far as it is there, and nothing is in flight.
pub fn run(
    stage: &mut dyn Stage,
    queues: &mut Queues<'_>,
    sink: &mut Sink,
    progress: &mut Progress,
) -> Result<u64> {
    let mut pipeline = Pipeline {
        window: window(queues),
        stage,
        queues,
        sink,
        chunks: VecDeque::new(),
        ready: 0,
        ready_bytes: 0,
        submitted: 0,
        ended: false,
    };
    pipeline.chunks.reserve(pipeline.window);
    if let Err(error) = pipeline.run(progress) {
        if !matches!(error, Error::Write { .. }) {
            pipeline.count();
            pipeline.flush()?;
        }
        queues.abandon();
        return Err(error);
    }
    Ok(pipeline.submitted)
}

struct Pipeline<'a, 'b> {
    stage: &'a mut dyn Stage,
    queues: &'a mut Queues<'b>,
    sink: &'a mut Sink,
    /// Jobs that may be in flight or wait to be written.
    window: usize,
    /// Output by order of submission, the oldest not written first; `None`: not there yet.
    chunks: VecDeque<Option<Chunk>>,
    /// How many of the first are there, and their bytes.
    ready: usize,
    ready_bytes: usize,
    submitted: u64,
    ended: bool,
}

/// Why no job was submitted.
#[derive(PartialEq, Eq)]
enum Fed {
    /// Queues or window are full, or there is no more input.
    Full,
    /// The input is not there yet.
    Later,
}

impl Pipeline<'_, '_> {
    fn run(&mut self, progress: &mut Progress) -> Result<()> {
        loop {
            let fed = self.feed()?;
            let came = self.collect()?;
            if self.ended && self.queues.in_flight() == 0 {
                return self.flush();
            }
            if self.ready_bytes >= BATCH_BYTES || self.ready >= BATCH_CHUNKS {
                self.flush()?;
                progress.update(self.stage.position());
            } else if !came {
                self.wait(&fed)?;
            }
        }
    }

    /// Submits as many jobs as there is room for.
    fn feed(&mut self) -> Result<Fed> {
        while !self.ended && self.queues.has_room() && self.chunks.len() < self.window {
            match self.stage.next(false)? {
                Next::Item(job) => self.submit(job)?,
                Next::Later => return Ok(Fed::Later),
                Next::End => self.ended = true,
            }
        }
        Ok(Fed::Full)
    }

    fn submit(&mut self, mut job: Job) -> Result<()> {
        job.tag = self.submitted;
        let refused = self.queues.submit(job)?;
        assert!(refused.is_none(), "there was room");
        self.submitted += 1;
        self.chunks.push_back(None);
        Ok(())
    }

    /// Takes all completions there are; whether there was one.
    fn collect(&mut self) -> Result<bool> {
        let mut came = false;
        while let Some(completion) = self.queues.poll()? {
            came = true;
            let oldest = self.submitted - self.chunks.len() as u64;
            let place = (completion.job.tag - oldest) as usize;
            self.chunks[place] = Some(self.stage.finish(completion)?);
        }
        self.count();
        Ok(came)
    }

    /// Counts what is ready.
    fn count(&mut self) {
        while let Some(Some(chunk)) = self.chunks.get(self.ready) {
            self.ready += 1;
            self.ready_bytes += chunk.range.len();
        }
    }

    /// Writes what is ready.
    fn flush(&mut self) -> Result<()> {
        while self.ready > 0 {
            let count = self.ready.min(BATCH_CHUNKS);
            let mut slices = [IoSlice::new(&[]); BATCH_CHUNKS];
            for (slice, chunk) in slices
                .iter_mut()
                .zip(self.chunks.iter().take(count).flatten())
            {
                *slice = IoSlice::new(&chunk.buffer.bytes()[chunk.range.clone()]);
            }
            self.sink.write(&mut slices[..count])?;
            for chunk in self.chunks.drain(..count).flatten() {
                self.stage.recycle(chunk);
            }
            self.ready -= count;
        }
        self.ready_bytes = 0;
        Ok(())
    }

    /// Waits for a completion, or for input if that is what is missing.
    fn wait(&mut self, fed: &Fed) -> Result<()> {
        if self.queues.in_flight() == 0 {
            // Whoever writes our input may wait for our output.
            self.flush()?;
        }
        let input = if *fed == Fed::Later {
            self.stage.pollable()
        } else {
            None
        };
        self.queues.wait(input)?;
        Ok(())
    }
}
