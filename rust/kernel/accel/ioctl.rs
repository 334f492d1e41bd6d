// SPDX-License-Identifier: GPL-2.0

//! The numbers of ioctls, and those that drivers add.

use super::{
    driver::Driver,
    table::ARGS_MAX, //
};
use crate::{
    ioctl::{
        _IO,
        _IOC_NR, //
    },
    prelude::*,
    uaccess::UserPtr,
    uapi,
    ustruct, //
};

/// The number of an ioctl of this subsystem. Fails with [`ENOTTY`] for any other.
pub(super) fn number(cmd: u32) -> Result<uapi::accel_ioctl_nr> {
    let nr = _IOC_NR(cmd);
    if cmd == _IO(uapi::ACCEL_IOC_TYPE, nr) {
        Ok(nr)
    } else {
        Err(ENOTTY)
    }
}

/// Number and struct of a driver's ioctl.
#[derive(Copy, Clone)]
pub struct Shape {
    nr: u32,
    size: usize,
    min: usize,
}

impl Shape {
    /// An ioctl `nr` with a struct of `size` bytes, of which the first version had `min`.
    ///
    /// Panics, at compile time, if the number is not a driver's or the struct too large.
    pub const fn new(nr: u32, size: usize, min: usize) -> Self {
        assert!(
            nr >= uapi::accel_ioctl_nr_ACCEL_NR_DRIVER_BASE
                && nr < uapi::accel_ioctl_nr_ACCEL_NR_DRIVER_END,
            "numbers outside 0x40 to 0x9f are not the driver's",
        );
        assert!(
            size <= ARGS_MAX,
            "the struct is larger than the core copies"
        );
        assert!(min >= size_of::<u32>() && min <= size);
        Self { nr, size, min }
    }

    const fn same_number(&self, other: &Self) -> bool {
        self.nr == other.nr
    }
}

/// An ioctl on a context that a driver adds. Made by [`declare_ioctls`](super::declare_ioctls).
pub struct ContextIoctl<T: Driver> {
    #[doc(hidden)]
    pub shape: Shape,
    #[doc(hidden)]
    pub call: for<'a> fn(&T::Data<'a>, &T::Context, &mut [u8]) -> Result,
}

/// An ioctl on a queue that a driver adds. Made by [`declare_ioctls`](super::declare_ioctls).
pub struct QueueIoctl<T: Driver> {
    #[doc(hidden)]
    pub shape: Shape,
    #[doc(hidden)]
    pub call: for<'a> fn(&T::Data<'a>, &T::Queue, &mut [u8]) -> Result,
}

/// Whether no two of the ioctls have the same number.
#[doc(hidden)]
pub const fn are_distinct(shapes: &[Shape]) -> bool {
    let mut i = 0;
    while i < shapes.len() {
        let mut k = 0;
        while k < i {
            if shapes[i].same_number(&shapes[k]) {
                return false;
            }
            k += 1;
        }
        i += 1;
    }
    true
}

/// Declares ioctls of a driver, for [`Driver::CONTEXT_IOCTLS`] or [`Driver::QUEUE_IOCTLS`].
///
/// Each line is: number, from `enum` of the driver's header; its struct; bytes that the struct had
/// in its first version; a function of the data, the context or queue, and the struct, which the
/// core has copied from user space and copies back if the function succeeds.
///
/// That the number is the driver's to use, that it is used once, and that the struct begins with
/// its size are checked at compile time.
///
/// # Examples
///
/// ```
/// use kernel::{
///     accel,
///     prelude::*,
///     uapi, //
/// };
/// # use kernel::{device, faux};
///
/// /// An ioctl of the driver's, as its header has it.
/// #[repr(C)]
/// #[derive(FromBytes, IntoBytes)]
/// struct Kick {
///     size: u32,
///     jobs: u32,
/// }
///
/// fn kick(_data: &(), _queue: &(), kick: &mut Kick) -> Result {
///     if kick.jobs == 0 {
///         return Err(EINVAL);
///     }
///     kick.jobs -= 1;
///     Ok(())
/// }
///
/// struct MyDriver;
///
/// #[vtable]
/// impl accel::Driver for MyDriver {
///     const QUEUE_IOCTLS: &'static [accel::QueueIoctl<Self>] = accel::declare_ioctls! {
///         QueueIoctl: (uapi::accel_ioctl_nr_ACCEL_NR_DRIVER_BASE, Kick, 8, kick),
///     };
///     // And what else a driver has.
/// #
/// #   type Parent<Ctx: device::DeviceContext> = faux::Device<Ctx>;
/// #   type Data<'a> = ();
/// #   type Context = ();
/// #   type Queue = ();
/// #   type QueueArgs = accel::NoArgs;
/// #
/// #   fn probe<'a>(_parent: &'a faux::Device<device::Bound>) -> impl PinInit<(), Error> + 'a {
/// #       Ok(())
/// #   }
/// #
/// #   fn info(_data: &()) -> accel::DeviceInfo {
/// #       accel::DeviceInfo::UNKNOWN
/// #   }
/// #
/// #   fn context_create(_data: &(), _: &accel::ContextRequest<'_>) -> Result {
/// #       Ok(())
/// #   }
/// #
/// #   fn queue_create(
/// #       _data: &(),
/// #       _: &accel::QueueRequest<'_, Self>,
/// #   ) -> Result<accel::NewQueue<()>> {
/// #       Err(EBUSY)
/// #   }
/// #
/// #   fn queue_destroy(_data: &(), _queue: &()) -> Result {
/// #       Ok(())
/// #   }
/// #
/// #   fn halt(_data: &()) {}
/// }
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! __accel_declare_ioctls {
    ($kind:ident: $(($nr:expr, $arg:ty, $min:expr, $call:expr)),+ $(,)?) => {{
        $(
            const _: () = ::core::assert!(
                ::core::mem::offset_of!($arg, size) == 0,
                "the struct of an ioctl begins with its size",
            );
        )+
        const SHAPES: &[$crate::accel::Shape] = &[
            $($crate::accel::Shape::new($nr, ::core::mem::size_of::<$arg>(), $min)),+
        ];
        const _: () = ::core::assert!(
            $crate::accel::are_distinct(SHAPES),
            "two ioctls have the same number",
        );
        &[$($crate::accel::$kind {
            shape: $crate::accel::Shape::new($nr, ::core::mem::size_of::<$arg>(), $min),
            call: |data, object, bytes| {
                let mut arg = $crate::accel::from_bytes::<$arg>(bytes);
                $call(data, object, &mut arg)?;
                $crate::accel::to_bytes(&mut arg, bytes);
                Ok(())
            },
        }),+]
    }};
}

