// SPDX-License-Identifier: GPL-2.0

//! One open of a compute node, and its address space.

use super::{
    address_space::AddressSpace,
    client::Inbox,
    device::{
        Access,
        Device, //
    },
    driver::{
        AddressMode,
        ContextRequest,
        DeviceInfo,
        Progress,
        Reach, //
    },
    events::Event,
    ioctl::Argument,
    table::{
        Data,
        DriverContext, //
    },
    trace, //
};
use crate::{
    iommu::{
        paging::PasidDomain,
        sva::Bond, //
    },
    mm::Mm,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        new_mutex,
        new_spinlock,
        Arc,
        Mutex,
        SpinLock,
        UniqueArc, //
    },
    task::{
        Kuid,
        Task, //
    },
    uaccess::UserPtr,
    uapi,
    ustruct,
    workqueue::{
        self,
        WorkItem, //
    }, //
};
use core::{
    mem::ManuallyDrop,
    ops::Deref, //
};

/// What lets the device reach memory.
enum Hold {
    Shared(Bond),
    Private(Arc<AddressSpace>),
    /// Nothing that has to be given back.
    Nothing,
}

/// The address space of a context, and what the driver has for it. Kept by the context and by each
/// of its queues, for which its last holder has to call [`Space::put`]; by whoever uses it for a
/// moment as a [`SpaceUse`], which does that.
pub(super) struct Space {
    pub(super) mode: AddressMode,
    driver: DriverContext,
    hold: Hold,
}

impl Space {
    pub(super) fn driver(&self) -> &DriverContext {
        &self.driver
    }

    /// PASID under which the device works, 0 if it needs none.
    pub(super) fn pasid(&self) -> u32 {
        self.hold.pasid()
    }

    /// Gives up one hold on a space; the last one ends it: the driver's part first, so that the
    /// device knows nothing of the context any more when its address space goes.
    ///
    /// # Safety
    ///
    /// `data` must be of the context's device, and live.
    pub(super) unsafe fn put(this: Arc<Self>, data: Data) {
        if let Some(last) = Arc::into_unique_or_drop(this) {
            // SAFETY: By the requirement of this function.
            unsafe { Self::end(last, data) };
        }
    }

    /// # Safety
    ///
    /// As for [`put`](Self::put).
    unsafe fn end(last: Pin<UniqueArc<Self>>, data: Data) {
        // SAFETY: By the requirement of this function; `last` is gone for good after this.
        unsafe { last.driver.destroy(data) };
        last.hold.give_up();
    }

    fn address_space(&self) -> Option<&Arc<AddressSpace>> {
        match &self.hold {
            Hold::Private(space) => Some(space),
            _ => None,
        }
    }

    /// Whether the device, which is at work on a job, may be waiting for memory of the process. A
    /// driver of a device in software would not say that it is at work otherwise.
    pub(super) fn waits_for_memory(&self, info: &DeviceInfo) -> bool {
        match &self.hold {
            Hold::Shared(bond) => bond.has_page_requests(),
            Hold::Private(_) => false,
            Hold::Nothing => self.mode == AddressMode::Shared && info.reach == Reach::Software,
        }
    }
}

/// The device's work item that ends spaces.
pub(super) const PARTING: u64 = 4;

/// Spaces that nobody uses any more, and that are still to be ended.
///
/// To take a PASID from a device the kernel waits for the page faults that are under way on the
/// IOMMU, whosesoever they are. Whoever stops a queue must not.
#[pin_data]
pub(super) struct Parting {
    #[pin]
    spaces: Mutex<KVec<Pin<UniqueArc<Space>>>>,
}

impl Parting {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            spaces <- new_mutex!(KVec::new()),
        })
    }

    /// Keeps a space for later, or gives it back if there is no need or no memory.
    fn keep(&self, last: Pin<UniqueArc<Space>>) -> Result<(), Pin<UniqueArc<Space>>> {
        let mut spaces = self.spaces.lock();
        if last.pasid() == 0 || spaces.reserve(1, GFP_KERNEL).is_err() {
            return Err(last);
        }
        spaces
            .push_within_capacity(last)
            .map_err(|refused| refused.0)
    }
}

