// SPDX-License-Identifier: GPL-2.0
//! Decompression: members that tell their length in parallel, all others as streams, small ones
//! and those of other formats without the engine.

use std::collections::{HashMap, VecDeque};
use std::os::fd::BorrowedFd;

use accel::hisi_zip::{Algorithm, Completion, Job, REQUEST_MAX, ROOM_MIN};
use accel::memory::{Memory, Source};
use crc32fast::Hasher;

use crate::buffers::Buffers;
use crate::container::{FIXED, Header, Parsed, TRAILER, Trailer};
use crate::error::{Error, Result};
use crate::input::{Input, Next, Patience};
use crate::legacy;
use crate::pipeline::{Chunk, Stage, run};
use crate::progress::Progress;
use crate::queues::Queues;
use crate::sink::Sink;
use crate::software::Inflate;
use crate::stream::{Failure, stream};

/// What was found behind the last member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing, or padding of zeroes.
    Nothing,
    /// Something else.
    Garbage,
    /// Other entries of an archive.
    Entries,
}

/// How to decompress.
pub struct How<'a> {
    /// Whether there is an engine for it.
    pub ready: bool,
    /// Whether what is not compressed is handed on.
    pub copies: bool,
    /// Is told of an engine that fails.
    pub tell: &'a dyn Fn(&Error),
}

/// Decompresses all of `input`; returns the number of jobs.
pub fn decompress(
    input: &mut Input,
    how: &How<'_>,
    queues: &mut Queues<'_>,
    sink: &mut Sink,
    progress: &mut Progress,
) -> Result<(u64, Rest)> {
    let spare = match how.ready {
        true => queues.buffers()?,
        false => Buffers::default(),
    };
    let mut decoder = Decoder {
        input,
        queues,
        sink,
        progress,
        spare,
        ready: how.ready,
        tell: how.tell,
        inflate: Inflate::default(),
        output: Vec::new(),
        jobs: 0,
        unmarked: false,
    };
    let rest = decoder.all(how.copies)?;
    Ok((decoder.jobs, rest))
}

/// The header at the input's place, without going on. The inner error: there is none.
pub fn next_header(input: &mut Input, may_block: bool) -> Result<Next<Result<Header>>> {
    /// No sensible header is longer.
    const MOST: usize = 64 << 20;
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
                want = bytes.len() + (LEAST - FIXED).max(bytes.len() / 8);
                continue;
            }
            Parsed::Short if at_end => Err(Error::UnexpectedEnd),
            Parsed::Short => Err(Error::Unsupported("a header of more than 64 MiB")),
            Parsed::Foreign => Err(Error::NotGzip),
            Parsed::Unsupported(why) => Err(Error::Unsupported(why)),
        }));
    }
}

/// What begins at the input's place.
enum Part {
    Member(Header),
    Legacy(legacy::Format),
    Other,
    End,
}

/// Input from the beginning of a member up to which the engine is not worth its while.
const SMALL: usize = 64 << 10;

/// The same of its output.
const SMALL_OUTPUT: usize = 1 << 20;

struct Decoder<'a, 'q> {
    input: &'a mut Input,
    queues: &'a mut Queues<'q>,
    sink: &'a mut Sink,
    progress: &'a mut Progress,
    spare: Buffers,
    ready: bool,
    tell: &'a dyn Fn(&Error),
    inflate: Inflate,
    output: Vec<u8>,
    jobs: u64,
    /// Whether the last member was one of several independent ones, and not their end mark.
    unmarked: bool,
}

impl Decoder<'_, '_> {
    fn all(&mut self, copies: bool) -> Result<Rest> {
        let mut first = true;
        loop {
            match self.part(first, copies)? {
                Part::Member(header) => self.member(&header)?,
                Part::Legacy(format) => {
                    self.unmarked = false;
                    if let Some(rest) = legacy::decompress(format, self.input, self.sink)? {
                        return Ok(rest);
                    }
                }
                Part::Other if copies => return self.copy().map(|()| Rest::Nothing),
                Part::End if first && copies => return Ok(Rest::Nothing),
                Part::End if first || self.unmarked => return Err(Error::UnexpectedEnd),
                Part::Other if first => return Err(Error::NotGzip),
                Part::End => return Ok(Rest::Nothing),
                Part::Other => return self.behind(),
            }
            first = false;
        }
    }

