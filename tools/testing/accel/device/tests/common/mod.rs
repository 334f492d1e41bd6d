// SPDX-License-Identifier: GPL-2.0

//! A machine for the device under test: memory with two kinds of addresses, and a small driver.

// Each test file uses a part of it.
#![allow(dead_code)]

pub mod workload;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;

use hisi_zip_model::bus::PAGE_SIZE;
use hisi_zip_model::readings::Mild;
use hisi_zip_model::regs;
use hisi_zip_model::sqe::Sqe;
use hisi_zip_model::sqe::Status;
use hisi_zip_model::sqe::SQE_SIZE;
use hisi_zip_model::Bar;
use hisi_zip_model::Bus;
use hisi_zip_model::Config;
use hisi_zip_model::DataAccess;
use hisi_zip_model::Device;
use hisi_zip_model::PageRequest;
use hisi_zip_model::PciError;
use hisi_zip_model::Refused;
use hisi_zip_model::Task;

/// Entries of the queues that the driver below makes.
pub const DEPTH: u16 = 8;
/// The address space that it uses.
pub const PASID: u32 = 7;
/// Where the contexts lie that it hands over.
const CONTEXT: u64 = 0x1000;
/// Where the rings lie.
const EQ: u64 = 0x2000;
const AEQ: u64 = 0x3000;
/// Entries of both event queues.
pub const EVENT_DEPTH: u16 = 16;

pub const COMPRESS: u16 = 0;
pub const DECOMPRESS: u16 = 1;

pub const STATELESS: u32 = 0;
pub const LAST: u32 = 1 << 25;
pub const STREAM: u32 = 1 << 26;
pub const NEW_STREAM: u32 = 1 << 27;

pub const DEFLATE: u32 = 1;
pub const ZLIB: u32 = 2;
pub const GZIP: u32 = 3;

/// A page of an address space.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Page {
    Present,
    ReadOnly,
    /// Comes when asked for.
    Cold,
    /// Comes when asked for, and is gone again this many times.
    Fickle(u32),
}

#[derive(Default)]
pub struct Memory {
    /// By the function's own id.
    own: BTreeMap<u64, Vec<u8>>,
    pub spaces: HashMap<u32, HashMap<u64, Page>>,
    bytes: HashMap<(u32, u64), Vec<u8>>,
    /// Page requests on their way: group, address space, page.
    pub requests: Vec<(u16, u32, u64)>,
    pub interrupts: Vec<u8>,
    pub tasks: Vec<Task>,
    /// Pages of data that were accessed, successfully or not.
    pub accesses: usize,
    pub most_requests: usize,
    /// No access by the function's own id is allowed any more.
    pub own_forbidden: bool,
    /// Pages that the function's own id can't access.
    pub own_unmapped: HashSet<u64>,
    /// The page request queue takes nothing.
    pub requests_busy: bool,
    pub pci_errors: Vec<PciError>,
    pub unplugged: Vec<u32>,
    pub revisions: Vec<u8>,
}

impl Memory {
    fn own_page(&mut self, addr: u64) -> &mut Vec<u8> {
        self.own
            .entry(addr / PAGE_SIZE)
            .or_insert_with(|| vec![0; PAGE_SIZE as usize])
    }

    fn own_refuses(&self, addr: u64) -> bool {
        self.own_forbidden || self.own_unmapped.contains(&(addr / PAGE_SIZE))
    }

    pub fn peek(&mut self, addr: u64, length: usize) -> Vec<u8> {
        (addr..)
            .take(length)
            .map(|at| self.own_page(at)[(at % PAGE_SIZE) as usize])
            .collect()
    }

    pub fn poke(&mut self, addr: u64, data: &[u8]) {
        for (at, byte) in (addr..).zip(data) {
            self.own_page(at)[(at % PAGE_SIZE) as usize] = *byte;
        }
    }

    /// Maps `length` bytes from `addr` in the address space [`PASID`].
    pub fn map(&mut self, addr: u64, length: usize, page: Page) {
        let space = self.spaces.entry(PASID).or_default();
        for number in addr / PAGE_SIZE..(addr + length as u64).div_ceil(PAGE_SIZE) {
            space.insert(number, page);
        }
    }

    fn data_page(&mut self, pasid: u32, addr: u64) -> &mut Vec<u8> {
        self.bytes
            .entry((pasid, addr / PAGE_SIZE))
            .or_insert_with(|| vec![0; PAGE_SIZE as usize])
    }

