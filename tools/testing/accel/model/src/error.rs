// SPDX-License-Identifier: GPL-2.0

//! `kernel::error`.

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Error(i32);

impl Error {
    pub fn to_errno(self) -> i32 {
        -self.0
    }
}

pub type Result<T = (), E = Error> = core::result::Result<T, E>;

macro_rules! errors {
    ($($name:ident = $number:expr,)*) => {
        $(pub const $name: Error = Error($number);)*
    };
}

errors! {
    EPERM = 1,
    EINTR = 4,
    EIO = 5,
    EAGAIN = 11,
    ENOMEM = 12,
    EACCES = 13,
    EBUSY = 16,
    ENODEV = 19,
    EINVAL = 22,
    EOVERFLOW = 75,
    EOPNOTSUPP = 95,
    ETIMEDOUT = 110,
    ECANCELED = 125,
    ERESTARTSYS = 512,
}

impl From<std::num::TryFromIntError> for Error {
    fn from(_: std::num::TryFromIntError) -> Self {
        EOVERFLOW
    }
}