    /// What follows the last member.
    fn behind(&mut self) -> Result<Rest> {
        let nothing = self.skip_zeroes()?;
        match (self.unmarked, nothing) {
            (true, _) => Err(Error::UnexpectedEnd),
            (false, true) => Ok(Rest::Nothing),
            (false, false) => Ok(Rest::Garbage),
        }
    }

    fn part(&mut self, first: bool, copies: bool) -> Result<Part> {
        if matches!(self.input.peek(2, false)?, Next::Later) {
            self.sink.flush()?;
        }
        let magic = match self.input.peek(2, true)? {
            Next::Item(&[a, b, ..]) => [a, b],
            Next::Item(&[0]) => return Ok(Part::Other),
            Next::Item(&[_]) if copies => return Ok(Part::Other),
            Next::Item(&[_]) => return Err(Error::UnexpectedEnd),
            Next::Item(&[]) | Next::Later | Next::End => return Ok(Part::End),
        };
        match magic {
            [0x1f, 0x8b | 0x9e] => self.header().map(Part::Member),
            _ => {
                let format = legacy::Format::at(self.input, magic, first)?;
                Ok(format.map_or(Part::Other, Part::Legacy))
            }
        }
    }

    fn header(&mut self) -> Result<Header> {
        let mut header = next_header(self.input, false)?;
        if matches!(header, Next::Later) {
            self.sink.flush()?;
            header = next_header(self.input, true)?;
        }
        match header {
            Next::Item(header) => header,
            Next::Later | Next::End => Err(Error::UnexpectedEnd),
        }
    }

    fn member(&mut self, header: &Header) -> Result<()> {
        if self.ready && worth_a_job(header).is_some() {
            return self.parallel(header);
        }
        self.input.skip(header.len);
        let start = (self.input.position(), self.sink.written());
        if !self.ready {
            self.by_software(None)?;
        } else if !self.small()? {
            if let Err(failure) = self.by_engine() {
                self.recover(failure, start)?;
            }
            let made = self.sink.written() - start.1;
            self.unmarked = header.member_len.is_some() && made != 0;
            return Ok(());
        }
        self.unmarked = header.member_len.is_some() && self.inflate.plain_len() != 0;
        Ok(())
    }

    fn by_engine(&mut self) -> std::result::Result<(), Failure> {
        let nothing = |error| Failure { error, written: 0 };
        self.queues.prepare(1).map_err(nothing)?;
        self.input.keep();
        let spare = &mut self.spare;
        self.jobs += stream(self.input, spare, self.queues, self.sink, self.progress)?;
        self.input.forget();
        Ok(())
    }

    /// After the engine has failed: does the member, which is at `start`, once more without it, and
    /// leaves out what is written. That finds what is wrong and what there is before it.
    fn recover(&mut self, failure: Failure, (position, written): (u64, u64)) -> Result<()> {
        let Failure {
            error,
            written: crc,
        } = failure;
        if matches!(error, Error::Write { .. } | Error::Read(_)) {
            return Err(error);
        }
        let old = Old {
            left: self.sink.written() - written,
            crc: Hasher::new(),
            told: crc,
        };
        if !self.input.rewind(position)? {
            return Err(error);
        }
        match self.by_software(Some(old)) {
            // What is written can't be taken back.
            Err(Error::NotTheSame) => Err(error),
            Ok(()) => self.forsake(error),
            other => other,
        }
    }

    /// Goes on without the engine after `error`: the data are good, so it is the engine's.
    fn forsake(&mut self, error: Error) -> Result<()> {
        self.ready = false;
        self.queues.leave(error, self.tell)
    }

    fn flush_before_waiting(&mut self) -> Result<()> {
        match self.input.would_wait()? {
            true => self.sink.flush(),
            false => Ok(()),
        }
    }

    /// Writes what came of a member, without what is `old`.
    fn put(&mut self, old: &mut Option<Old>) -> Result<()> {
        let known = match old {
            Some(old) => old.pass(&self.output)?,
            None => 0,
        };
        self.sink.put(&self.output[known..])?;
        self.output.clear();
        Ok(())
    }

    /// Decompresses the member whose header has been read, without what is `old`.
    fn by_software(&mut self, mut old: Option<Old>) -> Result<()> {
        self.inflate.reset();
        loop {
            self.flush_before_waiting()?;
            let bytes = self.input.some()?;
            if bytes.is_empty() {
                let error = self.inflate.finish(&mut self.output);
                self.put(&mut old)?;
                return Err(error);
            }
            let (count, over) = self.inflate.feed(bytes, &mut self.output);
            self.input.skip(count);
            self.put(&mut old)?;
            self.progress.update(self.input.position());
            if over? {
                return match old {
                    Some(Old { left: 1.., .. }) => Err(Error::NotTheSame),
                    _ => Ok(()),
                };
            }
        }
    }

