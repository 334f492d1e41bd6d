// SPDX-License-Identifier: GPL-2.0

//! Mailbox, doorbells, events, and stopping.

mod common;

use common::workload::*;
use common::*;
use hisi_zip_model::errors;
use hisi_zip_model::overflow;
use hisi_zip_model::readings::Mild;
use hisi_zip_model::readings::Reading;
use hisi_zip_model::regs;
use hisi_zip_model::shaper;
use hisi_zip_model::Bar;
use hisi_zip_model::Config;
use hisi_zip_model::ResetKind;

fn machine(page: Page) -> Machine {
    Machine::new().prepare(page)
}

#[test]
fn what_the_driver_looks_at_when_it_probes() {
    let mut machine = Machine::new();
    let table = [
        (0x10_0044, 1),
        (0x10_006c, 1),
        (0x208, 1),
        (0x30_11c4, 0),
        (0x210, 0),
        (0x30, 1),
        (0x10_0008, 0),
        (0x30_10ac, 0),
        (0x10_00fc, 0),
        (0x10_0100, 0),
    ];
    for (offset, value) in table {
        assert_eq!(machine.read(offset), value, "{offset:#x}");
    }
}

#[test]
fn a_queue_is_as_deep_as_its_capability_says() {
    let deep = Mild::NONE.with(Reading::QueueDepth);
    for (mild, depth, status) in [
        (Mild::NONE, 1024, 0),
        (Mild::NONE, 1025, 4),
        (deep, 1025, 0),
        (deep, 4096, 0),
    ] {
        let mut machine = Machine::with(Config {
            mild,
            ..Machine::CONFIG
        });
        let (mut sqc, mut cqc) = (Machine::sqc(1, COMPRESS), Machine::cqc(1));
        sqc[3] = 7 << 12 | (depth - 1);
        cqc[3] = 4 << 12 | (depth - 1);
        assert_eq!(machine.context(1, 1, cqc), status, "CQ of {depth}");
        assert_eq!(machine.context(0, 1, sqc), status, "SQ of {depth}");
    }
}

#[test]
fn the_older_revision_has_1024_queues() {
    let mut machine = Machine::with_revision(0x21);
    machine.set_range(0, 1024);
    assert_eq!(machine.context(0, 1023, Machine::sqc(1023, COMPRESS)), 0);
}

#[test]
fn master_shutdown_waits_for_page_requests() {
    let mut machine = machine(Page::Cold);
    machine.submit(1, &job());
    machine.step();
    machine.write(regs::MASTER_CTRL, 1);
    assert_eq!(machine.read(regs::MASTER_RETURN), 0);
    machine.answer_pages();
    assert_eq!(machine.read(regs::MASTER_RETURN), 3);
    machine.settle();
    assert_eq!(machine.completion(1), None);
    machine.write(regs::MASTER_CTRL, 0);
    machine.settle();
    assert!(machine.completion(1).is_some());
}

/// Contexts are read and written, and events written, like anything else in memory.
#[test]
fn nothing_is_accessed_while_the_way_is_shut() {
    type Step = fn(&mut Machine);
    let shuts: [(Step, Step); 2] = [
        (
            |machine| machine.write(regs::MASTER_CTRL, 1),
            |machine| machine.write(regs::MASTER_CTRL, 0),
        ),
        (
            |machine| machine.device.set_bus_master(false),
            |machine| machine.device.set_bus_master(true),
        ),
    ];
    const EQC: u64 = 2;
    const STOP: u64 = 8;
    for command in [EQC, EQC | 1 << 14, STOP] {
        for (shut, open) in shuts {
            let mut machine = machine(Page::Present);
            shut(&mut machine);
            machine.memory.own_forbidden = true;
            machine.mailbox(command, 1, 0x1000);
            machine.settle();
            assert!(machine.mailbox_busy(), "{command:#x}");
            machine.memory.own_forbidden = false;
            open(&mut machine);
            machine.settle();
            assert!(!machine.mailbox_busy(), "{command:#x}");
            machine.expect_no_violation();
        }
    }
}

