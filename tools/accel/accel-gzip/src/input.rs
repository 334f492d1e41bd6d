// SPDX-License-Identifier: GPL-2.0
//! Where input comes from: a file that the device reads where it lies, or anything that is read
//! into buffers.

use std::fs::File;
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

impl Input {
    /// Input from `file`, from its current offset on. The device reads it where it lies if it is
    /// `mapped`, and can be.
    pub fn new(file: File, mapped: bool) -> Result<Self> {
        let metadata = file.metadata().map_err(Error::Read)?;
        // Files without a size (in /proc, say) have content nevertheless.
        if metadata.is_file() && metadata.len() > 0 {
            let offset = rustix::fs::tell(&file).map_err(|e| Error::Read(e.into()))?;
            return if mapped {
                Mapped::new(file, offset, metadata.len()).map(Self::File)
            } else {
                Ok(Self::Pipe(Pipe::new(file, offset, Some(metadata.len()))))
            };
        }
        Ok(Self::Pipe(Pipe::new(file, 0, None)))
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
            Self::File(file) => Some(file.len),
            Self::Pipe(pipe) => pipe.total,
        }
    }

    /// The next `want` bytes, fewer at the end, without going on.
    pub fn peek(&mut self, want: usize, may_block: bool) -> Result<Next<&[u8]>> {
        match self {
            Self::File(file) => file.window(file.position, want).map(Next::Item),
            Self::Pipe(pipe) => pipe.peek(want, may_block),
        }
    }

    /// Goes on by `count` bytes that have been peeked at.
    pub fn skip(&mut self, count: usize) {
        match self {
            Self::File(file) => file.position += count as u64,
            Self::Pipe(pipe) => pipe.skip(count),
        }
    }

    /// The next `len` bytes for the device, fewer at the end.
    pub fn take(
        &mut self,
        len: usize,
        may_block: bool,
        spare: &mut Buffers,
    ) -> Result<Next<Source>> {
        match self {
            Self::File(file) => Ok(file.take(len)),
            Self::Pipe(pipe) => pipe.take(len, may_block, spare),
        }
    }

    /// Goes back by what `source` still has; it is what was taken last.
    pub fn give_back(&mut self, source: &Source) {
        match self {
            Self::File(file) => file.position -= source.len as u64,
            Self::Pipe(pipe) => pipe.give_back(source.bytes().expect("a pipe has no mapping")),
        }
    }

    /// The bytes of `source`, for this program. A mapping is not touched: it may have become
    /// shorter, and that would end the process.
    pub fn read<'a>(&self, source: &'a Source, room: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        match self {
            Self::File(file) => {
                room.resize(source.len, 0);
                file.file
                    .read_exact_at(room, source.start as u64)
                    .map_err(Error::Read)?;
                Ok(room)
            }
            Self::Pipe(_) => Ok(source.bytes().expect("a pipe has no mapping")),
        }
    }

    /// Copies the bytes of `source` from `at` on, as many as `room` has.
    pub fn copy(&mut self, source: &Source, at: usize, room: &mut [u8]) -> Result<()> {
        match self {
            Self::File(file) => {
                let window = file.window((source.start + at) as u64, room.len())?;
                room.copy_from_slice(window.get(..room.len()).ok_or(Error::UnexpectedEnd)?);
            }
            Self::Pipe(_) => {
                let bytes = source.bytes().expect("a pipe has no mapping");
                room.copy_from_slice(&bytes[at..][..room.len()]);
            }
        }
        Ok(())
    }

    /// The trailer at the end of `source`, which is that long.
    pub fn trailer(&mut self, source: &Source) -> Result<Trailer> {
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

/// Bytes that are read from a mapped file at once for a look at them.
const WINDOW: usize = 4096;

/// A file that is mapped for the device, and read by system calls for this program.
pub struct Mapped {
    file: File,
    map: Arc<FileMap>,
    position: u64,
    len: u64,
    window: Vec<u8>,
    window_start: u64,
}

impl Mapped {
    fn new(file: File, position: u64, len: u64) -> Result<Self> {
        let bytes = usize::try_from(len)
            .map_err(|_| Error::Usage("too large for this machine's address space".into()))?;
        let map = FileMap::new(&file, bytes)?;
        Ok(Self {
            file,
            map,
            position,
            len,
            window: Vec::new(),
            window_start: 0,
        })
    }

    /// All of the file, from its beginning, in memory of `space`.
    pub fn load(&self, space: &AddressSpace) -> Result<Data> {
        let len = self.map.len();
        let mut memory = space.memory(len)?;
        let room = &mut memory.bytes_mut()[..len];
        self.file.read_exact_at(room, 0).map_err(Error::Read)?;
        Ok(memory.into())
    }

    /// `want` bytes from `start` on, fewer at the end of the file.
    fn window(&mut self, start: u64, want: usize) -> Result<&[u8]> {
        let want = want.min(usize::try_from(self.len.saturating_sub(start)).unwrap_or(want));
        let inside = start >= self.window_start
            && start + want as u64 <= self.window_start + self.window.len() as u64;
        if !inside {
            self.fill(start, want)?;
        }
        let at = (start - self.window_start) as usize;
        let end = self.window.len().min(at + want);
        Ok(&self.window[at..end])
    }

    fn fill(&mut self, start: u64, want: usize) -> Result<()> {
        self.window.resize(want.max(WINDOW), 0);
        self.window_start = start;
        let mut filled = 0;
        while filled < want {
            match self
                .file
                .read_at(&mut self.window[filled..], start + filled as u64)
            {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::Read(e)),
            }
        }
        self.window.truncate(filled);
        Ok(())
    }

    fn take(&mut self, len: usize) -> Next<Source> {
        let rest = self.len.saturating_sub(self.position);
        let len = len.min(usize::try_from(rest).unwrap_or(len));
        if len == 0 {
            return Next::End;
        }
        let start = self.position as usize;
        self.position += len as u64;
        Next::Item(Source::new(Arc::clone(&self.map), start, len))
    }
}

