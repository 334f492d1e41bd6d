// SPDX-License-Identifier: GPL-2.0

//! Contexts in the tables, which outlive their queues.
//!
//! What the driver tells of a queue is kept in its tables, too. A doorbell of a queue that does not
//! work makes the device look there: whatever it finds is a queue, unless it is closed. The device
//! works with copies, which it puts there again when it is told to, and takes from there anew when
//! it stops a queue.

use crate::bus::Bus;
use crate::context;
use crate::context::Cqc;
use crate::context::Raw;
use crate::context::Sqc;
use crate::context::CONTEXT_SIZE;
use crate::device::Device;
use crate::errors;
use crate::readings::Reading;

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// That of SQCs.
    Sqc = 0,
    /// That of CQCs.
    Cqc = 1,
}

/// An SQ doorbell of a queue that does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LateDoorbell {
    pub(crate) number: u16,
    pub(crate) index: u16,
    /// What has to stand in the context as well.
    pub(crate) tag: u16,
}

impl Device {
    /// Notes an SQ doorbell of a queue that does not work. Fails with an error of the queue manager
    /// if the device does not look for it.
    pub(crate) fn ring_late(&mut self, doorbell: LateDoorbell) -> Result<(), u32> {
        if self.config.mild.has(Reading::StaleContexts) {
            return Err(errors::SQ_INVALID);
        }
        // A queue has but one tail: the last counts.
        self.late.retain(|other| other.number != doorbell.number);
        self.late.push_back(doorbell);
        Ok(())
    }

    /// Looks in the tables for queues whose doorbells were rung though they do not work.
    pub(crate) fn answer_late_doorbells(&mut self, bus: &mut dyn Bus) {
        while let Some(doorbell) = self.late.pop_front() {
            let result = match self.in_range(doorbell.number) {
                true => self.revive(bus, doorbell),
                false => Err(errors::SQ_INVALID),
            };
            if let Err(error) = result {
                self.bad_doorbell(error);
            }
        }
    }

    fn revive(&mut self, bus: &mut dyn Bus, doorbell: LateDoorbell) -> Result<(), u32> {
        let LateDoorbell { number, index, tag } = doorbell;
        let at = usize::from(number);
        if self.queues[at].sq.is_none() {
            let raw = self.read_table(bus, Table::Sqc, number);
            let raw = raw.filter(|raw| !context::is_closed(raw));
            let raw = raw.ok_or(errors::SQ_INVALID)?;
            if context::tag(&raw) != tag {
                return Err(errors::DOORBELL_INVALID);
            }
            let sqc = self.parse_sqc(&raw).ok_or(errors::SQ_INVALID)?;
            self.revive_cq(bus, sqc.cq);
            if !self.queues[at].flushed {
                self.stats
                    .violation(format!("queue {number}: a doorbell has begun it again"));
            }
            self.queues[at].start_sq(raw, sqc);
        }
        self.sq_doorbell(number, index)
    }

    fn revive_cq(&mut self, bus: &mut dyn Bus, number: u16) {
        let raw = self.read_table(bus, Table::Cqc, number);
        let queue = &mut self.queues[usize::from(number)];
        if let (None, Some(raw)) = (&queue.cq, raw) {
            if let Some(cqc) = Cqc::parse(&raw) {
                queue.start_cq(raw, cqc);
            }
        }
    }

    /// Puts all contexts that the device has over what stands in the tables, if that is due and can
    /// be done. Mainline waits a millisecond for it: [`Self::step`] may come too late.
    pub fn write_back(&mut self, bus: &mut dyn Bus) {
        let works = !self.faults.device_hangs() && !self.faults.is_removed();
        if !(works && self.may_access() && std::mem::take(&mut self.writes_back)) {
            return;
        }
        for number in 0..self.config.queues {
            let queue = &self.queues[usize::from(number)];
            let contexts = [
                (Table::Sqc, queue.read_sqc()),
                (Table::Cqc, queue.read_cqc(0)),
            ];
            for (table, raw) in contexts {
                if raw != Raw::default() {
                    self.put_in_table(bus, table, number, &raw);
                }
            }
        }
    }

    /// Reads the SQC of queue `number` anew, which is going to be stopped.
    pub(crate) fn read_again(&mut self, bus: &mut dyn Bus, number: u16) {
        let works = self.queues[usize::from(number)].has_work();
        if !works || self.config.mild.has(Reading::StaleContexts) {
            return;
        }
        let raw = self.read_table(bus, Table::Sqc, number);
        if raw.is_some_and(|raw| context::is_closed(&raw)) {
            self.stats.violation(format!(
                "queue {number}: closed in its table while it had work under way"
            ));
            self.queues[usize::from(number)].stop();
        }
    }

    /// An SQC as the device works with it.
    pub(crate) fn parse_sqc(&self, raw: &Raw) -> Option<Sqc> {
        let mut sqc = Sqc::parse(raw)
            .filter(|sqc| sqc.cq < self.config.queues)
            .filter(|sqc| sqc.depth <= self.capabilities.depths.queue)?;
        if !self.config.is_isolated() {
            sqc.pasid = self.data_uses_pasid().then_some(u32::from(sqc.pasid_field));
        }
        Some(sqc)
    }

    /// Keeps a context in its table.
    pub(crate) fn put_in_table(&mut self, bus: &mut dyn Bus, table: Table, number: u16, raw: &Raw) {
        let place = self.place(table, number);
        if place.is_some_and(|place| bus.write(place, raw).is_err()) {
            self.stats
                .violation(format!("the IOMMU does not map the table of {table:?}s"));
        }
    }

    fn read_table(&self, bus: &mut dyn Bus, table: Table, number: u16) -> Option<Raw> {
        let mut raw: Raw = [0; CONTEXT_SIZE];
        bus.read(self.place(table, number)?, &mut raw).ok()?;
        Some(raw)
    }

    /// Where a context is, if the driver has given a table.
    fn place(&self, table: Table, number: u16) -> Option<u64> {
        let base = self.tables[table as usize];
        (base != 0).then(|| base.wrapping_add(u64::from(number) * CONTEXT_SIZE as u64))
    }
}
