// SPDX-License-Identifier: GPL-2.0

//! Character devices with a class and numbers of their own.
//!
//! A [`Node`] is what a device file leads to: a `struct device` with its `struct cdev`, and the
//! data of its owner. It lives for as long as a registration or an open file needs it.
//!
//! C headers: [`include/linux/cdev.h`](srctree/include/linux/cdev.h),
//! [`include/linux/device.h`](srctree/include/linux/device.h)

use crate::{
    bindings,
    container_of,
    device::{
        self,
        Bound, //
    },
    error::{
        from_err_ptr,
        to_result, //
    },
    fs::{
        operations::{
            Operations,
            Table, //
        },
        File, //
    },
    module_ref,
    prelude::*,
    str::CStr,
    sync::aref::{
        ARef,
        AlwaysRefCounted, //
    },
    sysfs,
    types::{
        ForeignOwnable,
        Opaque, //
    },
    ThisModule, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// A class of devices, `/sys/class/NAME`.
///
/// # Invariants
///
/// The class is registered.
pub struct Class(NonNull<bindings::class>);

impl Class {
    /// Registers a class. Fails with [`EEXIST`] if there is one of that name.
    pub fn new(name: &'static CStr) -> Result<Self> {
        // SAFETY: `name` is static.
        let class = from_err_ptr(unsafe { bindings::class_create(name.as_char_ptr()) })?;
        // INVARIANT: Registered above.
        Ok(Self(NonNull::new(class).ok_or(ENOMEM)?))
    }
}

impl Drop for Class {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. Nodes borrow their class for ever, so there are none.
        unsafe { bindings::class_destroy(self.0.as_ptr()) };
    }
}

// SAFETY: The driver core locks a class.
unsafe impl Send for Class {}
// SAFETY: As above.
unsafe impl Sync for Class {}

/// A range of device numbers with a major number of its own.
///
/// # Invariants
///
/// The range is registered.
pub struct Numbers {
    first: bindings::dev_t,
    count: u32,
}

impl Numbers {
    /// Registers `count` minor numbers, from 0, under a free major number.
    pub fn new(name: &'static CStr, count: u32) -> Result<Self> {
        let mut first = 0;
        // SAFETY: `name` is static and `first` is valid for writes.
        to_result(unsafe {
            bindings::alloc_chrdev_region(&mut first, 0, count, name.as_char_ptr())
        })?;
        // INVARIANT: Registered above.
        Ok(Self { first, count })
    }

    /// The device number with this minor, if it is in the range.
    fn get(&self, minor: u32) -> Option<bindings::dev_t> {
        (minor < self.count).then_some(self.first + minor)
    }
}

impl Drop for Numbers {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. Nodes borrow their numbers for ever, so there are none.
        unsafe { bindings::unregister_chrdev_region(self.first, self.count) };
    }
}

/// What a [`Node`] leads to.
///
/// # Examples
///
/// ```
/// use kernel::chrdev::Open;
/// use kernel::fs::operations::{Borrowed, Operations};
/// use kernel::fs::File;
/// use kernel::prelude::*;
/// use kernel::sync::atomic::{Atomic, Relaxed};
/// use kernel::sync::Arc;
/// use kernel::sysfs::{self, Groups, Output};
/// use kernel::uaccess::UserSliceWriter;
///
/// /// A node whose files read as zeroes, and an attribute that counts how often it was opened.
/// struct Zero {
///     opens: Atomic<u32>,
/// }
///
/// impl Open for Zero {
///     const MODE: u16 = 0o444;
///
///     fn open(&self, _file: &File) -> Result<Arc<()>> {
///         self.opens.fetch_add(1, Relaxed);
///         Ok(Arc::new((), GFP_KERNEL)?)
///     }
///
///     fn attributes(&self) -> Groups<Self> {
///         sysfs::groups![sysfs::group![Opens]]
///     }
/// }
///
/// #[vtable]
/// impl Operations for Zero {
///     type Private = Arc<()>;
///
///     fn read(_this: Borrowed<'_, Self>, _file: &File, mut to: UserSliceWriter) -> Result<usize> {
///         to.write(&0u8)?;
///         Ok(1)
///     }
/// }
///
/// struct Opens;
///
/// #[vtable]
/// impl sysfs::Attribute<Zero> for Opens {
///     const NAME: &'static CStr = c"opens";
///
///     fn show(zero: &Zero, out: &mut Output<'_>) -> Result {
///         out.emit(fmt!("{}\n", zero.opens.load(Relaxed)))
///     }
/// }
/// ```
pub trait Open: Operations + Send + Sync + 'static {
    /// Permissions of the device file, before any rule of user space.
    const MODE: u16;

    /// `open(2)`: returns the private data of the new file.
    ///
    /// May still run, and even begin, after the [`Registration`] was dropped: for who had found the
    /// node before.
    fn open(&self, file: &File) -> Result<Self::Private>;

    /// The attributes in `/sys/class/CLASS/NAME/`. Asked once, when the node becomes visible.
    ///
    /// They are there before user space is told of the node. A callback of theirs is not running
    /// any more when the [`Registration`] has been dropped, so it must take no lock under which
    /// that is done. If two have the same name, the registration fails with [`EEXIST`].
    fn attributes(&self) -> sysfs::Groups<Self> {
        sysfs::Groups::NONE
    }
}

