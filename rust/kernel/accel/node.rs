// SPDX-License-Identifier: GPL-2.0

//! The device nodes: `/dev/accelN` and `/dev/accel_monitorN`.

use super::{
    class,
    context::Context,
    device::Device,
    info,
    ioctl,
    queue, //
};
use crate::{
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
    str::CString,
    sync::Arc,
    uaccess::UserPtr,
    uapi, //
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

impl Open for Compute {
    const MODE: u16 = 0o660;

    fn open(&self, _file: &File) -> Result<Arc<Context>> {
        Context::new(&self.0)
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
            uapi::accel_ioctl_nr_ACCEL_NR_QUEUE_CREATE => queue::create(&context.into(), arg),
            _ => Err(ENOTTY),
        }
    }
}

/// The monitor node. It tells about the device and can do nothing with it.
struct Monitor(Arc<Device>);

impl Open for Monitor {
    const MODE: u16 = 0o444;

    fn open(&self, _file: &File) -> Result<Arc<Device>> {
        Ok(self.0.clone())
    }
}

#[vtable]
impl Operations for Monitor {
    type Private = Arc<Device>;

    fn ioctl(device: Borrowed<'_, Self>, _file: &File, cmd: u32, arg: UserPtr) -> Result<isize> {
        match ioctl::number(cmd)? {
            uapi::accel_ioctl_nr_ACCEL_NR_INFO => info::query(&device, arg),
            _ => Err(ENOTTY),
        }
    }
}
