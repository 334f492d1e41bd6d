// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Finding devices.

use std::fmt;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::info::AddressMode;
use crate::ioctl;
use crate::monitor::Monitor;
use crate::node::Node;

/// A device by its number. Holding one holds nothing in the kernel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device {
    index: u32,
    directory: PathBuf,
}

const CLASS: &str = "/sys/class/accelerator";
const NODES: &str = "/dev";

impl Device {
    /// The device of `/dev/accelN`.
    pub fn by_index(index: u32) -> Self {
        Self {
            index,
            directory: NODES.into(),
        }
    }

    /// The device that a person names: `0`, `accel0`, or the path of either of its nodes.
    pub fn by_name(name: &str) -> Result<Self> {
        let bad = || Error::BadName { name: name.into() };
        let path = Path::new(name);
        let file = path.file_name().and_then(|f| f.to_str()).ok_or_else(bad)?;
        let index = file
            .parse()
            .ok()
            .or_else(|| index_of(file, "accel"))
            .or_else(|| index_of(file, "accel_monitor"))
            .ok_or_else(bad)?;
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent.into(),
            _ => NODES.into(),
        };
        Ok(Self { index, directory })
    }

    /// All devices, by number.
    ///
    /// The class directory in sysfs tells them; where that is not mounted, the nodes do.
    pub fn list() -> Result<Vec<Self>> {
        Self::list_in(Path::new(CLASS), Path::new(NODES))
    }

    /// As [`Device::list`], and an error that says what to do if there is none.
    pub fn list_some() -> Result<Vec<Self>> {
        let devices = Self::list()?;
        if devices.is_empty() {
            let place = [CLASS, NODES].into_iter().find(|p| Path::new(p).is_dir());
            return Err(Error::NoDevice {
                place: place.unwrap_or(NODES).into(),
            });
        }
        Ok(devices)
    }

    fn list_in(class: &Path, nodes: &Path) -> Result<Vec<Self>> {
        let names = if class.is_dir() {
            names(class)?
        } else {
            names(nodes)?
        };
        let mut devices: Vec<_> = names
            .iter()
            .filter_map(|name| index_of(name, "accel"))
            .map(|index| Self {
                index,
                directory: nodes.into(),
            })
            .collect();
        devices.sort();
        Ok(devices)
    }

    /// `N` in `/dev/accelN`.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Path of the compute node.
    pub fn compute_path(&self) -> PathBuf {
        self.directory.join(self.to_string())
    }

    /// Path of the monitor node.
    pub fn monitor_path(&self) -> PathBuf {
        self.directory.join(format!("accel_monitor{}", self.index))
    }

    /// Opens the monitor node, which tells and can do nothing else.
    pub fn monitor(&self) -> Result<Monitor> {
        Monitor::open(self)
    }

    /// Resets the device, and returns when that is done. All its queues die, and an isolated device
    /// is in service again. Needs `CAP_SYS_ADMIN`.
    pub fn reset(&self) -> Result<()> {
        let node = Node::open(self.to_string(), self.compute_path())?;
        ioctl::reset(node.as_fd()).map_err(|source| Error::NotReset {
            device: self.to_string(),
            source,
        })
    }

    /// Opens the compute node and gives the context its address space.
    pub fn context(&self, mode: AddressMode) -> Result<Context> {
        Context::open(self, mode)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "accel{}", self.index)
    }
}

/// `N` of `accelN`. The class also has `accel_monitorN`.
fn index_of(name: &str, prefix: &str) -> Option<u32> {
    let digits = name.strip_prefix(prefix)?;
    let canonical = digits == "0" || !digits.starts_with(['0', '+']);
    canonical.then(|| digits.parse().ok()).flatten()
}

fn names(directory: &Path) -> Result<Vec<String>> {
    let error = |source| Error::Scan {
        path: directory.into(),
        source,
    };
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(error(e)),
    };
    entries
        .map(|entry| {
            Ok(entry
                .map_err(error)?
                .file_name()
                .to_string_lossy()
                .into_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_name_devices_in_many_ways() {
        for name in [
            "3",
            "accel3",
            "/dev/accel3",
            "accel_monitor3",
            "/dev/accel_monitor3",
        ] {
            let device = Device::by_name(name).unwrap();
            assert_eq!(device, Device::by_index(3), "{name}");
            assert_eq!(device.compute_path(), Path::new("/dev/accel3"));
            assert_eq!(device.monitor_path(), Path::new("/dev/accel_monitor3"));
        }
        assert_eq!(
            Device::by_name("/tmp/dev/accel1").unwrap().monitor_path(),
            Path::new("/tmp/dev/accel_monitor1")
        );
        for name in [
            "",
            "/",
            "zip",
            "accel",
            "accel_monitor",
            "accel+1",
            "accel01",
            "-1",
        ] {
            assert!(Device::by_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn list_takes_compute_nodes_only_and_sorts_by_number() {
        let root = tempfile::tempdir().unwrap();
        let (class, nodes) = (root.path().join("class"), root.path().join("dev"));
        assert_eq!(Device::list_in(&class, &nodes).unwrap(), []);
        std::fs::create_dir(&nodes).unwrap();
        std::fs::write(nodes.join("accel5"), "").unwrap();
        std::fs::create_dir(nodes.join("accel")).unwrap();
        let indices = |c: &Path| {
            let list = Device::list_in(c, &nodes).unwrap();
            list.iter().map(Device::index).collect::<Vec<_>>()
        };
        assert_eq!(indices(&class), [5]);
        std::fs::create_dir(&class).unwrap();
        for name in ["accel10", "accel2", "accel_monitor2", "accel"] {
            std::fs::write(class.join(name), "").unwrap();
        }
        assert_eq!(indices(&class), [2, 10]);
    }
    #[test]
    fn a_reset_needs_a_node_that_knows_it() {
        let root = tempfile::tempdir().unwrap();
        let name = root.path().join("accel4");
        let device = Device::by_name(name.to_str().unwrap()).unwrap();
        let text = device.reset().unwrap_err().to_string();
        assert!(text.contains("accel4: cannot be opened"), "{text}");
        std::fs::write(&name, "").unwrap();
        let text = device.reset().unwrap_err().to_string();
        assert!(text.starts_with("accel4: not reset: "), "{text}");
        assert!(text.contains("older than this program"), "{text}");
    }
}
