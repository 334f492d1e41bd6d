// SPDX-License-Identifier: GPL-2.0

//! What does the jobs of a queue: a work item of its own, which stays awake while there are jobs
//! and looks again from time to time when there are none.
//!
//! It may be stopped at any time, by those who must not wait for long, and for whom others wait to
//! signal fences. So it waits for nothing: no page of a process is brought in here, nothing is
//! allocated, and locks are held for a moment only.

use crate::{
    control::Control,
    job::{
        Completion,
        Course,
        Job,
        Outcome,
        Plan, //
    },
    memory::{
        Memory,
        Missing, //
    },
    pages::{
        Asked,
        Pages, //
    },
    ring::{
        Position,
        Ready, //
    },
    roster::Work,
    source::{
        Checked,
        Duty,
        Source, //
    },
    SimDriver, //
};
use kernel::{
    accel::{
        Device,
        Progress,
        Ticket, //
    },
    mm::fault_in::Listener,
    new_mutex,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex, //
    },
    time::{
        msecs_to_jiffies,
        ClockSource,
        Monotonic, //
    },
    uapi,
    workqueue::cancel::{
        Callback,
        Schedule, //
    }, //
};

/// How long it goes on looking for jobs after the last one.
const POLL_NS: i64 = 50_000;
/// After how long it lets others run.
const TURN_NS: i64 = 5_000_000;
/// How often it looks at the indices while it sleeps.
const TICK_MS: u32 = 10;

const NS_PER_MS: i64 = 1_000_000;

/// A job that has not ended.
struct Current {
    job: Job,
    duty: Duty,
    since: i64,
    doing: Doing,
    course: Course,
    /// The last page that it has asked for.
    asked: Option<Asked>,
}

#[derive(Copy, Clone)]
enum Doing {
    Computing,
    Waiting(Missing),
    SleepingUntil(i64),
    Hanging,
}

/// Where a queue is.
struct State {
    at: Position,
    current: Option<Current>,
    /// Room for a page, taken out while a job uses it.
    bounce: KVec<u8>,
    done: Progress,
    /// When the last job ended.
    last: i64,
    /// Takes no job any more, as the administrator wants.
    hung: bool,
}

/// The worker of a queue.
#[pin_data]
pub(crate) struct Worker {
    id: u32,
    device: Arc<Device>,
    control: Arc<Control>,
    source: Source,
    /// Jobs that it does before it lets others run.
    turn: u32,
    /// When it was made, by [`Control::epoch`].
    epoch: u32,
    stopped: Atomic<bool>,
    pages: Pages,
    #[pin]
    state: Mutex<State>,
}

/// What a worker does next.
enum Next {
    /// The same again, after others.
    Again,
    /// The same again in so many milliseconds, or when it is kicked.
    In(u32),
    /// Nothing, until it is kicked.
    Nothing,
}

/// What became of an attempt to do a job.
enum Step {
    Done,
    Idle,
    Stop(Next),
}

impl Worker {
    pub(crate) fn new(
        id: u32,
        device: Arc<Device>,
        control: Arc<Control>,
        source: Source,
        pages: Pages,
        turn: u32,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            id,
            device,
            epoch: control.epoch(),
            control,
            source,
            turn,
            stopped: Atomic::new(false),
            pages,
            state <- new_mutex!(State {
                at: Position::default(),
                current: None,
                bounce: KVec::from_elem(0, PAGE_SIZE, GFP_KERNEL_ACCOUNT)?,
                done: Progress::default(),
                last: 0,
                hung: false,
            }),
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Lets it take no job any more, until the device is reset.
    pub(crate) fn hang(&self) {
        self.state.lock().hung = true;
    }

    /// Lets answers about its pages kick it.
    pub(crate) fn listen(&self, work: &Arc<Work>) -> Result<Option<Listener>> {
        self.pages.kick(work)
    }

    /// Lets it begin nothing any more. [`cancel`](Work::cancel) waits for what it is at.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed) || self.control.halted_since(self.epoch)
    }

    /// Takes a job of the core's; gives the ticket back if there is no room.
    pub(crate) fn put(
        &self,
        checked: &Checked,
        ticket: Ticket<SimDriver>,
    ) -> Result<(), Ticket<SimDriver>> {
        self.source.put(checked, ticket)
    }

    /// What the queue has done, the job under way included.
    pub(crate) fn progress(&self) -> Result<Progress> {
        let state = self.state.lock();
        let current = state.current.as_ref();
        let under_way = current.map_or(0, |current| Monotonic::ktime_get() - current.since);
        Ok(Progress {
            busy_ns: state.done.busy_ns + under_way as u64,
            pending: current.is_some() || self.source.ready(&state.at)? == Ready::Job,
            ..state.done
        })
    }

    /// Does jobs, for as long as it is this worker's turn.
    fn take_turn(&self) -> Result<Next> {
        if self.is_stopped() {
            return Ok(Next::Nothing);
        }
        self.source.set_flags(0)?;
        let began = Monotonic::ktime_get();
        for _ in 0..self.turn {
            if self.is_stopped() {
                return Ok(Next::Nothing);
            }
            match self.step()? {
                Step::Done if Monotonic::ktime_get() - began < TURN_NS => {}
                Step::Done => break,
                Step::Idle => return self.rest(),
                Step::Stop(next) => return Ok(next),
            }
        }
        Ok(Next::Again)
    }

