// SPDX-License-Identifier: GPL-2.0

//! The test port: each command, and what ends its effect.

mod common;

use common::workload::*;
use common::*;
use hisi_zip_model::faults;
use hisi_zip_model::readings::Mild;
use hisi_zip_model::readings::Reading;
use hisi_zip_model::regs;
use hisi_zip_model::Bar;
use hisi_zip_model::Config;
use hisi_zip_model::PciError;
use hisi_zip_model::ResetKind;

const STOP: u64 = 8;

/// A machine with a test port and the compressing queues 1 and 2.
fn machine(page: Page) -> Machine {
    let mut machine = Machine::with_faults().prepare(page);
    machine.start(2, COMPRESS);
    machine
}

fn output_untouched(machine: &mut Machine) -> bool {
    machine.memory.data(OUTPUT, SIZE) == vec![0; SIZE]
}

/// The device serves both queues, and has caught the guest at nothing.
fn works(machine: &mut Machine) {
    for queue in [1, 2] {
        assert_eq!(machine.run(queue, &job()).status(), 0);
    }
    machine.expect_no_violation();
}

/// What the driver does after a function-level reset.
fn start_again(machine: &mut Machine) {
    machine.start_function();
    machine.start(1, COMPRESS);
    machine.start(2, COMPRESS);
}

#[test]
fn no_port_unless_asked_for() {
    let mut machine = Machine::new();
    machine.start(1, COMPRESS);
    for offset in (faults::PORT..faults::PORT_END).step_by(4) {
        assert_eq!(machine.read(offset), 0);
        machine.write(offset, 1);
        assert_eq!(machine.read(offset), 1, "{offset:#x}");
    }
    machine.settle();
    machine.memory.map(INPUT, SIZE, Page::Present);
    machine.memory.map(OUTPUT, SIZE, Page::Present);
    assert_eq!(machine.run(1, &job()).status(), 0);
    assert!(machine.memory.pci_errors.is_empty());
    assert!(machine.memory.unplugged.is_empty());
}

#[test]
fn the_port_has_a_name() {
    let mut machine = machine(Page::Present);
    assert_eq!(machine.read(faults::RELEASE).to_le_bytes(), *b"FLTS");
    assert_eq!(machine.read(faults::PORT_END), 0);
}

#[test]
fn a_queue_hangs_until_it_is_stopped() {
    // Before the job begins, while it waits for a page, and while it is computed.
    for stage in 0..3 {
        let mut machine = machine(Page::Cold);
        if stage == 0 {
            machine.write(faults::HANG, 1);
        }
        machine.submit(1, &job());
        machine.step();
        if stage == 2 {
            machine.answer_pages();
            machine.step();
        }
        machine.write(faults::HANG, 1);
        machine.submit(1, &job());
        machine.settle();
        machine.device.tick(1000);
        machine.settle();
        assert_eq!(machine.completion(1), None);
        assert_eq!(machine.device.stats().jobs, 0);
        assert!(output_untouched(&mut machine), "stage {stage}");
        assert_eq!(machine.run(2, &job()).status(), 0, "no other is hurt");

        machine.memory.set_data(OUTPUT, &[0; SIZE]);
        machine.mailbox(STOP, 1, 0);
        machine.settle();
        assert_eq!(machine.mailbox_status(), 0);
        machine.memory.spaces.clear();
        machine.settle();
        assert!(output_untouched(&mut machine));
        assert_eq!(machine.completion(1), None);

        machine.memory.map(INPUT, SIZE, Page::Cold);
        machine.memory.map(OUTPUT, SIZE, Page::Cold);
        machine.start(1, COMPRESS);
        works(&mut machine);
    }
}

/// To forget what a stop waits for is not to end it.
#[test]
fn forgetting_leaves_a_stop_in_the_mailbox() {
    for command in [STOP, 9] {
        let mut machine = machine(Page::Present);
        machine.write(faults::HANG_HARD, 1);
        machine.mailbox(command, 1, 0);
        machine.settle();
        machine.write(regs::MEM_INIT, 1);
        machine.settle();
        machine.mailbox(4, 0, 0);
        machine.settle();
        assert!(machine.mailbox_busy(), "{command}");
        FLR(&mut machine);
        works(&mut machine);
    }
}

#[test]
fn stop_waits_for_the_page_requests_of_a_queue_that_hangs() {
    let mut machine = machine(Page::Cold);
    machine.submit(1, &job());
    machine.step();
    machine.write(faults::HANG, 1);
    machine.mailbox(STOP, 1, 0);
    machine.step();
    assert!(machine.mailbox_busy());
    machine.answer_pages();
    machine.step();
    assert_eq!(machine.mailbox_status(), 0);
}

