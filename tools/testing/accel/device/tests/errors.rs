// SPDX-License-Identifier: GPL-2.0

//! Errors of the hardware: what raises them, who is told, and what they do.

mod common;

use common::workload::*;
use common::*;
use hisi_zip_model::errors;
use hisi_zip_model::readings::Mild;
use hisi_zip_model::readings::Reading;
use hisi_zip_model::regs;
use hisi_zip_model::regs::Abnormal;
use hisi_zip_model::sqe::Sqe;
use hisi_zip_model::Bar;
use hisi_zip_model::Config;
use hisi_zip_model::PciError;
use hisi_zip_model::ResetKind;

const REVISIONS: [u8; 2] = [0x21, 0x30];
/// Arms the engine's containment.
const ARMED: u32 = 1 << 14;

fn with(revision: u8, mild: Mild) -> Machine {
    let mut machine = Machine::with(Config {
        revision,
        mild,
        ..Machine::CONFIG
    });
    machine.memory.map(INPUT, SIZE, Page::Present);
    machine.memory.map(OUTPUT, SIZE, Page::Present);
    start(&mut machine);
    machine
}

/// Starts queue 1, with data under its PASID.
fn start(machine: &mut Machine) {
    machine.write(regs::DATA_USER, 1);
    machine.start(1, COMPRESS);
}

/// Rings the doorbell of queue 1 with `value`.
fn ring(machine: &mut Machine, value: u64) {
    let (bar, offset) = match machine.shared {
        true => (Bar::Registers, regs::DOORBELL_QUEUE),
        false => (Bar::Doorbells, regs::DOORBELL_STRIDE + regs::DOORBELL_QUEUE),
    };
    machine.device.write(bar, offset, 8, value);
    machine.step();
}

/// MSI vector of errors.
fn vector(machine: &mut Machine) -> u8 {
    match machine.shared {
        true => 3,
        false => machine.vector(regs::ERROR_VECTOR),
    }
}

/// An entry, as the revision has it.
fn laid_out(machine: &Machine, mut entry: Sqe) -> Sqe {
    if machine.shared {
        let flags = u32::from_le_bytes([entry.0[28], entry.0[29], entry.0[30], entry.0[31]]);
        set_word(&mut entry, 7, flags & !(0xf << 28));
    }
    entry
}

fn submit(machine: &mut Machine, entry: Sqe) {
    let entry = laid_out(machine, entry);
    machine.submit(1, &entry);
}

/// Submits an entry, lets it finish and returns its status.
fn run(machine: &mut Machine, entry: Sqe) -> u32 {
    let entry = laid_out(machine, entry);
    machine.run(1, &entry).status()
}

/// What is rung on the page of queue 1, and the error it is.
const BAD: [(&str, u64, u32); 7] = [
    ("an idle queue's SQ", 2, errors::SQ_INVALID),
    ("an idle queue's CQ", 2 | 1 << 12, errors::CQ_INVALID),
    ("an SQ that there is not", 0xfff, errors::SQ_INVALID),
    ("no kind of doorbell", 1 | 9 << 12, errors::KIND_INVALID),
    ("a tag", 1 | 1 << 16, errors::DOORBELL_INVALID),
    (
        "an entry that there is not",
        1 | 8 << 32,
        errors::DOORBELL_INVALID,
    ),
    (
        "the same of the CQ",
        1 | 1 << 12 | 8 << 32,
        errors::DOORBELL_INVALID,
    ),
];

#[test]
fn bad_doorbells_are_errors() {
    for revision in REVISIONS {
        for (what, value, error) in BAD {
            let mut machine = with(revision, Mild::NONE);
            machine.write(regs::QM_ABNORMAL.non_fatal, errors::DOORBELL_INVALID);
            machine.write(regs::QM_ABNORMAL.mask, 0);
            ring(&mut machine, value);
            assert_eq!(machine.read(regs::QM_ABNORMAL.source), error, "{what}");
            let vector = vector(&mut machine);
            assert_eq!(machine.memory.interrupts, [vector], "{what}");
            let reported: &[PciError] = match error {
                errors::DOORBELL_INVALID => &[PciError::NonFatal],
                _ => &[],
            };
            assert_eq!(machine.memory.pci_errors, reported, "{what}");
            // Until it is cleared, the same again is nothing new.
            ring(&mut machine, value);
            assert_eq!(machine.memory.pci_errors, reported, "{what}");
            assert_eq!(machine.device.stats().doorbells_dropped, 2, "{what}");
            assert_eq!(run(&mut machine, job()), 0, "{what}");
        }
    }
}

