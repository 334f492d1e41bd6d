// SPDX-License-Identifier: GPL-2.0
//! What can't be asked without harm to others.

use super::{Question, Way};

pub(super) const DEPTH: Question = Question {
    name: "depth",
    text: "Are there queues of more than 1024 entries?",
    mild: Some("deep-queues"),
    way: Way::Never(
        "the driver offers no more than the device says that it has, cap_3108 in `observed`, and \
         if that is 1024, only a driver that does not heed it can tell",
    ),
};

pub(super) const BAD_DOORBELLS: Question = Question {
    name: "bad-doorbells",
    text: "What becomes of a doorbell of a queue that is not there, or with a bad index?",
    mild: Some("quiet-doorbells"),
    way: Way::Never(
        "if it is an error of the hardware, it is one for all; a machine to itself, mainline's \
         driver, and a program that stores to the doorbell",
    ),
};

pub(super) const UNCONTAINED_ERRORS: Question = Question {
    name: "uncontained-errors",
    text: "What becomes of data after an error that is not contained?",
    mild: Some("uncontained-harmless"),
    way: Way::Never("it takes an error of memory or of the bus, and spoils the data of all"),
};

pub(super) const BUS_AFTER_RESET: Question = Question {
    name: "bus-after-reset",
    text: "Does a reset of the function open the way to memory that 0x300000 has shut?",
    mild: Some("reset-opens-bus"),
    way: Way::Never(
        "the driver opens it before; by hand, while no driver has the device, see \
         hisi-zip-silicon.rst",
    ),
};

pub(super) const CONTAINMENT_AFTER_RESET: Question = Question {
    name: "containment-after-reset",
    text: "Does a reset of the function open the way to memory that an error has shut?",
    mild: Some("reset-ends-containment"),
    way: Way::Never(
        "it takes an error of the hardware that is contained, and the driver opens the way itself, \
         by bit 14 of 0x30100c",
    ),
};

pub(super) const SHAPER_AFTER_RESET: Question = Question {
    name: "shaper-after-reset",
    text: "Does a reset of the function switch off the limits of rates in 0x100164?",
    mild: Some("reset-ends-shaping"),
    way: Way::Never("the driver sets them anew; by hand, as bus-after-reset"),
};

pub(super) const BAD_ADDRESSES: Question = Question {
    name: "bad-addresses",
    text: "Does a bad address concern its request alone, and not the device?",
    mild: Some("faults-of-job"),
    way: Way::Never(
        "if not, the device is reset, with the queues of all; a machine to itself, and the \
         selftest `private`",
    ),
};

pub(super) const BAD_LISTS: Question = Question {
    name: "bad-lists",
    text: "Does a bad scatter list concern its request alone, and not the device?",
    mild: Some("lists-of-job"),
    way: Way::Never(
        "if not, the device is reset, with the queues of all; a machine to itself, and the \
         selftest `hostile`",
    ),
};

pub(super) const LIST_LIMITS: Question = Question {
    name: "list-limits",
    text: "May a scatter list have entries of no bytes, or of more than 8 MiB, or 257 parts?",
    mild: Some("endless-lists"),
    way: Way::Never("if it may not, it is a bad list, as above"),
};

pub(super) const STALE_CONTEXTS: Question = Question {
    name: "stale-contexts",
    text: "Does a doorbell of a queue that is gone mean nothing?",
    mild: Some("stopped-queues-stay"),
    way: Way::Never(
        "if not, the engine writes to memory that others have by now; a machine to itself, and a \
         driver that keeps that memory",
    ),
};

pub(super) const STOPPED_WORK: Question = Question {
    name: "stopped-work",
    text: "Are requests left alone that were not begun when their queue was stopped?",
    mild: Some("stop-abandons"),
    way: Way::Never(
        "with the queue go its rings, in which it could be seen; a driver that keeps them",
    ),
};

pub(super) const PENDING_INTERRUPTS: Question = Question {
    name: "pending-interrupts",
    text: "Does configuring the event queues clear interrupts that are pending?",
    mild: Some("contexts-clear-interrupts"),
    way: Way::Never(
        "the driver clears them itself; it takes a driver that does not, and programs that wait \
         in vain",
    ),
};

pub(super) const WORK_AT_RESET: Question = Question {
    name: "work-at-reset",
    text: "Does a reset of the function end the work that is under way?",
    mild: Some("reset-ends-work"),
    way: Way::Never(
        "if it does not, the device is dead until the machine is switched off; a reset by sysfs \
         while `accel-gzip --bench` runs, on a machine to itself",
    ),
};

pub(super) const FULL_EVENT_QUEUE: Question = Question {
    name: "full-event-queue",
    text: "Do events come again after there was no room for one?",
    mild: Some("eq-recovers"),
    way: Way::Never("events of all get lost; a machine to itself, and a driver that takes none"),
};

pub(super) const COUNTERS: Question = Question {
    name: "counters",
    text: "Do the counters of entries count for queues that are not selected?",
    mild: Some("counts-unselected"),
    way: Way::Never(
        "the driver has no use for them; mainline's shows them in debugfs, with the queue that is \
         to be selected",
    ),
};

pub(super) const FORGOTTEN_MAILBOX: Question = Question {
    name: "forgotten-mailbox",
    text: "Does 0x100040, which forgets all contexts, free a mailbox that is busy?",
    mild: Some("forgetting-frees-mailbox"),
    way: Way::Never(
        "it takes a queue that does not stop, so a device that hangs, and ends the queues of all",
    ),
};
