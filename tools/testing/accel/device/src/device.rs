// SPDX-License-Identifier: GPL-2.0

//! The device as a whole: what its registers and doorbells do.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use crate::bus::Bus;
use crate::bus::Refused;
use crate::capabilities::Capabilities;
use crate::capabilities::QUEUES_SHARED;
use crate::counters::Entries;
use crate::engine::Task;
use crate::errors;
use crate::errors::Alarms;
use crate::errors::Damage;
use crate::errors::Gate;
use crate::errors::Reorder;
use crate::event::EventQueue;
use crate::event::Flushed;
use crate::faults::Faults;
use crate::lies;
use crate::lies::Lies;
use crate::mailbox::Mailbox;
use crate::overflow::Completion;
use crate::prefetch::Prefetch;
use crate::pri::PageRequests;
use crate::queue::Queue;
use crate::queue::STREAMS;
use crate::readings::Mild;
use crate::readings::Nonsense;
use crate::readings::Reading;
use crate::regs;
use crate::regs::Abnormal;
use crate::regs::RegisterFile;
use crate::shaper::Rates;
use crate::stale::LateDoorbell;
use crate::stats::Stats;

/// Revision with a doorbell page for each queue.
pub const REVISION_ISOLATED: u8 = 0x30;
/// Revision with one doorbell page for all queues.
pub const REVISION_SHARED: u8 = 0x21;

/// How many queues a function of revision 0x30 may have.
pub const QUEUES: RangeInclusive<u16> = 2..=1024;

/// The EQ has no room.
const AEQ_EQ_OVERFLOW: u32 = 1 << 17;

/// What kind of device it is.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// PCI revision: [`REVISION_ISOLATED`] or [`REVISION_SHARED`].
    pub revision: u8,
    /// Number of queues, one of [`QUEUES`]; revision 0x21 always has [`QUEUES_SHARED`].
    pub queues: u16,
    /// Jobs that are computed at a time, over all queues.
    pub engines: usize,
    /// Whether there is a test port.
    pub faults: bool,
    /// What is read mildly of what the evidence leaves open.
    pub mild: Mild,
    /// What nobody may depend on is drawn from this.
    pub seed: u64,
}

impl Config {
    /// Whether each queue has a doorbell page of its own.
    pub fn is_isolated(&self) -> bool {
        self.revision >= REVISION_ISOLATED
    }

    /// The same, with the queues that there are.
    fn with_queues(self) -> Self {
        let queues = match self.is_isolated() {
            true => self.queues,
            false => QUEUES_SHARED,
        };
        Self { queues, ..self }
    }
}

/// A register region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    /// Registers, mailbox, shared doorbells.
    Registers,
    /// A doorbell page for each queue.
    Doorbells,
}

/// Where a reset comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetKind {
    /// The driver asked for it: a function-level reset.
    Function,
    /// The machine starts anew.
    Machine,
}

/// The device.
pub struct Device {
    pub(crate) config: Config,
    pub(crate) capabilities: Capabilities,
    pub(crate) regs: RegisterFile,
    pub(crate) mailbox: Mailbox,
    pub(crate) tables: [u64; 2],
    /// First queue of the function and how many there are.
    pub(crate) range: Option<(u16, u16)>,
    pub(crate) queues: Vec<Queue>,
    pub(crate) rates: Rates,
    pub(crate) eq: EventQueue,
    pub(crate) aeq: EventQueue,
    pub(crate) requests: PageRequests,
    pub(crate) stats: Stats,
    /// Doorbells for which the device has to look in its tables.
    pub(crate) late: VecDeque<LateDoorbell>,
    /// The contexts are to be written back.
    pub(crate) writes_back: bool,
    /// Completions that wait for room.
    pub(crate) overflow: VecDeque<Completion>,
    /// Queues that may be able to go on.
    pub(crate) line: VecDeque<u16>,
    pub(crate) next_job: u64,
    /// Tasks that wait for an engine.
    pub(crate) ready: VecDeque<Box<Task>>,
    pub(crate) computing: usize,
    pub(crate) bus_master: bool,
    pub(crate) faults: Faults,
    pub(crate) lies: Lies,
    pub(crate) nonsense: Nonsense,
    pub(crate) alarms: Alarms,
    pub(crate) damage: Damage,
    pub(crate) gate: Gate,
    pub(crate) reorder: Reorder,
    pub(crate) prefetch: Prefetch,
}

