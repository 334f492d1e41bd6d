// SPDX-License-Identifier: GPL-2.0 OR MIT
//! What of the machine is near what, as sysfs tells it.

use std::path::{Path, PathBuf};

use crate::device::Device;
use crate::error::{Error, Result};

/// The view of a mounted sysfs.
#[derive(Clone, Debug)]
pub struct Topology {
    root: PathBuf,
}

/// A device on the PCI bus that something shall be near to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PciDevice {
    /// Its address.
    pub address: String,
    /// Its directory, which tells the bridges above it.
    pub path: PathBuf,
    /// The NUMA node that it is near, where known.
    pub numa_node: Option<u32>,
}

impl Default for Topology {
    fn default() -> Self {
        Self::at("/sys")
    }
}

impl Topology {
    /// The one whose sysfs is mounted at `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Distance between two NUMA nodes; 10 within one. None if the machine does not tell.
    pub fn distance(&self, from: u32, to: u32) -> Option<u32> {
        let column = self.online_nodes().binary_search(&to).ok()?;
        let path = self.nodes().join(format!("node{from}/distance"));
        let row = std::fs::read_to_string(path).ok()?;
        row.split_whitespace().nth(column)?.parse().ok()
    }

    /// The NUMA node on which this thread runs, where known.
    pub fn here(&self) -> Option<u32> {
        self.node_of_cpu(rustix::thread::sched_getcpu())
    }

    /// The NUMA node of a CPU.
    pub fn node_of_cpu(&self, cpu: usize) -> Option<u32> {
        let directory = self.root.join(format!("devices/system/cpu/cpu{cpu}"));
        numbered(&directory, "node").into_iter().next()
    }

    /// The device at `address`; the domain 0000 may be left out.
    pub fn pci(&self, address: &str) -> Result<PciDevice> {
        let address = full_address(address)?;
        let link = self.root.join("bus/pci/devices").join(&address);
        let Ok(path) = link.canonicalize() else {
            return Err(Error::NoPlace {
                address,
                path: link,
            });
        };
        let node = std::fs::read_to_string(path.join("numa_node"));
        Ok(PciDevice {
            address,
            numa_node: node.ok().and_then(|node| node.trim().parse().ok()),
            path,
        })
    }

    /// Directory of the device that an accelerator is a function of.
    pub fn path_of(&self, device: &Device) -> Option<PathBuf> {
        let link = self
            .root
            .join("class/accelerator")
            .join(device.to_string())
            .join("device");
        link.canonicalize().ok()
    }

    /// The last directory that the paths of two devices share: the bridge below which both are.
    /// None if they are on different buses.
    pub fn shared_bridge(&self, one: &Path, other: &Path) -> Option<PathBuf> {
        let devices = self.root.canonicalize().ok()?.join("devices");
        let same = one.components().zip(other.components());
        let shared: PathBuf = same
            .take_while(|(one, other)| one == other)
            .map(|(one, _)| one)
            .collect();
        let below = shared.strip_prefix(&devices).ok()?;
        (below != Path::new("")).then_some(shared)
    }

    fn nodes(&self) -> PathBuf {
        self.root.join("devices/system/node")
    }

    fn online_nodes(&self) -> Vec<u32> {
        numbered(&self.nodes(), "node")
    }
}

/// `N` of the entries `<prefix>N` of a directory, in order.
fn numbered(directory: &Path, prefix: &str) -> Vec<u32> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let number = |name: &str| name.strip_prefix(prefix)?.parse().ok();
    let mut numbers: Vec<_> = entries
        .filter_map(|entry| number(entry.file_name().to_str()?))
        .collect();
    numbers.sort_unstable();
    numbers
}

