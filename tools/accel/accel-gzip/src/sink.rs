// SPDX-License-Identifier: GPL-2.0
//! Where output goes to.

use std::fs::File;
use std::io::{Error as IoError, ErrorKind, IoSlice, Write};
use std::path::PathBuf;

use crate::error::{Error, Result};

/// Bytes that are worth a system call.
const BATCH: usize = 128 << 10;

/// What messages call it.
pub const STDOUT: &str = "standard output";

/// Output, written in batches.
pub struct Sink {
    target: Option<(File, PathBuf)>,
    written: u64,
    /// What waits for more.
    waiting: Vec<u8>,
    shared: bool,
    sum: Option<crc32fast::Hasher>,
}

impl Sink {
    fn new(target: Option<(File, PathBuf)>, shared: bool) -> Self {
        Self {
            target,
            written: 0,
            waiting: Vec::new(),
            shared,
            sum: None,
        }
    }

    /// Writes to `file`; `path` names it in messages.
    pub fn file(file: File, path: PathBuf) -> Self {
        Self::new(Some((file, path)), false)
    }

    /// Writes to standard output.
    pub fn stdout(file: File) -> Self {
        Self::new(Some((file, STDOUT.into())), true)
    }

    /// Counts and drops what is written.
    pub fn nowhere() -> Self {
        Self::new(None, true)
    }

    /// The same, and computes its checksum.
    pub fn summing() -> Self {
        Self {
            sum: Some(crc32fast::Hasher::new()),
            ..Self::nowhere()
        }
    }

    /// Whether others may write there, too.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// CRC-32 of what is written nowhere.
    pub fn sum(&self) -> u32 {
        self.sum.clone().map_or(0, crc32fast::Hasher::finalize)
    }

    /// Bytes written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Writes all of `slices`.
    pub fn write(&mut self, slices: &mut [IoSlice<'_>]) -> Result<()> {
        self.flush()?;
        self.written += slices.iter().map(|slice| slice.len() as u64).sum::<u64>();
        self.write_out(slices)
    }

    /// Writes `bytes`, sooner or later: [`flush`](Self::flush) is to be called.
    pub fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.written += bytes.len() as u64;
        if self.target.is_none() {
            return self.write_out(&mut [IoSlice::new(bytes)]);
        }
        self.waiting.extend_from_slice(bytes);
        match self.waiting.len() {
            0..BATCH => Ok(()),
            _ => self.flush(),
        }
    }

    /// Writes what waits.
    pub fn flush(&mut self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        self.write_out(&mut [IoSlice::new(&waiting)])?;
        waiting.clear();
        self.waiting = waiting;
        Ok(())
    }

    fn write_out(&mut self, slices: &mut [IoSlice<'_>]) -> Result<()> {
        match &mut self.target {
            None => {
                if let Some(sum) = &mut self.sum {
                    slices.iter().for_each(|slice| sum.update(slice));
                }
                Ok(())
            }
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
