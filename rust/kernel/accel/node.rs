// SPDX-License-Identifier: GPL-2.0

//! The device nodes: `/dev/accelN` and `/dev/accel_monitorN`.

use super::{
    context::Context,
    device::Device,
    info,
    ioctl,
    queue, //
};
use crate::{
    chrdev::Open,
    fs::{
        operations::{
            Borrowed,
            Operations, //
        },
        File, //
    },
    prelude::*,
    sync::Arc,
    uaccess::UserPtr,
    uapi, //
};

/// The compute node. An open is a context.
pub(super) struct Compute(pub(super) Arc<Device>);

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
pub(super) struct Monitor(pub(super) Arc<Device>);

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
