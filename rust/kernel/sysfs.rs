// SPDX-License-Identifier: GPL-2.0

//! Attributes of devices in `sysfs`.
//!
//! A type that implements [`Attribute`] is one file. [`group!`](crate::sysfs::group) puts files
//! together, and [`groups!`](crate::sysfs::groups) the groups of a device, all of them constants.
//! An abstraction that makes devices takes such [`Groups`] and gives them to the device core with
//! the device, so the files are there before user space hears of the device, and go with it.
//!
//! All callbacks of a device get the same [`Owner`]. What a device carries is a value, not a part
//! of its owner's type. So a subsystem can join groups of its own with one that it has from a
//! driver in another module, whose attributes it does not know.
//!
//! # Lifetime
//!
//! `device_del()` removes the files and waits for callbacks that still run; an open file answers
//! [`ENODEV`] from then on. Files hold no module: it is enough that a module removes its devices
//! before it goes, as it has to anyway. It follows that a callback must neither remove its device
//! nor take a lock under which the device is removed.
//!
//! C header: [`include/linux/sysfs.h`](srctree/include/linux/sysfs.h)

use crate::{
    bindings,
    error::{
        from_result,
        VTABLE_DEFAULT_ERROR, //
    },
    fmt::{
        self,
        Write, //
    },
    page::PAGE_SIZE,
    prelude::*,
    str::RawFormatter, //
};
use core::{
    marker::PhantomData,
    mem::offset_of, //
};

/// What the attributes of a device are about.
///
/// # Safety
///
/// [`from_device`](Self::from_device) must be right for every device that is given
/// [`Groups<Self>`].
pub unsafe trait Owner: Sync + Sized + 'static {
    /// The owner that belongs to a device.
    ///
    /// # Safety
    ///
    /// `dev` has been given [`Groups<Self>`], and its files are not removed during `'a`.
    unsafe fn from_device<'a>(dev: *mut bindings::device) -> &'a Self;
}

/// A file in the directory of a device whose owner is a `T`.
///
/// The callbacks run in process context, may sleep, and may run several at a time.
///
/// # Examples
///
/// ```
/// use kernel::prelude::*;
/// use kernel::sync::atomic::{Atomic, Relaxed};
/// use kernel::sysfs::{self, Output};
///
/// struct Engine {
///     jobs: Atomic<u64>,
///     threshold: Atomic<u32>,
/// }
///
/// /// `jobs`: how many jobs were done. Any write sets it to zero.
/// struct Jobs;
///
/// #[vtable]
/// impl sysfs::Attribute<Engine> for Jobs {
///     const NAME: &'static CStr = c"jobs";
///
///     fn show(engine: &Engine, out: &mut Output<'_>) -> Result {
///         out.emit(fmt!("{}\n", engine.jobs.load(Relaxed)))
///     }
///
///     fn store(engine: &Engine, _value: &str) -> Result {
///         engine.jobs.store(0, Relaxed);
///         Ok(())
///     }
/// }
///
/// /// `threshold`: errors in an hour. For the administrator alone.
/// struct Threshold;
///
/// #[vtable]
/// impl sysfs::Attribute<Engine> for Threshold {
///     const NAME: &'static CStr = c"threshold";
///     const MODE: u16 = 0o600;
///
///     fn show(engine: &Engine, out: &mut Output<'_>) -> Result {
///         out.emit(fmt!("{}\n", engine.threshold.load(Relaxed)))
///     }
///
///     fn store(engine: &Engine, value: &str) -> Result {
///         engine.threshold.store(value.parse().map_err(|_| EINVAL)?, Relaxed);
///         Ok(())
///     }
/// }
/// ```
#[vtable]
pub trait Attribute<T> {
    /// The name of the file, which no other attribute of the device may have.
    const NAME: &'static CStr;

    /// Permissions of the file: those that the callbacks allow, and writing for root alone, unless
    /// an implementation says otherwise. Only root and a group can ever write.
    const MODE: u16 =
        if Self::HAS_SHOW { 0o444 } else { 0 } | if Self::HAS_STORE { 0o200 } else { 0 };