    /// Decompresses the member whose header has been read if it is small; or else goes back.
    fn small(&mut self) -> Result<bool> {
        self.inflate.reset();
        let mut taken = Vec::new();
        while taken.len() < SMALL && self.output.len() < SMALL_OUTPUT && !self.input.would_wait()? {
            let bytes = self.input.some()?;
            let part = &bytes[..bytes.len().min(SMALL)];
            if part.is_empty() {
                let error = self.inflate.finish(&mut self.output);
                self.put(&mut None)?;
                return Err(error);
            }
            let (count, over) = self.inflate.feed(part, &mut self.output);
            taken.extend_from_slice(&part[..count]);
            self.input.skip(count);
            if !matches!(over, Ok(false)) {
                self.put(&mut None)?;
                return over;
            }
        }
        self.output.clear();
        self.input.unskip(&taken);
        Ok(false)
    }

    fn parallel(&mut self, header: &Header) -> Result<()> {
        if let Err(error) = self.queues.prepare(members(self.input, header)) {
            self.forsake(error)?;
            return self.member(header);
        }
        let mut stage = Parallel::new(self.input, &mut self.spare);
        let result = run(&mut stage, self.queues, self.sink, self.progress);
        let Parallel {
            pending,
            owed,
            cut,
            unmarked,
            ..
        } = stage;
        self.unmarked = unmarked;
        match result {
            Ok(jobs) => self.jobs += jobs,
            Err(error @ (Error::Write { .. } | Error::Read(_))) => return Err(error),
            Err(error) => {
                for source in pending {
                    self.salvage(&source)?;
                }
                if let Some(source) = cut {
                    self.salvage(&source)?;
                    return Err(error);
                }
                if matches!(error, Error::UnexpectedEnd) {
                    return Err(error);
                }
                self.forsake(error)?;
                if owed.is_some() {
                    self.input.give_back_begun(&mut self.spare);
                    self.by_software(None)?;
                    self.unmarked = self.inflate.plain_len() != 0;
                }
            }
        }
        Ok(())
    }

    /// Decompresses a member, of which `source` is all behind the header, without the engine.
    fn salvage(&mut self, source: &Source) -> Result<()> {
        let mut room = Vec::new();
        let mut bytes = self.input.read(source, &mut room)?;
        self.inflate.reset();
        while !bytes.is_empty() {
            let (count, over) = self.inflate.feed(bytes, &mut self.output);
            bytes = &bytes[count..];
            self.sink.put(&self.output)?;
            self.output.clear();
            if over? {
                return Ok(());
            }
        }
        let error = self.inflate.finish(&mut self.output);
        self.put(&mut None)?;
        Err(error)
    }

    /// Hands on what is not compressed.
    fn copy(&mut self) -> Result<()> {
        loop {
            self.flush_before_waiting()?;
            let bytes = self.input.some()?;
            if bytes.is_empty() {
                return Ok(());
            }
            self.sink.put(bytes)?;
            let count = bytes.len();
            self.input.skip(count);
        }
    }

    /// Goes on behind zeroes; whether nothing else is left.
    fn skip_zeroes(&mut self) -> Result<bool> {
        loop {
            let bytes = self.input.some()?;
            let count = bytes.iter().take_while(|&&byte| byte == 0).count();
            let done = count < bytes.len() || bytes.is_empty();
            let empty = bytes.is_empty();
            self.input.skip(count);
            if done {
                return Ok(empty);
            }
        }
    }
}

/// What is written of a member that is done once more.
struct Old {
    /// Bytes of it that have not been seen again.
    left: u64,
    /// Of those that have.
    crc: Hasher,
    /// What that has to be in the end.
    told: u32,
}

impl Old {
    /// How many of `bytes` are old; an error if the old ones are not the same.
    fn pass(&mut self, bytes: &[u8]) -> Result<usize> {
        if self.left == 0 {
            return Ok(0);
        }
        let known = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
        self.crc.update(&bytes[..known]);
        self.left -= known as u64;
        match self.left == 0 && self.crc.clone().finalize() != self.told {
            true => Err(Error::NotTheSame),
            false => Ok(known),
        }
    }
}