/// A character device.
///
/// # Invariants
///
/// `dev` is initialised, and its reference count owns the allocation.
#[repr(C)]
#[pin_data]
pub struct Node<T: Open> {
    #[pin]
    dev: Opaque<bindings::device>,
    #[pin]
    cdev: Opaque<bindings::cdev>,
    data: T,
}

impl<T: Open> Node<T> {
    const FILE_OPS: bindings::file_operations = bindings::file_operations {
        open: Some(Self::open),
        ..Table::<T>::FILE_OPS
    };

    const TYPE: bindings::device_type = bindings::device_type {
        devnode: Some(Self::devnode),
        release: Some(Self::release),
        ..pin_init::zeroed()
    };

    /// Allocates a node that is not visible yet.
    fn new(data: T) -> Result<ARef<Self>> {
        let node = KBox::pin_init(
            pin_init!(Self {
                dev <- Opaque::ffi_init(|dev: *mut bindings::device| {
                    // SAFETY: `dev` is valid for writes; zeroes are what device_initialize() wants.
                    unsafe {
                        dev.write_bytes(0, 1);
                        bindings::device_initialize(dev);
                        (*dev).type_ = const { &Self::TYPE };
                    }
                }),
                cdev <- Opaque::ffi_init(|cdev| {
                    // SAFETY: `cdev` is valid for writes and the table is static.
                    unsafe { bindings::cdev_init(cdev, const { &Self::FILE_OPS }) };
                }),
                data,
            }),
            GFP_KERNEL,
        )?;

        // SAFETY: `release` takes the box back; until then it does not move.
        let node = KBox::into_raw(unsafe { Pin::into_inner_unchecked(node) });
        // SAFETY: device_initialize() has made the one reference, which is taken over here.
        Ok(unsafe { ARef::from_raw(NonNull::new_unchecked(node)) })
    }

    fn as_raw(&self) -> *mut bindings::device {
        self.dev.get()
    }

    extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: chrdev_open() has set `i_cdev` to the cdev of a `Node<T>`, since `FILE_OPS` is
        // used for nothing else, and holds a reference for the file's life. `f_pos` is not used.
        let (node, opened) = unsafe {
            let cdev = (*inode).__bindgen_anon_5.i_cdev;
            (
                &*container_of!(Opaque::cast_from(cdev), Self, cdev),
                File::from_raw_file(file),
            )
        };

        match node.data.open(opened) {
            Ok(private) => {
                // SAFETY: `private_data` belongs to the file operations from here on.
                unsafe {
                    (*file).private_data = private.into_foreign();
                    bindings::stream_open(inode, file)
                }
            }
            Err(e) => e.to_errno(),
        }
    }

    extern "C" fn devnode(
        _dev: *const bindings::device,
        mode: *mut bindings::umode_t,
        _uid: *mut bindings::kuid_t,
        _gid: *mut bindings::kgid_t,
    ) -> *mut c_char {
        // SAFETY: `mode` is null or valid for writes.
        if let Some(mode) = unsafe { mode.as_mut() } {
            *mode = T::MODE;
        }
        core::ptr::null_mut()
    }

    extern "C" fn release(dev: *mut bindings::device) {
        // SAFETY: `TYPE` is used for devices in a `Node<T>` only.
        let node = unsafe { container_of!(Opaque::cast_from(dev), Self, dev) };
        // SAFETY: The last reference is gone, and the box was leaked by `new`.
        drop(unsafe { KBox::from_raw(node.cast_mut()) });
    }
}

// SAFETY: get_device() and put_device() count the references of the allocation.
unsafe impl<T: Open> AlwaysRefCounted for Node<T> {
    fn inc_ref(&self) {
        // SAFETY: `self` has a reference.
        unsafe { bindings::get_device(self.as_raw()) };
    }

    unsafe fn dec_ref(node: NonNull<Self>) {
        // SAFETY: The caller gives a reference up.
        unsafe { bindings::put_device(node.as_ref().as_raw()) };
    }
}

// SAFETY: A `T` is reached in the device of a `Node<T>` only, which has it for all its life.
unsafe impl<T: Open> sysfs::Owner for T {
    unsafe fn from_device<'a>(dev: *mut bindings::device) -> &'a Self {
        // SAFETY: `Registration::new` gives these attributes to devices in a `Node<T>` only, and a
        // node is not freed before its files are removed.
        unsafe { &(*container_of!(Opaque::cast_from(dev), Node<T>, dev)).data }
    }
}

