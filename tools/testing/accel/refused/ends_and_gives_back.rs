// SPDX-License-Identifier: GPL-2.0
// refused: E0382 moved

//! Ends a job, and gives its ticket back.

include!("common.inc");

submits!(ticket => {
    ticket.end(Ok(()), &[0; 2]);
    Err(ticket)
});
