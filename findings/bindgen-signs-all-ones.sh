#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# bindgen 0.72.1, which makes the bindings of Rust in the kernel: constants of C that are unsigned
# and have their highest bit set become negative ones of Rust, of another size.
#
# Expected: what C says: `~0ULL` is a u64 of all ones, `1ULL << 63` a u64, `~0U` (IOMMU_PASID_INVALID is
# one of that kind) a u32, and `(unsigned long long)-1` the same as the first.
# Seen: i32 -1, i64 -9223372036854775808, i32 -1; the one with the cast is left out without a word.
# `0xffffffffU` is a u32, since it fits into what bindgen computes with, which is i64. So
# `x == ALL as u64` holds by luck of the sign extension, but of `~0U` it makes 64 ones.
#
# So constants for Rust are better written as an enum with a type, or as numbers of at most 63 bits;
# those that are there need a const of their own on Rust's side (the kernel has RUST_CONST_HELPER_ for
# it), and a test that compares both.
#
# Needs cargo, a C compiler and libclang; installs nothing outside of a temporary folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cargo install --quiet --locked --root . --version 0.72.1 bindgen-cli >log 2>&1 ||
	{ cat log; exit 2; }

cat >constants.h <<'C'
#define ALL_64 (~0ULL)
#define TOP_64 (1ULL << 63)
#define ALL_32 (~0U)
#define CAST_64 ((unsigned long long)-1)
#define WRITTEN_32 0xffffffffU
C
cat >sizes.c <<'C'
#include <stdio.h>
#include "constants.h"
#define SHOW(name) printf(#name ": %zu bytes, %s\n", sizeof(name), (name) > 0 ? "positive" : "negative")
int main(void)
{
	SHOW(ALL_64);
	SHOW(TOP_64);
	SHOW(ALL_32);
	SHOW(CAST_64);
	SHOW(WRITTEN_32);
}
C
cc -o sizes sizes.c
echo "C:"
./sizes | tee sizes.out
! grep -q negative sizes.out
bin/bindgen --version
bin/bindgen constants.h >constants.rs 2>>log
grep const constants.rs | tee seen
cat >wanted <<'RUST'
pub const ALL_64: i32 = -1;
pub const TOP_64: i64 = -9223372036854775808;
pub const ALL_32: i32 = -1;
pub const WRITTEN_32: u32 = 4294967295;
RUST
cmp seen wanted
echo "as described"
