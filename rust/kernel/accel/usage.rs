// SPDX-License-Identifier: GPL-2.0

//! What queues have done, asked of the driver from time to time; and the watchdog, which stops a
//! queue whose job does not end.
//!
//! User space hands jobs to the device without the kernel, so the kernel has to look. One work item
//! for each device looks at all of its queues while there are any. It is not cancelled: it holds a
//! reference to the device, and ends when the device is gone.

use super::{
    device::{
        Access,
        Device, //
    },
    driver::Progress,
    events::Event,
    queue::Queue, //
};
use crate::{
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
    workqueue::{
        self,
        WorkItem, //
    }, //
};

/// Which of the device's work items this is.
pub(super) const SAMPLING: u64 = 1;

/// Milliseconds between two looks, where nothing wants more.
const PERIOD_MS: i64 = 1000;
/// Milliseconds between two looks at the least.
const PERIOD_MIN_MS: i64 = 10;

/// What was seen of a queue.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) progress: Progress,
    /// When a job was first seen to be under way that has not ended since.
    waiting_since: Option<i64>,
}

impl Seen {
    /// Takes in a new sample; returns for how many nanoseconds no job has ended though there is
    /// one.
    fn update(&mut self, now: i64, progress: Progress) -> i64 {
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
        limit.map_or(PERIOD_MS, |limit| {
            (limit.as_millis() / 4).clamp(PERIOD_MIN_MS, PERIOD_MS)
        })
    }

    /// Looks at the queues from now on; they have at least one.
    pub(super) fn start_sampling(self: &Arc<Self>) {
        if self.ops().queue_progress.is_none() {
            return;
        }
        let delay = msecs_to_jiffies(self.sampling_period_ms() as u32);
        // If it is under way already, that will do.
        let _ = workqueue::system_dfl().enqueue_delayed::<_, SAMPLING>(self.clone(), delay);
    }

    fn sample(self: &Arc<Self>) {
        let Ok(access) = self.operate() else {
            return;
        };
        let mut hung = false;
        for id in 0..self.slots.len() {
            if let Some(queue) = self.slots.get(id) {
                hung |= self.sample_queue(&access, &queue);
            }
        }
        drop(access);
        if hung {
            self.recover_stuck();
        }
        if self.counters.queues.load(Relaxed) != 0 {
            self.start_sampling();
        }
    }

    /// Looks at one queue, and stops it if it hangs; returns whether it does not stop.
    fn sample_queue(self: &Arc<Self>, access: &Access<'_>, queue: &Arc<Queue>) -> bool {
        let now = Monotonic::ktime_get();
        let Some(waiting) = queue.sample(access, |seen, progress| seen.update(now, progress))
        else {
            return false;
        };
        let limit = self.info().job_limit.or(queue.job_limit());
        if limit.is_none_or(|limit| waiting < limit.as_nanos()) {
            return false;
        }

        self.counters.timeouts.fetch_add(1, Relaxed);
        dev_warn!(
            access.parent(),
            "queue {}: a job did not end for {} ms; the queue is stopped\n",
            queue.id(),
            waiting / 1_000_000
        );
        let timeout = uapi::accel_event_type_ACCEL_EVENT_TIMEOUT;
        self.events.tell(Event {
            queue: queue.id(),
            pasid: queue.pasid(),
            pid: queue.pid(),
            ..Event::new(timeout, 0)
        });
        !queue.kill(access, uapi::accel_queue_state_ACCEL_QUEUE_DEAD_TIMEOUT)
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