/// An event that comes while the way is shut is told when it is open again.
#[test]
fn events_wait_for_the_way() {
    let mut machine = machine(Page::Present);
    machine.submit(1, &job());
    machine.settle();
    machine.write(regs::MASTER_CTRL, 1);
    machine.memory.interrupts.clear();
    machine.memory.own_forbidden = true;
    // Armed anew, with a completion that was not read.
    assert_eq!(machine.event(), Some(1));
    machine.report_events();
    machine.doorbell(1, 1, 0, 1);
    machine.settle();
    assert_eq!(machine.event(), None);
    assert!(machine.memory.interrupts.is_empty());
    machine.memory.own_forbidden = false;
    machine.write(regs::MASTER_CTRL, 0);
    machine.settle();
    assert_eq!(machine.event(), Some(1));
    assert_eq!(machine.memory.interrupts.len(), 1);
    machine.expect_no_violation();
}

#[test]
fn mailbox_refusals() {
    let good = Machine::sqc(1, COMPRESS);
    let mut entry_of_64 = good;
    entry_of_64[3] = 6 << 12 | 7;
    let mut far_cq = good;
    far_cq[6] = 64;
    let deep_eq = [0, 0, 0, 0, 0, 0, 2047, 0];
    let table = [
        ("unknown", 0x42, 1, good, 1),
        ("beyond the range", 0, 16, good, 2),
        ("beyond the device", 0, 5000, good, 2),
        ("CQ beyond the range", 1, 16, Machine::cqc(1), 2),
        ("STOP_QP beyond the range", 8, 16, good, 2),
        ("entry size", 0, 1, entry_of_64, 4),
        ("number of the CQ", 0, 1, far_cq, 4),
        ("EQ of one entry", 2, 0, [0; 8], 4),
        (
            "EQ of more entries than its capability says",
            2,
            0,
            deep_eq,
            4,
        ),
        (
            "AEQ of more entries than its capability says",
            3,
            0,
            deep_eq,
            4,
        ),
        ("fine", 0, 1, good, 0),
    ];
    let mut machine = Machine::new();
    machine.set_range(0, 16);
    for (name, command, queue, words, status) in table {
        assert_eq!(machine.context(command, queue, words), status, "{name}");
    }
    machine.memory.own_forbidden = true;
    assert_eq!(machine.context(0, 1, good), 3);
    assert!(machine.violations().is_empty());
}

#[test]
fn range_and_tables_are_read_back() {
    let mut machine = Machine::new();
    machine.set_range(2, 30);
    machine.mailbox(4, 0, 0x1_2345_6000);
    machine.step();
    let table = [(6, 2u64 << 28 | 1 << 44 | 29 << 45), (4, 0x1_2345_6000)];
    for (command, value) in table {
        machine.mailbox(command | 1 << 14, 0, 0);
        machine.step();
        assert_eq!(machine.mailbox_status(), 0);
        let low = machine.read(regs::MAILBOX + 4);
        let high = machine.read(regs::MAILBOX + 8);
        assert_eq!(u64::from(high) << 32 | u64::from(low), value);
    }
}

/// How the older revision's driver waits: until both tails are the same.
#[test]
fn positions_are_read_back() {
    let tail = |raw: Vec<u8>| (raw[2], raw[22] & 1 << 6 != 0);
    let mut machine = machine(Page::Cold);
    for _ in 0..DEPTH - 1 {
        machine.run(1, &job());
    }
    machine.submit(1, &job());
    machine.step();
    assert_eq!(tail(machine.read_context(0, 1)), (0, true));
    machine.settle();
    assert_eq!(
        tail(machine.read_context(0, 1)),
        tail(machine.read_context(1, 1))
    );
}

#[test]
fn doorbells_that_do_nothing() {
    let mut machine = machine(Page::Present);
    machine.fill(1, &job());
    let ring = |queue: u64, index: u64| queue | index << 32;
    let own_page = regs::DOORBELL_STRIDE + regs::DOORBELL_QUEUE;
    let table = [
        (
            "another queue's page",
            Bar::Doorbells,
            2 * own_page,
            8,
            ring(1, 1),
        ),
        (
            "beside the register",
            Bar::Doorbells,
            own_page + 8,
            8,
            ring(1, 1),
        ),
        ("half a register", Bar::Doorbells, own_page, 4, ring(1, 1)),
        ("beyond the ring", Bar::Doorbells, own_page, 8, ring(1, 8)),
        (
            "the shared page",
            Bar::Registers,
            regs::DOORBELL_QUEUE,
            8,
            ring(1, 1),
        ),
        (
            "unknown command",
            Bar::Doorbells,
            own_page,
            8,
            ring(1, 1) | 5 << 12,
        ),
        (
            "a queue that does not work",
            Bar::Doorbells,
            3 * regs::DOORBELL_STRIDE + 0x1000,
            8,
            ring(3, 1),
        ),
    ];
    for (number, (name, bar, offset, size, value)) in (1..).zip(table) {
        machine.device.write(bar, offset, size, value);
        machine.settle();
        assert_eq!(machine.device.stats().doorbells_dropped, number, "{name}");
        assert_eq!(machine.device.stats().jobs, 0, "{name}");
    }
    machine.doorbell(1, 0, 1, 0);
    machine.settle();
    assert!(machine.completion(1).is_some());
}

