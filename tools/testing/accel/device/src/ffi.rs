// SPDX-License-Identifier: GPL-2.0

//! The C interface: `include/hisi_zip_model.h`.
//!
//! All functions but [`hisi_zip_task_run`] are called with the lock of whoever hosts the device held.

use std::ffi::c_char;
use std::ffi::c_int;
use std::ffi::c_uint;
use std::ffi::c_void;
use std::ffi::CStr;
use std::hash::BuildHasher;
use std::hash::RandomState;
use std::path::PathBuf;

use crate::bus::Bus;
use crate::bus::DataAccess;
use crate::bus::PageRequest;
use crate::bus::PciError;
use crate::bus::Refused;
use crate::device::Bar;
use crate::device::Config;
use crate::device::Device;
use crate::device::ResetKind;
use crate::device::QUEUES;
use crate::device::REVISION_ISOLATED;
use crate::device::REVISION_SHARED;
use crate::engine::Task;
use crate::readings::Mild;
use crate::readings::NAMES;
use crate::stats::Stats;

/// The functions of `struct HisiZipBus`.
#[repr(C)]
pub struct CBus {
    opaque: *mut c_void,
    read: unsafe extern "C" fn(*mut c_void, u64, *mut u8, usize) -> bool,
    write: unsafe extern "C" fn(*mut c_void, u64, *const u8, usize) -> bool,
    read_data: unsafe extern "C" fn(*mut c_void, u32, u64, *mut u8, usize) -> c_int,
    write_data: unsafe extern "C" fn(*mut c_void, u32, u64, *const u8, usize) -> c_int,
    request_page: unsafe extern "C" fn(*mut c_void, u32, u64, bool, u16) -> c_int,
    interrupt: unsafe extern "C" fn(*mut c_void, c_uint),
    report_error: unsafe extern "C" fn(*mut c_void, c_int),
    unplug: unsafe extern "C" fn(*mut c_void, u32),
    set_revision: unsafe extern "C" fn(*mut c_void, u8),
    compute: unsafe extern "C" fn(*mut c_void, *mut Task),
}

fn data_access(result: c_int) -> DataAccess {
    match result {
        0 => DataAccess::Done,
        1 => DataAccess::Missing,
        _ => DataAccess::Refused,
    }
}

/// Calls the functions of a [`CBus`].
struct HostBus<'a>(&'a CBus);

// SAFETY of all calls below: whoever passed the `CBus` to a function promises that its functions
// may be called with its `opaque` until that returns; pointer and length come from one slice.
impl Bus for HostBus<'_> {
    fn read(&mut self, addr: u64, buf: &mut [u8]) -> Result<(), Refused> {
        // SAFETY: as above.
        let done = unsafe { (self.0.read)(self.0.opaque, addr, buf.as_mut_ptr(), buf.len()) };
        done.then_some(()).ok_or(Refused)
    }

    fn write(&mut self, addr: u64, data: &[u8]) -> Result<(), Refused> {
        // SAFETY: as above.
        let done = unsafe { (self.0.write)(self.0.opaque, addr, data.as_ptr(), data.len()) };
        done.then_some(()).ok_or(Refused)
    }

    fn read_data(&mut self, pasid: u32, addr: u64, buf: &mut [u8]) -> DataAccess {
        let (at, length) = (buf.as_mut_ptr(), buf.len());
        // SAFETY: as above.
        data_access(unsafe { (self.0.read_data)(self.0.opaque, pasid, addr, at, length) })
    }

    fn write_data(&mut self, pasid: u32, addr: u64, data: &[u8]) -> DataAccess {
        let (at, length) = (data.as_ptr(), data.len());
        // SAFETY: as above.
        data_access(unsafe { (self.0.write_data)(self.0.opaque, pasid, addr, at, length) })
    }

    fn request_page(&mut self, pasid: u32, page: u64, write: bool, group: u16) -> PageRequest {
        // SAFETY: as above.
        match unsafe { (self.0.request_page)(self.0.opaque, pasid, page, write, group) } {
            0 => PageRequest::Sent,
            1 => PageRequest::Busy,
            _ => PageRequest::Refused,
        }
    }

    fn interrupt(&mut self, vector: u8) {
        // SAFETY: as above.
        unsafe { (self.0.interrupt)(self.0.opaque, c_uint::from(vector)) }
    }

    fn report_error(&mut self, error: PciError) {
        let number = match error {
            PciError::Correctable => 0,
            PciError::NonFatal => 1,
            PciError::Fatal => 2,
        };
        // SAFETY: as above.
        unsafe { (self.0.report_error)(self.0.opaque, number) }
    }

    fn unplug(&mut self, away_ms: u32) {
        // SAFETY: as above.
        unsafe { (self.0.unplug)(self.0.opaque, away_ms) }
    }

    fn set_revision(&mut self, revision: u8) {
        // SAFETY: as above.
        unsafe { (self.0.set_revision)(self.0.opaque, revision) }
    }

    fn compute(&mut self, task: Box<Task>) {
        // SAFETY: as above; the task comes back by `hisi_zip_model_computed()`.
        unsafe { (self.0.compute)(self.0.opaque, Box::into_raw(task)) }
    }
}

