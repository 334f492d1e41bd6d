// SPDX-License-Identifier: GPL-2.0
//! A machine in memory. Its devices answer in the structs of the user API, and work while the
//! commands sleep.

use std::cell::{Cell, RefCell, RefMut};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use accel::{Answers, Device, DeviceInfo, Error, Event, EventMask, EventType, Topology, uapi};
use accel_silicon::{Direction, Done, Engine, Queue, Request, Revision, Trouble};
use rustix::io::Errno;

use crate::failure::{Failure, Result};
use crate::system::{Moment, Stream, System};

/// `CLOCK_MONOTONIC` at the beginning.
const BEGIN_NS: u64 = 10_000_000_000;

/// The first of January 2026, in seconds since 1970.
const BEGIN_UNIX: u64 = 1_767_225_600;

/// A device and its answers.
#[derive(Clone, Debug)]
pub struct FakeDevice {
    name: String,
    /// It can't be opened.
    pub silent: bool,
    pub queries: Vec<u32>,
    pub facts: uapi::InfoDevice,
    pub status: uapi::InfoStatus,
    pub modes: Vec<uapi::InfoAddressMode>,
    pub contexts: Vec<uapi::InfoContext>,
    pub sensors: Vec<uapi::InfoSensor>,
    pub errors: uapi::InfoErrors,
    pub memory: uapi::InfoMemory,
    pub events: Vec<Event>,
    /// How a reset fails.
    pub reset_errno: Option<Errno>,
    /// Part of the time that it works, in thousandths.
    pub load: u64,
    /// Whether the kernel takes samples of its use.
    pub sampled: bool,
    /// Its sensors can't be read; else they are measured while the commands sleep.
    pub stuck: bool,
    /// Last half-word of the completions that its engine writes; none: it writes none.
    pub spare_bits: Option<u16>,
}

fn padded(text: &str) -> [u8; uapi::NAME_MAX] {
    let mut bytes = [0; uapi::NAME_MAX];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    bytes
}

impl FakeDevice {
    /// A ZIP engine on NUMA node 0 that is used by one process.
    fn new(id: u32) -> Self {
        Self {
            name: format!("accel{id}"),
            silent: false,
            queries: (0..=uapi::INFO_MEMORY).collect(),
            facts: facts(id),
            status: status(),
            modes: modes(),
            contexts: vec![context(12, 700)],
            sensors: vec![uapi::InfoSensor {
                value: 45_500,
                timestamp_ns: BEGIN_NS,
                label: padded("core"),
                ..Default::default()
            }],
            errors: uapi::InfoErrors {
                hardware: 6,
                faults: 1,
                threshold: 10,
                recent: 2,
                ..Default::default()
            },
            memory: uapi::InfoMemory {
                size: 64 << 20,
                used: 16 << 20,
                buffers: 3,
            },
            events: Vec::new(),
            reset_errno: None,
            load: 500,
            sampled: true,
            stuck: false,
            spare_bits: Some(1),
        }
    }

    /// Does 10 jobs of 1 kB each in a millisecond of work.
    fn work(&mut self, time: Duration) {
        let elapsed = u64::try_from(time.as_nanos()).unwrap();
        self.status.timestamp_ns += elapsed;
        for sensor in &mut self.sensors {
            if !self.stuck {
                sensor.timestamp_ns = self.status.timestamp_ns;
            }
        }
        if !self.sampled {
            return;
        }
        let busy = elapsed * self.load / 1000;
        let jobs = busy / 100_000;
        self.status.usage_ns += elapsed;
        self.status.busy_ns += busy;
        self.status.jobs += jobs;
        if let Some(context) = self.contexts.first_mut() {
            context.busy_ns += busy;
            context.jobs += jobs;
            context.bytes += jobs * 1000;
        }
    }
}

fn facts(id: u32) -> uapi::InfoDevice {
    uapi::InfoDevice {
        functions: 1 << uapi::FUNCTION_DEFLATE | 1 << uapi::FUNCTION_GZIP,
        address_modes: 1 << uapi::MODE_SHARED,
        queues_max: 64,
        depth_max: 1024,
        doorbell: uapi::DOORBELL_PER_QUEUE,
        id,
        request_max: 8 << 20,
        priorities: 3,
        job_limit_ms: 5000,
        flags: uapi::DEVICE_RESET
            | uapi::DEVICE_AUTO_RECOVERY
            | uapi::DEVICE_COUNTS_JOBS
            | uapi::DEVICE_COUNTS_BYTES
            | uapi::DEVICE_COUNTS_BUSY,
        name: padded("zip"),
        driver: padded("accel_hisi_zip"),
        version: padded("0x30"),
        bus: padded("pci"),
        address: padded("0000:01:00.0"),
        ..Default::default()
    }
}

