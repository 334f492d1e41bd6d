// SPDX-License-Identifier: GPL-2.0

//! No job of the scenarios has buffers.

use super::device::Access;
use crate::{
    dma_buf::{
        resv::{Resv, Usage},
        DmaBuf,
    },
    prelude::*,
    sync::{aref::ARef, Arc},
};

pub struct Buffers;

pub struct NamedBuffer(ARef<DmaBuf>);

pub struct NamedBuffers(Vec<NamedBuffer>);

impl NamedBuffers {
    pub fn with_capacity(_count: usize) -> Result<Self> {
        Ok(Self(Vec::new()))
    }

    pub fn push(&mut self, buffer: ARef<DmaBuf>, _flags: u32) -> Result {
        self.0.push(NamedBuffer(buffer));
        Ok(())
    }

    pub fn all(&self) -> &[NamedBuffer] {
        &self.0
    }
}

impl NamedBuffer {
    pub fn resv(&self) -> &Resv {
        &Resv
    }

    pub fn usage(&self) -> Usage {
        Usage
    }

    pub fn waits_for(&self) -> Usage {
        Usage
    }
}

pub struct Held(Arc<Buffers>);

impl Buffers {
    pub(super) fn hold(_access: &Access<'_>, _named: &NamedBuffers) -> Result<Held> {
        Arc::new(Self, GFP_KERNEL).map(Held)
    }
}

impl Held {
    pub fn buffers(&self) -> &Arc<Buffers> {
        &self.0
    }
}