#[test]
fn the_older_revision_shares_a_doorbell() {
    let mut machine = Machine::with_revision(0x21);
    machine.write(regs::DATA_USER, 1);
    machine.memory.map(INPUT, SIZE, Page::Cold);
    machine.memory.map(OUTPUT, SIZE, Page::Cold);
    machine.start(3, COMPRESS);
    let mut job = job();
    set_word(&mut job, 7, STATELESS);
    assert_eq!(machine.run(3, &job).status(), 0);
    machine.mailbox(8, 3, 0);
    machine.step();
    assert_eq!(machine.mailbox_status(), 1);
}

#[test]
fn events_only_when_armed() {
    let mut machine = machine(Page::Present);
    let eq = machine.vector(regs::EVENT_VECTOR);
    machine.submit(1, &job());
    machine.settle();
    assert_eq!((machine.event(), machine.event()), (Some(1), None));
    assert_eq!(machine.memory.interrupts, [eq]);

    machine.submit(1, &job());
    machine.settle();
    assert_eq!(machine.event(), None, "not armed");
    machine.report_events();
    machine.report_head(1, true);
    machine.settle();
    assert_eq!(machine.event(), Some(1), "armed with completions unread");
    assert_eq!(machine.memory.interrupts, [eq, eq]);
}

#[test]
fn one_interrupt_until_the_driver_has_read() {
    let mut machine = machine(Page::Present);
    let eq = machine.vector(regs::EVENT_VECTOR);
    for queue in 2..6 {
        machine.start(queue, COMPRESS);
        machine.submit(queue, &job());
    }
    machine.settle();
    assert_eq!(machine.memory.interrupts, [eq]);
    let mut seen = [machine.event(), machine.event()];
    machine.report_events();
    machine.step();
    assert_eq!(machine.memory.interrupts, [eq, eq], "two are left");
    seen.sort_unstable();
    assert_eq!(
        (machine.event().is_some(), machine.event().is_some()),
        (true, true)
    );
    machine.report_events();
    machine.step();
    assert_eq!(machine.memory.interrupts, [eq, eq]);
}

/// A machine whose driver has left an interrupt unanswered, and starts the event queues anew.
fn left_pending(mild: Mild) -> Machine {
    let mut machine = Machine::with(Config {
        mild,
        ..Machine::CONFIG
    })
    .prepare(Page::Present);
    let eq = machine.vector(regs::EVENT_VECTOR);
    machine.run(1, &job());
    assert_eq!(machine.memory.interrupts, [eq]);
    machine.write(regs::EQ_INT_MASK, 1);
    machine.write(regs::MEM_INIT, 1);
    machine.set_range(0, 64);
    machine.configure_events();
    machine.write(regs::EQ_INT_MASK, 0);
    machine.start(1, COMPRESS);
    machine.run(1, &job());
    assert_eq!(machine.event(), Some(1));
    machine
}

#[test]
fn an_interrupt_waits_for_the_answer_to_the_last() {
    let mut machine = left_pending(Mild::NONE);
    let eq = machine.vector(regs::EVENT_VECTOR);
    assert_eq!(machine.memory.interrupts, [eq]);
    machine.event_doorbell(2, 0);
    machine.step();
    assert_eq!(machine.memory.interrupts, [eq, eq]);
    machine.device.reset(ResetKind::Function);
    machine.start_function();
    machine.start(1, COMPRESS);
    machine.run(1, &job());
    assert_eq!(
        machine.memory.interrupts,
        [eq, eq, eq],
        "a reset forgets it"
    );
}

#[test]
fn mildly_a_new_context_answers_the_last_interrupt() {
    let mut machine = left_pending(Mild::NONE.with(Reading::InterruptSource));
    let eq = machine.vector(regs::EVENT_VECTOR);
    assert_eq!(machine.memory.interrupts, [eq, eq]);
}