#[test]
fn flushing_stops_a_queue_that_hangs() {
    let mut machine = machine(Page::Present);
    machine.write(faults::HANG, faults::ALL_QUEUES);
    assert_eq!(machine.device.stats().hangs, 2, "those that work");
    machine.submit(1, &job());
    machine.mailbox(9, 0, 0);
    machine.settle();
    assert_eq!(machine.mailbox_status(), 0);
    assert_eq!(machine.device.stats().queue_stops, 2);
}

type Cure = fn(&mut Machine);

const FLR: Cure = |machine| {
    machine.device.reset(ResetKind::Function);
    start_again(machine);
};

const MACHINE_RESET: Cure = |machine| {
    machine.device.reset(ResetKind::Machine);
    start_again(machine);
};

const CONTEXTS_FORGOTTEN: Cure = |machine| {
    machine.write(regs::MASTER_CTRL, 1);
    assert_eq!(machine.read(regs::MASTER_RETURN), 3);
    machine.write(regs::MEM_INIT, 1);
    start_again(machine);
};

#[test]
fn a_queue_that_hangs_hard() {
    let mild = Mild::NONE.with(Reading::MailboxAfterForgetting);
    for (mild, cure) in [
        (Mild::NONE, FLR),
        (Mild::NONE, MACHINE_RESET),
        (mild, CONTEXTS_FORGOTTEN),
    ] {
        let mut machine = Machine::with(Config {
            faults: true,
            mild,
            ..Machine::CONFIG
        })
        .prepare(Page::Cold);
        machine.start(2, COMPRESS);
        machine.submit(1, &job());
        machine.write(faults::HANG_HARD, 1);
        machine.settle();
        assert_eq!(machine.context(0, 1, Machine::sqc(1, COMPRESS)), 0);
        machine.submit(1, &job());
        machine.settle();
        machine.mailbox(STOP, 1, 0);
        for now in (0..60_000).step_by(500) {
            machine.device.tick(now);
            machine.settle();
        }
        assert!(machine.mailbox_busy());
        machine.mailbox(STOP, 2, 0);
        machine.settle();
        assert!(machine.mailbox_busy(), "one command at a time");
        assert_eq!(machine.device.stats().queue_stops, 0);
        assert_eq!(machine.run(2, &job()).status(), 0);

        machine.memory.set_data(OUTPUT, &[0; SIZE]);
        cure(&mut machine);
        assert!(!machine.mailbox_busy());
        machine.settle();
        assert!(output_untouched(&mut machine));
        works(&mut machine);
    }
}

#[test]
fn a_device_that_hangs() {
    for cure in [FLR, MACHINE_RESET] {
        let mut machine = machine(Page::Cold);
        machine.submit(1, &job());
        machine.step();
        machine.submit(2, &job());
        machine.write(faults::HANG_DEVICE, 1);
        machine.settle();
        machine.mailbox(STOP, 2, 0);
        machine.settle();
        assert!(machine.mailbox_busy());
        assert!(machine.memory.interrupts.is_empty());
        assert_eq!(machine.device.stats().jobs, 0);

        machine.write(regs::MASTER_CTRL, 1);
        assert_eq!(machine.read(regs::MASTER_RETURN), 0);
        machine.write(regs::MEM_INIT, 1);
        machine.mailbox(STOP, 2, 0);
        machine.settle();
        assert!(machine.mailbox_busy(), "no more than a reset ends it");

        cure(&mut machine);
        works(&mut machine);
    }
}

/// A hardware error may be why the device hangs: it is still heard of.
#[test]
fn a_device_that_hangs_reports_hardware_errors() {
    let mut machine = machine(Page::Present);
    let errors = machine.vector(regs::ERROR_VECTOR);
    machine.write(faults::HANG_DEVICE, 1);
    machine.write(regs::QM_ABNORMAL.mask, 0);
    machine.write(regs::QM_ABNORMAL.set, 1 << 5);
    machine.settle();
    assert_eq!(machine.memory.interrupts, [errors]);
}

#[test]
fn hangs_and_drops_are_released() {
    let mut machine = machine(Page::Cold);
    machine.write(faults::HANG, 1);
    machine.write(faults::HANG_HARD, 2);
    machine.write(faults::HANG_DEVICE, 1);
    machine.write(faults::DROP_COMPLETIONS, 5);
    machine.write(faults::DROP_EVENTS, 5);
    machine.submit(1, &job());
    machine.settle();
    machine.write(faults::RELEASE, 0);
    machine.settle();
    assert!(machine.completion(1).is_some());
    machine.report_head(1, true);
    assert_eq!(machine.event(), Some(1));
    works(&mut machine);
}

