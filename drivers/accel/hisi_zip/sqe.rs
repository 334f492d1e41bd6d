// SPDX-License-Identifier: GPL-2.0

//! Submission entries of jobs that the driver hands to the device itself, and what may stand in
//! them.

use crate::{
    lists::Chains,
    Revision, //
};
use kernel::{
    accel::{
        Function,
        Functions,
        Operation, //
    },
    dma::DmaAddress,
    prelude::*,
    uapi, //
};
use zerocopy::{
    little_endian::{
        U32,
        U64, //
    },
    FromZeros, //
};
use zerocopy_derive::Immutable;

/// Bytes that a job reads, and bytes that it writes, at most.
pub(crate) const LENGTH_MAX: u32 = 8 << 20;

/// Bits of [`Sqe::kind`].
const FLUSH: u32 = 1 << 25;
const STATEFUL: u32 = 1 << 26;
const NEW_STREAM: u32 = 1 << 27;
/// Where the tag is: word 13, word 26.
const LAYOUT_0: u32 = 0;
const LAYOUT_3: u32 = 3 << 28;
const LAYOUT_MASK: u32 = 0xf << 28;

/// The only layout that there is.
const fn layout(revision: Revision) -> u32 {
    match revision {
        Revision::V2 => LAYOUT_0,
        Revision::V3 => LAYOUT_3,
    }
}

/// The window in [`Sqe::algorithm`].
const WINDOW_SHIFT: u32 = uapi::HISI_ZIP_WINDOW_SHIFT;
const WINDOW_MASK: u32 = 0xf << WINDOW_SHIFT;

/// The largest number that a window has.
const fn window_max(revision: Revision) -> u32 {
    match revision {
        Revision::V2 => 0,
        Revision::V3 => uapi::hisi_zip_window_HISI_ZIP_WINDOW_32K,
    }
}

/// What `algorithm` does, if it is known.
fn function(algorithm: u32) -> Option<Function> {
    match algorithm {
        uapi::hisi_zip_algorithm_HISI_ZIP_DEFLATE => Some(Function::Deflate),
        uapi::hisi_zip_algorithm_HISI_ZIP_ZLIB => Some(Function::Zlib),
        uapi::hisi_zip_algorithm_HISI_ZIP_GZIP => Some(Function::Gzip),
        _ => None,
    }
}

/// What the entry of a function says.
fn algorithm(function: Function) -> Option<u32> {
    match function {
        Function::Deflate => Some(uapi::hisi_zip_algorithm_HISI_ZIP_DEFLATE),
        Function::Zlib => Some(uapi::hisi_zip_algorithm_HISI_ZIP_ZLIB),
        Function::Gzip => Some(uapi::hisi_zip_algorithm_HISI_ZIP_GZIP),
        _ => None,
    }
}

/// Bytes of room that the engine has to be given for `length` bytes of input, whatever comes out.
/// With less it may do nothing, and say that it is done.
pub(crate) fn room_for(operation: Operation, length: u32) -> u32 {
    match operation {
        // In the worst case it adds a byte to eight.
        Operation::Compress(_) => uapi::HISI_ZIP_ROOM_MIN.saturating_add(length / 8 * 9 + 9),
        Operation::Decompress(_) => uapi::HISI_ZIP_ROOM_MIN,
    }
}

/// [`Sqe::status`] of an entry that the device has not touched, whether it writes the whole word,
/// or its lower half, or one byte and a bit. What that byte may be nobody has said. The bit that
/// ends a stream is not set: it may be one that is never cleared.
const UNTOUCHED: u32 = 0xffff_00ff;

/// The bits of [`Sqe::status`] that are the device's.
const STATUS_MASK: u32 = 0xffff;

/// Kind of buffers, in [`Sqe::algorithm`]: scatter lists.
const LISTS: u32 = 1 << 8;