#[test]
fn a_masked_interrupt_comes_later() {
    let mut machine = machine(Page::Present);
    let eq = machine.vector(regs::EVENT_VECTOR);
    machine.write(regs::EQ_INT_MASK, 1);
    machine.submit(1, &job());
    machine.settle();
    assert!(machine.memory.interrupts.is_empty());
    machine.write(regs::EQ_INT_MASK, 0);
    machine.step();
    assert_eq!(machine.memory.interrupts, [eq]);
}

/// Each ring of the doorbell that arms a CQ with completions unread is an event.
#[test]
fn events_are_not_merged() {
    let mut machine = machine(Page::Present);
    machine.run(1, &job());
    machine.report_events();
    machine.doorbell(1, 1, 0, 1);
    machine.doorbell(1, 1, 0, 1);
    machine.step();
    let seen: Vec<_> = std::iter::from_fn(|| machine.event()).collect();
    assert_eq!(seen, [1, 1, 1], "of the completion, and of each ring");
}

/// A machine whose EQ has lost the event of queue 2, since queue 1 has filled it.
fn overflown(mild: Mild) -> Machine {
    let mut machine = Machine::with(Config {
        mild,
        ..Machine::CONFIG
    })
    .prepare(Page::Present);
    machine.run(1, &job());
    for _ in 0..EVENT_DEPTH {
        machine.doorbell(1, 1, 0, 1);
        machine.step();
    }
    machine.start(2, COMPRESS);
    machine.run(2, &job());
    assert_eq!(machine.abnormal_event(), 1 << 16 | 1 << 17);
    let eq = machine.vector(regs::EVENT_VECTOR);
    let aeq = machine.vector(regs::ABNORMAL_EVENT_VECTOR);
    assert_eq!(machine.memory.interrupts, [eq, aeq]);
    let seen: Vec<_> = std::iter::from_fn(|| machine.event()).collect();
    assert_eq!(seen, vec![1; usize::from(EVENT_DEPTH) - 1]);
    machine.report_events();
    machine
}

#[test]
fn an_event_queue_that_overflows_says_no_more() {
    let mut machine = overflown(Mild::NONE);
    machine.run(2, &job());
    assert_eq!(machine.event(), None);
    machine.start_events();
    machine.run(2, &job());
    assert_eq!(machine.event(), Some(2), "its context was written anew");
}

#[test]
fn mildly_an_event_queue_that_overflows_goes_on() {
    let mut machine = overflown(Mild::NONE.with(Reading::EqOverflow));
    assert_eq!(machine.event(), None, "what is lost is lost");
    machine.run(2, &job());
    assert_eq!(machine.event(), Some(2));
}

/// The driver is told of each completion too many, and the queue goes on.
#[test]
fn a_full_completion_queue_stops_nothing() {
    let mut machine = machine(Page::Present);
    for _ in 0..DEPTH + 1 {
        machine.submit(1, &job());
        machine.settle();
    }
    let overflow = 1 << 16 | 1;
    assert_eq!(machine.abnormal_events(), [overflow, overflow]);
    let eq = machine.vector(regs::EVENT_VECTOR);
    let aeq = machine.vector(regs::ABNORMAL_EVENT_VECTOR);
    assert_eq!(machine.memory.interrupts, [eq, aeq]);
    assert_eq!(machine.device.stats().jobs, u64::from(DEPTH) + 1);
    for _ in 1..DEPTH {
        assert!(machine.completion(1).is_some());
    }
    assert_eq!(machine.completion(1), None);
    machine.report_head(1, false);
    machine.settle();
    assert_eq!(machine.completion(1).unwrap().index, DEPTH - 1);
    assert_eq!(machine.completion(1).unwrap().index, 0);
    assert_eq!(machine.completion(1), None);
    machine.report_head(1, false);
    assert_eq!(machine.run(1, &job()).status(), 0);
    assert!(machine.violations().is_empty());
}

/// One queue whose process reads no completions can bring all into trouble.
#[test]
fn completions_without_room_add_up_to_an_error() {
    let mut machine = machine(Page::Present);
    machine.write(regs::QM_ABNORMAL.mask, 0);
    let fits = usize::from(DEPTH) - 1 + overflow::WAITING;
    for _ in 0..fits {
        machine.submit(1, &job());
        machine.settle();
    }
    assert_eq!(machine.read(regs::QM_ABNORMAL.status), 0);
    machine.submit(1, &job());
    machine.settle();
    assert_eq!(
        machine.read(regs::QM_ABNORMAL.status),
        errors::FIFO_OVERFLOW
    );
    let errors = machine.vector(regs::ERROR_VECTOR);
    assert_eq!(machine.memory.interrupts.last(), Some(&errors));
}

