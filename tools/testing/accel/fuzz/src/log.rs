// SPDX-License-Identifier: GPL-2.0
//! What the kernel says, read while programs run.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt,
};

/// What a healthy kernel never says. The whole log is judged when the machine is off; this ends a
/// run at once.
const SUSPECT: &[&str] = &[
    "WARNING:",
    "BUG:",
    "kernel BUG",
    "Oops",
    "general protection",
    "KASAN:",
    "UBSAN:",
    "possible circular",
    "possible recursive",
    "inconsistent lock state",
    "suspicious RCU",
    "held lock freed",
    "sleeping function called",
    "scheduling while atomic",
    "INFO: task",
    "rcu: INFO",
    "soft lockup",
    "refcount_t:",
    "list_add corruption",
    "list_del corruption",
    "DMA-API:",
    "Bad page",
    "panicked at",
    "double free",
    "Objects remaining",
    "Unbalanced",
];

/// The kernel's log from now on.
pub struct Log(File);

impl Log {
    pub fn open() -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/kmsg")?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self(file))
    }

    /// The first line since the last time that a healthy kernel doesn't say.
    pub fn complaint(&mut self) -> Option<String> {
        let mut record = [0; 8192];
        let mut found = None;
        loop {
            match self.0.read(&mut record) {
                Ok(0) => return found,
                Ok(size) => {
                    let text = String::from_utf8_lossy(&record[..size]);
                    let line = text.split_once(';').map_or(&*text, |parts| parts.1);
                    if SUSPECT.iter().any(|suspect| line.contains(suspect)) && found.is_none() {
                        found = line.lines().next().map(str::to_owned);
                    }
                }
                // Some were overwritten before they were read.
                Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
                Err(_) => return found,
            }
        }
    }
}
