// SPDX-License-Identifier: GPL-2.0

//! What a driver implements to take jobs in [`AddressMode::Kernel`](super::AddressMode::Kernel).

use super::{
    buffers::Buffers,
    driver::Driver,
    pipeline::{
        JobNumber,
        Pipeline, //
    },
    table::Data, //
};
use crate::{
    prelude::*,
    sync::Arc,
    uapi, //
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use zerocopy::{
    Immutable,
    IntoBytes as _, //
};

/// A driver that takes jobs in [`AddressMode::Kernel`](super::AddressMode::Kernel).
///
/// The core keeps the order of jobs, waits for fences before the first of a submission, and
/// signals one after the last. The driver checks jobs, hands them to the device, and says when they
/// end.
///
/// Every job must end: by [`Ticket::end`], or because the queue is stopped. The core counts the
/// jobs that it has handed over and those that may be, whatever the driver does with their tickets,
/// and stops a queue of which none ends within [`job_limit`](super::DeviceInfo::job_limit), or a
/// minute where there is none.
pub trait Submit: Driver {
    /// One of `accel_queue_submit.jobs`, as user space wrote it. What it did not know is zero.
    type Job: FromBytes;

    /// Bytes that [`Job`](Self::Job) had in its first version: a number, which stays when the
    /// struct grows.
    const JOB_MIN: usize;

    /// What is told of a job that has ended, behind `struct accel_job_record`. Its size is a
    /// multiple of 16 bytes.
    type Record: IntoBytes + Immutable;

    /// A job that is ready for the device. It is dropped when it has ended, or was given up, under
    /// the rules of [`submit`](Self::submit).
    type Prepared: Send + Sync + 'static;

    /// Checks a job, and makes it ready.
    ///
    /// In process context; may sleep and allocate. The queue may just be being destroyed: it is
    /// there, but the hardware must not be asked about it. Errors go to user space as they are.
    fn prepare(
        data: &Self::Data<'_>,
        queue: &Self::Queue,
        job: &Self::Job,
        buffers: &Arc<Buffers>,
    ) -> Result<Self::Prepared>;

    /// Hands a job to the device, or gives the ticket back if there is no room. Then the job stays
    /// the queue's next, and is tried again when a job of any queue of the device has ended, and
    /// from time to time. A ticket of another job that is given back ends that one, as if it were
    /// dropped.
    ///
    /// Others wait for the fence of the job: neither here nor on the way to [`Ticket::end`] may
    /// memory be allocated with [`GFP_KERNEL`], or a lock be taken under which somebody does.
    fn submit(
        data: &Self::Data<'_>,
        queue: &Self::Queue,
        job: &Self::Prepared,
        ticket: Ticket<Self>,
    ) -> Result<(), Ticket<Self>>;
}

/// The right to end a job, and the duty.
///
/// A ticket that is dropped ends its job with the error for which the queue died, [`ECANCELED`] if
/// it did not.
pub struct Ticket<T: Submit> {
    raw: RawTicket,
    _driver: PhantomData<fn() -> T>,
}

impl<T: Submit> Ticket<T> {
    /// The job has ended; the device does not touch its memory any more.
    ///
    /// Must not be called from interrupt context.
    pub fn end(self, result: Result, record: &T::Record) {
        self.raw.end(result, record.as_bytes());
    }
}

/// A ticket, without its driver.
pub(super) struct RawTicket {
    pipeline: Arc<Pipeline>,
    job: JobNumber,
}

impl RawTicket {
    pub(super) fn new(pipeline: Arc<Pipeline>, job: JobNumber) -> Self {
        Self { pipeline, job }
    }

    fn end(self, result: Result, record: &[u8]) {
        let mut this = ManuallyDrop::new(self);
        this.pipeline.end_job(this.job, Some(result), record);
        // SAFETY: `this` is not used any more; its other field needs no drop.
        unsafe { core::ptr::drop_in_place(&mut this.pipeline) };
    }

    /// Whether it is the one of this job.
    pub(super) fn is_of(&self, pipeline: &Pipeline, job: JobNumber) -> bool {
        core::ptr::eq(&*self.pipeline, pipeline) && self.job == job
    }

    /// Gives it up without the end of the job: it will have another.
    pub(super) fn keep(self) {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: As in `end`.
        unsafe { core::ptr::drop_in_place(&mut this.pipeline) };
    }
}

impl Drop for RawTicket {
    fn drop(&mut self) {
        self.pipeline.end_job(self.job, None, &[]);
    }
}

/// A job that is ready, without its driver.
///
/// # Safety
///
/// For `submit`, `data` must be of a device of the driver that prepared the job, and live; `queue`
/// one of this driver's, and not destroyed.
pub(super) unsafe trait Ready: Send + Sync {
    /// # Safety
    ///
    /// See [`Ready`].
    unsafe fn submit(
        &self,
        data: Data,
        queue: NonNull<c_void>,
        ticket: RawTicket,
    ) -> Result<(), RawTicket>;
}

pub(super) struct Job<T: Submit>(pub(super) T::Prepared);

// SAFETY: What is required of `submit` is all that it relies upon.
unsafe impl<T: Submit> Ready for Job<T> {
    unsafe fn submit(
        &self,
        data: Data,
        queue: NonNull<c_void>,
        ticket: RawTicket,
    ) -> Result<(), RawTicket> {
        // SAFETY: By the requirements of this function.
        let (data, queue) = unsafe { (data.get::<T>(), queue.cast().as_ref()) };
        let ticket = Ticket {
            raw: ticket,
            _driver: PhantomData,
        };
        T::submit(data, queue, &self.0, ticket).map_err(|ticket| ticket.raw)
    }
}

type Prepare = unsafe fn(Data, NonNull<c_void>, &[u8], &Arc<Buffers>) -> Result<KBox<dyn Ready>>;

/// How a driver takes jobs in [`AddressMode::Kernel`](super::AddressMode::Kernel).
pub struct Submission<T: Driver> {
    job_size: usize,
    job_min: usize,
    record_size: usize,
    prepare: Prepare,
    _driver: PhantomData<fn() -> T>,
}

impl<T: Submit> Submission<T> {
    /// As its implementation of [`Submit`] says.
    pub const fn of_driver() -> Self {
        const { assert!(size_of::<T::Record>() % RECORD_ALIGN == 0) };
        const { assert!(T::JOB_MIN != 0 && T::JOB_MIN <= size_of::<T::Job>()) };
        Self {
            job_size: size_of::<T::Job>(),
            job_min: T::JOB_MIN,
            record_size: size_of::<uapi::accel_job_record>() + size_of::<T::Record>(),
            prepare: Self::prepare,
            _driver: PhantomData,
        }
    }

    /// # Safety
    ///
    /// As for [`Ready::submit`], but that the queue may be destroyed, though not dropped. `job`
    /// must have the size of a job.
    unsafe fn prepare(
        data: Data,
        queue: NonNull<c_void>,
        job: &[u8],
        buffers: &Arc<Buffers>,
    ) -> Result<KBox<dyn Ready>> {
        let job = T::Job::read_from_bytes(job).map_err(|_| EINVAL)?;
        // SAFETY: By the requirements of this function.
        let (data, queue) = unsafe { (data.get::<T>(), queue.cast().as_ref()) };
        let ready = Job::<T>(T::prepare(data, queue, &job, buffers)?);
        Ok(KBox::new(ready, GFP_KERNEL_ACCOUNT)?)
    }
}

impl<T: Driver> Submission<T> {
    pub(super) const fn erase(&self) -> SubmissionOps {
        SubmissionOps {
            job_size: self.job_size,
            job_min: self.job_min,
            record_size: self.record_size,
            prepare: self.prepare,
        }
    }
}

/// Elements of the records' region lie at multiples of this.
const RECORD_ALIGN: usize = size_of::<uapi::accel_job_record>();

/// A [`Submission`], without its driver.
#[derive(Copy, Clone)]
pub(super) struct SubmissionOps {
    pub(super) job_size: usize,
    pub(super) job_min: usize,
    pub(super) record_size: usize,
    pub(super) prepare: Prepare,
}
