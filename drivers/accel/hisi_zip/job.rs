// SPDX-License-Identifier: GPL-2.0

//! Jobs that the driver hands to the device itself, in `ACCEL_MODE_KERNEL`.

use crate::{
    lists::{
        Chains,
        Segment, //
    },
    sqe::{
        Data,
        Sqe, //
    },
    Zip, //
};
use kernel::{
    accel::{
        BufferAccess,
        Buffers, //
    },
    dma::DmaAddress,
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

        let data = match (&source[..], &dest[..]) {
            (&[(source, _)], &[(dest, _)]) => Data::Flat(source, dest),
            _ => Data::Lists(Chains::new(zip.pdev.as_ref(), &source, &dest)?),
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

/// A piece of one byte.
fn one(address: DmaAddress) -> Result<KVec<Segment>> {
    let mut segments = KVec::with_capacity(1, GFP_KERNEL_ACCOUNT)?;
    segments.push((address, 1), GFP_KERNEL_ACCOUNT)?;
    Ok(segments)
}
