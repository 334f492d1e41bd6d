// SPDX-License-Identifier: GPL-2.0
//! A device of this machine as something to be asked.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use accel::hisi_zip::{self, CONTEXT_SIZE, RawJob, RawQueue};
use accel::memory::Memory;
use accel::{AddressMode, AddressSpace, Context, Device, DeviceInfo, QueueState};
use accel_silicon::{Direction, Done, Engine, PATTERN, Queue, Request, Revision, Trouble};
use rustix::io::Errno;

use crate::failure::Result;

/// Where the driver says what it has seen.
const DEBUGFS: &str = "/sys/kernel/debug/accelerator";

/// How long a request may take, with others before it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a device may take to be back: a queue is stopped for 5 seconds first.
const PATIENCE_FOR_RESET: Duration = Duration::from_secs(30);

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// Bytes behind the room for output that must stay as they are.
const BEHIND: usize = 4096;

/// An open device.
#[derive(Debug)]
pub struct Hardware {
    context: Context,
    revision: Revision,
    /// What the driver has seen.
    observed: PathBuf,
}

impl Hardware {
    /// Opens a device that has told `facts`.
    pub fn open(device: &Device, facts: &DeviceInfo) -> Result<Self> {
        let revision = match facts.version.as_str() {
            "V2" => Revision::V2,
            "V3" => Revision::V3,
            other => return Err(format!("{device}: nobody knows {other}").into()),
        };
        // Rings are to be seen as the engine has left them, which those of the kernel are not.
        let context = device
            .context(AddressMode::Shared)
            .or_else(|_| device.context(AddressMode::Private))?;
        Ok(Self {
            context,
            revision,
            observed: PathBuf::from(DEBUGFS)
                .join(device.to_string())
                .join("observed"),
        })
    }
}

fn way(direction: Direction) -> hisi_zip::Direction {
    match direction {
        Direction::Compress => hisi_zip::Direction::Compress,
        Direction::Decompress => hisi_zip::Direction::Decompress,
    }
}

fn failed(error: accel::Error) -> Trouble {
    let reason = error.to_string();
    match error {
        accel::Error::QueueDead {
            state: QueueState::DeadReset,
            ..
        } => Trouble::Reset(reason),
        _ => Trouble::Failed(reason),
    }
}

/// Makes something of the device, which may have to be reset before, for what was asked last.
fn once_it_is_back<T>(
    patience: Duration,
    mut make: impl FnMut() -> accel::Result<T>,
) -> accel::Result<T> {
    let since = Instant::now();
    loop {
        match make() {
            Err(error) if is_on_its_way(&error) && since.elapsed() < patience => {
                std::thread::sleep(PAUSE);
            }
            made => return made,
        }
    }
}

/// Whether that is what a device says that is being reset, or is about to be.
fn is_on_its_way(error: &accel::Error) -> bool {
    let accel::Error::Refused { source, .. } = error else {
        return false;
    };
    [Errno::AGAIN, Errno::NXIO, Errno::TIMEDOUT].contains(source)
}

impl Engine for Hardware {
    fn revision(&self) -> Revision {
        self.revision
    }

    fn queue(&mut self, direction: Direction) -> std::result::Result<Box<dyn Queue>, Trouble> {
        let create = || RawQueue::create(&self.context, way(direction));
        let queue = once_it_is_back(PATIENCE_FOR_RESET, create).map_err(failed)?;
        let space = self.context.address_space().clone();
        Ok(Box::new(HardwareQueue::new(queue, space)))
    }

    fn observed(&self, name: &str) -> std::result::Result<Option<u64>, Trouble> {
        let text = std::fs::read_to_string(&self.observed).map_err(|error| {
            let path = self.observed.display();
            Trouble::NotHere(format!("{path}: {error}; it takes root, and debugfs"))
        })?;
        Ok(value(&text, name))
    }
}

/// The value of the line `name value`.
fn value(text: &str, name: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(" 0x"));
    u64::from_str_radix(line?, 16).ok()
}

/// A queue, and the context of the stream that it is at.
struct HardwareQueue {
    queue: RawQueue,
    space: AddressSpace,
    stream: Option<Memory>,
}

impl HardwareQueue {
    fn new(queue: RawQueue, space: AddressSpace) -> Self {
        Self {
            queue,
            space,
            stream: None,
        }
    }

    /// Memory that is there, so that nothing but the request can fail.
    fn memory(&self, bytes: &[u8], len: usize, fill: u8) -> accel::Result<Memory> {
        let mut memory = self.space.memory(len)?;
        memory.bytes_mut().fill(fill);
        memory.bytes_mut()[..bytes.len()].copy_from_slice(bytes);
        Ok(memory)
    }

