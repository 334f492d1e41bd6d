// SPDX-License-Identifier: GPL-2.0

//! The descriptor of a queue: how it is had, and what can be asked of it.

use super::{
    class,
    context::Context,
    device::{
        Access,
        Device, //
    },
    driver::{
        AddressMode,
        Doorbell, //
    },
    ioctl::{
        self,
        Argument, //
    },
    queue::Queue,
    submit,
    table::Args, //
};
use crate::{
    anon_inode,
    capability::{
        capable,
        Cap, //
    },
    eventfd::EventFd,
    fs::{
        file::{
            flags,
            FileDescriptorReservation, //
        },
        operations::{
            Borrowed,
            Operations, //
        },
        File, //
    },
    mm::fault::{
        Fault,
        FaultResult,
        Kind,
        NewMapping, //
    },
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{
        aref::ARef,
        poll::PollTable,
        Arc, //
    },
    uaccess::{
        UserPtr,
        UserSliceWriter, //
    },
    uapi,
    ustruct::{
        self,
        Array, //
    }, //
};

/// `ACCEL_QUEUE_CREATE`, on a context's descriptor.
pub(super) fn create(context: &Arc<Context>, arg: UserPtr) -> Result<isize> {
    let mut args: uapi::accel_queue_create = ustruct::read(arg)?;
    check_args(context.device(), &args)?;
    let driver_args = Args::read(
        context.device().ops(),
        ustruct::pointer(args.driver_data)?,
        args.driver_data_size,
    )?;

    let access = context.device().operate()?;
    let space = context.space(&access)?;
    context.check_caller(space.mode)?;
    check_doorbell(context.device(), space.mode)?;
    let fd = FileDescriptorReservation::get_unused_fd_flags(flags::O_CLOEXEC)?;
    let queue = Queue::new(context, &access, space, &args, driver_args)?;
    args.fd = fd.reserved_fd() as i32;
    args.depth = queue.depth();
    // From here on the file owns the queue: dropping it destroys the queue.
    let file = into_file(queue, &access)?;
    drop(access);

    ustruct::write(arg, args.size, &args)?;
    fd.fd_install(file);
    Ok(0)
}

fn check_args(device: &Device, args: &uapi::accel_queue_create) -> Result {
    if args.flags != 0
        || args.depth > device.info().depth_max
        || args.priority >= device.info().priorities
        || (args.driver_data == 0) != (args.driver_data_size == 0)
    {
        return Err(EINVAL);
    }
    if args.priority != 0 && !capable(Cap::SysNice) {
        return Err(EACCES);
    }
    Ok(())
}

/// Fails with [`EPERM`] if a process that maps a doorbell could ring those of others.
fn check_doorbell(device: &Device, mode: AddressMode) -> Result {
    if device.info().doorbell != Doorbell::Shared || mode == AddressMode::Kernel {
        return Ok(());
    }
    let allowed = class::shared()?.allow_shared_doorbells;
    device.warn_shared_doorbells(allowed);
    if allowed {
        Ok(())
    } else {
        Err(EPERM)
    }
}

/// Makes the queue's file; destroys the queue if that fails.
fn into_file(queue: Arc<Queue>, access: &Access<'_>) -> Result<ARef<File>> {
    let (file, inode) =
        anon_inode::create_file::<Descriptor>(c"[accel_queue]", queue.clone(), flags::O_RDWR)
            .inspect_err(|_| queue.close(access))?;
    queue.set_inode(inode);
    Ok(file)
}

/// `ACCEL_QUEUE_INFO`.
fn info(queue: &Queue, arg: UserPtr) -> Result<isize> {
    let mut info: uapi::accel_queue_info = ustruct::read(arg)?;
    if info.flags != 0 || info.reserved != 0 {
        return Err(EINVAL);
    }

    let (count, regions) = queue.with_live(|live| {
        let wanted = info.region_count as usize;
        Ok((live.regions.len(), live.regions.describe(wanted)?))
    })?;
    Array::new(info.regions, info.region_count, info.region_size)?.write(&regions)?;

    info.id = queue.id();
    info.depth = queue.depth();
    info.job_size = queue.job_size();
    info.region_count = count as u32;
    info.region_size = size_of::<uapi::accel_region>() as u32;
    ustruct::write(arg, info.size, &info).map(|()| 0)
}

