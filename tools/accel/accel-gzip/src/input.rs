// SPDX-License-Identifier: GPL-2.0
//! Where input comes from: a file that the device reads where it lies, or anything that is read
//! into buffers.

use std::fs::File;
use std::io::{BufRead, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use accel::AddressSpace;
use accel::memory::{FileMap, Input as Data, Memory, Source};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::buffers::Buffers;
use crate::container::{TRAILER, Trailer};
use crate::error::{Error, Result};

/// Something that may not be there yet.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<T> {
    /// Here it is.
    Item(T),
    /// Not without waiting.
    Later,
    /// There is no more.
    End,
}

/// Input, with a place in it.
pub enum Input {
    /// A file, mapped.
    File(Mapped),
    /// Anything that is read.
    Pipe(Pipe),
}

/// How long to wait for input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Not at all.
    None,
    /// Until something is there.
    Some,
    /// Until all that is wanted is there.
    All,
}

impl Input {
    /// Input from `file`, from its current offset on. The device reads it where it lies if it is
    /// `mapped`, and can be.
    pub fn new(file: File, mapped: bool) -> Result<Self> {
        let metadata = file.metadata().map_err(Error::Read)?;
        // Files without a size (in /proc, say) have content nevertheless.
        if !metadata.is_file() || metadata.len() == 0 {
            return Ok(Self::Pipe(Pipe::new(file, 0, None)));
        }
        let offset = rustix::fs::tell(&file).map_err(|e| Error::Read(e.into()))?;
        // Some can't be mapped (in sysfs, say), and there can be too little room for it.
        if let Some(map) = map(&file, metadata.len()).filter(|_| mapped) {
            let map = Mapped::new(file, offset, map);
            return Ok(Self::File(map));
        }
        Ok(Self::Pipe(Pipe::new(file, offset, Some(metadata.len()))))
    }

    /// Bytes from the beginning to the place.
    pub fn position(&self) -> u64 {
        match self {
            Self::File(file) => file.position,
            Self::Pipe(pipe) => pipe.position,
        }
    }

    /// Bytes from the beginning to the end, where that is known.
    pub fn total(&self) -> Option<u64> {
        match self {
            Self::File(file) => Some(file.total),
            Self::Pipe(pipe) => pipe.total,
        }
    }

    /// The next `want` bytes, fewer at the end, without going on.
    pub fn peek(&mut self, want: usize, may_block: bool) -> Result<Next<&[u8]>> {
        match self {
            Self::File(file) => file.window(want, WINDOW).map(Next::Item),
            Self::Pipe(pipe) => pipe.peek(want, may_block),
        }
    }

    /// The next bytes, as many as come without waiting after the first; none at the end.
    pub fn some(&mut self) -> Result<&[u8]> {
        match self {
            Self::File(file) => file.window(1, SOME),
            Self::Pipe(pipe) => {
                if pipe.ahead().is_empty() && !pipe.ended {
                    pipe.fill(SOME)?;
                }
                Ok(pipe.ahead())
            }
        }
    }

    /// Whether [`some`](Self::some) would wait.
    pub fn would_wait(&self) -> Result<bool> {
        match self {
            Self::File(_) => Ok(false),
            Self::Pipe(pipe) => {
                Ok(pipe.ahead().is_empty() && !pipe.ended && !pipe.is_readable()?)
            }
        }
    }

    /// Goes on by `count` bytes that have been peeked at.
    pub fn skip(&mut self, count: usize) {
        match self {
            Self::File(file) => file.position += count as u64,
            Self::Pipe(pipe) => pipe.skip(count),
        }
    }

    /// Goes back by `bytes`, the last that were skipped.
    pub fn unskip(&mut self, bytes: &[u8]) {
        match self {
            Self::File(file) => file.position -= bytes.len() as u64,
            Self::Pipe(pipe) => pipe.give_back(bytes),
        }
    }

    /// Keeps what is taken from here on, so that one can go back, until there is too much of it.
    pub fn keep(&mut self) {
        if let Self::Pipe(pipe) = self {
            // A file has it all.
            pipe.kept = pipe.total.is_none().then(|| (pipe.position, Vec::new()));
        }
    }

    /// Keeps it no longer.
    pub fn forget(&mut self) {
        if let Self::Pipe(pipe) = self {
            pipe.kept = None;
        }
    }

