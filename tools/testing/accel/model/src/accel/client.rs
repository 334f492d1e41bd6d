// SPDX-License-Identifier: GPL-2.0

//! The kernel has no clients in the scenarios.

use super::{
    device::{Access, Device},
    pipeline::Pipeline,
    submit::Submitted,
};
use crate::{prelude::*, sync::Arc};

pub struct Inbox;

pub struct Request;

impl Inbox {
    pub fn next(&self, _pipeline: &Pipeline) -> Option<Request> {
        None
    }

    pub fn is_empty(&self) -> bool {
        true
    }

    pub fn lost(self: &Arc<Self>, _pipeline: &Pipeline) {}
}

pub struct Served;

impl Served {
    pub fn note(&mut self, _result: Result, _record: &[u8]) {}
}

pub(super) fn accept(
    _pipeline: &Pipeline,
    _access: &Access<'_>,
    _inbox: &Arc<Inbox>,
    _request: Request,
) -> Result<KBox<Submitted>> {
    Err(EOPNOTSUPP)
}

pub fn look_again() {}

pub(super) fn reserved(_device: &Device) -> u32 {
    0
}