#[test]
fn completions_that_wait_are_forgotten_with_their_queue() {
    let mut machine = machine(Page::Present);
    for _ in 0..DEPTH {
        machine.submit(1, &job());
        machine.settle();
    }
    machine.mailbox(8, 1, 0);
    machine.settle();
    machine.start(1, COMPRESS);
    machine.settle();
    assert_eq!(machine.completion(1), None);
    assert_eq!(machine.run(1, &job()).status(), 0);
}

/// Whether what was submitted, but not begun, is done is a matter of reading.
#[test]
fn stop_finishes_what_was_begun_at_least() {
    let abandons = Mild::NONE.with(Reading::StopDrains);
    for (mild, done) in [(Mild::NONE, 2), (abandons, 1)] {
        let machine = Machine::with(Config {
            mild,
            ..Machine::CONFIG
        });
        let mut machine = machine.prepare(Page::Cold);
        machine.submit(1, &job());
        machine.submit(1, &job());
        machine.step();
        assert_eq!(machine.memory.requests.len(), 1);

        machine.mailbox(8, 1, 0);
        machine.step();
        assert!(machine.mailbox_busy(), "a page request is unanswered");
        machine.answer_pages();
        machine.step();
        assert!(machine.mailbox_busy(), "the job is being computed");
        machine.settle();
        assert_eq!(machine.mailbox_status(), 0);
        for index in 0..done {
            assert_eq!(machine.completion(1), Some(Completion { index, queue: 1 }));
        }
        assert_eq!(machine.completion(1), None);
        expect_stopped(machine);
    }
}

/// Queue 1 does nothing any more, whatever is rung.
fn expect_stopped(mut machine: Machine) {
    machine.memory.own_forbidden = true;
    machine.memory.spaces.clear();
    machine.doorbell(1, 0, 2, 0);
    machine.doorbell(1, 1, 0, 1);
    machine.device.tick(5000);
    machine.settle();
    assert_eq!(machine.device.stats().doorbells_dropped, 2);
    assert!(machine.violations().is_empty());
}

#[test]
fn stop_waits_for_answers_though_the_job_is_over() {
    let mut machine = machine(Page::Cold);
    machine.submit(1, &sqe(GZIP, STATELESS, (INPUT, 1 << 20), (OUTPUT, SIZE)));
    machine.step();
    let mut requests = std::mem::take(&mut machine.memory.requests);
    assert_eq!(requests.len(), 16);
    let (group, _, _) = requests.remove(3);
    machine.device.page_answer(group, false);
    machine.step();
    assert!(machine.completion(1).is_some());

    machine.mailbox(8, 1, 0);
    machine.step();
    assert!(machine.mailbox_busy());
    for (group, _, _) in requests {
        machine.device.page_answer(group, true);
    }
    machine.step();
    assert_eq!(machine.mailbox_status(), 0);
}

#[test]
fn flush_stops_all_and_they_can_start_anew() {
    let mut machine = machine(Page::Cold);
    machine.start(2, COMPRESS);
    for queue in [1, 2] {
        machine.submit(queue, &job());
    }
    machine.step();
    machine.mailbox(9, 0, 0);
    machine.settle();
    assert_eq!(machine.mailbox_status(), 0);
    assert_eq!(machine.device.stats().queue_stops, 2);
    machine.start(1, COMPRESS);
    assert_eq!(machine.run(1, &job()).status(), 0);
}

#[test]
fn abnormal_interrupt() {
    let mut machine = Machine::new();
    let errors = machine.vector(regs::ERROR_VECTOR);
    machine.write(regs::QM_ABNORMAL.mask, 0);
    machine.write(regs::QM_ABNORMAL.set, 1 << 13);
    machine.step();
    assert_eq!(machine.memory.interrupts, [errors]);
    assert_eq!(machine.read(regs::QM_ABNORMAL.status), 1 << 13);
}

#[test]
fn positions_that_make_no_sense_hurt_nobody_else() {
    let mut machine = machine(Page::Present);
    machine.event_doorbell(2, 15);
    machine.event_doorbell(3, 15);
    machine.event_doorbell(2, 16);
    machine.doorbell(1, 1, 1, 1);
    machine.settle();
    machine.event_doorbell(2, 0);
    machine.start(2, COMPRESS);
    assert_eq!(machine.run(2, &job()).status(), 0);
}

