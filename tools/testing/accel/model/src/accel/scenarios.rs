// SPDX-License-Identifier: GPL-2.0

//! What several threads do to one device, in every order, and what must be true of it.

use super::{
    context::Context,
    descriptor,
    device::Device,
    driver::{AddressMode, DeviceInfo, Doorbell, Reach},
    table::{Data, Hardware, OPS},
};
use crate::{
    bindings,
    device::{Bound, Device as Parent},
    dma_buf::dma_fence::Fence,
    fs::{self, File},
    iommu::sva::OWED,
    prelude::*,
    sync::{aref::ARef, Arc},
    uaccess::UserPtr,
    uapi, workqueue, BROKEN,
};
use loom::thread;

/// Runs `scenario` in every order of its threads' steps.
fn explore(scenario: impl Fn() + Send + Sync + 'static) {
    run(None, scenario);
}

/// The same where all orders are too many: those in which threads are interrupted amid their work
/// no more often than this.
fn explore_up_to(interruptions: usize, scenario: impl Fn() + Send + Sync + 'static) {
    run(Some(interruptions), scenario);
}

fn run(interruptions: Option<usize>, scenario: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = interruptions;
    model.max_branches = 10_000;
    model.check(move || {
        fs::begin();
        let _end = workqueue::begin();
        scenario();
        if let Some(broken) = BROKEN.take() {
            panic!("{broken}");
        }
    });
}

/// A device that is registered, and a context on it.
struct Machine {
    device: Arc<Device>,
    hardware: &'static Hardware,
    context: Arc<Context>,
}

impl Clone for Machine {
    fn clone(&self) -> Self {
        Self {
            device: self.device.clone(),
            hardware: self.hardware,
            context: self.context.clone(),
        }
    }
}

impl Machine {
    fn new(mode: AddressMode) -> Self {
        let info = DeviceInfo {
            modes: &[AddressMode::Shared, AddressMode::Kernel],
            reach: Reach::Hardware,
            doorbell: Doorbell::Own,
            queues_max: 2,
            depth_max: 4,
            contexts_max: 0,
            priorities: 1,
            job_limit: None,
            auto_recovery: true,
            error_threshold: 1,
        };
        let device = Device::new(&Parent::<Bound>::new(), &OPS, info, None).unwrap();
        let hardware = Box::leak(Box::new(Hardware::new()));
        // SAFETY: Nothing is freed; what is said to be is not used any more, or a test fails.
        unsafe { device.publish(Data::of(hardware)) };
        let context = Context::new(&device, mode);
        Self {
            device,
            hardware,
            context,
        }
    }

    fn create(&self) -> Result<ARef<File>> {
        let mut args = uapi::accel_queue_create {
            depth: 2,
            ..Default::default()
        };
        descriptor::create(&self.context, UserPtr::of(&mut args))?;
        Ok(fs::installed().unwrap())
    }

    /// What the device core does when the driver is unbound.
    fn remove(&self) {
        self.device.leave();
        assert!(!self.hardware.is_on(), "a queue is left");
        assert_eq!(self.hardware.unbound.get(), 1, "the address space is left");
        self.hardware.free();
    }

    fn reset(&self) -> Result {
        let access = self.device.enter()?;
        self.device.reset(&access)
    }

    /// What the watchdog does to a queue that hangs.
    fn time_out(&self, id: u32) {
        let Ok(access) = self.device.operate() else {
            return;
        };
        let Some(queue) = self.device.slots.get(id) else {
            return;
        };
        if !queue.kill(&access, uapi::accel_queue_state_ACCEL_QUEUE_DEAD_TIMEOUT) {
            self.device.give_up_queue(&access);
        }
    }

    /// Does in a thread of its own what `f` does.
    fn spawn<R: 'static>(&self, f: impl FnOnce(&Self) -> R + 'static) -> thread::JoinHandle<R> {
        let machine = self.clone();
        thread::spawn(move || f(&machine))
    }

    /// All numbers are free again.
    fn assert_all_free(&self) {
        assert!(!self.hardware.is_on(), "a queue is left");
        for _ in 0..2 {
            self.device.slots.claim(0).expect("a number is lost");
        }
    }
}

fn is_dead(file: &File) -> bool {
    file.poll() & bindings::POLLHUP != 0
}

