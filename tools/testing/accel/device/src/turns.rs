// SPDX-License-Identifier: GPL-2.0

//! Queues take turns.

use crate::bus::Bus;
use crate::counters::Entries;
use crate::device::Device;
use crate::engine::Task;
use crate::job::Job;
use crate::job::Next;
use crate::job::Setting;
use crate::overflow::Completion;
use crate::readings::Reading;
use crate::regs;
use crate::sgl::Limits;
use crate::sqe::Report;
use crate::sqe::Sqe;
use crate::sqe::Status;
use crate::sqe::SQE_SIZE;
use crate::transfer::Turn;

/// Turns in one step. What is left comes with the next one, and whoever hosts the device can do
/// something else in between.
const TURNS: usize = 16;
/// Pages that may be touched in one turn.
const PAGES: usize = 64;

/// Whether a queue wants another turn at once.
#[derive(PartialEq, Eq)]
enum After {
    Again,
    Rest,
}

impl Device {
    /// Gives the queues in line a turn each.
    pub(crate) fn take_turns(&mut self, bus: &mut dyn Bus) {
        if !self.may_access() {
            return;
        }
        for _ in 0..TURNS {
            let Some(number) = self.line.pop_front() else {
                return;
            };
            self.queues[usize::from(number)].in_line = false;
            if self.turn(bus, number) == After::Again {
                self.stand_in_line(number);
            }
        }
    }

    fn turn(&mut self, bus: &mut dyn Bus, number: u16) -> After {
        if self.queues[usize::from(number)].hang.is_some() {
            return After::Rest;
        }
        if self.queues[usize::from(number)].job.is_none() && !self.begin_job(bus, number) {
            return After::Rest;
        }
        let own = !self.data_may_use_pasid();
        let queue = &mut self.queues[usize::from(number)];
        let Some(job) = queue.job.as_mut() else {
            return After::Rest;
        };
        let mut turn = Turn {
            bus,
            requests: &mut self.requests,
            page_requests: &mut self.stats.page_requests,
            scatter_lists: &mut self.stats.scatter_lists,
            queue: number,
            job: job.id,
            own,
            pages: PAGES,
        };
        match job.advance(&mut turn, &mut queue.streams) {
            Next::Turn => After::Again,
            Next::Wait => After::Rest,
            Next::Compute(task) => {
                // Another of its queue is of a job that is gone.
                self.ready.retain(|other| other.queue != number);
                self.ready.push_back(task);
                After::Rest
            }
            Next::Done(report) => {
                self.limit_streams();
                self.complete(bus, number, report);
                After::Again
            }
        }
    }

    /// Gives the engines that are free something to do.
    pub(crate) fn feed_engines(&mut self, bus: &mut dyn Bus) {
        while self.computing < self.config.engines {
            let Some(task) = self.ready.pop_front() else {
                return;
            };
            if self.is_awaited(&task) {
                self.computing += 1;
                bus.compute(task);
            }
        }
    }

    /// Whether the job is still there that the task is of.
    fn is_awaited(&self, task: &Task) -> bool {
        let job = self.queues[usize::from(task.queue)].job.as_ref();
        job.is_some_and(|job| job.id == task.job)
    }

    /// Begins the next job of queue `number`. False if there is none.
    fn begin_job(&mut self, bus: &mut dyn Bus, number: u16) -> bool {
        let sq = self.queues[usize::from(number)].sq.as_ref();
        if sq.is_some_and(|sq| self.is_held_up(sq.sqc.direction)) {
            return false;
        }
        let fast = self.regs.get(regs::HIGH_PERF) & 1 != 0;
        let isolated = self.config.is_isolated();
        let queue = &mut self.queues[usize::from(number)];
        let Some(sq) = queue.sq.as_mut().filter(|sq| sq.has_entries()) else {
            return false;
        };
        let (address, index) = sq.take();
        let mut sqe = Sqe([0; SQE_SIZE]);
        if bus.read(address, &mut sqe.0).is_err() {
            self.dead_ring(number, "SQ");
            return false;
        }
        let setting = Setting {
            pasid: sq.sqc.pasid,
            direction: sq.sqc.direction,
            fast,
            mild: self.config.mild,
            seed: self.nonsense.draw(),
            layout: if isolated { 3 } else { 0 },
            raw_deflate: isolated,
            limits: match self.config.mild.has(Reading::ListLimits) {
                true => Limits::NONE,
                false => Limits::KNOWN,
            },
            has_windows: isolated,
            whole_window: self.config.mild.has(Reading::Windows),
        };
        queue.job = Some(Job::begin(self.next_job, index, sqe, setting));
        self.count_entry(number, Entries::Submitted);
        self.next_job += 1;
        true
    }

    /// Reports that the job of queue `number` is over.
    fn complete(&mut self, bus: &mut dyn Bus, number: u16, mut report: Report) {
        let queue = &mut self.queues[usize::from(number)];
        let (Some(mut job), Some(sq)) = (queue.job.take(), queue.sq.as_ref()) else {
            return;
        };
        self.lies.distort(&mut report);
        let (entry, cq) = (sq.entry(job.index), sq.sqc.cq);
        self.count(&report);
        if job.is_own() || !self.data_may_use_pasid() {
            self.judge(number, report.status);
        }
        self.raise(regs::ZIP_ABNORMAL, self.errors_of(&job, report.status));
        if self.damage.stops_all() {
            return;
        }
        let mild = self.config.mild;
        job.sqe.set_report(&report, mild, self.config.seed);
        if bus.write(entry, &job.sqe.0).is_err() {
            return self.dead_ring(number, "SQ");
        }
        let completion = Completion {
            cq,
            sq: number,
            index: job.index,
        };
        self.push_completion(bus, completion);
    }

    fn count(&mut self, report: &Report) {
        self.stats.jobs += 1;
        self.stats.job_errors += u64::from(!report.status.is_success());
        self.stats.faults += u64::from(report.status.is_fault());
        self.stats.words_lost += u64::from(report.status == Status::LostWords);
        self.stats.bytes_in += u64::from(report.consumed);
        self.stats.bytes_out += u64::from(report.produced);
    }

    /// Where data is accessed by the function's own id, the driver answers for what its jobs name.
    fn judge(&mut self, number: u16, status: Status) {
        let what = match status {
            Status::BadList => "a malformed scatter list",
            _ if status.is_fault() => "the IOMMU does not map its data",
            _ => return,
        };
        self.stats.violation(format!("queue {number}: {what}"));
    }

    pub(crate) fn dead_ring(&mut self, number: u16, what: &str) {
        // A driver that was told that the queue has stopped may take its rings away.
        if !self.lies.pretends() {
            self.stats
                .violation(format!("queue {number}: the IOMMU does not map its {what}"));
        }
        self.queues[usize::from(number)].stop();
    }
}