/// `ACCEL_QUEUE_EVENTFD`.
fn set_eventfd(queue: &Queue, arg: UserPtr) -> Result<isize> {
    let args: uapi::accel_queue_eventfd = ustruct::read(arg)?;
    if args.flags != 0 || args.reserved != 0 || args.fd < -1 {
        return Err(EINVAL);
    }
    let eventfd = match args.fd {
        -1 => None,
        fd => Some(EventFd::from_fd(fd)?),
    };
    queue.notices.set_eventfd(eventfd).map(|()| 0)
}

/// An ioctl of the driver's own.
fn driver_ioctl(queue: &Queue, nr: u32, arg: UserPtr) -> Result<isize> {
    let device = queue.context.device();
    let shapes = (0..).map_while(device.ops().queue_shape);
    let (index, mut argument) = Argument::read(shapes, nr, arg)?;

    let access = queue.operate()?;
    queue
        .with_live(|live| {
            // SAFETY: `access` keeps the driver's data, `with_live` the queue.
            unsafe { live.driver.ioctl(access.data(), index, argument.bytes()) }
        })
        // If the device was halted meanwhile, the queue dies.
        .map_err(|e| if access.excuse(e) == e { e } else { ENODEV })?;
    drop(access);
    argument.write().map(|()| 0)
}

/// A queue's descriptor.
struct Descriptor;

#[vtable]
impl Operations for Descriptor {
    type Private = Arc<Queue>;

    fn release(queue: Arc<Queue>) {
        // If the device is going or being reset, whoever does that destroys the queue.
        if let Ok(access) = queue.context.device().operate() {
            queue.close(&access);
        }
        queue.wait_gone();
    }

    fn read(queue: Borrowed<'_, Self>, file: &File, mut to: UserSliceWriter) -> Result<usize> {
        if to.len() < size_of::<u64>() {
            return Err(EINVAL);
        }
        queue.context.check_caller(queue.mode)?;

        let wait = file.flags() & flags::O_NONBLOCK == 0;
        let count = queue.notices.take_unread(wait)?;
        to.write(&count)
            .inspect_err(|_| queue.notices.give_back(count))?;
        Ok(size_of::<u64>())
    }

    fn poll(queue: Borrowed<'_, Self>, file: &File, table: &PollTable<'_>) -> u32 {
        queue.notices.poll(file, table)
    }

    fn ioctl(queue: Borrowed<'_, Self>, _file: &File, cmd: u32, arg: UserPtr) -> Result<isize> {
        let nr = ioctl::number(cmd)?;
        queue.context.check_caller(queue.mode)?;
        match nr {
            uapi::accel_ioctl_nr_ACCEL_NR_QUEUE_INFO => info(&queue, arg),
            uapi::accel_ioctl_nr_ACCEL_NR_QUEUE_EVENTFD => set_eventfd(&queue, arg),
            uapi::accel_ioctl_nr_ACCEL_NR_QUEUE_SUBMIT => match queue.pipeline.as_ref() {
                Some(pipeline) => {
                    submit::submit(&queue, pipeline, arg).inspect_err(|_| queue.wait_revoked())
                }
                None => Err(EOPNOTSUPP),
            },
            nr => driver_ioctl(&queue, nr, arg),
        }
    }

    fn mmap(queue: Borrowed<'_, Self>, _file: &File, mapping: &NewMapping<'_>) -> Result<Kind> {
        queue.context.check_caller(queue.mode)?;
        queue.with_live(|live| live.regions.map(mapping))
    }

    fn fault(queue: Borrowed<'_, Self>, fault: &Fault<'_>) -> FaultResult {
        queue.fault(fault)
    }

    fn show_fdinfo(queue: Borrowed<'_, Self>, _file: &File, seq: &SeqFile) {
        let completions = queue.notices.completions();
        seq_print!(seq, "accel-device:\t{}\n", queue.context.device().id());
        seq_print!(seq, "accel-context:\t{}\n", queue.context.id());
        seq_print!(seq, "accel-queue:\t{}\n", queue.id());
        seq_print!(seq, "accel-completions:\t{completions}\n");
    }
}
