// SPDX-License-Identifier: GPL-2.0
//! The monitor node.

use crate::device::Device;
use crate::error::Result;
use crate::node::{HasNode, Inquire, Node};

/// An open `/dev/accel_monitorN`: it answers [`Inquire`] and can do nothing else.
#[derive(Debug)]
pub struct Monitor {
    node: Node,
}

impl Monitor {
    pub(crate) fn open(device: &Device) -> Result<Self> {
        let node = Node::open_to_read(device.to_string(), device.monitor_path())?;
        Ok(Self { node })
    }
}

impl HasNode for Monitor {
    fn node(&self) -> &Node {
        &self.node
    }
}

impl Inquire for Monitor {}
