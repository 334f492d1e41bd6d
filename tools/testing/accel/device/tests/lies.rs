// SPDX-License-Identifier: GPL-2.0

//! The test port: each lie, and that the truth comes back.

mod common;

use common::workload::*;
use common::*;
use hisi_zip_model::faults;
use hisi_zip_model::lies;
use hisi_zip_model::regs;
use hisi_zip_model::Bar;
use hisi_zip_model::ResetKind;

const STOP: u64 = 8;
const SQC: u64 = 0;
const CQC: u64 = 1;
const READ: u64 = 1 << 14;

/// A machine with a test port and the compressing queue 1.
fn machine(page: Page) -> Machine {
    Machine::with_faults().prepare(page)
}

/// The device tells the truth again, and has caught the guest at nothing.
fn is_honest(machine: &mut Machine) {
    machine.write(lies::TRUTH, 0);
    machine.device.reset(ResetKind::Function);
    machine.start_function();
    machine.start(1, COMPRESS);
    assert_eq!(machine.run(1, &job()).status(), 0);
    machine.expect_no_violation();
}

#[test]
fn no_port_unless_asked_for() {
    let mut machine = Machine::new();
    for offset in (lies::TRUTH..lies::LIES_END).step_by(4) {
        machine.write(offset, 1);
        assert_eq!(machine.read(offset), 1, "{offset:#x}");
    }
    machine.settle();
    assert_eq!(machine.device.stats().lies, 0);
}

#[test]
fn the_port_has_a_name() {
    let mut machine = machine(Page::Present);
    assert_eq!(machine.read(lies::TRUTH).to_le_bytes(), *b"LIES");
    assert_eq!(machine.read(lies::LIES_END), 0);
}

#[test]
fn registers_read_what_they_should_not() {
    let mut machine = machine(Page::Present);
    machine.write(lies::REGISTER, regs::QUEUE_COUNT as u32);
    machine.write(lies::VALUE, 0);
    assert_eq!(machine.read(regs::QUEUE_COUNT), 0);
    machine.device.reset(ResetKind::Function);
    assert_eq!(machine.read(regs::QUEUE_COUNT), 0, "after a reset too");
    machine.write(lies::VALUE, 0x7ff);
    assert_eq!(machine.read(regs::QUEUE_COUNT), 0x7ff, "the last lie holds");
    assert_eq!(machine.read(regs::VFT_READY), 1, "no other register lies");
    is_honest(&mut machine);
    assert_eq!(machine.read(regs::QUEUE_COUNT) >> 11, 64);
}

#[test]
fn all_registers_read_ones() {
    let mut machine = machine(Page::Present);
    machine.write(lies::REGISTER, lies::ALL_REGISTERS);
    machine.write(lies::VALUE, !0);
    for offset in [regs::MAILBOX, regs::QM_ABNORMAL.status, regs::CQE_COUNT] {
        let both = machine.device.read(Bar::Registers, offset, 8);
        assert_eq!(both, u64::MAX, "{offset:#x}");
    }
    assert_eq!(machine.read(faults::RELEASE), faults::ID);
    assert_eq!(machine.read(lies::TRUTH), lies::ID);
    is_honest(&mut machine);
}

#[test]
fn tails_run() {
    let mut machine = machine(Page::Present);
    let tail = |machine: &mut Machine| {
        let raw = machine.read_context(CQC, 1);
        (raw[2], raw[22] & 1 << 6 != 0)
    };
    assert_eq!(tail(&mut machine), (0, false));
    machine.write(lies::TAILS_RUN, 1);
    for entry in 1..2 * DEPTH {
        let wrapped = entry >= DEPTH;
        assert_eq!(tail(&mut machine), ((entry % DEPTH) as u8, wrapped));
    }
    is_honest(&mut machine);
    assert_eq!(
        tail(&mut machine),
        (1, false),
        "of the job that was done just now"
    );
}

