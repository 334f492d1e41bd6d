// SPDX-License-Identifier: GPL-2.0

//! No ioctl of a driver is called.

use crate::{prelude::*, uaccess::UserPtr};

pub fn number(cmd: u32) -> Result<u32> {
    Ok(cmd)
}

pub struct Argument;

impl Argument {
    pub fn read<T>(_: impl Iterator<Item = T>, _: u32, _: UserPtr) -> Result<(usize, Self)> {
        Err(EINVAL)
    }

    pub fn bytes(&mut self) -> &mut [u8] {
        &mut []
    }

    pub fn write(self) -> Result {
        Ok(())
    }
}
