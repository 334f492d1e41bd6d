#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# float8 0.7.0 (a crate), the 8-bit numbers of accelerators for Rust: its infinity is the
# greatest finite number, its MAX the one below that, and what overflows is finite.
#
# Expected: as IEEE 754 and the Open Compute Project's FP8 have it: F8E5M2::INFINITY is infinite,
# MAX is 57344, and from_f32(inf) is infinite; F8E4M3 has no infinity and MAX is 448. The crate
# says of from_f32() that what is too large gives infinity.
# Seen: F8E5M2::INFINITY is 57344 and MAX 49152; F8E4M3::INFINITY is 448 and MAX 416. from_f32() of
# infinity, or of 1e9, is 57344 or 448, as hardware does it with saturation. is_infinite() says yes
# of those two finite numbers, and no of E5M2's own infinity (0x7c), which to_f32() knows well;
# that one does not survive the way to f32 and back.
#
# So overflow in what an accelerator gave cannot be found with is_infinite(), which takes good
# numbers for it and E5M2's infinity for a number; a scale computed from MAX loses up to a seventh
# of the range. Test to_bits(), or for infinity after to_f32(), and write the greatest numbers
# oneself.
#
# Needs cargo; installs nothing outside of a temporary folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "show"
version = "0.0.0"
edition = "2021"

[dependencies]
float8 = "=0.7.0"

[workspace]
TOML
cat >src/main.rs <<'RUST'
use float8::{F8E4M3, F8E5M2};

macro_rules! show {
    ($name:ident) => {
        let (infinity, max) = ($name::INFINITY, $name::MAX);
        let large = $name::from_f32(1e9);
        println!("{}: INFINITY {}, MAX {}", stringify!($name), infinity.to_f32(), max.to_f32());
        println!("1e9 is {}, is_infinite() {}", large.to_f32(), large.is_infinite());
        println!("f32's infinity is {}", $name::from_f32(f32::INFINITY).to_f32());
    };
}

fn main() {
    show!(F8E4M3);
    show!(F8E5M2);
    let infinity = F8E5M2::from_bits(0x7c);
    let back = F8E5M2::from_f32(infinity.to_f32()).to_bits();
    let says = infinity.is_infinite();
    println!("0x7c is {}, is_infinite() {says}, and back it is {back:#x}", infinity.to_f32());
}
RUST
CARGO_TARGET_DIR=target cargo run --quiet 2>log | tee seen
cat >wanted <<'TEXT'
F8E4M3: INFINITY 448, MAX 416
1e9 is 448, is_infinite() true
f32's infinity is 448
F8E5M2: INFINITY 57344, MAX 49152
1e9 is 57344, is_infinite() true
f32's infinity is 57344
0x7c is inf, is_infinite() false, and back it is 0x7b
TEXT
cmp seen wanted || { cat log; exit 1; }
echo "as described"