impl Device {
    /// A device after power-on.
    pub fn new(config: Config) -> Self {
        let config = config.with_queues();
        let capabilities = Capabilities::new(&config);
        let mut nonsense = Nonsense::new(config.seed);
        let mut regs = RegisterFile::new(&capabilities.registers);
        if !config.mild.has(Reading::EngineBits) {
            regs.scatter(&mut nonsense);
        }
        Self {
            config,
            regs,
            mailbox: Mailbox::default(),
            tables: [0; 2],
            range: None,
            queues: (0..config.queues).map(|_| Queue::default()).collect(),
            rates: Rates::default(),
            eq: EventQueue::new(capabilities.vectors.events, config.mild),
            aeq: EventQueue::new(
                capabilities.vectors.abnormal_events,
                config.mild.with(Reading::EqOverflow),
            ),
            capabilities,
            requests: PageRequests::default(),
            stats: Stats::default(),
            late: VecDeque::new(),
            writes_back: false,
            overflow: VecDeque::new(),
            line: VecDeque::new(),
            next_job: 0,
            ready: VecDeque::new(),
            computing: 0,
            bus_master: false,
            faults: Faults::default(),
            lies: Lies::default(),
            nonsense,
            alarms: Alarms::default(),
            damage: Damage::None,
            gate: Gate::Open,
            reorder: Reorder::Clean,
            prefetch: Prefetch::default(),
        }
    }

    /// Counters and violations.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Resets everything but the counters, and the lies.
    pub fn reset(&mut self, kind: ResetKind) {
        let of_function = kind == ResetKind::Function;
        let dies = of_function && self.dies_of_reset();
        let opens = !of_function || self.config.mild.has(Reading::BusAfterReset);
        let shut = !opens && self.is_shut();
        if of_function {
            self.refuse_work("a function-level reset came");
            self.judge_prefetch();
            self.stats.flrs += 1;
        }
        let mut stats = std::mem::take(&mut self.stats);
        stats.resets += 1;
        // Jobs are numbered on, so that a computation of before the reset matches none; so are page
        // requests, for the sake of late answers.
        let (next_job, computing) = (self.next_job, self.computing);
        let lies = std::mem::take(&mut self.lies);
        let mut requests = std::mem::take(&mut self.requests);
        requests.clear();
        let shaper = match kind {
            ResetKind::Function => self.shaper_after_reset(),
            ResetKind::Machine => 0,
        };
        let gate = match kind {
            ResetKind::Function => self.gate_after_reset(),
            ResetKind::Machine => Gate::Open,
        };
        let reorder = match kind {
            ResetKind::Function => self.reorder_after_reset(),
            ResetKind::Machine => Reorder::Clean,
        };
        *self = Self {
            reorder,
            stats,
            next_job,
            computing,
            requests,
            lies,
            gate,
            ..Self::new(self.config)
        };
        self.regs.set(regs::SHAPER, shaper);
        self.regs.set(regs::MASTER_CTRL, u32::from(shut));
        if dies {
            self.die();
        }
    }

    /// The function has its power again: the platform opens its way to memory.
    pub fn power_up(&mut self) {
        self.regs.set(regs::MASTER_CTRL, 0);
        self.wake_all();
    }

    /// Bus mastering was switched on or off.
    pub fn set_bus_master(&mut self, on: bool) {
        if self.bus_master && !on {
            self.refuse_work("bus mastering was switched off");
        }
        self.bus_master = on;
    }