    pub fn set_data(&mut self, addr: u64, data: &[u8]) {
        for (at, byte) in (addr..).zip(data) {
            self.data_page(PASID, at)[(at % PAGE_SIZE) as usize] = *byte;
        }
    }

    pub fn data(&mut self, addr: u64, length: usize) -> Vec<u8> {
        (addr..)
            .take(length)
            .map(|at| self.data_page(PASID, at)[(at % PAGE_SIZE) as usize])
            .collect()
    }

    fn access(&mut self, pasid: u32, addr: u64, length: usize, write: bool) -> DataAccess {
        assert!(
            addr % PAGE_SIZE + length as u64 <= PAGE_SIZE,
            "crosses a page"
        );
        self.accesses += 1;
        let page = self
            .spaces
            .get(&pasid)
            .and_then(|space| space.get(&(addr / PAGE_SIZE)));
        match page {
            Some(Page::Present) => DataAccess::Done,
            Some(Page::ReadOnly) if !write => DataAccess::Done,
            _ => DataAccess::Missing,
        }
    }
}

impl Bus for Memory {
    fn read(&mut self, addr: u64, buf: &mut [u8]) -> Result<(), Refused> {
        if self.own_refuses(addr) {
            return Err(Refused);
        }
        buf.copy_from_slice(&self.peek(addr, buf.len()));
        Ok(())
    }

    fn write(&mut self, addr: u64, data: &[u8]) -> Result<(), Refused> {
        if self.own_refuses(addr) {
            return Err(Refused);
        }
        self.poke(addr, data);
        Ok(())
    }

    fn read_data(&mut self, pasid: u32, addr: u64, buf: &mut [u8]) -> DataAccess {
        let access = self.access(pasid, addr, buf.len(), false);
        if access == DataAccess::Done {
            let start = (addr % PAGE_SIZE) as usize;
            buf.copy_from_slice(&self.data_page(pasid, addr)[start..][..buf.len()]);
        }
        access
    }

    fn write_data(&mut self, pasid: u32, addr: u64, data: &[u8]) -> DataAccess {
        let access = self.access(pasid, addr, data.len(), true);
        if access == DataAccess::Done {
            let start = (addr % PAGE_SIZE) as usize;
            self.data_page(pasid, addr)[start..][..data.len()].copy_from_slice(data);
        }
        access
    }

    fn request_page(&mut self, pasid: u32, page: u64, _write: bool, group: u16) -> PageRequest {
        if self.requests_busy {
            return PageRequest::Busy;
        }
        assert!(
            self.requests.iter().all(|(other, _, _)| *other != group),
            "group used twice"
        );
        self.requests.push((group, pasid, page));
        self.most_requests = self.most_requests.max(self.requests.len());
        PageRequest::Sent
    }

    fn interrupt(&mut self, vector: u8) {
        self.interrupts.push(vector);
    }

    fn report_error(&mut self, error: PciError) {
        self.pci_errors.push(error);
    }

    fn unplug(&mut self, away_ms: u32) {
        self.unplugged.push(away_ms);
    }

    fn set_revision(&mut self, revision: u8) {
        self.revisions.push(revision);
    }

    fn compute(&mut self, task: Box<Task>) {
        self.tasks.push(*task);
    }
}

/// A completion.
#[derive(Debug, PartialEq, Eq)]
pub struct Completion {
    pub index: u16,
    pub queue: u16,
}

pub struct Machine {
    pub device: Device,
    pub memory: Memory,
    tails: HashMap<u16, u16>,
    heads: HashMap<u16, (u16, bool)>,
    eq: (u16, bool),
    /// Whether all queues have one doorbell: revision 0x21.
    pub shared: bool,
    pub answers: HashSet<u64>,
}

impl Machine {
    /// The device that a machine has if it is no particular one.
    pub const CONFIG: Config = Config {
        revision: 0x30,
        queues: 64,
        engines: 2,
        faults: false,
        mild: Mild::NONE,
        seed: 1,
    };

    /// A machine whose driver has started the function.
    pub fn new() -> Self {
        Self::with_revision(0x30)
    }

    pub fn with_revision(revision: u8) -> Self {
        Self::with(Config {
            revision,
            ..Self::CONFIG
        })
    }

    /// A machine whose device has a test port.
    pub fn with_faults() -> Self {
        Self::with(Config {
            faults: true,
            ..Self::CONFIG
        })
    }

