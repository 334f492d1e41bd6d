// SPDX-License-Identifier: GPL-2.0

//! The numbers of ioctls.

use crate::{
    ioctl::{
        _IO,
        _IOC_NR, //
    },
    prelude::*,
    uapi, //
};

/// The number of an ioctl of this subsystem. Fails with [`ENOTTY`] for any other.
pub(super) fn number(cmd: u32) -> Result<uapi::accel_ioctl_nr> {
    let nr = _IOC_NR(cmd);
    if cmd == _IO(uapi::ACCEL_IOC_TYPE, nr) {
        Ok(nr)
    } else {
        Err(ENOTTY)
    }
}
