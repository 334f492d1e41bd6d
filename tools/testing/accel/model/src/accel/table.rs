// SPDX-License-Identifier: GPL-2.0

//! A driver, and the hardware behind it, which says when it is used as it must not be.

use super::{
    buffers::Buffers,
    context::Space,
    device::Device,
    driver::{AddressMode, ContextRequest, Driver, Progress},
    region::Region,
    submission::{RawTicket, Ready, Submission, SubmissionOps, Submit, Ticket},
};
use crate::{
    prelude::*,
    sync::{
        atomic::{Atomic, Full},
        Arc, Mutex,
    },
    uaccess::UserPtr,
    ThisModule,
};
use core::{any::TypeId, ptr::NonNull};
use std::cell::Cell;

/// What the hardware has for a queue.
pub struct Engine(Mutex<Works>, &'static Hardware);

struct Works {
    /// It may touch memory.
    on: bool,
    /// The driver was told to stop it, and has.
    stopped: bool,
    jobs: Vec<Ticket<Zip>>,
}

impl Engine {
    pub fn is_on(&self) -> bool {
        self.0.lock().on
    }

    fn take(&self) -> Vec<Ticket<Zip>> {
        let jobs = core::mem::take(&mut self.0.lock().jobs);
        self.1.has.set(self.1.has.get() - jobs.len());
        jobs
    }

    /// Does the oldest job; returns whether there was one.
    pub fn work(&self) -> bool {
        let mut works = self.0.lock();
        if works.jobs.is_empty() {
            return false;
        }
        let ticket = works.jobs.remove(0);
        self.1.has.set(self.1.has.get() - 1);
        drop(works);
        // As interrupts do: the queue may be destroyed meanwhile.
        ticket.end(Ok(()), &[0; 16]);
        true
    }
}

/// The driver's data, and the device.
pub struct Hardware {
    /// Read by each callback, written when it is freed.
    data: loom::cell::UnsafeCell<()>,
    engines: Mutex<Vec<Option<Arc<Engine>>>>,
    /// It touches no memory, whatever is done to it.
    halted: Atomic<bool>,
    /// It was reset, and not started yet.
    blank: Atomic<bool>,
    /// Queues of the driver that exist.
    pub queues: Cell<u32>,
    /// How often a queue does not stop before it does.
    pub hangs: Cell<u32>,
    /// Whether it says that it is at work then.
    pub busy: Cell<bool>,
    pub resets: Cell<u32>,
    /// Whether it tells, as soon as it is started, that it does not work.
    pub fails: Cell<bool>,
    pub unbound: Cell<u32>,
    /// Jobs that it was given.
    pub given: Cell<u32>,
    /// Whether the driver gives back the ticket of its oldest job, and keeps the one that it is
    /// given.
    pub swaps: Cell<bool>,
    /// Jobs that fit into the device.
    pub room: Cell<usize>,
    /// Jobs that it has.
    has: Cell<usize>,
}

impl Hardware {
    pub fn new() -> Self {
        Self {
            data: loom::cell::UnsafeCell::new(()),
            engines: Mutex::new(vec![None, None, None]),
            halted: Atomic::new(false),
            blank: Atomic::new(false),
            queues: Cell::new(0),
            hangs: Cell::new(0),
            busy: Cell::new(false),
            has: Cell::new(0),
            resets: Cell::new(0),
            fails: Cell::new(false),
            unbound: Cell::new(0),
            given: Cell::new(0),
            swaps: Cell::new(false),
            room: Cell::new(2),
        }
    }

    /// The registration is over.
    pub fn free(&self) {
        self.data.with_mut(|_| ());
    }

    pub fn engine(&self, id: usize) -> Option<Arc<Engine>> {
        self.engines.lock()[id].clone()
    }

    /// Whether a queue is left that may touch memory.
    pub fn is_on(&self) -> bool {
        let engines = self.engines.lock();
        let on = engines.iter().flatten().any(|engine| engine.is_on());
        on
    }

    /// The address space goes.
    pub fn unbind(&self) {
        require!(!self.is_on(), "memory goes that a queue works on");
        self.unbound.set(self.unbound.get() + 1);
    }

    fn make(&'static self, id: u32) -> Arc<Engine> {
        require!(!self.is_blank(), "a queue is made amid a reset");
        self.queues.set(self.queues.get() + 1);
        let mut engines = self.engines.lock();
        let works = Works {
            on: !self.is_halted(),
            stopped: false,
            jobs: Vec::new(),
        };
        let engine = Arc::new(Engine(Mutex::new(works), self), GFP_KERNEL).unwrap();
        let place = &mut engines[id as usize];
        let free = place.as_ref().is_none_or(|engine| !engine.is_on());
        require!(free, "a number is given to two queues");
        *place = Some(engine.clone());
        engine
    }

    fn is_halted(&self) -> bool {
        self.halted.cmpxchg(true, true, Full).is_ok()
    }

    pub fn is_blank(&self) -> bool {
        self.blank.cmpxchg(true, true, Full).is_ok()
    }

    fn halt(&self) {
        self.halted.xchg(true, Full);
        let engines = self.engines.lock();
        for engine in engines.iter().flatten() {
            engine.0.lock().on = false;
        }
    }

    pub fn reset(&self) {
        require!(self.is_halted(), "a device is reset that works");
        require!(self.queues.get() == 0, "a device is reset that has queues");
        self.blank.xchg(true, Full);
        self.resets.set(self.resets.get() + 1);
    }

    fn start(&self) {
        require!(
            self.queues.get() == 0,
            "a device is started that has queues"
        );
        self.blank.xchg(false, Full);
        self.halted.xchg(false, Full);
    }
}

/// The driver's data, without its type.
#[derive(Copy, Clone)]
pub struct Data(NonNull<c_void>);

impl Data {
    pub fn of(hardware: &'static Hardware) -> Self {
        Self(NonNull::from(hardware).cast())
    }

    pub fn from_raw(ptr: *mut c_void) -> Option<Self> {
        NonNull::new(ptr).map(Self)
    }

    pub fn as_raw(self) -> *mut c_void {
        self.0.as_ptr()
    }

    /// # Safety
    ///
    /// It must be of a `T::Data`.
    pub unsafe fn get<'a, T: Driver>(self) -> &'a T::Data<'a> {
        // SAFETY: By the requirement of this function.
        unsafe { self.0.cast().as_ref() }
    }

    /// What a callback has; it is an error if it is freed, or at the same time.
    pub fn hardware(self) -> &'static Hardware {
        // SAFETY: Tests leak it.
        let hardware: &Hardware = unsafe { self.0.cast().as_ref() };
        hardware.data.with(|_| ());
        hardware
    }
}

