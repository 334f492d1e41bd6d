// SPDX-License-Identifier: GPL-2.0 OR MIT
//! The functions of the header.
//!
//! Handles are boxes whose pointers C keeps; what C says of a pointer has to be believed, so each
//! `unsafe` block here rests on what `libaccel.3` asks of the caller.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int};
use std::io;
use std::ptr::null_mut;
use std::slice;

use accel::{Engine, Error, Format, Packer, Step, Unpacker};

/// `enum libaccel_flush`.
const RUN: c_int = 0;
const FLUSH: c_int = 1;
const FINISH: c_int = 2;

/// What a call returns when a stream has ended.
const ENDED: c_int = 1;

thread_local! {
    static MESSAGE: RefCell<CString> = RefCell::default();
}

/// Remembers what went wrong in this thread; returns its negative number.
fn failed(number: c_int, text: String) -> c_int {
    // An error's text has no NUL of its own.
    let text = CString::new(text).unwrap_or_default();
    MESSAGE.with(|message| message.replace(text));
    -number
}

/// The same of an error of the library.
fn told(error: Error) -> c_int {
    let text = error.to_string();
    let error = io::Error::from(error);
    let number = match error.kind() {
        io::ErrorKind::InvalidData => libc::EBADMSG,
        io::ErrorKind::UnexpectedEof => libc::ENODATA,
        io::ErrorKind::NotFound => libc::ENODEV,
        io::ErrorKind::PermissionDenied => libc::EACCES,
        io::ErrorKind::ResourceBusy => libc::EBUSY,
        io::ErrorKind::TimedOut => libc::ETIMEDOUT,
        io::ErrorKind::OutOfMemory => libc::ENOMEM,
        _ => libc::EIO,
    };
    failed(number, text)
}

fn invalid(what: &str) -> c_int {
    failed(libc::EINVAL, what.into())
}

/// The format of `enum libaccel_format`.
fn format(number: c_int) -> Option<Format> {
    match number {
        0 => Some(Format::Deflate),
        1 => Some(Format::Zlib),
        2 => Some(Format::Gzip),
        _ => None,
    }
}

/// `len` bytes at `from`.
///
/// # Safety
///
/// They are there, and stay as they are for as long as the result is used.
unsafe fn bytes<'a>(from: *const u8, len: usize) -> &'a [u8] {
    match from.is_null() || len == 0 {
        true => &[],
        // SAFETY: as the caller promises; no object has more than half of all addresses.
        false => unsafe { slice::from_raw_parts(from, len.min(isize::MAX as usize)) },
    }
}

/// What `libaccel_auto()` gives.
#[unsafe(no_mangle)]
pub extern "C" fn libaccel_auto() -> *mut Engine {
    Box::into_raw(Box::new(crate::auto()))
}

/// An engine of software alone.
#[unsafe(no_mangle)]
pub extern "C" fn libaccel_software() -> *mut Engine {
    Box::into_raw(Box::new(Engine::software()))
}

/// Frees an engine.
///
/// # Safety
///
/// `engine` is NULL, or of one of the above and not freed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn libaccel_free(engine: *mut Engine) {
    if !engine.is_null() {
        // SAFETY: as the caller promises, this is a box that nobody uses any more.
        drop(unsafe { Box::from_raw(engine) });
    }
}

/// Tells who has done how much.
///
/// # Safety
///
/// `engine` is one; `device` and `software` are NULL or places for a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn libaccel_work(
    engine: *const Engine,
    device: *mut u64,
    software: *mut u64,
) {
    // SAFETY: as the caller promises.
    let work = unsafe { &*engine }.work();
    for (place, value) in [(device, work.device), (software, work.software)] {
        if !place.is_null() {
            // SAFETY: as the caller promises.
            unsafe { place.write(value) };
        }
    }
}

/// What went wrong last in this thread.
#[unsafe(no_mangle)]
pub extern "C" fn libaccel_message() -> *const c_char {
    // It stays where it is until the next error of this thread.
    MESSAGE.with(|message| CStr::as_ptr(&message.borrow()))
}

/// Room that `len` bytes need when they are compressed.
#[unsafe(no_mangle)]
pub extern "C" fn libaccel_compress_bound(len: usize) -> usize {
    len.saturating_add(len / 8).saturating_add(1024)
}

/// Compresses all at once.
///
/// # Safety
///
/// `engine` is one, `from` has `from_len` bytes, `to` has `*to_len`, and nobody else writes these
/// meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn libaccel_compress(
    engine: *const Engine,
    format: c_int,
    from: *const u8,
    from_len: usize,
    to: *mut u8,
    to_len: *mut usize,
) -> c_int {
    let work = |engine: &Engine, format, bytes: &[u8]| engine.compress(format, bytes);
    // SAFETY: as the caller promises.
    unsafe { at_once(engine, format, (from, from_len), (to, to_len), work) }
}

/// Decompresses all at once.
///
/// # Safety
///
/// As of [`libaccel_compress`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn libaccel_decompress(
    engine: *const Engine,
    format: c_int,
    from: *const u8,
    from_len: usize,
    to: *mut u8,
    to_len: *mut usize,
) -> c_int {
    let work = |engine: &Engine, format, bytes: &[u8]| engine.decompress(format, bytes);
    // SAFETY: as the caller promises.
    unsafe { at_once(engine, format, (from, from_len), (to, to_len), work) }
}