impl Device {
    /// Gives up one hold on a space, as [`Space::put`] does, but leaves it to a worker if it is the
    /// last and that may take long.
    ///
    /// # Safety
    ///
    /// As for [`Space::put`].
    pub(super) unsafe fn part(self: &Arc<Self>, space: Arc<Space>, data: Data) {
        let Some(last) = Arc::into_unique_or_drop(space) else {
            return;
        };
        match self.parting.keep(last) {
            Ok(()) => {
                let _ = workqueue::system_dfl().enqueue::<_, PARTING>(self.clone());
            }
            // SAFETY: By the requirement of this function.
            Err(last) => unsafe { Space::end(last, data) },
        }
    }

    /// Ends the spaces that were left to a worker.
    ///
    /// # Safety
    ///
    /// As for [`Space::put`].
    pub(super) unsafe fn end_parted(&self, data: Data) {
        loop {
            let last = self.parting.spaces.lock().pop();
            let Some(last) = last else {
                return;
            };
            // SAFETY: By the requirement of this function.
            unsafe { Space::end(last, data) };
        }
    }
}

impl WorkItem<PARTING> for Device {
    type Pointer = Arc<Device>;

    fn run(device: Arc<Device>) {
        // If it is gone, whoever made it go does this.
        if let Ok(access) = device.enter() {
            // SAFETY: `access` keeps the data.
            unsafe { device.end_parted(access.data()) };
        }
    }
}

/// A space that is used for as long as the device is entered, or in operation: then nobody may wait
/// for long, not even if this is the last hold.
pub(super) struct SpaceUse<'a> {
    space: ManuallyDrop<Arc<Space>>,
    device: &'a Arc<Device>,
    access: &'a Access<'a>,
}

impl<'a> SpaceUse<'a> {
    fn new(space: Arc<Space>, device: &'a Arc<Device>, access: &'a Access<'_>) -> Self {
        Self {
            space: ManuallyDrop::new(space),
            device,
            access,
        }
    }

    /// A hold of one's own, for which [`Space::put`] has to be called.
    pub(super) fn keep(&self) -> Arc<Space> {
        Arc::clone(&self.space)
    }
}

impl Deref for SpaceUse<'_> {
    type Target = Space;

    fn deref(&self) -> &Space {
        &self.space
    }
}

impl Drop for SpaceUse<'_> {
    fn drop(&mut self) {
        // SAFETY: It is taken once.
        let space = unsafe { ManuallyDrop::take(&mut self.space) };
        // SAFETY: `access` keeps the driver's data.
        unsafe { self.device.part(space, self.access.data()) };
    }
}

impl Hold {
    /// Takes the memory from the device, as far as dropping this does not.
    fn give_up(&self) {
        if let Self::Private(space) = self {
            space.close();
        }
    }

    fn pasid(&self) -> u32 {
        match self {
            Self::Shared(bond) => bond.pasid(),
            Self::Private(space) => space.pasid(),
            Self::Nothing => 0,
        }
    }
}

enum State {
    /// No address space was chosen yet.
    Unbound,
    Bound(Arc<Space>),
    /// The descriptor was closed or the device is gone.
    Gone,
}

/// What the queues of a context have done.
#[derive(Copy, Clone, Default)]
pub(super) struct Usage {
    pub(super) jobs: u64,
    pub(super) bytes: u64,
    pub(super) busy_ns: u64,
}

impl Usage {
    /// Adds what a queue has done between two samples. The driver, or its device, may have told
    /// anything.
    pub(super) fn add(&mut self, before: &Progress, now: &Progress) {
        let add = |sum: &mut u64, before: u64, now: u64| {
            *sum = sum.saturating_add(now.saturating_sub(before));
        };
        add(&mut self.jobs, before.jobs, now.jobs);
        add(&mut self.bytes, before.bytes, now.bytes);
        add(&mut self.busy_ns, before.busy_ns, now.busy_ns);
    }
}

