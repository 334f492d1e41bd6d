// SPDX-License-Identifier: GPL-2.0

//! `kernel::prelude`.

use std::ops::{CoerceUnsized, Deref, DerefMut};

pub use crate::error::*;
pub use crate::init::PinInit;
pub use crate::{
    current, dev_err, dev_warn, fmt, pin_init, require, try_pin_init, FromBytes, IntoBytes,
};
pub use core::ffi::{c_void, CStr};
pub use core::mem::size_of;
pub use core::pin::Pin;
pub use macros::{pin_data, vtable};

pub struct Flags;

pub const GFP_KERNEL: Flags = Flags;
pub const GFP_KERNEL_ACCOUNT: Flags = Flags;
pub const GFP_NOWAIT: Flags = Flags;

/// A box; memory never runs out here.
pub struct KBox<T: ?Sized>(Box<T>);

impl<T: ?Sized + std::marker::Unsize<U>, U: ?Sized> CoerceUnsized<KBox<U>> for KBox<T> {}

impl<T> KBox<T> {
    pub fn new(value: T, _flags: Flags) -> Result<Self> {
        Ok(Self(Box::new(value)))
    }

    pub fn pin_init(init: impl PinInit<T, Error>, _flags: Flags) -> Result<Pin<Self>> {
        let made = Self(Box::new(init.init()?));
        // SAFETY: The box is never moved out of.
        Ok(unsafe { Pin::new_unchecked(made) })
    }
}

impl<T: ?Sized> Deref for KBox<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> DerefMut for KBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

pub struct KVec<T>(Vec<T>);
pub type KVVec<T> = KVec<T>;

impl<T> KVec<T> {
    pub fn new() -> Self {
        Self(Vec::new())
    }

    pub fn with_capacity(count: usize, _flags: Flags) -> Result<Self> {
        Ok(Self(Vec::with_capacity(count)))
    }

    pub fn reserve(&mut self, count: usize, _flags: Flags) -> Result {
        self.0.reserve(count);
        Ok(())
    }

    pub fn push(&mut self, value: T, _flags: Flags) -> Result {
        self.0.push(value);
        Ok(())
    }

    pub fn remove(&mut self, index: usize) -> Result<T> {
        Ok(self.0.remove(index))
    }
}

impl<T> Default for KVec<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for KVec<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> DerefMut for KVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T> IntoIterator for KVec<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a KVec<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