/// When `leave` has returned no callback of the driver runs, none will, no queue is left, and the
/// address space is unbound: after that the driver's data is freed.
pub fn removal_against_creation() {
    explore(|| {
        let machine = Machine::new(AddressMode::Shared);
        let creator = machine.spawn(|machine| {
            let file = machine.create();
            assert!(matches!(file, Ok(_) | Err(ENODEV)));
            file.ok()
        });
        machine.remove();
        if let Some(file) = creator.join().unwrap() {
            assert!(is_dead(&file));
            file.close();
        }
    });
}

/// The same with a queue that is closed meanwhile, and one that is killed.
pub fn removal_against_close_and_watchdog() {
    explore_up_to(4, || {
        let machine = Machine::new(AddressMode::Shared);
        let file = machine.create().unwrap();
        let closer = machine.spawn(move |_| file.close());
        let watchdog = machine.spawn(|machine| machine.time_out(0));
        machine.remove();
        closer.join().unwrap();
        watchdog.join().unwrap();
        machine.assert_all_free();
    });
}

/// Who looks at the driver's data does so before it is freed.
pub fn removal_against_a_look() {
    explore(|| {
        let machine = Machine::new(AddressMode::Shared);
        let looker = machine.spawn(|machine| {
            if let Ok(access) = machine.device.enter() {
                access.data().hardware();
            }
        });
        machine.remove();
        looker.join().unwrap();
    });
}

/// Somebody in the middle of an operation may wait, for long, for one who waits for a fence: so who
/// takes the device down signals first, and waits then.
fn signals_before_it_waits(take_down: fn(&Machine)) {
    explore_up_to(2, move || {
        let machine = Machine::new(AddressMode::Kernel);
        let file = machine.create().unwrap();
        let fence = submit(&file, &mut []).unwrap();
        workqueue::work();
        let access = machine.device.operate().unwrap();
        let taker = machine.spawn(move |machine| take_down(machine));
        // As many steps as anybody takes.
        for _ in 0..200 {
            if result(&fence).is_some() {
                break;
            }
            thread::yield_now();
        }
        assert!(result(&fence).is_some(), "a fence is waited for in vain");
        drop(access);
        taker.join().unwrap();
        file.close();
    });
}

pub fn fences_before_a_reset_waits() {
    signals_before_it_waits(|machine| machine.reset().unwrap());
}

pub fn fences_before_a_removal_waits() {
    signals_before_it_waits(Machine::remove);
}

/// Whoever ends a queue, it is stopped once, its number is given back once and not to two, and who
/// comes late does nothing to the one that has the number next.
pub fn one_ends_a_queue() {
    explore_up_to(4, || {
        let machine = Machine::new(AddressMode::Shared);
        let file = machine.create().unwrap();
        let queue = machine.device.slots.get(0).unwrap();
        let closer = machine.spawn(move |machine| {
            file.close();
            machine.create().unwrap()
        });
        let access = machine.device.operate().unwrap();
        queue.kill(&access, uapi::accel_queue_state_ACCEL_QUEUE_DEAD_TIMEOUT);
        drop(access);
        let next = closer.join().unwrap();
        assert!(!is_dead(&next), "the wrong queue is ended");
        next.close();
        machine.assert_all_free();
    });
}

/// A reset ends the queues that there were, whoever else ends them; no queue is made or stopped
/// between `halt` and `start`.
pub fn reset_against_close_and_creation() {
    explore_up_to(3, || {
        let machine = Machine::new(AddressMode::Shared);
        let file = machine.create().unwrap();
        let closer = machine.spawn(move |_| file.close());
        let creator = machine.spawn(|machine| machine.create());
        machine.reset().unwrap();
        closer.join().unwrap();
        match creator.join().unwrap() {
            Ok(file) => {
                let works = machine.hardware.is_on();
                assert_ne!(
                    is_dead(&file),
                    works,
                    "a queue is live if the device has it"
                );
                file.close();
            }
            Err(e) => assert_eq!(e, EAGAIN),
        }
        machine.assert_all_free();
    });
}

/// Only one takes a device out of operation, and it is in operation at the end. What the bus resets
/// is halted, and is started after that.
pub fn two_resets() {
    explore(|| {
        let machine = Machine::new(AddressMode::Shared);
        let other = machine.spawn(|machine| {
            machine.device.begin_bus_reset();
            machine.hardware.reset();
            machine.device.end_bus_reset().unwrap();
        });
        assert!(matches!(machine.reset(), Ok(()) | Err(EAGAIN)));
        other.join().unwrap();
        let operational = uapi::accel_status_ACCEL_STATUS_OPERATIONAL;
        assert_eq!(machine.device.status(), operational);
        assert!(!machine.hardware.is_blank(), "nobody starts the device");
    });
}