    /// Goes back to `position`; false if that can't be.
    pub fn rewind(&mut self, position: u64) -> Result<bool> {
        match self {
            Self::File(file) => file.position = position,
            Self::Pipe(pipe) if pipe.total.is_some() => pipe.rewind(position)?,
            Self::Pipe(pipe) if pipe.position == position => {}
            Self::Pipe(pipe) => match pipe.kept.take() {
                Some((start, bytes)) if start == position => pipe.give_back(&bytes),
                _ => return Ok(false),
            },
        }
        Ok(true)
    }

    /// The next `len` bytes for the device, fewer at the end, or where nobody waits for all.
    pub fn take(
        &mut self,
        len: usize,
        patience: Patience,
        spare: &mut Buffers,
    ) -> Result<Next<Source>> {
        match self {
            Self::File(file) => {
                if let Some(taken) = file.take(len)? {
                    return Ok(taken);
                }
                // It has grown beyond what can be mapped.
                let (file, place) = (file.file.try_clone().map_err(Error::Read)?, file.position);
                let mut pipe = Pipe::new(file, place, Some(place));
                pipe.rewind(place)?;
                *self = Self::Pipe(pipe);
                self.take(len, patience, spare)
            }
            Self::Pipe(pipe) => pipe.take(len, patience, spare),
        }
    }

    /// Goes back by what `source` still has; it is what was taken last.
    pub fn give_back(&mut self, source: &Source) {
        match self {
            Self::File(file) => file.position -= source.len as u64,
            Self::Pipe(pipe) => pipe.give_back(source.bytes().expect("a pipe has no mapping")),
        }
    }

    /// Goes back by what was read of a source that is not complete.
    pub fn give_back_begun(&mut self, spare: &mut Buffers) {
        if let Self::Pipe(pipe) = self {
            pipe.give_back_begun(spare);
        }
    }

    fn file(&self) -> &File {
        match self {
            Self::File(file) => &file.file,
            Self::Pipe(pipe) => &pipe.file,
        }
    }

    /// The bytes of `source`, for this program. A mapping is not touched: it may have become
    /// shorter, and that would end the process.
    pub fn read<'a>(&self, source: &'a Source, room: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        if let Some(bytes) = source.bytes() {
            return Ok(bytes);
        }
        room.resize(source.len, 0);
        self.copy(source, 0, room)?;
        Ok(room)
    }

    /// Copies the bytes of `source` from `at` on, as many as `room` has.
    pub fn copy(&self, source: &Source, at: usize, room: &mut [u8]) -> Result<()> {
        if let Some(bytes) = source.bytes() {
            room.copy_from_slice(&bytes[at..][..room.len()]);
            return Ok(());
        }
        let start = (source.start + at) as u64;
        let read = self.file().read_exact_at(room, start);
        read.map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Error::UnexpectedEnd,
            _ => Error::Read(error),
        })
    }

    /// The trailer at the end of `source`, which is that long.
    pub fn trailer(&self, source: &Source) -> Result<Trailer> {
        let mut bytes = [0; TRAILER];
        self.copy(source, source.len - TRAILER, &mut bytes)?;
        Ok(Trailer::parse(bytes))
    }

    /// What to wait for when [`take`](Self::take) says [`Next::Later`].
    pub fn pollable(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::File(_) => None,
            Self::Pipe(pipe) => Some(pipe.file.as_fd()),
        }
    }
}

/// Input that is read by this program.
pub struct Reader<'a>(pub &'a mut Input);

impl Read for Reader<'_> {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        let mut bytes = self.fill_buf()?;
        let count = bytes.read(room)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Reader<'_> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.0.some().map_err(|error| match error {
            Error::Read(error) => error,
            other => std::io::Error::other(other),
        })
    }

    fn consume(&mut self, count: usize) {
        self.0.skip(count);
    }
}

/// Maps the first `len` bytes of `file`, if that can be.
fn map(file: &File, len: u64) -> Option<Arc<FileMap>> {
    FileMap::new(file, usize::try_from(len).ok()?).ok()
}

/// Bytes that are read at once for a look at a few.
const WINDOW: usize = 4096;

/// Bytes that are read at once to be decompressed by this program.
const SOME: usize = 64 << 10;

/// A file that is mapped for the device, and read by system calls for this program.
pub struct Mapped {
    file: File,
    map: Arc<FileMap>,
    position: u64,
    /// Its length at the beginning.
    total: u64,
    window: Vec<u8>,
    window_start: u64,
}

