// SPDX-License-Identifier: GPL-2.0
// refused: E0599 clone

//! Makes two tickets of one.

include!("common.inc");

submits!(ticket => {
    ticket.clone().end(Ok(()), &[0; 2]);
    Err(ticket)
});
