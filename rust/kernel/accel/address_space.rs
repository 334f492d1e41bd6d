// SPDX-License-Identifier: GPL-2.0

//! Private address spaces: what is mapped where. `ACCEL_BUFFER_MAP` and `ACCEL_BUFFER_UNMAP`.

use super::{
    buffer::Counted,
    buffers::{
        cut,
        direction,
        Reached, //
    },
    context::Context,
    device::Access, //
};
use crate::{
    dma_buf::{
        DmaBuf,
        Vmap, //
    },
    iommu::{
        paging::{
            self,
            PasidDomain, //
        },
        pgtable::prot, //
    },
    maple_tree::{
        AllocErrorKind,
        InsertError,
        InsertErrorKind,
        MapleTreeAlloc, //
    },
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        new_mutex,
        srcu::new_srcu,
        Arc,
        Mutex,
        SetOnce,
        Srcu, //
    },
    uaccess::UserPtr,
    uapi,
    ustruct, //
};
use core::ops;

/// Addresses that are chosen are not below this: a null pointer with an offset hits nothing.
const LOWEST: u64 = 1 << 20;
/// Addresses are not above this: page tables of processors have as many, and the sign is apart; and
/// the kernel has them in a word.
const HIGHEST: u64 = if usize::BITS < 47 {
    usize::MAX as u64
} else {
    (1 << 47) - 1
};
const MASK: u64 = PAGE_SIZE as u64 - 1;

/// A buffer that is mapped.
struct Mapped {
    /// Where; not known before all of it can be used.
    start: SetOnce<u64>,
    length: u64,
    /// Where in the buffer it begins.
    offset: u64,
    flags: u32,
    reached: Reached,
    _counted: Counted,
}

/// What is at a range of addresses.
enum Range {
    Mapped(Mapped),
    /// Pages, by their first and last numbers, that nothing can be mapped at.
    Reserved(usize, usize),
}

impl Range {
    /// First and last page, if they are known.
    fn pages(&self) -> Option<(usize, usize)> {
        match self {
            Self::Reserved(first, last) => Some((*first, *last)),
            Self::Mapped(mapped) => {
                let start = *mapped.start.as_ref()?;
                Some((page(start), page(start + mapped.length - 1)))
            }
        }
    }

    /// The memory behind `address`, the offset in it, and how many bytes there are from there on.
    fn reach(&self, address: u64, flag: u32) -> Result<(&Vmap, usize, usize)> {
        let Self::Mapped(mapped) = self else {
            return Err(EFAULT);
        };
        let start = mapped.start.as_ref().ok_or(EFAULT)?;
        if mapped.flags & flag == 0 {
            return Err(EFAULT);
        }
        let inside = address - start;
        Ok((
            mapped.reached.memory()?,
            (mapped.offset + inside).try_into()?,
            (mapped.length - inside).try_into()?,
        ))
    }
}

/// A private address space.
///
/// A driver in software may keep it for longer than its context; then nothing is mapped there.
#[pin_data]
pub struct AddressSpace {
    /// By page number. Only who holds `tables` changes it.
    #[pin]
    ranges: MapleTreeAlloc<Arc<Range>>,
    /// The page tables; `None` for a device in software, which looks into `ranges`, and at the end.
    #[pin]
    tables: Mutex<Option<PasidDomain>>,
    /// Readers use what they have found in `ranges`, without the lock. `None` where there are page
    /// tables: nobody does that.
    using: Option<Pin<KBox<Srcu>>>,
    /// Nothing is there any more.
    closed: Atomic<bool>,
    pasid: u32,
    /// The last address.
    last: u64,
}

/// The number of its page, for an address that is not above [`HIGHEST`].
fn page(address: u64) -> usize {
    (address >> PAGE_SHIFT) as usize
}

/// A buffer that is to be mapped.
struct Request {
    dma_buf: ARef<DmaBuf>,
    offset: u64,
    length: u64,
    flags: u32,
    /// Where, if that is not to be chosen.
    fixed: Option<u64>,
}