    pub fn with(config: Config) -> Self {
        let device = Device::new(config);
        let mut machine = Self {
            device,
            memory: Memory::default(),
            tails: HashMap::new(),
            heads: HashMap::new(),
            eq: (0, true),
            shared: config.revision == 0x21,
            answers: HashSet::new(),
        };
        machine.start_function();
        machine
    }

    /// What the driver does first, and after a reset.
    pub fn start_function(&mut self) {
        self.write(regs::MASTER_CTRL, 0);
        self.device.set_bus_master(true);
        self.set_range(0, 64);
        self.start_events();
    }

    pub fn write(&mut self, offset: u64, value: u32) {
        self.device
            .write(Bar::Registers, offset, 4, u64::from(value));
    }

    pub fn read(&mut self, offset: u64) -> u32 {
        self.device.read(Bar::Registers, offset, 4) as u32
    }

    /// MSI vector of what the register at `offset` is about. Revision 0x30.
    pub fn vector(&mut self, offset: u64) -> u8 {
        self.read(offset) as u8
    }

    pub fn set_range(&mut self, first: u64, count: u64) {
        let data = if count == 0 {
            0
        } else {
            first << 28 | 1 << 44 | (count - 1) << 45
        };
        self.configure_range(0, 0, data);
    }

    /// Sets what the function has of the kind `kind`.
    pub fn configure_range(&mut self, kind: u32, function: u32, data: u64) {
        self.write(regs::VFT_OP, 0);
        self.write(regs::VFT_TYPE, kind);
        self.write(regs::VFT_FUNCTION, function);
        self.write(regs::VFT_DATA_L, data as u32);
        self.write(regs::VFT_DATA_H, (data >> 32) as u32);
        self.write(regs::VFT_READY, 0);
        self.write(regs::VFT_ENABLE, 1);
        assert_eq!(self.read(regs::VFT_READY), 1);
    }

    /// Tells the device of both event queues, and lets them interrupt.
    pub fn start_events(&mut self) {
        self.configure_events();
        self.event_doorbell(2, 0);
        self.event_doorbell(3, 0);
        self.write(regs::EQ_INT_MASK, 0);
        self.write(regs::AEQ_INT_MASK, 0);
    }

    /// Tells the device of both event queues.
    pub fn configure_events(&mut self) {
        self.eq = (0, true);
        self.memory.poke(EQ, &[0; EVENT_DEPTH as usize * 4]);
        let layout = u32::from(EVENT_DEPTH - 1) | 1 << 16;
        assert_eq!(self.context(2, 0, [0, EQ as u32, 0, 0, 0, 0, layout, 0]), 0);
        assert_eq!(
            self.context(3, 0, [0, AEQ as u32, 0, 0, 0, 0, layout, 0]),
            0
        );
    }

    /// Puts a command into the mailbox.
    pub fn mailbox(&mut self, command: u64, queue: u16, address: u64) {
        let low = command | 1 << 13 | u64::from(queue) << 16 | address << 32;
        self.device.write(Bar::Registers, regs::MAILBOX, 8, low);
        self.device
            .write(Bar::Registers, regs::MAILBOX + 8, 8, address >> 32);
    }

    pub fn mailbox_busy(&mut self) -> bool {
        self.read(regs::MAILBOX) & 1 << 13 != 0
    }

    /// Status of the last command, which must be over.
    pub fn mailbox_status(&mut self) -> u32 {
        assert!(!self.mailbox_busy());
        self.read(regs::MAILBOX) >> 9 & 0xf
    }

    /// Hands over a context; the mailbox's status.
    pub fn context(&mut self, command: u64, queue: u16, words: [u32; 8]) -> u32 {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.memory.poke(CONTEXT, &bytes);
        self.mailbox(command, queue, CONTEXT);
        self.device.step(&mut self.memory);
        self.mailbox_status()
    }

    /// Reads a context back.
    pub fn read_context(&mut self, command: u64, queue: u16) -> Vec<u8> {
        self.mailbox(command | 1 << 14, queue, CONTEXT);
        self.device.step(&mut self.memory);
        assert_eq!(self.mailbox_status(), 0);
        self.memory.peek(CONTEXT, 32)
    }

    pub fn sq_base(queue: u16) -> u64 {
        0x10_0000 + u64::from(queue) * 0x1_0000
    }

    pub fn cq_base(queue: u16) -> u64 {
        Self::sq_base(queue) + u64::from(DEPTH) * SQE_SIZE as u64
    }