    /// The machine goes off. It might as well be that another kernel takes over.
    pub fn leave(&mut self) {
        if self.may_access() && self.range.is_some() {
            self.stats
                .violation("the machine went off while the function had queues".into());
        }
    }

    /// Sets the clock, in milliseconds.
    ///
    /// To be called now and then: late page requests are given up, and waiting queues try again.
    pub fn tick(&mut self, now_ms: u64) {
        self.requests.set_time(now_ms);
        for late in self.requests.expired() {
            self.page_answered(late, false);
        }
        self.wake_all();
    }

    /// Takes the answer to the page request of `group`.
    pub fn page_answer(&mut self, group: u16, granted: bool) {
        if let Some(asked) = self.requests.answer(group) {
            self.page_answered(asked, granted);
        }
    }

    fn page_answered(&mut self, asked: crate::pri::Asked, granted: bool) {
        self.stats.page_refusals += u64::from(!granted);
        let queue = &mut self.queues[usize::from(asked.queue)];
        if let Some(job) = queue.job.as_mut().filter(|job| job.id == asked.job) {
            job.page_answer(asked.page, granted);
        }
        // There is room for page requests again: others may have waited for that.
        self.wake_all();
    }

    /// Takes back a task that was given to [`Bus::compute`].
    pub fn computed(&mut self, mut task: Task) {
        self.computing -= 1;
        self.spoil(&mut task);
        let Some(queue) = self.queues.get_mut(usize::from(task.queue)) else {
            return;
        };
        let Some(job) = queue.job.as_mut().filter(|job| job.id == task.job) else {
            return;
        };
        let Some(outcome) = task.outcome else {
            return;
        };
        let goes_on = outcome.report.status.is_success();
        if let Some(part) = task.part.filter(|part| goes_on && !part.stream.is_over()) {
            queue.streams.put(part.id, part.stream);
        }
        job.computed(outcome);
        self.limit_streams();
        self.stand_in_line(task.queue);
    }

    /// Loses the oldest streams, if there are too many. To be called whenever some were put back.
    pub(crate) fn limit_streams(&mut self) {
        let count: usize = self.queues.iter().map(|queue| queue.streams.count()).sum();
        for _ in STREAMS..count {
            let streams = self.queues.iter_mut().map(|queue| &mut queue.streams);
            let oldest = streams.filter_map(|streams| Some((streams.oldest()?, streams)));
            if let Some((id, streams)) = oldest.min_by_key(|(id, _)| *id) {
                streams.take(id);
            }
        }
    }

    /// Whoever has something to do tries to go on.
    pub(crate) fn wake_all(&mut self) {
        for number in 0..self.config.queues {
            if self.queues[usize::from(number)].has_work() {
                self.stand_in_line(number);
            }
        }
    }

    /// Does what can be done. Returns whether more can be done at once.
    pub fn step(&mut self, bus: &mut dyn Bus) -> bool {
        self.perform_deeds(bus);
        if self.faults.is_removed() {
            return false;
        }
        let lies = self.tell_lie(bus);
        let works = !self.faults.device_hangs() && !self.damage.stops_all();
        if works {
            self.work(bus);
        }
        self.raise_alarms(bus);
        lies || works && self.may_access() && !self.line.is_empty()
    }

    fn work(&mut self, bus: &mut dyn Bus) {
        if self.may_access() {
            self.write_back(bus);
            self.run_mailbox(bus);
            self.answer_late_doorbells(bus);
        }
        self.take_turns(bus);
        if self.may_access() {
            self.write_overflown(bus);
        }
        self.feed_engines(bus);
        if self.may_access() {
            self.finish_stops();
            self.flush_events(bus);
        }
    }