pub struct DriverContext;

impl DriverContext {
    pub unsafe fn ioctl(&self, _data: Data, _index: usize, _arg: &mut [u8]) -> Result {
        Ok(())
    }
}

/// A queue of the driver.
pub struct DriverQueue {
    engine: Arc<Engine>,
    hardware: &'static Hardware,
}

impl DriverQueue {
    pub unsafe fn destroy(&self, data: Data) -> Result {
        let hardware = data.hardware();
        require!(!hardware.is_blank(), "a queue is stopped amid a reset");
        let mut works = self.engine.0.lock();
        require!(!works.stopped, "a queue is stopped twice");
        if hardware.hangs.get() != 0 {
            hardware.hangs.set(hardware.hangs.get() - 1);
            return Err(if hardware.busy.get() {
                EBUSY
            } else {
                ETIMEDOUT
            });
        }
        works.on = false;
        works.stopped = true;
        Ok(())
    }

    pub unsafe fn abort(&self, _data: Data) -> Result {
        Err(EOPNOTSUPP)
    }

    pub unsafe fn progress(&self, data: Data) -> Option<Result<Progress>> {
        data.hardware();
        let stopped = self.engine.0.lock().stopped;
        require!(!stopped, "a queue is asked that was stopped");
        Some(Ok(Progress::default()))
    }

    pub unsafe fn prepare(
        &self,
        data: Data,
        ops: &SubmissionOps,
        job: &[u8],
        buffers: &Arc<Buffers>,
    ) -> Result<KBox<dyn Ready>> {
        (ops.prepare)(data, NonNull::from(self).cast(), job, buffers)
    }

