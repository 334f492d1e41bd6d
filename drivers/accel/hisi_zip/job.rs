// SPDX-License-Identifier: GPL-2.0

//! Jobs that the driver hands to the device itself, in `ACCEL_MODE_KERNEL`.

use crate::{
    lists::Chains,
    sqe::{
        self,
        Data,
        Sqe, //
    },
    Zip, //
};
use kernel::{
    accel::{
        BufferAccess,
        Buffers,
        Operation, //
    },
    alloc::Flags,
    dma::{
        scatter::Segment,
        DmaAddress, //
    },
    prelude::*, //
};

/// Bytes of a stream's context, which the engine keeps there from one job to the next.
const CONTEXT_SIZE: u64 = 64 << 10;

/// A job that was checked.
pub(crate) struct Job {
    /// The entry as user space wrote it.
    pub(crate) wanted: Sqe,
    /// The entry for the device.
    pub(crate) entry: Sqe,
    /// Holds the scatter lists that `entry` names.
    _data: Data,
}

impl Job {
    /// Checks a job, and finds out where its data is for the device. May sleep.
    ///
    /// Fails with [`EINVAL`] if something else than a job stands in `wanted`, or an address is in
    /// no buffer; [`EACCES`] if the buffer is not there for what the job does with it.
    pub(crate) fn new(zip: &Zip<'_>, wanted: &Sqe, buffers: &Buffers) -> Result<Self> {
        wanted.check(zip.revision, zip.capabilities.functions)?;
        let context = match wanted.is_stream() {
            true => Some(context(wanted.context(), buffers)?),
            false => None,
        };
        let (address, length) = wanted.source();
        let source = match context {
            // There is nothing to be read; should the engine look, this may be looked at. A list
            // can't have an entry of no bytes.
            Some(context) if length == 0 => one(context)?,
            _ => buffers.segments(address, length, BufferAccess::Read)?,
        };
        let (address, room) = wanted.dest();
        let dest = buffers.segments(address, room, BufferAccess::Write)?;

        Self::with_data(zip, wanted, &source, &dest, context, GFP_KERNEL_ACCOUNT)
    }

    /// The job of a request of the kernel itself, for which `dest` has less room than the engine
    /// may need to begin: the rest is written where nobody looks. Does not sleep.
    pub(crate) fn of_kernel(
        zip: &Zip<'_>,
        operation: Operation,
        source: &[Segment],
        dest: &[Segment],
    ) -> Result<Self> {
        let (length, room) = (sum(source)?, sum(dest)?);
        let needed = sqe::room_for(operation, length).max(room);
        let wanted = Sqe::of_kernel(zip.revision, operation, length, needed)?;
        wanted.check(zip.revision, zip.capabilities.functions)?;
        if needed == room {
            return Self::with_data(zip, &wanted, source, dest, None, GFP_NOWAIT);
        }
        let mut pieces = KVec::with_capacity(dest.len() + 1, GFP_NOWAIT)?;
        pieces.extend_from_slice(dest, GFP_NOWAIT)?;
        let mut missing = u64::from(needed - room);
        while missing != 0 {
            let bytes = missing.min(zip.sink.size() as u64);
            pieces.push((zip.sink.dma_address(), bytes), GFP_NOWAIT)?;
            missing -= bytes;
        }
        Self::with_data(zip, &wanted, source, &pieces, None, GFP_NOWAIT)
    }

    fn with_data(
        zip: &Zip<'_>,
        wanted: &Sqe,
        source: &[Segment],
        dest: &[Segment],
        context: Option<DmaAddress>,
        flags: Flags,
    ) -> Result<Self> {
        let data = match (source, dest) {
            (&[(source, _)], &[(dest, _)]) => Data::Flat(source, dest),
            _ => Data::Lists(Chains::new(zip.pdev.as_ref(), source, dest, flags)?),
        };
        Ok(Self {
            wanted: *wanted,
            entry: wanted.for_device(&data, context),
            _data: data,
        })
    }
}

/// Where the context at `address` is for the device, where it must be in one piece.
fn context(address: u64, buffers: &Buffers) -> Result<DmaAddress> {
    buffers.check(address, CONTEXT_SIZE, BufferAccess::Read)?;
    match buffers.segments(address, CONTEXT_SIZE, BufferAccess::Write)?[..] {
        [(context, _)] => Ok(context),
        _ => Err(EINVAL),
    }
}

/// Bytes of all pieces. Fails with [`EINVAL`] if those are more than a job can have.
fn sum(segments: &[Segment]) -> Result<u32> {
    let sum: u64 = segments.iter().map(|&(_, bytes)| bytes).sum();
    match u32::try_from(sum) {
        Ok(sum) if sum <= sqe::LENGTH_MAX => Ok(sum),
        _ => Err(EINVAL),
    }
}

/// A piece of one byte.
fn one(address: DmaAddress) -> Result<KVec<Segment>> {
    let mut segments = KVec::with_capacity(1, GFP_KERNEL_ACCOUNT)?;
    segments.push((address, 1), GFP_KERNEL_ACCOUNT)?;
    Ok(segments)
}
