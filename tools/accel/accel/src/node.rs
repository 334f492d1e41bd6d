// SPDX-License-Identifier: GPL-2.0 OR MIT
//! An open node of a device.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::inquire::Answers;
use crate::ioctl;

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
        refused(&self.name, action)
    }
}

/// Makes the error of a refused request.
pub(crate) fn refused(device: &str, action: &'static str) -> impl Fn(Errno) -> Error + use<> {
    let device = device.to_owned();
    move |source| Error::Refused {
        device: device.clone(),
        action,
        source,
    }
}

impl AsFd for Node {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Answers for Node {
    fn device_name(&self) -> &str {
        &self.name
    }

    fn answer(
        &self,
        query: u32,
        element: usize,
        room: &mut [u8],
    ) -> std::result::Result<usize, Errno> {
        ioctl::info(self.as_fd(), query, element, room)
    }
}