#[test]
fn a_suspended_device_wakes_up() {
    let mut machine = machine(Page::Present);
    machine.write(regs::MASTER_CTRL, 1);
    assert_eq!(machine.read(regs::MASTER_RETURN), 3);
    machine.device.power_up();
    machine.write(regs::MEM_INIT, 1);
    machine.set_range(0, 64);
    machine.start(1, COMPRESS);
    assert_eq!(machine.run(1, &job()).status(), 0);
}

const SQC_TABLE: u64 = 0x8_0000;
const CQC_TABLE: u64 = 0x8_8000;

/// A machine whose queue 1 has done a job and was stopped, with contexts in tables.
fn stopped(mild: Mild) -> Machine {
    stopped_by(8, mild)
}

/// The same, by this command.
fn stopped_by(command: u64, mild: Mild) -> Machine {
    let mut machine = Machine::with(Config {
        mild,
        ..Machine::CONFIG
    });
    for (command, table) in [(4, SQC_TABLE), (5, CQC_TABLE)] {
        machine.mailbox(command, 0, table);
        machine.step();
    }
    let mut machine = machine.prepare(Page::Present);
    machine.run(1, &job());
    machine.mailbox(command, 1, 0);
    machine.settle();
    assert_eq!(machine.mailbox_status(), 0);
    machine
}

#[test]
fn a_doorbell_finds_what_a_stopped_queue_has_left() {
    let mut machine = stopped(Mild::NONE);
    machine.doorbell(1, 0, 1, 0);
    machine.settle();
    assert_eq!(machine.device.stats().jobs, 2, "the old entry, once more");
    assert_eq!(
        machine.violations(),
        ["queue 1: a doorbell has begun it again"]
    );
}

/// Before a reset rings stay where they are, and doorbells are open.
#[test]
fn a_doorbell_after_a_flush_is_no_fault_of_the_driver() {
    let mut machine = stopped_by(9, Mild::NONE);
    machine.doorbell(1, 0, 1, 0);
    machine.settle();
    assert_eq!(machine.device.stats().jobs, 2, "the old entry, once more");
    assert!(machine.violations().is_empty());
    machine.mailbox(8, 1, 0);
    machine.settle();
    machine.doorbell(1, 0, 1, 0);
    machine.settle();
    assert_eq!(machine.violations().len(), 1, "it was stopped alone");
}

#[test]
fn mildly_a_stopped_queue_stays_so() {
    let mut machine = stopped(Mild::NONE.with(Reading::StaleContexts));
    machine.doorbell(1, 0, 1, 0);
    machine.settle();
    assert_eq!(machine.device.stats().jobs, 1);
    assert_eq!(machine.device.stats().doorbells_dropped, 1);
    assert!(machine.violations().is_empty());
}

/// Both in the table, and by the mailbox.
#[test]
fn a_closed_queue_stays_so() {
    const CLOSED: u32 = 1 << 6 << 16;
    let mut by_mailbox = stopped(Mild::NONE);
    assert_eq!(by_mailbox.context(0, 1, [0, 0, 0, 0, 0, 0, CLOSED, 0]), 0);
    let mut in_table = stopped(Mild::NONE);
    in_table.memory.poke(SQC_TABLE + 32 + 26, &[1 << 6, 0]);
    let mut tagged = stopped(Mild::NONE);
    tagged.memory.poke(SQC_TABLE + 32 + 16, &[0xaa, 0xaa]);
    let mut empty = stopped(Mild::NONE);
    empty.memory.poke(SQC_TABLE + 32, &[0; 32]);
    for (mut machine, error) in [
        (by_mailbox, errors::SQ_INVALID),
        (in_table, errors::SQ_INVALID),
        (tagged, errors::DOORBELL_INVALID),
        (empty, errors::SQ_INVALID),
    ] {
        machine.doorbell(1, 0, 1, 0);
        machine.settle();
        assert_eq!(machine.read(regs::QM_ABNORMAL.source), error);
        assert_eq!(machine.device.stats().jobs, 1);
        assert_eq!(machine.device.stats().doorbells_dropped, 1);
        machine.start(1, COMPRESS);
        assert_eq!(machine.run(1, &job()).status(), 0);
        assert!(machine.violations().is_empty());
    }
}

const SHAPER_TYPE: u32 = 2;

/// Gives the function a rate for jobs of type `kind`.
fn set_rate(machine: &mut Machine, kind: u16, rate: u64) {
    machine.configure_range(SHAPER_TYPE, u32::from(kind) << 6, rate);
}

