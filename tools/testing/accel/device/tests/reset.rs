// SPDX-License-Identifier: GPL-2.0

//! Resets of the function, and halting it: nothing of before is left, nor written any more.

mod common;

use common::workload::*;
use common::*;
use hisi_zip_model::errors;
use hisi_zip_model::readings::Mild;
use hisi_zip_model::readings::Reading;
use hisi_zip_model::regs;
use hisi_zip_model::sqe::Status;
use hisi_zip_model::Bar;
use hisi_zip_model::Config;
use hisi_zip_model::ResetKind;

const STOP: u64 = 8;
const FLUSH: u64 = 9;

fn with(mild: Mild) -> Machine {
    Machine::with(Config {
        mild,
        ..Machine::CONFIG
    })
}

/// A machine whose driver has started queue 1, and whose device lives on after any reset.
fn machine() -> Machine {
    with(Mild::NONE.with(Reading::ResetAmidWork)).prepare(Page::Cold)
}

type Stage = fn(&mut Machine);

/// How far the job of queue 1 is when the reset comes.
const STAGES: [(&str, Stage); 5] = [
    ("an entry waits", |_| {}),
    ("waits for the input", |machine| machine.step()),
    ("is computed", |machine| {
        machine.step();
        machine.answer_pages();
        machine.step();
        assert_eq!(machine.memory.tasks.len(), 1);
    }),
    ("waits for the output", |machine| {
        machine.step();
        machine.answer_pages();
        machine.step();
        machine.compute();
        machine.step();
        assert_eq!(machine.memory.requests.len(), 1);
    }),
    ("is about to be written", |machine| {
        machine.step();
        machine.answer_pages();
        machine.step();
        machine.compute();
        machine.step();
        machine.answer_pages();
    }),
];

/// All that the device could write to for queue 1, and its events.
fn written(machine: &mut Machine) -> Vec<u8> {
    let mut bytes = machine.memory.data(OUTPUT, SIZE);
    bytes.extend(machine.memory.peek(Machine::sq_base(1), 0x1000));
    bytes.extend(machine.memory.peek(0x2000, 0x2000));
    bytes
}

#[test]
fn nothing_is_written_after_a_reset() {
    for (name, stage) in STAGES {
        let mut machine = machine();
        machine.submit(1, &job());
        stage(&mut machine);
        machine.device.reset(ResetKind::Function);
        assert_eq!(machine.violations().len(), 1, "{name}: work was under way");
        let before = written(&mut machine);
        let interrupts = machine.memory.interrupts.len();
        // Even if the driver lets the device access memory again.
        machine.device.set_bus_master(true);
        machine.settle();
        machine.device.tick(60_000);
        machine.settle();
        assert_eq!(written(&mut machine), before, "{name}");
        assert_eq!(machine.memory.interrupts.len(), interrupts, "{name}");
        assert_eq!(machine.device.stats().jobs, 0, "{name}");

        machine.start_function();
        machine.start(1, COMPRESS);
        assert_eq!(machine.run(1, &job()).status(), 0, "{name}");
        assert_eq!(machine.violations().len(), 1, "{name}");
    }
}

/// The proper way: no more DMA, wait for what is under way, reset.
#[test]
fn a_device_that_was_halted_may_be_reset() {
    let resets: [Stage; 3] = [
        |machine| machine.device.reset(ResetKind::Function),
        |machine| machine.write(regs::MEM_INIT, 1),
        |machine| machine.device.set_bus_master(false),
    ];
    for reset in resets {
        for (name, stage) in STAGES {
            let mut machine = machine();
            machine.submit(1, &job());
            stage(&mut machine);
            machine.write(regs::MASTER_CTRL, 1);
            machine.answer_pages();
            assert_eq!(machine.read(regs::MASTER_RETURN), 3);
            let before = written(&mut machine);
            machine.settle();
            reset(&mut machine);
            machine.settle();
            assert_eq!(written(&mut machine), before, "{name}");
            assert!(machine.violations().is_empty(), "{name}");
        }
    }
}