    fn flush_events(&mut self, bus: &mut dyn Bus) {
        let may_interrupt = self.may_interrupt();
        let flushed = self.eq.flush(bus, may_interrupt);
        if self.flushed("EQ", flushed) {
            self.eq.stop();
        }
        if flushed.is_ok_and(|flushed| flushed.overflown) {
            self.stats.eq_overflows += 1;
            self.aeq.post(AEQ_EQ_OVERFLOW);
        }
        let flushed = self.aeq.flush(bus, may_interrupt);
        if self.flushed("AEQ", flushed) {
            self.aeq.stop();
        }
    }

    /// Takes note of what came of writing events. Returns whether they could not be written.
    fn flushed(&mut self, name: &str, flushed: Result<Flushed, Refused>) -> bool {
        match flushed {
            Ok(flushed) => self.stats.interrupts += u64::from(flushed.interrupted),
            Err(_) => self
                .stats
                .violation(format!("the IOMMU does not map the {name}")),
        }
        flushed.is_err()
    }

    /// Reads `size` (4 or 8) bytes at `offset` of `bar`.
    pub fn read(&mut self, bar: Bar, offset: u64, size: u8) -> u64 {
        if self.faults.is_removed() {
            return u64::MAX >> (64 - u32::from(size) * 8);
        }
        if bar == Bar::Doorbells || offset % 4 != 0 {
            return 0;
        }
        let low = u64::from(self.read_register(offset));
        match size {
            8 => low | u64::from(self.read_register(offset + 4)) << 32,
            _ => low,
        }
    }

    fn read_register(&mut self, offset: u64) -> u32 {
        const ALL_RETURNED: u32 = 3;
        let lie = self.lies.register(offset);
        if let Some(value) = lie.filter(|_| !lies::is_honest(offset)) {
            return value;
        }
        match offset {
            regs::MAILBOX..regs::MAILBOX_END => {
                self.mailbox.read((offset - regs::MAILBOX) as usize / 4)
            }
            regs::MASTER_RETURN if self.has_returned() && !self.faults.device_hangs() => {
                ALL_RETURNED
            }
            regs::PREFETCH_STATE => self.read_prefetch(),
            regs::REORDER_SOURCE if !self.config.is_isolated() => self.reorder_source(),
            regs::CACHE_WB_DONE if self.writes_back => 0,
            regs::MEM_INIT_DONE if self.damage == Damage::Dead => 0,
            regs::DOORBELL_QUEUE | regs::DOORBELL_EVENT => 0,
            _ => self
                .read_abnormal(offset)
                .or_else(|| self.read_counter(offset))
                .or_else(|| self.read_test_port(offset))
                .or_else(|| self.read_lies_port(offset))
                .unwrap_or_else(|| self.regs.get(offset)),
        }
    }

    fn read_abnormal(&self, offset: u64) -> Option<u32> {
        let group = Abnormal::at(offset)?;
        (offset == group.status).then(|| self.regs.abnormal_status(group))
    }

    /// Writes `size` (4 or 8) bytes at `offset` of `bar`. [`Self::step`] is due afterwards.
    pub fn write(&mut self, bar: Bar, offset: u64, size: u8, value: u64) {
        let halves = [value as u32, (value >> 32) as u32];
        let words = &halves[..if size == 8 { 2 } else { 1 }];
        match (bar, offset) {
            (_, offset) if offset % 4 != 0 || self.faults.is_removed() => {}
            (Bar::Doorbells, _) => self.doorbell_page(offset, size, value),
            (_, regs::DOORBELL_QUEUE) => {
                let works = size == 8 && !self.config.is_isolated();
                self.queue_doorbell(works, true, value);
            }
            (_, regs::DOORBELL_EVENT) => self.event_doorbell(value),
            (_, regs::MAILBOX..regs::MAILBOX_END) => {
                let index = (offset - regs::MAILBOX) as usize / 4;
                let fits = words.len().min(4 - index);
                self.stats.mailboxes += u64::from(self.mailbox.write(index, &words[..fits]));
            }
            _ => {
                for (word, value) in words.iter().enumerate() {
                    self.write_register(offset + word as u64 * 4, *value);
                }
            }
        }
    }

