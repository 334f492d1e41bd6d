// SPDX-License-Identifier: GPL-2.0 OR MIT
//! The monitor node.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::device::Device;
use crate::error::Result;
use crate::events::{EventMask, EventReader};
use crate::inquire::Answers;
use crate::ioctl;
use crate::node::Node;

/// An open `/dev/accel_monitorN`: it answers [`Inquire`](crate::Inquire), tells of events, and can
/// do nothing else.
#[derive(Debug)]
pub struct Monitor {
    node: Node,
}

/// The events of an open monitor node.
pub type Events = EventReader<Monitor>;

impl Monitor {
    pub(crate) fn open(device: &Device) -> Result<Self> {
        let node = Node::open_to_read(device.to_string(), device.monitor_path())?;
        Ok(Self { node })
    }

    /// The events of these types that happened since the node was opened, and those to come.
    pub fn events(self, mask: EventMask) -> Result<Events> {
        ioctl::events(self.node.as_fd(), mask.bits())
            .map_err(self.node.refused("choosing events"))?;
        self.reader()
    }

    /// The events that were chosen.
    fn reader(self) -> Result<Events> {
        rustix::fs::fcntl_setfl(self.node.as_fd(), OFlags::NONBLOCK)
            .map_err(self.node.refused("making the monitor node non-blocking"))?;
        Ok(EventReader::new(self.node.name().into(), self))
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.node.as_fd()
    }
}

impl AsRawFd for Monitor {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Answers for Monitor {
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

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::PathBuf;
    use std::time::Duration;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;
    use crate::events::{EventType, Next};
    use crate::uapi;

    /// A pipe in the place of the monitor node of `accel0`, and its other end.
    fn pipe(directory: &tempfile::TempDir) -> (Device, File) {
        let path: PathBuf = directory.path().join("accel_monitor0");
        mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
        let writer = File::options().read(true).write(true).open(path).unwrap();
        let name = directory.path().join("accel0");
        (Device::by_name(name.to_str().unwrap()).unwrap(), writer)
    }

    #[test]
    fn events_are_read_from_the_monitor_node() {
        let directory = tempfile::tempdir().unwrap();
        let (device, writer) = pipe(&directory);
        let mut events = device.monitor().unwrap().reader().unwrap();
        let soon = Some(Duration::ZERO);
        assert_eq!(events.next_within(soon).unwrap(), Next::Timeout);
        let raw = uapi::Event {
            size: 56,
            r#type: uapi::EVENT_ISOLATED,
            ..Default::default()
        };
        rustix::io::write(&writer, uapi::bytes_of(&[raw])).unwrap();
        let told = events.next_within(soon).unwrap();
        assert!(matches!(told, Next::Event(event) if event.kind == EventType::Isolated));
        assert_eq!(events.source().device_name(), "accel0");
    }

    #[test]
    fn a_node_without_events_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let (device, _writer) = pipe(&directory);
        let mask = EventMask::from_iter([EventType::Fault]);
        let error = device.monitor().unwrap().events(mask).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("accel0: choosing events: "), "{text}");
        assert!(text.contains("does not know the request"), "{text}");
    }
}