/// `struct hisi_zip_sqe`.
#[repr(C)]
#[derive(Copy, Clone, FromBytes, IntoBytes, Immutable)]
pub(crate) struct Sqe {
    consumed: U32,
    produced: U32,
    comp_data_length: U32,
    status: U32,
    input_data_length: U32,
    lba: U64,
    kind: U32,
    dest_offset: U32,
    algorithm: U32,
    rsvd0: [U32; 3],
    tag0: U32,
    dest_avail_out: U32,
    stream_state: U32,
    rsvd1: U64,
    source: U64,
    dest: U64,
    ctx: U64,
    rsvd2: U64,
    tag3: U32,
    rsvd3: U32,
    ctx_dw1: U32,
    ctx_dw2: U32,
    plain_length: U32,
    checksum: U32,
}

const _: () = assert!(size_of::<Sqe>() == size_of::<uapi::hisi_zip_sqe>());

/// Where the device finds input and output.
pub(crate) enum Data {
    /// Each in one piece, at these addresses.
    Flat(DmaAddress, DmaAddress),
    /// In pieces.
    Lists(Chains),
}

impl Sqe {
    /// Checks all but what lies at the addresses, for a device of `revision` that has `functions`.
    ///
    /// What is not known to be harmless is refused with [`EINVAL`], so that the device is never
    /// told an address that the driver has not made.
    pub(crate) fn check(&self, revision: Revision, functions: Functions) -> Result {
        let flags = FLUSH | STATEFUL | NEW_STREAM | LAYOUT_MASK;
        let known = self.kind.get() & !flags == 0
            && self.kind.get() & LAYOUT_MASK == layout(revision)
            && function(self.algorithm.get() & !WINDOW_MASK)
                .is_some_and(|wanted| functions.contains(wanted))
            && (self.algorithm.get() & WINDOW_MASK) >> WINDOW_SHIFT <= window_max(revision);
        let unused = self.lba.get() == 0
            && self.dest_offset.get() == 0
            && self.rsvd0.iter().all(|word| word.get() == 0)
            && self.rsvd1.get() == 0
            && self.rsvd2.get() == 0
            && self.rsvd3.get() == 0
            && (self.is_stream() || self.ctx_dw1.get() == 0 && self.ctx_dw2.get() == 0);
        // Of a stream all the input may be there before its end is asked for.
        let least = u32::from(!self.is_stream());
        let lengths = (least..=LENGTH_MAX).contains(&self.input_data_length.get())
            && (uapi::HISI_ZIP_ROOM_MIN..=LENGTH_MAX).contains(&self.dest_avail_out.get());

        if known && unused && lengths {
            Ok(())
        } else {
            Err(EINVAL)
        }
    }

    /// A request of the kernel itself: from `length` bytes to `room`, which are at addresses that
    /// are filled in later. The window is the smallest, since software that reads what is written
    /// may have a small one.
    pub(crate) fn of_kernel(
        revision: Revision,
        operation: Operation,
        length: u32,
        room: u32,
    ) -> Result<Self> {
        let algorithm = algorithm(operation.function()).ok_or(EINVAL)?;
        Ok(Self {
            input_data_length: U32::new(length),
            kind: U32::new(layout(revision)),
            algorithm: U32::new(algorithm),
            dest_avail_out: U32::new(room),
            ..FromZeros::new_zeroed()
        })
    }

    /// What came of such a request: bytes that were written. Fails with [`ENOSPC`] if there was not
    /// enough room, with [`EIO`] if the engine does not say that it has done all: of some requests
    /// it takes no notice, and says that they are done.
    pub(crate) fn written(&self, operation: Operation) -> Result<usize> {
        let (taken, length) = (self.consumed.get(), self.input_data_length.get());
        let is_whole = match operation {
            Operation::Compress(_) => taken == length,
            // Something else may follow.
            Operation::Decompress(_) => taken != 0,
        };
        match self.status.get() & 0xff {
            uapi::hisi_zip_status_HISI_ZIP_NO_ROOM => Err(ENOSPC),
            uapi::hisi_zip_status_HISI_ZIP_OK | uapi::hisi_zip_status_HISI_ZIP_NEGATIVE
                if is_whole && self.produced.get() != 0 =>
            {
                Ok(self.produced.get() as usize)
            }
            _ => Err(EIO),
        }
    }

