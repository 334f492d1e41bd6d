// SPDX-License-Identifier: GPL-2.0

//! Jobs: what they give, what faults do to them, and what cold pages cost.

mod common;

use common::*;
use hisi_zip_model::bus::PAGE_SIZE;
use hisi_zip_model::queue::STREAMS;
use hisi_zip_model::readings::Mild;
use hisi_zip_model::readings::Reading;
use hisi_zip_model::regs;
use hisi_zip_model::sqe::Sqe;
use hisi_zip_model::sqe::Status;
use hisi_zip_model::Config;

const INPUT: u64 = 0x7f00_0000_0123;
const OUTPUT: u64 = 0x7f10_0000_0fff;
const BACK: u64 = 0x7f20_0000_0000;
const CONTEXT: u64 = 0x7f30_0000_0040;

/// A machine with a compressing queue 1, a decompressing queue 2 and text at [`INPUT`].
fn machine(length: usize, page: Page) -> Machine {
    let mut machine = Machine::new();
    machine.start(1, COMPRESS);
    machine.start(2, DECOMPRESS);
    for at in [INPUT, OUTPUT, BACK] {
        machine.memory.map(at, length + 0x2000, page);
    }
    machine.memory.set_data(INPUT, &text(length));
    machine
}

#[test]
fn round_trips() {
    for algorithm in [DEFLATE, ZLIB, GZIP] {
        for page in [Page::Present, Page::Cold, Page::Fickle(3)] {
            let size = 300_000;
            let mut machine = machine(size, page);
            let job = sqe(algorithm, STATELESS, (INPUT, size), (OUTPUT, size));
            let packed = machine.run(1, &job);
            assert_eq!((packed.status(), packed.consumed()), (0, size as u32));
            assert_eq!(packed.word(26), 0xc0ffee);

            let length = packed.produced() as usize;
            let job = sqe(algorithm, STATELESS, (OUTPUT, length), (BACK, size));
            let back = machine.run(2, &job);
            assert_eq!((back.status(), back.produced()), (0, size as u32));
            assert_eq!((packed.word(31), back.word(31)), (0, 0));
            assert_eq!(machine.memory.data(BACK, size), text(size));
            assert!(machine.violations().is_empty());
        }
    }
}

#[test]
fn faults_hurt_one_job_only() {
    const SIZE: usize = 30_000;
    const NOWHERE: u64 = 0x1000;
    let good = || sqe(GZIP, STATELESS, (INPUT, SIZE), (OUTPUT, SIZE));
    let table = [
        (
            "algorithm",
            number(Status::BadAlgorithm),
            sqe(4, STATELESS, (INPUT, SIZE), (OUTPUT, SIZE)),
        ),
        (
            "no input",
            number(Status::BadLength),
            sqe(GZIP, STATELESS, (INPUT, 0), (OUTPUT, SIZE)),
        ),
        (
            "too much",
            number(Status::BadLength),
            sqe(GZIP, STATELESS, (INPUT, (8 << 20) + 1), (OUTPUT, SIZE)),
        ),
        (
            "kind of buffer",
            number(Status::BadBuffer),
            sqe(GZIP | 2 << 8, STATELESS, (INPUT, SIZE), (OUTPUT, SIZE)),
        ),
        (
            "input",
            number(Status::InputFault),
            sqe(GZIP, STATELESS, (NOWHERE, SIZE), (OUTPUT, SIZE)),
        ),
        (
            "input wraps",
            number(Status::InputFault),
            sqe(GZIP, STATELESS, (u64::MAX - 5, SIZE), (OUTPUT, SIZE)),
        ),
        (
            "output",
            number(Status::OutputFault),
            sqe(GZIP, STATELESS, (INPUT, SIZE), (NOWHERE, SIZE)),
        ),
        (
            "output wraps",
            number(Status::OutputFault),
            sqe(GZIP, STATELESS, (INPUT, SIZE), (u64::MAX, SIZE)),
        ),
        (
            "context",
            number(Status::ContextFault),
            sqe(GZIP, STREAM | NEW_STREAM, (INPUT, SIZE / 2), (OUTPUT, SIZE)),
        ),
        (
            "short",
            0x0e,
            sqe(GZIP, STATELESS, (INPUT, SIZE), (OUTPUT, 200)),
        ),
    ];
    for (name, status, bad) in table {
        let mut machine = machine(SIZE, Page::Cold);
        let done = machine.run(1, &bad);
        assert_eq!(done.status(), status, "{name}");
        assert_eq!((done.consumed(), done.produced()), (0, 0), "{name}");
        assert_eq!(
            machine.memory.data(OUTPUT, SIZE),
            vec![0; SIZE],
            "{name}: output touched"
        );
        assert_eq!(machine.run(1, &good()).status(), 0, "after {name}");
        assert_eq!(machine.device.stats().job_errors, 1);
        assert!(machine.violations().is_empty());
    }
}

