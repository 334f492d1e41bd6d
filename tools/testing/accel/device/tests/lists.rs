// SPDX-License-Identifier: GPL-2.0

//! Scatter lists, as Linux's own driver makes them, and such as nobody should make.

mod common;

use common::*;
use hisi_zip_model::bus::PAGE_SIZE;
use hisi_zip_model::faults;
use hisi_zip_model::readings::Mild;
use hisi_zip_model::readings::Reading;
use hisi_zip_model::sqe::Sqe;
use hisi_zip_model::sqe::Status;
use hisi_zip_model::Config;

const LISTS: u32 = 1 << 8;
/// Bytes of a list's header, and of an entry.
const HEADER: usize = 64;
const ENTRY: usize = 32;

/// Where the lists lie: in the last bytes of a page, so that they cross into the next.
const SOURCE: u64 = 0x7f00_0000_0fc0;
const DEST: u64 = 0x7f00_0001_0f80;
const NEXT: u64 = 0x7f00_0002_0f40;
const INPUT: u64 = 0x7f10_0000_0123;
const OUTPUT: u64 = 0x7f20_0000_0fff;
const BACK: u64 = 0x7f30_0000_0000;
const CONTEXT: u64 = 0x7f40_0000_0000;
/// Bytes that are mapped at each of them.
const MAPPED: usize = 0x20_0000;
const SIZE: usize = 10_000;

/// A list as it lies in memory.
struct List {
    next: u64,
    chain: u16,
    used: u16,
    room: u16,
    entries: Vec<(u64, u32)>,
}

