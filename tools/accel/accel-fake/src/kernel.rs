// SPDX-License-Identifier: GPL-2.0
//! The engine behind a kernel that hands jobs over and writes records.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use accel::{Region, Submission, SubmitPort, uapi};
use rustix::io::Errno;

use crate::space::{Handed, Reach};
use crate::streams::{Outcome, Output, Request, STATUS, Streams};
use crate::{Fate, Plan, Watcher};

/// A job, and the buffers that it names.
pub(crate) struct Handover {
    sqe: uapi::HisiZipSqe,
    reach: Reach,
}

/// The system call: a wire to the engine's thread.
pub(crate) struct Call {
    wire: Sender<Handover>,
    depth: u64,
    submitted: u64,
    /// Jobs whose places are free again.
    ended: Arc<AtomicU64>,
}

impl Call {
    pub(crate) fn new(wire: Sender<Handover>, depth: u64, ended: Arc<AtomicU64>) -> Self {
        Self {
            wire,
            depth,
            submitted: 0,
            ended,
        }
    }
}

impl SubmitPort for Call {
    fn submit(&mut self, submission: &Submission<'_>) -> Result<Option<OwnedFd>, Errno> {
        if submission.out_fence || !submission.in_fences.is_empty() {
            return Err(Errno::OPNOTSUPP);
        }
        if submission.count()? != 1 || submission.job_size != uapi::HISI_ZIP_SQE_SIZE {
            return Err(Errno::INVAL);
        }
        if self.submitted - self.ended.load(Ordering::Acquire) >= self.depth {
            return Err(Errno::AGAIN);
        }
        let buffers = submission.buffers.iter();
        let handed = buffers.map(|buffer| Handed::new(buffer.fd, buffer.access));
        let job = Handover {
            sqe: uapi::read(submission.jobs),
            reach: Reach::Buffers(handed.collect::<Result<_, _>>()?),
        };
        self.submitted += 1;
        // The thread is gone if the queue is dead.
        self.wire.send(job).map_err(|_| Errno::NODEV)?;
        Ok(None)
    }
}

pub(crate) struct Parts {
    pub(crate) depth: u64,
    pub(crate) records: Region,
    pub(crate) status: Region,
    pub(crate) events: OwnedFd,
    pub(crate) watcher: Arc<Watcher>,
    pub(crate) plan: Plan,
    pub(crate) ended: Arc<AtomicU64>,
}

/// Works until the queue is dropped or the plan says that it ends.
pub(crate) fn serve(mut parts: Parts, mut streams: Streams, jobs: &Receiver<Handover>) {
    for (number, job) in (0..).zip(jobs) {
        let outcome = match (parts.plan)(number) {
            Fate::Do => streams.perform(&request(&job.sqe), &job.reach, Output::Stored),
            Fate::Lost => streams.perform(&request(&job.sqe), &job.reach, Output::Lost),
            Fate::Wrong => streams.perform(&request(&job.sqe), &job.reach, Output::Wrong),
            Fate::Damaged => streams.perform(&request(&job.sqe), &job.reach, Output::Damaged),
            Fate::Status(status) => Outcome::error(status),
            Fate::Errno(errno) => {
                parts.record(number, &job.sqe, &Outcome::error(0), errno.into());
                continue;
            }
            Fate::Hang => {
                // As a device that hangs: jobs are taken, nothing comes of them.
                jobs.iter().for_each(drop);
                return;
            }
            Fate::Die(state) => {
                parts.status.write(0, state);
                parts.raise();
                return;
            }
            Fate::Late | Fate::WrongEntry | Fate::WrongTag => panic!("records have an order"),
        };
        let error = if is_known(outcome.status) { 0 } else { EIO };
        parts.record(number, &job.sqe, &outcome, error);
    }
}

const EIO: i32 = 5;

/// How much later than it is told the place of a job is free, now and then.
const LAG: Duration = Duration::from_micros(500);

/// Whether the status is one of `enum hisi_zip_status`.
fn is_known(status: u32) -> bool {
    [
        uapi::HISI_ZIP_OK,
        uapi::HISI_ZIP_NEGATIVE,
        uapi::HISI_ZIP_NO_ROOM,
        uapi::HISI_ZIP_BAD_CHECKSUM,
        uapi::HISI_ZIP_STREAM_END,
    ]
    .contains(&(status & 0xff))
}

fn request(sqe: &uapi::HisiZipSqe) -> Request {
    let wide = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
    Request {
        flags: sqe.r#type,
        algorithm: sqe.algorithm,
        input: wide(sqe.source_h, sqe.source_l),
        input_len: sqe.input_data_length as usize,
        output: wide(sqe.dest_h, sqe.dest_l),
        output_room: sqe.dest_avail_out as usize,
        context: wide(sqe.ctx_h, sqe.ctx_l),
        carried: [
            sqe.stream_state,
            sqe.ctx_dw1,
            sqe.ctx_dw2,
            sqe.plain_length,
            sqe.checksum,
        ],
    }
}

impl Parts {
    /// Writes what became of a job, its number last.
    fn record(&self, number: u64, sqe: &uapi::HisiZipSqe, outcome: &Outcome, error: i32) {
        let [stream_state, ctx_dw1, ctx_dw2, plain_length, checksum] = outcome.carried;
        let record = uapi::HisiZipRecord {
            head: uapi::JobRecord {
                error,
                ..Default::default()
            },
            sqe: uapi::HisiZipSqe {
                consumed: outcome.consumed,
                produced: outcome.produced,
                status: sqe.status & !STATUS | outcome.status,
                stream_state,
                ctx_dw1,
                ctx_dw2,
                plain_length,
                checksum,
                ..*sqe
            },
        };
        let place = (number % self.depth) as usize * size_of_val(&record);
        let bytes = uapi::bytes_of(std::slice::from_ref(&record));
        self.records.write_bytes(place + 8, &bytes[8..]);
        self.watcher.count_job();
        fence(Ordering::SeqCst);
        self.records.write(place, number + 1);
        self.raise();
        if number % 5 == 0 {
            std::thread::sleep(LAG);
        }
        self.ended.store(number + 1, Ordering::Release);
    }

    fn raise(&self) {
        rustix::io::write(&self.events, &1u64.to_ne_bytes()).expect("an eventfd");
    }
}