/// Whose a context is.
enum Owner {
    /// The process that opened the node.
    Process {
        /// Held, so that no other process can come to have the same pointer.
        mm: ARef<Mm>,
        opener: ARef<Task>,
        uid: Kuid,
    },
    /// The kernel itself.
    Client(Arc<Inbox>),
}

impl Owner {
    fn current() -> Result<Self> {
        let current = current!();
        Ok(Self::Process {
            mm: current.mm().map(|mm| (&**mm).into()).ok_or(EINVAL)?,
            opener: current.group_leader().into(),
            uid: Kuid::current_euid(),
        })
    }
}

/// One open of a compute node, or what a client in the kernel has instead.
#[pin_data]
pub(super) struct Context {
    id: u64,
    device: Arc<Device>,
    owner: Owner,
    pub(super) queues: Atomic<u32>,
    pub(super) completions: Atomic<u64>,
    #[pin]
    pub(super) usage: SpinLock<Usage>,
    /// Bytes of device memory in its buffers.
    pub(super) device_memory: Arc<Atomic<u64>>,
    /// Bytes of buffers that are mapped into its address space.
    pub(super) mapped: Arc<Atomic<u64>>,
    /// Mode and PASID as they are told, so that nobody who asks waits for a bind.
    told: Atomic<u64>,
    #[pin]
    state: Mutex<State>,
}

impl Context {
    /// Makes a context for the current process. Fails with [`ENODEV`] if the device is gone,
    /// [`EBUSY`] if it has all the contexts that it can have.
    pub(super) fn new(device: &Arc<Device>) -> Result<Arc<Self>> {
        Self::of(device, Owner::current()?)
    }

    /// The same for a client in the kernel.
    pub(super) fn of_client(device: &Arc<Device>, inbox: &Arc<Inbox>) -> Result<Arc<Self>> {
        Self::of(device, Owner::Client(inbox.clone()))
    }