impl List {
    /// A list that is the whole chain, of ten entries of room as Linux's own driver makes it.
    fn new(entries: &[(u64, u32)]) -> Self {
        let room = entries.len().max(10) as u16;
        Self {
            next: 0,
            chain: room,
            used: entries.len() as u16,
            room,
            entries: entries.to_vec(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; HEADER + self.entries.len() * ENTRY];
        bytes[0..8].copy_from_slice(&self.next.to_le_bytes());
        for (at, value) in [(8, self.chain), (10, self.used), (12, self.room)] {
            bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
        }
        // The driver's own pointers, which mean nothing to the device.
        bytes[56..64].fill(0xee);
        for (entry, (address, length)) in bytes[HEADER..].chunks_exact_mut(ENTRY).zip(&self.entries)
        {
            entry[0..8].copy_from_slice(&address.to_le_bytes());
            entry[8..16].fill(0xee);
            entry[16..20].copy_from_slice(&length.to_le_bytes());
        }
        bytes
    }
}

/// The `length` bytes from `address` in pieces of `piece` bytes.
fn pieces(address: u64, length: usize, piece: usize) -> Vec<(u64, u32)> {
    (0..length)
        .step_by(piece)
        .map(|at| (address + at as u64, piece.min(length - at) as u32))
        .collect()
}

/// A job with lists at [`SOURCE`] and [`DEST`].
fn job(algorithm: u32, flags: u32, length: usize, room: usize) -> Sqe {
    sqe(algorithm | LISTS, flags, (SOURCE, length), (DEST, room))
}

/// A machine with a compressing queue 1, a decompressing queue 2 and text at [`INPUT`].
fn machine(page: Page) -> Machine {
    with(Mild::NONE, page)
}

/// The same, of a device that reads some things mildly.
fn with(mild: Mild, page: Page) -> Machine {
    let mut machine = Machine::with(Config {
        mild,
        ..Machine::CONFIG
    });
    machine.start(1, COMPRESS);
    machine.start(2, DECOMPRESS);
    for at in [SOURCE, INPUT, OUTPUT, BACK, CONTEXT] {
        machine.memory.map(at, MAPPED, page);
    }
    machine.memory.set_data(INPUT, &text(SIZE));
    machine
}

fn put(machine: &mut Machine, address: u64, list: &List) {
    machine.memory.set_data(address, &list.bytes());
}

#[test]
fn round_trips() {
    for page in [Page::Present, Page::Cold, Page::Fickle(2)] {
        for piece in [1000, 4096, 5000, SIZE] {
            let mut machine = machine(page);
            put(
                &mut machine,
                SOURCE,
                &List::new(&pieces(INPUT, SIZE, piece)),
            );
            put(&mut machine, DEST, &List::new(&pieces(OUTPUT, SIZE, piece)));
            let packed = machine.run(1, &job(GZIP, STATELESS, SIZE, SIZE));
            assert_eq!((packed.status(), packed.consumed()), (0, SIZE as u32));

            let length = packed.produced() as usize;
            put(
                &mut machine,
                SOURCE,
                &List::new(&pieces(OUTPUT, length, piece)),
            );
            put(&mut machine, DEST, &List::new(&pieces(BACK, SIZE, piece)));
            let back = machine.run(2, &job(GZIP, STATELESS, length, SIZE));
            assert_eq!((back.status(), back.produced()), (0, SIZE as u32));
            assert_eq!(machine.memory.data(BACK, SIZE), text(SIZE));
            assert_eq!(machine.device.stats().scatter_lists, 4);
            assert!(machine.violations().is_empty());
        }
    }
}

#[test]
fn pieces_of_any_size_in_any_order() {
    let mut machine = machine(Page::Cold);
    let lengths = [1, 4095, 3, 4097, 1804];
    let mut at = 0;
    let mut list = Vec::new();
    for (number, length) in lengths.into_iter().enumerate() {
        // Each in a page that no other is in, and the later ones below the earlier ones.
        let address = BACK + MAPPED as u64 - (number as u64 + 1) * 3 * PAGE_SIZE + 0xfff;
        machine
            .memory
            .set_data(address, &text(SIZE)[at..at + length]);
        list.push((address, length as u32));
        at += length;
    }
    assert_eq!(at, SIZE);
    put(&mut machine, SOURCE, &List::new(&list));
    put(&mut machine, DEST, &List::new(&[(OUTPUT, SIZE as u32)]));
    let scattered = machine.run(1, &job(ZLIB, STATELESS, SIZE, SIZE));
    assert_eq!(scattered.status(), 0);

    let flat = sqe(ZLIB, STATELESS, (INPUT, SIZE), (OUTPUT, SIZE));
    let flat = machine.run(1, &flat);
    assert_eq!(scattered.word(31), flat.word(31));
    assert_eq!(scattered.produced(), flat.produced());
}

#[test]
fn chains() {
    let mut machine = machine(Page::Cold);
    let input = pieces(INPUT, SIZE, 100);
    let lists = [SOURCE, NEXT, NEXT + 0x4000, NEXT + 0x8000];
    for (number, part) in input.chunks(30).enumerate() {
        let list = List {
            next: lists
                .get(number + 1)
                .copied()
                .filter(|_| number < 3)
                .unwrap_or(0),
            // Only the first says how many entries the chain has.
            chain: if number == 0 { 100 } else { 0 },
            ..List::new(part)
        };
        put(&mut machine, lists[number], &list);
    }
    put(&mut machine, DEST, &List::new(&[(OUTPUT, SIZE as u32)]));
    let done = machine.run(1, &job(GZIP, STATELESS, SIZE, SIZE));
    assert_eq!((done.status(), done.consumed()), (0, SIZE as u32));
    assert_eq!(machine.device.stats().scatter_lists, 5);
}

#[test]
fn offsets_skip_what_lies_in_front() {
    let mut machine = machine(Page::Present);
    put(
        &mut machine,
        SOURCE,
        &List::new(&pieces(INPUT - 5000, SIZE + 5000, 2000)),
    );
    put(
        &mut machine,
        DEST,
        &List::new(&pieces(OUTPUT - 10, SIZE + 10, 3000)),
    );
    let mut wanted = job(DEFLATE, STATELESS | 5000, SIZE, SIZE);
    set_word(&mut wanted, 8, 10);
    let packed = machine.run(1, &wanted);
    assert_eq!(packed.status(), 0);
    let length = packed.produced() as usize;
    let back = sqe(DEFLATE, STATELESS, (OUTPUT, length), (BACK, SIZE));
    assert_eq!(machine.run(2, &back).status(), 0);
    assert_eq!(machine.memory.data(BACK, SIZE), text(SIZE));
}

#[test]
fn streams_have_lists_too() {
    let mut machine = machine(Page::Cold);
    put(&mut machine, SOURCE, &List::new(&pieces(INPUT, SIZE, 1500)));
    put(
        &mut machine,
        DEST,
        &List::new(&pieces(OUTPUT, 2 * SIZE, 4000)),
    );
    let half = SIZE / 2;
    let stream = |flags: u32, offset: usize| {
        let mut job = job(GZIP, STREAM | flags | offset as u32, half, SIZE);
        set_word(&mut job, 22, CONTEXT as u32);
        set_word(&mut job, 23, (CONTEXT >> 32) as u32);
        job
    };
    let first = machine.run(1, &stream(NEW_STREAM, 0));
    assert_eq!((first.status(), first.consumed()), (0, half as u32));
    let mut last = stream(LAST, half);
    set_word(&mut last, 8, first.produced());
    carry(&mut last, &first);
    let last = machine.run(1, &last);
    assert_eq!((last.status(), last.word(30)), (0, SIZE as u32));

    let length = (first.produced() + last.produced()) as usize;
    let back = sqe(GZIP, STATELESS, (OUTPUT, length), (BACK, SIZE));
    assert_eq!(machine.run(2, &back).status(), 0);
    assert_eq!(machine.memory.data(BACK, SIZE), text(SIZE));
}

type Change = fn(&mut List);

const MALFORMED: [(&str, Status, Change); 12] = [
    ("an entry of no bytes", Status::BadList, |list| {
        list.entries.push((INPUT, 0));
        list.used += 1;
    }),
    ("an entry of more than 8 MiB", Status::BadList, |list| {
        list.entries[2].1 = (8 << 20) + 1
    }),
    ("no entries", Status::BadList, |list| list.used = 0),
    (
        "more entries than the list has room for",
        Status::BadList,
        |list| list.room = 2,
    ),
    ("room for more than 255", Status::BadList, |list| {
        list.room = 256
    }),
    ("more entries than the chain has", Status::BadList, |list| {
        list.chain = 2
    }),
    ("all ones", Status::BadList, |list| {
        (list.chain, list.used, list.room) = (u16::MAX, u16::MAX, u16::MAX)
    }),
    ("lists that are not aligned", Status::BadList, |list| {
        list.next = NEXT + 8
    }),
    ("entries beyond the last address", Status::BadList, |list| {
        list.entries[1].0 = u64::MAX - 10
    }),
    ("less than the entry says", Status::BadList, |list| {
        list.entries[2].1 -= 1
    }),
    (
        "a next list that is not there",
        Status::InputFault,
        |list| list.next = 0x1000,
    ),
    ("data that is not there", Status::InputFault, |list| {
        list.entries[1].0 = 0x1000
    }),
];

#[test]
fn malformed_lists_hurt_one_job_only() {
    for (name, status, change) in MALFORMED {
        for dest in [false, true] {
            let mut machine = machine(Page::Cold);
            let (at, other) = if dest { (DEST, SOURCE) } else { (SOURCE, DEST) };
            let mut list = List::new(&pieces(if dest { OUTPUT } else { INPUT }, SIZE, 4000));
            let good = List::new(&pieces(if dest { INPUT } else { OUTPUT }, SIZE, 4000));
            put(&mut machine, other, &good);
            put(&mut machine, at, &list);
            assert_eq!(
                machine.run(1, &job(GZIP, STATELESS, SIZE, SIZE)).status(),
                0
            );

            machine.memory.set_data(OUTPUT, &vec![0; SIZE]);
            change(&mut list);
            put(&mut machine, at, &list);
            // What is compressed fits into the first entry.
            let unused = dest && name.starts_with("data");
            let expected = match status {
                _ if unused => 0,
                Status::InputFault if dest => number(Status::OutputFault),
                status => number(status),
            };
            let done = machine.run(1, &job(GZIP, STATELESS, SIZE, SIZE));
            assert_eq!(done.status(), expected, "{name}, output: {dest}");
            if !unused {
                assert_eq!((done.consumed(), done.produced()), (0, 0), "{name}");
                assert_eq!(machine.memory.data(OUTPUT, SIZE), vec![0; SIZE], "{name}");
            }
            let flat = sqe(GZIP, STATELESS, (INPUT, SIZE), (OUTPUT, SIZE));
            assert_eq!(machine.run(1, &flat).status(), 0, "after {name}");
            assert!(machine.violations().is_empty(), "{name}");
        }
    }
}

#[test]
fn a_chain_that_loops_ends() {
    for (chain, entries) in [(u16::MAX, 1), (u16::MAX, 3), (100, 10)] {
        let mut machine = machine(Page::Cold);
        let list = List {
            next: SOURCE,
            chain,
            ..List::new(&vec![(INPUT, SIZE as u32); entries])
        };
        put(&mut machine, SOURCE, &list);
        put(&mut machine, DEST, &List::new(&[(OUTPUT, SIZE as u32)]));
        assert_eq!(
            machine.run(1, &job(GZIP, STATELESS, SIZE, SIZE)).status(),
            number(Status::BadList)
        );
    }
}

/// How many lists a chain has at most, and how many bytes an entry.
#[test]
fn limits_of_both_readings() {
    let bad = number(Status::BadList);
    let endless = Mild::NONE.with(Reading::ListLimits);
    let chain = |lists: usize| (lists, 1, 0);
    for (mild, (lists, length, none), status) in [
        (Mild::NONE, chain(256), 0),
        (Mild::NONE, chain(257), bad),
        (endless, chain(257), 0),
        (Mild::NONE, (1, 8 << 20, 0), 0),
        (Mild::NONE, (1, (8 << 20) + 1, 0), bad),
        (endless, (1, (8 << 20) + 1, 0), 0),
        (Mild::NONE, (1, SIZE, 1), bad),
        (endless, (1, SIZE, 1), 0),
    ] {
        let mut machine = with(mild, Page::Present);
        // Of no bytes, if any; then one in each list.
        let entries: Vec<_> = (0..none).map(|_| (INPUT, 0)).collect();
        for at in 0..lists {
            let mut entries = entries.clone();
            entries.push((INPUT + at as u64, length as u32));
            let list = List {
                next: if at + 1 < lists { list_at(at + 1) } else { 0 },
                chain: 1000,
                ..List::new(&entries)
            };
            put(&mut machine, list_at(at), &list);
        }
        put(&mut machine, DEST, &List::new(&[(OUTPUT, SIZE as u32)]));
        let input = lists * length.min(100);
        let entry = sqe(GZIP | LISTS, STATELESS, (list_at(0), input), (DEST, SIZE));
        let done = machine.run(1, &entry);
        assert_eq!(
            done.status(),
            status,
            "{mild:?} {lists} lists, {length}, {none}"
        );
    }
}

/// Where the lists of a long chain lie.
fn list_at(number: usize) -> u64 {
    BACK + number as u64 * 1024
}

/// UADK leaves the chain's number of entries in each list, and makes lists without any.
#[test]
fn lists_behind_the_first_may_be_as_uadk_makes_them() {
    for chain in [0, 255] {
        let mut machine = machine(Page::Present);
        let last = List {
            chain,
            used: 0,
            room: 255,
            next: 0,
            entries: Vec::new(),
        };
        let first = List {
            next: NEXT,
            chain: 510,
            ..List::new(&[(INPUT, SIZE as u32)])
        };
        put(&mut machine, SOURCE, &first);
        put(&mut machine, NEXT, &last);
        put(&mut machine, DEST, &List::new(&[(OUTPUT, SIZE as u32)]));
        let done = machine.run(1, &job(GZIP, STATELESS, SIZE, SIZE));
        assert_eq!(done.status(), 0, "{chain}");
    }
}

#[test]
fn a_long_chain_does_not_hold_up_another_queue() {
    let mut machine = with(Mild::NONE.with(Reading::ListLimits), Page::Present);
    let list = List {
        next: SOURCE,
        chain: u16::MAX,
        ..List::new(&[(INPUT, 1)])
    };
    put(&mut machine, SOURCE, &list);
    machine.start(3, COMPRESS);
    machine.submit(1, &job(GZIP, STATELESS, SIZE, SIZE));
    machine.submit(3, &sqe(GZIP, STATELESS, (INPUT, 10), (BACK, 1000)));
    for _ in 0..3 {
        machine.device.step(&mut machine.memory);
        machine.compute();
    }
    assert!(machine.completion(3).is_some());
    assert_eq!(machine.completion(1), None);
}

#[test]
fn a_queue_that_reads_a_list_can_be_stopped() {
    let mut machine = machine(Page::Cold);
    put(&mut machine, SOURCE, &List::new(&[(INPUT, SIZE as u32)]));
    machine.submit(1, &job(GZIP, STATELESS, SIZE, SIZE));
    machine.step();
    assert_eq!(machine.memory.requests.len(), 1, "the header's first page");
    machine.mailbox(8, 1, 0);
    machine.settle();
    assert_eq!(machine.mailbox_status(), 0);
    assert!(machine.violations().is_empty());
}

/// Where data is accessed by the function's own id, so are the lists, and the driver answers for both.
fn own() -> Machine {
    let mut machine = Machine::new();
    machine.start_own(1, COMPRESS);
    machine.memory.poke(INPUT, &text(SIZE));
    let source = List::new(&pieces(INPUT, SIZE, 4000));
    let dest = List::new(&pieces(OUTPUT, SIZE, 4000));
    machine.memory.poke(SOURCE, &source.bytes());
    machine.memory.poke(DEST, &dest.bytes());
    machine
}

#[test]
fn lists_of_the_functions_own() {
    let mut machine = own();
    let done = machine.run(1, &job(GZIP, STATELESS, SIZE, SIZE));
    assert_eq!((done.status(), done.consumed()), (0, SIZE as u32));
    assert_ne!(machine.memory.peek(OUTPUT, 100), [0; 100]);
    assert_eq!(machine.memory.accesses, 0, "nothing under a PASID");
    assert!(machine.violations().is_empty());
}

#[test]
fn the_driver_answers_for_its_own() {
    type Deed = fn(&mut Machine);
    let table: [(u32, &str, Deed); 5] = [
        (
            number(Status::BadList),
            "a malformed scatter list",
            |machine| machine.memory.poke(SOURCE + 10, &[0, 0]),
        ),
        (
            number(Status::BadList),
            "a malformed scatter list",
            |machine| machine.memory.poke(DEST, &DEST.to_le_bytes()),
        ),
        (
            number(Status::InputFault),
            "the IOMMU does not map its data",
            |machine| {
                machine.memory.own_unmapped.insert(INPUT / PAGE_SIZE);
            },
        ),
        (
            number(Status::InputFault),
            "the IOMMU does not map its data",
            |machine| {
                machine.memory.own_unmapped.insert(SOURCE / PAGE_SIZE);
            },
        ),
        (
            number(Status::OutputFault),
            "the IOMMU does not map its data",
            |machine| {
                machine.memory.own_unmapped.insert(OUTPUT / PAGE_SIZE);
            },
        ),
    ];
    for (status, violation, change) in table {
        let mut machine = own();
        change(&mut machine);
        let done = machine.run(1, &job(GZIP, STATELESS, SIZE, SIZE));
        assert_eq!(done.status(), status);
        assert_eq!(machine.violations(), [format!("queue 1: {violation}")]);
        assert_eq!(machine.memory.peek(OUTPUT, 100), [0; 100]);
    }
}

#[test]
fn the_test_port_counts_lists() {
    let mut machine = Machine::with_faults();
    machine.start(1, COMPRESS);
    for at in [SOURCE, INPUT, OUTPUT] {
        machine.memory.map(at, MAPPED, Page::Present);
    }
    put(&mut machine, SOURCE, &List::new(&[(INPUT, 100)]));
    put(&mut machine, DEST, &List::new(&[(OUTPUT, 200)]));
    assert_eq!(machine.run(1, &job(GZIP, STATELESS, 100, 200)).status(), 0);
    assert_eq!(machine.read(faults::SCATTER_LISTS), 2);
}
