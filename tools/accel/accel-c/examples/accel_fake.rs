// SPDX-License-Identifier: GPL-2.0 OR MIT
//! The same library with an engine in memory, for tests of C programs.
//!
//! `FAKE_HANGS=1` lets each job hang.

#[path = "../src/ffi.rs"]
mod ffi;

use std::time::Duration;

use accel::{AddressMode, Engine};
use accel_fake::{Fate, Machine, Offer};

fn auto() -> Engine {
    let hangs = std::env::var_os("FAKE_HANGS").is_some();
    let queue = || Offer::Queue(Box::new(|_| Fate::Hang));
    let offers = (0..8).map(|_| queue()).take(if hangs { 8 } else { 0 });
    let machine = Machine::new(AddressMode::Shared, offers);
    let engine = Engine::with_supply(machine);
    match hangs {
        true => engine.limit(Duration::from_millis(50)),
        false => engine,
    }
}