#[test]
fn the_mailbox_is_silent() {
    let mut machine = machine(Page::Present);
    machine.write(lies::MAILBOX, lies::SILENT);
    for (command, queue) in [(STOP, 1), (SQC | READ, 1), (SQC, 2)] {
        machine.mailbox(command, queue, 0x1000);
        machine.settle();
        assert!(machine.mailbox_busy());
        machine.device.reset(ResetKind::Function);
        machine.device.set_bus_master(true);
    }
    assert_eq!(machine.device.stats().queue_stops, 0);
    is_honest(&mut machine);
}

#[test]
fn the_mailbox_refuses() {
    let mut machine = machine(Page::Present);
    machine.write(lies::MAILBOX, lies::FAILS);
    assert_ne!(machine.context(SQC, 2, Machine::sqc(2, COMPRESS)), 0);
    machine.mailbox(STOP, 1, 0);
    machine.settle();
    assert_ne!(machine.mailbox_status(), 0);
    assert_eq!(machine.device.stats().queue_stops, 0);
    is_honest(&mut machine);
}

#[test]
fn the_mailbox_pretends() {
    let mut machine = machine(Page::Cold);
    machine.submit(1, &job());
    machine.step();
    machine.write(lies::MAILBOX, lies::PRETENDS);
    machine.mailbox(STOP, 1, 0);
    machine.step();
    assert_eq!(machine.mailbox_status(), 0);
    assert_eq!(machine.device.stats().queue_stops, 0);
    // It goes on, and finds no ring any more.
    machine.memory.own_forbidden = true;
    machine.settle();
    assert_eq!(machine.device.stats().jobs, 1);
    machine.memory.own_forbidden = false;
    is_honest(&mut machine);
}

#[test]
fn events_of_queues_that_are_none() {
    let mut machine = machine(Page::Present);
    let eq = machine.vector(regs::EVENT_VECTOR);
    let aeq = machine.vector(regs::ABNORMAL_EVENT_VECTOR);
    machine.write(lies::EVENT, 0xffff);
    machine.settle();
    assert_eq!(machine.event(), Some(0xffff));
    assert_eq!(machine.memory.interrupts, [eq]);
    machine.write(lies::ABNORMAL_EVENT, 3 << 17 | 0x1234);
    machine.settle();
    assert_eq!(machine.abnormal_event(), 3 << 17 | 1 << 16 | 0x1234);
    assert_eq!(machine.memory.interrupts, [eq, aeq]);
    is_honest(&mut machine);
}

#[test]
fn events_of_the_wrong_phase() {
    let mut machine = machine(Page::Present);
    let eq = machine.vector(regs::EVENT_VECTOR);
    machine.write(lies::EVENT, 1 << 31 | 1);
    machine.settle();
    assert_eq!(machine.event(), None);
    assert_eq!(machine.memory.interrupts, [eq]);
    is_honest(&mut machine);
}

#[test]
fn more_events_than_there_is_room_for() {
    let mut machine = machine(Page::Present);
    machine.write(lies::REPEAT, 100);
    machine.write(lies::EVENT, 1);
    assert_eq!(machine.read(lies::INTERRUPT), 100);
    machine.settle();
    assert_eq!(machine.read(lies::INTERRUPT), 0);
    assert_eq!(machine.memory.interrupts.len(), 100);
    machine.write(lies::EVENT, 1);
    machine.settle();
    assert_eq!(machine.memory.interrupts.len(), 101, "once again");
    assert_eq!(machine.device.stats().lies, 101);
    is_honest(&mut machine);
}

#[test]
fn completions_of_no_job() {
    let mut machine = machine(Page::Present);
    machine.write(lies::COMPLETION, 1 << 16 | 0xabcd);
    machine.settle();
    let told = machine.completion(1);
    let index = 0xabcd;
    assert_eq!(told, Some(Completion { index, queue: 1 }));
    assert_eq!(machine.event(), Some(1));
    machine.write(lies::COMPLETION, 1 << 31 | 1 << 16);
    machine.settle();
    assert_eq!(machine.completion(1), None);
    // There is no such queue, and no such completion queue.
    for queue in [2, 0x7fff] {
        machine.write(lies::COMPLETION, queue << 16);
    }
    machine.settle();
    is_honest(&mut machine);
}

