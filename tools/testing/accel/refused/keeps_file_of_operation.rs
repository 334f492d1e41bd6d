// SPDX-License-Identifier: GPL-2.0
// refused: E0521 borrowed data escapes

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
    sync::ArcBorrow,
    uaccess::UserSliceWriter, //
};

/// Would have it for ever.
fn keep(_this: ArcBorrow<'static, u64>) {}

struct Node;

#[vtable]
impl Operations for Node {
    type Private = Arc<u64>;

    fn read(this: Borrowed<'_, Self>, _file: &File, _to: UserSliceWriter) -> Result<usize> {
        keep(this);
        Ok(0)
    }
}

#[vtable]
impl accel::Driver for Rogue {
    no_data!();
    common!();
}