    fn of(device: &Arc<Device>, owner: Owner) -> Result<Arc<Self>> {
        let _access = device.enter()?;
        let context = Arc::pin_init(
            try_pin_init!(Self {
                id: device.counters.contexts_created.fetch_add(1, Relaxed),
                device: device.clone(),
                owner,
                queues: Atomic::new(0),
                completions: Atomic::new(0),
                usage <- new_spinlock!(Usage::default()),
                device_memory: Arc::new(Atomic::new(0), GFP_KERNEL_ACCOUNT)?,
                mapped: Arc::new(Atomic::new(0), GFP_KERNEL_ACCOUNT)?,
                told: Atomic::new(0),
                state <- new_mutex!(State::Unbound),
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        device.add_context(context.as_arc_borrow())?;
        trace::open(device.id(), context.id, context.pid());
        device.events.tell(Event {
            pid: context.pid(),
            ..Event::new(uapi::accel_event_type_ACCEL_EVENT_CONTEXT_OPEN, context.id)
        });
        Ok(context)
    }

    pub(super) fn device(&self) -> &Arc<Device> {
        &self.device
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// The client in the kernel that it is of, if it is.
    pub(super) fn client(&self) -> Option<&Arc<Inbox>> {
        match &self.owner {
            Owner::Client(inbox) => Some(inbox),
            Owner::Process { .. } => None,
        }
    }

    fn opener(&self) -> Option<&ARef<Task>> {
        match &self.owner {
            Owner::Process { opener, .. } => Some(opener),
            Owner::Client(_) => None,
        }
    }

    /// The process that opened it, in the initial PID namespace; 0 if it is the kernel's.
    pub(super) fn pid(&self) -> i32 {
        self.opener().map_or(0, |opener| opener.pid())
    }

    /// The process that opened it, as the current process sees it; 0 if it is the kernel's.
    pub(super) fn pid_for_current(&self) -> i32 {
        self.opener()
            .map_or(0, |opener| opener.tgid_nr_ns(current!().active_pid_ns()))
    }

    /// The user of that process, none if it is the kernel's.
    pub(super) fn uid(&self) -> Option<Kuid> {
        match &self.owner {
            Owner::Process { uid, .. } => Some(*uid),
            Owner::Client(_) => None,
        }
    }

    fn mm(&self) -> Option<&ARef<Mm>> {
        match &self.owner {
            Owner::Process { mm, .. } => Some(mm),
            Owner::Client(_) => None,
        }
    }

    /// Mode and PASID, if it has an address space. Does not sleep.
    pub(super) fn mode(&self) -> Option<(AddressMode, u32)> {
        let told = self.told.load(Relaxed);
        let mode = AddressMode::try_from((told >> 32) as u32).ok()?;
        Some((mode, told as u32))
    }

    /// Fails with [`EPERM`] if the current process has not the opener's address space.
    fn check_opener(&self) -> Result {
        match (current!().mm(), self.mm()) {
            (Some(mm), Some(opener)) if mm.as_raw() == opener.as_raw() => Ok(()),
            _ => Err(EPERM),
        }
    }

    /// Fails with [`EPERM`] if the device works on memory of a process, and that is not the
    /// current one.
    pub(super) fn check_caller(&self, mode: AddressMode) -> Result {
        match mode {
            AddressMode::Shared => self.check_opener(),
            AddressMode::Private | AddressMode::Kernel => Ok(()),
        }
    }

    /// Whether no task has the opener's address space any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.mm().is_some_and(|mm| mm.is_abandoned())
    }

    /// `ACCEL_CONTEXT_BIND`.
    pub(super) fn bind(&self, arg: UserPtr) -> Result<isize> {
        let mut bind: uapi::accel_context_bind = ustruct::read(arg)?;
        if bind.flags != 0 {
            return Err(EINVAL);
        }
        let mode = AddressMode::try_from(bind.mode)?;
        // Not in operation while the hold is taken: whoever undoes a bond keeps others from making
        // one, for as long as somebody's page does not come, and a reset must not wait for that.
        let entered = self.device.enter()?;
        drop(self.device.operate()?);
        self.check_opener()?;
        self.check_unbound(&self.state.lock(), mode)?;
        // The IOMMU takes no PASID while the bus resets the function.
        let in_reset = |e| if e == EBUSY { EAGAIN } else { e };
        let hold = self.hold(&entered, mode).map_err(in_reset)?;
        bind.pasid = self.bind_mode(mode, hold).map_err(|(e, hold)| {
            hold.give_up();
            e
        })?;
        // User memory is not touched with the device entered: it could keep a removal waiting.
        drop(entered);

        ustruct::write(arg, bind.size, &bind)
            .inspect_err(|_| self.undo_bind())
            .map(|()| 0)
    }

    /// Binds the context of a client, to the kernel's address space.
    pub(super) fn bind_kernel(&self) -> Result {
        self.bind_mode(AddressMode::Kernel, Hold::Nothing)
            .map(drop)
            .map_err(|(e, _nothing)| e)
    }

    /// The caller could not be told what it was bound to. If the device has gone meanwhile, the
    /// context was unbound with it.
    fn undo_bind(&self) {
        if let Ok(access) = self.device.enter() {
            // SAFETY: `access` keeps the data of the device.
            unsafe { self.leave(State::Unbound, access.data()) };
        }
    }

    fn check_unbound(&self, state: &State, mode: AddressMode) -> Result {
        match state {
            State::Unbound => {}
            State::Bound(_) => return Err(EBUSY),
            State::Gone => return Err(ENODEV),
        }
        if self.device.reason(mode) != uapi::accel_mode_reason_ACCEL_REASON_AVAILABLE {
            return Err(EOPNOTSUPP);
        }
        Ok(())
    }

    /// Has the driver make the context, on this hold; gives that back if it fails.
    fn bind_mode(&self, mode: AddressMode, hold: Hold) -> Result<u32, (Error, Hold)> {
        let access = match self.device.operate() {
            Ok(access) => access,
            Err(e) => return Err((e, hold)),
        };
        let mut state = self.state.lock();
        if let Err(e) = self.check_unbound(&state, mode) {
            return Err((e, hold));
        }
        // Allocated first, so that nothing can fail once the driver has made the context.
        let Ok(room) = UniqueArc::new_uninit(GFP_KERNEL_ACCOUNT) else {
            return Err((ENOMEM, hold));
        };
        let pasid = hold.pasid();
        let software = self.device.info().reach == Reach::Software;
        let made = access.context_create(&ContextRequest {
            id: self.id,
            mode,
            pasid,
            mm: self
                .mm()
                .filter(|_| software && mode == AddressMode::Shared),
            space: match &hold {
                Hold::Private(space) if software => Some(space),
                _ => None,
            },
        });
        let driver = match made {
            Ok(driver) => driver,
            Err(e) => return Err((e, hold)),
        };
        self.told
            .store(u64::from(mode as u32) << 32 | u64::from(pasid), Relaxed);
        *state = State::Bound(room.write(Space { mode, driver, hold }).into());
        Ok(pasid)
    }

    /// Lets the device reach the memory of `mode`.
    fn hold(&self, access: &Access<'_>, mode: AddressMode) -> Result<Hold> {
        if self.device.info().reach == Reach::Software {
            return Ok(match mode {
                AddressMode::Private => Hold::Private(AddressSpace::new(access, None)?),
                AddressMode::Shared | AddressMode::Kernel => Hold::Nothing,
            });
        }
        match mode {
            AddressMode::Shared => self.share(access).map(Hold::Shared),
            AddressMode::Private => self.isolate(access).map(Hold::Private),
            AddressMode::Kernel => Ok(Hold::Nothing),
        }
    }

    fn share(&self, access: &Access<'_>) -> Result<Bond> {
        let current = current!();
        let mm = current.mm().ok_or(EINVAL)?;
        // SAFETY: `Device::leave` unbinds every context before the parent is unbound; it waits for
        // `access`, so it finds what is stored in `state` then.
        unsafe { Bond::new(access.parent(), mm) }.map_err(|e| self.refused(AddressMode::Shared, e))
    }

    fn isolate(&self, access: &Access<'_>) -> Result<Arc<AddressSpace>> {
        // SAFETY: As for `share`; `Space::put` closes the address space.
        let domain = unsafe { PasidDomain::new(access.parent()) }
            .map_err(|e| self.refused(AddressMode::Private, e))?;
        AddressSpace::new(access, Some(domain))
    }

    /// Calls `f` with the private address space of the context.
    ///
    /// Fails with [`ENOTCONN`] if it has none yet, [`EOPNOTSUPP`] if it is not private.
    pub(super) fn with_address_space<R>(
        &self,
        f: impl FnOnce(&AddressSpace, &Access<'_>) -> Result<R>,
    ) -> Result<R> {
        let access = self.device.enter()?;
        let space = self.space(&access)?;
        match space.address_space() {
            Some(private) => f(private, &access),
            None => Err(EOPNOTSUPP),
        }
    }

    /// What IOMMU drivers answer if something is missing that was not seen before is remembered as
    /// the reason why the mode is not offered.
    fn refused(&self, mode: AddressMode, error: Error) -> Error {
        if error == ENODEV || error == EINVAL || error == EOPNOTSUPP {
            self.device.no_mode(mode);
            return EOPNOTSUPP;
        }
        error
    }

    /// Adds what one of its queues has done between two samples.
    pub(super) fn count(&self, before: &Progress, now: &Progress) {
        self.usage.lock().add(before, now);
        self.device.count(before, now);
    }

    /// An ioctl of the driver's own.
    pub(super) fn driver_ioctl(&self, nr: u32, arg: UserPtr) -> Result<isize> {
        let shapes = (0..).map_while(self.device.ops().context_shape);
        let (index, mut argument) = Argument::read(shapes, nr, arg)?;

        let access = self.device.operate()?;
        let space = self.space(&access)?;
        self.check_caller(space.mode)?;
        // SAFETY: `access` keeps the driver's data, `space` its context.
        unsafe { space.driver.ioctl(access.data(), index, argument.bytes()) }
            .map_err(|e| access.excuse(e))?;
        drop(space);
        drop(access);
        argument.write().map(|()| 0)
    }

    /// `/proc/PID/fdinfo/FD`.
    pub(super) fn show_fdinfo(&self, seq: &SeqFile) {
        let usage = *self.usage.lock();
        seq_print!(seq, "accel-device:\t{}\n", self.device.id());
        seq_print!(seq, "accel-context:\t{}\n", self.id);
        if let Some((mode, pasid)) = self.mode() {
            seq_print!(seq, "accel-mode:\t{}\n", mode.name());
            seq_print!(seq, "accel-pasid:\t{pasid}\n");
        }
        seq_print!(seq, "accel-queues:\t{}\n", self.queues.load(Relaxed));
        seq_print!(
            seq,
            "accel-completions:\t{}\n",
            self.completions.load(Relaxed)
        );
        seq_print!(seq, "accel-jobs:\t{}\n", usage.jobs);
        seq_print!(seq, "accel-bytes:\t{}\n", usage.bytes);
        seq_print!(seq, "accel-busy-ns:\t{}\n", usage.busy_ns);
        let memory = self.device_memory.load(Relaxed);
        seq_print!(seq, "accel-device-memory:\t{memory}\n");
        seq_print!(seq, "accel-mapped:\t{}\n", self.mapped.load(Relaxed));
    }

    /// The space that a new queue works in. Fails with [`ENOTCONN`] if there is none yet.
    pub(super) fn space<'a>(&'a self, access: &'a Access<'_>) -> Result<SpaceUse<'a>> {
        match &*self.state.lock() {
            State::Unbound => Err(ENOTCONN),
            State::Bound(space) => Ok(SpaceUse::new(space.clone(), &self.device, access)),
            State::Gone => Err(ENODEV),
        }
    }

    /// Gives up the context's own hold on its space, for good; that of its queues stays.
    ///
    /// # Safety
    ///
    /// `data` must be of the context's device, and live.
    pub(super) unsafe fn unbind(&self, data: Data) {
        // SAFETY: By the requirement of this function.
        unsafe { self.leave(State::Gone, data) };
    }

    /// # Safety
    ///
    /// As for [`unbind`](Self::unbind).
    unsafe fn leave(&self, next: State, data: Data) {
        let mut state = self.state.lock();
        if matches!(*state, State::Gone) {
            return;
        }
        self.told.store(0, Relaxed);
        let before = core::mem::replace(&mut *state, next);
        // Nobody waits for it while a bond is undone.
        drop(state);
        if let State::Bound(space) = before {
            // SAFETY: By the requirement of this function.
            unsafe { Space::put(space, data) };
        }
    }
}

#[macros::kunit_tests(rust_accel_context)]
mod tests {
    use super::*;

    #[test]
    fn sums_end_where_numbers_do() {
        let none = Progress::default();
        let all = Progress {
            jobs: u64::MAX,
            bytes: u64::MAX,
            busy_ns: u64::MAX,
            pending: false,
        };
        let mut usage = Usage::default();
        for _ in 0..3 {
            usage.add(&none, &all);
            // It has gone back: nothing is taken away.
            usage.add(&all, &none);
        }
        assert_eq!(usage.jobs, u64::MAX);
        assert_eq!(usage.bytes, u64::MAX);
        assert_eq!(usage.busy_ns, u64::MAX);
    }
}