#[test]
fn interrupts_without_cause() {
    let mut machine = machine(Page::Present);
    machine.write(lies::REPEAT, 3);
    machine.write(lies::INTERRUPT, 2);
    machine.write(lies::INTERRUPT, 3);
    machine.settle();
    assert_eq!(machine.memory.interrupts, [2, 2, 2, 3]);
    is_honest(&mut machine);
}

#[test]
fn accesses_that_no_job_asked_for() {
    let mut machine = machine(Page::Present);
    // (PASID, how, result): the page is the process's, or the function's own, or nobody's.
    let tries = [
        (PASID, 2, lies::DMA_DONE),
        (PASID + 1, 2, lies::DMA_REFUSED),
        (PASID + 1, 1, lies::DMA_REFUSED),
        (lies::NO_PASID, 2, lies::DMA_REFUSED),
        (lies::NO_PASID, 1, lies::DMA_REFUSED),
    ];
    machine.memory.own_unmapped.insert(OUTPUT / 4096);
    for (pasid, how, result) in tries {
        machine.write(lies::DMA_PASID, pasid);
        machine.write(lies::DMA_LOW, OUTPUT as u32);
        machine.write(lies::DMA_HIGH, (OUTPUT >> 32) as u32);
        machine.write(lies::DMA, how);
        assert_eq!(machine.read(lies::DMA), 0);
        machine.settle();
        assert_eq!(machine.read(lies::DMA), result, "{pasid} {how}");
    }
    assert_eq!(machine.memory.data(OUTPUT, 8), b"intruder");
    machine.write(lies::DMA_PASID, 9);
    machine.write(lies::DMA, 3);
    machine.step();
    assert_eq!(machine.memory.requests, [(511, 9, OUTPUT)]);
    machine.answer_pages();
    is_honest(&mut machine);
}

#[test]
fn results_that_can_not_be() {
    let mut machine = machine(Page::Present);
    machine.write(lies::PRODUCED, 1);
    assert_eq!(machine.run(1, &job()).produced(), u32::MAX);
    let honest = machine.run(1, &job()).produced();
    assert!((honest as usize) < SIZE);
    is_honest(&mut machine);
}

#[test]
fn work_goes_on_that_was_forbidden() {
    let mut machine = machine(Page::Cold);
    machine.submit(1, &job());
    machine.step();
    machine.write(lies::GOES_ON, 1);
    machine.write(regs::MASTER_CTRL, 1);
    assert_eq!(machine.read(regs::MASTER_RETURN), 3);
    machine.settle();
    assert!(machine.completion(1).is_some());
    machine.submit(1, &job());
    machine.device.set_bus_master(false);
    machine.settle();
    assert_eq!(machine.completion(1), None, "but not against the bus");
    machine.set_range(0, 0);
    is_honest(&mut machine);
}

#[test]
fn another_revision() {
    let mut machine = machine(Page::Present);
    machine.write(lies::REVISION, 0x20);
    machine.write(lies::REVISION, 0);
    machine.settle();
    assert_eq!(machine.memory.revisions, [0x20, 0x30]);
    is_honest(&mut machine);
}

/// Whoever keeps the bits of a register keeps those that it was told.
#[test]
fn bits_of_a_register_that_lied_are_nobodys_fault() {
    let mut machine = Machine::with_faults();
    machine.write(lies::REGISTER, regs::HIGH_PERF as u32);
    machine.write(lies::VALUE, u32::MAX);
    let told = machine.read(regs::HIGH_PERF);
    machine.write(regs::HIGH_PERF, told);
    assert!(
        machine.violations().is_empty(),
        "{:?}",
        machine.violations()
    );
}
