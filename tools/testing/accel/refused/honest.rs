// SPDX-License-Identifier: GPL-2.0
// accepted

//! Keeps what it may keep: the control.

include!("common.inc");

use kernel::{
    debugfs,
    new_mutex,
    sync::Mutex,
    sysfs, //
};

/// What it has of its parent, and of the device.
#[pin_data]
struct Data<'a> {
    parent: &'a device::Device<Bound>,
    #[pin]
    device: Mutex<Option<Arc<accel::Device>>>,
}

struct Name;

#[vtable]
impl sysfs::Attribute<Arc<accel::Device>> for Name {
    const NAME: &'static CStr = c"rogue";

    fn show(device: &Arc<accel::Device>, out: &mut sysfs::Output<'_>) -> Result {
        let there = device.with_data::<Rogue, _>(|data| Ok(data.device.lock().is_some()))?;
        out.emit(fmt!("{there}\n"))
    }
}

#[repr(C)]
#[derive(FromBytes, IntoBytes)]
struct Ask {
    size: u32,
    answer: u32,
}

fn ask(_data: &Data<'_>, queue: &Arc<accel::Device>, ask: &mut Ask) -> Result {
    ask.answer = queue.id();
    Ok(())
}

#[vtable]
impl accel::Driver for Rogue {
    common!(queue = Arc<accel::Device>);

    type Data<'a> = Data<'a>;

    const QUEUE_IOCTLS: &'static [accel::QueueIoctl<Self>] = accel::declare_ioctls! {
        QueueIoctl: (0x40, Ask, 8, ask), (0x41, Ask, 4, ask),
    };
    const ATTRIBUTES: Option<&'static sysfs::Group<Arc<accel::Device>>> = Some(sysfs::group![Name]);
    const SUBMISSION: Option<accel::Submission<Self>> = Some(accel::Submission::of_driver());

    fn probe<'a>(parent: &'a faux::Device<Bound>) -> impl PinInit<Data<'a>, Error> + 'a {
        try_pin_init!(Data {
            parent: parent.as_ref(),
            device <- new_mutex!(None),
        })
    }

    fn queue_create(
        _data: &Data<'_>,
        request: &accel::QueueRequest<'_, Self>,
    ) -> Result<accel::NewQueue<Arc<accel::Device>>> {
        Ok(accel::NewQueue {
            queue: request.device.clone(),
            depth: 1,
            regions: KVec::new(),
        })
    }

    fn debugfs<'a>(
        data: &'a Data<'_>,
        device: &'a Arc<accel::Device>,
        _dir: &debugfs::ScopedDir<'a, '_>,
    ) {
        dev_info!(data.parent, "is accel{}\n", device.id());
        *data.device.lock() = Some(device.clone());
    }
}

impl accel::Submit for Rogue {
    type Job = u64;
    const JOB_MIN: usize = 8;
    type Record = [u64; 2];
    type Prepared = u64;

    fn prepare(
        _data: &Data<'_>,
        _queue: &Arc<accel::Device>,
        job: &u64,
        _buffers: &Arc<accel::Buffers>,
    ) -> Result<u64> {
        Ok(*job)
    }

    fn submit(
        _data: &Data<'_>,
        _queue: &Arc<accel::Device>,
        job: &u64,
        ticket: accel::Ticket<Self>,
    ) -> Result<(), accel::Ticket<Self>> {
        ticket.end(Ok(()), &[*job, 0]);
        Ok(())
    }
}