#[test]
fn bad_doorbells_read_mildly() {
    for (what, value, _) in BAD {
        let mut machine = with(0x30, Mild::NONE.with(Reading::BadDoorbells));
        ring(&mut machine, value);
        assert_eq!(machine.read(regs::QM_ABNORMAL.source), 0, "{what}");
        assert!(machine.memory.pci_errors.is_empty(), "{what}");
    }
}

#[test]
fn another_queues_page() {
    let mut machine = with(0x30, Mild::NONE);
    machine.start(2, COMPRESS);
    ring(&mut machine, 2);
    assert_eq!(machine.read(regs::QM_ABNORMAL.source), errors::SQ_INVALID);
    ring(&mut machine, 2 | 1 << 12);
    assert_eq!(
        machine.read(regs::QM_ABNORMAL.source),
        errors::SQ_INVALID | errors::CQ_INVALID
    );
}

/// Nobody has said yet what is to be reported.
#[test]
fn after_a_reset_each_error_is_reported() {
    for group in [regs::QM_ABNORMAL, regs::ZIP_ABNORMAL] {
        let mut machine = Machine::new();
        machine.write(group.set, 1 << 3);
        machine.step();
        assert_eq!(machine.memory.pci_errors, [PciError::NonFatal]);
        machine.write(group.fatal, 1 << 4);
        machine.write(group.non_fatal, 0);
        machine.write(group.set, 1 << 4);
        machine.step();
        assert_eq!(
            machine.memory.pci_errors,
            [PciError::NonFatal, PciError::Fatal]
        );
    }
}

/// Errors that need a reset, of each revision: group, error.
fn harmful(revision: u8) -> Vec<(Abnormal, u32)> {
    let manager = if revision == 0x30 { 0x6c77 } else { 0xc57 };
    let bits = |group, mask: u32| {
        (0..32)
            .map(|bit| 1 << bit)
            .filter(move |bit| mask & bit != 0)
            .map(move |bit| (group, bit))
    };
    bits(regs::QM_ABNORMAL, manager)
        .chain(bits(regs::ZIP_ABNORMAL, 0x7fe))
        .collect()
}

/// Those that end all DMA once they are armed.
fn contained(revision: u8) -> Vec<(Abnormal, u32)> {
    match revision {
        0x30 => harmful(revision),
        _ => vec![
            (regs::QM_ABNORMAL, errors::MANAGER_ECC),
            (regs::ZIP_ABNORMAL, errors::ENGINE_ECC),
        ],
    }
}

fn arm(machine: &mut Machine) {
    machine.write(regs::QM_ABNORMAL.contained, 0x6c77);
    machine.write(regs::ZIP_ABNORMAL.contained, 0x7fe);
    machine.write(regs::ZIP_CONTROL, ARMED);
}

#[test]
fn what_is_contained_stands_still_until_a_reset() {
    for revision in REVISIONS {
        for (group, error) in contained(revision) {
            let mut machine = with(revision, Mild::NONE);
            arm(&mut machine);
            machine.write(group.set, error);
            submit(&mut machine, job());
            machine.mailbox(4, 0, 0);
            machine.settle();
            // To clear it is no help.
            machine.write(group.source, error);
            machine.write(regs::MEM_INIT, 1);
            machine.mailbox(4, 0, 0);
            machine.settle();
            assert_eq!(machine.completion(1), None, "{error:#x}");
            assert!(machine.mailbox_busy(), "{error:#x}");

            machine.set_range(0, 0);
            machine.device.reset(ResetKind::Function);
            machine.write(regs::ZIP_CONTROL, 0);
            machine.write(regs::ZIP_CONTROL, ARMED);
            machine.start_function();
            start(&mut machine);
            assert_eq!(run(&mut machine, job()), 0, "{error:#x}");
            assert!(machine.violations().is_empty(), "{error:#x}");
        }
    }
}

