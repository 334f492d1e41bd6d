// SPDX-License-Identifier: GPL-2.0
// refused: lifetime may not live long enough

//! A file operation keeps the private data that it was lent.

include!("common.inc");

use kernel::{
    fs::{
        operations::{
            Borrowed,
            Operations, //
        },
        File, //
    },
    sync::{
        ArcBorrow,
        SetOnce, //
    },
    uaccess::UserSliceWriter, //
};

static KEPT: SetOnce<ArcBorrow<'static, u64>> = SetOnce::new();

struct Node;

#[vtable]
impl Operations for Node {
    type Private = Arc<u64>;

    fn read(this: Borrowed<'_, Self>, _file: &File, _to: UserSliceWriter) -> Result<usize> {
        KEPT.populate(this);
        Ok(0)
    }
}

#[vtable]
impl accel::Driver for Rogue {
    no_data!();
    common!();
}
