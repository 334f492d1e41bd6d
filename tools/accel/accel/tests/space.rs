// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Buffers and where they are mapped, with a kernel in memory.

use accel::memory::Memory;
use accel::{
    Access, AddressMode, AddressSpace, Buffer, BufferAccess, BufferOptions, Error, MapOptions,
};
use accel_fake::Context;
use rustix::io::Errno;

const PAGE: usize = 4096;

fn private() -> AddressSpace {
    Context::new(AddressMode::Private).address_space().clone()
}

#[track_caller]
fn errno<T: std::fmt::Debug>(result: Result<T, Error>) -> Errno {
    match result {
        Err(Error::Buffer { source, .. }) => source,
        other => panic!("{other:?}"),
    }
}

fn buffer(space: &AddressSpace, pages: usize) -> Buffer {
    space.alloc(&BufferOptions::system(pages * PAGE)).unwrap()
}

#[test]
fn buffers_have_whole_pages_of_zeroes() {
    let buffer = private().alloc(&BufferOptions::system(5000)).unwrap();
    assert_eq!(buffer.len(), 2 * PAGE);
    let mut bytes = vec![1; buffer.len()];
    buffer.map(Access::Read).unwrap().read_bytes(0, &mut bytes);
    assert!(bytes.iter().all(|&byte| byte == 0));
}

#[test]
fn what_can_not_be_had_is_told() {
    let space = private();
    let device = BufferOptions::device(PAGE);
    assert_eq!(errno(space.alloc(&device)), Errno::OPNOTSUPP);
    assert_eq!(errno(space.alloc(&BufferOptions::system(0))), Errno::INVAL);
    let text = space.alloc(&device).unwrap_err().to_string();
    assert!(text.starts_with("fake0: allocating a buffer: "), "{text}");
}

#[test]
fn a_mapping_goes_when_it_is_dropped() {
    let space = private();
    let buffer = buffer(&space, 4);
    let at = |address| MapOptions {
        address: Some(address),
        ..MapOptions::whole(BufferAccess::Read)
    };
    let mapping = space.map(&buffer, &at(0x10_0000)).unwrap();
    assert_eq!((mapping.address(), mapping.len()), (0x10_0000, 4 * PAGE));
    assert!(mapping.is_in(&space) && !mapping.is_in(&private()));
    assert_eq!(errno(space.map(&buffer, &at(0x10_3000))), Errno::EXIST);
    drop(mapping);
    let mapping = space.map(&buffer, &at(0x10_3000)).unwrap();
    mapping.unmap().unwrap();
    drop(space.map(&buffer, &at(0x10_3000)).unwrap());
}

#[test]
fn parts_are_mapped_apart() {
    let space = private();
    let buffer = buffer(&space, 4);
    let part = |offset, len| MapOptions {
        offset,
        len,
        ..MapOptions::whole(BufferAccess::ReadWrite)
    };
    let rest = space.map(&buffer, &part(PAGE, None)).unwrap();
    let middle = space.map(&buffer, &part(PAGE, Some(PAGE))).unwrap();
    assert_eq!((rest.len(), middle.len()), (3 * PAGE, PAGE));
    assert_ne!(rest.address(), middle.address());
    for wrong in [part(5 * PAGE, None), part(1, None), part(0, Some(100))] {
        assert_eq!(errno(space.map(&buffer, &wrong)), Errno::INVAL);
    }
}

#[test]
fn memory_that_is_wrapped_becomes_the_buffers() {
    let space = private();
    let mut memory = Memory::new(5000).unwrap();
    memory.bytes_mut()[4990..].copy_from_slice(b"0123456789");
    let buffer = space.wrap(memory).map_err(|(_, error)| error).unwrap();
    assert_eq!(buffer.len(), 2 * PAGE);
    let mut room = [0; 10];
    let region = buffer.map(Access::Read).unwrap();
    region.read_bytes(4990, &mut room);
    assert_eq!(&room, b"0123456789");
    drop(
        space
            .map(&buffer, &MapOptions::whole(BufferAccess::Write))
            .unwrap(),
    );
}

#[test]
fn borrowed_memory_is_wrapped_in_whole_pages() {
    let space = private();
    let mut memory = Memory::new(2 * PAGE).unwrap();
    memory.bytes_mut().fill(7);
    let wrapped = space.wrap_slice(&memory.bytes()[PAGE..]).unwrap();
    assert_eq!(wrapped.len(), PAGE);
    assert_eq!(wrapped.map(Access::Read).unwrap().read::<u8>(5), 7);
    for wrong in [&memory.bytes()[1..], &memory.bytes()[..100]] {
        assert_eq!(errno(space.wrap_slice(wrong)), Errno::INVAL);
    }
}

#[test]
fn memory_of_each_mode_is_written_and_read() {
    for mode in [
        AddressMode::Shared,
        AddressMode::Private,
        AddressMode::Kernel,
    ] {
        let space = Context::new(mode).address_space().clone();
        assert_eq!(space.mode(), mode);
        let mut memory = space.memory(10_000).unwrap();
        assert!(memory.len() >= 10_000);
        memory.bytes_mut()[9999] = 9;
        assert_eq!(memory.bytes()[9998..10_000], [0, 9]);
    }
}