    /// `read(2)`: emits the value, and by convention a newline.
    fn show(_owner: &T, _out: &mut Output<'_>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// `write(2)`: takes a value, stripped of white space at both ends.
    ///
    /// What is no UTF-8 gets [`EINVAL`] without coming here.
    fn store(_owner: &T, _value: &str) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// Where [`Attribute::show`] writes to: one page.
pub struct Output<'a>(RawFormatter, PhantomData<&'a mut [u8; PAGE_SIZE]>);

impl<'a> Output<'a> {
    fn new(page: &'a mut [u8; PAGE_SIZE]) -> Self {
        // SAFETY: `page` is valid for writes during `'a`. The last byte is left alone: the device
        // core wants less than a page.
        let formatter = unsafe { RawFormatter::from_buffer(page.as_mut_ptr(), PAGE_SIZE - 1) };
        Self(formatter, PhantomData)
    }

    /// Appends text. As with `sysfs_emit()`, what does not fit into the page is cut off.
    ///
    /// Fails with [`EINVAL`] if an argument can't be formatted.
    pub fn emit(&mut self, args: fmt::Arguments<'_>) -> Result {
        Ok(self.0.write_fmt(args)?)
    }

    fn len(&self) -> usize {
        self.0.bytes_written().min(PAGE_SIZE - 1)
    }
}

/// An [`Attribute`] as the device core knows it.
///
/// # Invariants
///
/// The callbacks are those of an [`Attribute<T>`], and expect the device of a `T`.
#[repr(transparent)]
pub struct Entry<T: Owner>(bindings::device_attribute, PhantomData<fn(&T)>);

// SAFETY: It is never written to. If lockdep is there, the address of its key is all that counts.
unsafe impl<T: Owner> Sync for Entry<T> {}

impl<T: Owner> Entry<T> {
    /// The entry of an attribute. See [`group!`](crate::sysfs::group).
    pub const fn of<A: Attribute<T>>() -> &'static Self {
        const { &Self::new::<A>() }
    }

    const fn new<A: Attribute<T>>() -> Self {
        const {
            assert!(A::MODE & !0o664 == 0, "sysfs allows no such permissions");
            assert!(A::MODE & 0o444 == 0 || A::HAS_SHOW, "no `show` to read by");
            assert!(
                A::MODE & 0o222 == 0 || A::HAS_STORE,
                "no `store` to write by"
            );
        }

        let mut entry: bindings::device_attribute = pin_init::zeroed();
        entry.attr.name = A::NAME.to_bytes_with_nul().as_ptr();
        entry.attr.mode = A::MODE;
        // INVARIANT: `T` and `A` are those of the entry.
        if A::HAS_SHOW {
            entry.__bindgen_anon_1.show = Some(Self::show::<A>);
        }
        if A::HAS_STORE {
            entry.__bindgen_anon_2.store = Some(Self::store::<A>);
        }
        Self(entry, PhantomData)
    }

    extern "C" fn show<A: Attribute<T>>(
        dev: *mut bindings::device,
        _attr: *mut bindings::device_attribute,
        page: *mut c_char,
    ) -> isize {
        // SAFETY: `dev` was given `Groups<T>`, by the type invariant, and sysfs removes no file
        // while it is read. `page` is an initialised page that is ours until we return.
        let (owner, page) = unsafe { (T::from_device(dev), &mut *page.cast::<[u8; PAGE_SIZE]>()) };
        let mut out = Output::new(page);
        from_result(|| A::show(owner, &mut out).map(|()| out.len() as isize))
    }

    extern "C" fn store<A: Attribute<T>>(
        dev: *mut bindings::device,
        _attr: *mut bindings::device_attribute,
        value: *const c_char,
        len: usize,
    ) -> isize {
        // SAFETY: As in `show`; `value` has `len` bytes, at most a page.
        let (owner, value) = unsafe {
            (
                T::from_device(dev),
                core::slice::from_raw_parts(value.cast::<u8>(), len),
            )
        };
        from_result(|| {
            let value = core::str::from_utf8(value)?.trim();
            A::store(owner, value).map(|()| len as isize)
        })
    }
}

