// SPDX-License-Identifier: GPL-2.0

//! Rust accelerator driver sample: one driver for units on several buses.
//!
//! A chip on the platform bus has a unit of its own, and a second one that it puts on the auxiliary
//! bus. A unit does nothing: the page of a queue begins with the unit's serial number.
//!
//! No firmware names such a chip. A platform device without a driver can play it, one at a time:
//!
//! ```sh
//! echo rust_driver_accel_buses > /sys/bus/platform/devices/NAME/driver_override
//! echo NAME > /sys/bus/platform/drivers/rust_driver_accel_buses/bind
//! ```

use core::marker::PhantomData;
use kernel::{
    accel,
    auxiliary,
    device::{
        self,
        Bound,
        Core,
        DeviceContext, //
    },
    driver,
    page,
    platform,
    prelude::*,
    sync::Arc,
    types::CovariantForLt,
    InPlaceModule, //
};

const MODULE_NAME: &CStr = <LocalModule as kernel::ModuleMetadata>::NAME;
const UNIT_NAME: &CStr = c"unit";

/// What the chip tells the driver of its unit on the auxiliary bus.
struct Shared {
    serial: u64,
}

/// A bus that units lie on.
trait Bus: Send + Sync + 'static {
    type Device<Ctx: DeviceContext>: AsRef<device::Device<Ctx>>;

    fn serial(device: &Self::Device<Bound>) -> Result<u64>;
}

struct Platform;

impl Bus for Platform {
    type Device<Ctx: DeviceContext> = platform::Device<Ctx>;

    fn serial(_device: &platform::Device<Bound>) -> Result<u64> {
        Ok(1)
    }
}

struct Auxiliary;

impl Bus for Auxiliary {
    type Device<Ctx: DeviceContext> = auxiliary::Device<Ctx>;

    fn serial(device: &auxiliary::Device<Bound>) -> Result<u64> {
        let shared = device.registration_data::<CovariantForLt!(Shared)>()?;
        Ok(shared.serial)
    }
}

/// The driver of units, on any bus.
struct Unit<B>(PhantomData<B>);

#[vtable]
impl<B: Bus> accel::Driver for Unit<B> {
    type Parent<Ctx: DeviceContext> = B::Device<Ctx>;
    type Data<'a> = u64;
    type Context = ();
    type Queue = ();
    type QueueArgs = accel::NoArgs;

    fn probe<'a>(parent: &'a B::Device<Bound>) -> impl PinInit<u64, Error> + 'a {
        B::serial(parent)
    }

    fn info(_serial: &u64) -> accel::DeviceInfo {
        accel::DeviceInfo {
            name: c"unit without a function",
            modes: &[accel::AddressMode::Private],
            reach: accel::Reach::Software,
            ..accel::DeviceInfo::UNKNOWN
        }
    }

    fn context_create(_serial: &u64, _: &accel::ContextRequest<'_>) -> Result {
        Ok(())
    }

    fn queue_create(
        serial: &u64,
        _: &accel::QueueRequest<'_, Self>,
    ) -> Result<accel::NewQueue<()>> {
        let memory = Arc::new(page::SharedPages::new(page::PAGE_SIZE)?, GFP_KERNEL)?;
        memory.write(0, *serial)?;
        Ok(accel::NewQueue {
            queue: (),
            depth: 1,
            regions: kernel::kvec![accel::Region::memory(memory)]?,
        })
    }

    fn queue_destroy(_serial: &u64, _queue: &()) -> Result {
        Ok(())
    }

    fn halt(_serial: &u64) {}
}

/// The chip; it takes its second unit with it when it goes.
struct Chip<'bound> {
    _unit: auxiliary::Registration<'bound, CovariantForLt!(Shared)>,
}

impl platform::Driver for Chip<'static> {
    type IdInfo = ();
    type Data<'bound> = Chip<'bound>;

    fn probe<'bound>(
        pdev: &'bound platform::Device<Core<'_>>,
        _info: Option<&'bound ()>,
    ) -> impl PinInit<Chip<'bound>, Error> + 'bound {
        accel::register::<Unit<Platform>>(pdev)?;
        let second = Shared { serial: 2 };
        Ok(Chip {
            _unit: auxiliary::Registration::new(pdev.as_ref(), UNIT_NAME, 0, MODULE_NAME, second)?,
        })
    }
}

struct AuxiliaryUnit;

kernel::auxiliary_device_table!(
    UNITS,
    <AuxiliaryUnit as auxiliary::Driver>::IdInfo,
    [(auxiliary::DeviceId::new(MODULE_NAME, UNIT_NAME), ())]
);

impl auxiliary::Driver for AuxiliaryUnit {
    type IdInfo = ();
    type Data<'bound> = Self;

    const ID_TABLE: auxiliary::IdTable<()> = &UNITS;

    fn probe<'bound>(
        adev: &'bound auxiliary::Device<Core<'_>>,
        _info: &'bound (),
    ) -> impl PinInit<Self, Error> + 'bound {
        accel::register::<Unit<Auxiliary>>(adev)?;
        Ok(Self)
    }
}

#[pin_data]
struct Buses {
    #[pin]
    _platform: driver::Registration<platform::Adapter<Chip<'static>>>,
    #[pin]
    _auxiliary: driver::Registration<auxiliary::Adapter<AuxiliaryUnit>>,
}

impl InPlaceModule for Buses {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _platform <- driver::Registration::new(MODULE_NAME, module),
            _auxiliary <- driver::Registration::new(MODULE_NAME, module),
        })
    }
}

module! {
    type: Buses,
    name: "rust_driver_accel_buses",
    authors: ["The accel developers"],
    description: "Rust accelerator driver sample, on several buses",
    license: "GPL",
}
