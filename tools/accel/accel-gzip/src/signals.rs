// SPDX-License-Identifier: GPL-2.0
//! What is half-written does not outlive a signal.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// The file to remove if a signal ends the process.
static PARTIAL: Mutex<Option<PathBuf>> = Mutex::new(None);

fn partial() -> MutexGuard<'static, Option<PathBuf>> {
    PARTIAL
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Begins to watch for signals that end the process.
///
/// A thread of its own sees to it, so that it works whatever the rest waits for.
pub fn watch() -> std::io::Result<()> {
    let ignored = ignored();
    let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter();
    let mut signals = Signals::new(wanted.filter(|signal| ignored >> (signal - 1) & 1 == 0))?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                end_by(signal);
            }
        })?;
    Ok(())
}

/// The signals that whoever started this process wants ignored (nohup, say), as a mask.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// Removes the partial file and ends the process by `signal`.
fn end_by(signal: i32) {
    let path = partial();
    if let Some(path) = &*path {
        // Nobody is left to be told.
        let _ = std::fs::remove_file(path);
    }
    let _ = emulate_default_handler(signal);
}

/// While this lives, a file is removed if a signal comes.
pub struct Partial(());

impl Partial {
    /// Begins with the file `path`, or one that has no name.
    pub fn new(path: Option<&Path>) -> Self {
        *partial() = path.map(Path::to_path_buf);
        Self(())
    }

    /// Makes what is partial final by `commit`, with no signal in between.
    pub fn commit<T, E>(self, commit: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let mut path = partial();
        let result = commit();
        *path = None;
        drop(path);
        std::mem::forget(self);
        result
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        *partial() = None;
    }
}
