// SPDX-License-Identifier: GPL-2.0

//! The instances of the device, on the faux bus. They can come and go.
//!
//! An instance is asked to go by a file of its own, which could not wait for its own end. So a work
//! item of the module's does it.

use crate::{
    control::with_one,
    SimDriver, //
};
use kernel::{
    accel,
    faux,
    new_mutex,
    new_owned_delayed_work,
    prelude::*,
    str::CString,
    sync::{
        Arc,
        Mutex, //
    },
    uaccess::UserSliceReader,
    workqueue::{
        self,
        cancel::{
            Callback,
            OwnedDelayedWork,
            Schedule, //
        }, //
    }, //
};

/// Instances that there can be at once.
pub(crate) const INSTANCES_MAX: u32 = 64;

/// An instance.
struct Instance {
    number: u32,
    doomed: bool,
    /// `None` while it is being made.
    faux: Option<faux::Registration>,
}

/// All instances.
#[pin_data]
pub(crate) struct Instances {
    #[pin]
    list: Mutex<KVec<Instance>>,
}

/// All instances, and the work item that removes them.
pub(crate) type Fleet = OwnedDelayedWork<Instances>;

/// An instance's place among the others.
pub(crate) struct Berth {
    fleet: Arc<Fleet>,
    number: u32,
}

impl Berth {
    /// Removes the instance, soon.
    pub(crate) fn leave(&self) {
        self.fleet.callback().doom(self.number);
        self.fleet.schedule(0);
    }
}

/// A fleet without instances.
pub(crate) fn new() -> Result<Arc<Fleet>> {
    let none = pin_init!(Instances {
        list <- new_mutex!(KVec::new()),
    });
    Arc::pin_init(
        new_owned_delayed_work!(workqueue::system_dfl(), none, "accel_sim_fleet"),
        GFP_KERNEL,
    )
}

/// Makes an instance. Fails with [`ENOSPC`] if there are as many as there can be.
pub(crate) fn add(fleet: &Arc<Fleet>) -> Result {
    let instances = fleet.callback();
    let number = instances.reserve()?;
    match make(fleet, number) {
        Ok(faux) => instances.settle(number, faux),
        Err(e) => {
            instances.release(number);
            return Err(e);
        }
    }
    // It may have been asked to go already.
    fleet.schedule(0);
    Ok(())
}

fn make(fleet: &Arc<Fleet>, number: u32) -> Result<faux::Registration> {
    let name = CString::try_from_fmt(fmt!("accel_sim.{number}"))?;
    let faux = faux::Registration::new(&name, None)?;
    let device = accel::register::<SimDriver>(faux.as_ref())?;
    let berth = Berth {
        fleet: fleet.clone(),
        number,
    };
    device.with_data::<SimDriver, _>(|sim| {
        sim.moor(berth);
        Ok(())
    })?;
    Ok(faux)
}

/// Removes all instances, for good.
pub(crate) fn disband(fleet: &Fleet) {
    fleet.cancel();
    let all = core::mem::take(&mut *fleet.callback().list.lock());
    drop(all);
}

/// A 1 written to `accel_sim/add` makes an instance.
pub(crate) fn write_add(fleet: &Arc<Fleet>, reader: &mut UserSliceReader) -> Result {
    with_one(reader, || add(fleet))
}

impl Instances {
    /// Takes the lowest number that is free.
    fn reserve(&self) -> Result<u32> {
        let mut list = self.list.lock();
        let number = (0..INSTANCES_MAX)
            .find(|number| list.iter().all(|instance| instance.number != *number))
            .ok_or(ENOSPC)?;
        let instance = Instance {
            number,
            doomed: false,
            faux: None,
        };
        list.push(instance, GFP_KERNEL)?;
        Ok(number)
    }

    fn settle(&self, number: u32, faux: faux::Registration) {
        let mut list = self.list.lock();
        if let Some(instance) = list.iter_mut().find(|instance| instance.number == number) {
            instance.faux = Some(faux);
        }
    }

    fn doom(&self, number: u32) {
        let mut list = self.list.lock();
        if let Some(instance) = list.iter_mut().find(|instance| instance.number == number) {
            instance.doomed = true;
        }
    }

    /// Takes the device of one that is to go. It keeps its number until the device has gone.
    fn take_doomed(&self) -> Option<(u32, faux::Registration)> {
        let mut list = self.list.lock();
        let mut doomed = list.iter_mut().filter(|instance| instance.doomed);
        doomed.find_map(|instance| Some((instance.number, instance.faux.take()?)))
    }

    /// Gives a number back.
    fn release(&self, number: u32) {
        self.list
            .lock()
            .retain(|instance| instance.number != number);
    }
}

impl Callback for Instances {
    fn run(&self, _schedule: &Schedule) {
        while let Some((number, faux)) = self.take_doomed() {
            // Without the lock: whoever is in the middle of asking for it is waited for.
            drop(faux);
            self.release(number);
        }
    }
}
