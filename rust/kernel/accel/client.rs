// SPDX-License-Identifier: GPL-2.0

//! Clients: parts of the kernel that have a device work for them, beside processes.
//!
//! A client has an inbox, into which it puts requests from any context. A worker looks for a
//! device that does what is wanted, and opens a queue there; the pipeline of that queue takes the
//! requests out when it has room for them, and each becomes a job like that of a process. When the
//! queue dies, for whatever reason, all requests end with an error, and another queue is looked
//! for: no client keeps a device, or waits for one.
//!
//! Clients are where memory is reclaimed. From the inbox to the end of a request nobody waits for
//! memory: what can't be had at once makes the request fail, and the client does without.

use super::{
    class,
    context::Context,
    device::{
        Access,
        Device, //
    },
    driver::AddressMode,
    pipeline::Pipeline,
    queue::Queue,
    service::{
        Operation,
        ServiceOps, //
    },
    submission::Ready,
    submit::Submitted, //
};
use crate::{
    debugfs,
    dma::{
        scatter::{
            MappedList,
            ScatterList,
            Segment, //
        },
        DataDirection, //
    },
    fmt,
    impl_has_work,
    new_work,
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        new_mutex,
        new_spinlock_irq,
        Arc,
        Mutex,
        SpinLockIrq, //
    },
    time::{
        delay::fsleep,
        msecs_to_jiffies,
        Delta, //
    },
    uapi,
    workqueue::{
        self,
        impl_has_delayed_work,
        new_delayed_work,
        DelayedWork,
        Work,
        WorkItem, //
    }, //
};

/// Jobs that a client's queue may have.
const DEPTH: u32 = 256;

/// Requests of a client that may be under way.
const OWED_MAX: u32 = 512;

/// Bytes of a client's name, with its end.
const NAME_MAX: usize = uapi::ACCEL_NAME_MAX as usize;

/// Milliseconds until a client looks again for a device that may have room for it.
const AGAIN_MS: u32 = 1000;

const FINDING: u64 = 0;
const REFUSING: u64 = 1;
const AGAIN: u64 = 2;

/// Something that a client wants done.
pub trait Request: Sized + Send + 'static {
    /// What is read. The same at each call.
    fn source(&self) -> ScatterList<'_>;

    /// Where the result goes. The same at each call; no device touches it any more when the
    /// request has ended.
    fn dest(&self) -> ScatterList<'_>;

    /// It has ended: with so many bytes that were written, or with an error. Called once, in
    /// process context; must not sleep, nor allocate with more than [`GFP_NOWAIT`].
    ///
    /// Errors say nothing of the request itself that the client could rely upon: whoever has to
    /// know does it without the device. [`ENOSPC`] if there was not enough room, [`ENOMEM`],
    /// [`EINVAL`] if the device can't do it, [`EIO`] if it did not, [`ETIMEDOUT`], [`ENODEV`] or
    /// [`ECANCELED`] if it is gone, or was reset.
    fn end(self, result: Result<usize>);
}

/// A [`Request`], whatever it is, until it has ended.
pub(super) trait Owed: Send {
    fn source(&self) -> Option<ScatterList<'_>>;
    fn dest(&self) -> Option<ScatterList<'_>>;
    /// Notes why it is given back.
    fn note(&mut self, error: Error);
    fn error(&self) -> Error;
    fn end(&mut self, result: Result<usize>);
}

struct Holder<R> {
    request: Option<R>,
    /// Why it is given back.
    error: Error,
}

impl<R: Request> Owed for Holder<R> {
    fn source(&self) -> Option<ScatterList<'_>> {
        self.request.as_ref().map(R::source)
    }

    fn dest(&self) -> Option<ScatterList<'_>> {
        self.request.as_ref().map(R::dest)
    }

    fn note(&mut self, error: Error) {
        self.error = error;
    }

    fn error(&self) -> Error {
        self.error
    }

    fn end(&mut self, result: Result<usize>) {
        if let Some(request) = self.request.take() {
            request.end(result);
        }
    }
}

/// A request on its way, which ends when this is dropped.
pub(super) struct Served {
    inbox: Arc<Inbox>,
    /// Until it has ended.
    request: Option<KBox<dyn Owed>>,
    ops: ServiceOps,
    lists: Option<(MappedList, MappedList)>,
    result: Result<usize>,
}