impl Mapped {
    fn new(file: File, position: u64, map: Arc<FileMap>) -> Self {
        Self {
            file,
            position,
            total: map.len() as u64,
            map,
            window: Vec::new(),
            window_start: 0,
        }
    }

    /// All of the file, from its beginning, in memory of `space`.
    pub fn load(&self, space: &AddressSpace) -> Result<Data> {
        let len = self.map.len();
        let mut memory = space.memory(len)?;
        let room = &mut memory.bytes_mut()[..len];
        self.file.read_exact_at(room, 0).map_err(Error::Read)?;
        Ok(memory.into())
    }

    /// `want` bytes or more from the place on, fewer at the end; reads up to `most` if it must.
    fn window(&mut self, want: usize, most: usize) -> Result<&[u8]> {
        let start = self.position;
        let end = self.window_start + self.window.len() as u64;
        if start < self.window_start || start + want as u64 > end {
            self.fill(start, want, most)?;
        }
        Ok(&self.window[(start - self.window_start) as usize..])
    }

    fn fill(&mut self, start: u64, want: usize, most: usize) -> Result<()> {
        self.window.resize(want.max(most), 0);
        self.window_start = start;
        let mut filled = 0;
        while filled < want {
            let room = &mut self.window[filled..];
            match self.file.read_at(room, start + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::Read(e)),
            }
        }
        self.window.truncate(filled);
        Ok(())
    }

    /// Bytes from the place to the end of what is mapped.
    fn rest(&self) -> u64 {
        (self.map.len() as u64).saturating_sub(self.position)
    }

    /// The next `len` bytes, fewer at the end; nothing if they can't be mapped.
    fn take(&mut self, len: usize) -> Result<Option<Next<Source>>> {
        if self.rest() < len as u64 {
            // Who writes a log does not wait until it is compressed.
            let now = self.file.metadata().map_err(Error::Read)?.len();
            if now > self.map.len() as u64 {
                match map(&self.file, now) {
                    Some(map) => self.map = map,
                    None => return Ok(None),
                }
            }
        }
        let len = len.min(usize::try_from(self.rest()).unwrap_or(len));
        if len == 0 {
            return Ok(Some(Next::End));
        }
        let start = self.position as usize;
        self.position += len as u64;
        let source = Source::new(Arc::clone(&self.map), start, len);
        Ok(Some(Next::Item(source)))
    }
}

/// Bytes read from a descriptor.
pub struct Pipe {
    file: File,
    position: u64,
    /// Its length at the beginning, if it is a file.
    total: Option<u64>,
    /// Bytes read but not taken, from `ahead_start` on.
    ahead: Vec<u8>,
    ahead_start: usize,
    /// What is being filled for the device.
    filling: Option<(Memory, usize)>,
    /// What was taken from a place on, where it is kept.
    kept: Option<(u64, Vec<u8>)>,
    ended: bool,
}

/// Bytes that are kept of a pipe at most.
const KEPT: usize = 8 << 20;

impl Pipe {
    fn new(file: File, position: u64, total: Option<u64>) -> Self {
        Self {
            file,
            position,
            total,
            ahead: Vec::new(),
            ahead_start: 0,
            filling: None,
            kept: None,
            ended: false,
        }
    }

    fn ahead(&self) -> &[u8] {
        &self.ahead[self.ahead_start..]
    }

    fn peek(&mut self, want: usize, may_block: bool) -> Result<Next<&[u8]>> {
        while self.ahead().len() < want && !self.ended {
            if !may_block && !self.is_readable()? {
                return Ok(Next::Later);
            }
            self.fill(WINDOW)?;
        }
        Ok(Next::Item(self.ahead()))
    }

    /// Reads up to `most` bytes ahead, by one system call.
    fn fill(&mut self, most: usize) -> Result<()> {
        if self.ahead_start > self.ahead.len() / 2 {
            self.ahead.drain(..self.ahead_start);
            self.ahead_start = 0;
        }
        let mut ahead = std::mem::take(&mut self.ahead);
        let len = ahead.len();
        ahead.resize(len + most, 0);
        let count = self.read(&mut ahead[len..]);
        ahead.truncate(len + *count.as_ref().unwrap_or(&0));
        self.ahead = ahead;
        count.map(drop)
    }

    fn skip(&mut self, count: usize) {
        self.ahead_start += count;
        self.position += count as u64;
        if self.ahead().is_empty() {
            self.ahead.clear();
            self.ahead_start = 0;
        }
    }

