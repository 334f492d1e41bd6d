// SPDX-License-Identifier: GPL-2.0

//! Decompression by the kernel's zlib.
//!
//! C header: [`include/linux/zlib.h`](srctree/include/linux/zlib.h)

use crate::{
    bindings,
    prelude::*, //
};

/// Binary logarithm of the largest window that there is.
const WINDOW_BITS: c_int = 15;

/// Decompresses raw deflate with any window, from memory and to memory in any pieces.
///
/// # Invariants
///
/// `workspace` has the bytes that zlib asks for.
pub struct Inflater {
    workspace: KVVec<u64>,
}

/// How far a piece has brought it.
pub(crate) struct Step {
    /// Bytes of input that were taken.
    pub(crate) taken: usize,
    /// Bytes of output that were written.
    pub(crate) written: usize,
    /// The end has come.
    pub(crate) ended: bool,
}

impl Inflater {
    /// Makes one; may sleep.
    pub fn new() -> Result<Self> {
        // SAFETY: It computes a number.
        let size = unsafe { bindings::zlib_inflate_workspacesize() } as usize;
        let workspace = KVVec::from_elem(0u64, size.div_ceil(size_of::<u64>()), GFP_KERNEL)?;
        // INVARIANT: It is as large as that.
        Ok(Self { workspace })
    }

    /// Begins a stream. What was begun before is forgotten.
    pub(crate) fn begin(&mut self) -> Result<Inflating<'_>> {
        // SAFETY: It is made of integers and pointers.
        let mut stream: bindings::z_stream = unsafe { core::mem::zeroed() };
        stream.workspace = self.workspace.as_mut_ptr().cast();
        let mut this = Inflating {
            stream,
            _inflater: self,
        };
        // SAFETY: By the type invariant the workspace is large enough, and stays as long as `this`.
        match unsafe { bindings::zlib_inflateInit2(&mut this.stream, -WINDOW_BITS) } {
            OK => Ok(this),
            _ => Err(EINVAL),
        }
    }
}

const OK: c_int = bindings::Z_OK as c_int;
const STREAM_END: c_int = bindings::Z_STREAM_END as c_int;
const BUF_ERROR: c_int = bindings::Z_BUF_ERROR;

/// A stream that was begun.
///
/// # Invariants
///
/// `stream` was initialised, and its workspace is the inflater's.
pub(crate) struct Inflating<'a> {
    stream: bindings::z_stream,
    _inflater: &'a mut Inflater,
}

impl Inflating<'_> {
    /// Goes on with these bytes of input and this room. Does not sleep.
    ///
    /// Fails with [`EINVAL`] if that is no deflate stream.
    ///
    /// # Safety
    ///
    /// `input` must be valid for reads of `len` bytes, `output` for writes of `room`; others may
    /// change them meanwhile, which makes nonsense of the result and no more.
    pub(crate) unsafe fn step(
        &mut self,
        input: *const u8,
        len: usize,
        output: *mut u8,
        room: usize,
    ) -> Result<Step> {
        let stream = &mut self.stream;
        stream.next_in = input;
        stream.avail_in = len;
        stream.next_out = output;
        stream.avail_out = room;
        // SAFETY: By the type invariant, and the requirement of this function.
        let ret = unsafe { bindings::zlib_inflate(stream, bindings::Z_NO_FLUSH as c_int) };
        let step = Step {
            taken: len - stream.avail_in,
            written: room - stream.avail_out,
            ended: ret == STREAM_END,
        };
        match ret {
            OK | STREAM_END | BUF_ERROR => Ok(step),
            _ => Err(EINVAL),
        }
    }
}

#[macros::kunit_tests(rust_zlib)]
mod tests {
    use super::*;

    /// One block that is stored, of three bytes, and the end.
    const STORED: [u8; 8] = [0x01, 0x03, 0x00, 0xfc, 0xff, b'a', b'b', b'c'];

    fn step(stream: &mut Inflating<'_>, input: &[u8], output: &mut [u8]) -> Result<Step> {
        // SAFETY: Both are as long as they say.
        unsafe {
            stream.step(
                input.as_ptr(),
                input.len(),
                output.as_mut_ptr(),
                output.len(),
            )
        }
    }

    #[test]
    fn pieces_of_any_size_are_one_stream() -> Result {
        let mut inflater = Inflater::new()?;
        // The second time nothing is left of the first.
        for _ in 0..2 {
            let mut stream = inflater.begin()?;
            let mut output = [0; 3];
            let (mut taken, mut written, mut ended) = (0, 0, false);
            while !ended {
                let next = (taken + 1).min(STORED.len());
                let room = (written + 1).min(output.len());
                let step = step(
                    &mut stream,
                    &STORED[taken..next],
                    &mut output[written..room],
                )?;
                assert!(step.ended || step.taken + step.written != 0);
                taken += step.taken;
                written += step.written;
                ended = step.ended;
            }
            assert_eq!((taken, written), (STORED.len(), output.len()));
            assert_eq!(&output, b"abc");
        }
        Ok(())
    }

    #[test]
    fn what_is_cut_does_not_end_and_nonsense_is_refused() -> Result {
        let mut inflater = Inflater::new()?;
        let mut output = [0; 8];
        let mut stream = inflater.begin()?;
        let cut = step(&mut stream, &STORED[..7], &mut output)?;
        assert!(!cut.ended && cut.taken == 7 && cut.written == 2);
        let more = step(&mut stream, &[], &mut output)?;
        assert!(!more.ended && more.written == 0);

        let mut stream = inflater.begin()?;
        // There is no such kind of block.
        assert_eq!(step(&mut stream, &[0x07], &mut output).err(), Some(EINVAL));
        Ok(())
    }
}
