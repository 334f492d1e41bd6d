// SPDX-License-Identifier: GPL-2.0

//! Buffers that contexts make: `ACCEL_BUFFER_ALLOC` and `ACCEL_BUFFER_WRAP`.

use super::{
    context::Context,
    device::{
        Access,
        Device, //
    },
    local_memory::{
        Block,
        LocalMemory,
        Resident, //
    }, //
};
use crate::{
    dma_buf::{
        export::{
            self,
            Exporter, //
        },
        DmaBuf, //
    },
    fs::file::{
        flags,
        FileDescriptorReservation, //
    },
    mm::pin::{
        self,
        PinnedPages, //
    },
    page::{
        list::{
            Layout,
            PageList,
            SystemPages,
            Zone, //
        },
        page_align,
        BorrowedPage,
        PAGE_SIZE, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        SetOnce, //
    },
    uaccess::UserPtr,
    uapi,
    ustruct, //
};

/// Where the memory of a buffer is.
enum Memory {
    System(SystemPages),
    Device(Block),
    Process(PinnedPages),
}

impl Memory {
    fn pages(&self) -> &dyn PageList {
        match self {
            Self::System(pages) => pages,
            Self::Device(block) => block.pages(),
            Self::Process(pages) => pages,
        }
    }
}

// SAFETY: All is passed on to a list that is a part of this, and always to the same.
unsafe impl PageList for Memory {
    fn count(&self) -> usize {
        self.pages().count()
    }

    fn page(&self, index: usize) -> Option<BorrowedPage<'_>> {
        self.pages().page(index)
    }

    fn writable(&self) -> bool {
        self.pages().writable()
    }

    fn write_combined(&self) -> bool {
        self.pages().write_combined()
    }
}

/// Bytes that are part of a count for as long as this lives.
pub(super) struct Counted {
    total: Arc<Atomic<u64>>,
    bytes: u64,
}

impl Counted {
    pub(super) fn new(total: &Arc<Atomic<u64>>, bytes: u64) -> Self {
        total.fetch_add(bytes, Relaxed);
        Self {
            total: total.clone(),
            bytes,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Relaxed);
    }
}

/// What a dma-buf of ours is made of.
struct Buffer {
    /// Of device memory alone: what else it takes.
    local: SetOnce<(Resident, Counted)>,
    /// Of device memory alone: it goes with the device.
    device: Option<Arc<Device>>,
    memory: Memory,
}

#[vtable]
impl Exporter for Buffer {
    type Memory = Memory;

    const NAME: &'static CStr = c"accel";

    fn memory(&self) -> &Memory {
        &self.memory
    }

    fn check_map(&self) -> Result {
        let device = self.device.as_ref();
        match device.and_then(|device| device.local_memory()) {
            Some(memory) if memory.is_closed() => Err(ENODEV),
            _ => Ok(()),
        }
    }
}

fn export(memory: Memory, device: Option<Arc<Device>>) -> Result<(ARef<DmaBuf>, Arc<Buffer>)> {
    let buffer = Arc::new(
        Buffer {
            local: SetOnce::new(),
            device,
            memory,
        },
        GFP_KERNEL_ACCOUNT,
    )?;
    Ok((export::export(buffer.clone())?, buffer))
}

/// Gives `dma_buf` a descriptor, whose number `tell` brings to user space.
fn install(dma_buf: ARef<DmaBuf>, tell: impl FnOnce(i32) -> Result) -> Result<isize> {
    let fd = FileDescriptorReservation::get_unused_fd_flags(flags::O_CLOEXEC)?;
    tell(fd.reserved_fd() as i32)?;
    DmaBuf::install(dma_buf, fd);
    Ok(0)
}