/// A guess at how many members like the one of `header` are to come.
fn members(input: &Input, header: &Header) -> usize {
    match (input.total(), header.member_len) {
        (Some(total), Some(len)) => {
            let rest = total.saturating_sub(input.position());
            usize::try_from(rest.div_ceil(len as u64)).unwrap_or(usize::MAX)
        }
        _ => usize::MAX,
    }
}

/// Bytes behind the header of a member that fits into one request.
pub fn payload_len(header: &Header) -> Option<usize> {
    let len = header.member_len?.checked_sub(header.len)?;
    (TRAILER + 2..=REQUEST_MAX).contains(&len).then_some(len)
}

/// Bytes of a member's content below which a job takes longer than the work.
const SMALL_MEMBER: usize = 4 << 10;

/// The same of one that is worth a request.
fn worth_a_job(header: &Header) -> Option<usize> {
    payload_len(header).filter(|&len| len >= SMALL_MEMBER)
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
pub fn verify(completion: Completion, trailer: Trailer, offset: u64) -> Result<Chunk> {
    let Job { source, output, .. } = completion.job;
    let report = completion
        .result
        .map_err(|error| Error::Job { offset, error })?;
    let found = Trailer::of(&output.bytes()[..report.produced]);
    if found != trailer || report.consumed != source.len {
        return Err(Error::Invalid("crc error"));
    }
    Ok(Chunk {
        buffer: output,
        range: 0..report.produced,
    })
}

/// Members that tell their length. Ends at the first that does not.
struct Parallel<'a> {
    input: &'a mut Input,
    spare: &'a mut Buffers,
    /// Where the members in flight begin, and their trailers, by job.
    expected: HashMap<u64, (u64, Trailer)>,
    /// What jobs read whose output is not written, the oldest first.
    pending: VecDeque<Source>,
    submitted: u64,
    /// The member at hand, of which no source is there yet.
    owed: Option<Owed>,
    /// What there is of a member that is cut off.
    cut: Option<Source>,
    /// Whether the last member was no end mark.
    unmarked: bool,
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
            pending: VecDeque::new(),
            submitted: 0,
            owed: None,
            cut: None,
            unmarked: false,
        }
    }

    /// Begins with the member at the input's place, if it is of the right kind.
    fn begin(&mut self, may_block: bool) -> Result<Next<Owed>> {
        let header = match next_header(self.input, may_block)? {
            Next::Item(Ok(header)) => header,
            Next::Later => return Ok(Next::Later),
            Next::Item(Err(_)) | Next::End => return Ok(Next::End),
        };
        let Some(len) = worth_a_job(&header) else {
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
        let owed = match self.owed {
            Some(owed) => owed,
            None => match self.begin(may_block)? {
                Next::Item(owed) => *self.owed.insert(owed),
                Next::Later => return Ok(Next::Later),
                Next::End => return Ok(Next::End),
            },
        };
        let patience = match may_block {
            true => Patience::All,
            false => Patience::None,
        };
        let source = match self.input.take(owed.len, patience, self.spare)? {
            Next::Item(source) if source.len == owed.len => source,
            Next::Later => return Ok(Next::Later),
            Next::Item(source) => {
                self.cut = Some(source);
                return Err(Error::UnexpectedEnd);
            }
            Next::End => return Err(Error::UnexpectedEnd),
        };
        self.owed = None;
        let trailer = self.input.trailer(&source)?;
        self.unmarked = trailer.len != 0;
        self.pending.push_back(source.clone());
        self.expected.insert(self.submitted, (owed.offset, trailer));
        self.submitted += 1;
        let output = self.spare.get(output_len(trailer))?;
        Ok(Next::Item(request(source, trailer, output)))
    }

    fn finish(&mut self, completion: Completion) -> Result<Chunk> {
        let expected = self.expected.remove(&completion.job.tag);
        let (offset, trailer) = expected.expect("each job in flight is expected");
        verify(completion, trailer, offset)
    }

    fn recycle(&mut self, chunk: Chunk) {
        if let Some(source) = self.pending.pop_front() {
            self.spare.put_source(source);
        }
        self.spare.put(chunk.buffer);
    }

    fn pollable(&self) -> Option<BorrowedFd<'_>> {
        self.input.pollable()
    }

    fn position(&self) -> u64 {
        self.input.position()
    }
}
