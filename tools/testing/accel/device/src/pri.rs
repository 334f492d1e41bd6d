// SPDX-License-Identifier: GPL-2.0

//! Page requests on their way.

use std::collections::HashMap;

use crate::bus::Bus;
use crate::bus::PageRequest;

/// Page request groups that PCI can tell apart.
const GROUPS: u16 = 512;
/// Most requests on their way at a time.
const LIMIT: usize = 32;
/// Most of one queue, so that a queue whose requests hang leaves room for others.
const LIMIT_PER_QUEUE: usize = 16;
/// After this many milliseconds without an answer a request counts as refused.
const TIMEOUT_MS: u64 = 30_000;

/// Who asked for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Queue that needs the page.
    pub queue: u16,
    /// Job of that queue.
    pub job: u64,
    /// Index of the page in the job's transfer.
    pub page: usize,
    expires_ms: u64,
}

/// All page requests that are not answered yet.
#[derive(Default)]
pub struct PageRequests {
    asked: HashMap<u16, Asked>,
    next: u16,
    now_ms: u64,
}

impl PageRequests {
    /// Sets the clock, in milliseconds.
    pub fn set_time(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    /// How many requests of `queue` are unanswered.
    pub fn of_queue(&self, queue: u16) -> usize {
        self.asked
            .values()
            .filter(|asked| asked.queue == queue)
            .count()
    }

    /// Whether nothing is unanswered.
    pub fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// Requests the page at `address`: page number `page` of the transfer of job `job` of `queue`.
    pub fn send(
        &mut self,
        bus: &mut dyn Bus,
        (queue, job, page): (u16, u64, usize),
        (pasid, address, write): (u32, u64, bool),
    ) -> PageRequest {
        if self.asked.len() >= LIMIT || self.of_queue(queue) >= LIMIT_PER_QUEUE {
            return PageRequest::Busy;
        }
        let group = self.free_group();
        let sent = bus.request_page(pasid, address, write, group);
        if sent == PageRequest::Sent {
            let expires_ms = self.now_ms + TIMEOUT_MS;
            self.asked.insert(
                group,
                Asked {
                    queue,
                    job,
                    page,
                    expires_ms,
                },
            );
        }
        sent
    }

    /// Takes the request that `group` answers, if any.
    pub fn answer(&mut self, group: u16) -> Option<Asked> {
        self.asked.remove(&group)
    }

    /// Takes the requests that have waited too long.
    pub fn expired(&mut self) -> Vec<Asked> {
        let now = self.now_ms;
        let late: Vec<u16> = self
            .asked
            .iter()
            .filter(|(_, a)| a.expires_ms <= now)
            .map(|(group, _)| *group)
            .collect();
        late.iter()
            .filter_map(|group| self.asked.remove(group))
            .collect()
    }

    /// Forgets all requests.
    pub fn clear(&mut self) {
        self.asked.clear();
    }

    /// Groups are used in turn: a late answer then meets an unused one rather than a new request.
    fn free_group(&mut self) -> u16 {
        while self.asked.contains_key(&self.next) {
            self.next = (self.next + 1) % GROUPS;
        }
        let group = self.next;
        self.next = (self.next + 1) % GROUPS;
        group
    }
}