/// What a request with so much room is told, whose input can't be read.
fn in_room(machine: &mut Machine, flags: u32, room: usize) -> (u32, u32, u32, u32) {
    let mut job = sqe(GZIP, flags, (0x1000, 100), (OUTPUT, room));
    set_word(&mut job, 28, 0xdead);
    let done = machine.run(1, &job);
    (
        done.status(),
        done.consumed(),
        done.produced(),
        done.word(28),
    )
}

#[test]
fn small_rooms_are_ignored() {
    const IGNORED: (u32, u32, u32, u32) = (0, 0, 0, 0xdead);
    let small = Mild::NONE.with(Reading::SmallRooms);
    let streams = Mild::NONE.with(Reading::SmallStreamRooms);
    for (mild, least, least_of_stream) in
        [(Mild::NONE, 200, 200), (small, 17, 200), (streams, 200, 17)]
    {
        let mut machine = Machine::with(Config {
            mild,
            ..Machine::CONFIG
        });
        machine.start(1, COMPRESS);
        for room in [0, 1, 16, least - 1] {
            assert_eq!(in_room(&mut machine, STATELESS, room), IGNORED, "{room}");
        }
        assert_eq!(
            in_room(&mut machine, STATELESS, least).0,
            number(Status::InputFault)
        );
        for room in [0, 1, 16, 17, 199] {
            let told = in_room(&mut machine, STREAM | NEW_STREAM, room);
            match room < least_of_stream {
                true => assert_eq!(told, IGNORED, "{room} in a stream"),
                false => assert_eq!(told.0, number(Status::BadLength), "{room}"),
            }
        }
        let told = in_room(&mut machine, STREAM | NEW_STREAM, 200);
        assert_eq!(told.0, number(Status::ContextFault));
        assert!(machine.violations().is_empty());
    }
}

#[test]
fn an_unbound_address_space_faults() {
    let mut machine = machine(1000, Page::Present);
    let space = machine.memory.spaces.remove(&PASID).unwrap();
    let job = sqe(GZIP, STATELESS, (INPUT, 1000), (OUTPUT, 2000));
    assert_eq!(machine.run(1, &job).status(), number(Status::InputFault));
    machine.memory.spaces.insert(PASID, space);
    assert_eq!(machine.run(1, &job).status(), 0);
}

#[test]
fn a_cold_buffer_costs_what_its_pages_cost() {
    let size = 4 << 20;
    let mut machine = machine(size, Page::Cold);
    let job = sqe(GZIP, STATELESS, (INPUT, size), (OUTPUT, size));
    let done = machine.run(1, &job);
    assert_eq!(done.status(), 0);
    let input = (INPUT % PAGE_SIZE + size as u64).div_ceil(PAGE_SIZE);
    let output = (OUTPUT % PAGE_SIZE + u64::from(done.produced())).div_ceil(PAGE_SIZE);
    let requests = machine.device.stats().page_requests;
    assert_eq!(requests, input + output);
    // One access that misses and one that does not, and one in vain whenever the way is full.
    assert!(machine.memory.accesses as u64 <= 2 * requests + requests / 16 + 2);
    assert_eq!(machine.memory.most_requests, 16);
}

#[test]
fn a_page_that_never_stays_ends_the_job() {
    let mut machine = machine(100, Page::Fickle(1000));
    let job = sqe(GZIP, STATELESS, (INPUT, 100), (OUTPUT, 1000));
    assert_eq!(machine.run(1, &job).status(), number(Status::InputFault));
}

#[test]
fn a_full_way_for_page_requests_is_tried_again() {
    let mut machine = machine(10_000, Page::Cold);
    machine.memory.requests_busy = true;
    machine.submit(1, &sqe(GZIP, STATELESS, (INPUT, 10_000), (OUTPUT, 10_000)));
    machine.settle();
    assert_eq!(machine.completion(1), None);
    machine.memory.requests_busy = false;
    machine.device.tick(1000);
    machine.settle();
    assert!(machine.completion(1).is_some());
}

