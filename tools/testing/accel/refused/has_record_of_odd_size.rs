// SPDX-License-Identifier: GPL-2.0
// refused: E0080 RECORD_ALIGN

//! A record that does not lie on a multiple of 16 bytes.

include!("common.inc");

submits!(ticket, u64 => {
    Err(ticket)
});