    fn rewind(&mut self, position: u64) -> Result<()> {
        let place = rustix::fs::SeekFrom::Start(position);
        rustix::fs::seek(&self.file, place).map_err(|e| Error::Read(e.into()))?;
        self.position = position;
        self.ahead.clear();
        self.ahead_start = 0;
        self.filling = None;
        self.kept = None;
        self.ended = false;
        Ok(())
    }

    fn take(
        &mut self,
        len: usize,
        patience: Patience,
        spare: &mut Buffers,
    ) -> Result<Next<Source>> {
        let (mut buffer, mut filled) = match self.filling.take() {
            Some(filling) => filling,
            None => (spare.get(len)?, 0),
        };
        let len = len.min(buffer.len());
        while filled < len && !self.at_end() {
            let enough = match patience {
                Patience::None => true,
                Patience::Some => filled > 0,
                Patience::All => false,
            };
            if enough && self.ahead().is_empty() && !self.is_readable()? {
                if patience == Patience::Some {
                    break;
                }
                self.filling = Some((buffer, filled));
                return Ok(Next::Later);
            }
            filled += self.read_some(&mut buffer.bytes_mut()[filled..len])?;
        }
        if filled == 0 {
            spare.put(buffer);
            return Ok(Next::End);
        }
        self.position += filled as u64;
        let room = |kept: &(u64, Vec<u8>)| kept.1.len() + filled <= KEPT;
        self.kept = self.kept.take().filter(room);
        if let Some((_, kept)) = &mut self.kept {
            kept.extend_from_slice(&buffer.bytes()[..filled]);
        }
        Ok(Next::Item(Source::new(buffer, 0, filled)))
    }

    fn at_end(&self) -> bool {
        self.ended && self.ahead().is_empty()
    }

    /// Fills a part of `room` from what was read ahead, or else from the descriptor.
    fn read_some(&mut self, room: &mut [u8]) -> Result<usize> {
        if self.ahead().is_empty() {
            return self.read(room);
        }
        let count = room.len().min(self.ahead().len());
        room[..count].copy_from_slice(&self.ahead()[..count]);
        let position = self.position;
        self.skip(count);
        self.position = position;
        Ok(count)
    }

    /// Whether reading would not wait. A file never lets anybody wait.
    fn is_readable(&self) -> Result<bool> {
        const NOT_AT_ALL: Timespec = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        Ok(self.total.is_some() || wait_readable(&self.file, Some(NOT_AT_ALL))?)
    }

    fn read(&mut self, room: &mut [u8]) -> Result<usize> {
        loop {
            match rustix::io::read(&self.file, &mut *room) {
                Ok(count) => {
                    self.ended = count == 0;
                    return Ok(count);
                }
                Err(Errno::INTR) => {}
                // Somebody else may have made the descriptor non-blocking.
                Err(Errno::AGAIN) => wait_readable(&self.file, None).map(drop)?,
                Err(errno) => return Err(Error::Read(errno.into())),
            }
        }
    }

    fn give_back_begun(&mut self, spare: &mut Buffers) {
        if let Some((buffer, filled)) = self.filling.take() {
            // It is not counted yet.
            self.position += filled as u64;
            self.give_back(&buffer.bytes()[..filled]);
            spare.put(buffer);
        }
    }

    fn give_back(&mut self, bytes: &[u8]) {
        self.ahead.splice(..self.ahead_start, bytes.iter().copied());
        self.ahead_start = 0;
        self.position -= bytes.len() as u64;
    }
}