    fn write_register(&mut self, offset: u64, value: u32) {
        if self.write_test_port(offset, value) || self.write_lies_port(offset, value) {
            return;
        }
        if let Some(group) = Abnormal::at(offset) {
            return self.write_abnormal(group, offset, value);
        }
        if offset == regs::REORDER_SOURCE {
            return self.clear_reorder(value);
        }
        self.judge_write(offset, value);
        self.regs.set(offset, value);
        match offset {
            regs::EQ_INT_MASK => self.eq.set_masked(value & 1 != 0),
            regs::AEQ_INT_MASK => self.aeq.set_masked(value & 1 != 0),
            regs::CACHE_WB_START => self.writes_back |= value & 1 != 0,
            regs::MEM_INIT if value & 1 != 0 => self.forget_contexts(),
            regs::VFT_ENABLE if value & 1 != 0 => self.configure_range(),
            regs::MASTER_CTRL | regs::SHAPER => self.wake_all(),
            regs::ZIP_CONTROL => self.turn_gate(),
            regs::PREFETCH => self.begin_prefetch(),
            regs::SQE_COUNT_SELECT => self.select_counter(Entries::Submitted),
            regs::CQE_COUNT_SELECT => self.select_counter(Entries::Completed),
            _ => {}
        }
    }

    /// Notes it if the guest must not write `value` there, for all that it has been told.
    fn judge_write(&mut self, offset: u64, value: u32) {
        if self.lies.may_be_believed() {
            return;
        }
        let (cores, isolated) = (self.capabilities.cores, self.config.is_isolated());
        let fault = self.regs.fault(offset, value, cores, isolated);
        if let Some(fault) = fault.filter(|_| !self.config.mild.has(Reading::EngineBits)) {
            self.stats.violation(format!("register {fault}"));
        }
    }

    fn forget_contexts(&mut self) {
        let frees = self.config.mild.has(Reading::MailboxAfterForgetting);
        self.mailbox.forget(frees);
        self.set_range(None);
        self.queues.iter_mut().for_each(Queue::forget);
        self.writes_back = false;
        self.eq.stop();
        self.aeq.stop();
        self.tables = [0; 2];
        self.rates = Rates::default();
        if self.config.mild.has(Reading::BusAfterReset) {
            self.regs.set(regs::MASTER_CTRL, 0);
        }
    }

    fn configure_range(&mut self) {
        const SQ: u32 = 0;
        const SHAPER: u32 = 2;
        let writes = self.regs.get(regs::VFT_OP) & 1 == 0;
        let own = self.regs.get(regs::VFT_FUNCTION) & 0x3f == 0;
        if writes && own {
            match self.regs.get(regs::VFT_TYPE) {
                SQ => self.set_range(self.regs.queue_range()),
                SHAPER => self.set_rate(),
                _ => {}
            }
        }
        self.regs.set(regs::VFT_READY, 1);
    }

    /// Gives the function the queues of `range` and takes all others from it.
    fn set_range(&mut self, range: Option<(u16, u16)>) {
        self.range = range;
        for number in 0..self.config.queues {
            if self.in_range(number) {
                continue;
            }
            if self.queues[usize::from(number)].has_work() && !self.is_still() {
                self.stats.violation(format!(
                    "queue {number}: taken from the function while it had work under way"
                ));
            }
            self.queues[usize::from(number)].stop();
        }
    }

    /// Whether queue `number` is one of the function's.
    pub(crate) fn in_range(&self, number: u16) -> bool {
        number < self.config.queues
            && self.range.is_some_and(|(first, count)| {
                (first..first.saturating_add(count)).contains(&number)
            })
    }

    /// Whether the driver forbade all DMA.
    fn is_shut(&self) -> bool {
        self.regs.get(regs::MASTER_CTRL) & 1 != 0
    }

    /// Whether the driver forbade all DMA, and none is under way any more.
    fn has_returned(&self) -> bool {
        self.damage != Damage::Dead
            && self.is_shut()
            && (self.requests.is_empty() || self.lies.goes_on())
    }