#[test]
fn a_page_request_without_answer_ends_the_job() {
    let mut machine = machine(100, Page::Cold);
    machine.submit(1, &sqe(GZIP, STATELESS, (INPUT, 100), (OUTPUT, 1000)));
    machine.step();
    assert_eq!(machine.memory.requests.len(), 1);
    machine.device.tick(29_999);
    machine.step();
    assert_eq!(machine.completion(1), None);
    machine.device.tick(30_000);
    machine.step();
    assert!(machine.completion(1).is_some());
    assert_eq!(machine.done(1, 0).status(), number(Status::InputFault));
}

#[test]
fn a_queue_that_waits_does_not_hold_up_another() {
    let mut machine = machine(8 << 20, Page::Cold);
    machine.submit(
        1,
        &sqe(GZIP, STATELESS, (INPUT, 8 << 20), (OUTPUT, 8 << 20)),
    );
    machine.step();
    assert!(!machine.memory.requests.is_empty());

    let waiting = std::mem::take(&mut machine.memory.requests);
    for queue in 3..20 {
        machine.start(queue, COMPRESS);
        let job = sqe(GZIP, STATELESS, (OUTPUT, 100), (BACK, 1000));
        assert_eq!(machine.run(queue, &job).status(), 0);
    }
    machine.memory.requests = waiting;
    machine.settle();
    assert!(machine.completion(1).is_some());
}

#[test]
fn a_big_job_does_not_hold_up_a_small_one() {
    let mut machine = machine(8 << 20, Page::Present);
    machine.start(3, COMPRESS);
    machine.submit(
        1,
        &sqe(GZIP, STATELESS, (INPUT, 8 << 20), (OUTPUT, 8 << 20)),
    );
    machine.submit(3, &sqe(GZIP, STATELESS, (INPUT, 10), (BACK, 1000)));
    for _ in 0..3 {
        machine.device.step(&mut machine.memory);
        machine.compute();
    }
    assert!(machine.completion(3).is_some());
    assert_eq!(machine.completion(1), None);
}

fn stream_job(flags: u32, input: (u64, usize), output: (u64, usize)) -> Sqe {
    let mut job = sqe(GZIP, STREAM | flags, input, output);
    set_word(&mut job, 22, CONTEXT as u32);
    set_word(&mut job, 23, (CONTEXT >> 32) as u32);
    job
}

/// Compresses `parts`, the last of which ends the stream; where the output ends.
fn pack(machine: &mut Machine, parts: &[(u32, usize, usize)]) -> usize {
    let mut produced = 0;
    let mut last: Option<Done> = None;
    for &(flags, at, length) in parts {
        let output = (OUTPUT + produced, 100_000 - produced as usize);
        let mut job = stream_job(flags, (INPUT + at as u64, length), output);
        if let Some(last) = &last {
            carry(&mut job, last);
        }
        let done = machine.run(1, &job);
        assert_eq!((done.status(), done.consumed()), (0, length as u32));
        assert_eq!((done.asks(), done.word(30) as usize), (0, at + length));
        produced += u64::from(done.produced());
        last = Some(done);
    }
    produced as usize
}

const PARTS: [(u32, usize, usize); 3] = [
    (NEW_STREAM, 0, 40_000),
    (0, 40_000, 40_000),
    (LAST, 80_000, 20_000),
];

#[test]
fn streams_go_on_from_job_to_job() {
    let size = 100_000;
    let mut machine = machine(size, Page::Cold);
    machine.memory.map(CONTEXT, 64 << 10, Page::Cold);
    let produced = pack(&mut machine, &PARTS);
    // It is one gzip body, trailer included.
    let job = sqe(GZIP, STATELESS, (OUTPUT, produced), (BACK, size));
    assert_eq!(machine.run(2, &job).consumed() as usize, produced);
    assert_eq!(machine.memory.data(BACK, size), text(size));

    let job = stream_job(NEW_STREAM, (OUTPUT, produced), (BACK, 60_000));
    let first = machine.run(2, &job);
    assert!(!first.is_end() && matches!(first.asks(), 1 | 2));
    // All input is taken, though there was no room for what comes of it.
    let told = (first.consumed() as usize, first.produced());
    assert_eq!(told, (produced, 60_000));
    let mut job = stream_job(0, (OUTPUT, 0), (BACK, 60_000));
    carry(&mut job, &first);
    let second = machine.run(2, &job);
    assert!(second.is_end());
    assert_eq!((second.consumed(), second.produced()), (0, 40_000));
    assert_eq!(machine.memory.data(BACK, 40_000), text(size)[60_000..]);
    assert_eq!(machine.device.stats().words_lost, 0);
}

