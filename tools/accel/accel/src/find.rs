// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Choosing the device that suits a program best.
//!
//! [`rank`] puts those that can do the work in this order:
//!
//! 1. that take a new queue now, then those in reset, then those whose queues are all in use;
//! 2. by the distance of their NUMA node from the [`Place`]; not known comes last;
//! 3. by the bridges that they share with the device of the place, where it is one;
//! 4. by their load in steps of 10 %, so that noise decides nothing;
//! 5. by the part of their queues that is in use, then by number.

use std::cmp::Reverse;
use std::path::PathBuf;

use crate::device::Device;
use crate::info::{AddressMode, DeviceInfo, Function, Status, StatusInfo};
use crate::topology::{PciDevice, Topology};

/// What a program asks of a device.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// It does all of these.
    pub functions: Vec<Function>,
    /// It offers this address mode.
    pub mode: Option<AddressMode>,
}

/// Where a device shall be near.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The NUMA node, where known.
    pub numa_node: Option<u32>,
    /// Directory of a device in sysfs.
    pub path: Option<PathBuf>,
}

impl Place {
    /// The memory of a NUMA node.
    pub fn node(node: u32) -> Self {
        Self {
            numa_node: Some(node),
            path: None,
        }
    }
}

impl From<PciDevice> for Place {
    fn from(device: PciDevice) -> Self {
        Self {
            numa_node: device.numa_node,
            path: Some(device.path),
        }
    }
}

/// What has to be known of a device to choose it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The device.
    pub device: Device,
    /// Its facts.
    pub facts: DeviceInfo,
    /// Its state.
    pub status: StatusInfo,
    /// Part of the time that it worked lately, see [`StatusInfo::busy_since`].
    pub busy: Option<f64>,
}

impl Candidate {
    /// Its load in percent: the time that it worked lately, or where that is not known, the part
    /// of its queues that is in use.
    pub fn load(&self) -> u32 {
        match self.busy {
            Some(busy) if self.facts.counts_busy => percent(busy),
            _ => self.queues_used() / 10,
        }
    }

    /// Thousandths of its queues that are in use.
    fn queues_used(&self) -> u32 {
        let max = u64::from(self.facts.queues_max.max(1));
        u32::try_from(u64::from(self.status.queues) * 1000 / max).unwrap_or(u32::MAX)
    }
}

/// Casts of floats to integers saturate, which is right for a load.
fn percent(part: f64) -> u32 {
    (part * 100.0).round() as u32
}

/// Whether a device that can do the work takes a new queue now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Readiness {
    /// It does.
    Ready,
    /// It is being reset, and does in a moment.
    InReset,
    /// All its queues are in use.
    Full,
}

/// How well a device that can do the work suits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fit {
    /// Whether it takes a new queue.
    pub readiness: Readiness,
    /// Distance of its NUMA node, 10 at best, where known.
    pub distance: Option<u32>,
    /// Directory of the bridge that is above it and above the device of the place.
    pub bridge: Option<PathBuf>,
    /// Its load in percent.
    pub load: u32,
}

/// Why a device does not come into question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unfit {
    /// It is out of service.
    Isolated,
    /// It is gone.
    Removed,
    /// It is in a state that this program does not know.
    State(Status),
    /// It does not do this.
    Function(Function),
    /// It does not offer this address mode.
    Mode(AddressMode),
}

/// A device and its verdict.
#[derive(Clone, Debug)]
pub struct Ranked {
    /// The device.
    pub candidate: Candidate,
    /// How well it suits, or why it does not.
    pub fit: Result<Fit, Unfit>,
}

/// Puts devices in order, the best first and those that don't come into question last.
pub fn rank(
    candidates: Vec<Candidate>,
    wish: &Wish,
    place: &Place,
    topology: &Topology,
) -> Vec<Ranked> {
    let judge = |candidate: Candidate| Ranked {
        fit: fit(&candidate, wish, place, topology),
        candidate,
    };
    let mut ranked: Vec<_> = candidates.into_iter().map(judge).collect();
    ranked.sort_by_key(key);
    ranked
}

/// What devices are sorted by.
fn key(ranked: &Ranked) -> impl Ord + use<> {
    let candidate = &ranked.candidate;
    let fit = ranked.fit.as_ref().ok().map(|fit| {
        (
            fit.readiness,
            fit.distance.unwrap_or(u32::MAX),
            Reverse(
                fit.bridge
                    .as_ref()
                    .map_or(0, |path| path.components().count()),
            ),
            fit.load / 10,
            candidate.queues_used(),
        )
    });
    (fit.is_none(), fit, candidate.device.index())
}

fn fit(
    candidate: &Candidate,
    wish: &Wish,
    place: &Place,
    topology: &Topology,
) -> Result<Fit, Unfit> {
    suits(&candidate.facts, wish)?;
    Ok(Fit {
        readiness: readiness(candidate)?,
        distance: distance(candidate, place, topology),
        bridge: bridge(candidate, place, topology),
        load: candidate.load(),
    })
}

fn suits(facts: &DeviceInfo, wish: &Wish) -> Result<(), Unfit> {
    let lacks = |function: &&Function| !facts.functions.contains(function);
    if let Some(&function) = wish.functions.iter().find(lacks) {
        return Err(Unfit::Function(function));
    }
    match wish.mode {
        Some(mode) if !facts.address_modes.contains(&mode) => Err(Unfit::Mode(mode)),
        _ => Ok(()),
    }
}