impl Request {
    fn new(args: &uapi::accel_buffer_map) -> Result<Self> {
        const ACCESS: u32 = uapi::ACCEL_ACCESS_READ | uapi::ACCEL_ACCESS_WRITE;

        let fixed = args.flags & uapi::ACCEL_MAP_FIXED != 0;
        let flags = args.flags & !uapi::ACCEL_MAP_FIXED;
        if args.reserved != 0 || flags & !ACCESS != 0 || flags == 0 {
            return Err(EINVAL);
        }
        let dma_buf = DmaBuf::from_fd(args.fd)?;
        let rest = (dma_buf.size() as u64)
            .checked_sub(args.offset)
            .ok_or(EINVAL)?;
        let length = if args.length == 0 { rest } else { args.length };
        let unaligned = (args.offset | length | if fixed { args.address } else { 0 }) & MASK;
        if length == 0 || length > rest || unaligned != 0 {
            return Err(EINVAL);
        }
        if flags & uapi::ACCEL_ACCESS_WRITE != 0 && !dma_buf.writable() {
            return Err(EACCES);
        }
        Ok(Self {
            dma_buf,
            offset: args.offset,
            length,
            flags,
            fixed: fixed.then_some(args.address),
        })
    }
}

impl AddressSpace {
    /// Makes an address space with these page tables, none for a device in software.
    pub(super) fn new(access: &Access<'_>, tables: Option<PasidDomain>) -> Result<Arc<Self>> {
        let aperture = tables.as_ref().map_or(HIGHEST, PasidDomain::last_address);
        let mask = access.dma_mask().map_or(u64::MAX, |mask| mask.value());
        let using = match &tables {
            None => Some(KBox::pin_init(new_srcu!(), GFP_KERNEL_ACCOUNT)?),
            Some(_) => None,
        };
        let space = Arc::pin_init(
            try_pin_init!(Self {
                ranges <- MapleTreeAlloc::new(),
                pasid: tables.as_ref().map_or(0, PasidDomain::pasid),
                tables <- new_mutex!(tables),
                using,
                closed: Atomic::new(false),
                last: aperture.min(mask).min(HIGHEST),
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        if space.pasid != 0 {
            for region in paging::reserved_regions(access.parent())? {
                // What is above the last address is not given out anyway.
                if *region.start() <= space.last {
                    let end = (*region.end()).min(space.last);
                    space.reserve(page(*region.start()), page(end))?;
                }
            }
        }
        Ok(space)
    }

    /// Keeps these pages from being mapped, both included.
    fn reserve(&self, first: usize, last: usize) -> Result {
        let reserved = Arc::new(Range::Reserved(first, last), GFP_KERNEL_ACCOUNT)?;
        match self
            .ranges
            .insert_range(first..=last, reserved, GFP_KERNEL_ACCOUNT)
        {
            Err(InsertError {
                cause: InsertErrorKind::AllocError(_),
                ..
            }) => Err(ENOMEM),
            // Another reservation may be there already.
            _ => Ok(()),
        }
    }

    /// The PASID under which a device reaches it, 0 for a device in software.
    pub(super) fn pasid(&self) -> u32 {
        self.pasid
    }

    /// Maps a buffer; returns where.
    fn map(&self, access: &Access<'_>, request: Request, count: &Arc<Atomic<u64>>) -> Result<u64> {
        let direction = direction(request.flags)?;
        let mapped = Mapped {
            start: SetOnce::new(),
            length: request.length,
            offset: request.offset,
            flags: request.flags,
            reached: Reached::new(access, request.dma_buf, direction)?,
            _counted: Counted::new(count, request.length),
        };
        let range = Arc::new(Range::Mapped(mapped), GFP_KERNEL_ACCOUNT)?;
        let Range::Mapped(mapped) = &*range else {
            return Err(EINVAL);
        };

        let mut tables = self.tables.lock();
        let start = self.place(range.clone(), request.length, request.fixed)?;
        if let Some(tables) = &mut *tables {
            if let Err(e) = enter(tables, start, mapped) {
                drop(self.ranges.erase(page(start)));
                return Err(e);
            }
        }
        mapped.start.populate(start);
        Ok(start)
    }

    /// Finds room for `range`.
    fn place(&self, range: Arc<Range>, length: u64, fixed: Option<u64>) -> Result<u64> {
        let Some(start) = fixed else {
            let pages = page(LOWEST)..=page(self.last);
            let found = self
                .ranges
                .alloc_range(page(length), range, pages, GFP_KERNEL_ACCOUNT);
            return match found {
                Ok(first) => Ok((first as u64) << PAGE_SHIFT),
                Err(e) => Err(match e.cause {
                    AllocErrorKind::Busy => ENOSPC,
                    AllocErrorKind::AllocError(_) => ENOMEM,
                    AllocErrorKind::InvalidRequest => ENOSPC,
                }),
            };
        };
        let last = start.checked_add(length - 1).ok_or(ERANGE)?;
        if last > self.last {
            return Err(ERANGE);
        }
        let pages = page(start)..=page(last);
        let inserted = self.ranges.insert_range(pages, range, GFP_KERNEL_ACCOUNT);
        inserted.map(|()| start).map_err(|e| match e.cause {
            InsertErrorKind::Occupied => EEXIST,
            InsertErrorKind::AllocError(_) => ENOMEM,
            InsertErrorKind::InvalidRequest => EINVAL,
        })
    }

    /// Takes away what is mapped at `start`, of that length. The device can't reach it any more
    /// when this returns.
    fn unmap(&self, start: u64, length: u64) -> Result {
        let mut tables = self.tables.lock();
        let there = self.find(start).ok_or(ENOENT)?;
        match &*there {
            Range::Mapped(mapped) if mapped.start.as_ref() == Some(&start) => {
                if mapped.length != length {
                    return Err(EINVAL);
                }
            }
            _ => return Err(ENOENT),
        }
        if let Some(tables) = &mut *tables {
            let taken = tables.unmap(start as usize, length as usize)?;
            debug_assert_eq!(taken as u64, length);
        }
        let gone = self.ranges.erase(page(start));
        self.wait_for_users();
        // The last reference to it, since nobody finds it any more.
        drop((gone, there));
        Ok(())
    }

    /// Waits for those who use what they have found where it is not any more.
    fn wait_for_users(&self) {
        if let Some(using) = &self.using {
            using.synchronize_expedited();
        }
    }

    /// Takes the address space from the device, and lets go of all that is mapped. To be called
    /// once, at the end.
    pub(super) fn close(&self) {
        let mut tables = self.tables.lock();
        // The page tables first, so that the device does not see one mapping go after the other.
        drop(tables.take());
        self.closed.store(true, Relaxed);
        self.wait_for_users();

        let mut next = 0;
        while let Some(range) = self.find_from(next) {
            let Some((first, last)) = range.pages() else {
                break;
            };
            drop(self.ranges.erase(first));
            let Some(behind) = last.checked_add(1) else {
                break;
            };
            next = behind;
        }
    }

    /// What is at the page with this number, or the next thing behind it.
    fn find_from(&self, page: usize) -> Option<Arc<Range>> {
        let mut ranges = self.ranges.lock();
        let found = ranges.ma_state(page, page).find(usize::MAX).map(Arc::from);
        found
    }

    fn find(&self, address: u64) -> Option<Arc<Range>> {
        if address > self.last {
            return None;
        }
        self.ranges.lock().load(page(address)).map(Arc::from)
    }

    /// Calls `f` for each piece of the `len` bytes at `address`, with the memory, the offset in it,
    /// and what part of the bytes it is.
    fn with_memory(
        &self,
        address: u64,
        len: usize,
        flag: u32,
        mut f: impl FnMut(&Vmap, usize, ops::Range<usize>) -> Result,
    ) -> Result {
        let _using = self.using.as_ref().ok_or(EFAULT)?.read_lock();
        let mut done = 0;
        while done < len {
            let at = address.checked_add(done as u64).ok_or(EFAULT)?;
            if self.closed.load(Relaxed) {
                return Err(EFAULT);
            }
            let range = self.find(at).ok_or(EFAULT)?;
            let (memory, offset, rest) = range.reach(at, flag)?;
            let piece = rest.min(len - done);
            f(memory, offset, done..done + piece)?;
            done += piece;
        }
        Ok(())
    }

    /// Reads from `address` on, for a driver in software.
    ///
    /// Fails with [`EFAULT`] if not all of it is mapped to be read.
    pub fn read(&self, address: u64, to: &mut [u8]) -> Result {
        let len = to.len();
        let flag = uapi::ACCEL_ACCESS_READ;
        self.with_memory(address, len, flag, |memory, offset, part| {
            memory.read_slice(offset, &mut to[part])
        })
    }

    /// Writes from `address` on, for a driver in software.
    ///
    /// Fails with [`EFAULT`] if not all of it is mapped to be written; what comes before that is
    /// written.
    pub fn write(&self, address: u64, from: &[u8]) -> Result {
        let flag = uapi::ACCEL_ACCESS_WRITE;
        self.with_memory(address, from.len(), flag, |memory, offset, part| {
            memory.write_slice(offset, &from[part])
        })
    }
}

/// Enters what is mapped at `start` into page tables; nothing of it if that fails.
fn enter(tables: &mut PasidDomain, start: u64, mapped: &Mapped) -> Result {
    let Reached::Device(mapping) = &mapped.reached else {
        return Err(EOPNOTSUPP);
    };
    let mut prot = prot::CACHE;
    if mapped.flags & uapi::ACCEL_ACCESS_READ != 0 {
        prot |= prot::READ;
    }
    if mapped.flags & uapi::ACCEL_ACCESS_WRITE != 0 {
        prot |= prot::WRITE;
    }

    let frames = mapping.frames()?;
    let frames = frames.iter().map(|(phys, len)| (*phys, *len as u64));
    let mut at = start;
    for (phys, len) in cut(frames, mapped.offset, mapped.length) {
        // SAFETY: The memory is held by `mapping`, which goes after it has been taken from the page
        // tables, or these from the device. It may be accessed in this way, as it is mapped for it.
        let entered = unsafe { tables.map(at as usize, phys, len as usize, prot) };
        if let Err(e) = entered {
            if at != start {
                // Whole pages, which are mapped.
                let _ = tables.unmap(start as usize, (at - start) as usize);
            }
            return Err(e);
        }
        at += len;
    }
    Ok(())
}

/// `ACCEL_BUFFER_MAP`.
pub(super) fn map(context: &Context, arg: UserPtr) -> Result<isize> {
    let mut args: uapi::accel_buffer_map = ustruct::read(arg)?;
    let request = Request::new(&args)?;
    args.length = request.length;
    args.address =
        context.with_address_space(|space, access| space.map(access, request, &context.mapped))?;
    // User memory is not touched with the device entered: it could keep a removal waiting.
    ustruct::write(arg, args.size, &args).inspect_err(|_| {
        // If the device has gone meanwhile, the mapping has, too.
        let _ = context.with_address_space(|space, _| space.unmap(args.address, args.length));
    })?;
    Ok(0)
}

/// `ACCEL_BUFFER_UNMAP`.
pub(super) fn unmap(context: &Context, arg: UserPtr) -> Result<isize> {
    let args: uapi::accel_buffer_unmap = ustruct::read(arg)?;
    if args.flags != 0 {
        return Err(EINVAL);
    }
    context.with_address_space(|space, _| space.unmap(args.address, args.length))?;
    Ok(0)
}
