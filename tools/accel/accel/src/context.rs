// SPDX-License-Identifier: GPL-2.0 OR MIT
//! A context: one open of the compute node, with its address space.

use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::io::Errno;

use crate::buffer::{Buffer, BufferOptions};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::info::{AddressMode, ModeReason};
use crate::inquire::{Answers, Inquire};
use crate::ioctl;
use crate::node::Node;
use crate::queue::{Queue, QueueOptions};
use crate::space::{AddressSpace, MapOptions, Mapping};

/// An open `/dev/accelN` that has an address space.
///
/// Clones are the same context. It ends with the last clone and the last of its queues.
#[derive(Clone, Debug)]
pub struct Context {
    node: Arc<Node>,
    space: AddressSpace,
    pasid: u32,
}

impl Context {
    pub(crate) fn open(device: &Device, mode: AddressMode) -> Result<Self> {
        let node = Node::open(device.to_string(), device.compute_path())?;
        match ioctl::context_bind(node.as_fd(), mode.number()) {
            Ok(pasid) => {
                let name = node.name().to_owned();
                let node = Arc::new(node);
                Ok(Self {
                    space: AddressSpace::from_parts(name, mode, Arc::<Node>::clone(&node)),
                    node,
                    pasid,
                })
            }
            Err(Errno::OPNOTSUPP) => Err(unavailable(&node, mode)),
            Err(source) => Err(node.refused("giving the context its address space")(source)),
        }
    }

    /// How the device sees this context's memory.
    pub fn mode(&self) -> AddressMode {
        self.space.mode()
    }

    /// The PASID under which the device works for this context, 0 if it needs none.
    pub fn pasid(&self) -> u32 {
        self.pasid
    }

    /// Its address space, which also makes buffers of memory that there is.
    pub fn address_space(&self) -> &AddressSpace {
        &self.space
    }

    /// Allocates a buffer, of this device's memory or of the system's.
    pub fn alloc(&self, options: &BufferOptions) -> Result<Buffer> {
        self.space.alloc(options)
    }

    /// Maps a buffer, whoever made it, into the address space, which has to be a private one.
    ///
    /// ```no_run
    /// use accel::{AddressMode, BufferAccess, BufferOptions, Device, MapOptions};
    ///
    /// # fn main() -> accel::Result<()> {
    /// let context = Device::by_index(0).context(AddressMode::Private)?;
    /// let buffer = context.alloc(&BufferOptions::system(1 << 20))?;
    /// let mapping = context.map(&buffer, &MapOptions::whole(BufferAccess::Read))?;
    /// println!("the device finds it at {:#x}", mapping.address());
    /// # Ok(())
    /// # }
    /// ```
    pub fn map(&self, buffer: &Buffer, options: &MapOptions) -> Result<Mapping> {
        self.space.map(buffer, options)
    }

    /// Creates a queue, which takes jobs from then on.
    pub fn create_queue(&self, options: &QueueOptions<'_>) -> Result<Queue> {
        Queue::create(Arc::clone(&self.node), options)
    }
}

impl Answers for Context {
    fn device_name(&self) -> &str {
        self.node.name()
    }

    fn answer(
        &self,
        query: u32,
        element: usize,
        room: &mut [u8],
    ) -> std::result::Result<usize, Errno> {
        self.node.answer(query, element, room)
    }
}

/// The error for a mode that is not offered, with the reason that the device tells.
fn unavailable(node: &Node, mode: AddressMode) -> Error {
    let modes = node.address_modes().unwrap_or_default();
    let told = modes.iter().find(|info| info.mode == mode);
    Error::ModeUnavailable {
        device: node.name().into(),
        mode,
        reason: told.map_or(ModeReason::Driver, |info| info.reason),
    }
}
