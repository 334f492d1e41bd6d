// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Compression, block by block.
//!
//! Each block is a request of its own that ends at a whole byte and knows nothing of the others.
//! Its input stays until its output is there, so that software can do it at any time.

use std::collections::VecDeque;
use std::sync::Arc;

use flate2::{Compress, Compression, FlushCompress};

use super::checksum::Checksum;
use super::lane::Lane;
use super::step::{Step, sealed};
use super::{Engine, Format, header};
use crate::error::{Error, Result};
use crate::hisi_zip::{Algorithm, Completion, Direction, Job, ROOM_MIN};
use crate::memory::{Input, Memory, Source};

/// Bytes of plain data in a block.
const BLOCK: usize = 1 << 20;

/// Room for what comes of one; the engine asks for more than it needs.
const ROOM: usize = BLOCK / 8 * 9 + ROOM_MIN;

/// Less than this is not worth a job.
const SMALL: usize = 4096;

/// Blocks at once.
const WINDOW: usize = 4;

/// How often a device may fail one user.
const FAILURES: u32 = 3;

/// A last block that is empty: the end of any stream.
const END: [u8; 2] = [0x03, 0x00];

/// Bytes at both ends of the engine's output that are not all zero.
const MARK: usize = 5;

/// Compresses.
pub struct Packer {
    engine: Engine,
    format: Format,
    lane: Option<Lane>,
    failures: u32,
    checksum: Checksum,
    /// The block that is being filled.
    block: Option<(Memory, usize)>,
    /// Blocks that are not handed out, the oldest first.
    parts: VecDeque<Part>,
    /// Number of the first of these.
    first: u64,
    spare: Vec<Memory>,
    deflate: Compress,
    begun: bool,
    ended: bool,
}

/// A block.
struct Part {
    plain: Arc<Memory>,
    len: usize,
    crc: u32,
    packed: Option<Packed>,
}

/// What became of it.
enum Packed {
    Device(Memory, usize),
    Software(Vec<u8>),
}

impl Part {
    fn plain(&self) -> &[u8] {
        &self.plain.bytes()[..self.len]
    }
}

impl Packer {
    /// Compresses into this format.
    pub fn new(engine: &Engine, format: Format) -> Self {
        Self {
            engine: engine.clone(),
            format,
            lane: None,
            failures: 0,
            checksum: Checksum::new(format),
            block: None,
            parts: VecDeque::new(),
            first: 0,
            spare: Vec::new(),
            deflate: Compress::new(Compression::default(), false),
            begun: false,
            ended: false,
        }
    }

    /// Copies what fits into the block that is being filled; returns how much.
    fn fill(&mut self, input: &[u8]) -> Result<usize> {
        if input.is_empty() {
            return Ok(0);
        }
        let (mut memory, len) = match self.block.take() {
            Some(block) => block,
            None => match self.spare.pop() {
                Some(memory) => (memory, 0),
                None => (Memory::new(BLOCK)?, 0),
            },
        };
        let count = input.len().min(BLOCK - len);
        memory.bytes_mut()[len..][..count].copy_from_slice(&input[..count]);
        self.block = Some((memory, len + count));
        Ok(count)
    }

    /// Has the block compressed that is being filled.
    fn dispatch(&mut self) -> Result<()> {
        let Some((memory, len)) = self.block.take() else {
            return Ok(());
        };
        let plain = &memory.bytes()[..len];
        self.checksum.update(plain);
        let mut part = Part {
            crc: crc32fast::hash(plain),
            plain: Arc::new(memory),
            len,
            packed: None,
        };
        let handed = len >= SMALL && self.hand_over(&part)?;
        if !handed {
            self.by_software(&mut part);
        }
        self.parts.push_back(part);
        Ok(())
    }

    /// Gives a block to a device; false if there is none for it.
    fn hand_over(&mut self, part: &Part) -> Result<bool> {
        if self.lane.is_none() && self.failures < FAILURES {
            self.lane = self.engine.lane(Direction::Compress)?;
        }
        let number = self.first + self.parts.len() as u64;
        let Some(lane) = self.lane.as_mut().filter(|lane| lane.has_room()) else {
            return Ok(false);
        };
        match job(lane, part, number).and_then(|job| lane.submit(job)) {
            Ok(()) => Ok(true),
            Err(error) => self.fail(error).map(|()| false),
        }
    }

    /// Compresses a block here.
    fn by_software(&mut self, part: &mut Part) {
        let mut output = Vec::with_capacity(part.len / 2 + ROOM_MIN);
        self.deflate.reset();
        loop {
            let rest = &part.plain()[self.deflate.total_in() as usize..];
            let packed = self
                .deflate
                .compress_vec(rest, &mut output, FlushCompress::Sync);
            packed.expect("any data can be compressed");
            let full = output.len() == output.capacity();
            if self.deflate.total_in() == part.len as u64 && !full {
                break;
            }
            output.reserve(part.len / 2 + ROOM_MIN);
        }
        part.packed = Some(Packed::Software(output));
    }

    /// Goes on without the queue, which has failed; what is in flight is done here.
    fn fail(&mut self, error: Error) -> Result<()> {
        // What the engine still reads and writes goes with the queue.
        self.lane = None;
        self.failures += 1;
        self.engine.failed(error)?;
        let mut parts = std::mem::take(&mut self.parts);
        for part in parts.iter_mut().filter(|part| part.packed.is_none()) {
            self.by_software(part);
        }
        self.parts = parts;
        Ok(())
    }

