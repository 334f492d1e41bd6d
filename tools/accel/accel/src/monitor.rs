// SPDX-License-Identifier: GPL-2.0
//! The monitor node.

use rustix::io::Errno;

use crate::device::Device;
use crate::error::Result;
use crate::inquire::Answers;
use crate::node::Node;

/// An open `/dev/accel_monitorN`: it answers [`Inquire`](crate::Inquire) and can do nothing else.
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

impl Answers for Monitor {
    fn device_name(&self) -> &str {
        self.node.name()
    }

    fn answer(&self, query: u32, room: &mut [u8]) -> std::result::Result<usize, Errno> {
        self.node.answer(query, room)
    }
}