/// A reset by the bus may come in the middle of another, whatever the core does meanwhile. The
/// device is started when the last has ended, and not before.
pub fn resets_within_each_other() {
    explore(|| {
        let machine = Machine::new(AddressMode::Shared);
        let other = machine.spawn(|machine| {
            let _ = machine.reset();
        });
        machine.device.begin_bus_reset();
        machine.device.begin_bus_reset();
        machine.hardware.reset();
        machine.device.end_bus_reset().unwrap();
        machine.hardware.reset();
        machine.device.end_bus_reset().unwrap();
        other.join().unwrap();
        let operational = uapi::accel_status_ACCEL_STATUS_OPERATIONAL;
        assert_eq!(machine.device.status(), operational);
        assert!(!machine.hardware.is_blank(), "nobody starts the device");
    });
}

/// A device that does not work when it has just been reset is reset once more, if it says so.
pub fn request_amid_a_reset() {
    explore(|| {
        let machine = Machine::new(AddressMode::Shared);
        machine.hardware.fails.set(true);
        let worker = thread::spawn(workqueue::work);
        machine.reset().unwrap();
        worker.join().unwrap();
        workqueue::work();
        assert_eq!(machine.hardware.resets.get(), 2, "a request is lost");
    });
}

/// Once a queue is dead nobody has a page of it and nobody gets one; and who gets none finds it
/// dead. Its rings are freed after that, and after the device has stopped.
pub fn pages_against_the_end() {
    explore(|| {
        let machine = Machine::new(AddressMode::Shared);
        let file = machine.create().unwrap();
        let process = thread::spawn({
            let file = file.clone();
            move || match file.fault() {
                Ok(_) => {}
                Err(_) => assert!(is_dead(&file), "who gets no page finds the queue dead"),
            }
        });
        let observer = thread::spawn({
            let file = file.clone();
            move || {
                if is_dead(&file) {
                    assert!(!file.inode.is_mapped(), "a dead queue has no pages");
                }
            }
        });
        machine.time_out(0);
        assert!(!file.inode.is_mapped(), "a dead queue has no pages");
        process.join().unwrap();
        observer.join().unwrap();
        assert!(!file.inode.is_mapped(), "a dead queue has no pages");
        file.close();
        machine.assert_all_free();
    });
}

/// A queue that does not stop keeps what it has until the device is reset; and that is asked for,
/// whoever tries in between.
pub fn a_queue_that_does_not_stop() {
    explore_up_to(3, || {
        let machine = Machine::new(AddressMode::Shared);
        let file = machine.create().unwrap();
        machine.hardware.hangs.set(u32::MAX);
        file.close();
        let worker = thread::spawn(workqueue::work);
        let creator = machine.spawn(|machine| machine.create().is_ok());
        worker.join().unwrap();
        creator.join().unwrap();
        workqueue::work();
        machine.hardware.hangs.set(0);
        assert!(
            machine.hardware.resets.get() != 0,
            "nobody resets the device"
        );
    });
}

/// A queue that says that it is at work is tried again until it stops, and the device is not reset.
pub fn a_queue_that_stops_late() {
    explore_up_to(3, || {
        let machine = Machine::new(AddressMode::Shared);
        let file = machine.create().unwrap();
        machine.hardware.busy.set(true);
        machine.hardware.hangs.set(2);
        machine.time_out(0);
        let worker = thread::spawn(workqueue::work);
        machine.device.recover_stuck();
        worker.join().unwrap();
        for _ in 0..2 {
            // As the sampler does.
            machine.device.recover_stuck();
            workqueue::work();
        }
        assert_eq!(machine.hardware.resets.get(), 0, "others pay for it");
        machine.assert_all_free();
        file.close();
    });
}

