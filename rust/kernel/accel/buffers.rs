// SPDX-License-Identifier: GPL-2.0

//! The buffers of a submission, as its jobs reach them.

use super::{
    device::Access,
    driver::Reach, //
};
use crate::{
    dma::{
        DataDirection,
        DmaAddress, //
    },
    dma_buf::{
        import::{
            Attachment,
            Mapping, //
        },
        resv::{
            Resv,
            Usage, //
        },
        DmaBuf,
        Vmap, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        new_mutex,
        Arc,
        Mutex, //
    },
    uapi, //
};

/// What a job does with bytes of a buffer.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum BufferAccess {
    /// It reads them.
    Read,
    /// It writes them.
    Write,
}

impl BufferAccess {
    fn flag(self) -> u32 {
        match self {
            Self::Read => uapi::ACCEL_ACCESS_READ,
            Self::Write => uapi::ACCEL_ACCESS_WRITE,
        }
    }
}

/// A dma-buf, and what its user says that is done with it.
pub(super) struct NamedBuffer {
    dma_buf: ARef<DmaBuf>,
    flags: u32,
}

impl NamedBuffer {
    pub(super) fn resv(&self) -> &Resv {
        self.dma_buf.resv()
    }

    fn writes(&self) -> bool {
        self.flags & uapi::ACCEL_ACCESS_WRITE != 0
    }

    /// How the jobs' fence is entered.
    pub(super) fn usage(&self) -> Usage {
        if self.writes() {
            Usage::Write
        } else {
            Usage::Read
        }
    }

    /// Up to which usage the fences of others are waited for. See `dma_resv_usage_rw()`.
    pub(super) fn waits_for(&self) -> Usage {
        if self.writes() {
            Usage::Read
        } else {
            Usage::Write
        }
    }
}

/// One of `accel_queue_submit.buffers`: which buffer it is, and what may be done with it by this
/// place.
#[derive(Copy, Clone)]
struct Place {
    index: usize,
    flags: u32,
}

/// The buffers of a submission as its user names them, each of them once: whatever the kernel has
/// for a buffer, it has no more of it for one that is named again.
pub(super) struct NamedBuffers {
    all: KVec<NamedBuffer>,
    places: KVec<Place>,
}

impl NamedBuffers {
    pub(super) fn with_capacity(count: usize) -> Result<Self> {
        Ok(Self {
            all: KVec::with_capacity(count, GFP_KERNEL_ACCOUNT)?,
            places: KVec::with_capacity(count, GFP_KERNEL_ACCOUNT)?,
        })
    }

    /// Adds the next `struct accel_submit_buffer`.
    ///
    /// Fails with [`EINVAL`] if `flags` are not those of a buffer, [`EACCES`] if it is read-only
    /// and they want to write.
    pub(super) fn push(&mut self, dma_buf: ARef<DmaBuf>, flags: u32) -> Result {
        direction(flags)?;
        if flags & uapi::ACCEL_ACCESS_WRITE != 0 && !dma_buf.writable() {
            return Err(EACCES);
        }
        let same = |named: &NamedBuffer| core::ptr::eq(&*named.dma_buf, &*dma_buf);
        let index = match self.all.iter().position(same) {
            Some(index) => {
                self.all[index].flags |= flags;
                index
            }
            None => {
                self.all
                    .push(NamedBuffer { dma_buf, flags }, GFP_KERNEL_ACCOUNT)?;
                self.all.len() - 1
            }
        };
        Ok(self
            .places
            .push(Place { index, flags }, GFP_KERNEL_ACCOUNT)?)
    }

    /// Each of the buffers.
    pub(super) fn all(&self) -> &[NamedBuffer] {
        &self.all
    }
}