#[test]
fn completions_get_lost() {
    let mut machine = machine(Page::Present);
    machine.write(faults::DROP_COMPLETIONS, 2);
    machine.submit(1, &job());
    machine.settle();
    assert_eq!(machine.read(faults::DROP_COMPLETIONS), 1);
    machine.submit(2, &job());
    machine.settle();
    for queue in [1, 2] {
        assert_eq!(machine.completion(queue), None);
        assert!(machine.done(queue, 0).produced() != 0, "the job is done");
    }
    assert_eq!(machine.event(), None);
    assert_eq!(machine.device.stats().completions_dropped, 2);

    machine.submit(1, &job());
    machine.settle();
    let third = Completion { index: 1, queue: 1 };
    assert_eq!(machine.completion(1), Some(third));
    assert_eq!(machine.event(), Some(1));
}

#[test]
fn events_get_lost() {
    let mut machine = machine(Page::Present);
    let eq = machine.vector(regs::EVENT_VECTOR);
    machine.write(faults::DROP_EVENTS, 2);
    machine.submit(1, &job());
    machine.settle();
    assert!(machine.completion(1).is_some());
    assert_eq!(machine.read(faults::DROP_EVENTS), 1);
    machine.doorbell(1, 1, 0, 1);
    machine.settle();
    assert_eq!(machine.event(), None, "arming it gives an event as well");
    assert!(machine.memory.interrupts.is_empty());
    assert_eq!(machine.device.stats().events_dropped, 2);

    machine.doorbell(1, 1, 0, 1);
    machine.settle();
    assert_eq!(machine.event(), Some(1));
    assert_eq!(machine.memory.interrupts, [eq]);
}

#[test]
fn hardware_errors_need_no_port() {
    for group in [regs::QM_ABNORMAL, regs::ZIP_ABNORMAL] {
        let mut machine = Machine::new();
        let errors = machine.vector(regs::ERROR_VECTOR);
        machine.write(group.set, 0b110);
        machine.step();
        assert!(machine.memory.interrupts.is_empty(), "masked");
        machine.write(group.mask, !0b100);
        machine.step();
        assert_eq!(machine.memory.interrupts, [errors]);
        assert_eq!(machine.read(group.status), 0b100);
        assert_eq!(machine.read(group.source), 0b110);
        machine.write(group.source, 0b110);
        machine.step();
        assert_eq!(machine.memory.interrupts, [errors]);
        assert_eq!(machine.read(group.source), 0);
        assert_eq!(machine.device.stats().abnormal_interrupts, 1);
    }
}

#[test]
fn pci_errors() {
    let mut machine = machine(Page::Present);
    for value in 0..4 {
        machine.write(faults::PCI_ERROR, value);
        machine.step();
    }
    let reported = [PciError::Correctable, PciError::NonFatal, PciError::Fatal];
    assert_eq!(machine.memory.pci_errors, reported);
    assert_eq!(machine.device.stats().pci_errors, 3);
    works(&mut machine);
}

#[test]
fn a_device_that_was_pulled_out() {
    let mut machine = machine(Page::Cold);
    machine.submit(1, &job());
    machine.step();
    machine.answer_pages();
    machine.step();
    machine.submit(2, &job());
    machine.write(faults::REMOVE, 2500);
    assert_eq!(machine.read(regs::QM_ABNORMAL.source), u32::MAX, "at once");
    machine.settle();
    assert_eq!(machine.memory.unplugged, [2500]);
    assert_eq!(machine.device.stats().removals, 1);

    for offset in (0..regs::BAR2_SIZE).step_by(0x1000) {
        assert_eq!(machine.device.read(Bar::Registers, offset, 8), u64::MAX);
    }
    assert_eq!(
        machine.device.read(Bar::Doorbells, 0x1_1000, 4),
        0xffff_ffff
    );
    machine.write(regs::QM_ABNORMAL.mask, 0);
    machine.write(regs::QM_ABNORMAL.set, 1);
    machine.write(faults::RELEASE, 0);
    machine.doorbell(2, 0, 1, 0);
    machine.device.set_bus_master(false);
    machine.device.tick(60_000);
    machine.settle();
    assert_eq!(machine.completion(1), None);
    assert!(output_untouched(&mut machine));
    assert!(machine.memory.interrupts.is_empty());

    machine.device.reset(ResetKind::Machine);
    start_again(&mut machine);
    works(&mut machine);
}

/// A queue that hangs takes no entry, and its counters show it.
#[test]
fn counters_of_a_queue_that_hangs() {
    let mut machine = machine(Page::Cold);
    machine.write(regs::SQE_COUNT_SELECT, 1 << 16);
    machine.write(regs::CQE_COUNT_SELECT, 1 << 16);
    machine.submit(1, &job());
    machine.step();
    machine.write(faults::HANG, 1);
    machine.submit(1, &job());
    machine.settle();
    assert_eq!(machine.read(regs::SQE_COUNT), 1);
    assert_eq!(machine.read(regs::CQE_COUNT), 0);
}