/// Whether a machine has its way to memory, whose engine has met an error that was contained, and
/// was reset, when these were written to the register that arms containment.
fn opened(mut machine: Machine, values: &[u32]) -> bool {
    arm(&mut machine);
    machine.write(regs::ZIP_ABNORMAL.set, 1 << 1);
    // Before the reset it is no help.
    machine.write(regs::ZIP_CONTROL, 0);
    machine.write(regs::ZIP_CONTROL, ARMED);
    machine.set_range(0, 0);
    for _ in 0..2 {
        machine.device.reset(ResetKind::Function);
    }
    machine.device.set_bus_master(true);
    for value in values {
        machine.write(regs::ZIP_CONTROL, *value);
    }
    machine.mailbox(2 | 1 << 14, 0, 0x1000);
    machine.settle();
    !machine.mailbox_busy()
}

#[test]
fn a_reset_leaves_closed_what_was_contained() {
    let mild = Mild::NONE.with(Reading::ContainmentAfterReset);
    for revision in REVISIONS {
        for (mild, values, open) in [
            (Mild::NONE, &[][..], false),
            (Mild::NONE, &[ARMED][..], false),
            (Mild::NONE, &[0][..], false),
            (Mild::NONE, &[0, ARMED][..], true),
            (Mild::NONE, &[ARMED, 0, 0, ARMED][..], true),
            (mild, &[][..], true),
        ] {
            let machine = with(revision, mild);
            assert_eq!(opened(machine, values), open, "{values:?}");
        }
        let mut machine = with(revision, Mild::NONE);
        arm(&mut machine);
        machine.write(regs::ZIP_ABNORMAL.set, 1 << 1);
        machine.device.reset(ResetKind::Machine);
        machine.start_function();
    }
}

/// How the bus is told that MSIs may be written, or not, and that its errors are over.
fn ports(machine: &mut Machine, open: bool) {
    let other = machine.read(regs::PORTS) & !regs::MSI_PORT;
    let port = if open { regs::MSI_PORT } else { 0 };
    machine.write(regs::PORTS, other | port);
}

type Step = fn(&mut Machine);