    pub fn sqc(queue: u16, kind: u16) -> [u32; 8] {
        let layout = 7 << 12 | u32::from(DEPTH - 1);
        let pasid = PASID | 0x80 << 16;
        let last = u32::from(queue) | u32::from(kind) << 8 << 16;
        [0, Self::sq_base(queue) as u32, 0, layout, 0, pasid, last, 0]
    }

    pub fn cqc(queue: u16) -> [u32; 8] {
        let layout = 4 << 12 | u32::from(DEPTH - 1);
        [
            0,
            Self::cq_base(queue) as u32,
            0,
            layout,
            0,
            PASID | 1 << 16,
            0b11,
            0,
        ]
    }

    /// Starts a queue of type `kind`, with data in the address space [`PASID`].
    pub fn start(&mut self, queue: u16, kind: u16) {
        self.start_with(queue, Self::sqc(queue, kind));
    }

    /// Starts a queue of type `kind` whose data is accessed by the function's own id.
    pub fn start_own(&mut self, queue: u16, kind: u16) {
        let mut sqc = Self::sqc(queue, kind);
        sqc[5] = 0;
        self.start_with(queue, sqc);
    }

    fn start_with(&mut self, queue: u16, sqc: [u32; 8]) {
        assert_eq!(self.context(0, queue, sqc), 0);
        assert_eq!(self.context(1, queue, Self::cqc(queue)), 0);
        self.tails.insert(queue, 0);
        self.heads.insert(queue, (0, true));
        self.memory
            .poke(Self::cq_base(queue), &[0; DEPTH as usize * 16]);
    }

    /// Writes an entry without telling the device.
    pub fn fill(&mut self, queue: u16, sqe: &Sqe) -> u16 {
        let tail = self.tails[&queue];
        self.memory.poke(
            Self::sq_base(queue) + u64::from(tail) * SQE_SIZE as u64,
            &sqe.0,
        );
        self.tails.insert(queue, (tail + 1) % DEPTH);
        tail
    }

    pub fn doorbell(&mut self, queue: u16, command: u64, index: u16, priority: u64) {
        let value = u64::from(queue) | command << 12 | u64::from(index) << 32 | priority << 48;
        let (bar, page) = match self.shared {
            true => (Bar::Registers, 0),
            false => (Bar::Doorbells, u64::from(queue) * regs::DOORBELL_STRIDE),
        };
        self.device
            .write(bar, page + regs::DOORBELL_QUEUE, 8, value);
    }

    pub fn event_doorbell(&mut self, command: u64, index: u16) {
        let value = command << 12 | u64::from(index) << 32;
        self.device
            .write(Bar::Registers, regs::DOORBELL_EVENT, 8, value);
    }

    pub fn submit(&mut self, queue: u16, sqe: &Sqe) {
        self.fill(queue, sqe);
        self.doorbell(queue, 0, self.tails[&queue], 0);
    }

    /// The next completion of a queue, if there is one; the CQ's head is not reported.
    pub fn completion(&mut self, queue: u16) -> Option<Completion> {
        let (head, phase) = self.heads[&queue];
        let cqe = self
            .memory
            .peek(Self::cq_base(queue) + u64::from(head) * 16, 16);
        if (cqe[14] & 1 != 0) != phase {
            return None;
        }
        let next = (head + 1) % DEPTH;
        self.heads.insert(queue, (next, phase ^ (next == 0)));
        Some(Completion {
            index: u16::from_le_bytes([cqe[8], cqe[9]]),
            queue: u16::from_le_bytes([cqe[10], cqe[11]]),
        })
    }

    pub fn report_head(&mut self, queue: u16, arm: bool) {
        self.doorbell(queue, 1, self.heads[&queue].0, u64::from(arm));
    }

    /// The next event in the EQ, if there is one; the EQ's head is not reported.
    pub fn event(&mut self) -> Option<u16> {
        let (head, phase) = self.eq;
        let bytes = self.memory.peek(EQ + u64::from(head) * 4, 4);
        if (bytes[2] & 1 != 0) != phase {
            return None;
        }
        let next = (head + 1) % EVENT_DEPTH;
        self.eq = (next, phase ^ (next == 0));
        Some(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    pub fn report_events(&mut self) {
        self.event_doorbell(2, self.eq.0);
    }

    /// The entries of the AEQ's first pass.
    pub fn abnormal_events(&mut self) -> Vec<u32> {
        let bytes = self.memory.peek(AEQ, usize::from(EVENT_DEPTH) * 4);
        let entries = bytes
            .chunks_exact(4)
            .map(|entry| u32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]));
        entries.take_while(|entry| entry & 1 << 16 != 0).collect()
    }