/// A device and the file that its counters go to.
pub struct Model {
    device: Device,
    path: Option<PathBuf>,
    saved: Stats,
}

impl Model {
    fn save(&mut self) {
        let Some(path) = &self.path else {
            return;
        };
        if let Err(error) = self.device.stats().save(path) {
            eprintln!(
                "hisi-zip: {}: {error}; no more statistics are written",
                path.display()
            );
            self.path = None;
            return;
        }
        self.saved = self.device.stats().clone();
    }

    fn save_if_changed(&mut self) {
        if self.saved != *self.device.stats() {
            self.save();
        }
    }

    /// What a test waits for must be in the file at once; mere counters may lag.
    fn save_if_urgent(&mut self) {
        let (now, saved) = (self.device.stats(), &self.saved);
        let urgent = |stats: &Stats| (stats.violations.len(), stats.queue_stops, stats.resets);
        if urgent(now) != urgent(saved) {
            self.save();
        }
    }
}

/// What is not null is a string.
///
/// # Safety
///
/// `text` is null or a string that ends in NUL.
unsafe fn string(text: *const c_char) -> Option<String> {
    // SAFETY: not null, so a string by this function's contract.
    (!text.is_null()).then(|| {
        unsafe { CStr::from_ptr(text) }
            .to_string_lossy()
            .into_owned()
    })
}

/// Makes a device; null if `revision`, `queues` or `mild` are none that there is.
///
/// `mild` names readings of the evidence, separated by `+`. A `seed` of 0 is another one each time.
///
/// # Safety
///
/// `mild` and `stats` are null or strings that end in NUL.
#[no_mangle]
pub unsafe extern "C" fn hisi_zip_model_new(
    revision: u8,
    queues: u16,
    faults: bool,
    mild: *const c_char,
    seed: u64,
    stats: *const c_char,
) -> *mut Model {
    if ![REVISION_ISOLATED, REVISION_SHARED].contains(&revision) || !QUEUES.contains(&queues) {
        return std::ptr::null_mut();
    }
    // SAFETY: by this function's contract.
    let (mild, path) = unsafe { (string(mild).unwrap_or_default(), string(stats)) };
    let mild = match Mild::parse(&mild) {
        Ok(mild) => mild,
        Err(name) => {
            let names: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
            eprintln!("hisi-zip: mild: {name} is none of {}", names.join(", "));
            return std::ptr::null_mut();
        }
    };
    let seed = match seed {
        0 => RandomState::new().hash_one(0),
        seed => seed,
    };
    let engines = std::thread::available_parallelism().map_or(1, usize::from);
    let device = Device::new(Config {
        revision,
        queues,
        engines,
        faults,
        mild,
        seed,
    });
    let mut model = Box::new(Model {
        device,
        path: path.map(PathBuf::from),
        saved: Stats::default(),
    });
    model.save();
    Box::into_raw(model)
}

/// Frees a device.
///
/// # Safety
///
/// `model` comes from [`hisi_zip_model_new`], is not used again, and no task of it is under way.
#[no_mangle]
pub unsafe extern "C" fn hisi_zip_model_free(model: *mut Model) {
    // SAFETY: by this function's contract.
    let mut model = unsafe { Box::from_raw(model) };
    model.save_if_changed();
}

fn bar(number: c_uint) -> Bar {
    match number {
        4 => Bar::Doorbells,
        _ => Bar::Registers,
    }
}

/// Reads a register: `size` (4 or 8) bytes at `offset` of BAR 2 or 4.
///
/// # Safety
///
/// `model` comes from [`hisi_zip_model_new`], and nothing else uses it meanwhile.
#[no_mangle]
pub unsafe extern "C" fn hisi_zip_model_read(
    model: *mut Model,
    number: c_uint,
    offset: u64,
    size: c_uint,
) -> u64 {
    // SAFETY: by this function's contract.
    let model = unsafe { &mut *model };
    model
        .device
        .read(bar(number), offset, if size == 8 { 8 } else { 4 })
}

/// Writes a register; [`hisi_zip_model_step`] is due afterwards.
///
/// # Safety
///
/// `model` comes from [`hisi_zip_model_new`], and nothing else uses it meanwhile.
#[no_mangle]
pub unsafe extern "C" fn hisi_zip_model_write(
    model: *mut Model,
    number: c_uint,
    offset: u64,
    size: c_uint,
    value: u64,
) {
    // SAFETY: by this function's contract.
    let model = unsafe { &mut *model };
    model
        .device
        .write(bar(number), offset, if size == 8 { 8 } else { 4 }, value);
}

