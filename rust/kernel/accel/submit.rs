// SPDX-License-Identifier: GPL-2.0

//! `ACCEL_QUEUE_SUBMIT`.

use super::{
    buffers::{
        Buffers,
        Held,
        NamedBuffers, //
    },
    client::Served,
    device::Access,
    pipeline::{
        JobNumber,
        Pipeline, //
    },
    queue::Queue,
    submission::{
        Ready,
        SubmissionOps, //
    },
    table::DriverQueue, //
};
use crate::{
    dma_buf::{
        dma_fence::{
            DriverFence,
            DriverFenceAllocation,
            Fence,
            FenceCallback,
            FenceCallbackRegistration, //
        },
        resv::{
            self,
            LockSet, //
        },
        sync_file,
        DmaBuf, //
    },
    fs::{
        file::{
            flags,
            FileDescriptorReservation, //
        },
        File, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            Full,
            Relaxed, //
        },
        Arc, //
    },
    uaccess::UserPtr,
    uapi,
    ustruct::{
        self,
        Array, //
    }, //
};

/// Jobs that were submitted together. Dropping it may sleep.
pub(super) struct Submitted {
    /// Number of the first of them.
    pub(super) first: JobNumber,
    pub(super) jobs: Arc<KVVec<KBox<dyn Ready>>>,
    /// How many of them the driver has or had.
    pub(super) handed: usize,
    /// How many of them have not ended.
    left: usize,
    /// How the first one ended that failed.
    error: Option<Error>,
    fence: Option<DriverFence>,
    /// None if nothing is waited for.
    waits: Option<Waits>,
    memory: Memory,
}

/// What the jobs work on. Let go with the rest.
enum Memory {
    /// Buffers that a process has named.
    Buffers { _held: Held },
    /// That of a client's request.
    Request(Served),
}

/// A job that is handed to the driver.
pub(super) struct Next {
    pub(super) jobs: Arc<KVVec<KBox<dyn Ready>>>,
    pub(super) index: usize,
    pub(super) number: JobNumber,
    /// Jobs of the device that had ended when it was looked for.
    pub(super) ends: u32,
}

impl Submitted {
    /// Signals the fence.
    pub(super) fn signal(&mut self) {
        if let Some(pending) = self.fence.take() {
            pending.signal(self.error.map_or(Ok(()), Err));
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.left == 0
    }

    /// One of the jobs has ended; `record` is what the driver tells of it.
    pub(super) fn count_end(&mut self, result: Result, record: &[u8]) {
        self.left -= 1;
        if let Err(e) = result {
            self.error.get_or_insert(e);
        }
        if let Memory::Request(served) = &mut self.memory {
            served.note(result, record);
        }
    }

    /// Whether all that the jobs wait for has come about: `None` if not, an error if they can't run
    /// any more.
    pub(super) fn may_begin(&self) -> Option<Result> {
        match &self.waits {
            Some(waits) => waits.waiting.outcome(),
            None => Some(Ok(())),
        }
    }

    /// The job of a client's request.
    pub(super) fn of_client(ready: KBox<dyn Ready>, served: Served) -> Result<KBox<Self>> {
        let mut jobs = KVVec::with_capacity(1, GFP_NOWAIT)?;
        jobs.push(ready, GFP_NOWAIT)?;
        let new = Self {
            first: 0,
            jobs: Arc::new(jobs, GFP_NOWAIT)?,
            handed: 0,
            left: 1,
            error: None,
            fence: None,
            waits: None,
            memory: Memory::Request(served),
        };
        Ok(KBox::new(new, GFP_NOWAIT)?)
    }

    /// Takes out the next job that the driver has not had.
    pub(super) fn hand(&mut self, ends: u32) -> Option<Next> {
        let index = self.handed;
        if index == self.jobs.len() {
            return None;
        }
        self.handed += 1;
        Some(Next {
            jobs: self.jobs.clone(),
            index,
            number: self.first + index as u64,
            ends,
        })
    }
}

/// What is still waited for.
///
/// # Invariants
///
/// - `count` is not 0 while a fence is not signalled or not known, and comes to 0 once. Whoever
///   brings it there schedules the pipeline.
/// - Who finds it 0 finds `failed` set if a fence failed that matters.
struct Waiting {
    /// Fences that are not signalled, and 1 until all are known.
    count: Atomic<u32>,
    /// One that matters has failed.
    failed: Atomic<bool>,
}

impl Waiting {
    fn outcome(&self) -> Option<Result> {
        if self.count.load(Acquire) != 0 {
            return None;
        }
        Some(match self.failed.load(Relaxed) {
            true => Err(ECANCELED),
            false => Ok(()),
        })
    }