/// Bytes read from a descriptor.
pub struct Pipe {
    file: File,
    position: u64,
    /// Its length, if it is a file.
    total: Option<u64>,
    /// Bytes read but not taken, from `ahead_start` on.
    ahead: Vec<u8>,
    ahead_start: usize,
    /// What is being filled for the device.
    filling: Option<(Memory, usize)>,
    ended: bool,
}

impl Pipe {
    fn new(file: File, position: u64, total: Option<u64>) -> Self {
        Self {
            file,
            position,
            total,
            ahead: Vec::new(),
            ahead_start: 0,
            filling: None,
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
            let mut bytes = [0; WINDOW];
            let count = self.read(&mut bytes)?;
            self.ahead.extend_from_slice(&bytes[..count]);
        }
        let end = want.min(self.ahead().len());
        Ok(Next::Item(&self.ahead()[..end]))
    }

    fn skip(&mut self, count: usize) {
        self.ahead_start += count;
        self.position += count as u64;
        if self.ahead().is_empty() {
            self.ahead.clear();
            self.ahead_start = 0;
        }
    }

    fn take(&mut self, len: usize, may_block: bool, spare: &mut Buffers) -> Result<Next<Source>> {
        let (mut buffer, mut filled) = match self.filling.take() {
            Some(filling) => filling,
            None => (spare.get(len)?, 0),
        };
        let len = len.min(buffer.len());
        while filled < len && !self.at_end() {
            if self.ahead().is_empty() && !may_block && !self.is_readable()? {
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
            assert_eq!(item(input.peek(3, true).unwrap()), b"012");
            input.skip(2);
            let mut room = Vec::new();
            let source = item(input.take(5, true, &mut spare).unwrap());
            assert_eq!(input.read(&source, &mut room).unwrap(), b"23456");
            assert_eq!(input.position(), 7);
            input.give_back(&source);
            assert_eq!(input.position(), 2);
            assert_eq!(item(input.peek(100, true).unwrap()), &CONTENT[2..]);
            let source = item(input.take(100, true, &mut spare).unwrap());
            assert_eq!(source.len, 14);
            assert_eq!(input.position(), 16);
            assert!(matches!(
                input.take(5, true, &mut spare).unwrap(),
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
            input.take(4, false, &mut spare).unwrap(),
            Next::Later
        ));
        writer.write_all(b"ab").unwrap();
        assert!(matches!(
            input.take(4, false, &mut spare).unwrap(),
            Next::Later
        ));
        drop(writer);
        assert_eq!(item(input.take(4, false, &mut spare).unwrap()).len, 2);
        assert!(matches!(
            input.take(4, false, &mut spare).unwrap(),
            Next::End
        ));
    }
}