fn status() -> uapi::InfoStatus {
    uapi::InfoStatus {
        generation: 1,
        contexts: 1,
        queues: 3,
        queues_created: 4,
        completions: 5,
        errors: 6,
        timestamp_ns: BEGIN_NS,
        jobs: 100,
        busy_ns: 2_000_000_000,
        usage_ns: 10_000_000_000,
        ..Default::default()
    }
}

fn modes() -> Vec<uapi::InfoAddressMode> {
    let mode = |mode, reason| uapi::InfoAddressMode { mode, reason };
    vec![
        mode(uapi::MODE_SHARED, uapi::REASON_AVAILABLE),
        mode(uapi::MODE_PRIVATE, uapi::REASON_NO_DOMAIN),
        mode(uapi::MODE_KERNEL, uapi::REASON_DRIVER),
    ]
}

/// A context of a process.
pub fn context(id: u64, pid: i32) -> uapi::InfoContext {
    uapi::InfoContext {
        id,
        pid,
        mode: uapi::MODE_SHARED,
        pasid: 5,
        queues: 3,
        jobs: 100,
        bytes: 1 << 20,
        busy_ns: 2_000_000_000,
        device_memory: 8 << 20,
        mapped: 3 << 20,
        ..Default::default()
    }
}

impl Answers for FakeDevice {
    fn device_name(&self) -> &str {
        &self.name
    }

    fn answer(
        &self,
        query: u32,
        element: usize,
        room: &mut [u8],
    ) -> std::result::Result<usize, Errno> {
        if !self.queries.contains(&query) {
            return Err(Errno::OPNOTSUPP);
        }
        let (facts, status) = ([self.facts], [self.status]);
        let (errors, memory) = ([self.errors], [self.memory]);
        let answer = match query {
            uapi::INFO_QUERIES => uapi::bytes_of(&self.queries),
            uapi::INFO_DEVICE => uapi::bytes_of(&facts),
            uapi::INFO_STATUS => uapi::bytes_of(&status),
            uapi::INFO_ADDRESS_MODES => uapi::bytes_of(&self.modes),
            uapi::INFO_CONTEXTS => uapi::bytes_of(&self.contexts),
            uapi::INFO_SENSORS => uapi::bytes_of(&self.sensors),
            uapi::INFO_ERRORS => uapi::bytes_of(&errors),
            _ => uapi::bytes_of(&memory),
        };
        let len = answer.len().min(room.len());
        room[..len].copy_from_slice(&answer[..len]);
        Ok(answer.len() / element)
    }
}

/// An engine that does nothing, and says that it is done, in words that are all the same from the
/// sixteenth on; or is silent.
struct FakeEngine(Option<u16>);

impl Engine for FakeEngine {
    fn revision(&self) -> Revision {
        Revision::V3
    }

    fn queue(&mut self, _: Direction) -> std::result::Result<Box<dyn Queue>, Trouble> {
        Ok(Box::new(FakeQueue(self.0)))
    }

    fn observed(&self, _: &str) -> std::result::Result<Option<u64>, Trouble> {
        Ok(None)
    }
}

struct FakeQueue(Option<u16>);

impl Queue for FakeQueue {
    fn run(&mut self, request: &Request) -> std::result::Result<Done, Trouble> {
        let word = self.0.ok_or_else(|| Trouble::Failed("silence".into()))?;
        Ok(Done {
            context: Vec::new(),
            words: std::array::from_fn(|word| if word < 16 { 0 } else { 7 }),
            completion: [0, 0, 0, 0, 0, 0, 0, word],
            room: vec![0; request.room],
            spilled: false,
        })
    }
}

/// The machine.
#[derive(Debug)]
pub struct Fake {
    devices: RefCell<Vec<FakeDevice>>,
    /// Devices that appear, by number.
    pub arriving: Vec<u32>,
    /// Where its sysfs is.
    pub sysfs: PathBuf,
    /// How long the commands have slept.
    pub slept: Cell<Duration>,
}

impl Fake {
    /// A machine with this many devices.
    pub fn with(count: u32) -> Self {
        Self {
            devices: RefCell::new((0..count).map(FakeDevice::new).collect()),
            arriving: Vec::new(),
            sysfs: "/nonexistent".into(),
            slept: Cell::default(),
        }
    }