impl Served {
    /// Has the driver make a job of it.
    fn prepare(&mut self, pipeline: &Pipeline, access: &Access<'_>) -> Result<KBox<dyn Ready>> {
        let driver = pipeline.driver()?;
        let dev = access.parent();
        let request = self.request.as_ref().ok_or(EINVAL)?;
        let source = request.source().ok_or(EINVAL)?;
        let dest = request.dest().ok_or(EINVAL)?;
        // SAFETY: The request is kept where it is, and the lists go before it. The pipeline lets go
        // of all that it has before the device is unbound.
        let (source, dest) = unsafe {
            (
                MappedList::new(dev, source, DataDirection::ToDevice)?,
                MappedList::new(dev, dest, DataDirection::FromDevice)?,
            )
        };
        let (pieces, room) = (collect(&source)?, collect(&dest)?);
        self.lists = Some((source, dest));
        // SAFETY: `access` keeps the driver's data, `driver` its queue.
        unsafe {
            driver.prepare_request(
                access.data(),
                &self.ops,
                self.inbox.operation,
                &pieces,
                &room,
            )
        }
    }

    /// How its job has ended, of which the driver tells `record`.
    pub(super) fn note(&mut self, result: Result, record: &[u8]) {
        let dest = self.request.as_ref().and_then(|request| request.dest());
        let room = dest.map_or(0, |dest| dest.len());
        let fits = |&written: &usize| written <= room;
        self.result = result
            .and_then(|()| (self.ops.outcome)(self.inbox.operation, record))
            .and_then(|written| Some(written).filter(fits).ok_or(ENOSPC));
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Only then the result is where the client looks for it.
        self.lists = None;
        match (self.request.take(), self.result) {
            (Some(request), Ok(written)) => self.inbox.end(request, Ok(written)),
            (Some(request), Err(e)) => self.inbox.give_back(request, e),
            (None, _) => {}
        }
    }
}

fn collect(list: &MappedList) -> Result<KVec<Segment>> {
    let mut all = KVec::new();
    for segment in list.segments() {
        all.push(segment, GFP_NOWAIT)?;
    }
    Ok(all)
}

/// Makes the job of a request. If that fails, the request has ended.
pub(super) fn accept(
    pipeline: &Pipeline,
    access: &Access<'_>,
    inbox: &Arc<Inbox>,
    request: KBox<dyn Owed>,
) -> Result<KBox<Submitted>> {
    let Some(ops) = pipeline.device().ops().service else {
        inbox.give_back(request, EOPNOTSUPP);
        return Err(EOPNOTSUPP);
    };
    let mut served = Served {
        inbox: inbox.clone(),
        request: Some(request),
        ops,
        lists: None,
        result: Err(ENODEV),
    };
    match served.prepare(pipeline, access) {
        Ok(ready) => Submitted::of_client(ready, served),
        Err(e) => {
            served.result = Err(e);
            Err(e)
        }
    }
}

/// Requests in the order in which they came.
struct Ring {
    places: KVec<Option<KBox<dyn Owed>>>,
    first: usize,
    count: usize,
}

impl Ring {
    fn new(places: usize) -> Result<Self> {
        let mut empty = KVec::with_capacity(places, GFP_KERNEL)?;
        for _ in 0..places {
            empty.push(None, GFP_KERNEL)?;
        }
        Ok(Self {
            places: empty,
            first: 0,
            count: 0,
        })
    }

    fn push(&mut self, request: KBox<dyn Owed>) {
        let place = (self.first + self.count) % self.places.len();
        self.places[place] = Some(request);
        self.count += 1;
    }

    fn pop(&mut self) -> Option<KBox<dyn Owed>> {
        let request = self.places[self.first].take()?;
        self.first = (self.first + 1) % self.places.len();
        self.count -= 1;
        Some(request)
    }
}

/// Requests that no pipeline has.
struct Waiting {
    /// Of the queue that takes them.
    pipeline: Option<Arc<Pipeline>>,
    /// Those that wait for it.
    new: Ring,
    /// Those that are given back, each with what was said of it last.
    back: Ring,
    /// No pipeline takes them any more.
    closed: bool,
}

impl Waiting {
    fn is_of(&self, pipeline: &Pipeline) -> bool {
        self.pipeline
            .as_ref()
            .is_some_and(|own| core::ptr::eq(&**own, pipeline))
    }

    /// One that the client has to be told of.
    fn pop_refused(&mut self) -> Option<KBox<dyn Owed>> {
        let back = self.back.pop();
        back.or_else(|| match self.pipeline {
            None => self.new.pop(),
            Some(_) => None,
        })
    }
}