/// The direction of DMA for a mask of `ACCEL_ACCESS_READ` and `ACCEL_ACCESS_WRITE`, as the device
/// has it. Fails with [`EINVAL`] if it is another mask.
pub(super) fn direction(flags: u32) -> Result<DataDirection> {
    const READ: u32 = uapi::ACCEL_ACCESS_READ;
    const WRITE: u32 = uapi::ACCEL_ACCESS_WRITE;
    const BOTH: u32 = READ | WRITE;

    match flags {
        READ => Ok(DataDirection::ToDevice),
        WRITE => Ok(DataDirection::FromDevice),
        BOTH => Ok(DataDirection::Bidirectional),
        _ => Err(EINVAL),
    }
}

/// How the memory of a buffer is reached.
pub(super) enum Reached {
    /// By the device.
    Device(Mapping),
    /// By the processor, for a device in software.
    Processor(Vmap),
}

impl Reached {
    pub(super) fn new(
        access: &Access<'_>,
        dma_buf: ARef<DmaBuf>,
        direction: DataDirection,
    ) -> Result<Self> {
        if access.info().reach == Reach::Software {
            return dma_buf.vmap().map(Self::Processor);
        }
        // SAFETY: Whoever gets it drops it before the device is unbound. Those of mappings go by
        // `Space::put`. Those of submissions go by `Pipeline::reap`, which waits for a worker that
        // does the same; those that the pipeline has not taken, before `Access` is left. The first
        // two have been called for all when `Device::leave` returns.
        let attachment = unsafe { Attachment::new(dma_buf, access.parent())? };
        attachment.map(direction).map(Self::Device)
    }

    pub(super) fn memory(&self) -> Result<&Vmap> {
        match self {
            Self::Processor(memory) => Ok(memory),
            Self::Device(_) => Err(EOPNOTSUPP),
        }
    }

    fn segments(&self) -> Result<impl Iterator<Item = (DmaAddress, u64)> + '_> {
        let Self::Device(mapping) = self else {
            return Err(EOPNOTSUPP);
        };
        let all = mapping.segments();
        Ok(all.map(|(address, len)| (address, len as u64)))
    }
}

struct Buffer {
    size: u64,
    reached: Reached,
}

/// What jobs can reach.
struct Reachable {
    buffers: KVec<Buffer>,
    places: KVec<Place>,
}

impl Reachable {
    /// The buffer at this place, if it was named for `access` there.
    fn get(&self, place: usize, access: BufferAccess) -> Result<&Buffer> {
        let place = self.places.get(place).ok_or(EINVAL)?;
        if place.flags & access.flag() == 0 {
            return Err(EACCES);
        }
        self.buffers.get(place.index).ok_or(EINVAL)
    }
}

/// The buffers of a submission.
///
/// A driver may keep it for longer than its jobs; then it leads to nothing.
#[pin_data]
pub struct Buffers {
    /// `None` once the jobs have ended.
    #[pin]
    all: Mutex<Option<Reachable>>,
}