/// Without input only those requests do anything that the engine has asked for.
#[test]
fn requests_without_input() {
    let size = 100_000;
    let mut machine = machine(size, Page::Present);
    machine.memory.map(CONTEXT, 64 << 10, Page::Present);
    let produced = pack(&mut machine, &PARTS);
    let unasked = number(Status::Unasked);

    let begin = stream_job(NEW_STREAM, (OUTPUT, 0), (BACK, size));
    assert_eq!(machine.run(2, &begin).status(), unasked, "a new stream");
    let job = stream_job(NEW_STREAM, (OUTPUT, produced / 2), (BACK, size));
    let mut last = machine.run(2, &job);
    assert!(matches!(last.asks(), 0 | 3), "{}", last.asks());
    let mut empty = stream_job(0, (OUTPUT, 0), (BACK, size));
    carry(&mut empty, &last);
    assert_eq!(machine.run(2, &empty).status(), unasked);

    let rest = (OUTPUT + (produced / 2) as u64, produced - produced / 2);
    let mut job = stream_job(0, rest, (BACK, 200));
    carry(&mut job, &last);
    last = machine.run(2, &job);
    assert!(matches!(last.asks(), 1 | 2));
    carry(&mut empty, &last);
    assert!(machine.run(2, &empty).is_end());
}

#[test]
fn streams_that_are_none() {
    let mut machine = machine(1000, Page::Present);
    machine.memory.map(CONTEXT, 64 << 10, Page::Present);
    let mut go_on = stream_job(0, (INPUT, 100), (OUTPUT, 1000));
    let told = machine.run(1, &go_on).status();
    assert_eq!(told, number(Status::NoStream), "context never written");

    let begin = stream_job(NEW_STREAM, (INPUT, 100), (OUTPUT, 1000));
    let begun = machine.run(1, &begin);
    assert_eq!(begun.status(), 0);
    carry(&mut go_on, &begun);
    let mut other = go_on.clone();
    set_word(&mut other, 9, ZLIB);
    assert_eq!(
        machine.run(1, &other).status(),
        number(Status::NoStream),
        "other algorithm"
    );
    assert_eq!(
        machine.run(2, &go_on).status(),
        number(Status::NoStream),
        "other queue"
    );
    assert_eq!(machine.run(1, &go_on).status(), 0);
}

#[test]
fn a_stream_has_to_find_what_it_has_left() {
    let mut machine = machine(1000, Page::Present);
    machine.memory.map(CONTEXT, 64 << 10, Page::Present);
    let begun = machine.run(1, &stream_job(NEW_STREAM, (INPUT, 100), (OUTPUT, 1000)));
    let mut go_on = stream_job(0, (INPUT, 100), (OUTPUT, 1000));
    carry(&mut go_on, &begun);
    for (lost, index) in [15, 28, 29, 30, 31].into_iter().enumerate() {
        assert_ne!(begun.word(index), 0);
        let mut spoilt = go_on.clone();
        set_word(&mut spoilt, index, begun.word(index) ^ 1 << 17);
        assert_eq!(
            machine.run(1, &spoilt).status(),
            number(Status::LostWords),
            "word {index}"
        );
        assert_eq!(machine.device.stats().words_lost, lost as u64 + 1);
    }

    // UADK has data of its own behind.
    let used = 0x9800 - 64;
    let context = machine.memory.data(CONTEXT, 64 << 10);
    assert_eq!(context[used..], vec![0; (64 << 10) - used]);
    for at in [0, 8, 100, used - 1] {
        machine
            .memory
            .set_data(CONTEXT + at as u64, &[!context[at]]);
        assert_eq!(
            machine.run(1, &go_on).status(),
            number(Status::NoStream),
            "byte {at}"
        );
        machine.memory.set_data(CONTEXT, &context);
    }
    machine.memory.set_data(CONTEXT + used as u64, &[7; 100]);
    let second = machine.run(1, &go_on);
    assert_eq!(second.status(), 0);

    // What the request before left is stale now, its context too.
    assert_eq!(machine.run(1, &go_on).status(), number(Status::LostWords));
    carry(&mut go_on, &second);
    machine.memory.set_data(CONTEXT, &context[..used]);
    assert_eq!(machine.run(1, &go_on).status(), number(Status::NoStream));
    assert!(machine.violations().is_empty());
}