/// Revision, readings, the error, the steps; whether MSIs come.
type AfterEcc = (u8, Mild, (Abnormal, u32), &'static [Step], bool);

const CLOSE: Step = |machine| ports(machine, false);
const OPEN: Step = |machine| ports(machine, true);
const CLEAR: Step = |machine| machine.write(regs::REORDER_SOURCE, regs::REORDER_ECC);

/// Whether MSIs come, of errors and of events, once the function was reset and these steps done.
fn interrupts_after(mut machine: Machine, errors: (Abnormal, u32), steps: &[Step]) -> bool {
    arm(&mut machine);
    machine.write(regs::QM_ABNORMAL.mask, 0);
    machine.write(errors.0.set, errors.1);
    machine.write(regs::QM_ABNORMAL.set, errors::CQ_INVALID);
    machine.settle();
    assert!(!machine.memory.interrupts.is_empty(), "the error is told");
    machine.set_range(0, 0);
    for _ in 0..2 {
        machine.device.reset(ResetKind::Function);
    }
    steps.iter().for_each(|step| step(&mut machine));
    machine.write(regs::ZIP_CONTROL, 0);
    machine.write(regs::ZIP_CONTROL, ARMED);
    machine.start_function();
    start(&mut machine);
    machine.memory.interrupts.clear();
    machine.run(1, &job());
    let events = machine.memory.interrupts.len();
    machine.write(regs::QM_ABNORMAL.mask, 0);
    machine.write(regs::QM_ABNORMAL.set, errors::CQ_INVALID);
    machine.settle();
    let all = machine.memory.interrupts.len();
    assert_eq!(events != 0, all > events);
    events != 0
}

/// Where the bus of revision 0x21 has met an error of memory, no MSI comes before it was told, with
/// their port closed, that this is over.
#[test]
fn msis_after_an_error_of_memory() {
    let mild = Mild::NONE.with(Reading::ContainmentAfterReset);
    let engine = (regs::ZIP_ABNORMAL, errors::ENGINE_ECC);
    let manager = (regs::QM_ABNORMAL, errors::MANAGER_ECC);
    let harmless = (regs::QM_ABNORMAL, errors::CQ_INVALID);
    let cases: [AfterEcc; 9] = [
        (0x21, Mild::NONE, engine, &[], false),
        (0x21, Mild::NONE, manager, &[], false),
        (0x21, Mild::NONE, manager, &[CLEAR], false),
        (0x21, Mild::NONE, manager, &[CLOSE, CLEAR], false),
        (0x21, Mild::NONE, manager, &[CLOSE, CLEAR, OPEN], true),
        (0x21, Mild::NONE, engine, &[CLOSE, CLEAR, OPEN], true),
        (0x21, Mild::NONE, harmless, &[], true),
        (0x21, mild, manager, &[], true),
        (0x30, Mild::NONE, manager, &[], true),
    ];
    for (at, (revision, mild, errors, steps, come)) in cases.into_iter().enumerate() {
        let machine = with(revision, mild);
        assert_eq!(interrupts_after(machine, errors, steps), come, "{at}");
    }
}

/// What a job does that is mistaken, and the error it is: revision 0x21, 0x30.
type Mistake = (&'static str, fn() -> Sqe, [u32; 2]);

const MISTAKES: [Mistake; 7] = [
    (
        "no such input",
        || sqe(GZIP, STATELESS, (NOWHERE, SIZE), (OUTPUT, SIZE)),
        [errors::READ_REFUSED, errors::PASID_REFUSED],
    ),
    (
        "no such output",
        || sqe(GZIP, STATELESS, (INPUT, SIZE), (NOWHERE, SIZE)),
        [errors::WRITE_REFUSED, errors::PASID_REFUSED],
    ),
    (
        "no list of output",
        || lists(LIST, NOWHERE),
        [errors::READ_REFUSED, errors::PASID_REFUSED],
    ),
    (
        "no context",
        || stream(NOWHERE),
        [errors::READ_REFUSED, errors::PASID_REFUSED],
    ),
    (
        "a context that can't be written",
        || stream(READ_ONLY),
        [errors::WRITE_REFUSED, errors::PASID_REFUSED],
    ),
    (
        "a list that is none",
        || lists(INPUT + 8, OUTPUT),
        [errors::INPUT_UNCLEAR; 2],
    ),
    (
        "the same for output",
        || lists(LIST, OUTPUT + 8),
        [errors::OUTPUT_UNCLEAR; 2],
    ),
];

/// Nothing is there.
const NOWHERE: u64 = 0x7777_0000_0000;
/// What is there can be read.
const READ_ONLY: u64 = 0x5200_0000;
/// A list of the input.
const LIST: u64 = 0x5100_0000;

fn lists(input: u64, output: u64) -> Sqe {
    let mut sqe = sqe(GZIP, STATELESS, (input, SIZE), (output, SIZE));
    set_word(&mut sqe, 9, GZIP | 1 << 8);
    sqe
}

/// The first request of a stream, whose context is there.
fn stream(context: u64) -> Sqe {
    let flags = STREAM | NEW_STREAM;
    let mut sqe = sqe(GZIP, flags, (INPUT, SIZE / 2), (OUTPUT, SIZE));
    set_word(&mut sqe, 22, context as u32);
    set_word(&mut sqe, 23, (context >> 32) as u32);
    sqe
}

fn with_a_list(revision: u8, mild: Mild) -> Machine {
    let mut machine = with(revision, mild);
    machine.memory.map(LIST, 0x1000, Page::Present);
    machine.memory.map(READ_ONLY, 64 << 10, Page::ReadOnly);
    let mut list = vec![0; 64];
    list[8..14].copy_from_slice(&[1, 0, 1, 0, 1, 0]);
    list.extend(INPUT.to_le_bytes());
    list.extend([0; 8]);
    list.extend((SIZE as u32).to_le_bytes());
    list.extend([0; 12]);
    machine.memory.set_data(LIST, &list);
    arm(&mut machine);
    machine
}

#[test]
fn mistakes_of_a_job_are_errors_of_the_device() {
    for (revision, index) in [(0x21, 0), (0x30, 1)] {
        for (what, mistaken, by_revision) in MISTAKES {
            let error = by_revision[index];
            let mut machine = with_a_list(revision, Mild::NONE);
            submit(&mut machine, mistaken());
            machine.settle();
            assert_eq!(machine.read(regs::ZIP_ABNORMAL.source), error, "{what}");
            // Nobody contains bit 12, nor 0x21 anything but its memory's errors.
            let goes_on = error == errors::PASID_REFUSED || revision == 0x21;
            assert_eq!(machine.completion(1).is_some(), goes_on, "{what}");
        }
    }
}

#[test]
fn mistakes_of_a_job_read_mildly() {
    let mild = Mild::NONE
        .with(Reading::RefusedAccess)
        .with(Reading::MalformedList);
    for revision in REVISIONS {
        for (what, mistaken, _) in MISTAKES {
            let mut machine = with_a_list(revision, mild);
            assert_ne!(run(&mut machine, mistaken()), 0, "{what}");
            assert_eq!(machine.read(regs::ZIP_ABNORMAL.source), 0, "{what}");
            assert_eq!(run(&mut machine, job()), 0, "{what}");
        }
    }
}

/// What an error leaves of the next job: whether its status says that it went well, and its output.
fn after(mut machine: Machine, group: Abnormal, error: u32) -> Option<Vec<u8>> {
    machine.write(group.set, error);
    submit(&mut machine, job());
    machine.settle();
    machine.completion(1)?;
    let done = machine.done(1, 0);
    assert_eq!(done.status(), 0);
    Some(machine.memory.data(OUTPUT, done.produced() as usize))
}

#[test]
fn what_is_not_contained_spreads() {
    let mild = Mild::NONE.with(Reading::UncontainedErrors);
    for revision in REVISIONS {
        // An error that concerns nobody else.
        let right = after(with(revision, Mild::NONE), regs::QM_ABNORMAL, 1 << 3);
        assert!(right.is_some());
        for (group, error) in harmful(revision) {
            let wrong = after(with(revision, Mild::NONE), group, error);
            assert!(wrong.is_some() && wrong != right, "{error:#x}");
            assert_eq!(after(with(revision, mild), group, error), right);
        }
    }
}

/// As mainline stops it: by an error of the engine's memory that is none.
#[test]
fn the_older_revision_contains_its_memory_s_errors_alone() {
    let armed = || {
        let mut machine = with(0x21, Mild::NONE);
        arm(&mut machine);
        machine
    };
    let right = after(with(0x21, Mild::NONE), regs::QM_ABNORMAL, 1 << 3);
    for (group, error) in harmful(0x21) {
        let result = after(armed(), group, error);
        if contained(0x21)
            .iter()
            .any(|(other, ecc)| (other.source, *ecc) == (group.source, error))
        {
            assert_eq!(result, None, "{error:#x}");
            continue;
        }
        assert!(result.is_some() && result != right, "{error:#x}");
        let mut machine = armed();
        machine.write(group.set, error);
        assert_eq!(after(machine, regs::ZIP_ABNORMAL, errors::ENGINE_ECC), None);
    }
}

#[test]
fn the_newer_revision_contains_what_is_chosen() {
    let mut machine = with(0x30, Mild::NONE);
    arm(&mut machine);
    machine.write(regs::ZIP_ABNORMAL.contained, 1 << 1);
    assert!(after(machine, regs::ZIP_ABNORMAL, 1 << 2).is_some());

    let mut machine = with(0x30, Mild::NONE);
    arm(&mut machine);
    machine.write(regs::ZIP_CONTROL, 0);
    assert!(after(machine, regs::ZIP_ABNORMAL, 1 << 2).is_some());
}
