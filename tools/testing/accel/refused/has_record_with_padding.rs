// SPDX-License-Identifier: GPL-2.0
// refused: E0277 padding

//! A record with padding, in which memory of the kernel would be told.

include!("common.inc");

#[repr(C)]
#[derive(IntoBytes)]
struct Record {
    small: u32,
    large: u64,
}

#[vtable]
impl accel::Driver for Rogue {
    no_data!();
    common!();
}
