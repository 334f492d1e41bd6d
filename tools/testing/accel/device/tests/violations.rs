// SPDX-License-Identifier: GPL-2.0

//! What the guest must never do is caught, and the access is not performed.

mod common;

use common::workload::*;
use common::*;
use hisi_zip_model::readings::Mild;
use hisi_zip_model::readings::Reading;
use hisi_zip_model::regs;
use hisi_zip_model::stats::VIOLATIONS;
use hisi_zip_model::Config;
use hisi_zip_model::ResetKind;

/// A machine whose queue 1 waits for a page.
fn waiting() -> Machine {
    let mut machine = Machine::new();
    machine.memory.map(INPUT, SIZE, Page::Cold);
    machine.memory.map(OUTPUT, SIZE, Page::Cold);
    machine.start(1, COMPRESS);
    machine.submit(1, &job());
    machine.step();
    machine
}

type Deed = fn(&mut Machine);

const TABLE: [(&str, Deed); 6] = [
    ("queue 1: bus mastering was switched off", |machine| {
        machine.device.set_bus_master(false)
    }),
    ("queue 1: a function-level reset came", |machine| {
        machine.device.reset(ResetKind::Function)
    }),
    ("queue 1: taken from the function", |machine| {
        machine.set_range(0, 0)
    }),
    ("queue 1: taken from the function", |machine| {
        machine.write(regs::MEM_INIT, 1)
    }),
    ("queue 1: SQ context replaced", |machine| {
        machine.context(0, 1, Machine::sqc(1, COMPRESS));
    }),
    ("queue 1: the IOMMU does not map its SQ", |machine| {
        machine.memory.own_forbidden = true
    }),
];

/// What becomes of memory if another kernel takes over from one that has left the device at work.
#[test]
fn the_machine_goes_off() {
    let rest: [Deed; 3] = [
        |machine| machine.set_range(0, 0),
        |machine| machine.write(regs::MASTER_CTRL, 1),
        |machine| machine.device.set_bus_master(false),
    ];
    for deed in rest {
        let mut machine = Machine::new();
        deed(&mut machine);
        machine.device.leave();
        assert!(machine.violations().is_empty());
    }
    let mut machine = Machine::new();
    machine.device.leave();
    assert_eq!(
        machine.violations(),
        ["the machine went off while the function had queues"]
    );
}

#[test]
fn caught() {
    for (text, deed) in TABLE {
        let mut machine = waiting();
        deed(&mut machine);
        let ring = machine
            .memory
            .peek(Machine::cq_base(1), 16 * DEPTH as usize);
        machine.settle();
        assert_eq!(machine.violations().len(), 1, "{text}");
        assert!(
            machine.violations()[0].starts_with(text),
            "{}",
            machine.violations()[0]
        );
        assert_eq!(
            machine
                .memory
                .peek(Machine::cq_base(1), 16 * DEPTH as usize),
            ring
        );
        let data_allowed = text.contains("IOMMU");
        assert!(
            data_allowed || machine.memory.data(OUTPUT, SIZE) == vec![0; SIZE],
            "{text}"
        );
    }
}

#[test]
fn none_when_nothing_is_under_way() {
    for (text, deed) in &TABLE[..5] {
        let mut machine = waiting();
        machine.settle();
        deed(&mut machine);
        machine.settle();
        assert!(machine.violations().is_empty(), "{text}");
    }
}

#[test]
fn none_when_the_queue_was_stopped() {
    for (text, deed) in &TABLE[..5] {
        let mut machine = waiting();
        machine.mailbox(8, 1, 0);
        machine.settle();
        deed(&mut machine);
        machine.settle();
        assert!(machine.violations().is_empty(), "{text}");
    }
}

#[test]
fn a_machine_that_starts_anew_is_forgiven() {
    let mut machine = waiting();
    machine.device.reset(ResetKind::Machine);
    machine.settle();
    assert!(machine.violations().is_empty());
}

