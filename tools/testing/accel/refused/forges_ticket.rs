// SPDX-License-Identifier: GPL-2.0
// refused: E0451 private

//! Makes a ticket of its own.

include!("common.inc");

submits!(ticket => {
    let forged = accel::Ticket::<Self> { ..ticket };
    Err(forged)
});
