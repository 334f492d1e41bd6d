// SPDX-License-Identifier: GPL-2.0

//! From a driver's probe to a device that user space sees, and back.

#[cfg(CONFIG_HWMON = "y")]
use super::hwmon::Chip;
use super::{
    class,
    client,
    context::PARTING,
    device::Device,
    driver::Driver,
    irq,
    node::Nodes,
    recovery::{
        CLEARING,
        CUTTING, //
    },
    sensors::SENSORS,
    table::{
        Data,
        Table, //
    },
    usage::SAMPLING, //
};
use crate::{
    bindings,
    debugfs,
    device::{
        self,
        Bound, //
    },
    dma::DmaMask,
    error::to_result,
    prelude::*,
    str::CString,
    sync::Arc,
    workqueue, //
};
use core::ptr::NonNull;

/// Registers an accelerator with the driver `T`, until `parent` is unbound.
///
/// Called in the probe of the parent's bus. Nothing is returned that could be dropped at the wrong
/// time: the device core ends the registration when the driver is unbound, in this order: no new
/// opens, no callback of the driver runs any more, every queue is stopped and unbound from its
/// address space, [`Driver::stop`], the interrupts are freed, the driver's data is dropped.
/// Descriptors that are still open stay, and answer [`ENODEV`].
///
/// The device that is returned is for handlers of the parent's bus: resets, power.
///
/// Fails with [`EPROBE_DEFER`] if the subsystem has not started yet, with [`EINVAL`] if there can
/// be no device as [`Driver::info`] describes it, with [`EIO`] if the machine has no memory that
/// the device reaches.
///
/// # Examples
///
/// A device on the platform bus, with registers to map:
///
/// ```
/// use kernel::{
///     accel,
///     device::{
///         Bound,
///         Core,
///         DeviceContext, //
///     },
///     io::mem::IoMem,
///     of,
///     platform,
///     prelude::*, //
/// };
///
/// struct Engine;
///
/// kernel::of_device_table!(
///     OF_TABLE,
///     <Engine as platform::Driver>::IdInfo,
///     [(of::DeviceId::new(c"example,engine"), ())]
/// );
///
/// impl platform::Driver for Engine {
///     type IdInfo = ();
///     type Data<'bound> = Self;
///     const OF_ID_TABLE: Option<of::IdTable<()>> = Some(&OF_TABLE);
///
///     fn probe<'bound>(
///         pdev: &'bound platform::Device<Core<'_>>,
///         _info: Option<&'bound ()>,
///     ) -> impl PinInit<Self, Error> + 'bound {
///         accel::register::<Self>(pdev)?;
///         Ok(Self)
///     }
/// }
///
/// #[vtable]
/// impl accel::Driver for Engine {
///     type Parent<Ctx: DeviceContext> = platform::Device<Ctx>;
///     type Data<'a> = IoMem<'a, 0x1000>;
/// #   type Context = ();
/// #   type Queue = ();
/// #   type QueueArgs = accel::NoArgs;
///
///     fn probe<'a>(
///         parent: &'a platform::Device<Bound>,
///     ) -> impl PinInit<Self::Data<'a>, Error> + 'a {
///         let request = parent.io_request_by_index(0).ok_or(ENODEV)?;
///         Ok(request.iomap_sized()?)
///     }
///     // And what else a driver has.
/// #
/// #   fn info(_data: &Self::Data<'_>) -> accel::DeviceInfo {
/// #       accel::DeviceInfo::UNKNOWN
/// #   }
/// #
/// #   fn context_create(_d: &Self::Data<'_>, _: &accel::ContextRequest<'_>) -> Result {
/// #       Ok(())
/// #   }
/// #
/// #   fn queue_create(
/// #       _data: &Self::Data<'_>,
/// #       _request: &accel::QueueRequest<'_, Self>,
/// #   ) -> Result<accel::NewQueue<()>> {
/// #       Err(EBUSY)
/// #   }
/// #
/// #   fn queue_destroy(_data: &Self::Data<'_>, _queue: &()) -> Result {
/// #       Ok(())
/// #   }
/// #
/// #   fn halt(_data: &Self::Data<'_>) {}
/// }
/// ```
pub fn register<T: Driver>(parent: &T::Parent<Bound>) -> Result<Arc<Device>> {
    class::shared()?;
    let mask = T::dma_mask(parent);
    if let Some(mask) = mask {
        set_dma_mask(parent.as_ref(), mask)?;
    }

    let registration = Registration::<T>::new(parent, mask)?;
    let device = registration.device.clone();
    device::keep_until_unbind(parent.as_ref(), registration)?;
    Ok(device)
}

fn set_dma_mask(parent: &device::Device<Bound>, mask: DmaMask) -> Result {
    // SAFETY: The device is bound. The driver has not been asked for its data yet, so it does not
    // get DMA memory at the same time.
    to_result(unsafe { bindings::dma_set_mask_and_coherent(parent.as_raw(), mask.value()) })
        .inspect_err(|e| {
            dev_err!(
                parent,
                "no DMA with addresses up to {:#x} on this machine ({e:?}); an IOMMU, or a kernel \
                 with ZONE_DMA, may help\n",
                mask.value()
            );
        })
}