    /// A machine with three devices: one idle, with an event; one that does not answer; one that
    /// lacks what may be lacking.
    pub fn full() -> Self {
        let fake = Self::with(3);
        fake.device(0).status.contexts = 0;
        fake.device(0).events = vec![Event {
            kind: EventType::Fault,
            sequence: 4,
            timestamp_ns: 9_000_000_000,
            address: 0x7f00,
            value: 0,
            queue: Some(3),
            pasid: None,
            pid: Some(700),
        }];
        fake.device(1).silent = true;
        fake.device(2).queries.truncate(4);
        fake
    }

    /// From now on it has this many devices. Those that come count from where they begin.
    pub fn set_count(&self, count: u32) {
        let mut devices = self.devices.borrow_mut();
        devices.truncate(count as usize);
        for id in devices.len()..count as usize {
            let mut device = FakeDevice::new(u32::try_from(id).unwrap());
            device.status.timestamp_ns = self.now().monotonic_ns;
            device.work(Duration::ZERO);
            devices.push(device);
        }
    }

    /// A device, to be changed.
    pub fn device(&self, index: usize) -> RefMut<'_, FakeDevice> {
        RefMut::map(self.devices.borrow_mut(), |devices| &mut devices[index])
    }

    /// The device as it is now, if it can be opened at `path`.
    fn open(&self, device: &Device, path: PathBuf) -> accel::Result<FakeDevice> {
        let devices = self.devices.borrow();
        let found = devices.get(device.index() as usize);
        match found.filter(|device| !device.silent) {
            Some(device) => Ok(device.clone()),
            None => Err(Error::Open {
                path,
                source: Errno::NOENT,
            }),
        }
    }
}

impl System for Fake {
    fn devices(&self) -> accel::Result<Vec<Device>> {
        let devices = self.devices.borrow();
        let indices = devices.iter().map(|device| device.facts.id);
        Ok(indices.map(Device::by_index).collect())
    }

    fn ask(&self, device: &Device) -> accel::Result<Box<dyn Answers>> {
        Ok(Box::new(self.open(device, device.monitor_path())?))
    }

    fn events(&self, device: &Device, mask: EventMask) -> accel::Result<Stream> {
        let events = self.open(device, device.monitor_path())?.events;
        let wanted = move |event: &Event| mask.has(event.kind);
        Ok(Box::new(events.into_iter().filter(wanted).map(Ok)))
    }

    fn arrivals(&self) -> Result<Box<dyn Iterator<Item = Device> + Send>> {
        let arriving = self.arriving.clone().into_iter();
        Ok(Box::new(arriving.map(Device::by_index)))
    }

    fn reset(&self, device: &Device) -> accel::Result<()> {
        let opened = self.open(device, device.compute_path())?;
        let mut target = self.device(device.index() as usize);
        if let Some(source) = opened.reset_errno {
            let device = device.to_string();
            return Err(Error::NotReset { device, source });
        }
        target.status.status = uapi::STATUS_OPERATIONAL;
        target.status.generation += 1;
        target.status.queues = 0;
        Ok(())
    }

    fn engine(&self, device: &Device, _facts: &DeviceInfo) -> Result<Box<dyn Engine>> {
        let opened = self.open(device, device.compute_path())?;
        Ok(Box::new(FakeEngine(opened.spare_bits)))
    }

    fn command(&self, pid: i32) -> Option<String> {
        match pid {
            700 => Some("accel-gzip".into()),
            701 => Some("evil\x1b[2J".into()),
            _ => None,
        }
    }

    fn topology(&self) -> Topology {
        Topology::at(&self.sysfs)
    }

    fn now(&self) -> Moment {
        let slept = self.slept.get();
        Moment {
            monotonic_ns: BEGIN_NS + u64::try_from(slept.as_nanos()).unwrap(),
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(BEGIN_UNIX) + slept,
        }
    }

    fn sleep(&self, time: Duration) {
        self.slept.set(self.slept.get() + time);
        for device in self.devices.borrow_mut().iter_mut() {
            device.work(time);
        }
    }
}

/// What a command writes.
pub fn text(command: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> String {
    let mut out = Vec::new();
    command(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The value that a command writes.
pub fn json(command: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> serde_json::Value {
    serde_json::from_str(&text(command)).unwrap()
}

/// The sentence with which a command fails.
pub fn said<T: std::fmt::Debug>(result: Result<T>) -> String {
    match result {
        Err(Failure::Said(text) | Failure::Misused(text)) => text,
        other => panic!("{other:?}"),
    }
}

/// Says that a test has not looked at anything, for want of `what`. The test passes nevertheless,
/// and what `eprintln!` writes is not shown then.
pub fn not_checked(what: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "\nnot checked: {what} is not installed");
}