/// Where a client's requests wait, and where they go.
///
/// # Invariants
///
/// - Requests wait only while there is a pipeline, or until a worker comes that refuses them:
///   whoever attaches a pipeline wakes that, whoever takes it away wakes the worker.
/// - At most [`OWED_MAX`] requests are owed, for which the rings have room.
#[pin_data]
pub(super) struct Inbox {
    /// A copy: the client's module may go while somebody reads it.
    name: CString,
    operation: Operation,
    /// The NUMA node of a device that is preferred, -1 if there is none.
    node: i32,
    #[pin]
    waiting: SpinLockIrq<Waiting>,
    /// Requests that were handed over and have not ended.
    owed: Atomic<u32>,
    /// Requests that a device has done.
    done: Atomic<u64>,
    /// Requests that ended with an error.
    failed: Atomic<u64>,
    /// Requests that were given back at once.
    refused: Atomic<u64>,
    /// Owed while a device is looked for, or let go.
    #[pin]
    connection: Mutex<Option<Connection>>,
    #[pin]
    finding: Work<Inbox, FINDING>,
    #[pin]
    refusing: Work<Inbox, REFUSING>,
    #[pin]
    again: DelayedWork<Inbox, AGAIN>,
}

impl_has_work! {
    impl HasWork<Self, FINDING> for Inbox { self.finding }
    impl HasWork<Self, REFUSING> for Inbox { self.refusing }
}

impl_has_delayed_work! {
    impl HasDelayedWork<Self, AGAIN> for Inbox { self.again }
}

impl Inbox {
    fn new(name: &CStr, operation: Operation, node: i32) -> Result<Arc<Self>> {
        if name.to_bytes_with_nul().len() > NAME_MAX {
            return Err(EINVAL);
        }
        let waiting = Waiting {
            pipeline: None,
            new: Ring::new(OWED_MAX as usize)?,
            back: Ring::new(OWED_MAX as usize)?,
            closed: false,
        };
        Arc::pin_init(
            try_pin_init!(Self {
                name: CString::try_from(name)?,
                operation,
                node,
                waiting <- new_spinlock_irq!(waiting),
                owed: Atomic::new(0),
                done: Atomic::new(0),
                failed: Atomic::new(0),
                refused: Atomic::new(0),
                connection <- new_mutex!(None),
                finding <- new_work!("accel_finding"),
                refusing <- new_work!("accel_refusing"),
                again <- new_delayed_work!("accel_finding_again"),
            }),
            GFP_KERNEL,
        )
    }

    pub(super) fn name(&self) -> &CStr {
        &self.name
    }

    fn is_connected(&self) -> bool {
        self.waiting.lock().pipeline.is_some()
    }

    /// Takes a request in, and wakes the pipeline. May be called from any context.
    fn put<R: Request>(&self, request: R) -> Result<(), (Error, R)> {
        let Ok(room) = KBox::<Holder<R>>::new_uninit(GFP_NOWAIT) else {
            return Err((ENOMEM, request));
        };
        let mut waiting = self.waiting.lock();
        if self.owed.load(Relaxed) >= OWED_MAX {
            return Err((EAGAIN, request));
        }
        let Some(pipeline) = waiting.pipeline.clone() else {
            return Err((ENODEV, request));
        };
        // Others only make it less.
        self.owed.fetch_add(1, Relaxed);
        waiting.new.push(room.write(Holder {
            request: Some(request),
            error: ENODEV,
        }));
        // Under the lock: `waiting` has it, too, so that this is not the last reference.
        pipeline.schedule();
        drop(pipeline);
        Ok(())
    }

    /// The oldest request, for this pipeline if it is the one that takes them.
    pub(super) fn next(&self, pipeline: &Pipeline) -> Option<KBox<dyn Owed>> {
        let mut waiting = self.waiting.lock();
        match waiting.is_of(pipeline) {
            true => waiting.new.pop(),
            false => None,
        }
    }

