// SPDX-License-Identifier: GPL-2.0

//! What queues have done, asked of the driver from time to time; and the watchdog, which stops a
//! queue whose job does not end.
//!
//! User space hands jobs to the device without the kernel, so the kernel has to look. One work item
//! for each device looks at all of its queues while there are any.
//!
//! Fences depend on it, so it waits for nobody: of a queue that hangs it ends the jobs, and leaves
//! the rest to another worker.

use super::{
    class,
    device::{
        Access,
        Device, //
    },
    driver::{
        AddressMode,
        Progress, //
    },
    events::Event,
    queue::Queue, //
};
use crate::{
    dma_buf::dma_fence,
    prelude::*,
    sync::{
        atomic::Relaxed,
        Arc, //
    },
    time::{
        msecs_to_jiffies,
        ClockSource,
        Monotonic, //
    },
    uapi,
    workqueue::WorkItem, //
};

/// Which of the device's work items this is.
pub(super) const SAMPLING: u64 = 1;

/// Milliseconds between two looks, where nothing wants more.
const PERIOD_MS: i64 = 1000;
/// Milliseconds between two looks at the least.
const PERIOD_MIN_MS: i64 = 10;
/// Milliseconds between two looks at queues that are to stop and have not.
const PERIOD_STOPPING_MS: i64 = 100;

/// Nanoseconds between two warnings, at the least.
const WARN_NS: i64 = 5_000_000_000;

/// What was seen of a queue.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) progress: Progress,
    /// When a job was first seen to be under way that has not ended since.
    pub(super) waiting_since: Option<i64>,
}

impl Seen {
    /// Takes in a new sample; returns for how many nanoseconds no job has ended though there is
    /// one.
    pub(super) fn update(&mut self, now: i64, progress: Progress) -> i64 {
        let moved = progress.jobs != self.progress.jobs;
        self.waiting_since = match self.waiting_since {
            _ if !progress.pending => None,
            Some(since) if !moved => Some(since),
            _ => Some(now),
        };
        self.progress = progress;
        self.waiting_since.map_or(0, |since| now - since)
    }
}

impl Device {
    /// Adds what a queue has done between two samples.
    pub(super) fn count(&self, before: &Progress, now: &Progress) {
        let counters = &self.counters;
        let jobs = now.jobs.saturating_sub(before.jobs);
        let busy_ns = now.busy_ns.saturating_sub(before.busy_ns);
        counters.jobs.fetch_add(jobs, Relaxed);
        counters.busy_ns.fetch_add(busy_ns, Relaxed);
        counters.usage_ns.store(Monotonic::ktime_get(), Relaxed);
    }

    fn sampling_period_ms(&self) -> i64 {
        let limit = self.info().job_limit;
        let period = limit.map_or(PERIOD_MS, |limit| {
            (limit.as_millis() / 4).clamp(PERIOD_MIN_MS, PERIOD_MS)
        });
        match self.recovery.stuck.load(Relaxed) {
            true => period.min(PERIOD_STOPPING_MS),
            false => period,
        }
    }

    /// Looks at the queues from now on; they have at least one.
    pub(super) fn start_sampling(self: &Arc<Self>) {
        let stuck = self.recovery.stuck.load(Relaxed);
        let tells = self.ops().queue_progress.is_some() || self.ops().submission.is_some();
        if !tells && !stuck && !self.info().modes.contains(&AddressMode::Shared) {
            return;
        }
        let delay = msecs_to_jiffies(self.sampling_period_ms() as u32);
        if let Ok(shared) = class::shared() {
            // If it is under way already, that will do.
            let _ = shared
                .signalling
                .enqueue_delayed::<_, SAMPLING>(self.clone(), delay);
        }
    }

    fn sample(self: &Arc<Self>) {
        let Ok(access) = self.operate() else {
            return;
        };
        let signalling = dma_fence::signalling();
        for queue in self.queues() {
            self.sample_queue(&access, &queue);
        }
        drop(signalling);
        drop(access);
        if self.recovery.stuck.load(Relaxed) {
            self.recover_stuck();
        }
        if self.counters.queues.load(Relaxed) != 0 {
            self.start_sampling();
        }
    }

    /// Looks at one queue, and dooms it if it hangs.
    fn sample_queue(self: &Arc<Self>, access: &Access<'_>, queue: &Queue) {
        queue.retry_job();
        let waiting = queue.sample(access, Monotonic::ktime_get());
        let limit = self.info().job_limit.or(queue.job_limit());
        let hung = limit.is_some_and(|limit| waiting >= limit.as_nanos());
        if queue.is_abandoned() {
            // Its files may be mapped in memory that somebody keeps, who waits for a page.
            let _ = queue.doom(uapi::accel_queue_state_ACCEL_QUEUE_CLOSED);
        }
        if hung && queue.doom(uapi::accel_queue_state_ACCEL_QUEUE_DEAD_TIMEOUT) {
            self.tell_timeout(access, queue, waiting);
        }
        if queue.is_doomed() && !queue.end_doomed_jobs(access) {
            self.give_up_queue(access);
        }
    }

    fn tell_timeout(&self, access: &Access<'_>, queue: &Queue, waiting: i64) {
        self.counters.timeouts.fetch_add(1, Relaxed);
        // Who uses the device can have this as often as he likes.
        let now = Monotonic::ktime_get();
        let warned = self.counters.timeout_warned.load(Relaxed);
        if warned == 0 || now - warned >= WARN_NS {
            self.counters.timeout_warned.store(now, Relaxed);
            dev_warn!(
                access.parent(),
                "queue {}: a job did not end for {} ms; the queue is stopped\n",
                queue.id(),
                waiting / 1_000_000
            );
        }
        let timeout = uapi::accel_event_type_ACCEL_EVENT_TIMEOUT;
        self.events.tell(Event {
            queue: queue.id(),
            pasid: queue.pasid(),
            pid: queue.pid(),
            ..Event::new(timeout, 0)
        });
    }
}

impl WorkItem<SAMPLING> for Device {
    type Pointer = Arc<Device>;

    fn run(device: Arc<Device>) {
        device.sample();
    }
}

#[macros::kunit_tests(rust_accel_usage)]
mod tests {
    use super::*;

    #[test]
    fn only_a_job_that_is_there_and_does_not_end_is_waited_for() {
        let mut seen = Seen::default();
        for (now, jobs, pending, waiting) in [
            (10, 0, false, 0),
            (20, 0, true, 0),
            (30, 0, true, 10),
            (40, 1, true, 0),
            (50, 1, true, 10),
            (60, 1, false, 0),
            (70, 1, true, 0),
            (90, 1, true, 20),
            (95, 9, true, 0),
        ] {
            let progress = Progress {
                jobs,
                pending,
                ..Progress::default()
            };
            assert_eq!(seen.update(now, progress), waiting);
        }
    }
}