impl Buffers {
    pub(super) fn hold(access: &Access<'_>, named: &NamedBuffers) -> Result<Held> {
        let mut places = KVec::with_capacity(named.places.len(), GFP_KERNEL_ACCOUNT)?;
        places.extend_from_slice(&named.places, GFP_KERNEL_ACCOUNT)?;
        let mut buffers = KVec::with_capacity(named.all.len(), GFP_KERNEL_ACCOUNT)?;
        for NamedBuffer { dma_buf, flags } in &named.all {
            let reached = Reached::new(access, dma_buf.clone(), direction(*flags)?)?;
            let size = dma_buf.size() as u64;
            buffers.push(Buffer { size, reached }, GFP_KERNEL_ACCOUNT)?;
        }
        let all = Reachable { buffers, places };
        let buffers = Arc::pin_init(
            pin_init!(Self {
                all <- new_mutex!(Some(all)),
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        Ok(Held(buffers))
    }

    /// Calls `f` with the buffer that `address` leads to, and the offset in it.
    fn with<R>(
        &self,
        address: u64,
        len: u64,
        access: BufferAccess,
        f: impl FnOnce(&Reached, u64) -> Result<R>,
    ) -> Result<R> {
        let all = self.all.lock();
        let (place, offset) = split(address);
        let buffer = (*all).as_ref().ok_or(ECANCELED)?.get(place, access)?;
        let end = offset.checked_add(len).ok_or(EINVAL)?;
        if end > buffer.size {
            return Err(EINVAL);
        }
        f(&buffer.reached, offset)
    }

    /// Checks that the jobs may do `access` with the `len` bytes at `address`, which is made as
    /// `ACCEL_BUFFER_ADDRESS()` does.
    ///
    /// Fails with [`EINVAL`] if there is no such buffer, or they are not inside it, with [`EACCES`]
    /// if it was not named for this, with [`ECANCELED`] if the jobs have ended.
    pub fn check(&self, address: u64, len: u64, access: BufferAccess) -> Result {
        self.with(address, len, access, |_, _| Ok(()))
    }

    /// The pieces of memory behind the `len` bytes at `address`, by the addresses that the device
    /// has for them, with their sizes in bytes. What is one piece for the device is one here.
    ///
    /// Fails as [`check`](Self::check) does, with [`EOPNOTSUPP`] for a device in software, or with
    /// [`ENOMEM`].
    pub fn segments(
        &self,
        address: u64,
        len: u64,
        access: BufferAccess,
    ) -> Result<KVec<(DmaAddress, u64)>> {
        // Not within: jobs of a device in software take that lock, and others wait for their end.
        let count = self.with(address, len, access, |reached, offset| {
            Ok(cut(reached.segments()?, offset, len).count())
        })?;
        let mut merged = KVec::with_capacity(count, GFP_KERNEL)?;
        self.with(address, len, access, |reached, offset| {
            merge(cut(reached.segments()?, offset, len), &mut merged)
        })?;
        Ok(merged)
    }

    /// Reads from `address` on, for a driver in software. Fails as [`check`](Self::check) does.
    pub fn read(&self, address: u64, to: &mut [u8]) -> Result {
        let len = to.len() as u64;
        self.with(address, len, BufferAccess::Read, |reached, offset| {
            reached.memory()?.read_slice(offset as usize, to)
        })
    }

    /// Writes from `address` on, for a driver in software. Fails as [`check`](Self::check) does.
    pub fn write(&self, address: u64, from: &[u8]) -> Result {
        let len = from.len() as u64;
        self.with(address, len, BufferAccess::Write, |reached, offset| {
            reached.memory()?.write_slice(offset as usize, from)
        })
    }
}

/// Lets go of the buffers when it is dropped, whoever else has them; may sleep. Nobody reaches them
/// any more then.
pub(super) struct Held(Arc<Buffers>);

impl Held {
    pub(super) fn buffers(&self) -> &Arc<Buffers> {
        &self.0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let all = self.0.all.lock().take();
        drop(all);
    }
}

/// Place of the buffer in the array, and offset in it.
fn split(address: u64) -> (usize, u64) {
    const OFFSET_BITS: u32 = 48;

    let offset = address & ((1 << OFFSET_BITS) - 1);
    ((address >> OFFSET_BITS) as usize, offset)
}

/// The part of `pieces` that begins `skip` bytes into them and has `len`.
pub(super) fn cut(
    pieces: impl Iterator<Item = (u64, u64)>,
    mut skip: u64,
    mut len: u64,
) -> impl Iterator<Item = (u64, u64)> {
    pieces.filter_map(move |(address, size)| {
        let skipped = skip.min(size);
        skip -= skipped;
        let size = (size - skipped).min(len);
        len -= size;
        (size != 0).then_some((address + skipped, size))
    })
}

/// Collects `pieces`, with neighbours taken together. Fails with [`ENOMEM`] if `merged` has no
/// room.
fn merge(
    pieces: impl Iterator<Item = (DmaAddress, u64)>,
    merged: &mut KVec<(DmaAddress, u64)>,
) -> Result {
    for (address, size) in pieces {
        match merged.last_mut() {
            Some((before, has)) if *before + *has == address => *has += size,
            _ => merged
                .push_within_capacity((address, size))
                .map_err(|_| ENOMEM)?,
        }
    }
    Ok(())
}

#[macros::kunit_tests(rust_accel_buffers)]
mod tests {
    use super::*;
    use crate::{
        dma_buf::export::{
            export,
            Exporter, //
        },
        page::{
            SharedPages,
            PAGE_SIZE, //
        }, //
    };

    #[test]
    fn addresses_are_split_as_user_space_makes_them() {
        for (address, parts) in [
            (0, (0, 0)),
            (0x0001_0000_0000_0000, (1, 0)),
            (0x003f_0000_0000_1234, (63, 0x1234)),
            (u64::MAX, (0xffff, 0x0000_ffff_ffff_ffff)),
        ] {
            assert_eq!(split(address), parts);
        }
    }

    struct Memory(SharedPages);

    #[vtable]
    impl Exporter for Memory {
        type Memory = SharedPages;
        const NAME: &'static CStr = c"rust_accel_buffers";

        fn memory(&self) -> &SharedPages {
            &self.0
        }
    }

    fn buffer() -> Result<ARef<DmaBuf>> {
        let memory = Memory(SharedPages::new(PAGE_SIZE)?);
        export(Arc::new(memory, GFP_KERNEL)?)
    }

    #[test]
    fn a_buffer_that_is_named_again_is_one() -> Result {
        const READ: u32 = uapi::ACCEL_ACCESS_READ;
        const WRITE: u32 = uapi::ACCEL_ACCESS_WRITE;

        let (one, other) = (buffer()?, buffer()?);
        let mut named = NamedBuffers::with_capacity(66)?;
        named.push(one.clone(), READ)?;
        named.push(other, READ)?;
        for _ in 0..64 {
            named.push(one.clone(), WRITE)?;
        }
        assert_eq!(named.push(one, 0), Err(EINVAL));
        assert_eq!(named.all().len(), 2);
        assert_eq!(named.all[0].flags, READ | WRITE);
        assert!(named.all[0].usage() == Usage::Write && named.all[1].usage() == Usage::Read);

        // Each place allows what was said there, and nothing else.
        for (place, index, flags) in [(0, 0, READ), (1, 1, READ), (2, 0, WRITE), (65, 0, WRITE)] {
            let place = named.places[place];
            assert_eq!((place.index, place.flags), (index, flags));
        }
        Ok(())
    }

    #[test]
    fn neighbours_are_taken_together() -> Result {
        let pieces = [
            (0x1000, 16),
            (0x1010, 32),
            (0x2000, 16),
            (0x1ff0, 16),
            (0x2000, 1),
        ];
        let mut merged = KVec::with_capacity(3, GFP_KERNEL)?;
        merge(pieces.into_iter(), &mut merged)?;
        assert_eq!(merged[..], [(0x1000, 48), (0x2000, 16), (0x1ff0, 17)]);
        Ok(())
    }

    #[test]
    fn a_part_is_cut_at_both_ends() -> Result {
        const PIECES: [(u64, u64); 3] = [(0x1000, 10), (0x3000, 20), (0x5000, 30)];

        for (skip, len, expected) in [
            (0, 60, &PIECES[..]),
            (0, 10, &PIECES[..1]),
            (10, 20, &PIECES[1..2]),
            (5, 6, &[(0x1005, 5), (0x3000, 1)][..]),
            (29, 2, &[(0x3013, 1), (0x5000, 1)][..]),
            (59, 1, &[(0x501d, 1)][..]),
            (60, 0, &[][..]),
        ] {
            let mut cut = cut(PIECES.into_iter(), skip, len);
            for piece in expected {
                assert_eq!(cut.next().as_ref(), Some(piece));
            }
            assert_eq!(cut.next(), None);
        }
        Ok(())
    }
}