    /// Whether no requests wait for a pipeline.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.lock().new.count == 0
    }

    /// This pipeline takes no requests any more. Does not sleep.
    pub(super) fn lost(self: &Arc<Self>, pipeline: &Pipeline) {
        let mut waiting = self.waiting.lock();
        let lost = match waiting.is_of(pipeline) {
            true => waiting.pipeline.take(),
            false => None,
        };
        drop(waiting);
        if lost.is_some() {
            self.refuse_soon();
            self.find_soon();
        }
    }

    /// No pipeline takes requests any more, for good.
    fn close(&self) {
        let mut waiting = self.waiting.lock();
        waiting.closed = true;
        let left = waiting.pipeline.take();
        drop(waiting);
        drop(left);
    }

    fn refuse_soon(self: &Arc<Self>) {
        if let Ok(shared) = class::shared() {
            let _ = shared.signalling.enqueue::<_, REFUSING>(self.clone());
        }
    }

    fn find_soon(self: &Arc<Self>) {
        let _ = workqueue::system_dfl().enqueue::<_, FINDING>(self.clone());
    }

    /// Has the client told of what was given back, and of what waits for nothing.
    fn refuse(&self) {
        loop {
            let refused = self.waiting.lock().pop_refused();
            let Some(request) = refused else {
                return;
            };
            let error = request.error();
            self.end(request, Err(error));
        }
    }

    /// Has a worker tell the client that a request is not done: it may do it without a device, for
    /// which nobody else is to wait. Does not sleep.
    fn give_back(self: &Arc<Self>, mut request: KBox<dyn Owed>, error: Error) {
        request.note(error);
        self.waiting.lock().back.push(request);
        self.refuse_soon();
    }

    /// Ends a request. Nothing of it is left when it is not owed any more.
    fn end(&self, mut request: KBox<dyn Owed>, result: Result<usize>) {
        match result {
            Ok(_) => self.done.fetch_add(1, Relaxed),
            Err(_) => self.failed.fetch_add(1, Relaxed),
        };
        request.end(result);
        drop(request);
        self.owed.fetch_sub(1, Release);
    }

    /// Whether this device does what is wanted.
    fn is_served_by(&self, device: &Device) -> bool {
        let service = device.ops().service.as_ref();
        device.info().functions.contains(self.operation.function())
            && device.reason(AddressMode::Kernel) == uapi::accel_mode_reason_ACCEL_REASON_AVAILABLE
            && service.is_some_and(|ops| (ops.queue_args)(self.operation).is_some())
    }

    /// The devices that could serve, the best ones first: near ones, and of these those that have
    /// fewest queues.
    fn candidates(&self) -> Result<KVec<(bool, u32, Arc<Device>)>> {
        let directory = class::shared()?.directory.lock();
        let mut found = KVec::new();
        for device in directory.devices.iter().filter(|d| self.is_served_by(d)) {
            let is_far = self.node >= 0 && device.parent().numa_node() != self.node;
            found.push((is_far, device.queue_count(), device.clone()), GFP_KERNEL)?;
        }
        drop(directory);
        // By what it was at one moment: queues come and go.
        found.sort_unstable_by_key(|(is_far, queues, _)| (*is_far, *queues));
        Ok(found)
    }

    /// Looks for a device, if there is need. Fails if one that there is has no room now.
    fn find(self: &Arc<Self>) -> Result {
        let mut connection = self.connection.lock();
        if self.is_connected() {
            return Ok(());
        }
        // What is left of a queue that has died.
        drop(connection.take());
        let mut refused = Ok(());
        for (_, _, device) in &self.candidates()? {
            // Whoever brings it back has it looked at again.
            if device.operate().is_err() {
                continue;
            }
            match Connection::open(device, self) {
                Ok(new) => {
                    self.take_from(new.pipeline()?);
                    *connection = Some(new);
                    return Ok(());
                }
                Err(e) => refused = Err(e),
            }
        }
        refused
    }

    /// Has a pipeline take requests from now on.
    fn take_from(self: &Arc<Self>, pipeline: Arc<Pipeline>) {
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return;
        }
        let before = waiting.pipeline.replace(pipeline.clone());
        drop(waiting);
        drop(before);
        // Its death may have come before.
        if pipeline.is_dead() {
            self.lost(&pipeline);
        }
        // There may be requests of before.
        pipeline.schedule();
    }

    /// Lets a device go; all of them if `device` is none.
    fn leave(&self, device: Option<&Device>) {
        let mut connection = self.connection.lock();
        let left = connection.take_if(|open| device.is_none_or(|device| open.is_of(device)));
        drop(left);
    }
}

/// What the file `requests` of a client has, in its directory in debugfs.
struct Story(Arc<Inbox>);

impl debugfs::Writer for Story {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inbox = &self.0;
        writeln!(f, "connected {}", u32::from(inbox.is_connected()))?;
        writeln!(f, "owed {}", inbox.owed.load(Relaxed))?;
        writeln!(f, "done {}", inbox.done.load(Relaxed))?;
        writeln!(f, "failed {}", inbox.failed.load(Relaxed))?;
        writeln!(f, "refused {}", inbox.refused.load(Relaxed))
    }
}