    /// Hands out what is ready; waits until no more than `most` blocks are left.
    fn collect(&mut self, most: usize, output: &mut Vec<u8>) -> Result<()> {
        loop {
            self.receive()?;
            while self.parts.front().is_some_and(|part| part.packed.is_some()) {
                self.hand_out(output);
            }
            if self.parts.len() <= most {
                return Ok(());
            }
            let limit = self.engine.job_limit();
            let lane = self.lane.as_mut().expect("what is not ready is in flight");
            if let Err(error) = lane.wait(limit) {
                self.fail(error)?;
            }
        }
    }

    /// Takes all completions that there are.
    fn receive(&mut self) -> Result<()> {
        while let Some(lane) = &mut self.lane {
            match lane.poll() {
                Ok(Some(completion)) => self.finish_job(completion)?,
                Ok(None) => return Ok(()),
                Err(error) => self.fail(error)?,
            }
        }
        Ok(())
    }

    fn finish_job(&mut self, completion: Completion) -> Result<()> {
        let lane = self.lane.as_mut().expect("it had the job");
        let place = (completion.job.tag - self.first) as usize;
        let part = &mut self.parts[place];
        match checked(lane, part, completion) {
            Ok((memory, len)) => part.packed = Some(Packed::Device(memory, len)),
            Err(error) => {
                self.failures += 1;
                self.engine.failed(error)?;
                let mut part = self.parts.remove(place).expect("it is there");
                self.by_software(&mut part);
                self.parts.insert(place, part);
            }
        }
        Ok(())
    }

    /// Appends the oldest block, which is ready.
    fn hand_out(&mut self, output: &mut Vec<u8>) {
        let Some(part) = self.parts.pop_front() else {
            return;
        };
        self.first += 1;
        match part.packed {
            Some(Packed::Device(mut memory, len)) => {
                output.extend_from_slice(&memory.bytes()[..len]);
                wipe(&mut memory, len);
                self.engine.count_device(part.len);
                if let Some(lane) = &mut self.lane {
                    lane.put_memory(memory);
                }
            }
            Some(Packed::Software(packed)) => {
                output.extend(packed);
                self.engine.count_software(part.len);
            }
            None => {}
        }
        self.spare.extend(Arc::into_inner(part.plain));
    }

    fn write_header(&mut self, output: &mut Vec<u8>) {
        if !self.begun {
            self.begun = true;
            output.extend_from_slice(header::plain(self.format));
        }
    }
}

impl sealed::Sealed for Packer {}

impl Step for Packer {
    fn begin(engine: &Engine, format: Format) -> Self {
        Self::new(engine, format)
    }

    fn step(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize> {
        self.write_header(output);
        let count = self.fill(input)?;
        if self.block.as_ref().is_some_and(|(_, len)| *len == BLOCK) {
            self.dispatch()?;
        }
        // So that there is room for the next one.
        let window = self.lane.as_ref().map_or(WINDOW, Lane::capacity);
        self.collect(window.min(WINDOW) - 1, output)?;
        Ok(count)
    }

    fn flush(&mut self, output: &mut Vec<u8>) -> Result<()> {
        self.write_header(output);
        self.dispatch()?;
        self.collect(0, output)
    }

    fn finish(&mut self, output: &mut Vec<u8>) -> Result<()> {
        if !std::mem::replace(&mut self.ended, true) {
            self.flush(output)?;
            output.extend(END);
            output.extend(self.checksum.trailer());
        }
        Ok(())
    }
}

impl Drop for Packer {
    fn drop(&mut self) {
        if let Some(lane) = self.lane.take() {
            self.engine.put(lane);
        }
    }
}

/// The request that compresses a block. In any format: what differs is around the data, and all
/// revisions of the engine have this one.
fn job(lane: &mut Lane, part: &Part, number: u64) -> Result<Job> {
    let source = match lane.is_shared() {
        true => Source::new(Input::Memory(Arc::clone(&part.plain)), 0, part.len),
        false => {
            let mut copy = lane.memory(BLOCK)?;
            copy.bytes_mut()[..part.len].copy_from_slice(part.plain());
            Source::new(copy, 0, part.len)
        }
    };
    let mut output = lane.memory(ROOM)?;
    wipe(&mut output, ROOM);
    let mut job = Job::new(number, Algorithm::Gzip, source, output);
    job.stream = Some(lane.stream()?);
    Ok(job)
}

/// Makes an output one that nobody has written: a job that writes nothing is not to be taken for
/// one that has written the same as another. No block of deflate begins with so many zeroes.
fn wipe(output: &mut Memory, len: usize) {
    let bytes = output.bytes_mut();
    bytes[..MARK].fill(0);
    bytes[len.saturating_sub(MARK)..len].fill(0);
}

/// The output of a block and its length, if the engine has read all of it, has read the same as
/// this program, and has written something.
fn checked(lane: &mut Lane, part: &Part, completion: Completion) -> Result<(Memory, usize)> {
    let Completion { mut job, result } = completion;
    let told = job.stream.take().map(|stream| {
        let end = stream.end(Algorithm::Gzip);
        lane.put_stream(stream);
        end
    });
    lane.put_source(job.source);
    let report = result.map_err(|error| Error::Job {
        device: lane.device_name().into(),
        error,
    })?;
    let trailer = [part.crc.to_le_bytes(), (part.len as u32).to_le_bytes()].concat();
    let fits = told.is_some_and(|told| told.ends_with(&trailer)) && report.consumed == part.len;
    let output = job.output.bytes().get(..report.produced);
    let written = output.is_some_and(|output| {
        let begins = output.iter().take(MARK).any(|byte| *byte != 0);
        begins && output.iter().rev().take(MARK).any(|byte| *byte != 0)
    });
    match fits && written {
        true => Ok((job.output, report.produced)),
        false => Err(lane.wrong("the engine has not compressed what it should")),
    }
}