/// Does `work` to one piece of memory, and has the result in another.
///
/// # Safety
///
/// As of [`libaccel_compress`].
unsafe fn at_once(
    engine: *const Engine,
    number: c_int,
    (from, from_len): (*const u8, usize),
    (to, to_len): (*mut u8, *mut usize),
    work: impl Fn(&Engine, Format, &[u8]) -> accel::Result<Vec<u8>>,
) -> c_int {
    let Some(format) = format(number) else {
        return invalid("there is no such format");
    };
    // SAFETY: as the caller promises.
    let made = unsafe { work(&*engine, format, bytes(from, from_len)) };
    let made = match made {
        Ok(made) => made,
        Err(error) => return told(error),
    };
    // SAFETY: as the caller promises.
    let room = unsafe { to_len.replace(made.len()) };
    if room < made.len() {
        let text = format!(
            "the result has {} bytes, and there is room for {room}",
            made.len()
        );
        return failed(libc::ENOSPC, text);
    }
    // SAFETY: the room is the caller's own and large enough, and the result is in new memory.
    unsafe { made.as_ptr().copy_to_nonoverlapping(to, made.len()) };
    0
}

/// `struct libaccel_stream`.
pub struct Stream {
    step: Box<dyn Step + Send>,
    output: Vec<u8>,
    /// How much of the output is handed out.
    given: usize,
    failed: Option<Error>,
    ended: bool,
}

impl Stream {
    fn new(step: impl Step + Send + 'static) -> *mut Self {
        Box::into_raw(Box::new(Self {
            step: Box::new(step),
            output: Vec::new(),
            given: 0,
            failed: None,
            ended: false,
        }))
    }

    /// Output that is not handed out, as much as `most`.
    fn take(&mut self, most: usize) -> &[u8] {
        let rest = &self.output[self.given..];
        let rest = &rest[..rest.len().min(most)];
        self.given += rest.len();
        rest
    }

    fn has_output(&self) -> bool {
        self.given < self.output.len()
    }

    /// Makes more output, there being none; returns how much input it has taken, and whether there
    /// is anything left to do.
    fn more(&mut self, input: &[u8], how: c_int) -> (usize, bool) {
        self.output.clear();
        self.given = 0;
        let result = match how {
            _ if !input.is_empty() => self.step.step(input, &mut self.output),
            FINISH => self.step.finish(&mut self.output).map(|()| 0),
            FLUSH => self.step.flush(&mut self.output).map(|()| 0),
            _ => self.step.step(&[], &mut self.output),
        };
        match result {
            Ok(taken) => {
                let idle = input.is_empty() && self.output.is_empty();
                self.ended = idle && how == FINISH;
                (taken, !idle)
            }
            Err(error) => {
                self.failed = Some(error);
                (0, true)
            }
        }
    }
}

/// Begins to compress.
///
/// # Safety
///
/// `engine` is one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn libaccel_compressor(engine: *const Engine, number: c_int) -> *mut Stream {
    match format(number) {
        // SAFETY: as the caller promises.
        Some(format) => Stream::new(unsafe { Packer::new(&*engine, format) }),
        None => {
            invalid("there is no such format");
            null_mut()
        }
    }
}

/// Begins to decompress.
///
/// # Safety
///
/// `engine` is one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn libaccel_decompressor(
    engine: *const Engine,
    number: c_int,
) -> *mut Stream {
    match format(number) {
        // SAFETY: as the caller promises.
        Some(format) => Stream::new(unsafe { Unpacker::new(&*engine, format) }),
        None => {
            invalid("there is no such format");
            null_mut()
        }
    }
}

/// Takes input and gives output.
///
/// # Safety
///
/// `stream` is one, and nobody else uses it meanwhile. `*from` has `*from_len` bytes, `*to` has
/// `*to_len`, and nobody else writes these or the four places meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn libaccel_step(
    stream: *mut Stream,
    from: *mut *const u8,
    from_len: *mut usize,
    to: *mut *mut u8,
    to_len: *mut usize,
    how: c_int,
) -> c_int {
    if !(RUN..=FINISH).contains(&how) {
        return invalid("there is no such way to flush");
    }
    // SAFETY: as the caller promises.
    let (stream, from, from_len, to, to_len) = unsafe {
        (
            &mut *stream,
            &mut *from,
            &mut *from_len,
            &mut *to,
            &mut *to_len,
        )
    };
    loop {
        let part = stream.take(*to_len);
        // SAFETY: the room is the caller's own and large enough, and the output is elsewhere.
        unsafe { part.as_ptr().copy_to_nonoverlapping(*to, part.len()) };
        *to = to.wrapping_add(part.len());
        *to_len -= part.len();
        if stream.has_output() {
            return 0;
        }
        if let Some(error) = stream.failed.take() {
            return told(error);
        }
        if stream.ended {
            return ENDED;
        }
        // SAFETY: as the caller promises.
        let input = unsafe { bytes(*from, *from_len) };
        let (taken, goes_on) = stream.more(input, how);
        *from = from.wrapping_add(taken);
        *from_len -= taken;
        if !goes_on {
            return if stream.ended { ENDED } else { 0 };
        }
    }
}

/// Ends a stream, whether it has come to its end or not.
///
/// # Safety
///
/// `stream` is NULL, or one that is not freed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn libaccel_stream_free(stream: *mut Stream) {
    if !stream.is_null() {
        // SAFETY: as the caller promises, this is a box that nobody uses any more.
        drop(unsafe { Box::from_raw(stream) });
    }
}