impl WorkItem<FINDING> for Inbox {
    type Pointer = Arc<Self>;

    fn run(inbox: Arc<Self>) {
        if inbox.find().is_err() {
            let delay = msecs_to_jiffies(AGAIN_MS);
            let _ = workqueue::system_dfl().enqueue_delayed::<_, AGAIN>(inbox, delay);
        }
    }
}

impl WorkItem<AGAIN> for Inbox {
    type Pointer = Arc<Self>;

    fn run(inbox: Arc<Self>) {
        inbox.find_soon();
    }
}

impl WorkItem<REFUSING> for Inbox {
    type Pointer = Arc<Self>;

    fn run(inbox: Arc<Self>) {
        inbox.refuse();
    }
}

/// A client's queue at a device, which is closed when this is dropped.
struct Connection {
    context: Arc<Context>,
    queue: Arc<Queue>,
}

impl Connection {
    fn open(device: &Arc<Device>, inbox: &Arc<Inbox>) -> Result<Self> {
        if device.queue_count() >= device.info().queues_max {
            // Before anybody is told of a context.
            return Err(EBUSY);
        }
        let context = Context::of_client(device, inbox)?;
        match Self::make_queue(device, &context, inbox) {
            Ok(queue) => Ok(Self { context, queue }),
            Err(e) => {
                device.remove_context(&context);
                Err(e)
            }
        }
    }

    fn make_queue(
        device: &Arc<Device>,
        context: &Arc<Context>,
        inbox: &Inbox,
    ) -> Result<Arc<Queue>> {
        context.bind_kernel()?;
        let access = device.operate()?;
        let service = device.ops().service.as_ref().ok_or(EOPNOTSUPP)?;
        let driver_args = (service.queue_args)(inbox.operation).ok_or(EOPNOTSUPP)?;
        let space = context.space(&access)?;
        let args = uapi::accel_queue_create {
            depth: DEPTH.min(device.info().depth_max),
            // Others wait for it who hold more than one process.
            priority: device.info().priorities - 1,
            ..Default::default()
        };
        Queue::new(context, &access, space, &args, driver_args)
    }

    fn pipeline(&self) -> Result<Arc<Pipeline>> {
        self.queue.pipeline.as_ref().cloned().ok_or(EOPNOTSUPP)
    }

    fn is_of(&self, device: &Device) -> bool {
        core::ptr::eq(&**self.context.device(), device)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let device = self.context.device();
        // If the device is going or being reset, whoever does that destroys the queue.
        if let Ok(access) = device.operate() {
            self.queue.close(&access);
        }
        device.remove_context(&self.context);
    }
}

/// All clients, and all devices that they may find.
pub(super) struct Directory {
    devices: KVec<Arc<Device>>,
    /// Each stays in its place, for those who look at one after the other.
    inboxes: KVec<Option<Arc<Inbox>>>,
}

impl Directory {
    pub(super) const EMPTY: Self = Self {
        devices: KVec::new(),
        inboxes: KVec::new(),
    };

    fn add(&mut self, inbox: Arc<Inbox>) -> Result {
        if let Some(place) = self.inboxes.iter_mut().find(|place| place.is_none()) {
            *place = Some(inbox);
            return Ok(());
        }
        Ok(self.inboxes.push(Some(inbox), GFP_KERNEL)?)
    }

    fn remove(&mut self, inbox: &Arc<Inbox>) -> Option<Arc<Inbox>> {
        let is_it = |there: &mut Arc<Inbox>| Arc::ptr_eq(there, inbox);
        self.inboxes
            .iter_mut()
            .find_map(|place| place.take_if(is_it))
    }
}

/// A device has come that clients may find.
pub(super) fn arrive(device: &Arc<Device>) -> Result {
    let mut directory = class::shared()?.directory.lock();
    directory.devices.push(device.clone(), GFP_KERNEL)?;
    drop(directory);
    look_again();
    Ok(())
}

/// A device goes, and is not found any more.
pub(super) fn depart(device: &Device) {
    if let Ok(shared) = class::shared() {
        let mut directory = shared.directory.lock();
        let place = (directory.devices.iter()).position(|there| core::ptr::eq(&**there, device));
        let departed = place.and_then(|place| directory.devices.remove(place).ok());
        drop(directory);
        drop(departed);
    }
}