#[test]
fn there_are_as_many_streams_as_contexts() {
    let mut machine = machine(1000, Page::Present);
    machine.memory.map(CONTEXT, 20 << 16, Page::Present);
    let on = |mut job: Sqe, number: u64| {
        set_word(&mut job, 22, (CONTEXT + (number << 16)) as u32);
        job
    };
    let begin = stream_job(NEW_STREAM, (INPUT, 100), (OUTPUT, 1000));
    let begun: Vec<Done> = (0..20)
        .map(|n| machine.run(1, &on(begin.clone(), n)))
        .collect();
    for (number, begun) in (0..).zip(&begun) {
        let mut job = on(stream_job(0, (INPUT, 100), (OUTPUT, 1000)), number);
        carry(&mut job, begun);
        assert_eq!(machine.run(1, &job).status(), 0, "{number}");
    }
}

/// A guest may clear a context, or map it many times: the host keeps so many streams and no more.
#[test]
fn the_oldest_of_too_many_streams_is_lost() {
    let mut machine = machine(1000, Page::Present);
    machine.memory.map(CONTEXT, 64 << 10, Page::Present);
    let begin = stream_job(NEW_STREAM, (INPUT, 100), (OUTPUT, 1000));
    let mut begun = Vec::new();
    for number in 0..=STREAMS {
        let done = machine.run(1, &begin);
        assert_eq!(done.status(), 0);
        if [0, 1, STREAMS].contains(&number) {
            begun.push((number, done, machine.memory.data(CONTEXT, 0x97c0)));
        }
        machine.memory.set_data(CONTEXT, &[0; 16]);
    }
    for (at, done, context) in begun {
        machine.memory.set_data(CONTEXT, &context);
        let mut job = stream_job(0, (INPUT, 100), (OUTPUT, 1000));
        carry(&mut job, &done);
        let status = if at == 0 { number(Status::NoStream) } else { 0 };
        assert_eq!(machine.run(1, &job).status(), status, "{at}");
    }
}

/// A guest may have a stream begin whose input is not there, as often as it likes: none comes of
/// it, and it costs nobody a stream.
#[test]
fn what_has_not_begun_is_no_stream() {
    let mut machine = machine(1000, Page::Present);
    machine.memory.map(CONTEXT, 64 << 10, Page::Present);
    let begun = machine.run(1, &stream_job(NEW_STREAM, (INPUT, 100), (OUTPUT, 1000)));
    let context = machine.memory.data(CONTEXT, 0x97c0);

    machine.memory.set_data(CONTEXT, &[0; 16]);
    let missing = stream_job(NEW_STREAM, (0x1000, 100), (OUTPUT, 1000));
    for _ in 0..STREAMS {
        assert_eq!(
            machine.run(1, &missing).status(),
            number(Status::InputFault)
        );
    }
    let other = machine.run(1, &stream_job(NEW_STREAM, (INPUT, 100), (OUTPUT, 1000)));
    assert_eq!(other.status(), 0);

    machine.memory.set_data(CONTEXT, &context);
    let mut job = stream_job(0, (INPUT, 100), (OUTPUT, 1000));
    carry(&mut job, &begun);
    assert_eq!(machine.run(1, &job).status(), 0);
}

/// A machine with these readings, and a stream that compresses, of which it has done one request.
fn in_a_stream(mild: Mild) -> (Machine, Done) {
    let mut machine = Machine::with(Config {
        mild,
        ..Machine::CONFIG
    });
    machine.start(1, COMPRESS);
    for at in [INPUT, OUTPUT] {
        machine.memory.map(at, 0x2000, Page::Present);
    }
    machine.memory.map(CONTEXT, 64 << 10, Page::Present);
    machine.memory.set_data(INPUT, &text(1000));
    let begun = machine.run(1, &stream_job(NEW_STREAM, (INPUT, 1000), (OUTPUT, 1125)));
    assert_eq!(begun.status(), 0);
    (machine, begun)
}

