// SPDX-License-Identifier: GPL-2.0 OR MIT
//! The name by which programs ask for the library when they run.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libaccel.so.1");
}