    /// Whether it is a part of a stream, and has a context.
    pub(crate) fn is_stream(&self) -> bool {
        self.kind.get() & STATEFUL != 0
    }

    /// Input: address, bytes.
    pub(crate) fn source(&self) -> (u64, u64) {
        (self.source.get(), self.input_data_length.get().into())
    }

    /// Room for output: address, bytes.
    pub(crate) fn dest(&self) -> (u64, u64) {
        (self.dest.get(), self.dest_avail_out.get().into())
    }

    /// Address of the stream's context.
    pub(crate) fn context(&self) -> u64 {
        self.ctx.get()
    }

    /// What the device is given: what was checked, with the addresses that are the device's, and
    /// nothing else.
    pub(crate) fn for_device(&self, data: &Data, context: Option<DmaAddress>) -> Self {
        let (source, dest, buffers) = match data {
            Data::Flat(source, dest) => (*source, *dest, 0),
            Data::Lists(chains) => (chains.source(), chains.dest(), LISTS),
        };
        Self {
            input_data_length: self.input_data_length,
            kind: self.kind,
            algorithm: U32::new(self.algorithm.get() | buffers),
            dest_avail_out: self.dest_avail_out,
            // A completion alone does not make a job done.
            status: U32::new(UNTOUCHED),
            source: U64::new(source),
            dest: U64::new(dest),
            ctx: U64::new(context.unwrap_or(0)),
            ..self.carried()
        }
    }

    /// What user space gets back: its own entry, and in it what the device has written to `done`.
    /// The device's addresses are nobody's business.
    pub(crate) fn with_results(&self, done: &Self) -> Self {
        Self {
            consumed: done.consumed,
            produced: done.produced,
            comp_data_length: done.comp_data_length,
            status: U32::new(done.status.get() & STATUS_MASK),
            stream_state: done.stream_state,
            ctx_dw1: done.ctx_dw1,
            ctx_dw2: done.ctx_dw2,
            plain_length: done.plain_length,
            checksum: done.checksum,
            ..*self
        }
    }

    /// Whether the device has left the entry as it was.
    pub(crate) fn is_untouched(&self) -> bool {
        self.status.get() == UNTOUCHED
    }

    /// How the job ended. Fails with [`EIO`] if the device could not do it, or says what can't be.
    pub(crate) fn result(&self) -> Result {
        let possible = self.consumed.get() <= self.input_data_length.get()
            && self.produced.get() <= self.dest_avail_out.get();
        if !possible {
            return Err(EIO);
        }
        match self.status.get() & 0xff {
            uapi::hisi_zip_status_HISI_ZIP_OK
            | uapi::hisi_zip_status_HISI_ZIP_NEGATIVE
            | uapi::hisi_zip_status_HISI_ZIP_NO_ROOM
            | uapi::hisi_zip_status_HISI_ZIP_BAD_CHECKSUM
            | uapi::hisi_zip_status_HISI_ZIP_STREAM_END => Ok(()),
            _ => Err(EIO),
        }
    }

    /// The words that the device leaves in a stream's entry, and wants back in the next one. They
    /// are its own: the driver does not know what they mean. Outside of streams there are none.
    fn carried(&self) -> Self {
        let none = FromZeros::new_zeroed();
        if !self.is_stream() {
            return none;
        }
        Self {
            stream_state: self.stream_state,
            ctx_dw1: self.ctx_dw1,
            ctx_dw2: self.ctx_dw2,
            plain_length: self.plain_length,
            checksum: self.checksum,
            ..none
        }
    }
}