/// `0000:01:00.0` of itself or of `01:00.0`.
fn full_address(text: &str) -> Result<String> {
    let text = text.to_ascii_lowercase();
    let (slot, function) = text.rsplit_once('.').unwrap_or_default();
    let fields: Vec<_> = slot.split(':').chain([function]).collect();
    let lengths: Vec<_> = fields.iter().map(|field| field.len()).collect();
    let hex = |field: &&str| field.bytes().all(|b| b.is_ascii_hexdigit());
    match &lengths[..] {
        [2, 2, 1] if fields.iter().all(hex) => Ok(format!("0000:{text}")),
        [4..=8, 2, 2, 1] if fields.iter().all(hex) => Ok(text),
        _ => Err(Error::BadAddress { address: text }),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A sysfs of files.
    pub(crate) struct Tree(tempfile::TempDir);

    impl Tree {
        /// NUMA nodes by number with their row of distances.
        pub(crate) fn new(nodes: &[(u32, &str)]) -> Self {
            let tree = Self(tempfile::tempdir().unwrap());
            for (node, distances) in nodes {
                let directory = tree.make(&format!("devices/system/node/node{node}"));
                std::fs::write(directory.join("distance"), format!("{distances}\n")).unwrap();
            }
            tree
        }

        pub(crate) fn topology(&self) -> Topology {
            Topology::at(self.0.path())
        }

        fn make(&self, path: &str) -> PathBuf {
            let path = self.0.path().join(path);
            std::fs::create_dir_all(&path).unwrap();
            path
        }

        /// A device of the PCI bus at `path` below `devices`, on `node`.
        pub(crate) fn pci(&self, path: &str, node: i32) -> PathBuf {
            let directory = self.make(&format!("devices/{path}"));
            std::fs::write(directory.join("numa_node"), format!("{node}\n")).unwrap();
            let links = self.make("bus/pci/devices");
            let link = links.join(directory.file_name().unwrap());
            symlink(&directory, link).unwrap();
            directory
        }

        /// As [`Tree::pci`], and it is accelerator `index`.
        pub(crate) fn accelerator(&self, index: u32, path: &str, node: i32) {
            let parent = self.pci(path, node);
            let class = self.make(&format!("class/accelerator/accel{index}"));
            symlink(parent, class.join("device")).unwrap();
        }
    }

    #[test]
    fn distances_are_in_the_order_of_the_nodes_that_are_online() {
        let tree = Tree::new(&[(0, "10 21 31"), (2, "21 10 41"), (10, "31 41 10")]);
        let topology = tree.topology();
        assert_eq!(topology.distance(0, 0), Some(10));
        assert_eq!(topology.distance(2, 10), Some(41));
        assert_eq!(topology.distance(10, 0), Some(31));
        assert_eq!(topology.distance(0, 1), None);
        assert_eq!(topology.distance(1, 0), None);
        assert_eq!(Topology::at("/nonexistent").distance(0, 0), None);
    }

    #[test]
    fn a_cpu_is_on_a_node() {
        let tree = Tree::new(&[]);
        tree.make("devices/system/cpu/cpu7/node3");
        tree.make("devices/system/cpu/cpu7/cache");
        assert_eq!(tree.topology().node_of_cpu(7), Some(3));
        assert_eq!(tree.topology().node_of_cpu(8), None);
    }

    #[test]
    fn pci_devices_are_found_by_address() {
        let tree = Tree::new(&[]);
        tree.pci("pci0000:00/0000:00:01.0/0000:01:00.0", 1);
        tree.pci("pci0000:00/0000:00:02.0", -1);
        let topology = tree.topology();
        let device = topology.pci("01:00.0").unwrap();
        assert_eq!(device.address, "0000:01:00.0");
        assert_eq!(device.numa_node, Some(1));
        assert_eq!(topology.pci("0000:00:02.0").unwrap().numa_node, None);
        let text = topology.pci("0000:09:00.0").unwrap_err().to_string();
        assert!(text.contains("no such PCI device"), "{text}");
        for bad in [
            "",
            "../..",
            "1:0.0",
            "0000:01:00",
            "0000.01:00:0",
            "00g0:01:00.0",
        ] {
            let text = topology.pci(bad).unwrap_err().to_string();
            assert!(text.contains("not a PCI address"), "{text}");
        }
    }

    #[test]
    fn devices_share_the_bridge_above_them() {
        let tree = Tree::new(&[]);
        let one = tree.pci("pci0000:00/0000:00:01.0/0000:01:00.0", 0);
        let beside = tree.pci("pci0000:00/0000:00:01.0/0000:01:00.1", 0);
        let root = tree.pci("pci0000:00/0000:00:02.0/0000:02:00.0", 0);
        let far = tree.pci("pci0000:80/0000:80:01.0", 0);
        let topology = tree.topology();
        let shared = |other: &Path| {
            let bridge = topology.shared_bridge(&one, other)?;
            Some(bridge.file_name()?.to_str()?.to_string())
        };
        assert_eq!(shared(&beside).as_deref(), Some("0000:00:01.0"));
        assert_eq!(shared(&root).as_deref(), Some("pci0000:00"));
        assert_eq!(shared(&far), None);
    }

    #[test]
    fn an_accelerator_has_a_parent() {
        let tree = Tree::new(&[]);
        tree.accelerator(3, "pci0000:00/0000:00:04.0", 0);
        let topology = tree.topology();
        let path = topology.path_of(&Device::by_index(3)).unwrap();
        assert!(path.ends_with("pci0000:00/0000:00:04.0"), "{path:?}");
        assert_eq!(topology.path_of(&Device::by_index(4)), None);
    }
}