/// Attributes of a device with an owner `T`, perhaps in a directory of their own.
///
/// # Invariants
///
/// `attrs` is an array of entries of a `T` that ends with null.
#[repr(transparent)]
pub struct Group<T: Owner>(bindings::attribute_group, PhantomData<fn(&T)>);

// SAFETY: It is never written to.
unsafe impl<T: Owner> Sync for Group<T> {}

impl<T: Owner> Group<T> {
    /// Makes a group. See [`group!`](crate::sysfs::group).
    #[doc(hidden)]
    pub const fn new(
        name: Option<&'static CStr>,
        entries: &'static [Option<&'static Entry<T>>],
    ) -> Self {
        // The C array has pointers to the first field of each entry.
        const { assert!(offset_of!(bindings::device_attribute, attr) == 0) };
        assert!(matches!(entries.last(), Some(None)));

        let mut group: bindings::attribute_group = pin_init::zeroed();
        if let Some(name) = name {
            group.name = name.to_bytes_with_nul().as_ptr();
        }
        // INVARIANT: It ends with `None`, which is null, as was asserted.
        group.__bindgen_anon_2.attrs_const = entries.as_ptr().cast();
        Self(group, PhantomData)
    }
}

/// All groups of attributes that are given to a device with an owner `T`.
///
/// # Examples
///
/// A subsystem has attributes that each of its devices has, and joins those of a driver, which is
/// in another module. Both see the same owner.
///
/// ```
/// use kernel::prelude::*;
/// use kernel::sysfs::{self, Attribute, Groups, Output, Owner};
///
/// /// What a driver of the subsystem implements.
/// trait Driver {
///     /// Its own attributes, in a directory.
///     type Temperature<T>: Attribute<T>;
/// }
///
/// struct Generation;
///
/// #[vtable]
/// impl<T> Attribute<T> for Generation {
///     const NAME: &'static CStr = c"generation";
///
///     fn show(_owner: &T, out: &mut Output<'_>) -> Result {
///         out.emit(fmt!("1\n"))
///     }
/// }
///
/// fn attributes<T: Owner, D: Driver>() -> Groups<T> {
///     sysfs::groups![
///         sysfs::group![Generation],
///         sysfs::group![in c"driver": D::Temperature<T>],
///     ]
/// }
/// ```
pub struct Groups<T: Owner>(&'static [Option<&'static Group<T>>]);

impl<T: Owner> Groups<T> {
    /// No attributes.
    pub const NONE: Self = Self(&[None]);

