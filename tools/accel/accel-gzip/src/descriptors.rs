// SPDX-License-Identifier: GPL-2.0
//! Standard descriptors that are closed.
//!
//! Rust's runtime opens /dev/null in their place before `main`, and then reading nothing from it,
//! or writing into it, goes well. What is looked at before that is remembered here.

use std::io::{Result, Stdout, stdin, stdout};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::{Errno, fcntl_getfd};

static STDIN_CLOSED: AtomicBool = AtomicBool::new(false);
static STDOUT_CLOSED: AtomicBool = AtomicBool::new(false);

ctor::declarative::ctor! {
    // What the attribute asks to be promised: nothing of the runtime is used here.
    #[ctor(unsafe)]
    fn look() {
        let closed = |fd: rustix::fd::BorrowedFd<'_>| fcntl_getfd(fd).is_err();
        STDIN_CLOSED.store(closed(rustix::stdio::stdin()), Ordering::Relaxed);
        STDOUT_CLOSED.store(closed(rustix::stdio::stdout()), Ordering::Relaxed);
    }
}

fn check(closed: &AtomicBool) -> Result<()> {
    match closed.load(Ordering::Relaxed) {
        true => Err(Errno::BADF.into()),
        false => Ok(()),
    }
}

/// Another descriptor of standard input.
pub fn input() -> Result<OwnedFd> {
    check(&STDIN_CLOSED)?;
    stdin().as_fd().try_clone_to_owned()
}

/// Another descriptor of standard output.
pub fn output() -> Result<OwnedFd> {
    text_output()?.as_fd().try_clone_to_owned()
}

/// Standard output for lines of text.
pub fn text_output() -> Result<Stdout> {
    check(&STDOUT_CLOSED)?;
    Ok(stdout())
}