#[test]
fn a_shaper_without_rate_lets_no_job_begin() {
    let rate = 150 | 6 << 8;
    let mut machine = machine(Page::Present);
    machine.write(regs::SHAPER, shaper::ENABLE);
    machine.submit(1, &job());
    machine.settle();
    assert_eq!(machine.completion(1), None);
    set_rate(&mut machine, DECOMPRESS, rate);
    machine.settle();
    assert_eq!(machine.completion(1), None, "the rate is another type's");
    set_rate(&mut machine, COMPRESS, rate);
    machine.settle();
    assert!(machine.completion(1).is_some());
    machine.write(regs::MEM_INIT, 1);
    machine.start_function();
    machine.start(1, COMPRESS);
    machine.submit(1, &job());
    machine.settle();
    assert_eq!(machine.completion(1), None, "forgotten with the contexts");
    machine.write(regs::SHAPER, 0);
    machine.settle();
    assert!(machine.completion(1).is_some(), "switched off");
    assert!(machine.violations().is_empty());
}

#[test]
fn what_a_reset_leaves_of_the_shaper() {
    for (mild, left) in [
        (Mild::NONE, shaper::ENABLE),
        (Mild::NONE.with(Reading::Shaper), 0),
    ] {
        let mut machine = Machine::with(Config {
            mild,
            ..Machine::CONFIG
        });
        machine.write(regs::SHAPER, shaper::ENABLE);
        machine.device.reset(ResetKind::Function);
        assert_eq!(machine.read(regs::SHAPER), left);
        machine.device.reset(ResetKind::Machine);
        assert_eq!(machine.read(regs::SHAPER), 0);
    }
}

/// Marks the SQC of queue 1 in its table as closed.
fn close_in_table(machine: &mut Machine) {
    machine.memory.poke(SQC_TABLE + 32 + 26, &[1 << 6, 0]);
}

/// What the driver has written to the tables before does not last.
#[test]
fn contexts_are_written_back() {
    let mut machine = stopped(Mild::NONE);
    machine.start(2, COMPRESS);
    machine.run(2, &job());
    let before = machine.memory.peek(SQC_TABLE + 32, 32);
    close_in_table(&mut machine);
    machine.memory.poke(SQC_TABLE + 64, &[0; 32]);
    machine.memory.poke(CQC_TABLE + 64, &[0; 32]);
    machine.write(regs::MASTER_CTRL, 1);
    machine.write(regs::CACHE_WB_START, 1);
    machine.settle();
    assert_eq!(machine.read(regs::CACHE_WB_DONE), 0, "the way is shut");
    machine.write(regs::MASTER_CTRL, 0);
    machine.settle();
    assert_eq!(machine.read(regs::CACHE_WB_DONE), 1);
    assert_eq!(machine.memory.peek(SQC_TABLE + 32 + 4, 28), before[4..]);
    assert_eq!(machine.memory.peek(SQC_TABLE + 64, 4), [1, 0, 1, 0]);
    assert_eq!(machine.memory.peek(CQC_TABLE + 64 + 2, 2), [1, 0]);
    // What comes afterwards does.
    close_in_table(&mut machine);
    machine.doorbell(1, 0, 1, 0);
    machine.settle();
    machine.expect_no_violation();

    // What was forgotten is not written any more.
    machine.set_range(0, 0);
    machine.write(regs::MEM_INIT, 1);
    machine.mailbox(4, 0, SQC_TABLE);
    machine.step();
    machine.memory.poke(SQC_TABLE, &[0; 96]);
    machine.write(regs::CACHE_WB_START, 1);
    machine.settle();
    assert_eq!(machine.memory.peek(SQC_TABLE, 96), [0; 96]);
}

#[test]
fn a_stop_reads_the_context_again() {
    for (mild, lost) in [
        (Mild::NONE, true),
        (Mild::NONE.with(Reading::StaleContexts), false),
    ] {
        for command in [8, 9] {
            let mut machine = stopped(mild);
            machine.start(1, COMPRESS);
            machine.submit(1, &job());
            close_in_table(&mut machine);
            machine.mailbox(command, 1, 0);
            machine.settle();
            assert_eq!(machine.mailbox_status(), 0);
            assert_eq!(machine.completion(1).is_none(), lost);
            assert_eq!(machine.violations().len(), usize::from(lost));

            // Without work there is nothing to lose.
            let mut machine = stopped(mild);
            machine.start(1, COMPRESS);
            close_in_table(&mut machine);
            machine.mailbox(command, 1, 0);
            machine.settle();
            machine.expect_no_violation();
        }
    }
}

