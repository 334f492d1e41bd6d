// SPDX-License-Identifier: GPL-2.0
//! Names of errors, those that these calls end with.

use libc::*;

const NAMES: &[(i32, &str)] = &[
    (0, "OK"),
    (E2BIG, "E2BIG"),
    (EACCES, "EACCES"),
    (EAGAIN, "EAGAIN"),
    (EBADF, "EBADF"),
    (EBUSY, "EBUSY"),
    (ECANCELED, "ECANCELED"),
    (EDQUOT, "EDQUOT"),
    (EEXIST, "EEXIST"),
    (EFAULT, "EFAULT"),
    (EINTR, "EINTR"),
    (EINVAL, "EINVAL"),
    (EIO, "EIO"),
    (ENODEV, "ENODEV"),
    (ENOENT, "ENOENT"),
    (ENOMEM, "ENOMEM"),
    (ENOSPC, "ENOSPC"),
    (ENOTCONN, "ENOTCONN"),
    (ENOTTY, "ENOTTY"),
    (ENXIO, "ENXIO"),
    (EOPNOTSUPP, "EOPNOTSUPP"),
    (EPERM, "EPERM"),
    (ERANGE, "ERANGE"),
    (ETIMEDOUT, "ETIMEDOUT"),
];

/// Its name, or its number where it has none here.
pub fn name(number: i32) -> String {
    NAMES
        .iter()
        .find(|(known, _)| *known == number)
        .map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned())
}

/// The number of a name, or of a number.
pub fn number(name: &str) -> Option<i32> {
    NAMES
        .iter()
        .find(|(_, known)| *known == name)
        .map(|(number, _)| *number)
        .or_else(|| name.parse().ok())
}
