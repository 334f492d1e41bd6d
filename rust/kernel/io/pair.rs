// SPDX-License-Identifier: GPL-2.0

//! Accesses of 128 bits, to devices that take a message as a whole.

use super::{
    IoBackend,
    IoCapable,
    IoLoc,
    MmioBackend,
    Region, //
};
use crate::bindings;

/// One access on 64-bit Arm. Elsewhere two of 64 bits, that of the lower address first.
impl IoCapable<u128> for MmioBackend {
    #[inline]
    fn io_read(view: <Self as IoBackend>::View<'_, u128>) -> u128 {
        let mut pair = [0; 2];
        // SAFETY: The pointer is valid for MMIO of 128 bits, and there is room for as many.
        unsafe { bindings::readq_pair(Self::as_ptr(view).cast_const().cast(), pair.as_mut_ptr()) };
        u128::from(pair[1]) << u64::BITS | u128::from(pair[0])
    }

    #[inline]
    fn io_write(view: <Self as IoBackend>::View<'_, u128>, value: u128) {
        // CAST: These are the halves.
        let (low, high) = (value as u64, (value >> u64::BITS) as u64);
        // SAFETY: The pointer is valid for MMIO of 128 bits.
        unsafe { bindings::writeq_pair(low, high, Self::as_ptr(view).cast()) };
    }
}

impl<const SIZE: usize> IoLoc<Region<SIZE>, u128> for usize {
    type IoType = u128;

    #[inline(always)]
    fn offset(self) -> usize {
        self
    }
}
