// SPDX-License-Identifier: GPL-2.0

//! The commands of the mailbox.

use crate::bus::Bus;
use crate::context;
use crate::context::Cqc;
use crate::context::Eqc;
use crate::context::Raw;
use crate::context::CONTEXT_SIZE;
use crate::device::Device;
use crate::mailbox::Command;
use crate::mailbox::Failure;
use crate::mailbox::Order;
use crate::readings::Reading;
use crate::stale::Table;

impl Device {
    /// Carries out the command in the mailbox, unless it takes its time.
    pub(crate) fn run_mailbox(&mut self, bus: &mut dyn Bus) {
        let Some(order) = self.mailbox.order().filter(|_| !self.lies.is_silent()) else {
            return;
        };
        if let Some(answer) = self.lies.answer() {
            return self.mailbox.finish(answer);
        }
        let result = match order.command {
            None => Err(Failure::Unknown),
            Some(Command::StopQueue | Command::Flush) if !self.config.is_isolated() => {
                Err(Failure::Unknown)
            }
            Some(Command::StopQueue) if !self.in_range(order.queue) => Err(Failure::Range),
            Some(Command::StopQueue) => return self.begin_stop(bus, order.queue),
            Some(Command::Flush) => {
                return (0..self.config.queues).for_each(|queue| self.begin_stop(bus, queue))
            }
            Some(Command::QueueRange) => Ok(Some(self.range_register())),
            Some(Command::SqcTable) => Ok(self.table(Table::Sqc, order)),
            Some(Command::CqcTable) => Ok(self.table(Table::Cqc, order)),
            Some(command) if order.read => self.read_context(bus, command, order),
            Some(command) => self.write_context(bus, command, order),
        };
        self.mailbox.finish(result);
    }

    fn begin_stop(&mut self, bus: &mut dyn Bus, number: u16) {
        self.read_again(bus, number);
        let abandons = self.config.mild.has(Reading::StopDrains);
        if let Some(sq) = self.queues[usize::from(number)].sq.as_mut() {
            sq.stopping = abandons;
            self.stand_in_line(number);
        }
    }

    /// Ends queues that were told to stop and have nothing under way any more, then the command.
    pub(crate) fn finish_stops(&mut self) {
        let Some(order) = self.mailbox.order().filter(|_| !self.lies.is_silent()) else {
            return;
        };
        let numbers = match order.command {
            Some(Command::StopQueue) => order.queue..order.queue + 1,
            Some(Command::Flush) => 0..self.config.queues,
            _ => return,
        };
        let flushes = order.command == Some(Command::Flush);
        let mut all = true;
        for number in numbers {
            all &= self.finish_stop(number, flushes);
        }
        if all {
            self.mailbox.finish(Ok(None));
        }
    }

    /// Whether queue `number` is stopped.
    fn finish_stop(&mut self, number: u16, flushes: bool) -> bool {
        let queue = &mut self.queues[usize::from(number)];
        if queue.holds_up_stop() || self.requests.of_queue(number) != 0 {
            return false;
        }
        if queue.sq.is_some() {
            queue.stop();
            queue.flushed = flushes;
            self.stats.queue_stops += 1;
        }
        true
    }

    fn range_register(&self) -> u64 {
        const VALID: u64 = 1 << 44;
        match self.range {
            Some((first, count)) => {
                u64::from(first) << 28 | VALID | u64::from(count.saturating_sub(1)) << 45
            }
            None => 0,
        }
    }

    fn table(&mut self, table: Table, order: Order) -> Option<u64> {
        let base = &mut self.tables[table as usize];
        if order.read {
            return Some(*base);
        }
        *base = order.address;
        None
    }

    fn read_context(
        &mut self,
        bus: &mut dyn Bus,
        command: Command,
        order: Order,
    ) -> Result<Option<u64>, Failure> {
        let raw = match command {
            Command::Sqc | Command::Cqc if !self.in_range(order.queue) => {
                return Err(Failure::Range)
            }
            Command::Sqc => self.queues[usize::from(order.queue)].read_sqc(),
            Command::Cqc => {
                let ahead = self.lies.tail();
                self.queues[usize::from(order.queue)].read_cqc(ahead)
            }
            Command::Eqc => self.eq.read_context(),
            _ => self.aeq.read_context(),
        };
        bus.write(order.address, &raw)
            .map_err(|_| Failure::Memory)?;
        Ok(None)
    }

    fn write_context(
        &mut self,
        bus: &mut dyn Bus,
        command: Command,
        order: Order,
    ) -> Result<Option<u64>, Failure> {
        let per_queue = matches!(command, Command::Sqc | Command::Cqc);
        if per_queue && !self.in_range(order.queue) {
            return Err(Failure::Range);
        }
        let depths = self.capabilities.depths;
        let mut raw: Raw = [0; CONTEXT_SIZE];
        bus.read(order.address, &mut raw)
            .map_err(|_| Failure::Memory)?;
        match command {
            Command::Sqc => {
                self.start_sq(order.queue, raw)?;
                self.put_in_table(bus, Table::Sqc, order.queue, &raw);
            }
            Command::Cqc => {
                self.start_cq(order.queue, raw)?;
                self.put_in_table(bus, Table::Cqc, order.queue, &raw);
            }
            Command::Eqc => self.eq.start(raw, eqc(&raw, depths.events)?),
            _ => self.aeq.start(raw, eqc(&raw, depths.abnormal_events)?),
        }
        Ok(None)
    }

    fn start_sq(&mut self, number: u16, raw: Raw) -> Result<(), Failure> {
        if context::is_closed(&raw) {
            self.check_replaced(number, "SQ");
            self.queues[usize::from(number)].close(raw);
            return Ok(());
        }
        let sqc = self.parse_sqc(&raw).ok_or(Failure::Value)?;
        self.check_replaced(number, "SQ");
        self.queues[usize::from(number)].start_sq(raw, sqc);
        self.stats.queue_starts += 1;
        Ok(())
    }

    fn start_cq(&mut self, number: u16, raw: Raw) -> Result<(), Failure> {
        let cqc = Cqc::parse(&raw)
            .filter(|cqc| cqc.depth <= self.capabilities.depths.queue)
            .ok_or(Failure::Value)?;
        self.check_replaced(number, "CQ");
        self.queues[usize::from(number)].start_cq(raw, cqc);
        Ok(())
    }

    /// The older revision has one switch for all queues.
    pub(crate) fn data_uses_pasid(&self) -> bool {
        self.regs.get(crate::regs::DATA_USER) & 1 != 0
    }

    /// Whether data is accessed by PASIDs where a queue has one.
    pub(crate) fn data_may_use_pasid(&self) -> bool {
        self.config.is_isolated() || self.data_uses_pasid()
    }

    fn check_replaced(&mut self, number: u16, what: &str) {
        if self.queues[usize::from(number)].has_work() {
            self.stats.violation(format!(
                "queue {number}: {what} context replaced while it had work under way"
            ));
        }
    }
}

/// The context in `raw`, if its queue has `depth` entries at most.
fn eqc(raw: &Raw, depth: u16) -> Result<Eqc, Failure> {
    let eqc = Eqc::parse(raw).filter(|eqc| eqc.depth <= depth);
    eqc.ok_or(Failure::Value)
}
