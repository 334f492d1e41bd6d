// SPDX-License-Identifier: GPL-2.0
//! The last programs, on a disk that outlives a panic of the kernel.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

/// Programs that it holds, and bytes of each.
const PLACES: u64 = 64;
const PLACE: usize = 16384;

/// A page that a device can write from.
#[repr(C, align(4096))]
struct Place([u8; PLACE]);

/// A file or a disk in which the program that runs stands already.
pub struct Record {
    file: File,
    place: Box<Place>,
    number: u64,
}

impl Record {
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_DIRECT)
            .open(path)?;
        Ok(Self {
            file,
            place: Box::new(Place([0; PLACE])),
            number: 0,
        })
    }

    /// Writes down what is about to run: a line with its number, and its text.
    pub fn note(&mut self, program: &str) -> io::Result<()> {
        let text = format!("# {}\n{program}", self.number);
        let count = text.len().min(PLACE - 1);
        self.place.0.fill(0);
        self.place.0[..count].copy_from_slice(&text.as_bytes()[..count]);
        // Most are short.
        let size = (count + 1).next_multiple_of(4096);
        let offset = self.number % PLACES * PLACE as u64;
        self.file.write_all_at(&self.place.0[..size], offset)?;
        self.number += 1;
        Ok(())
    }
}
