// SPDX-License-Identifier: GPL-2.0
//! gzip through an accelerator: the parts of the program `accel-gzip`.

pub mod app;
pub mod bench;
pub mod buffers;
pub mod cli;
pub mod compress;
pub mod container;
pub mod decompress;
pub mod descriptors;
pub mod engine;
pub mod error;
pub mod files;
pub mod input;
pub mod legacy;
pub mod list;
pub mod names;
pub mod output;
pub mod pipeline;
pub mod progress;
pub mod proof;
pub mod queues;
pub mod report;
pub mod signals;
pub mod sink;
pub mod software;
pub mod stream;