    /// Whether no access to memory is due, whatever work there is.
    fn is_still(&self) -> bool {
        self.has_returned()
            || self.faults.device_hangs()
            || self.faults.is_removed()
            || self.damage.stops_all()
            || self.gate != Gate::Open
    }

    /// Whether memory may be accessed at all.
    pub(crate) fn may_access(&self) -> bool {
        let closed = self.damage.stops_all() || self.gate != Gate::Open;
        self.bus_master && !closed && (!self.is_shut() || self.lies.goes_on())
    }

    /// Queues that still need memory lose it, and their work with it.
    fn refuse_work(&mut self, why: &str) {
        if self.is_still() {
            return;
        }
        for (number, queue) in self.queues.iter_mut().enumerate() {
            if queue.has_work() {
                self.stats
                    .violation(format!("queue {number}: {why} while it had work under way"));
                queue.stop();
            }
        }
    }

    /// Queue `number` may be able to go on.
    pub(crate) fn stand_in_line(&mut self, number: u16) {
        let queue = &mut self.queues[usize::from(number)];
        if !queue.in_line {
            queue.in_line = true;
            self.line.push_back(number);
        }
    }

    fn doorbell_page(&mut self, offset: u64, size: u8, value: u64) {
        let own_page = offset / regs::DOORBELL_STRIDE == value & 0xfff;
        let place = offset % regs::DOORBELL_STRIDE == regs::DOORBELL_QUEUE;
        self.queue_doorbell(size == 8 && place, own_page, value);
    }

    /// An SQ or CQ doorbell: whether it was rung `properly`, and on the page of its queue.
    fn queue_doorbell(&mut self, properly: bool, own_page: bool, value: u64) {
        let number = (value & 0xfff) as u16;
        let index = (value >> 32) as u16;
        let arms = value >> 48 & 1 != 0;
        let tag = (value >> 16) as u16;
        let stranger = !own_page || !self.in_range(number);
        let result = match value >> 12 & 0xf {
            _ if !properly => Err(errors::DOORBELL_INVALID),
            0 if !stranger && self.queues[usize::from(number)].sq.is_none() => {
                self.ring_late(LateDoorbell { number, index, tag })
            }
            _ if tag != 0 => Err(errors::DOORBELL_INVALID),
            0 if stranger => Err(errors::SQ_INVALID),
            0 => self.sq_doorbell(number, index),
            1 if stranger => Err(errors::CQ_INVALID),
            1 => self.cq_doorbell(number, index, arms),
            _ => Err(errors::KIND_INVALID),
        };
        if let Err(error) = result {
            self.bad_doorbell(error);
        }
    }

    pub(crate) fn sq_doorbell(&mut self, number: u16, tail: u16) -> Result<(), u32> {
        let sq = self.queues[usize::from(number)].sq.as_mut();
        if !sq.ok_or(errors::SQ_INVALID)?.submit(tail) {
            return Err(errors::DOORBELL_INVALID);
        }
        self.stand_in_line(number);
        Ok(())
    }

    fn cq_doorbell(&mut self, number: u16, head: u16, arms: bool) -> Result<(), u32> {
        let cq = self.queues[usize::from(number)].cq.as_mut();
        let cq = cq.ok_or(errors::CQ_INVALID)?;
        if !cq.ring.consume(head) {
            return Err(errors::DOORBELL_INVALID);
        }
        cq.armed = arms && cq.ring.is_empty();
        if arms && !cq.ring.is_empty() && !self.faults.drops_event(&mut self.stats) {
            self.eq.post(u32::from(number));
        }
        Ok(())
    }

    fn event_doorbell(&mut self, value: u64) {
        let index = (value >> 32) as u16;
        let done = match value >> 12 & 0xf {
            2 => self.eq.consume(index),
            3 => self.aeq.consume(index),
            _ => false,
        };
        self.stats.doorbells_dropped += u64::from(!done);
    }
}
