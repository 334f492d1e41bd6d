// SPDX-License-Identifier: GPL-2.0

//! What of the kernel is named by the core and plays no part here.

pub mod anon_inode {
    use crate::{
        fs::{operations::Operations, File},
        prelude::*,
        sync::aref::ARef,
    };

    pub use crate::mm::fault::Inode;

    pub fn create_file<O: Operations>(
        _name: &CStr,
        private: O::Private,
        _flags: u32,
    ) -> Result<(ARef<File>, Inode)> {
        let file = File::new::<O>(private);
        let inode = file.inode.clone();
        Ok((file, inode))
    }
}

pub mod bindings {
    pub const POLLIN: u32 = 0x1;
    pub const POLLRDNORM: u32 = 0x40;
    pub const POLLERR: u32 = 0x8;
    pub const POLLHUP: u32 = 0x10;
}

pub mod bitmap {
    use crate::prelude::*;

    pub struct BitmapVec(Vec<bool>);

    impl BitmapVec {
        pub fn new(count: usize, _flags: Flags) -> Result<Self> {
            Ok(Self(vec![false; count]))
        }

        pub fn next_zero_bit(&self, from: usize) -> Option<usize> {
            (from..self.0.len()).find(|&bit| !self.0[bit])
        }

        pub fn set_bit(&mut self, bit: usize) {
            self.0[bit] = true;
        }

        pub fn clear_bit(&mut self, bit: usize) {
            require!(self.0[bit], "a number is given back once");
            self.0[bit] = false;
        }
    }
}

pub mod capability {
    pub enum Cap {
        SysNice,
    }

    pub fn capable(_cap: Cap) -> bool {
        true
    }
}

pub mod device {
    use crate::sync::aref::ARef;
    use core::marker::PhantomData;

    pub struct Bound;
    pub struct Device<State = ()>(PhantomData<State>);

    impl<State> Device<State> {
        pub const fn new() -> Self {
            Self(PhantomData)
        }

        pub fn as_raw(&self) {}

        /// # Safety
        ///
        /// None.
        pub unsafe fn from_raw(_: ()) -> &'static Self {
            &const { Self::new() }
        }
    }

    impl From<&Device<Bound>> for ARef<Device> {
        fn from(_: &Device<Bound>) -> Self {
            Self::of(Device::new())
        }
    }
}

pub mod dma {
    #[derive(Copy, Clone)]
    pub struct DmaMask;
}

pub mod eventfd {
    use crate::prelude::*;

    pub struct EventFd;

    impl EventFd {
        pub fn from_fd(_fd: i32) -> Result<Self> {
            Ok(Self)
        }

        pub fn signal(&self) {}
    }
}

pub mod iommu {
    pub mod sva {
        use crate::device::{Bound, Device};

        pub enum Missing {
            Iommu,
            Pasid,
            Coherency,
            PageRequests,
        }

        pub fn missing(_parent: &Device<Bound>) -> Option<Missing> {
            None
        }

        thread_local! {
            /// Whether a process owes a page.
            pub static OWED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
        }

        pub fn has_page_requests(_dev: &Device<Bound>) -> bool {
            OWED.get()
        }
    }

    pub use sva as paging;
}

pub mod mm {
    pub mod fault {
        use crate::{page::Page, sync::Mutex};
        use std::{any::Any, rc::Rc};

        #[derive(Debug)]
        pub struct Handled;
        #[derive(Debug)]
        pub struct Sigbus;
        pub type FaultResult = Result<Handled, Sigbus>;

        /// What the processes that have a file mapped it reach through it.
        #[derive(Clone)]
        pub struct Inode(Rc<Mutex<Option<Rc<dyn Any>>>>);

        impl Inode {
            pub fn new() -> Self {
                Self(Rc::new(Mutex::new(None)))
            }

            pub fn zap_mappings(&self) {
                *self.0.lock() = None;
            }

            pub fn is_mapped(&self) -> bool {
                self.0.lock().is_some()
            }
        }

        pub struct Fault<'a> {
            pub inode: &'a Inode,
        }

        impl Fault<'_> {
            pub fn offset(&self) -> u64 {
                0
            }

            pub fn insert(&self, pages: Rc<dyn Any>) -> FaultResult {
                *self.inode.0.lock() = Some(pages);
                Ok(Handled)
            }

