// SPDX-License-Identifier: GPL-2.0

//! From a driver's probe to a device that user space sees, and back.

use super::{
    class,
    device::Device,
    driver::Driver,
    irq,
    node::Nodes,
    table::{
        Data,
        Table, //
    }, //
};
use crate::{
    device::{
        self,
        Bound,
        Core, //
    },
    dma,
    prelude::*,
    sync::Arc, //
};
use core::{
    ops::Deref,
    ptr::NonNull, //
};

/// Registers an accelerator with the driver `T`, until `parent` is unbound.
///
/// Called in the probe of the parent's bus. Nothing is returned that could be lost or dropped at
/// the wrong time: the device core ends the registration when the driver is unbound, in this order:
/// no new opens, no callback of the driver runs any more, every queue is stopped and unbound from
/// its address space, [`Driver::stop`], the interrupts are freed, the driver's data is dropped.
/// Descriptors that are still open stay, and answer [`ENODEV`].
///
/// Fails with [`EPROBE_DEFER`] if the subsystem has not started yet.
pub fn register<'core, T: Driver>(parent: &T::Parent<Core<'core>>) -> Result
where
    T::Parent<Core<'core>>: dma::Device<'core> + Deref<Target = T::Parent<Bound>>,
{
    class::shared()?;
    // SAFETY: The driver has not been asked for anything yet, so it has no DMA memory.
    unsafe { dma::Device::dma_set_mask_and_coherent(parent, T::DMA_MASK)? };

    let bound: &T::Parent<Bound> = parent;
    device::keep_until_unbind(bound.as_ref(), Registration::<T>::new(bound)?)
}

/// All that exists for as long as the parent is bound.
///
/// The lifetimes are erased: `'static` stands for the time until the parent is unbound, which ends
/// after this is dropped, since it is owned by the device core. No driver can make use of that,
/// because its callbacks are generic over the lifetime.
struct Registration<T: Driver> {
    nodes: Option<Nodes>,
    device: Arc<Device>,
    started: bool,
    interrupts: KVec<irq::Interrupt<T>>,
    data: Pin<KBox<T::Data<'static>>>,
}

// SAFETY: The nodes, the interrupts and the data may be dropped by any task.
unsafe impl<T: Driver> Send for Registration<T> {}

impl<T: Driver> Registration<T> {
    fn new(parent: &T::Parent<Bound>) -> Result<Self> {
        // SAFETY: See `Registration`: all that borrows from the parent is dropped before it is
        // unbound, here on failure and by the device core later.
        let parent: &'static T::Parent<Bound> = unsafe { NonNull::from(parent).as_ref() };

        let data = KBox::pin_init(T::probe(parent), GFP_KERNEL)?;
        let device = Device::new(parent.as_ref(), Table::<T>::OPS, T::info(&data))?;
        let mut this = Self {
            nodes: None,
            device,
            started: false,
            interrupts: KVec::new(),
            data,
        };

        // SAFETY: `drop` clears the interrupts before the data goes.
        this.interrupts = unsafe { irq::request::<T>(&this.device, &this.data)? };
        T::start(&this.data)?;
        this.started = true;
        // SAFETY: The data is this driver's, and `drop` calls `leave` before it goes.
        unsafe { this.device.publish(Data::of::<T>(&this.data)) };
        this.nodes = Some(Nodes::new(parent.as_ref(), &this.device)?);
        Ok(this)
    }
}

impl<T: Driver> Drop for Registration<T> {
    fn drop(&mut self) {
        self.nodes = None;
        self.device.leave();
        if self.started {
            T::stop(&self.data);
        }
        self.interrupts.clear();
    }
}
