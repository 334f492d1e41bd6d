// SPDX-License-Identifier: GPL-2.0

//! A copy between a job's memory and the device, which goes on where it was when pages arrive.

use std::collections::VecDeque;
use std::ops::Range;

use crate::bus::Bus;
use crate::bus::DataAccess;
use crate::bus::PageRequest;
use crate::bus::PAGE_SIZE;
use crate::pri::PageRequests;

/// How often a page that was granted may be gone again before the job is given up.
const MAX_TRIES: u8 = 16;

/// Where a transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All bytes were copied.
    Done,
    /// The turn is over, more can be done at once.
    TurnOver,
    /// Nothing can be done until a page request is answered.
    Waiting,
    /// An address is not accessible.
    Fault,
}

/// What a transfer works with, and for how long.
pub struct Turn<'a> {
    /// The way to memory.
    pub bus: &'a mut dyn Bus,
    /// Page requests on their way.
    pub requests: &'a mut PageRequests,
    /// Counts what is sent.
    pub page_requests: &'a mut u64,
    /// Counts the scatter lists that were read.
    pub scatter_lists: &'a mut u64,
    /// The queue.
    pub queue: u16,
    /// The job.
    pub job: u64,
    /// Data is accessed by the function's own id, whatever the job's address space is.
    pub own: bool,
    /// Pages that may be touched before it is another queue's turn.
    pub pages: usize,
}

/// Whether data is fetched or delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the guest's memory.
    Fetch,
    /// Into the guest's memory.
    Deliver,
}

/// A piece of an address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Address of its first byte.
    pub address: u64,
    /// Bytes.
    pub length: usize,
}

impl Segment {
    /// The `length` bytes at `address`.
    pub fn new(address: u64, length: usize) -> Self {
        Self { address, length }
    }

    /// Whether it goes beyond the last address.
    pub fn overflows(&self) -> bool {
        self.address.checked_add(self.length as u64).is_none()
    }

    fn pages(&self) -> usize {
        if self.length == 0 {
            return 0;
        }
        (self.address % PAGE_SIZE + self.length as u64).div_ceil(PAGE_SIZE) as usize
    }
}

/// A piece with what comes before it.
struct Placed {
    segment: Segment,
    first_page: usize,
    first_byte: usize,
}

/// A copy under way.
///
/// Each page is copied once; the cost of a cold buffer is linear in its pages. Pages are numbered in
/// the order of the data; one that two pieces share has two numbers.
pub struct Transfer {
    pasid: Option<u32>,
    way: Way,
    placed: Vec<Placed>,
    data: Vec<u8>,
    pages: usize,
    /// First page that was never tried.
    next: usize,
    /// Pages to be tried again, and how often they were.
    again: VecDeque<(usize, u8)>,
    /// Pages asked for, and how often they were.
    asked: Vec<(usize, u8)>,
    refused: bool,
}

impl Transfer {
    /// Will fetch what lies in `segments` of the address space `pasid` (`None`: the function's own).
    pub fn fetch(pasid: Option<u32>, segments: Vec<Segment>) -> Self {
        let length = segments.iter().map(|segment| segment.length).sum();
        Self::new(pasid, segments, Way::Fetch, vec![0; length])
    }

    /// Will deliver `data` to `segments`, which may have room for more.
    pub fn deliver(pasid: Option<u32>, segments: Vec<Segment>, data: Vec<u8>) -> Self {
        Self::new(pasid, segments, Way::Deliver, data)
    }

    fn new(pasid: Option<u32>, segments: Vec<Segment>, way: Way, data: Vec<u8>) -> Self {
        let mut refused = false;
        let mut placed = Vec::new();
        let (mut pages, mut bytes) = (0, 0);
        for mut segment in segments {
            segment.length = segment.length.min(data.len() - bytes);
            refused |= segment.overflows();
            placed.push(Placed {
                segment,
                first_page: pages,
                first_byte: bytes,
            });
            pages += segment.pages();
            bytes += segment.length;
        }
        Self {
            pasid,
            way,
            placed,
            data,
            pages,
            next: 0,
            again: VecDeque::new(),
            asked: Vec::new(),
            refused,
        }
    }

