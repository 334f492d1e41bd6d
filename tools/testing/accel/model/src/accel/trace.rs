// SPDX-License-Identifier: GPL-2.0

//! Nobody traces.

use crate::prelude::*;

pub fn queue_create(_device: u32, _queue: u32, _context: u64, _pasid: u32, _depth: u32) {}
pub fn queue_destroy(_device: u32, _queue: u32, _state: u32) {}
pub fn doorbell_map(_device: u32, _queue: u32, _offset: u64) {}
pub fn fault(_device: u32, _queue: u32, _pasid: u32, _address: u64) {}
pub fn close(_device: u32, _context: u64) {}
pub fn reset_begin(_device: u32, _generation: u32) {}
pub fn reset_end(_device: u32, _generation: u32, _result: Result) {}