/// The driver is not asked for a reset while a process owes a page; the device can sleep, wake up
/// and go all the same.
pub fn a_page_is_owed() {
    let in_reset = uapi::accel_status_ACCEL_STATUS_IN_RESET;
    let operational = uapi::accel_status_ACCEL_STATUS_OPERATIONAL;
    explore_up_to(0, move || {
        let machine = Machine::new(AddressMode::Shared);
        let device = machine.device.clone();
        let file = machine.create().unwrap();
        let put_off = || {
            OWED.set(true);
            assert_eq!(machine.reset(), Err(EAGAIN), "the driver is asked");
            device.recover_stuck();
            workqueue::work();
            assert_eq!(device.status(), in_reset, "it is not waited for");
        };
        put_off();
        assert_eq!(machine.hardware.resets.get(), 0, "it is reset all the same");
        assert!(!machine.hardware.is_on(), "a queue is left");
        OWED.set(false);
        device.recover_stuck();
        workqueue::work();
        assert_eq!(device.status(), operational, "nobody resets it");

        put_off();
        device.suspend().unwrap();
        assert!(device.is_in_bus_reset());
        device.recover_stuck();
        workqueue::work();
        assert_eq!(device.status(), in_reset, "it is reset while it is off");
        device.resume_by_reset();
        workqueue::work();
        assert_eq!(device.status(), in_reset, "it is reset amid the page");
        OWED.set(false);
        device.recover_stuck();
        workqueue::work();
        assert_eq!(device.status(), operational, "it does not wake up");
        assert_eq!(machine.hardware.resets.get(), 2);

        put_off();
        file.close();
        machine.remove();
    });
}

/// What is asked of the worker is done by a run that begins later, and what is less does not
/// replace it.
pub fn requests_of_recovery() {
    explore(|| {
        let machine = Machine::new(AddressMode::Shared);
        machine.device.report_error(1);
        let worker = thread::spawn(workqueue::work);
        machine.device.request_reset();
        worker.join().unwrap();
        workqueue::work();
        let isolated = uapi::accel_status_ACCEL_STATUS_ISOLATED;
        assert_eq!(machine.device.status(), isolated, "a request is lost");
    });
}

/// Hands a job in; returns the file of its fence.
fn submit(file: &File, in_fences: &mut [i32]) -> Result<ARef<File>> {
    let mut job = 0u64;
    let fence = |fd: &i32| uapi::accel_submit_fence { fd: *fd, flags: 0 };
    let mut in_fences: Vec<_> = in_fences.iter().map(fence).collect();
    let mut args = uapi::accel_queue_submit {
        flags: uapi::ACCEL_SUBMIT_OUT_FENCE,
        jobs: &raw mut job as u64,
        job_count: 1,
        job_size: 8,
        in_fence_count: in_fences.len() as u32,
        in_fences: in_fences.as_mut_ptr() as u64,
        ..Default::default()
    };
    file.ioctl(
        uapi::accel_ioctl_nr_ACCEL_NR_QUEUE_SUBMIT,
        UserPtr::of(&mut args),
    )?;
    Ok(fs::installed().unwrap())
}

fn result(fence: &File) -> Option<Result> {
    fence.fence.as_ref().unwrap().result()
}

/// Each job is handed over when there is room, and none is forgotten; each ends once, and the
/// fences are signalled in order.
pub fn jobs_against_room() {
    explore(|| {
        let machine = Machine::new(AddressMode::Kernel);
        let file = machine.create().unwrap();
        let engine = machine.hardware.engine(0).unwrap();
        machine.hardware.room.set(1);
        let fences = [
            submit(&file, &mut []).unwrap(),
            submit(&file, &mut []).unwrap(),
        ];
        let worker = thread::spawn(workqueue::work);
        let _ = engine.work();
        worker.join().unwrap();
        workqueue::work();
        while engine.work() {
            workqueue::work();
        }
        for fence in &fences {
            assert_eq!(result(fence), Some(Ok(())), "a job is forgotten");
        }
        file.close();
        machine.assert_all_free();
    });
}

/// The room that a job of one queue leaves may be what another waits for.
pub fn room_of_another_queue() {
    explore_up_to(3, || {
        let machine = Machine::new(AddressMode::Kernel);
        let files = [machine.create().unwrap(), machine.create().unwrap()];
        let engine = machine.hardware.engine(0).unwrap();
        machine.hardware.room.set(1);
        submit(&files[0], &mut []).unwrap();
        workqueue::work();
        let fence = submit(&files[1], &mut []).unwrap();
        let device = thread::spawn(move || engine.work());
        workqueue::work();
        device.join().unwrap();
        workqueue::work();
        machine.hardware.engine(1).unwrap().work();
        assert_eq!(result(&fence), Some(Ok(())), "a job is forgotten");
        files.map(|file| file.close());
        machine.assert_all_free();
    });
}

