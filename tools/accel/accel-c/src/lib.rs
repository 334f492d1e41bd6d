// SPDX-License-Identifier: GPL-2.0 OR MIT
//! `libaccel.so`: what `include/libaccel.h` declares and `libaccel.3` describes.

mod ffi;

use accel::Engine;

/// What C programs get by `libaccel_auto()`.
fn auto() -> Engine {
    Engine::auto()
}