#[test]
fn page_requests_hold_up_a_halt() {
    let mut machine = machine();
    machine.submit(1, &job());
    machine.step();
    machine.write(regs::MASTER_CTRL, 1);
    assert_eq!(machine.read(regs::MASTER_RETURN), 0);
    machine.device.reset(ResetKind::Function);
    assert_eq!(machine.violations().len(), 1);
}

/// What opens the way to memory again that the driver has shut.
#[test]
fn who_opens_the_way_to_memory() {
    let openers: [(&str, Stage, bool); 5] = [
        (
            "the driver",
            |machine| machine.write(regs::MASTER_CTRL, 0),
            true,
        ),
        (
            "the platform",
            |machine| machine.device.reset(ResetKind::Machine),
            true,
        ),
        ("its power", |machine| machine.device.power_up(), true),
        (
            "a function-level reset",
            |machine| machine.device.reset(ResetKind::Function),
            false,
        ),
        (
            "forgetting the contexts",
            |machine| machine.write(regs::MEM_INIT, 1),
            false,
        ),
    ];
    for mild in [Mild::NONE, Mild::NONE.with(Reading::BusAfterReset)] {
        for (name, open, always) in openers {
            let mut machine = with(mild);
            machine.write(regs::MASTER_CTRL, 1);
            open(&mut machine);
            let shut = machine.read(regs::MASTER_CTRL);
            assert_eq!(shut == 0, always || mild != Mild::NONE, "{name}");
        }
    }
}

/// One reading of 0 is not the end of it: three are. And who has opened it has to close it.
#[test]
fn fetches_in_advance_end_before_a_reset() {
    let mild = Mild::NONE.with(Reading::EngineBits);
    const CLOSES: u32 = 1 << 26;
    for (mild, written, busy) in [
        (Mild::NONE, CLOSES, CLOSES | 1),
        (Mild::NONE, 0, 1 << 16),
        (mild, CLOSES, 0),
        (mild, 0, 0),
    ] {
        let told = [busy, 0, busy, 0, 0, 0];
        for readings in [0, 2, 4, 5, 6, 7] {
            let mut machine = with(mild);
            let other = machine.read(regs::PREFETCH);
            machine.write(regs::PREFETCH, other | written);
            for reading in 0..readings {
                let expected = told.get(reading).copied().unwrap_or(0);
                assert_eq!(machine.read(regs::PREFETCH_STATE), expected);
            }
            machine.device.reset(ResetKind::Function);
            let ended = readings >= 6 && written == CLOSES;
            let caught = usize::from(!ended && busy != 0);
            assert_eq!(machine.violations().len(), caught, "{readings}");
            // It is not open any more.
            machine.device.reset(ResetKind::Function);
            assert_eq!(machine.violations().len(), caught, "{readings}");
        }
    }
}

/// What a function-level reset amid work leaves: whether the device can be used.
fn survives(mut machine: Machine) -> bool {
    machine.device.reset(ResetKind::Function);
    machine.write(regs::MASTER_CTRL, 0);
    machine.write(regs::MEM_INIT, 1);
    let ready = machine.read(regs::MEM_INIT_DONE) == 1;
    machine.device.set_bus_master(true);
    machine.mailbox(4, 0, 0);
    machine.step();
    assert_eq!(ready, !machine.mailbox_busy());
    let timed_out = machine.read(regs::QM_ABNORMAL.source) == errors::RESET_TIMEOUT;
    assert_eq!(ready, !timed_out);
    ready
}

