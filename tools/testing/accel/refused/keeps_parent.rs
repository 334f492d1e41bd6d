// SPDX-License-Identifier: GPL-2.0
// refused: E0521 borrowed data escapes

//! Keeps the parent, which is bound for as long as data lives, and no longer.

include!("common.inc");

use kernel::sync::SetOnce;

static PARENT: SetOnce<&'static device::Device<Bound>> = SetOnce::new();

#[vtable]
impl accel::Driver for Rogue {
    common!();

    type Data<'a> = ();

    fn probe<'a>(parent: &'a faux::Device<Bound>) -> impl PinInit<(), Error> + 'a {
        PARENT.populate(parent.as_ref());
        Ok(())
    }
}