/// `ACCEL_BUFFER_ALLOC`.
pub(super) fn alloc(context: &Context, arg: UserPtr) -> Result<isize> {
    let mut args: uapi::accel_buffer_alloc = ustruct::read(arg)?;
    let known = uapi::ACCEL_ALLOC_CONTIGUOUS | uapi::ACCEL_ALLOC_WRITE_COMBINE;
    if args.flags & !known != 0 || args.length > i64::MAX as u64 {
        return Err(EINVAL);
    }
    let request = Request {
        size: size(args.length)?,
        alignment: match args.alignment {
            0 => PAGE_SIZE,
            alignment => usize::try_from(alignment)?.max(PAGE_SIZE),
        },
        contiguous: args.flags & uapi::ACCEL_ALLOC_CONTIGUOUS != 0,
        write_combined: args.flags & uapi::ACCEL_ALLOC_WRITE_COMBINE != 0,
    };
    if request.size == 0 || (args.alignment != 0 && !args.alignment.is_power_of_two()) {
        return Err(EINVAL);
    }

    let dma_buf = match args.memory {
        uapi::accel_memory_ACCEL_MEMORY_SYSTEM => request.alloc_system(context.device())?,
        uapi::accel_memory_ACCEL_MEMORY_DEVICE => request.alloc_device(context)?,
        _ => return Err(EINVAL),
    };
    args.length = request.size as u64;
    install(dma_buf, |fd| {
        args.fd = fd;
        ustruct::write(arg, args.size, &args)
    })
}

/// `length` in whole pages. Fails with [`ENOMEM`] if the kernel can't even address as much.
fn size(length: u64) -> Result<usize> {
    let length = usize::try_from(length).map_err(|_| ENOMEM)?;
    page_align(length).ok_or(ENOMEM)
}

/// What user space wants to have allocated.
struct Request {
    size: usize,
    alignment: usize,
    contiguous: bool,
    write_combined: bool,
}

impl Request {
    fn alloc_system(&self, device: &Device) -> Result<ARef<DmaBuf>> {
        if self.alignment > PAGE_SIZE && !self.contiguous {
            return Err(EOPNOTSUPP);
        }
        let access = device.enter()?;
        let mut layout = Layout::new().zone(zone(&access));
        // Not for longer: to get memory takes as long as it takes.
        drop(access);
        if self.contiguous {
            layout = layout.contiguous(self.alignment);
        }
        if self.write_combined {
            layout = layout.write_combined();
        }
        let pages = SystemPages::new(self.size, layout)?;
        Ok(export(Memory::System(pages), None)?.0)
    }

    fn alloc_device(&self, context: &Context) -> Result<ARef<DmaBuf>> {
        let device = context.device();
        let memory: &Arc<LocalMemory> = device.local_memory().ok_or(EOPNOTSUPP)?;
        if self.write_combined {
            return Err(EOPNOTSUPP);
        }
        let access = device.enter()?;
        let block = memory.allocate(self.size, self.alignment, self.contiguous)?;
        let (dma_buf, buffer) = export(Memory::Device(block), Some(device.clone()))?;
        let mappings = dma_buf.mappings::<Buffer>().ok_or(EINVAL)?;
        // SAFETY: The exporter keeps it from here on.
        let resident = unsafe { memory.add_buffer(mappings)? };
        let counted = Counted::new(&context.device_memory, self.size as u64);
        buffer.local.populate((resident, counted));
        drop(access);
        Ok(dma_buf)
    }
}

/// Where pages must lie for the device to reach them.
fn zone(access: &Access<'_>) -> Zone {
    match access.dma_mask() {
        Some(_) => Zone::reached_by(access.parent()),
        // It does no DMA, whatever mask its bus has given it.
        None => Zone::Normal,
    }
}

/// `ACCEL_BUFFER_WRAP`.
pub(super) fn wrap(context: &Context, arg: UserPtr) -> Result<isize> {
    let mut args: uapi::accel_buffer_wrap = ustruct::read(arg)?;
    if args.flags & !uapi::ACCEL_WRAP_READ_ONLY != 0 || args.reserved != 0 {
        return Err(EINVAL);
    }
    // Not for longer: user memory may keep who touches it for as long as its owner likes.
    drop(context.device().enter()?);

    let (address, length) = (args.address.try_into()?, args.length.try_into()?);
    let pages = pin(address, length, &mut args.flags)?;
    let dma_buf = export(Memory::Process(pages), None)?.0;
    install(dma_buf, |fd| {
        args.fd = fd;
        ustruct::write(arg, args.size, &args)
    })
}

/// Pins the memory to be written, or to be read if that is what it allows, or what is asked for.
fn pin(address: usize, length: usize, flags: &mut u32) -> Result<PinnedPages> {
    if *flags & uapi::ACCEL_WRAP_READ_ONLY == 0 {
        match PinnedPages::new(address, length, pin::Access::ReadWrite) {
            Err(EFAULT) => *flags |= uapi::ACCEL_WRAP_READ_ONLY,
            done => return done,
        }
    }
    PinnedPages::new(address, length, pin::Access::ReadOnly)
}
