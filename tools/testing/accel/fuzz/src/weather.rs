// SPDX-License-Identifier: GPL-2.0
//! What happens to devices while programs use them: resets, removal, errors.

use crate::devices;
use fastrand::Rng;
use std::{thread, time::Duration};

/// Milliseconds between two events, at most.
const PAUSE_MS: u64 = 200;
/// Events between two times at which all is mended.
const MENDED_EVERY: u32 = 12;

/// Does all of it in a process of its own, until that of the caller ends.
pub fn begin(seed: u64, devices: usize) {
    // SAFETY: There is one thread, so the child may do all that this process may.
    if unsafe { libc::fork() } == 0 {
        // SAFETY: It takes a number.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        go_on(Rng::with_seed(seed), devices);
    }
}

fn go_on(mut random: Rng, devices: usize) -> ! {
    for count in 1u32.. {
        thread::sleep(Duration::from_millis(random.u64(0..PAUSE_MS)));
        if count % MENDED_EVERY == 0 {
            devices::mend(devices);
        }
        let nth = random.usize(0..devices);
        let (file, value) = match random.u32(0..20) {
            0..5 => ("reset", 1),
            5..7 => ("reset_request", 1),
            7..10 => ("remove", 1),
            10..12 => ("fault", random.u64(1..5)),
            12..14 => ("error", random.u64(1..5)),
            14 => ("stuck", 1),
            15 => ("fail_reset", 1),
            16 => ("hang", random.u64(0..4)),
            17 => ("error_threshold", random.u64(1..3)),
            _ => continue,
        };
        // The device may be gone, or be at something else.
        _ = devices::misbehave(nth, file, value);
        if file == "remove" {
            thread::sleep(Duration::from_millis(random.u64(0..20)));
        }
        while devices::count() < devices && devices::add().is_ok() {}
    }
    unreachable!("the count does not end before the machine does")
}
