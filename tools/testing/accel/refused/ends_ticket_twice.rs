// SPDX-License-Identifier: GPL-2.0
// refused: E0382 moved

//! Ends a job twice.

include!("common.inc");

submits!(ticket => {
    ticket.end(Ok(()), &[0; 2]);
    ticket.end(Err(EIO), &[0; 2]);
    Ok(())
});