#[test]
fn a_completion_queue_never_configured() {
    let mut machine = Machine::new();
    machine.memory.map(INPUT, SIZE, Page::Present);
    machine.memory.map(OUTPUT, SIZE, Page::Present);
    machine.start(1, COMPRESS);
    let mut sqc = Machine::sqc(1, COMPRESS);
    sqc[6] = 9;
    machine.context(0, 1, sqc);
    machine.submit(1, &job());
    machine.settle();
    assert_eq!(
        machine.violations(),
        ["queue 1: completion for a CQ never configured"]
    );
}

#[test]
fn violations_outlive_a_reset() {
    let mut machine = waiting();
    machine.device.set_bus_master(false);
    machine.device.reset(ResetKind::Machine);
    assert_eq!(machine.violations().len(), 1);
    assert_eq!(machine.device.stats().resets, 1);
}

/// The result of a computation that began before a reset meets a device that knows nothing of it.
#[test]
fn late_results_are_dropped() {
    let mut machine = waiting();
    machine.answer_pages();
    machine.step();
    assert_eq!(machine.memory.tasks.len(), 1);
    machine.device.reset(ResetKind::Machine);
    machine.device.set_bus_master(true);
    machine.settle();
    assert_eq!(machine.device.stats().jobs, 0);
    assert_eq!(machine.memory.data(OUTPUT, SIZE), vec![0; SIZE]);
}

/// A guest may begin queues anew, faster than what it has had them compute is computed: what nobody
/// waits for any more is not kept, nor computed.
#[test]
fn work_of_queues_that_are_gone_waits_for_no_engine() {
    let mut machine = Machine::new().prepare(Page::Present);
    machine.start(2, COMPRESS);
    for _ in 0..20 {
        for queue in [1, 2] {
            machine.submit(queue, &job());
            machine.step();
            machine.start(queue, COMPRESS);
        }
    }
    for queue in [1, 2] {
        machine.submit(queue, &job());
    }
    let mut computed = 0;
    loop {
        machine.step();
        if machine.memory.tasks.is_empty() {
            break;
        }
        computed += machine.memory.tasks.len();
        machine.compute();
    }
    assert_eq!(machine.device.stats().jobs, 2);
    // Those that were given to the engines before the first restarts, and those of now.
    assert_eq!(computed, 2 + 2);
}

/// A guest may do what it must not as often as it likes, too.
#[test]
fn the_first_violations_are_kept() {
    let mut machine = Machine::new();
    for _ in 0..VIOLATIONS + 5 {
        machine.write(regs::ENGINE_CONTROL, u32::MAX);
    }
    assert_eq!(machine.violations().len(), VIOLATIONS);
    let text = machine.device.stats().render();
    assert!(text.ends_with("\nviolation 5 more\n"));
}

/// Cores that there are not, clocks that are no core's, and bits that nobody has named.
#[test]
fn bits_of_the_engine_that_nobody_has_named() {
    const PERF: u64 = 0x30_1208;
    const CONTROL: u64 = 0x30_1004;
    let loose = Mild::NONE.with(Reading::EngineBits);
    for (mild, count) in [(Mild::NONE, 2), (loose, 0)] {
        let mut machine = Machine::with(Config {
            mild,
            ..Machine::CONFIG
        });
        let (perf, cores) = (machine.read(PERF), machine.read(regs::CORES));
        assert_eq!(perf == 0, mild == loose);
        machine.write(PERF, perf | 1);
        machine.write(CONTROL, 1 << 16 | cores >> 16 | cores & 0xffff);
        assert!(
            machine.violations().is_empty(),
            "{:?}",
            machine.violations()
        );
        machine.write(PERF, !perf);
        machine.write(CONTROL, 1 << 16 | 0x3ff);
        assert_eq!(
            machine.violations().len(),
            count,
            "{:?}",
            machine.violations()
        );
    }
}