            pub fn insert_page(&self, _page: &Page) -> FaultResult {
                Ok(Handled)
            }
        }

        pub struct NewMapping<'a>(&'a ());

        pub enum Kind {
            Frames,
        }
    }
}

pub mod module_ref {
    use crate::{prelude::*, ThisModule};

    pub struct ModuleRef;

    impl ModuleRef {
        pub fn new(_module: &'static ThisModule) -> Result<Self> {
            Ok(Self)
        }
    }
}

pub mod page {
    pub const PAGE_SIZE: usize = 4096;
    pub struct Page;
    pub type SharedPage = Page;
    pub struct SharedPages;
}

pub mod task {
    pub struct Task;

    impl Task {
        /// Something that each thread has for itself.
        pub fn current_raw() -> *const u8 {
            loom::thread_local! {
                static CURRENT: Box<u8> = Box::new(0);
            }
            CURRENT.with(|own| &raw const **own)
        }

        /// Time stands still, so nobody waits for its end.
        pub fn returns_to_user_space(&self) -> bool {
            false
        }
    }
}

pub mod seq_file {
    pub struct SeqFile;
}

pub mod str {
    pub struct CString;

    impl CString {
        pub fn try_from_fmt(_name: core::fmt::Arguments<'_>) -> crate::error::Result<Self> {
            Ok(Self)
        }
    }
}

/// Time stands still: what waits for it is called by the test.
pub mod time {
    #[derive(Copy, Clone, PartialEq, PartialOrd)]
    pub struct Delta(i64);

    impl Delta {
        pub const fn from_secs(seconds: i64) -> Self {
            Self(seconds * 1_000_000_000)
        }

        pub const fn from_millis(millis: i64) -> Self {
            Self(millis * 1_000_000)
        }

        pub const fn as_millis(self) -> i64 {
            self.0 / 1_000_000
        }

        pub const fn as_nanos(self) -> i64 {
            self.0
        }
    }

    pub trait ClockSource {
        fn ktime_get() -> i64;
    }

    pub struct Monotonic;

    impl ClockSource for Monotonic {
        fn ktime_get() -> i64 {
            1
        }
    }

    pub fn msecs_to_jiffies(millis: u32) -> u64 {
        millis.into()
    }

    pub mod delay {
        pub fn fsleep(_delta: super::Delta) {
            loom::thread::yield_now();
        }
    }
}

/// Memory of the process is where it is.
pub mod uaccess {
    use crate::prelude::*;

    #[derive(Copy, Clone)]
    pub struct UserPtr(pub usize);

    impl UserPtr {
        pub fn from_addr(address: usize) -> Self {
            Self(address)
        }

        pub fn of<T>(value: &mut T) -> Self {
            Self(&raw mut *value as usize)
        }
    }

    pub struct UserSliceWriter;

    impl UserSliceWriter {
        pub fn len(&self) -> usize {
            0
        }

        pub fn write<T>(&mut self, _value: &T) -> Result {
            Ok(())
        }
    }
}

pub mod ustruct {
    use crate::{prelude::*, uaccess::UserPtr};

    pub fn read<T: Copy>(from: UserPtr) -> Result<T> {
        // SAFETY: The test has put one there.
        Ok(unsafe { (from.0 as *const T).read() })
    }

    pub fn write<T: Copy>(to: UserPtr, _size: u32, value: &T) -> Result {
        // SAFETY: As above.
        unsafe { (to.0 as *mut T).write(*value) };
        Ok(())
    }

    pub fn pointer(address: u64) -> Result<UserPtr> {
        Ok(UserPtr(address as usize))
    }

    /// Elements have the size that the kernel knows.
    pub struct Array(u64, usize);

    impl Array {
        pub fn new(at: u64, count: u32, _size: u32) -> Result<Self> {
            Ok(Self(at, count as usize))
        }

        pub fn read_bytes(&self, _min: usize, known: usize, flags: Flags) -> Result<KVVec<u8>> {
            Self(self.0, self.1 * known).read(flags)
        }

        pub fn read<T: Copy>(&self, _: Flags) -> Result<KVec<T>> {
            let mut values = KVec::new();
            for index in 0..self.1 {
                // SAFETY: The test has put them there.
                let value = unsafe { (self.0 as *const T).add(index).read() };
                values.push(value, GFP_KERNEL)?;
            }
            Ok(values)
        }

        pub fn write<T: Copy>(&self, _values: &[T]) -> Result {
            Ok(())
        }
    }
}
