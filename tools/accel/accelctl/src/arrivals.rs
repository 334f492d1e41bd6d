// SPDX-License-Identifier: GPL-2.0
//! Devices that appear: who looks at `/dev` is told of their nodes.

use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use accel::Device;
use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use rustix::io::Errno;

use crate::failure::Result;

/// What the monitor nodes' names begin with.
const PREFIX: &str = "accel_monitor";

/// Devices whose monitor node is new, or may be opened by others than before. One can come twice.
#[derive(Debug)]
pub struct Arrivals {
    directory: PathBuf,
    watch: OwnedFd,
    unread: VecDeque<Device>,
}

impl Arrivals {
    /// Devices with nodes in `directory`, from now on.
    pub fn watch(directory: &Path) -> Result<Self> {
        let error = |errno: Errno| format!("{}: {errno}", directory.display());
        let watch = inotify::init(CreateFlags::CLOEXEC).map_err(error)?;
        // A node is made first, and gets the mode that udev gives it after that.
        let flags = WatchFlags::CREATE | WatchFlags::ATTRIB | WatchFlags::MOVED_TO;
        inotify::add_watch(&watch, directory, flags).map_err(error)?;
        Ok(Self {
            directory: directory.into(),
            watch,
            unread: VecDeque::new(),
        })
    }

    /// Waits for something, and reads it.
    fn fill(&mut self) -> rustix::io::Result<()> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.watch, &mut buffer);
        loop {
            let event = reader.next()?;
            let name = event.file_name().and_then(|name| name.to_str().ok());
            let path = name.filter(|name| name.starts_with(PREFIX));
            let path = path.map(|name| self.directory.join(name));
            let device = path.and_then(|path| Device::by_name(path.to_str()?).ok());
            self.unread.extend(device);
            if reader.is_buffer_empty() {
                return Ok(());
            }
        }
    }
}

impl Iterator for Arrivals {
    type Item = Device;

    fn next(&mut self) -> Option<Device> {
        loop {
            if let Some(device) = self.unread.pop_front() {
                return Some(device);
            }
            match self.fill() {
                Ok(()) | Err(Errno::INTR) => {}
                Err(_) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn monitor_nodes_are_told_as_they_come() {
        let directory = tempfile::tempdir().unwrap();
        let mut arrivals = Arrivals::watch(directory.path()).unwrap();
        for name in ["null", "accel3", "accel_monitor3", "accel_monitor12"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let devices: Vec<_> = arrivals.by_ref().take(2).collect();
        let names: Vec<_> = devices.iter().map(Device::to_string).collect();
        assert_eq!(names, ["accel3", "accel12"]);
        assert_eq!(
            devices[0].monitor_path(),
            directory.path().join("accel_monitor3")
        );
        let node = directory.path().join("accel_monitor3");
        let mut mode = fs::metadata(&node).unwrap().permissions();
        mode.set_readonly(true);
        fs::set_permissions(&node, mode).unwrap();
        assert_eq!(arrivals.next().unwrap().to_string(), "accel3");
    }

    #[test]
    fn a_place_that_is_none_is_said() {
        let text = crate::fake::said(Arrivals::watch(Path::new("/nonexistent")));
        assert!(text.starts_with("/nonexistent: "), "{text}");
    }
}
