// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Waiting for completions: by looking, by sleeping, or first the one and then the other.

use std::os::fd::{AsFd, BorrowedFd};
use std::str::FromStr;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::queue::ZipQueue;
use crate::error::{Error, Result};

/// How to wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Looks at memory for a while, then sleeps.
    #[default]
    Auto,
    /// Looks at memory until something is there: no system call, a whole processor.
    Spin,
    /// Sleeps at once.
    Poll,
}

impl FromStr for Wait {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        match name {
            "auto" => Ok(Self::Auto),
            "spin" => Ok(Self::Spin),
            "poll" => Ok(Self::Poll),
            _ => Err(format!("`{name}` is none of auto, spin and poll")),
        }
    }
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// A queue has a completion.
    Completion,
    /// The other descriptor is ready.
    Other,
    /// The time was over.
    Timeout,
}

/// Looks that [`Wait::Auto`] takes before it sleeps: some hundreds of microseconds.
const LOOKS: u32 = 10_000;

/// Looks between two glances at the clock while spinning. Reading the clock can be a system call.
const LOOKS_PER_GLANCE: u32 = 1 << 26;

/// A device that finishes nothing for so long is taken for hung.
const HUNG: Duration = Duration::from_secs(60);

/// Waits until one of `queues` has a completion, `other` is readable, or the time that `limit` says
/// is over.
///
/// Nothing being in flight, only the latter two can end the wait. Where there is something, and
/// nothing comes back for a minute, that is [`Error::Timeout`].
pub fn wait(
    queues: &mut [ZipQueue],
    how: Wait,
    other: Option<BorrowedFd<'_>>,
    limit: Option<Duration>,
) -> Result<Woken> {
    // Nobody asks for the time who need not know it.
    let until = limit.and_then(|limit| Instant::now().checked_add(limit));
    let spun = match how {
        Wait::Auto => spin(queues, LOOKS)?,
        // What is to be seen in memory only can't end a wait for a descriptor.
        Wait::Spin if other.is_none() => return spin_for_long(queues, limit),
        Wait::Spin | Wait::Poll => spin(queues, 1)?,
    };
    if spun {
        Ok(Woken::Completion)
    } else {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        sleep(queues, other, left)
    }
}

/// Looks at `queues` up to `looks` times; whether one has a completion. No system call.
pub fn spin(queues: &mut [ZipQueue], looks: u32) -> Result<bool> {
    for _ in 0..looks {
        if queues.iter().any(ZipQueue::has_completion) {
            return Ok(true);
        }
        queues.iter().try_for_each(ZipQueue::check)?;
        std::hint::spin_loop();
    }
    Ok(false)
}

fn spin_for_long(queues: &mut [ZipQueue], limit: Option<Duration>) -> Result<Woken> {
    let mut since = None;
    let looks = match limit {
        None => LOOKS_PER_GLANCE,
        Some(_) => LOOKS,
    };
    while !spin(queues, looks)? {
        let waited = since.get_or_insert_with(Instant::now).elapsed();
        if limit.is_some_and(|limit| waited >= limit) {
            return Ok(Woken::Timeout);
        }
        if waited > HUNG {
            return Err(hung(queues));
        }
    }
    Ok(Woken::Completion)
}

/// Sleeps until one of `queues` has a completion, `other` is readable, or the time that `limit`
/// says is over.
pub fn sleep(
    queues: &mut [ZipQueue],
    other: Option<BorrowedFd<'_>>,
    limit: Option<Duration>,
) -> Result<Woken> {
    let since = Instant::now();
    loop {
        queues
            .iter_mut()
            .filter(|queue| queue.in_flight() > 0)
            .for_each(ZipQueue::arm);
        // A queue can die or finish a job before it was armed.
        if spin(queues, 1)? {
            return Ok(Woken::Completion);
        }
        let busy = queues.iter().any(|queue| queue.in_flight() > 0);
        let most = [busy.then_some(HUNG), limit].into_iter().flatten().min();
        let left = most.map(|most| most.saturating_sub(since.elapsed()));
        match poll_once(queues, other, left)? {
            Polled::Other => return Ok(Woken::Other),
            Polled::Queue => drain(queues),
            Polled::Nothing if limit.is_some_and(|limit| since.elapsed() >= limit) => {
                return Ok(Woken::Timeout);
            }
            Polled::Nothing if busy && since.elapsed() >= HUNG => return Err(hung(queues)),
            Polled::Nothing => {}
        }
    }
}

enum Polled {
    Other,
    Queue,
    Nothing,
}

fn poll_once(
    queues: &[ZipQueue],
    other: Option<BorrowedFd<'_>>,
    timeout: Option<Duration>,
) -> Result<Polled> {
    let mut fds: Vec<_> = queues
        .iter()
        .map(|queue| queue.as_fd())
        .chain(other)
        .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
        .collect();
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    match poll(&mut fds, timeout.as_ref()) {
        Ok(0) | Err(Errno::INTR) => Ok(Polled::Nothing),
        Ok(_) => {
            let ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
            let queue = fds[..queues.len()].iter().any(ready);
            Ok(if queue { Polled::Queue } else { Polled::Other })
        }
        Err(source) => Err(Error::Refused {
            device: queues.first().map_or("", ZipQueue::device_name).into(),
            action: "waiting for a completion",
            source,
        }),
    }
}

/// Takes the events of all queues, so that the next poll() sleeps.
fn drain(queues: &[ZipQueue]) {
    for queue in queues {
        // That a queue is dead is seen in its status page.
        let _ = queue.take_events();
    }
}

fn hung(queues: &[ZipQueue]) -> Error {
    let queue = queues.iter().find(|queue| queue.in_flight() > 0);
    Error::Timeout {
        device: queue.map_or("", ZipQueue::device_name).into(),
        queue: queue.map_or(0, ZipQueue::id),
        seconds: HUNG.as_secs(),
    }
}