#[test]
fn a_reset_amid_work_is_the_end_of_the_device() {
    for (name, stage) in STAGES {
        for mild in [Mild::NONE, Mild::NONE.with(Reading::ResetAmidWork)] {
            let machine = || {
                let mut machine = with(mild).prepare(Page::Cold);
                machine.submit(1, &job());
                stage(&mut machine);
                machine
            };
            assert_eq!(survives(machine()), mild != Mild::NONE, "{name}");
            // Shut is not enough.
            let mut shut = machine();
            shut.write(regs::MASTER_CTRL, 1);
            shut.answer_pages();
            assert_eq!(survives(shut), mild != Mild::NONE, "{name}");

            // The queues have to be gone.
            let mut empty = machine();
            empty.write(regs::MASTER_CTRL, 1);
            empty.answer_pages();
            empty.set_range(0, 0);
            assert!(survives(empty), "{name}");
        }
    }
}

/// What the driver does, however far the job is, whether it flushes the queues or not.
#[test]
fn a_reset_that_all_devices_survive() {
    for (name, stage) in STAGES {
        for flushes in [true, false] {
            let mut machine = with(Mild::NONE).prepare(Page::Cold);
            machine.submit(1, &job());
            stage(&mut machine);
            if flushes {
                machine.mailbox(FLUSH, 0, 0);
                machine.step();
            }
            machine.write(regs::MASTER_CTRL, 1);
            machine.answer_pages();
            assert_eq!(machine.read(regs::MASTER_RETURN), 3, "{name}");
            machine.device.set_bus_master(false);
            machine.set_range(0, 0);
            machine.write(regs::MASTER_CTRL, 0);
            machine.device.reset(ResetKind::Function);

            machine.write(regs::MEM_INIT, 1);
            assert_eq!(machine.read(regs::MEM_INIT_DONE), 1, "{name}");
            machine.start_function();
            machine.start(1, COMPRESS);
            assert_eq!(machine.run(1, &job()).status(), 0, "{name}");
            machine.expect_no_violation();
        }
    }
}

#[test]
fn only_the_platform_brings_a_dead_device_back() {
    let dead = || {
        let mut machine = with(Mild::NONE).prepare(Page::Present);
        machine.submit(1, &job());
        machine.device.reset(ResetKind::Function);
        machine
    };
    assert!(!survives(dead()));

    let mut machine = dead();
    machine.device.reset(ResetKind::Machine);
    machine.start_function();
    machine.start(1, COMPRESS);
    assert_eq!(machine.run(1, &job()).status(), 0);
}

/// Whatever was done to it, a device that was reset is like a new one, but for what stays shut.
#[test]
fn as_new() {
    let mut machine = with(Mild::ALL).prepare(Page::Cold);
    let offsets = || (0..regs::BAR2_SIZE).step_by(4);
    let new: Vec<u32> = {
        let mut new = with(Mild::ALL);
        new.device.reset(ResetKind::Function);
        offsets().map(|offset| new.read(offset)).collect()
    };
    machine.run(1, &job());
    machine.mailbox(4, 0, 0x1_2345_6000);
    machine.step();
    machine.write(regs::QM_ABNORMAL.mask, 0);
    machine.write(regs::QM_ABNORMAL.set, 1);
    for offset in [0x34, 0x10_0050, 0x30_1040, 0x30_1004, regs::HIGH_PERF] {
        machine.write(offset, 0x5a5a_5a5a);
    }
    machine.write(regs::SQE_COUNT_SELECT, 1 << 16);
    machine.submit(1, &job());
    machine.write(regs::MASTER_CTRL, 1);
    machine.mailbox(STOP, 1, 0);

    machine.device.reset(ResetKind::Function);
    for (offset, value) in offsets().zip(new) {
        assert_eq!(machine.read(offset), value, "{offset:#x}");
    }
    machine.device.set_bus_master(true);
    let interrupts = machine.memory.interrupts.len();
    machine.settle();
    assert_eq!(machine.memory.interrupts.len(), interrupts);
    assert!(!machine.mailbox_busy());

    let dropped = machine.device.stats().doorbells_dropped;
    machine.doorbell(1, 0, 1, 0);
    machine.doorbell(1, 1, 0, 1);
    machine.event_doorbell(2, 0);
    assert_eq!(machine.device.stats().doorbells_dropped, dropped + 3);

    machine.set_range(0, 64);
    for command in 0..4 {
        assert_eq!(machine.read_context(command, 1), [0; 32], "{command}");
    }
    machine.mailbox(4 | 1 << 14, 0, 0);
    machine.step();
    assert_eq!(machine.read(regs::MAILBOX + 4), 0);
}