/// Makes all clients let go of a device that has gone.
pub(super) fn let_go(device: &Device) {
    let Ok(shared) = class::shared() else {
        return;
    };
    for index in 0.. {
        let place = shared.directory.lock().inboxes.get(index).cloned();
        match place {
            Some(Some(inbox)) => inbox.leave(Some(device)),
            Some(None) => {}
            None => return,
        }
    }
}

/// There may be a device for those who have none: one has come, or has come back.
pub(super) fn look_again() {
    if let Ok(shared) = class::shared() {
        for inbox in shared.directory.lock().inboxes.iter().flatten() {
            inbox.find_soon();
        }
    }
}

/// Queues of a device that processes must leave, for clients that look for one: half of all at
/// most.
pub(super) fn reserved(device: &Device) -> u32 {
    let Ok(shared) = class::shared() else {
        return 0;
    };
    let directory = shared.directory.lock();
    let looking = |inbox: &&Arc<Inbox>| !inbox.is_connected() && inbox.is_served_by(device);
    let count = directory.inboxes.iter().flatten().filter(looking).count();
    (count as u32).min(device.info().queues_max / 2)
}

/// A client, for as long as this exists.
///
/// Whatever becomes of devices is no concern of it: it may be made before there is one, and is
/// served whenever there is.
///
/// # Examples
///
/// ```
/// use kernel::{
///     accel::{
///         Client,
///         Function,
///         Operation,
///         Request, //
///     },
///     dma::scatter::ScatterList,
///     prelude::*, //
/// };
///
/// /// Gives a request to a device, or returns it.
/// fn compress<R: Request>(client: &Client, request: R) -> Result<(), R> {
///     client.submit(request).map_err(|(error, request)| {
///         pr_info!("no device takes it ({error:?}): in software, then\n");
///         request
///     })
/// }
///
/// # fn make() -> Result {
/// let client = Client::new(
///     c"example",
///     Operation::Compress(Function::Deflate),
///     Client::ANY_NODE,
/// )?;
/// # Ok(())
/// # }
/// ```
pub struct Client {
    inbox: Arc<Inbox>,
    story: Option<Pin<KBox<debugfs::Scope<Story>>>>,
}

impl Client {
    /// A device of whatever node.
    pub const ANY_NODE: i32 = -1;

    /// Makes a client for one operation, and looks for a device that does it, one on the NUMA node
    /// `node` before others. What it has on a device is told under `name`, at most 31 bytes.
    ///
    /// Fails with [`EPROBE_DEFER`] if the subsystem has not started yet, with [`EINVAL`] if the
    /// name is too long.
    pub fn new(name: &CStr, operation: Operation, node: i32) -> Result<Self> {
        let shared = class::shared()?;
        let inbox = Inbox::new(name, operation, node)?;
        let story = (shared.debugfs).scope(Story(inbox.clone()), name, |story, dir| {
            dir.read_only_file(c"requests", story);
        });
        let story = Some(KBox::pin_init(story, GFP_KERNEL)?);
        shared.directory.lock().add(inbox.clone())?;
        let this = Self { inbox, story };
        // What is there is served from the first request on. If there is no room, it is looked for
        // as when a queue has died.
        if this.inbox.find().is_err() {
            this.inbox.find_soon();
        }
        Ok(this)
    }

    /// Hands over a request; [`Request::end`] tells when it is done. May be called from any
    /// context; does not sleep.
    ///
    /// Gives it back with [`ENODEV`] if there is no device now, with [`EAGAIN`] if too many wait,
    /// with [`ENOMEM`] if there is no memory that could be had at once.
    pub fn submit<R: Request>(&self, request: R) -> Result<(), (Error, R)> {
        self.inbox.put(request).inspect_err(|_| {
            self.inbox.refused.fetch_add(1, Relaxed);
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.story = None;
        let inbox = &self.inbox;
        inbox.close();
        workqueue::disable_delayed::<_, AGAIN>(inbox);
        workqueue::disable::<_, FINDING>(inbox);
        // Its queue ends with that, and all that the queue has. Only then those who take a device
        // away need not look for this client any more.
        inbox.leave(None);
        if let Ok(shared) = class::shared() {
            let removed = shared.directory.lock().remove(inbox);
            drop(removed);
        }
        // The code of its requests may go with the client. A queue that does not stop by itself is
        // aborted, or its device is reset, and all that it had has ended then.
        loop {
            inbox.refuse();
            if inbox.owed.load(Acquire) == 0 {
                break;
            }
            fsleep(Delta::from_millis(1));
        }
        workqueue::disable::<_, REFUSING>(inbox);
    }
}
