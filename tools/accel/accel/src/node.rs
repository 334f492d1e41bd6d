// SPDX-License-Identifier: GPL-2.0
//! An open node of a device, and the queries that both kinds of node answer.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::info::{AddressMode, AddressModeInfo, DeviceInfo, StatusInfo};
use crate::{ioctl, uapi};

/// An open descriptor and how to name its device in messages.
#[derive(Debug)]
pub struct Node {
    fd: OwnedFd,
    name: String,
}

impl Node {
    pub(crate) fn open(name: String, path: PathBuf) -> Result<Self> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(fd) => Ok(Self { fd, name }),
            Err(source) => Err(Error::Open { path, source }),
        }
    }

    /// As [`Node::open`] for a node that may be readable only.
    pub(crate) fn open_to_read(name: String, path: PathBuf) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(fd) => Ok(Self { fd, name }),
            Err(source) => Err(Error::Open { path, source }),
        }
    }

    /// Name of the device.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn refused(&self, action: &'static str) -> impl Fn(Errno) -> Error {
        let device = self.name.clone();
        move |source| Error::Refused {
            device: device.clone(),
            action,
            source,
        }
    }
}

impl AsFd for Node {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

mod sealed {
    pub trait HasNode {
        fn node(&self) -> &super::Node;
    }
}
pub(crate) use sealed::HasNode;

/// What both nodes of a device answer. No answer waits for the hardware.
pub trait Inquire: HasNode {
    /// Numbers of the queries that this device answers.
    fn queries(&self) -> Result<Vec<u32>> {
        let node = self.node();
        let raw = ioctl::info_array::<Word>(node.as_fd(), uapi::INFO_QUERIES);
        let words = raw.map_err(node.refused("asking which queries it answers"))?;
        Ok(words.into_iter().map(|word| word.0).collect())
    }

    /// Facts that do not change.
    fn facts(&self) -> Result<DeviceInfo> {
        let node = self.node();
        ioctl::info::<uapi::InfoDevice>(node.as_fd(), uapi::INFO_DEVICE)
            .map(DeviceInfo::from)
            .map_err(node.refused("asking for its facts"))
    }

    /// The state at this moment; answered for a removed device too.
    fn status(&self) -> Result<StatusInfo> {
        let node = self.node();
        ioctl::info::<uapi::InfoStatus>(node.as_fd(), uapi::INFO_STATUS)
            .map(StatusInfo::from)
            .map_err(node.refused("asking for its status"))
    }

    /// Each address mode that exists, with the reason where it is not offered.
    fn address_modes(&self) -> Result<Vec<AddressModeInfo>> {
        let node = self.node();
        let raw =
            ioctl::info_array::<uapi::InfoAddressMode>(node.as_fd(), uapi::INFO_ADDRESS_MODES)
                .map_err(node.refused("asking for its address modes"))?;
        let mode = |raw: uapi::InfoAddressMode| AddressModeInfo {
            mode: AddressMode::from(raw.mode),
            reason: raw.reason.into(),
        };
        Ok(raw.into_iter().map(mode).collect())
    }
}

/// Element of the answer to `INFO_QUERIES`.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default)]
struct Word(u32);

// SAFETY: a single integer.
unsafe impl uapi::Plain for Word {}
