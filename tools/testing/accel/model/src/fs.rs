// SPDX-License-Identifier: GPL-2.0

//! `kernel::fs`: files, as a process of the test has them.

use crate::{
    dma_buf::dma_fence::Fence,
    mm::fault::{Fault, FaultResult, Inode},
    prelude::*,
    sync::{aref::ARef, poll::PollTable},
    uaccess::UserPtr,
};
use std::cell::RefCell;

pub mod file {
    use super::*;

    pub mod flags {
        pub const O_RDWR: u32 = 2;
        pub const O_NONBLOCK: u32 = 0o4000;
        pub const O_CLOEXEC: u32 = 0o2000000;
    }

    pub struct FileDescriptorReservation;

    impl FileDescriptorReservation {
        pub fn get_unused_fd_flags(_flags: u32) -> Result<Self> {
            Ok(Self)
        }

        /// Numbers are those of the test, which knows by itself what it has asked for.
        pub fn reserved_fd(&self) -> u32 {
            0
        }

        pub fn fd_install(self, file: ARef<File>) {
            INSTALLED.with_borrow_mut(|files| files.push(file));
        }
    }
}

pub mod operations {
    use super::*;
    use crate::{
        mm::fault::{Kind, NewMapping},
        seq_file::SeqFile,
        sync::poll::PollTable,
        uaccess::UserSliceWriter,
    };

    pub trait Operations: Sized + 'static {
        type Private: Clone + std::ops::Deref + 'static;

        fn release(_private: Self::Private) {}
        fn read(_: Borrowed<'_, Self>, _: &File, _: UserSliceWriter) -> Result<usize> {
            Err(EINVAL)
        }
        fn poll(_: Borrowed<'_, Self>, _: &File, _: &PollTable<'_>) -> u32 {
            0
        }
        fn ioctl(_: Borrowed<'_, Self>, _: &File, _: u32, _: UserPtr) -> Result<isize> {
            Err(EINVAL)
        }
        fn mmap(_: Borrowed<'_, Self>, _: &File, _: &NewMapping<'_>) -> Result<Kind> {
            Err(EINVAL)
        }
        fn fault(_: Borrowed<'_, Self>, _: &Fault<'_>) -> FaultResult {
            Err(crate::mm::fault::Sigbus)
        }
        fn show_fdinfo(_: Borrowed<'_, Self>, _: &File, _: &SeqFile) {}
    }

    pub type Borrowed<'a, T> = &'a <<T as Operations>::Private as std::ops::Deref>::Target;
}

thread_local! {
    static INSTALLED: RefCell<Vec<ARef<File>>> = const { RefCell::new(Vec::new()) };
    static FENCES: RefCell<Vec<ARef<Fence>>> = const { RefCell::new(Vec::new()) };
}

/// The file that a system call has just given to the process. All between the two must be one step.
pub fn installed() -> Option<ARef<File>> {
    INSTALLED.with_borrow_mut(|files| files.pop())
}

/// Forgets what an execution has left.
pub fn begin() {
    INSTALLED.take();
    FENCES.take();
}

/// Gives the process a fence of somebody else's; returns its descriptor.
pub fn install_fence(fence: ARef<Fence>) -> i32 {
    FENCES.with_borrow_mut(|fences| {
        fences.push(fence);
        fences.len() as i32 - 1
    })
}

pub fn fence(fd: i32) -> Option<ARef<Fence>> {
    FENCES.with_borrow(|fences| fences.get(fd as usize).cloned())
}

type Call<R> = Box<dyn Fn(&File) -> R>;
type Ask = Box<dyn Fn(&File, u32, UserPtr) -> Result<isize>>;

pub struct File {
    release: Option<Box<dyn Fn()>>,
    fault: Option<Call<FaultResult>>,
    ioctl: Option<Ask>,
    poll: Option<Call<u32>>,
    pub inode: Inode,
    pub fence: Option<ARef<Fence>>,
}

impl File {
    pub fn new<O: operations::Operations>(private: O::Private) -> ARef<Self> {
        let (released, faulted) = (private.clone(), private.clone());
        let (asked, polled) = (private.clone(), private);
        ARef::of(Self {
            release: Some(Box::new(move || O::release(released.clone()))),
            fault: Some(Box::new(move |file| {
                O::fault(&*faulted, &Fault { inode: &file.inode })
            })),
            ioctl: Some(Box::new(move |file, nr, arg| {
                O::ioctl(&*asked, file, nr, arg)
            })),
            poll: Some(Box::new(move |file| {
                O::poll(&*polled, file, &PollTable(&()))
            })),
            inode: Inode::new(),
            fence: None,
        })
    }

    pub fn of_fence(fence: ARef<Fence>) -> ARef<Self> {
        ARef::of(Self {
            release: None,
            fault: None,
            ioctl: None,
            poll: None,
            inode: Inode::new(),
            fence: Some(fence),
        })
    }

    pub fn flags(&self) -> u32 {
        0
    }

    pub fn fault(&self) -> FaultResult {
        self.fault.as_ref().unwrap()(self)
    }

    pub fn ioctl(&self, nr: u32, arg: UserPtr) -> Result<isize> {
        self.ioctl.as_ref().unwrap()(self, nr, arg)
    }

    pub fn poll(&self) -> u32 {
        self.poll.as_ref().unwrap()(self)
    }

    /// `close()`: the process has unmapped what it had.
    pub fn close(&self) {
        self.inode.zap_mappings();
        self.release.as_ref().unwrap()();
    }
}