fn wait_readable(file: &File, timeout: Option<Timespec>) -> Result<bool> {
    let mut fds = [PollFd::new(file, PollFlags::IN)];
    match poll(&mut fds, timeout.as_ref()) {
        Ok(count) => Ok(count > 0),
        Err(Errno::INTR) => Ok(false),
        Err(errno) => Err(Error::Read(errno.into())),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use accel::AddressMode;

    use super::*;

    fn buffers() -> Buffers {
        let context = accel_fake::Context::new(AddressMode::Shared);
        Buffers::new(context.address_space().clone())
    }

    fn file(content: &[u8], mapped: bool) -> Input {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0)).unwrap();
        Input::new(file, mapped).unwrap()
    }

    fn pipe(content: &'static [u8]) -> Input {
        let (input, mut writer) = empty_pipe();
        std::thread::spawn(move || writer.write_all(content));
        input
    }

    fn empty_pipe() -> (Input, File) {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        (Input::new(reader.into(), true).unwrap(), writer.into())
    }

    fn item<T>(next: Next<T>) -> T {
        match next {
            Next::Item(item) => item,
            _ => panic!("no item"),
        }
    }

    #[test]
    fn files_and_pipes_are_walked_alike() {
        const CONTENT: &[u8] = b"0123456789abcdef";
        for mut input in [file(CONTENT, true), file(CONTENT, false), pipe(CONTENT)] {
            let mut spare = buffers();
            assert_eq!(item(input.peek(3, true).unwrap())[..3], *b"012");
            input.skip(2);
            let mut room = Vec::new();
            let source = item(input.take(5, Patience::All, &mut spare).unwrap());
            assert_eq!(input.read(&source, &mut room).unwrap(), b"23456");
            assert_eq!(input.position(), 7);
            input.give_back(&source);
            assert_eq!(input.position(), 2);
            assert_eq!(item(input.peek(100, true).unwrap()), &CONTENT[2..]);
            let source = item(input.take(100, Patience::All, &mut spare).unwrap());
            assert_eq!(source.len, 14);
            assert_eq!(input.position(), 16);
            assert!(matches!(
                input.take(5, Patience::All, &mut spare).unwrap(),
                Next::End
            ));
            assert_eq!(item(input.peek(3, true).unwrap()), b"");
        }
    }

    #[test]
    fn a_file_is_taken_from_its_offset_on() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(4)).unwrap();
        for mapped in [true, false] {
            let mut input = Input::new(file.try_clone().unwrap(), mapped).unwrap();
            assert_eq!(input.total(), Some(10));
            assert_eq!(input.position(), 4);
            assert_eq!(item(input.peek(9, true).unwrap()), b"456789");
        }
    }

    #[test]
    fn a_file_is_loaded_whole() {
        let Input::File(mapped) = file(b"0123456789", true) else {
            panic!("not mapped");
        };
        let context = accel_fake::Context::new(AddressMode::Private);
        let data = mapped.load(context.address_space()).unwrap();
        let source = Source::new(data, 3, 4);
        assert_eq!(source.bytes(), Some(&b"3456"[..]));
    }

    #[test]
    fn an_empty_pipe_is_not_waited_for() {
        let (mut input, mut writer) = empty_pipe();
        let mut spare = buffers();
        assert_eq!(input.peek(1, false).unwrap(), Next::Later);
        assert!(matches!(
            input.take(4, Patience::None, &mut spare).unwrap(),
            Next::Later
        ));
        writer.write_all(b"ab").unwrap();
        assert!(matches!(
            input.take(4, Patience::None, &mut spare).unwrap(),
            Next::Later
        ));
        drop(writer);
        assert_eq!(
            item(input.take(4, Patience::None, &mut spare).unwrap()).len,
            2
        );
        assert!(matches!(
            input.take(4, Patience::None, &mut spare).unwrap(),
            Next::End
        ));
    }

    #[test]
    fn what_is_appended_meanwhile_is_taken() {
        for mapped in [true, false] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(b"0123").unwrap();
            let mut writer = file.try_clone().unwrap();
            rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0)).unwrap();
            let mut input = Input::new(file, mapped).unwrap();
            let mut spare = buffers();
            let first = item(input.take(3, Patience::All, &mut spare).unwrap());
            writer.write_all_at(b"456789", 4).unwrap();
            let mut room = Vec::new();
            let rest = item(input.take(100, Patience::All, &mut spare).unwrap());
            assert_eq!(input.read(&rest, &mut room).unwrap(), b"3456789");
            assert_eq!(input.read(&first, &mut room).unwrap(), b"012");
            let end = input.take(100, Patience::All, &mut spare).unwrap();
            assert!(matches!(end, Next::End));
            assert_eq!(input.total(), Some(4));
            writer.flush().unwrap();
        }
    }

    #[test]
    fn what_is_there_is_not_kept_waiting() {
        let (mut input, mut writer) = empty_pipe();
        let mut spare = buffers();
        assert!(input.would_wait().unwrap());
        writer.write_all(b"ab").unwrap();
        assert_eq!(input.some().unwrap(), b"ab");
        let source = item(input.take(100, Patience::Some, &mut spare).unwrap());
        assert_eq!(source.bytes(), Some(&b"ab"[..]));
        input.unskip(b"b");
        assert_eq!(input.position(), 1);
        assert_eq!(input.some().unwrap(), b"b");
        assert!(!input.rewind(0).unwrap());
    }
}
