// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Input that may be needed once more.

use std::io::{self, Read, Seek, Write};

use tempfile::SpooledTempFile;

/// Bytes that are kept in memory; more go to a file without a name.
const IN_MEMORY: usize = 4 << 20;

/// Bytes that are kept.
const MOST: u64 = 1 << 30;

/// The input of a stream from its beginning on.
pub(super) struct Kept {
    /// None where it became too much, or could not be kept.
    file: Option<SpooledTempFile>,
    len: u64,
}

impl Kept {
    pub(super) fn new() -> Self {
        Self {
            file: Some(SpooledTempFile::new(IN_MEMORY)),
            len: 0,
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        let fits = self.len <= MOST;
        let file = self.file.as_mut().filter(|_| fits);
        if file.is_none_or(|file| file.write_all(bytes).is_err()) {
            self.file = None;
        }
    }

    /// All of it, to be read; nothing if it is not there any more. Nothing is to be added
    /// meanwhile.
    pub(super) fn again(&mut self) -> Option<Again<'_>> {
        let file = self.file.as_mut()?;
        file.rewind().ok()?;
        Some(Again(file))
    }
}

/// Reads what was kept. Afterwards the place is where it was: at the end.
pub(super) struct Again<'a>(&'a mut SpooledTempFile);

impl Again<'_> {
    /// Fills `room` as far as there is something.
    pub(super) fn fill(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let mut len = 0;
        while len < room.len() {
            match self.0.read(&mut room[len..])? {
                0 => break,
                more => len += more,
            }
        }
        Ok(len)
    }
}