fn readiness(candidate: &Candidate) -> Result<Readiness, Unfit> {
    let full = candidate.status.queues >= candidate.facts.queues_max;
    match candidate.status.status {
        Status::Operational if full => Ok(Readiness::Full),
        Status::Operational => Ok(Readiness::Ready),
        Status::InReset => Ok(Readiness::InReset),
        Status::Isolated => Err(Unfit::Isolated),
        Status::Removed => Err(Unfit::Removed),
        other => Err(Unfit::State(other)),
    }
}

fn distance(candidate: &Candidate, place: &Place, topology: &Topology) -> Option<u32> {
    topology.distance(place.numa_node?, candidate.facts.numa_node?)
}

fn bridge(candidate: &Candidate, place: &Place, topology: &Topology) -> Option<PathBuf> {
    let path = topology.path_of(&candidate.device)?;
    topology.shared_bridge(place.path.as_ref()?, &path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::tests::Tree;
    use crate::uapi;

    /// A device that does deflate and gzip in shared mode, with 10 queues.
    fn candidate(index: u32, node: i32) -> Candidate {
        let facts = uapi::InfoDevice {
            functions: 1 << uapi::FUNCTION_DEFLATE | 1 << uapi::FUNCTION_GZIP,
            address_modes: 1 << uapi::MODE_SHARED,
            numa_node: node,
            queues_max: 10,
            flags: uapi::DEVICE_COUNTS_BUSY,
            ..Default::default()
        };
        Candidate {
            device: Device::by_index(index),
            facts: facts.into(),
            status: uapi::InfoStatus::default().into(),
            busy: Some(0.0),
        }
    }

    fn deflate() -> Wish {
        Wish {
            functions: vec![Function::Deflate],
            mode: Some(AddressMode::Shared),
        }
    }

    fn indices(ranked: &[Ranked]) -> Vec<u32> {
        ranked
            .iter()
            .map(|ranked| ranked.candidate.device.index())
            .collect()
    }

    fn order(candidates: Vec<Candidate>, place: &Place, tree: &Tree) -> Vec<u32> {
        indices(&rank(candidates, &deflate(), place, &tree.topology()))
    }

    #[test]
    fn near_comes_before_idle() {
        let tree = Tree::new(&[(0, "10 20"), (1, "20 10")]);
        let mut near = candidate(2, 1);
        near.busy = Some(0.9);
        let all = vec![candidate(0, -1), candidate(1, 0), near];
        assert_eq!(order(all.clone(), &Place::node(1), &tree), [2, 1, 0]);
        assert_eq!(order(all, &Place::node(0), &tree), [1, 2, 0]);
    }

    #[test]
    fn among_equally_near_ones_the_idle_is_first() {
        let tree = Tree::new(&[(0, "10")]);
        let mut all: Vec<_> = (0..4).map(|index| candidate(index, 0)).collect();
        all[0].busy = Some(0.5);
        all[1].busy = Some(0.04);
        all[1].status.queues = 2;
        all[2].busy = Some(0.09);
        all[2].status.queues = 1;
        // Nothing is known of its work, but half of its queues are in use.
        all[3].busy = None;
        all[3].status.queues = 4;
        assert_eq!(order(all, &Place::node(0), &tree), [2, 1, 3, 0]);
    }

    #[test]
    fn what_takes_no_queue_comes_later_or_not_at_all() {
        let tree = Tree::new(&[(0, "10 20"), (1, "20 10")]);
        let mut all: Vec<_> = (0..5).map(|index| candidate(index, 0)).collect();
        all[0].status.queues = 10;
        all[1].status.status = Status::InReset;
        all[2].status.status = Status::Isolated;
        all[3].status.status = Status::Removed;
        all[4].facts.numa_node = Some(1);
        let ranked = rank(all, &deflate(), &Place::node(0), &tree.topology());
        assert_eq!(indices(&ranked), [4, 1, 0, 2, 3]);
        assert_eq!(ranked[3].fit, Err(Unfit::Isolated));
        assert_eq!(ranked[4].fit, Err(Unfit::Removed));
    }

    #[test]
    fn what_cannot_do_the_work_says_why() {
        let tree = Tree::new(&[]);
        let wish = Wish {
            functions: vec![Function::Gzip, Function::Copy],
            mode: None,
        };
        let why = |wish: &Wish| {
            let ranked = rank(
                vec![candidate(0, 0)],
                wish,
                &Place::default(),
                &tree.topology(),
            );
            ranked[0].fit.clone().unwrap_err()
        };
        assert_eq!(why(&wish), Unfit::Function(Function::Copy));
        let wish = Wish {
            functions: vec![],
            mode: Some(AddressMode::Private),
        };
        assert_eq!(why(&wish), Unfit::Mode(AddressMode::Private));
    }

    #[test]
    fn a_shared_bridge_is_nearer_than_a_shared_node() {
        let tree = Tree::new(&[(0, "10")]);
        tree.accelerator(0, "pci0000:80/0000:80:01.0/0000:81:00.0", 0);
        tree.accelerator(1, "pci0000:00/0000:00:02.0/0000:02:00.0", 0);
        tree.accelerator(2, "pci0000:00/0000:00:01.0/0000:01:00.0", 0);
        tree.pci("pci0000:00/0000:00:01.0/0000:01:00.1", 0);
        let topology = tree.topology();
        let place = Place::from(topology.pci("01:00.1").unwrap());
        let mut all: Vec<_> = (0..3).map(|index| candidate(index, 0)).collect();
        all[2].busy = Some(0.5);
        let ranked = rank(all, &deflate(), &place, &topology);
        assert_eq!(indices(&ranked), [2, 1, 0]);
        let bridge = ranked[0].fit.as_ref().unwrap().bridge.as_ref().unwrap();
        assert!(bridge.ends_with("0000:00:01.0"), "{bridge:?}");
        assert_eq!(ranked[2].fit.as_ref().unwrap().bridge, None);
    }
}
