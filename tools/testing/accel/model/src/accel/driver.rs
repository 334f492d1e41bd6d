// SPDX-License-Identifier: GPL-2.0

//! What a driver is, as far as the scenarios need one.

use crate::{prelude::*, time::Delta};

#[derive(Copy, Clone, PartialEq, Debug)]
pub enum AddressMode {
    Shared,
    Private,
    Kernel,
}

#[derive(PartialEq)]
pub enum Doorbell {
    Own,
    Shared,
}

#[derive(PartialEq)]
pub enum Reach {
    Hardware,
    Software,
}

pub struct DeviceInfo {
    pub modes: &'static [AddressMode],
    pub reach: Reach,
    pub doorbell: Doorbell,
    pub queues_max: u32,
    pub depth_max: u32,
    pub contexts_max: u32,
    pub priorities: u32,
    pub job_limit: Option<Delta>,
    pub auto_recovery: bool,
    pub error_threshold: u32,
}

pub struct ContextRequest<'a>(&'a ());

#[derive(Copy, Clone, Default)]
pub struct Progress {
    pub jobs: u64,
    pub bytes: u64,
    pub busy_ns: u64,
    pub pending: bool,
}

pub trait Driver: Sized + 'static {
    type Data<'a>;
    type Queue;
}
