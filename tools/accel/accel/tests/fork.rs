// SPDX-License-Identifier: GPL-2.0 OR MIT
//! A child of `fork()` and the queues of its parent. Alone in its process: `fork()` takes but one
//! thread along.

use std::sync::Arc;

use accel::Error;
use accel::hisi_zip::{Algorithm, Direction, Job, Wait, ZipQueue};
use accel::memory::{Memory, Source};
use accel_fake::{Fate, Watcher};

fn job() -> Job {
    let source = Source::new(Memory::new(4096).unwrap(), 0, 4096);
    Job::new(0, Algorithm::Gzip, source, Memory::new(8192).unwrap())
}

/// What a child finds.
fn is_refused(mut queue: ZipQueue) -> bool {
    let forked = |error: &Error| matches!(error, Error::Forked { queue: 5, .. });
    let refused = queue.vacancy().unwrap().submit(job()).unwrap_err();
    let waited = queue.wait(Wait::Spin, None).unwrap_err();
    forked(&queue.poll().unwrap_err())
        && forked(&refused.error)
        && forked(&waited)
        // Its parent's engine still works on these.
        && queue.take_back().is_empty()
}

#[test]
fn a_child_is_told_that_a_queue_is_its_parents() {
    let watcher = Arc::<Watcher>::default();
    let plan = Box::new(|n| if n == 0 { Fate::Late } else { Fate::Do });
    let mut queue = accel_fake::queue(Direction::Compress, 4, &watcher, plan).unwrap();
    queue.vacancy().unwrap().submit(job()).unwrap();
    // SAFETY: the child has what it needs of its own, runs what is below, and ends.
    match unsafe { libc::fork() } {
        0 => {
            let status = i32::from(!is_refused(queue));
            // SAFETY: it ends the child.
            unsafe { libc::_exit(status) }
        }
        child => {
            let mut status = 0;
            // SAFETY: `status` is a valid place for the answer.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!(status, 0);
        }
    }
    queue.vacancy().unwrap().submit(job()).unwrap();
    for _ in 0..2 {
        assert!(queue.wait(Wait::Auto, None).unwrap());
        assert!(queue.poll().unwrap().unwrap().result.is_ok());
    }
    assert_eq!(watcher.violations(), [""; 0]);
}
