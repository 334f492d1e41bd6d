// SPDX-License-Identifier: GPL-2.0

//! What all devices share.

use crate::{prelude::*, workqueue::Queue};

pub struct Shared {
    pub allow_shared_doorbells: bool,
    pub signalling: Queue,
}

pub fn shared() -> Result<&'static Shared> {
    Ok(&Shared {
        allow_shared_doorbells: false,
        signalling: Queue,
    })
}

pub struct Id;

impl Id {
    pub fn new() -> Result<Self> {
        Ok(Self)
    }

    pub fn get(&self) -> u32 {
        0
    }
}
