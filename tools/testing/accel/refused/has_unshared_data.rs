// SPDX-License-Identifier: GPL-2.0
// refused: E0277 shared between threads

//! Data that two callbacks could change at the same time.

include!("common.inc");

use core::cell::Cell;

#[vtable]
impl accel::Driver for Rogue {
    common!();

    type Data<'a> = Cell<u64>;

    fn probe<'a>(_parent: &'a faux::Device<Bound>) -> impl PinInit<Cell<u64>, Error> + 'a {
        Ok(Cell::new(1))
    }
}