    fn job(&mut self, request: &Request) -> accel::Result<RawJob> {
        let context = match request.stream {
            Some(stream) if stream.begin => Some(self.memory(&[], CONTEXT_SIZE, 0)?),
            Some(_) => self.stream.take(),
            None => None,
        };
        Ok(RawJob {
            status: request.word_3,
            flags: request.flags(),
            method: request.method(),
            carried: request.stream.map_or([0; 5], |stream| stream.carried),
            input: self.memory(&request.input, request.input.len().max(1), 0)?,
            input_len: request.input.len(),
            output: self.memory(&[], request.room + BEHIND, PATTERN)?,
            room: request.room,
            context,
        })
    }
}

impl Queue for HardwareQueue {
    fn run(&mut self, request: &Request) -> std::result::Result<Done, Trouble> {
        let job = self.job(request).map_err(failed)?;
        let done = self.queue.run(job, PATIENCE).map_err(failed)?;
        let output = done.job.output.bytes();
        let (room, behind) = output.split_at(request.room);
        let spilled = behind.iter().any(|byte| *byte != PATTERN);
        let room = room.to_vec();
        self.stream = done.job.context;
        let context = self.stream.as_ref().map(|context| context.bytes().to_vec());
        Ok(Done {
            words: done.entry,
            completion: done.completion,
            context: context.unwrap_or_default(),
            room,
            spilled,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use accel_fake::{Fate, Watcher};
    use accel_silicon::{Answer, QUESTIONS, Reading, ask};

    use super::*;

    /// An engine in memory.
    struct InMemory {
        context: accel_fake::Context,
        watcher: Arc<Watcher>,
    }

    impl Engine for InMemory {
        fn revision(&self) -> Revision {
            Revision::V3
        }

        fn queue(&mut self, direction: Direction) -> std::result::Result<Box<dyn Queue>, Trouble> {
            let plan = Box::new(|_| Fate::Do);
            let parts = self.context.parts(way(direction), 8, &self.watcher, plan);
            let queue = RawQueue::from_parts(parts.unwrap()).map_err(failed)?;
            let space = self.context.address_space().clone();
            Ok(Box::new(HardwareQueue::new(queue, space)))
        }

        fn observed(&self, _: &str) -> std::result::Result<Option<u64>, Trouble> {
            Ok(None)
        }
    }

    /// It does not know all that is asked, but has no milder readings.
    #[test]
    fn an_engine_in_memory_answers_through_queues_of_the_library() {
        for mode in [AddressMode::Shared, AddressMode::Private] {
            let mut engine = InMemory {
                context: accel_fake::Context::new(mode),
                watcher: Arc::default(),
            };
            for name in [
                "room-16",
                "small-rooms",
                "stream-room",
                "room-to-compress",
                "part-end",
                "stream-end",
                "input-ahead",
                "last-block",
                "bad-checksum",
                "status-cut",
                "word-3",
            ] {
                let question = QUESTIONS.iter().find(|question| question.name == name);
                let answer = ask(question.unwrap(), &mut engine, true);
                let Answer::Found(finding) = answer else {
                    panic!("{name}: {answer:?}");
                };
                assert_eq!(
                    finding.reading,
                    Reading::Default,
                    "{name}: {}",
                    finding.seen
                );
            }
            assert_eq!(engine.watcher.violations(), [""; 0]);
        }
    }

    /// That a question was lost costs the next ones nothing.
    #[test]
    fn a_queue_comes_once_the_device_is_back() {
        let refused = |source| accel::Error::Refused {
            device: "accel0".into(),
            action: "creating a queue",
            source,
        };
        let patience = Duration::from_millis(500);
        for (errno, times, comes) in [
            (Errno::AGAIN, 2, true),
            (Errno::NXIO, 1, true),
            (Errno::TIMEDOUT, 1, true),
            (Errno::IO, 1, false),
            (Errno::AGAIN, usize::MAX, false),
        ] {
            let mut left = times;
            let made = once_it_is_back(patience, || match left {
                0 => Ok(()),
                _ => {
                    left -= 1;
                    Err(refused(errno))
                }
            });
            assert_eq!(made.is_ok(), comes, "{errno:?}, {times} times");
        }
    }

    #[test]
    fn what_the_driver_has_seen_is_found_by_its_whole_name() {
        let text = "perf 0x12\nperform 0x1\nper 0x7\n";
        assert_eq!(value(text, "perf"), Some(0x12));
        assert_eq!(value(text, "per"), Some(7));
        assert_eq!(value(text, "perform"), Some(1));
        assert_eq!(value(text, "p"), None);
    }
}