/// A late answer means nothing to the jobs that came after the reset.
#[test]
fn answers_to_requests_of_before() {
    let mut machine = machine();
    machine.submit(1, &job());
    machine.step();
    let old = std::mem::take(&mut machine.memory.requests);
    machine.device.reset(ResetKind::Function);
    machine.start_function();
    machine.start(1, COMPRESS);
    machine.submit(1, &job());
    machine.step();
    for (group, _, _) in old {
        machine.device.page_answer(group, false);
    }
    machine.settle();
    assert!(machine.completion(1).is_some());
    assert_eq!(machine.done(1, 0).status(), 0);
}

/// So does the result of a computation, even for the same entry of the same queue.
#[test]
fn computations_of_before() {
    let mut machine = machine();
    machine.submit(1, &job());
    STAGES[2].1(&mut machine);
    let old = std::mem::take(&mut machine.memory.tasks);
    machine.device.reset(ResetKind::Function);
    machine.start_function();
    machine.start(1, COMPRESS);
    machine.memory.set_data(INPUT, &[7; SIZE]);
    machine.submit(1, &job());
    machine.step();
    machine.answer_pages();
    machine.step();
    for mut task in old {
        task.run();
        machine.device.computed(task);
    }
    machine.step();
    assert_eq!(machine.completion(1), None);
    machine.settle();
    assert_eq!(machine.done(1, 0).status(), 0);
    assert_eq!(machine.device.stats().jobs, 1);
}

/// Streams are part of what is forgotten.
#[test]
fn streams_of_before() {
    const CONTEXT: u64 = 0x7000_0000;
    let part = |flags| {
        let mut part = sqe(GZIP, STREAM | flags, (INPUT, SIZE / 2), (OUTPUT, SIZE));
        set_word(&mut part, 22, CONTEXT as u32);
        part
    };
    let mut machine = machine();
    machine.memory.map(CONTEXT, 64 << 10, Page::Cold);
    let first = machine.run(1, &part(NEW_STREAM));
    assert_eq!(first.status(), 0);
    machine.device.reset(ResetKind::Function);
    assert!(machine.violations().is_empty());
    machine.start_function();
    machine.start(1, COMPRESS);
    let mut last = part(LAST);
    carry(&mut last, &first);
    assert_eq!(machine.run(1, &last).status(), number(Status::NoStream));
}

#[test]
fn resets_are_counted() {
    let mut machine = machine();
    machine.device.reset(ResetKind::Function);
    machine.device.reset(ResetKind::Machine);
    let stats = machine.device.stats();
    assert_eq!((stats.resets, stats.flrs), (2, 1));
}

#[test]
fn mildly_forgetting_the_contexts_ends_the_command_under_way() {
    let mild = Mild::NONE.with(Reading::MailboxAfterForgetting);
    let mut machine = with(mild).prepare(Page::Cold);
    machine.submit(1, &job());
    machine.step();
    machine.mailbox(STOP, 1, 0);
    machine.step();
    assert!(machine.mailbox_busy());
    machine.write(regs::MASTER_CTRL, 1);
    machine.answer_pages();
    machine.write(regs::MEM_INIT, 1);
    assert!(!machine.mailbox_busy());
    assert_eq!(machine.device.read(Bar::Doorbells, 0x1_1000, 8), 0);
    machine.settle();
    assert!(machine.violations().is_empty());
    machine.start_function();
    machine.start(1, COMPRESS);
    assert_eq!(machine.run(1, &job()).status(), 0);
}