/// However a queue ends amid its jobs, each of them ends once, their fences are signalled in order,
/// and no job reaches a queue that was stopped.
pub fn jobs_against_the_end() {
    explore_up_to(3, || {
        let machine = Machine::new(AddressMode::Kernel);
        let file = machine.create().unwrap();
        let engine = machine.hardware.engine(0).unwrap();
        let fences = [
            submit(&file, &mut []).unwrap(),
            submit(&file, &mut []).unwrap(),
        ];
        let worker = thread::spawn(workqueue::work);
        let device = thread::spawn(move || engine.work());
        file.close();
        worker.join().unwrap();
        device.join().unwrap();
        workqueue::work();
        for fence in &fences {
            assert!(result(fence).is_some(), "a fence is not signalled");
        }
        machine.assert_all_free();
    });
}

/// Whose ticket is given back in place of another has ended; the other is the driver's.
pub fn tickets_that_are_mixed_up() {
    explore(|| {
        let machine = Machine::new(AddressMode::Kernel);
        let file = machine.create().unwrap();
        let engine = machine.hardware.engine(0).unwrap();
        let first = submit(&file, &mut []).unwrap();
        workqueue::work();
        machine.hardware.swaps.set(true);
        let second = submit(&file, &mut []).unwrap();
        workqueue::work();
        assert_eq!(result(&first), Some(Err(ECANCELED)), "a ticket is lost");
        assert_eq!(result(&second), None, "a job ends that the device has");
        engine.work();
        assert_eq!(result(&second), Some(Ok(())), "a ticket is lost");
        file.close();
        machine.assert_all_free();
    });
}

/// A submission amid the end of its queue is refused, or its fence is signalled.
pub fn submission_against_the_end() {
    explore(|| {
        let machine = Machine::new(AddressMode::Kernel);
        let file = machine.create().unwrap();
        let process = thread::spawn({
            let file = file.clone();
            move || submit(&file, &mut [])
        });
        machine.time_out(0);
        let fence = process.join().unwrap();
        workqueue::work();
        match fence {
            Ok(fence) => assert!(result(&fence).is_some(), "a fence is not signalled"),
            Err(e) => assert_eq!(e, ENODEV),
        }
        file.close();
        machine.assert_all_free();
    });
}

/// A job that waits for fences is handed over after the last of them, once; and never if one of
/// them has failed.
fn wait_for(results: [Result; 2]) {
    explore_up_to(3, move || {
        let machine = Machine::new(AddressMode::Kernel);
        let file = machine.create().unwrap();
        let fences = [Fence::new(), Fence::new()];
        let mut fds = fences.clone().map(fs::install_fence);
        let [first, second] = fences;
        let signaller = thread::spawn(move || first.signal(results[0]));
        let other = thread::spawn(move || {
            second.signal(results[1]);
            workqueue::work();
        });
        // One that does not wait has the worker look at any time.
        submit(&file, &mut []).unwrap();
        let fence = submit(&file, &mut fds).unwrap();
        signaller.join().unwrap();
        other.join().unwrap();
        workqueue::work();

        if results == [Ok(()); 2] {
            assert_eq!(machine.hardware.given.get(), 2, "a job waits for ever");
        } else {
            assert_eq!(machine.hardware.given.get(), 1, "a job runs that must not");
            // Its fence comes after that of the one before.
            machine.hardware.engine(0).unwrap().work();
            assert_eq!(result(&fence), Some(Err(ECANCELED)));
        }
        file.close();
        machine.assert_all_free();
    });
}

pub fn fences_that_succeed() {
    wait_for([Ok(()), Ok(())]);
}

pub fn fences_that_fail() {
    wait_for([Err(EIO), Ok(())]);
}

/// The end of a job is told to its own queue, not to the next that has its number.
pub fn late_ends() {
    explore(|| {
        let machine = Machine::new(AddressMode::Kernel);
        let file = machine.create().unwrap();
        let engine = machine.hardware.engine(0).unwrap();
        submit(&file, &mut []).unwrap();
        workqueue::work();
        let device = thread::spawn(move || engine.work());
        file.close();
        let next = machine.create().unwrap();
        device.join().unwrap();
        assert_eq!(
            next.poll(),
            0,
            "the next queue hears of a job that is not its"
        );
        next.close();
        machine.assert_all_free();
    });
}