    /// There is no job that could be done. Goes to sleep, if that has been so for a while.
    fn rest(&self) -> Result<Next> {
        let state = self.state.lock();
        if Monotonic::ktime_get() - state.last < POLL_NS {
            return Ok(Next::Again);
        }
        let bad = match self.source.ready(&state.at)? {
            Ready::BadIndex => uapi::ACCEL_SIM_BAD_INDEX,
            _ => 0,
        };
        self.source.set_flags(uapi::ACCEL_SIM_NEEDS_KICK | bad)?;
        // What was stored before is seen now, what is stored later comes with a kick.
        match self.source.ready(&state.at)? {
            Ready::Job => Ok(Next::Again),
            _ => Ok(Next::In(TICK_MS)),
        }
    }

    /// Goes on with the job under way, or takes the next one.
    fn step(&self) -> Result<Step> {
        let mut state = self.state.lock();
        if state.hung || self.control.hangs() {
            return Ok(Step::Stop(Next::Nothing));
        }
        if let Some(current) = &state.current {
            let (job, doing) = (current.job, current.doing);
            drop(state);
            return self.go_on(&job, doing);
        }
        if self.source.ready(&state.at)? != Ready::Job {
            return Ok(Step::Idle);
        }
        let (job, duty) = self.source.take(&mut state.at)?;
        let plan = if self.control.take_fault() {
            Plan::End(job.faulted())
        } else {
            job.plan()
        };
        let since = Monotonic::ktime_get();
        let doing = match plan {
            Plan::Sleep(ms) => Doing::SleepingUntil(since + i64::from(ms) * NS_PER_MS),
            Plan::Hang => Doing::Hanging,
            Plan::End(_) | Plan::Compute => Doing::Computing,
        };
        state.current = Some(Current {
            job,
            duty,
            since,
            doing,
            course: Course::START,
            asked: None,
        });
        drop(state);
        match plan {
            Plan::End(completion) => self.end(&job, completion),
            _ => self.go_on(&job, doing),
        }
    }

    fn go_on(&self, job: &Job, doing: Doing) -> Result<Step> {
        match doing {
            Doing::Computing => self.compute(job),
            Doing::Hanging => Ok(Step::Stop(Next::Nothing)),
            Doing::Waiting(page) => match self.pages.answer() {
                // It was kicked for another reason.
                None => Ok(Step::Stop(Next::Nothing)),
                Some(Ok(())) => self.compute(job),
                Some(Err(_)) => self.refuse(job, page),
            },
            Doing::SleepingUntil(end) => {
                let left = end - Monotonic::ktime_get();
                if left <= 0 {
                    return self.end(job, job.done());
                }
                // At most `ACCEL_SIM_SLEEP_MAX`.
                let ms = (left / NS_PER_MS) as u32 + 1;
                Ok(Step::Stop(Next::In(ms)))
            }
        }
    }

    fn compute(&self, job: &Job) -> Result<Step> {
        let mut state = self.state.lock();
        let mut bounce = core::mem::take(&mut state.bounce);
        let current = state.current.as_ref();
        let (memory, mut course) = current.map_or((Memory::Nothing, Course::START), |current| {
            (current.duty.memory.clone(), current.course)
        });
        drop(state);
        let outcome = memory
            .with(|access| job.compute(access, &mut course, &mut bounce, || self.is_stopped()));
        let mut state = self.state.lock();
        state.bounce = bounce;
        if let Some(current) = &mut state.current {
            current.course = course;
        }
        drop(state);
        match outcome {
            Outcome::End(completion) => self.end(job, completion),
            Outcome::Stopped => Ok(Step::Stop(Next::Nothing)),
            Outcome::Missing(page) => self.ask(job, page),
        }
    }

    /// Asks for a page, and leaves the job until the answer comes.
    fn ask(&self, job: &Job, page: Missing) -> Result<Step> {
        let mut state = self.state.lock();
        if let Some(current) = &mut state.current {
            let asked = Asked::next(current.asked, page);
            current.asked = Some(asked);
            current.doing = Doing::Waiting(page);
            if self.pages.ask(&asked, job.rest(&current.course)).is_ok() {
                return Ok(Step::Stop(Next::Nothing));
            }
        }
        drop(state);
        self.refuse(job, page)
    }

    /// Ends a job that can't have the page.
    fn refuse(&self, job: &Job, page: Missing) -> Result<Step> {
        let state = self.state.lock();
        let current = state.current.as_ref();
        let course = current.map_or(Course::START, |current| current.course);
        drop(state);
        self.end(job, job.refused(&course, page.address))
    }

    fn end(&self, job: &Job, completion: Completion) -> Result<Step> {
        self.count(job, completion)?;
        if let Some(fault) = completion.fault() {
            self.device.report_fault(self.id, fault.address);
        }
        if job.wants_event() {
            self.device.complete(self.id);
        }
        Ok(Step::Done)
    }

    fn count(&self, job: &Job, completion: Completion) -> Result {
        self.control.count_job();
        let state = &mut *self.state.lock();
        let now = Monotonic::ktime_get();
        let Some(current) = state.current.take() else {
            return Ok(());
        };
        state.done.jobs += 1;
        state.done.bytes += job.traffic(&completion);
        state.done.busy_ns += (now - current.since) as u64;
        state.last = now;
        self.source
            .complete(&mut state.at, current.duty, completion)
    }
}

impl Callback for Worker {
    fn run(&self, schedule: &Schedule) {
        match self.take_turn() {
            Ok(Next::Again) => schedule.schedule(0),
            Ok(Next::In(ms)) => schedule.schedule(msecs_to_jiffies(ms)),
            Ok(Next::Nothing) => false,
            Err(e) => {
                pr_err!("queue {}: its rings can't be reached: {e:?}\n", self.id);
                false
            }
        };
    }
}