    fn fail(&self) {
        self.failed.store(true, Relaxed);
    }

    /// One less is waited for; returns whether that was the last.
    fn done(&self) -> bool {
        self.count.fetch_sub(1, Full) == 1
    }
}

/// Fences that jobs wait for.
struct Waits {
    waiting: Arc<Waiting>,
    watches: KVec<FenceCallbackRegistration>,
}

impl Waits {
    fn new() -> Result<Self> {
        let waiting = Waiting {
            count: Atomic::new(1),
            failed: Atomic::new(false),
        };
        Ok(Self {
            waiting: Arc::new(waiting, GFP_KERNEL_ACCOUNT)?,
            watches: KVec::new(),
        })
    }

    /// Waits for `fence` too; `matters` says that the jobs must not run if it has failed.
    fn add(&mut self, pipeline: &Arc<Pipeline>, fence: &Fence, matters: bool) -> Result {
        let (waiting, pipeline) = (self.waiting.clone(), pipeline.clone());
        let callback = FenceCallback::new(
            move |result| {
                if matters && result.is_err() {
                    waiting.fail();
                }
                if waiting.done() {
                    pipeline.schedule();
                }
            },
            GFP_KERNEL_ACCOUNT,
        )?;
        self.watches.reserve(1, GFP_KERNEL_ACCOUNT)?;

        self.waiting.count.fetch_add(1, Relaxed);
        match callback.register(fence) {
            Ok(watch) => self.watches.push(watch, GFP_KERNEL_ACCOUNT)?,
            // It is signalled already.
            Err(_) => {
                if matters && fence.result().is_some_and(|result| result.is_err()) {
                    self.waiting.fail();
                }
                self.waiting.done();
            }
        }
        Ok(())
    }
}

/// What user space asks for, with all that could make it wait or fail behind us.
struct Request {
    args: uapi::accel_queue_submit,
    /// The jobs, one behind the other, as the driver knows them.
    jobs: KVVec<u8>,
    buffers: NamedBuffers,
    fences: KVec<ARef<Fence>>,
}

impl Request {
    fn read(arg: UserPtr, ops: &SubmissionOps, depth: u32) -> Result<Self> {
        let args: uapi::accel_queue_submit = ustruct::read(arg)?;
        let counts = (1..=depth).contains(&args.job_count)
            && args.buffer_count <= uapi::ACCEL_SUBMIT_BUFFERS_MAX
            && args.in_fence_count <= uapi::ACCEL_SUBMIT_FENCES_MAX;
        if !counts || args.flags & !uapi::ACCEL_SUBMIT_OUT_FENCE != 0 || args.reserved != 0 {
            return Err(EINVAL);
        }
        let jobs = Array::new(args.jobs, args.job_count, args.job_size)?;
        Ok(Self {
            jobs: jobs.read_bytes(ops.job_min, ops.job_size, GFP_KERNEL_ACCOUNT)?,
            buffers: read_buffers(&args)?,
            fences: read_fences(&args)?,
            args,
        })
    }
}

fn read_buffers(args: &uapi::accel_queue_submit) -> Result<NamedBuffers> {
    let named = Array::new(args.buffers, args.buffer_count, args.buffer_size)?;
    let named = named.read::<uapi::accel_submit_buffer>(GFP_KERNEL_ACCOUNT)?;
    let mut buffers = NamedBuffers::with_capacity(named.len())?;
    for buffer in &named {
        buffers.push(DmaBuf::from_fd(buffer.fd)?, buffer.flags)?;
    }
    Ok(buffers)
}

fn read_fences(args: &uapi::accel_queue_submit) -> Result<KVec<ARef<Fence>>> {
    let named = Array::new(args.in_fences, args.in_fence_count, args.in_fence_size)?;
    let named = named.read::<uapi::accel_submit_fence>(GFP_KERNEL_ACCOUNT)?;
    let mut fences = KVec::with_capacity(named.len(), GFP_KERNEL_ACCOUNT)?;
    for fence in &named {
        if fence.flags != 0 {
            return Err(EINVAL);
        }
        fences.push(sync_file::fence_from_fd(fence.fd)?, GFP_KERNEL_ACCOUNT)?;
    }
    Ok(fences)
}

/// `ACCEL_QUEUE_SUBMIT`, for a queue that has this pipeline.
pub(super) fn submit(queue: &Queue, pipeline: &Arc<Pipeline>, arg: UserPtr) -> Result<isize> {
    let device = pipeline.device();
    let ops = device.ops().submission.as_ref().ok_or(EOPNOTSUPP)?;
    let mut request = Request::read(arg, ops, queue.depth())?;
    let mut out = None;
    if request.args.flags & uapi::ACCEL_SUBMIT_OUT_FENCE != 0 {
        let fd = FileDescriptorReservation::get_unused_fd_flags(flags::O_CLOEXEC)?;
        request.args.out_fence = fd.reserved_fd() as i32;
        // Now, since the jobs can't be taken back later; and not with the device entered, which
        // user memory could keep.
        ustruct::write(arg, request.args.size, &request.args)?;
        out = Some(fd);
    }

    let access = queue.operate()?;
    // What has ended takes no room from what comes.
    pipeline.reap();
    // If it is not taken, it goes when nothing is locked any more, and before the device is left.
    let mut new = Some(prepare(pipeline, &access, ops, &request)?);
    let file = hand_in(pipeline, &mut new, &request, out.is_some())?;
    drop(access);
    if let (Some(fd), Some(file)) = (out, file) {
        fd.fd_install(file);
    }
    Ok(0)
}

/// Makes everything that can fail, or that takes time.
fn prepare(
    pipeline: &Arc<Pipeline>,
    access: &Access<'_>,
    ops: &SubmissionOps,
    request: &Request,
) -> Result<KBox<Submitted>> {
    let driver: Arc<DriverQueue> = pipeline.driver()?;
    let buffers = Buffers::hold(access, &request.buffers)?;
    let count = request.args.job_count as usize;
    let mut jobs = KVVec::with_capacity(count, GFP_KERNEL_ACCOUNT)?;
    for job in request.jobs.chunks_exact(ops.job_size) {
        // SAFETY: `access` keeps the driver's data, `driver` its queue.
        let ready = unsafe { driver.prepare(access.data(), ops, job, buffers.buffers())? };
        jobs.push(ready, GFP_KERNEL_ACCOUNT)?;
    }
    let new = Submitted {
        first: 0,
        jobs: Arc::new(jobs, GFP_KERNEL_ACCOUNT)?,
        handed: 0,
        left: count,
        error: None,
        fence: None,
        waits: None,
        memory: Memory::Buffers { _held: buffers },
    };
    Ok(KBox::new(new, GFP_KERNEL_ACCOUNT)?)
}

/// Puts the jobs behind all that uses their buffers now, and before all that will; they are taken
/// out of `new` then. Returns the file of their fence, if it is wanted.
fn hand_in(
    pipeline: &Arc<Pipeline>,
    new: &mut Option<KBox<Submitted>>,
    request: &Request,
    wants_file: bool,
) -> Result<Option<ARef<File>>> {
    let submitted = new.as_mut().ok_or(EINVAL)?;
    let new_fence = DriverFenceAllocation::new(&pipeline.timeline, GFP_KERNEL_ACCOUNT)?;
    let buffers = request.buffers.all();
    let mut resvs = KVec::with_capacity(buffers.len(), GFP_KERNEL_ACCOUNT)?;
    for buffer in buffers {
        resvs.push(buffer.resv(), GFP_KERNEL_ACCOUNT)?;
    }
    let locked = resv::lock_all(&resvs).map_err(|e| match e {
        // Nothing was done that can't be done again.
        EINTR => ERESTARTSYS,
        e => e,
    })?;
    for resv in locked.iter() {
        // Different buffers may have the same reservation.
        resv.reserve_fences(buffers.len().try_into()?)?;
    }
    let waits = submitted.waits.insert(Waits::new()?);
    collect(waits, pipeline, &locked, request)?;
    let waiting = waits.waiting.clone();

    // The fences of a queue have the order of its jobs.
    let _submitting = pipeline.submitting.lock();
    let pending = new_fence.arm();
    let fence = pending.fence();
    let file = match wants_file {
        true => Some(sync_file::create(&fence)?),
        false => None,
    };
    submitted.fence = Some(pending);
    pipeline.push(new)?;

    for (index, buffer) in buffers.iter().enumerate() {
        if let Some(resv) = locked.get(index) {
            // There is room for it: it was reserved above.
            let added = resv.add_fence(&fence, buffer.usage());
            debug_assert!(added.is_ok(), "its place was reserved");
        }
    }
    if waiting.done() {
        pipeline.schedule();
    }
    Ok(file)
}

/// All fences that the jobs have to wait for.
fn collect(
    waits: &mut Waits,
    pipeline: &Arc<Pipeline>,
    locked: &LockSet<'_>,
    request: &Request,
) -> Result {
    for (index, buffer) in request.buffers.all().iter().enumerate() {
        let resv = locked.get(index).ok_or(EINVAL)?;
        for fence in resv.fences(buffer.waits_for())? {
            waits.add(pipeline, &fence, false)?;
        }
    }
    for fence in &request.fences {
        waits.add(pipeline, fence, true)?;
    }
    Ok(())
}