/// Ends the work items of a device that has left. Each holds the device while it waits for its
/// turn, and so its id, which the next device may want.
fn end_work(device: &Arc<Device>) {
    workqueue::disable_delayed::<_, SAMPLING>(device);
    workqueue::disable::<_, CUTTING>(device);
    workqueue::disable_delayed::<_, CLEARING>(device);
    workqueue::disable::<_, SENSORS>(device);
    workqueue::disable::<_, PARTING>(device);
}

/// What entries of the driver's own in debugfs are about.
///
/// # Invariants
///
/// `data` lives for as long as this.
struct Inspected<T: Driver> {
    data: NonNull<T::Data<'static>>,
    device: Arc<Device>,
}

// SAFETY: `T::Data` is `Send` and `Sync`, and `Device` is reached through an `Arc`.
unsafe impl<T: Driver> Send for Inspected<T> {}
// SAFETY: As above.
unsafe impl<T: Driver> Sync for Inspected<T> {}

/// All that exists for as long as the parent is bound.
///
/// The lifetimes are erased: `'static` stands for the time until the parent is unbound, which ends
/// after this is dropped, since it is owned by the device core. No driver can make use of that,
/// because its callbacks are generic over the lifetime.
struct Registration<T: Driver> {
    nodes: Option<Nodes>,
    #[cfg(CONFIG_HWMON = "y")]
    chip: Option<Chip>,
    debugfs: Option<Pin<KBox<debugfs::Scope<Inspected<T>>>>>,
    device: Arc<Device>,
    started: bool,
    interrupts: KVec<irq::Interrupt<T>>,
    data: Pin<KBox<T::Data<'static>>>,
}

// SAFETY: All parts may be dropped by any task.
unsafe impl<T: Driver> Send for Registration<T> {}

impl<T: Driver> Registration<T> {
    fn new(parent: &T::Parent<Bound>, dma_mask: Option<DmaMask>) -> Result<Self> {
        // SAFETY: See `Registration`: all that borrows from the parent is dropped before it is
        // unbound, here on failure and by the device core later.
        let parent: &'static T::Parent<Bound> = unsafe { NonNull::from(parent).as_ref() };

        let data = KBox::pin_init(T::probe(parent), GFP_KERNEL)?;
        let info = T::info(&data);
        if !info.makes_sense(dma_mask.is_some()) {
            let parent: &device::Device<Bound> = parent.as_ref();
            dev_err!(parent, "its driver describes no accelerator\n");
            return Err(EINVAL);
        }
        let device = Device::new(parent.as_ref(), Table::<T>::OPS, info, dma_mask)?;
        let mut this = Self {
            nodes: None,
            #[cfg(CONFIG_HWMON = "y")]
            chip: None,
            debugfs: None,
            device,
            started: false,
            interrupts: KVec::new(),
            data,
        };

        if let Some(pages) = T::memory(&this.data) {
            this.device.set_local_memory(pages)?;
        }
        // SAFETY: `drop` clears the interrupts before the data goes.
        this.interrupts = unsafe { irq::request::<T>(&this.device, &this.data)? };
        T::start(&this.data, &this.device)?;
        this.started = true;
        // SAFETY: The data is this driver's, and `drop` calls `leave` before it goes.
        unsafe { this.device.publish(Data::of::<T>(&this.data)) };
        // Since `start`, interrupts may have told of a device that does not work.
        this.device.do_what_is_wanted();
        this.device.read_sensors();
        this.debugfs = Some(this.inspect()?);
        #[cfg(CONFIG_HWMON = "y")]
        {
            this.chip = Chip::new(parent.as_ref(), &this.device)?;
        }
        this.nodes = Some(Nodes::new(parent.as_ref(), &this.device)?);
        client::arrive(&this.device)?;
        Ok(this)
    }

    /// The device's directory in debugfs.
    fn inspect(&self) -> Result<Pin<KBox<debugfs::Scope<Inspected<T>>>>> {
        let name = CString::try_from_fmt(fmt!("accel{}", self.device.id()))?;
        // INVARIANT: `drop` removes the directory before the data goes.
        let inspected = Inspected {
            data: NonNull::from(&*self.data),
            device: self.device.clone(),
        };
        let scope = class::shared()?
            .debugfs
            .scope(inspected, &name, |inspected, dir| {
                // SAFETY: By the type invariant. `T::debugfs` is generic over both lifetimes, that
                // of the reference and that of the data, so neither lets the other one escape.
                let data = unsafe { inspected.data.as_ref() };
                T::debugfs(data, &inspected.device, dir);
            });
        KBox::pin_init(scope, GFP_KERNEL)
    }
}

impl<T: Driver> Drop for Registration<T> {
    fn drop(&mut self) {
        self.nodes = None;
        #[cfg(CONFIG_HWMON = "y")]
        {
            self.chip = None;
        }
        client::depart(&self.device);
        self.device.leave();
        client::let_go(&self.device);
        end_work(&self.device);
        self.debugfs = None;
        if self.started {
            T::stop(&self.data);
        }
        self.interrupts.clear();
    }
}

#[macros::kunit_tests(rust_accel_registration)]
mod tests {
    use super::*;
    use crate::faux;

    #[test]
    fn a_mask_that_cannot_be_had_is_refused() -> Result {
        // Nobody has given it a place for a mask.
        let faux = faux::Registration::new(c"rust_accel_no_dma", None)?;
        let dev: &faux::Device<Bound> = faux.as_ref();
        assert_eq!(set_dma_mask(dev.as_ref(), DmaMask::new::<64>()), Err(EIO));
        Ok(())
    }
}
