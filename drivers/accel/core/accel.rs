// SPDX-License-Identifier: GPL-2.0

//! Starts the accelerator subsystem, which itself is in the `kernel` crate
//! ([`kernel::accel`]), and holds its parameters.

use kernel::prelude::*;

module! {
    type: Core,
    name: "accel",
    authors: ["The accel developers"],
    description: "Accelerator subsystem",
    license: "GPL",
    params: {
        allow_shared_doorbells: bool {
            default: false,
            description: "Let processes map a doorbell page that queues share (default: no)",
        },
    },
}

struct Core;

impl kernel::Module for Core {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        kernel::accel::start(module_parameters::allow_shared_doorbells.value())?;
        Ok(Self)
    }
}
