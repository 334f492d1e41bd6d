// SPDX-License-Identifier: GPL-2.0

//! What a driver implements whose devices serve the kernel itself, too.

use super::{
    driver::{
        Driver,
        Function, //
    },
    submission::{
        Job,
        Ready,
        Submit, //
    },
    table::{
        Args,
        Data, //
    },
};
use crate::{
    dma::scatter::Segment,
    prelude::*, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// What a client in the kernel has done by a device, from one memory to another.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Operation {
    /// Compress to this format.
    Compress(Function),
    /// Decompress what is in this format.
    Decompress(Function),
}

impl Operation {
    /// What a device must have to do it.
    pub fn function(self) -> Function {
        match self {
            Self::Compress(function) | Self::Decompress(function) => function,
        }
    }
}

/// A driver whose devices serve the kernel itself.
///
/// Its clients wait in places where memory is reclaimed: nothing here may wait for memory, or take
/// a lock under which somebody does.
pub trait Serve: Submit<Record: zerocopy::FromBytes> {
    /// What a queue is made with that does `operation`; [`None`] if the driver knows none.
    fn queue_args(operation: Operation) -> Option<Self::QueueArgs>;

    /// Makes a job of a request ready: from the pieces of `source` to those of `dest`, which are
    /// mapped for the device. There is at least one of each. The queue may just be being destroyed,
    /// as for [`Submit::prepare`].
    ///
    /// Allocates with [`GFP_NOWAIT`] at most. If it fails, the client does without the device.
    fn prepare_request(
        data: &Self::Data<'_>,
        queue: &Self::Queue,
        operation: Operation,
        source: &[Segment],
        dest: &[Segment],
    ) -> Result<Self::Prepared>;

    /// What came of a job that has ended well: the bytes that it has written, of which the memory
    /// may have had room for fewer. Does not sleep.
    fn outcome(operation: Operation, record: &Self::Record) -> Result<usize>;
}

type PrepareRequest =
    unsafe fn(Data, NonNull<c_void>, Operation, &[Segment], &[Segment]) -> Result<KBox<dyn Ready>>;

/// How a driver serves the kernel itself.
pub struct Service<T: Driver> {
    ops: ServiceOps,
    _driver: PhantomData<fn() -> T>,
}

impl<T: Serve> Service<T> {
    /// As its implementation of [`Serve`] says.
    pub const fn of_driver() -> Self {
        Self {
            ops: ServiceOps {
                queue_args: |operation| T::queue_args(operation).map(Args::of),
                prepare: Self::prepare,
                outcome: Self::outcome,
            },
            _driver: PhantomData,
        }
    }

    /// # Safety
    ///
    /// As for [`Ready::submit`], but that the queue may be destroyed, though not dropped.
    unsafe fn prepare(
        data: Data,
        queue: NonNull<c_void>,
        operation: Operation,
        source: &[Segment],
        dest: &[Segment],
    ) -> Result<KBox<dyn Ready>> {
        // SAFETY: By the requirements of this function.
        let (data, queue) = unsafe { (data.get::<T>(), queue.cast().as_ref()) };
        let prepared = T::prepare_request(data, queue, operation, source, dest)?;
        Ok(KBox::new(Job::<T>(prepared), GFP_NOWAIT)?)
    }

    fn outcome(operation: Operation, record: &[u8]) -> Result<usize> {
        let record = zerocopy::FromBytes::read_from_bytes(record).map_err(|_| EIO)?;
        T::outcome(operation, &record)
    }
}

impl<T: Driver> Service<T> {
    pub(super) const fn erase(&self) -> ServiceOps {
        self.ops
    }
}

/// A [`Service`], without its driver.
#[derive(Copy, Clone)]
pub(super) struct ServiceOps {
    pub(super) queue_args: fn(Operation) -> Option<Args>,
    pub(super) prepare: PrepareRequest,
    pub(super) outcome: fn(Operation, &[u8]) -> Result<usize>,
}
