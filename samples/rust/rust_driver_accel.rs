// SPDX-License-Identifier: GPL-2.0

//! Rust accelerator driver sample: a device in software that adds numbers up.
//!
//! A queue has a page of numbers to map. A job replaces the first `count` of them by running
//! totals; the total goes on in the next job, on any queue of the context.
//! `Documentation/accel/driver-guide.rst` builds this driver step by step.

use kernel::{
    accel,
    device,
    faux,
    new_owned_delayed_work,
    page,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    uapi,
    workqueue, //
};

/// Numbers in the page of a queue.
const DEPTH: u32 = (page::PAGE_SIZE / size_of::<u64>()) as u32;

/// The driver's ioctl on queues: does a job with the first `count` numbers.
#[repr(C)]
#[derive(FromBytes, IntoBytes)]
struct Add {
    size: u32,
    count: u32,
}

/// What does the jobs of a queue: the hardware, as it were.
struct Adder {
    device: Arc<accel::Device>,
    queue: u32,
    numbers: Arc<page::SharedPages>,
    total: Arc<Atomic<u64>>,
    /// Of the job that is under way, 0 if there is none.
    count: Atomic<u32>,
}

impl workqueue::cancel::Callback for Adder {
    fn run(&self, _schedule: &workqueue::cancel::Schedule) {
        // All lie in the page: the ioctl has checked the count.
        for offset in (0..self.count.load(Relaxed) as usize).map(|i| i * size_of::<u64>()) {
            let number: u64 = self.numbers.read(offset).unwrap_or(0);
            let sum = self.total.fetch_add(number, Relaxed).wrapping_add(number);
            let _ = self.numbers.write(offset, sum);
        }
        self.count.store(0, Relaxed);
        self.device.complete(self.queue);
    }
}

type Work = Pin<KBox<workqueue::cancel::OwnedDelayedWork<Adder>>>;

/// Hands a job to the device. Fails with [`EBUSY`] while there is one.
fn add(_data: &(), queue: &Work, job: &mut Add) -> Result {
    if job.count == 0 || job.count > DEPTH {
        return Err(EINVAL);
    }
    let count = &queue.callback().count;
    count.cmpxchg(0, job.count, Relaxed).map_err(|_| EBUSY)?;
    queue.schedule(0);
    Ok(())
}

struct Sample {
    _device: faux::Registration,
}

#[vtable]
impl accel::Driver for Sample {
    type Parent<Ctx: device::DeviceContext> = faux::Device<Ctx>;
    type Data<'a> = ();
    type Context = Arc<Atomic<u64>>;
    type Queue = Work;
    type QueueArgs = accel::NoArgs;

    const QUEUE_IOCTLS: &'static [accel::QueueIoctl<Self>] = accel::declare_ioctls! {
        QueueIoctl: (uapi::accel_ioctl_nr_ACCEL_NR_DRIVER_BASE, Add, 8, add),
    };

    fn probe<'a>(_parent: &'a faux::Device<device::Bound>) -> impl PinInit<(), Error> + 'a {
        Ok(())
    }

    fn info(_data: &()) -> accel::DeviceInfo {
        accel::DeviceInfo {
            name: c"adder in software",
            modes: &[accel::AddressMode::Private],
            reach: accel::Reach::Software,
            queues_max: 8,
            depth_max: DEPTH,
            ..accel::DeviceInfo::UNKNOWN
        }
    }

    fn context_create(_data: &(), _: &accel::ContextRequest<'_>) -> Result<Self::Context> {
        Ok(Arc::new(Atomic::new(0), GFP_KERNEL)?)
    }

    fn queue_create(_d: &(), new: &accel::QueueRequest<'_, Self>) -> Result<accel::NewQueue<Work>> {
        let numbers = Arc::new(page::SharedPages::new(page::PAGE_SIZE)?, GFP_KERNEL)?;
        let adder = Adder {
            device: new.device.clone(),
            queue: new.id,
            numbers: numbers.clone(),
            total: new.context.clone(),
            count: Atomic::new(0),
        };
        let work = new_owned_delayed_work!(workqueue::system_dfl(), adder, "rust_accel_sample");
        Ok(accel::NewQueue {
            queue: KBox::pin_init(work, GFP_KERNEL)?,
            depth: DEPTH,
            regions: kernel::kvec![accel::Region::memory(numbers)]?,
        })
    }

    fn queue_destroy(_data: &(), queue: &Work) -> Result {
        queue.cancel();
        Ok(())
    }

    // Queues always stop, and there is no reset.
    fn halt(_data: &()) {}
}

impl kernel::Module for Sample {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let device = faux::Registration::new(c"rust-accel-sample", None)?;
        accel::register::<Sample>(device.as_ref())?;
        Ok(Self { _device: device })
    }
}

module! {
    type: Sample,
    name: "rust_driver_accel",
    authors: ["The accel developers"],
    description: "Rust accelerator driver sample",
    license: "GPL",
}
