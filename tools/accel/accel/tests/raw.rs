// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Raw entries, against an engine in memory.

use std::sync::Arc;
use std::time::Duration;

use accel::hisi_zip::{Direction, RawJob, RawQueue};
use accel::memory::Memory;
use accel::{AddressMode, Error, uapi};
use accel_fake::{Context, Fate, Plan, Watcher};

const DEPTH: u32 = 4;
/// Gzip, with the window that the engine in memory wants.
const GZIP: u32 = 3 | uapi::HISI_ZIP_WINDOW_32K << uapi::HISI_ZIP_WINDOW_SHIFT;
const PATIENCE: Duration = Duration::from_secs(10);

fn queue(mode: AddressMode, plan: Plan) -> (RawQueue, Context) {
    let context = Context::new(mode);
    let watcher = Arc::<Watcher>::default();
    let parts = context.parts(Direction::Compress, DEPTH, &watcher, plan);
    (RawQueue::from_parts(parts.unwrap()).unwrap(), context)
}

fn memory(context: &Context, len: usize, fill: u8) -> Memory {
    let mut memory = context.address_space().memory(len).unwrap();
    memory.bytes_mut().fill(fill);
    memory
}

fn job(context: &Context, len: usize) -> RawJob {
    RawJob {
        status: 0,
        flags: 3 << 28,
        method: GZIP,
        carried: [0; 5],
        input: memory(context, 4096, b'a'),
        input_len: len,
        output: memory(context, 4096, 0xa5),
        room: 4096,
        context: None,
    }
}

#[test]
fn an_entry_comes_back_as_it_is() {
    for mode in [AddressMode::Shared, AddressMode::Private] {
        let (mut queue, context) = queue(mode, Box::new(|_| Fate::Do));
        // More than once around.
        for number in 0..2 * DEPTH + 1 {
            let done = queue.run(job(&context, 1000), PATIENCE).unwrap();
            assert_eq!(
                (done.entry[0], done.entry[3], done.entry[4]),
                (1000, 0, 1000)
            );
            assert_eq!((done.entry[13], done.entry[26]), (number, number));
            let produced = done.entry[1] as usize;
            assert!((1..1000).contains(&produced), "{produced}");
            let output = done.job.output.bytes();
            assert!(output[produced..].iter().all(|byte| *byte == 0xa5));
            assert_eq!(u32::from(done.completion[4]), number % DEPTH);
            assert_eq!(u32::from(done.completion[7] & 1), 1 ^ number / DEPTH & 1);
        }
    }
}

#[test]
fn a_status_that_nobody_knows_is_told_as_it_is() {
    let (mut queue, context) = queue(AddressMode::Shared, Box::new(|_| Fate::Status(0x7b)));
    let done = queue.run(job(&context, 10), PATIENCE).unwrap();
    assert_eq!(done.entry[3], 0x7b);
}

/// Nothing that another entry says is taken for an answer.
#[test]
fn a_completion_of_another_entry_is_an_error() {
    for fate in [Fate::WrongEntry, Fate::WrongTag] {
        let (mut queue, context) = queue(AddressMode::Shared, Box::new(move |_| fate));
        let error = queue.run(job(&context, 10), PATIENCE).unwrap_err();
        assert!(matches!(error, Error::Mismatch { .. }), "{fate:?}: {error}");
        // Whatever comes later is behind.
        let error = queue.run(job(&context, 10), PATIENCE).unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{fate:?}: {error}");
    }
}

#[test]
fn what_does_not_come_back_ends_the_queue() {
    let (mut queue, context) = queue(AddressMode::Shared, Box::new(|_| Fate::Hang));
    for patience in [Duration::from_millis(20), Duration::from_secs(60)] {
        let error = queue.run(job(&context, 10), patience).unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
    }
}

#[test]
fn a_queue_that_dies_says_so() {
    let die = Fate::Die(uapi::QUEUE_DEAD_RESET);
    let (mut queue, context) = queue(AddressMode::Shared, Box::new(move |_| die));
    let error = queue.run(job(&context, 10), PATIENCE).unwrap_err();
    assert!(matches!(error, Error::QueueDead { .. }), "{error}");
}

#[test]
fn memory_of_another_context_is_refused() {
    let (mut queue, _context) = queue(AddressMode::Private, Box::new(|_| Fate::Do));
    let other = Context::new(AddressMode::Private);
    let error = queue.run(job(&other, 10), PATIENCE).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}

#[test]
fn the_kernel_s_queues_have_no_rings_to_show() {
    let context = Context::new(AddressMode::Kernel);
    let watcher = Arc::<Watcher>::default();
    let plan: Plan = Box::new(|_| Fate::Do);
    let parts = context.parts(Direction::Compress, DEPTH, &watcher, plan);
    assert!(RawQueue::from_parts(parts.unwrap()).is_err());
}
