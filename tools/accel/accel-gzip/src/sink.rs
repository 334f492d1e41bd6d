// SPDX-License-Identifier: GPL-2.0
//! Where output goes to.

use std::fs::File;
use std::io::{Error as IoError, ErrorKind, IoSlice, Write};
use std::path::PathBuf;

use crate::error::{Error, Result};

/// Output, written in batches.
pub struct Sink {
    target: Option<(File, PathBuf)>,
    written: u64,
}

impl Sink {
    /// Writes to `file`; `path` names it in messages.
    pub fn file(file: File, path: PathBuf) -> Self {
        Self {
            target: Some((file, path)),
            written: 0,
        }
    }

    /// Counts and drops what is written.
    pub fn nowhere() -> Self {
        Self {
            target: None,
            written: 0,
        }
    }

    /// Bytes written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Writes all of `slices`.
    pub fn write(&mut self, slices: &mut [IoSlice<'_>]) -> Result<()> {
        self.written += slices.iter().map(|slice| slice.len() as u64).sum::<u64>();
        match &mut self.target {
            None => Ok(()),
            Some((file, path)) => write_all(file, slices).map_err(|source| Error::Write {
                path: path.clone(),
                source,
            }),
        }
    }
}

fn write_all(file: &mut File, mut slices: &mut [IoSlice<'_>]) -> std::io::Result<()> {
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match file.write_vectored(slices) {
            Ok(0) => return Err(IoError::from(ErrorKind::WriteZero)),
            Ok(count) => IoSlice::advance_slices(&mut slices, count),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
