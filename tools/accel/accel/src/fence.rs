// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Fences: the end of work, as a descriptor.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::{ioctl, uapi};

/// How far the work behind a fence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FenceStatus {
    /// Not ended.
    Pending,
    /// All of it ended well.
    Done,
    /// It ended, and the first that went wrong did so with this error.
    Failed(Errno),
}

impl From<i32> for FenceStatus {
    fn from(status: i32) -> Self {
        match status {
            0 => Self::Pending,
            status if status > 0 => Self::Done,
            status => Self::Failed(errno(status.saturating_neg())),
        }
    }
}

/// The errno of a number that came from the kernel.
pub(crate) fn errno(number: i32) -> Errno {
    // Others can't be told apart from results of system calls.
    match number {
        1..4096 => Errno::from_raw_os_error(number),
        _ => Errno::IO,
    }
}

/// The end of some work, of any device: a sync file of the kernel.
#[derive(Debug)]
pub struct Fence(OwnedFd);

impl Fence {
    /// Waits until the work has ended, well or not; false if the time was over before.
    ///
    /// `None`: for as long as it takes.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<bool> {
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let rest = until.map(|until| until.saturating_duration_since(Instant::now()));
            let rest = rest.and_then(|rest| Timespec::try_from(rest).ok());
            let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
            match poll(&mut fds, rest.as_ref()) {
                Ok(0) => return Ok(false),
                Ok(_) => return Ok(true),
                Err(Errno::INTR) => {}
                Err(source) => return Err(Error::Fence { source }),
            }
        }
    }

    /// How far it is, without waiting.
    pub fn status(&self) -> Result<FenceStatus> {
        let info: uapi::SyncFileInfo =
            ioctl::sync_file_info(self.as_fd()).map_err(|source| Error::Fence { source })?;
        Ok(info.status.into())
    }
}

impl From<OwnedFd> for Fence {
    /// The fence of a sync file that came from elsewhere.
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

impl From<Fence> for OwnedFd {
    fn from(fence: Fence) -> Self {
        fence.0
    }
}

impl AsFd for Fence {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Fence {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_waited_for_as_long_as_said() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let fence = Fence::from(reader);
        assert!(!fence.wait(Some(Duration::ZERO)).unwrap());
        assert!(!fence.wait(Some(Duration::from_millis(1))).unwrap());
        let signaller = std::thread::spawn(move || {
            rustix::io::write(&writer, b"x").unwrap();
            writer
        });
        assert!(fence.wait(None).unwrap());
        assert!(fence.wait(Some(Duration::MAX)).unwrap());
        signaller.join().unwrap();
    }

    #[test]
    fn a_status_is_a_number() {
        assert_eq!(FenceStatus::from(0), FenceStatus::Pending);
        assert_eq!(FenceStatus::from(1), FenceStatus::Done);
        assert_eq!(
            FenceStatus::from(-110),
            FenceStatus::Failed(Errno::TIMEDOUT)
        );
        assert_eq!(FenceStatus::from(i32::MIN), FenceStatus::Failed(Errno::IO));
    }

    #[test]
    fn what_is_no_fence_has_no_status() {
        let file = tempfile::tempfile().unwrap();
        let error = Fence::from(OwnedFd::from(file)).status().unwrap_err();
        assert!(error.to_string().starts_with("a fence "), "{error}");
    }
}