#[test]
fn what_uadk_never_sends_is_not_done() {
    // (input, room, the reading by which it is an error)
    for (input, room, reading) in [
        (0, 1000, Reading::EmptyFinish),
        (1000, 1124, Reading::TightRooms),
        (100, 199, Reading::SmallStreamRooms),
    ] {
        let fails = number(Status::BadLength);
        for (mild, status) in [(Mild::NONE, 0), (Mild::NONE.with(reading), fails)] {
            let (mut machine, begun) = in_a_stream(mild);
            let mut job = stream_job(LAST, (INPUT, input), (OUTPUT, room));
            carry(&mut job, &begun);
            let told = machine.run(1, &job);
            let told = (told.status(), told.consumed(), told.produced());
            assert_eq!(told, (status, 0, 0), "{reading:?}");
            // The stream stands where it stood.
            let mut job = stream_job(LAST, (INPUT, 1000), (OUTPUT, 1125));
            carry(&mut job, &begun);
            let done = machine.run(1, &job);
            assert_eq!((done.status(), done.consumed()), (0, 1000), "{reading:?}");
        }
    }
}

#[test]
fn a_queue_of_unknown_type_says_so() {
    let mut machine = machine(1000, Page::Present);
    machine.start(5, 2);
    let job = sqe(GZIP, STATELESS, (INPUT, 1000), (OUTPUT, 1000));
    assert_eq!(machine.run(5, &job).status(), number(Status::BadAlgorithm));
}

#[test]
fn rings_wrap() {
    let mut machine = machine(1000, Page::Present);
    let job = sqe(DEFLATE, STATELESS, (INPUT, 1000), (OUTPUT, 2000));
    for number in 0..5 * DEPTH {
        machine.submit(1, &job);
        machine.settle();
        let expected = Completion {
            index: number % DEPTH,
            queue: 1,
        };
        assert_eq!(machine.completion(1), Some(expected));
        assert_eq!(machine.completion(1), None);
        machine.report_head(1, false);
    }
    assert_eq!(machine.device.stats().jobs, 5 * u64::from(DEPTH));
}

#[test]
fn no_more_tasks_than_engines() {
    let mut machine = machine(1000, Page::Present);
    for queue in 10..20 {
        machine.start(queue, COMPRESS);
        machine.submit(queue, &sqe(GZIP, STATELESS, (INPUT, 1000), (OUTPUT, 2000)));
    }
    machine.step();
    assert_eq!(machine.memory.tasks.len(), 2);
    machine.settle();
    assert_eq!(machine.device.stats().jobs, 10);
}

/// What the revision before it has not, the newer one has; and it has nothing else.
#[test]
fn each_revision_has_its_own_formats() {
    let raw = number(Status::BadAlgorithm);
    let bad_layout = number(Status::BadLayout);
    for (revision, layout, algorithm, status) in [
        (0x30, 3, GZIP, 0),
        (0x30, 3, DEFLATE, 0),
        (0x30, 0, GZIP, bad_layout),
        (0x30, 1, GZIP, bad_layout),
        (0x21, 0, GZIP, 0),
        (0x21, 0, ZLIB, 0),
        (0x21, 0, DEFLATE, raw),
        (0x21, 3, GZIP, bad_layout),
    ] {
        let mut machine = Machine::with_revision(revision);
        machine.write(regs::DATA_USER, 1);
        machine.start(1, COMPRESS);
        for at in [INPUT, OUTPUT] {
            machine.memory.map(at, 2000, Page::Present);
        }
        let mut entry = sqe(algorithm, STATELESS, (INPUT, 1000), (OUTPUT, 1000));
        set_word(&mut entry, 7, layout << 28);
        assert_eq!(
            machine.run(1, &entry).status(),
            status,
            "{algorithm} in layout {layout} on {revision:#x}"
        );
    }
}

/// They mean nothing when data is decompressed.
#[test]
fn windows_concern_compression_alone() {
    let mut machine = machine(1000, Page::Present);
    let packed = machine.run(1, &sqe(GZIP, STATELESS, (INPUT, 1000), (OUTPUT, 1000)));
    let length = packed.produced() as usize;
    let back = sqe(GZIP | 5 << 12, STATELESS, (OUTPUT, length), (BACK, 1000));
    assert_eq!(machine.run(2, &back).status(), 0);
}