    pub unsafe fn submit(
        &self,
        data: Data,
        job: &dyn Ready,
        ticket: RawTicket,
    ) -> Result<(), RawTicket> {
        job.submit(data, NonNull::from(self).cast(), ticket)
    }

    pub unsafe fn ioctl(&self, _data: Data, _index: usize, _arg: &mut [u8]) -> Result {
        Ok(())
    }
}

impl Drop for DriverQueue {
    fn drop(&mut self) {
        self.hardware.queues.set(self.hardware.queues.get() - 1);
        drop(self.engine.take());
    }
}

pub struct Created {
    pub queue: Arc<DriverQueue>,
    pub depth: u32,
    pub regions: KVec<Region>,
}

pub struct Wanted<'a> {
    pub device: &'a Arc<Device>,
    pub id: u32,
    pub depth: u32,
    pub priority: u32,
    pub mode: AddressMode,
    pub pasid: u32,
    pub context: &'a DriverContext,
    pub args: Args,
}

pub struct Args;

impl Args {
    pub fn read(_ops: &Ops, _from: UserPtr, _size: u32) -> Result<Self> {
        Ok(Self)
    }
}

pub struct Ops {
    pub driver: fn() -> TypeId,
    pub owner: &'static ThisModule,
    pub name: &'static CStr,
    pub submission: Option<SubmissionOps>,
    pub sensors: &'static [()],
    pub queue_shape: fn(usize) -> Option<()>,
    pub start: unsafe fn(Data, &Arc<Device>) -> Result,
    pub context_create: unsafe fn(Data, &ContextRequest<'_>) -> Result<DriverContext>,
    pub queue_create: unsafe fn(Data, &Wanted<'_>) -> Result<Created>,
    pub queue_progress: Option<()>,
    pub halt: unsafe fn(Data),
    pub reset: Option<unsafe fn(Data) -> Result>,
    pub read_sensor: unsafe fn(Data, usize) -> Result<i64>,
}

pub static OPS: Ops = Ops {
    driver: TypeId::of::<Zip>,
    owner: &ThisModule,
    name: c"zip",
    submission: Some(Submission::<Zip>::of_driver().erase()),
    sensors: &[],
    queue_shape: |_| None,
    start: |data, device| {
        data.hardware().start();
        if data.hardware().fails.replace(false) {
            device.request_reset();
        }
        Ok(())
    },
    context_create: |_, _| Ok(DriverContext),
    queue_create: |data, wanted| {
        let hardware = data.hardware();
        let engine = hardware.make(wanted.id);
        let mut regions = KVec::new();
        regions.push(Region::ring(engine.clone()), GFP_KERNEL)?;
        Ok(Created {
            queue: Arc::new(DriverQueue { engine, hardware }, GFP_KERNEL)?,
            depth: wanted.depth,
            regions,
        })
    },
    queue_progress: Some(()),
    halt: |data| data.hardware().halt(),
    reset: Some(|data| {
        data.hardware().reset();
        Ok(())
    }),
    read_sensor: |_, _| Ok(0),
};

/// The driver.
pub struct Zip;

impl Driver for Zip {
    type Data<'a> = Hardware;
    type Queue = DriverQueue;
}

impl Submit for Zip {
    type Job = u64;
    const JOB_MIN: usize = 8;
    type Record = [u8; 16];
    type Prepared = u64;

    fn prepare(_: &Hardware, _: &DriverQueue, job: &u64, _: &Arc<Buffers>) -> Result<u64> {
        Ok(*job)
    }

    fn submit(
        hardware: &Hardware,
        queue: &DriverQueue,
        _job: &u64,
        ticket: Ticket<Self>,
    ) -> Result<(), Ticket<Self>> {
        let mut works = queue.engine.0.lock();
        require!(works.on, "a job is handed to a queue that was stopped");
        if hardware.swaps.get() && !works.jobs.is_empty() {
            works.jobs.push(ticket);
            return Err(works.jobs.remove(0));
        }
        if hardware.has.get() == hardware.room.get() {
            return Err(ticket);
        }
        hardware.has.set(hardware.has.get() + 1);
        hardware.given.set(hardware.given.get() + 1);
        works.jobs.push(ticket);
        Ok(())
    }
}