// SAFETY: The driver core locks its part; `data` is `Send` and `Sync`.
unsafe impl<T: Open> Send for Node<T> {}
// SAFETY: As above.
unsafe impl<T: Open> Sync for Node<T> {}

/// A node that user space can see and open.
///
/// Dropping it removes the device file and the `sysfs` entry; open files stay and keep the node.
///
/// # Invariants
///
/// The node was added by `cdev_device_add()`.
pub struct Registration<'a, T: Open> {
    node: ARef<Node<T>>,
    _parent: PhantomData<&'a device::Device<Bound>>,
}

impl<'a, T: Open> Registration<'a, T> {
    /// Creates a node and makes it visible as `/dev/NAME`.
    ///
    /// Every open file holds `owner`. Fails with [`EINVAL`] if `minor` is outside `numbers`, or the
    /// code for a `T` is in another module.
    pub fn new(
        parent: &'a device::Device<Bound>,
        class: &'static Class,
        numbers: &'static Numbers,
        minor: u32,
        name: &CStr,
        owner: &'static ThisModule,
        data: T,
    ) -> Result<Self> {
        let number = numbers.get(minor).ok_or(EINVAL)?;
        module_ref::check_owner(owner.as_ptr(), Node::<T>::open as *const ())?;
        let node = Node::new(data)?;
        let dev = node.as_raw();

        // SAFETY: The node is not visible yet, so nobody else uses it; `parent`, `class` and `name`
        // are valid, and the first two are held for as long as the node is registered.
        unsafe {
            (*dev).parent = parent.as_raw();
            (*dev).class = class.0.as_ptr();
            (*dev).devt = number;
            (*dev).groups = node.data.attributes().as_ptr();
            (*node.cdev.get()).owner = owner.as_ptr();
            to_result(bindings::dev_set_name(
                dev,
                c"%s".as_char_ptr(),
                name.as_char_ptr(),
            ))?;
            to_result(bindings::cdev_device_add(node.cdev.get(), dev))?;
        }

        // INVARIANT: Added above.
        Ok(Self {
            node,
            _parent: PhantomData,
        })
    }
}

impl<T: Open> Drop for Registration<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, and this runs once.
        unsafe { bindings::cdev_device_del(self.node.cdev.get(), self.node.as_raw()) };
    }
}

#[macros::kunit_tests(rust_chrdev)]
mod tests {
    use super::*;
    use crate::{
        faux,
        module::this_module,
        sysfs::{
            self,
            Attribute,
            Groups,
            Output,
            Owner, //
        }, //
    };

    /// Has the attributes that it is made with.
    struct Number(u32, Groups<Number>);

    impl Open for Number {
        const MODE: u16 = 0o400;

        fn open(&self, _file: &File) -> Result<KBox<u32>> {
            Ok(KBox::new(self.0, GFP_KERNEL)?)
        }

        fn attributes(&self) -> Groups<Self> {
            self.1
        }
    }

    #[vtable]
    impl Operations for Number {
        type Private = KBox<u32>;
    }

    struct Value;

    #[vtable]
    impl Attribute<Number> for Value {
        const NAME: &'static CStr = c"value";

        fn show(number: &Number, out: &mut Output<'_>) -> Result {
            out.emit(fmt!("{}\n", number.0))
        }
    }

    const PLAIN: Groups<Number> = sysfs::groups![sysfs::group![Value]];

    /// Registers a node and hands it to a check.
    fn with_node(data: Number, check: impl FnOnce(&Node<Number>) -> Result) -> Result {
        let class = Class::new(c"rust_chrdev")?;
        let numbers = Numbers::new(c"rust_chrdev", 1)?;
        let faux = faux::Registration::new(c"rust_chrdev", None)?;
        // SAFETY: The node is dropped below, before its class and its numbers.
        let (class, numbers) = unsafe {
            (
                NonNull::from(&class).as_ref(),
                NonNull::from(&numbers).as_ref(),
            )
        };

        let parent = faux.as_ref().as_ref();
        let name = c"rust_chrdev0";
        let owner = this_module::<crate::LocalModule>();
        let node = Registration::new(parent, class, numbers, 0, name, owner, data)?;
        check(&node.node)
    }

    fn has_file(node: &Node<Number>, name: &CStr) -> bool {
        // SAFETY: The device is valid, since `node` is.
        sysfs::has_file(unsafe { device::Device::from_raw(node.as_raw()) }, name)
    }

    #[test]
    fn attributes_are_those_of_the_data() -> Result {
        with_node(Number(7, PLAIN), |node| {
            assert!(has_file(node, c"value"));
            // SAFETY: The device has these attributes and is registered.
            assert_eq!(unsafe { Number::from_device(node.as_raw()) }.0, 7);
            Ok(())
        })?;
        with_node(Number(8, Groups::NONE), |node| {
            assert!(has_file(node, c"dev"));
            assert!(!has_file(node, c"value"));
            Ok(())
        })
    }
}