    /// First entry of the AEQ.
    pub fn abnormal_event(&mut self) -> u32 {
        let bytes = self.memory.peek(AEQ, 4);
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    /// Answers all page requests: those for pages that can come, positively.
    pub fn answer_pages(&mut self) {
        for (group, pasid, page) in std::mem::take(&mut self.memory.requests) {
            let space = self.memory.spaces.entry(pasid).or_default();
            let entry = space.get(&(page / PAGE_SIZE)).copied();
            let granted = match entry {
                // Present: asked for twice, by two pieces that share it.
                Some(Page::Cold | Page::Present) => Some(Page::Present),
                Some(Page::Fickle(0)) => Some(Page::Present),
                Some(Page::Fickle(times)) => Some(Page::Fickle(times - 1)),
                _ => None,
            };
            if let Some(granted) = granted {
                space.insert(page / PAGE_SIZE, granted);
            }
            self.device.page_answer(group, granted.is_some());
        }
    }

    /// Runs all tasks.
    pub fn compute(&mut self) {
        for mut task in std::mem::take(&mut self.memory.tasks) {
            task.run();
            self.device.computed(task);
        }
    }

    pub fn step(&mut self) {
        while self.device.step(&mut self.memory) {}
    }

    /// Goes on until there is nothing more to do.
    pub fn settle(&mut self) {
        loop {
            self.step();
            if self.memory.requests.is_empty() && self.memory.tasks.is_empty() {
                return;
            }
            self.answer_pages();
            self.compute();
        }
    }

    /// Submits a job, lets it finish and returns its entry.
    pub fn run(&mut self, queue: u16, sqe: &Sqe) -> Done {
        self.submit(queue, sqe);
        self.settle();
        let completion = self.completion(queue).expect("no completion");
        self.report_head(queue, true);
        self.done(queue, completion.index)
    }

    pub fn done(&mut self, queue: u16, index: u16) -> Done {
        let at = Self::sq_base(queue) + u64::from(index) * SQE_SIZE as u64;
        Done(self.memory.peek(at, SQE_SIZE))
    }

    pub fn violations(&self) -> &[String] {
        &self.device.stats().violations
    }
}

/// An entry that is done.
pub struct Done(pub Vec<u8>);

impl Done {
    pub fn word(&self, index: usize) -> u32 {
        let bytes = &self.0[index * 4..][..4];
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    pub fn consumed(&self) -> u32 {
        self.word(0)
    }

    pub fn produced(&self) -> u32 {
        self.word(1)
    }

    pub fn status(&self) -> u32 {
        self.word(3) & 0xff
    }

    /// Whether a stream that is decompressed ends here.
    pub fn is_end(&self) -> bool {
        self.word(3) == 0x113
    }

    /// What the engine asks for.
    pub fn asks(&self) -> u32 {
        self.word(15) & 0xf
    }
}

/// An entry.
pub fn sqe(algorithm: u32, flags: u32, input: (u64, usize), output: (u64, usize)) -> Sqe {
    let mut sqe = Sqe([0; SQE_SIZE]);
    let words = [
        (4, input.1 as u32),
        (7, flags | 3 << 28),
        (9, algorithm),
        (14, output.1 as u32),
        (18, input.0 as u32),
        (19, (input.0 >> 32) as u32),
        (20, output.0 as u32),
        (21, (output.0 >> 32) as u32),
        (26, 0xc0ffee),
    ];
    for (index, value) in words {
        set_word(&mut sqe, index, value);
    }
    sqe
}

pub fn set_word(sqe: &mut Sqe, index: usize, value: u32) {
    sqe.0[index * 4..][..4].copy_from_slice(&value.to_le_bytes());
}

/// The number of a status whose number nobody knows, on the device that a machine has.
pub fn number(status: Status) -> u32 {
    status.number(Machine::CONFIG.seed).into()
}

/// Gives `next` what the stream's last request has left in its entry.
pub fn carry(next: &mut Sqe, last: &Done) {
    for index in [15, 28, 29, 30, 31] {
        set_word(next, index, last.word(index));
    }
}

/// Something compressible.
pub fn text(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| b"sphinx of black quartz "[at % 23] ^ (at / 1013) as u8)
        .collect()
}