/// Writes contexts back, if a register was written that asks for it.
///
/// # Safety
///
/// As for [`hisi_zip_model_step`].
#[no_mangle]
pub unsafe extern "C" fn hisi_zip_model_write_back(model: *mut Model, bus: *const CBus) {
    // SAFETY: by this function's contract.
    let (model, bus) = unsafe { (&mut *model, &*bus) };
    model.device.write_back(&mut HostBus(bus));
}

/// Does what can be done; returns whether more can be done at once.
///
/// # Safety
///
/// `model` comes from [`hisi_zip_model_new`], and nothing else uses it meanwhile. The functions in
/// `bus` do what the header says of them.
#[no_mangle]
pub unsafe extern "C" fn hisi_zip_model_step(model: *mut Model, bus: *const CBus) -> bool {
    // SAFETY: by this function's contract.
    let (model, bus) = unsafe { (&mut *model, &*bus) };
    let more = model.device.step(&mut HostBus(bus));
    model.save_if_urgent();
    more
}

/// Takes the answer to a page request.
///
/// # Safety
///
/// `model` comes from [`hisi_zip_model_new`], and nothing else uses it meanwhile.
#[no_mangle]
pub unsafe extern "C" fn hisi_zip_model_page_answer(model: *mut Model, group: u16, granted: bool) {
    // SAFETY: by this function's contract.
    let model = unsafe { &mut *model };
    model.device.page_answer(group, granted);
}

/// Resets the device, on the driver's demand (`function`) or with the machine.
///
/// # Safety
///
/// `model` comes from [`hisi_zip_model_new`], and nothing else uses it meanwhile.
#[no_mangle]
pub unsafe extern "C" fn hisi_zip_model_reset(model: *mut Model, function: bool) {
    // SAFETY: by this function's contract.
    let model = unsafe { &mut *model };
    model.device.reset(if function {
        ResetKind::Function
    } else {
        ResetKind::Machine
    });
    model.save();
}

/// The function has its power again.
///
/// # Safety
///
/// `model` comes from [`hisi_zip_model_new`], and nothing else uses it meanwhile.
#[no_mangle]
pub unsafe extern "C" fn hisi_zip_model_power_up(model: *mut Model) {
    // SAFETY: by this function's contract.
    let model = unsafe { &mut *model };
    model.device.power_up();
}

/// The machine goes off.
///
/// # Safety
///
/// `model` comes from [`hisi_zip_model_new`], and nothing else uses it meanwhile.
#[no_mangle]
pub unsafe extern "C" fn hisi_zip_model_leave(model: *mut Model) {
    // SAFETY: by this function's contract.
    let model = unsafe { &mut *model };
    model.device.leave();
    model.save();
}

/// Bus mastering was switched on or off.
///
/// # Safety
///
/// `model` comes from [`hisi_zip_model_new`], and nothing else uses it meanwhile.
#[no_mangle]
pub unsafe extern "C" fn hisi_zip_model_set_bus_master(model: *mut Model, on: bool) {
    // SAFETY: by this function's contract.
    let model = unsafe { &mut *model };
    model.device.set_bus_master(on);
    model.save_if_urgent();
}

/// Sets the clock, in milliseconds; to be called about once a second.
///
/// # Safety
///
/// `model` comes from [`hisi_zip_model_new`], and nothing else uses it meanwhile.
#[no_mangle]
pub unsafe extern "C" fn hisi_zip_model_tick(model: *mut Model, now_ms: u64) {
    // SAFETY: by this function's contract.
    let model = unsafe { &mut *model };
    model.device.tick(now_ms);
    model.save_if_changed();
}

/// Does the work of a task. May be called on any thread, without any lock.
///
/// # Safety
///
/// `task` came by `HisiZipBus.compute` and is used by nothing else meanwhile.
#[no_mangle]
pub unsafe extern "C" fn hisi_zip_task_run(task: *mut Task) {
    // SAFETY: by this function's contract.
    let task = unsafe { &mut *task };
    task.run();
}

/// Gives a task back to its device, or frees it if there is none any more (`model` is null).
///
/// # Safety
///
/// `task` came by `HisiZipBus.compute` and is not used again. `model` is null, or comes from
/// [`hisi_zip_model_new`] and nothing else uses it meanwhile.
#[no_mangle]
pub unsafe extern "C" fn hisi_zip_model_computed(model: *mut Model, task: *mut Task) {
    // SAFETY: by this function's contract, and made by Box::into_raw().
    let task = unsafe { Box::from_raw(task) };
    // SAFETY: by this function's contract.
    if let Some(model) = unsafe { model.as_mut() } {
        model.device.computed(*task);
    }
}

/// Tasks run on other threads.
const _: () = {
    const fn assert_send<T: Send>() {}
    assert_send::<Task>();
};