/// The tails tell how many went through, modulo twice the depth.
#[test]
fn tails_go_round() {
    let mut machine = machine(Page::Present);
    for job_number in 1..=40u8 {
        machine.run(1, &job());
        let raw = machine.read_context(1, 1);
        let depth = DEPTH as u8;
        assert_eq!(raw[2], job_number % depth);
        assert_eq!(raw[22] & 1 << 6 != 0, job_number / depth % 2 != 0);
    }
}

#[test]
fn entries_are_counted_while_their_queue_is_selected() {
    fn count(machine: &mut Machine) -> (u32, u32) {
        (machine.read(regs::SQE_COUNT), machine.read(regs::CQE_COUNT))
    }
    fn select(machine: &mut Machine, queue: u32) {
        machine.write(regs::SQE_COUNT_SELECT, queue << 16);
        machine.write(regs::CQE_COUNT_SELECT, queue << 16);
    }
    let mut machine = machine(Page::Present);
    machine.start(2, COMPRESS);
    machine.run(1, &job());
    select(&mut machine, 1);
    assert_eq!(count(&mut machine), (0, 0), "of before it was selected");
    machine.run(1, &job());
    machine.run(2, &job());
    machine.run(1, &job());
    assert_eq!(count(&mut machine), (2, 2));
    assert_eq!(count(&mut machine), (0, 0), "reading clears");
    select(&mut machine, 2);
    assert_eq!(count(&mut machine), (0, 0));
    machine.run(2, &job());
    select(&mut machine, 2);
    assert_eq!(count(&mut machine), (0, 0), "selected anew");
}

#[test]
fn mildly_entries_are_counted_for_each_queue() {
    fn counts(machine: &mut Machine, function: u32, queue: u32) -> (u32, u32) {
        for select in [regs::SQE_COUNT_SELECT, regs::CQE_COUNT_SELECT] {
            machine.write(select, queue << 16 | function);
            assert_eq!(machine.read(select), queue << 16 | function);
        }
        (machine.read(regs::SQE_COUNT), machine.read(regs::CQE_COUNT))
    }
    let mut machine = Machine::with(Config {
        mild: Mild::NONE.with(Reading::Counters),
        ..Machine::CONFIG
    })
    .prepare(Page::Present);
    machine.start(2, COMPRESS);
    machine.run(1, &job());
    machine.run(2, &job());
    machine.memory.spaces.clear();
    machine.submit(2, &job());
    machine.step();
    assert_eq!(counts(&mut machine, 0, 1), (1, 1));
    assert_eq!(counts(&mut machine, 0, 2), (2, 1));
    assert_eq!(counts(&mut machine, 0, 3), (0, 0));
    assert_eq!(counts(&mut machine, 1, 1), (0, 0), "no such function");
    assert_eq!(counts(&mut machine, 0, 64), (0, 0), "no such queue");

    machine.write(regs::COUNT_CLEAR, 1);
    assert_eq!(counts(&mut machine, 0, 2), (2, 1));
    assert_eq!(counts(&mut machine, 0, 2), (0, 0));
    machine.write(regs::COUNT_CLEAR, 0);
    assert_eq!(counts(&mut machine, 0, 1), (1, 1));
    machine.device.reset(ResetKind::Machine);
    assert_eq!(counts(&mut machine, 0, 1), (0, 0));
}

/// The one switch of revision 0x21 is looked at with each access: a job that is under way goes on
/// as it stands then, at addresses that are somebody else's.
#[test]
fn a_job_goes_on_by_the_id_that_is_switched_on() {
    let mut machine = Machine::with_revision(0x21);
    machine.write(regs::DATA_USER, 1);
    for at in [INPUT, OUTPUT] {
        machine.memory.map(at, SIZE, Page::Present);
    }
    machine.memory.set_data(INPUT, &text(SIZE));
    machine.start(1, COMPRESS);
    let mut job = sqe(GZIP, STATELESS, (INPUT, SIZE), (OUTPUT, SIZE));
    set_word(&mut job, 7, STATELESS);
    machine.submit(1, &job);
    machine.step();
    assert_eq!(machine.memory.tasks.len(), 1);
    machine.write(regs::DATA_USER, 0);
    machine.settle();
    assert_eq!(machine.memory.data(OUTPUT, 100), [0; 100]);
    assert_ne!(machine.memory.peek(OUTPUT, 100), [0; 100]);
}
