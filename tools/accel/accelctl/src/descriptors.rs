// SPDX-License-Identifier: GPL-2.0
//! Standard output that is closed.
//!
//! Rust's runtime opens /dev/null in its place before `main`, and then writing goes well. What is
//! looked at before that is remembered here.

use std::io::{Result, StdoutLock, Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::{Errno, fcntl_getfd};

static CLOSED: AtomicBool = AtomicBool::new(false);

ctor::declarative::ctor! {
    // What the attribute asks to be promised: nothing of the runtime is used here.
    #[ctor(unsafe)]
    fn look() {
        CLOSED.store(fcntl_getfd(rustix::stdio::stdout()).is_err(), Ordering::Relaxed);
    }
}

/// An error if standard output is closed.
pub fn check() -> Result<()> {
    match CLOSED.load(Ordering::Relaxed) {
        true => Err(Errno::BADF.into()),
        false => Ok(()),
    }
}

/// Standard output, into which nothing can be written if it is closed.
pub struct Output(StdoutLock<'static>);

impl Output {
    /// The one of this process.
    pub fn new() -> Self {
        Self(stdout().lock())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        check()?;
        self.0.write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        self.0.flush()
    }
}
