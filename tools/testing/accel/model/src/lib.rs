// SPDX-License-Identifier: GPL-2.0

//! The core of accel between threads that run in every order.
//!
//! `build.rs` puts the kernel's own files together with stand-ins for those around them, under
//! `src/accel/`. What they name of the kernel is here, so far as it plays a part. See `README.md`.

#![feature(arbitrary_self_types, coerce_unsized, unsize)]
#![cfg(test)]
#![allow(dead_code, reason = "the kernel's files name it")]

extern crate self as zerocopy;

#[path = "fence.rs"]
mod dma_buf;
mod error;
mod fs;
mod init;
mod misc;
mod prelude;
mod sync;
#[allow(non_camel_case_types, non_upper_case_globals)]
mod uapi;
mod workqueue;

use misc::*;

pub struct ThisModule;

pub trait Immutable {}

pub trait FromBytes: Sized {
    fn read_from_bytes(bytes: &[u8]) -> error::Result<Self>;
}

pub trait IntoBytes {
    fn as_bytes(&self) -> &[u8];
}

impl FromBytes for u64 {
    fn read_from_bytes(bytes: &[u8]) -> error::Result<Self> {
        bytes
            .try_into()
            .map(u64::from_ne_bytes)
            .map_err(|_| error::EINVAL)
    }
}

impl IntoBytes for [u8; 16] {
    fn as_bytes(&self) -> &[u8] {
        self
    }
}

impl Immutable for [u8; 16] {}

thread_local! {
    static BROKEN: std::cell::Cell<Option<&'static str>> = const { std::cell::Cell::new(None) };
}

/// What must be true. It fails at the end of the execution: here are locks held, and a lock that is
/// held in a panic can't be taken by those who clean up.
#[macro_export]
macro_rules! require {
    ($true:expr, $message:literal) => {
        if !$true {
            $crate::BROKEN.set(Some($message));
        }
    };
}

#[macro_export]
macro_rules! static_lock_class {
    () => {
        ()
    };
}

use crate::{nothing as impl_has_work, nothing as seq_print};

include!(concat!(env!("OUT_DIR"), "/trees.rs"));

/// The scenarios, with the kernel's files as they are.
mod scenarios {
    macro_rules! hold {
        ($($scenario:ident)*) => {
            $(#[test] fn $scenario() {
                crate::real::scenarios::$scenario();
            })*
        };
    }

    hold! {
        removal_against_creation
        removal_against_close_and_watchdog
        removal_against_a_look
        fences_before_a_reset_waits
        fences_before_a_removal_waits
        one_ends_a_queue
        reset_against_close_and_creation
        two_resets
        resets_within_each_other
        request_amid_a_reset
        pages_against_the_end
        a_queue_that_does_not_stop
        a_queue_that_stops_late
        requests_of_recovery
        a_page_is_owed
        jobs_against_room
        room_of_another_queue
        jobs_against_the_end
        tickets_that_are_mixed_up
        submission_against_the_end
        fences_that_succeed
        fences_that_fail
        late_ends
    }
}

/// The same with a line that is wrong, to show that the scenarios see it.
mod mutants {
    macro_rules! fail {
        ($($mutant:ident in $scenario:ident, $message:literal;)*) => {
            $(#[test]
            #[should_panic(expected = $message)]
            fn $mutant() {
                crate::$mutant::scenarios::$scenario();
            })*
        };
    }

    fail! {
        removal_does_not_wait in removal_against_creation, "the address space is left";
        entered_too_late in removal_against_a_look, "Causality violation";
        reset_does_not_wait in reset_against_close_and_creation, "a queue is live if the device has it";
        made_amid_a_reset in reset_against_close_and_creation, "a queue is live if the device has it";
        bus_is_not_waited_for in two_resets, "nobody starts the device";
        two_begin in two_resets, "a device is reset that works";
        bus_counts_one in resets_within_each_other, "a device is reset that works";
        request_is_not_looked_at in request_amid_a_reset, "a request is lost";
        wrong_queue in one_ends_a_queue, "a queue is left";
        number_too_early in one_ends_a_queue, "a number is given back once";
        zapped_too_early in pages_against_the_end, "a dead queue has no pages";
        told_too_early in pages_against_the_end, "a dead queue has no pages";
        fault_does_not_check in pages_against_the_end, "a dead queue has no pages";
        fault_does_not_wait in pages_against_the_end, "who gets no page finds the queue dead";
        reset_is_not_asked_for in a_queue_that_does_not_stop, "nobody resets the device";
        stuck_is_forgotten in a_queue_that_stops_late, "a queue is left";
        waits_before_it_signals in fences_before_a_reset_waits, "a fence is waited for in vain";
        room_is_its_own in room_of_another_queue, "a job is forgotten";
        page_is_not_waited_for in a_page_is_owed, "the driver is asked";
        request_is_lost in requests_of_recovery, "a request is lost";
        room_is_missed in jobs_against_room, "a job is forgotten";
        gate_stays_open in jobs_against_the_end, "a job is handed to a queue that was stopped";
        any_ticket_is_taken in tickets_that_are_mixed_up, "a ticket is lost";
        dead_takes_jobs in submission_against_the_end, "a fence is not signalled";
        ends_twice in jobs_against_the_end, "subtract with overflow";
        late_end_is_told in late_ends, "hears of a job that is not its";
        failure_is_missed in fences_that_fail, "a job runs that must not";
        failure_is_not_read in fences_that_fail, "a job runs that must not";
        begun_too_early in fences_that_succeed, "a job waits for ever";
    }
}