    /// What was fetched so far, or is to be delivered.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// What was fetched.
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// Notes the answer to the request for page number `page`.
    pub fn answer(&mut self, page: usize, granted: bool) {
        let Some(at) = self.asked.iter().position(|(asked, _)| *asked == page) else {
            return;
        };
        let (page, tries) = self.asked.swap_remove(at);
        if granted && tries < MAX_TRIES {
            self.again.push_back((page, tries));
        } else {
            self.refused = true;
        }
    }

    /// Copies as far as it goes.
    pub fn advance(&mut self, turn: &mut Turn<'_>) -> Progress {
        loop {
            if self.refused {
                return Progress::Fault;
            }
            let (page, tries) = match self.again.pop_front() {
                Some(again) => again,
                None if self.next < self.pages => {
                    self.next += 1;
                    (self.next - 1, 0)
                }
                None if self.asked.is_empty() => return Progress::Done,
                None => return Progress::Waiting,
            };
            if turn.pages == 0 {
                self.again.push_front((page, tries));
                return Progress::TurnOver;
            }
            turn.pages -= 1;
            match self.access(turn, page) {
                DataAccess::Done => {}
                DataAccess::Refused => return Progress::Fault,
                DataAccess::Missing => match self.ask(turn, page) {
                    PageRequest::Sent => self.asked.push((page, tries + 1)),
                    PageRequest::Refused => return Progress::Fault,
                    PageRequest::Busy => {
                        self.again.push_front((page, tries));
                        return Progress::Waiting;
                    }
                },
            }
        }
    }

    fn ask(&self, turn: &mut Turn<'_>, page: usize) -> PageRequest {
        let Some(pasid) = self.pasid.filter(|_| !turn.own) else {
            return PageRequest::Refused;
        };
        let (address, _) = self.part(page);
        let address = address - address % PAGE_SIZE;
        let place = (pasid, address, self.way == Way::Deliver);
        let sent = turn
            .requests
            .send(turn.bus, (turn.queue, turn.job, page), place);
        *turn.page_requests += u64::from(sent == PageRequest::Sent);
        sent
    }

    /// Where the part of the data is that lies in page number `page`: its address, its bytes.
    fn part(&self, page: usize) -> (u64, Range<usize>) {
        // Pieces without pages have the number of the next one.
        let behind = self.placed.partition_point(|p| p.first_page <= page);
        let Placed {
            segment: Segment { address, length },
            first_page,
            first_byte,
        } = self.placed[behind - 1];
        let page = page - first_page;
        let into_page = (address % PAGE_SIZE) as usize;
        let start = (page * PAGE_SIZE as usize).saturating_sub(into_page);
        let end = ((page + 1) * PAGE_SIZE as usize - into_page).min(length);
        (address + start as u64, first_byte + start..first_byte + end)
    }

    /// Copies the part of the data that lies in page number `page`.
    fn access(&mut self, turn: &mut Turn<'_>, page: usize) -> DataAccess {
        let (address, bytes) = self.part(page);
        let part = &mut self.data[bytes];
        let bus = &mut *turn.bus;
        match (self.pasid.filter(|_| !turn.own), self.way) {
            (Some(pasid), Way::Fetch) => bus.read_data(pasid, address, part),
            (Some(pasid), Way::Deliver) => bus.write_data(pasid, address, part),
            (None, Way::Fetch) => own(bus.read(address, part)),
            (None, Way::Deliver) => own(bus.write(address, part)),
        }
    }
}

/// By the function's own id nothing is ever missing: there are no page requests for it.
fn own(result: Result<(), crate::bus::Refused>) -> DataAccess {
    match result {
        Ok(()) => DataAccess::Done,
        Err(_) => DataAccess::Refused,
    }
}