    /// Joins groups. See [`groups!`](crate::sysfs::groups).
    #[doc(hidden)]
    pub const fn new(groups: &'static [Option<&'static Group<T>>]) -> Self {
        assert!(matches!(groups.last(), Some(None)));
        Self(groups)
    }

    /// The same groups, for devices whose owner is a `U`.
    ///
    /// # Safety
    ///
    /// [`T::from_device`](Owner::from_device) must be right for every device that is given the
    /// result.
    pub const unsafe fn given_to<U: Owner>(self) -> Groups<U> {
        // SAFETY: Groups and entries have the same layout for all owners. Their callbacks expect
        // the device of a `T`, which is the caller's promise.
        Groups(unsafe { &*(core::ptr::from_ref(self.0) as *const [Option<&'static Group<U>>]) })
    }

    /// What the `groups` of a device point to.
    ///
    /// A device that carries them must be one that [`Owner::from_device`] is right for.
    pub const fn as_ptr(self) -> *mut *const bindings::attribute_group {
        self.0.as_ptr().cast_mut().cast()
    }
}

impl<T: Owner> Clone for Groups<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Owner> Copy for Groups<T> {}

/// Makes a [`Group`] of types that are an [`Attribute`]: a constant `&'static Group<T>`.
///
/// The files of `group![A, B]` are in the directory of the device itself, those of
/// `group![in c"name": A, B]` in a directory in that.
#[macro_export]
macro_rules! sysfs_group {
    (in $name:literal: $($attribute:ty),* $(,)?) => {
        $crate::sysfs_group!(@ ::core::option::Option::Some($name), $($attribute),*)
    };
    (@ $name:expr, $($attribute:ty),*) => {
        const {
            &$crate::sysfs::Group::new($name, const {
                &[
                    $(::core::option::Option::Some($crate::sysfs::Entry::of::<$attribute>()),)*
                    ::core::option::Option::None,
                ]
            })
        }
    };
    ($($attribute:ty),* $(,)?) => {
        $crate::sysfs_group!(@ ::core::option::Option::None, $($attribute),*)
    };
}

/// Makes the [`Groups`] of a device of `&'static Group<T>`, which must be constants.
#[macro_export]
macro_rules! sysfs_groups {
    ($($group:expr),* $(,)?) => {
        $crate::sysfs::Groups::new(const {
            &[$(::core::option::Option::Some($group),)* ::core::option::Option::None]
        })
    };
}

#[doc(inline)]
pub use {
    sysfs_group as group,
    sysfs_groups as groups, //
};

/// Whether a device has a file or directory of that name, for tests.
#[cfg(CONFIG_KUNIT = "y")]
pub(crate) fn has_file(dev: &crate::device::Device, name: &CStr) -> bool {
    // SAFETY: `dev` is valid.
    let directory = unsafe { (*dev.as_raw()).kobj.sd };
    if directory.is_null() {
        return false;
    }
    // SAFETY: `directory` is valid, and so is `name`.
    let file = unsafe {
        bindings::kernfs_find_and_get_ns(directory, name.as_char_ptr(), core::ptr::null())
    };
    // SAFETY: `file` is null or has a reference that is ours.
    unsafe { bindings::kernfs_put(file) };
    !file.is_null()
}

#[macros::kunit_tests(rust_sysfs)]
mod tests {
    use super::*;
    use crate::{
        device::{
            Bound,
            Device, //
        },
        error::to_result,
        faux,
        sync::atomic::{
            Atomic,
            Relaxed, //
        }, //
    };

    struct Counter(Atomic<u32>);

    // SAFETY: The tests set the driver data of each device that they give attributes to.
    unsafe impl Owner for Counter {
        unsafe fn from_device<'a>(dev: *mut bindings::device) -> &'a Self {
            // SAFETY: By the safety requirements of the trait.
            unsafe { &*bindings::dev_get_drvdata(dev).cast() }
        }
    }

    /// Reads as a number, takes numbers.
    struct Count;

    #[vtable]
    impl Attribute<Counter> for Count {
        const NAME: &'static CStr = c"count";

        fn show(counter: &Counter, out: &mut Output<'_>) -> Result {
            out.emit(fmt!("{}\n", counter.0.load(Relaxed)))
        }

        fn store(counter: &Counter, value: &str) -> Result {
            let value = value.parse().map_err(|_| EINVAL)?;
            counter.0.store(value, Relaxed);
            Ok(())
        }
    }

    /// Reads as more than there is room for.
    struct Long;

    #[vtable]
    impl Attribute<Counter> for Long {
        const NAME: &'static CStr = c"long";

        fn show(_counter: &Counter, out: &mut Output<'_>) -> Result {
            (0..PAGE_SIZE).try_for_each(|_| out.emit(fmt!("long ")))
        }
    }

    /// Can only be written.
    struct Clear;

    #[vtable]
    impl Attribute<Counter> for Clear {
        const NAME: &'static CStr = c"clear";

        fn store(_counter: &Counter, _value: &str) -> Result {
            Err(EBUSY)
        }
    }

    const GROUPS: Groups<Counter> = groups![group![Count, Long], group![in c"more": Clear]];

    /// A device with a counter, and a page.
    struct Fixture {
        counter: KBox<Counter>,
        page: KBox<[u8; PAGE_SIZE]>,
        faux: faux::Registration,
    }

    impl Fixture {
        fn new() -> Result<Self> {
            let fixture = Self {
                counter: KBox::new(Counter(Atomic::new(7)), GFP_KERNEL)?,
                page: KBox::new([0; PAGE_SIZE], GFP_KERNEL)?,
                faux: faux::Registration::new(c"rust_sysfs", None)?,
            };
            let counter = core::ptr::from_ref(&*fixture.counter);
            // SAFETY: The device is valid, and its driver has no data of its own.
            unsafe { bindings::dev_set_drvdata(fixture.as_raw(), counter.cast_mut().cast()) };
            Ok(fixture)
        }

        fn device(&self) -> &Device<Bound> {
            self.faux.as_ref().as_ref()
        }

        fn as_raw(&self) -> *mut bindings::device {
            self.device().as_raw()
        }

        fn read<A: Attribute<Counter>>(&mut self) -> Result<&[u8]> {
            let page = self.page.as_mut_ptr().cast();
            let len = Entry::<Counter>::show::<A>(self.as_raw(), core::ptr::null_mut(), page);
            let len = usize::try_from(len).map_err(|_| Error::from_errno(len as c_int))?;
            Ok(&self.page[..len])
        }

        fn write<A: Attribute<Counter>>(&self, value: &[u8]) -> isize {
            let text = value.as_ptr().cast();
            Entry::<Counter>::store::<A>(self.as_raw(), core::ptr::null_mut(), text, value.len())
        }
    }

    #[test]
    fn shows_what_was_stored() -> Result {
        let mut fixture = Fixture::new()?;
        assert_eq!(fixture.read::<Count>()?, b"7\n");
        assert_eq!(fixture.write::<Count>(b" 12\n"), 4);
        assert_eq!(fixture.read::<Count>()?, b"12\n");
        Ok(())
    }

    #[test]
    fn refuses_what_is_no_value() -> Result {
        let fixture = Fixture::new()?;
        let einval = EINVAL.to_errno() as isize;
        for text in [&b"twelve"[..], b"", b"\n", b"-1", b"\xff\xfe"] {
            assert_eq!(fixture.write::<Count>(text), einval);
        }
        assert_eq!(fixture.write::<Clear>(b"1"), EBUSY.to_errno() as isize);
        assert_eq!(fixture.counter.0.load(Relaxed), 7);
        Ok(())
    }

    #[test]
    fn cuts_off_at_a_page() -> Result {
        let mut fixture = Fixture::new()?;
        let text = fixture.read::<Long>()?;
        assert_eq!(text.len(), PAGE_SIZE - 1);
        assert!(text.starts_with(b"long long "));
        assert_eq!(fixture.page[PAGE_SIZE - 1], 0);
        Ok(())
    }

    #[test]
    fn permissions_follow_callbacks() {
        assert_eq!(Entry::<Counter>::of::<Count>().0.attr.mode, 0o644);
        assert_eq!(Entry::<Counter>::of::<Long>().0.attr.mode, 0o444);
        assert_eq!(Entry::<Counter>::of::<Clear>().0.attr.mode, 0o200);
    }

    #[test]
    fn files_come_and_go() -> Result {
        let fixture = Fixture::new()?;
        let files = [c"count", c"long", c"more"];
        // SAFETY: The device has a `Counter` as its driver data.
        to_result(unsafe { bindings::device_add_groups(fixture.as_raw(), GROUPS.as_ptr()) })?;
        assert!(files.iter().all(|name| has_file(fixture.device(), name)));
        assert!(!has_file(fixture.device(), c"clear"));

        // SAFETY: They were added above.
        unsafe { bindings::device_remove_groups(fixture.as_raw(), GROUPS.as_ptr()) };
        assert!(!files.iter().any(|name| has_file(fixture.device(), name)));
        Ok(())
    }
}