/// The struct that the core has copied to `bytes`.
#[doc(hidden)]
pub fn from_bytes<T: FromBytes + IntoBytes>(bytes: &[u8]) -> T {
    let mut value = T::new_zeroed();
    let len = size_of::<T>().min(bytes.len());
    value.as_mut_bytes()[..len].copy_from_slice(&bytes[..len]);
    value
}

/// Puts a struct where the core copies it from.
#[doc(hidden)]
pub fn to_bytes<T: FromBytes + IntoBytes>(value: &mut T, bytes: &mut [u8]) {
    let len = size_of::<T>().min(bytes.len());
    bytes[..len].copy_from_slice(&value.as_mut_bytes()[..len]);
}

/// The argument of a driver's ioctl, copied from user space before the device is entered and copied
/// back after it was left.
pub(super) struct Argument {
    bytes: [u8; ARGS_MAX],
    len: usize,
    /// As user space has it, whatever becomes of it in the driver's hands.
    size: u32,
    to: UserPtr,
}

impl Argument {
    /// Reads the struct for one of `shapes`, and tells for which. Fails with [`ENOTTY`] if `nr` is
    /// none of them.
    pub(super) fn read(
        shapes: impl Iterator<Item = Shape>,
        nr: u32,
        from: UserPtr,
    ) -> Result<(usize, Self)> {
        let (index, shape) = shapes
            .enumerate()
            .find(|(_, shape)| shape.nr == nr)
            .ok_or(ENOTTY)?;
        let mut argument = Self {
            bytes: [0; ARGS_MAX],
            len: shape.size,
            size: 0,
            to: from,
        };
        ustruct::read_bytes(from, shape.min, argument.bytes())?;
        argument.size = from_bytes(argument.bytes());
        Ok((index, argument))
    }

    pub(super) fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }

    /// Copies the struct back, as much of it as the caller knows.
    pub(super) fn write(mut self) -> Result {
        let (size, to) = (self.size, self.to);
        to_bytes(&mut self.size, self.bytes.as_mut_slice());
        ustruct::write_bytes(to, size, self.bytes())
    }
}

#[macros::kunit_tests(rust_accel_ioctl)]
mod tests {
    use super::*;
    use crate::ioctl::{
        _IOR,
        _IOW, //
    };

    #[test]
    fn only_numbers_without_size_and_of_our_type_are_ours() {
        for nr in [0, 0x10, 0x9f, 0xff] {
            assert_eq!(number(_IO(uapi::ACCEL_IOC_TYPE, nr)), Ok(nr));
            assert_eq!(number(_IO(uapi::ACCEL_IOC_TYPE + 1, nr)), Err(ENOTTY));
            assert_eq!(number(_IOR::<u32>(uapi::ACCEL_IOC_TYPE, nr)), Err(ENOTTY));
            assert_eq!(number(_IOW::<u32>(uapi::ACCEL_IOC_TYPE, nr)), Err(ENOTTY));
        }
    }

    #[test]
    fn a_number_used_twice_is_noticed() {
        let once = [Shape::new(0x40, 8, 8), Shape::new(0x9f, 8, 8)];
        assert!(are_distinct(&once));
        let twice = [once[0], once[1], Shape::new(0x40, 16, 8)];
        assert!(!are_distinct(&twice));
    }
}