/// Bits 15:12 of word 9 limit distances when revision 0x30 compresses, by the harmful reading.
#[test]
fn windows_of_both_readings() {
    const DISTANCE: usize = 20_000;
    let mut noise: Vec<u8> = Vec::new();
    let mut state = 7u32;
    for _ in 0..DISTANCE {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        noise.push((state >> 24) as u8);
    }
    let whole = Mild::NONE.with(Reading::Windows);
    for (revision, mild, window, found) in [
        (0x30, Mild::NONE, 0, Some(false)),
        (0x30, Mild::NONE, 3, Some(false)),
        (0x30, Mild::NONE, 4, Some(true)),
        (0x30, Mild::NONE, 5, None),
        (0x30, whole, 0, Some(true)),
        (0x30, whole, 5, None),
        (0x21, Mild::NONE, 0, Some(true)),
    ] {
        let mut machine = Machine::with(Config {
            revision,
            mild,
            ..Machine::CONFIG
        });
        machine.write(regs::DATA_USER, 1);
        machine.start(1, COMPRESS);
        for at in [INPUT, OUTPUT] {
            machine.memory.map(at, 6 * DISTANCE, Page::Present);
        }
        machine.memory.set_data(INPUT, &noise.repeat(2));
        let (input, output) = ((INPUT, 2 * DISTANCE), (OUTPUT, 4 * DISTANCE));
        let mut entry = sqe(GZIP | window << 12, STATELESS, input, output);
        if revision == 0x21 {
            set_word(&mut entry, 7, 0);
        }
        let done = machine.run(1, &entry);
        let case = format!("{revision:#x} {window}");
        match found {
            Some(found) => {
                let half = (done.produced() as usize) < DISTANCE * 3 / 2;
                assert_eq!(half, found, "{case}");
            }
            None => assert_eq!(done.status(), number(Status::BadWindow), "{case}"),
        }
    }
}

/// Whether the next request is to be one without input, by the header of the user interface.
fn is_to_be_empty(memory: &mut Memory, done: &Done, algorithm: u32) -> bool {
    match done.asks() {
        1 => true,
        2 => done.word(15) & 1 << 7 != 0 && done.word(28) & 0x7_ffff != 0,
        3 if algorithm == DEFLATE => {
            let bits = done.word(15) >> 10 & 0x3f;
            let at = 0xc00 + u64::from(done.word(29) & 0xffff).next_multiple_of(16);
            // The only end of a stream that this device leaves there.
            bits == 10 && memory.data(CONTEXT + at, 2) == [0x03, 0x00]
        }
        _ => false,
    }
}

/// Who keeps to the rules of the header has each stream decompressed to its end, and is refused
/// nothing.
#[test]
fn the_rules_of_the_header_are_enough() {
    const SIZE: usize = 6000;
    for (seed, algorithm) in (1..60).flat_map(|seed| [DEFLATE, ZLIB, GZIP].map(|a| (seed, a))) {
        let mut machine = Machine::with(Config {
            seed,
            ..Machine::CONFIG
        });
        machine.start(1, COMPRESS);
        machine.start(2, DECOMPRESS);
        for at in [INPUT, OUTPUT, BACK, CONTEXT] {
            machine.memory.map(at, 0x1_1000, Page::Present);
        }
        machine.memory.set_data(INPUT, &text(SIZE));
        let job = sqe(algorithm, STATELESS, (INPUT, SIZE), (OUTPUT, 2 * SIZE));
        let size = machine.run(1, &job).produced() as usize;
        let (mut taken, mut made, mut empty) = (0, 0, false);
        let mut last: Option<Done> = None;
        while !last.as_ref().is_some_and(Done::is_end) {
            let part = match empty {
                true => 0,
                false => (size - taken).min(size / 3),
            };
            let mut job = sqe(
                algorithm,
                STREAM,
                (OUTPUT + taken as u64, part),
                (BACK + made as u64, 500),
            );
            set_word(&mut job, 22, CONTEXT as u32);
            set_word(&mut job, 23, (CONTEXT >> 32) as u32);
            match &last {
                Some(last) => carry(&mut job, last),
                None => set_word(&mut job, 7, STREAM | NEW_STREAM | 3 << 28),
            }
            let done = machine.run(2, &job);
            assert!([0, 0x13].contains(&done.status()), "{seed}, {algorithm}");
            taken += done.consumed() as usize;
            made += done.produced() as usize;
            empty = done.consumed() as usize == part
                && is_to_be_empty(&mut machine.memory, &done, algorithm);
            last = Some(done);
        }
        assert_eq!(machine.memory.data(BACK, made), text(SIZE));
    }
}
