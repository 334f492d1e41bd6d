// SPDX-License-Identifier: GPL-2.0

//! The device nodes: `/dev/accelN` and `/dev/accel_monitorN`.

use super::{
    address_space,
    buffer,
    class,
    context::Context,
    descriptor,
    device::Device,
    events::Reader,
    info,
    ioctl, //
};
use crate::{
    bindings,
    capability::{
        capable,
        capable_unaudited,
        Cap, //
    },
    chrdev::{
        self,
        Open, //
    },
    device::{
        self,
        Bound, //
    },
    fs::{
        operations::{
            Borrowed,
            Operations, //
        },
        File, //
    },
    prelude::*,
    seq_file::SeqFile,
    str::CString,
    sync::{
        poll::PollTable,
        Arc, //
    },
    sysfs::{
        self,
        Owner, //
    },
    uaccess::{
        UserPtr,
        UserSliceWriter, //
    },
    uapi,
    ustruct, //
};

/// Both nodes of a device, visible for as long as this lives.
pub(super) struct Nodes {
    _compute: chrdev::Registration<'static, Compute>,
    _monitor: chrdev::Registration<'static, Monitor>,
}

impl Nodes {
    /// Makes the nodes visible.
    ///
    /// Not generic, so that what a file or a node calls is in the kernel itself: it is called even
    /// when the driver's module has been let go.
    #[inline(never)]
    pub(super) fn new(
        parent: &'static device::Device<Bound>,
        device: &Arc<Device>,
    ) -> Result<Self> {
        let class::Shared { class, numbers, .. } = class::shared()?;
        let owner = device.ops().owner;
        let id = device.id();

        Ok(Self {
            _monitor: chrdev::Registration::new(
                parent,
                class,
                numbers,
                2 * id + 1,
                &CString::try_from_fmt(fmt!("accel_monitor{id}"))?,
                owner,
                Monitor(device.clone()),
            )?,
            _compute: chrdev::Registration::new(
                parent,
                class,
                numbers,
                2 * id,
                &CString::try_from_fmt(fmt!("accel{id}"))?,
                owner,
                Compute(device.clone()),
            )?,
        })
    }
}

/// The compute node. An open is a context.
struct Compute(Arc<Device>);

// SAFETY: Attributes of devices are given to compute nodes only, see `Compute::attributes`.
unsafe impl Owner for Arc<Device> {
    unsafe fn from_device<'a>(dev: *mut bindings::device) -> &'a Self {
        // SAFETY: By the requirements of this function, `dev` is that of a compute node, with its
        // files.
        &unsafe { Compute::from_device(dev) }.0
    }
}

impl Open for Compute {
    const MODE: u16 = 0o660;

    fn open(&self, _file: &File) -> Result<Arc<Context>> {
        Context::new(&self.0)
    }

    fn attributes(&self) -> sysfs::Groups<Self> {
        // SAFETY: What is given to compute nodes leads to their `Arc<Device>`.
        unsafe { self.0.ops().attributes.given_to() }
    }
}

#[vtable]
impl Operations for Compute {
    type Private = Arc<Context>;

    fn release(context: Arc<Context>) {
        context.device().remove_context(&context);
    }

    fn ioctl(context: Borrowed<'_, Self>, _file: &File, cmd: u32, arg: UserPtr) -> Result<isize> {
        match ioctl::number(cmd)? {
            uapi::accel_ioctl_nr_ACCEL_NR_INFO => info::query(context.device(), arg),
            uapi::accel_ioctl_nr_ACCEL_NR_CONTEXT_BIND => context.bind(arg),
            uapi::accel_ioctl_nr_ACCEL_NR_QUEUE_CREATE => descriptor::create(&context.into(), arg),
            uapi::accel_ioctl_nr_ACCEL_NR_RESET => reset(context.device(), arg),
            uapi::accel_ioctl_nr_ACCEL_NR_BUFFER_ALLOC => buffer::alloc(&context, arg),
            uapi::accel_ioctl_nr_ACCEL_NR_BUFFER_WRAP => buffer::wrap(&context, arg),
            uapi::accel_ioctl_nr_ACCEL_NR_BUFFER_MAP => address_space::map(&context, arg),
            uapi::accel_ioctl_nr_ACCEL_NR_BUFFER_UNMAP => address_space::unmap(&context, arg),
            nr => context.driver_ioctl(nr, arg),
        }
    }

    fn show_fdinfo(context: Borrowed<'_, Self>, _file: &File, seq: &SeqFile) {
        context.show_fdinfo(seq);
    }
}

/// `ACCEL_RESET`.
fn reset(device: &Arc<Device>, arg: UserPtr) -> Result<isize> {
    let args: uapi::accel_reset = ustruct::read(arg)?;
    if args.flags != 0 {
        return Err(EINVAL);
    }
    if !capable(Cap::SysAdmin) {
        return Err(EPERM);
    }
    device.reset(&device.enter()?).map(|()| 0)
}

/// The monitor node. It tells about the device and can do nothing with it.
struct Monitor(Arc<Device>);

/// An open of the monitor node.
struct Watch {
    device: Arc<Device>,
    reader: Reader,
}

impl Open for Monitor {
    const MODE: u16 = 0o444;

    fn open(&self, _file: &File) -> Result<Arc<Watch>> {
        let watch = Watch {
            device: self.0.clone(),
            reader: Reader::new(&self.0.events, capable_unaudited(Cap::Perfmon)),
        };
        Ok(Arc::new(watch, GFP_KERNEL_ACCOUNT)?)
    }
}

#[vtable]
impl Operations for Monitor {
    type Private = Arc<Watch>;

    fn read(watch: Borrowed<'_, Self>, file: &File, mut to: UserSliceWriter) -> Result<usize> {
        watch.reader.read(&watch.device.events, file, &mut to)
    }

    fn poll(watch: Borrowed<'_, Self>, file: &File, table: &PollTable<'_>) -> u32 {
        watch.reader.poll(&watch.device.events, file, table)
    }

    fn ioctl(watch: Borrowed<'_, Self>, _file: &File, cmd: u32, arg: UserPtr) -> Result<isize> {
        match ioctl::number(cmd)? {
            uapi::accel_ioctl_nr_ACCEL_NR_INFO => info::query(&watch.device, arg),
            uapi::accel_ioctl_nr_ACCEL_NR_EVENTS => choose_events(&watch.reader, arg),
            _ => Err(ENOTTY),
        }
    }
}

/// `ACCEL_EVENTS`.
fn choose_events(reader: &Reader, arg: UserPtr) -> Result<isize> {
    let mut args: uapi::accel_events = ustruct::read(arg)?;
    if args.flags != 0 || args.reserved != 0 {
        return Err(EINVAL);
    }
    let size = reader.check_size(args.event_size)?;
    args.event_size = size_of::<uapi::accel_event>() as u32;
    ustruct::write(arg, args.size, &args)?;
    reader.choose(args.mask, size);
    Ok(0)
}
