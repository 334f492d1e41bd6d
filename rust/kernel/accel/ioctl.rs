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

#[macros::kunit_tests(rust_accel_ioctl)]
mod tests {
    use super::*;
    use crate::ioctl::{
        _IOR,
        _IOW, //
    };

    #[test]
    fn only_numbers_without_size_and_of_our_type_are_ours() {
        for nr in [0, 0x10, 0x9f, 0xff] {
            assert_eq!(number(_IO(uapi::ACCEL_IOC_TYPE, nr)), Ok(nr));
            assert_eq!(number(_IO(uapi::ACCEL_IOC_TYPE + 1, nr)), Err(ENOTTY));
            assert_eq!(number(_IOR::<u32>(uapi::ACCEL_IOC_TYPE, nr)), Err(ENOTTY));
            assert_eq!(number(_IOW::<u32>(uapi::ACCEL_IOC_TYPE, nr)), Err(ENOTTY));
        }
    }
}
