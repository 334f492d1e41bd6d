// SPDX-License-Identifier: GPL-2.0 OR MIT
//! The stream of events of a monitor node.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::info::numbered;
use crate::node::refused;
use crate::uapi;

numbered! {
    /// What an event is about.
    EventType {
        /// Events were overwritten unread.
        Lost = uapi::EVENT_LOST, "lost";
        /// The device is being reset.
        ResetBegin = uapi::EVENT_RESET_BEGIN, "reset-begin";
        /// The device was reset, or the reset failed.
        ResetEnd = uapi::EVENT_RESET_END, "reset-end";
        /// A queue was refused an access to memory.
        Fault = uapi::EVENT_FAULT, "fault";
        /// A queue was stopped because of a job that did not end.
        Timeout = uapi::EVENT_TIMEOUT, "timeout";
        /// The driver reported a hardware error.
        Error = uapi::EVENT_ERROR, "error";
        /// The device was taken out of service.
        Isolated = uapi::EVENT_ISOLATED, "isolated";
        /// A context was opened.
        ContextOpen = uapi::EVENT_CONTEXT_OPEN, "context-open";
        /// A context was closed.
        ContextClose = uapi::EVENT_CONTEXT_CLOSE, "context-close";
        /// The device is gone; the last event.
        Removed = uapi::EVENT_REMOVED, "removed";
    }
}

/// The types of events that a reader wants. [`EventType::Lost`] is told in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventMask(u64);

impl EventMask {
    /// All types, those of later kernels too.
    pub const ALL: Self = Self(u64::MAX);

    /// Whether it has `kind`.
    pub fn has(self, kind: EventType) -> bool {
        self.0 & Self::bit(kind) != 0
    }

    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    fn bit(kind: EventType) -> u64 {
        1u64.checked_shl(kind.number()).unwrap_or(0)
    }
}

impl FromIterator<EventType> for EventMask {
    fn from_iter<I: IntoIterator<Item = EventType>>(kinds: I) -> Self {
        let lost = Self::bit(EventType::Lost);
        Self(kinds.into_iter().map(Self::bit).fold(lost, |a, b| a | b))
    }
}

/// Something that happened on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is about.
    pub kind: EventType,
    /// Its number on the device, from 0. A gap is what the mask leaves out or what was lost.
    pub sequence: u64,
    /// `CLOCK_MONOTONIC`, in nanoseconds, when it happened.
    pub timestamp_ns: u64,
    /// For [`EventType::Fault`], the address; 0 for a reader without `CAP_PERFMON`.
    pub address: u64,
    /// For [`EventType::Lost`], how many; for [`EventType::ResetEnd`], 0 or the errno; for
    /// [`EventType::Error`], the driver's number; for contexts, their number; else 0.
    pub value: u64,
    /// Number of the queue that it is about, if any.
    pub queue: Option<u32>,
    /// PASID of the context that it is about; none without `CAP_PERFMON` either.
    pub pasid: Option<u32>,
    /// The process that opened that context, in the initial PID namespace; none without
    /// `CAP_PERFMON` either.
    pub pid: Option<i32>,
}

impl From<uapi::Event> for Event {
    fn from(raw: uapi::Event) -> Self {
        Self {
            kind: raw.r#type.into(),
            sequence: raw.sequence,
            timestamp_ns: raw.timestamp_ns,
            address: raw.address,
            value: raw.value,
            queue: Some(raw.queue).filter(|&queue| queue != uapi::NO_QUEUE),
            pasid: Some(raw.pasid).filter(|&pasid| pasid != 0),
            pid: Some(raw.pid).filter(|&pid| pid != 0),
        }
    }
}

/// What [`EventReader::next_within`] got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// An event.
    Event(Event),
    /// The time was over.
    Timeout,
    /// The device is gone, and there will be no more events.
    End,
}

/// Reads events from a non-blocking descriptor.
///
/// As an iterator it waits for each event, and ends when the device is gone.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
///
/// use accel::{Device, EventMask, EventType, Next};
///
/// let mask: EventMask = [EventType::Fault, EventType::Isolated].into_iter().collect();
/// let mut events = Device::by_index(0).monitor()?.events(mask)?;
/// match events.next_within(Some(Duration::from_secs(1)))? {
///     Next::Event(event) => println!("{}", event.kind),
///     Next::Timeout => println!("nothing within a second"),
///     Next::End => println!("the device is gone"),
/// }
/// # Ok::<(), accel::Error>(())
/// ```
#[derive(Debug)]
pub struct EventReader<F> {
    device: String,
    fd: F,
    buffer: Box<[u8]>,
    unread: VecDeque<Event>,
    ended: bool,
}

/// Bytes that one read() takes at most: many records, and room for one of a far later kernel.
const BUFFER: usize = 16384;

impl<F: AsFd> EventReader<F> {
    /// Reads records of the user API from `fd`, which is in non-blocking mode. `device` is for
    /// messages.
    pub fn new(device: String, fd: F) -> Self {
        Self {
            device,
            fd,
            buffer: vec![0; BUFFER].into(),
            unread: VecDeque::new(),
            ended: false,
        }
    }

    /// What is read from: a [`Monitor`](crate::Monitor) goes on to answer.
    pub fn source(&self) -> &F {
        &self.fd
    }

    /// Name of the device.
    pub fn device_name(&self) -> &str {
        &self.device
    }

    /// The next event, if there is one by the end of `timeout`: zero does not wait at all, `None`
    /// waits for as long as it takes.
    pub fn next_within(&mut self, timeout: Option<Duration>) -> Result<Next> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            if let Some(event) = self.unread.pop_front() {
                return Ok(Next::Event(event));
            }
            if self.ended {
                return Ok(Next::End);
            }
            if !self.fill()? && !self.wait(deadline)? {
                return Ok(Next::Timeout);
            }
        }
    }

    /// Reads what there is; false if there is nothing.
    fn fill(&mut self) -> Result<bool> {
        let len = match rustix::io::read(&self.fd, &mut self.buffer[..]) {
            Ok(len) => len,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(false),
            Err(Errno::NODEV) => 0,
            Err(errno) => return Err(refused(&self.device, "reading events")(errno)),
        };
        self.ended = len == 0;
        let events = parse(&self.buffer[..len]).map_err(|what| Error::Mismatch {
            device: self.device.clone(),
            what,
        })?;
        self.unread.extend(events);
        Ok(true)
    }

    /// Sleeps until there may be an event; false if it is `deadline` and there is none.
    fn wait(&self, deadline: Option<Instant>) -> Result<bool> {
        let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) => Ok(false),
            Ok(_) | Err(Errno::INTR) => Ok(true),
            Err(errno) => Err(refused(&self.device, "waiting for events")(errno)),
        }
    }
}

/// To wait for events together with other things: there may be one when it is readable.
impl<F: AsFd> AsFd for EventReader<F> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl<F: AsFd> AsRawFd for EventReader<F> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl<F: AsFd> Iterator for EventReader<F> {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.next_within(None) {
            Ok(Next::Event(event)) => Some(Ok(event)),
            Ok(Next::Timeout | Next::End) => None,
            Err(error) => {
                // What follows a record that makes no sense makes none either.
                self.ended = true;
                Some(Err(error))
            }
        }
    }
}

/// The records in `bytes`. Each says how long it is: those of later kernels are longer.
fn parse(bytes: &[u8]) -> std::result::Result<Vec<Event>, String> {
    let mut events = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let raw: uapi::Event = uapi::read(rest);
        let size = raw.size as usize;
        if size < size_of::<uapi::Event>() || size % 8 != 0 || size > rest.len() {
            return Err(format!("an event has {size} bytes of {}", rest.len()));
        }
        events.push(raw.into());
        rest = &rest[size..];
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    /// A stream such as the kernel's, into which the test writes.
    fn stream() -> (EventReader<OwnedFd>, OwnedFd) {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        (EventReader::new("accel0".into(), reader), writer)
    }

    fn raw(kind: u32, sequence: u64) -> uapi::Event {
        uapi::Event {
            size: 56,
            r#type: kind,
            sequence,
            queue: uapi::NO_QUEUE,
            ..Default::default()
        }
    }

    /// The bytes of records, each `more` bytes longer than this program knows.
    fn records(events: &[uapi::Event], more: usize) -> Vec<u8> {
        let one = |&event: &uapi::Event| {
            let size = event.size + u32::try_from(more).unwrap();
            let event = uapi::Event { size, ..event };
            let mut bytes = uapi::bytes_of(&[event]).to_vec();
            bytes.resize(bytes.len() + more, 0xee);
            bytes
        };
        events.iter().flat_map(one).collect()
    }

    fn event(next: Next) -> Event {
        match next {
            Next::Event(event) => event,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn records_of_any_length_are_read() {
        for more in [0, 8, 64] {
            let (mut reader, writer) = stream();
            let sent = [raw(uapi::EVENT_FAULT, 1), raw(uapi::EVENT_LOST, 2)];
            rustix::io::write(&writer, &records(&sent, more)).unwrap();
            let first = event(reader.next_within(None).unwrap());
            assert_eq!((first.kind, first.sequence), (EventType::Fault, 1));
            assert_eq!((first.queue, first.pid, first.pasid), (None, None, None));
            let second = event(reader.next_within(Some(Duration::ZERO)).unwrap());
            assert_eq!((second.kind, second.sequence), (EventType::Lost, 2));
        }
    }

    #[test]
    fn unknown_types_pass() {
        let (mut reader, writer) = stream();
        rustix::io::write(&writer, &records(&[raw(77, 0)], 0)).unwrap();
        assert_eq!(reader.next().unwrap().unwrap().kind, EventType::Unknown(77));
    }

    #[test]
    fn waiting_ends_with_the_time_and_with_the_device() {
        let (mut reader, writer) = stream();
        for timeout in [0, 1] {
            let timeout = Some(Duration::from_millis(timeout));
            assert_eq!(reader.next_within(timeout).unwrap(), Next::Timeout);
        }
        rustix::io::write(&writer, &records(&[raw(uapi::EVENT_REMOVED, 9)], 0)).unwrap();
        drop(writer);
        let kinds: Vec<_> = reader.by_ref().map(|event| event.unwrap().kind).collect();
        assert_eq!(kinds, [EventType::Removed]);
        assert_eq!(reader.next_within(None).unwrap(), Next::End);
    }

    #[test]
    fn it_is_readable_while_there_is_an_event() {
        let (reader, writer) = stream();
        let readable = || {
            let mut fds = [PollFd::new(&reader, PollFlags::IN)];
            poll(&mut fds, Some(&Timespec::default())).unwrap() == 1
        };
        assert!(!readable());
        rustix::io::write(&writer, &records(&[raw(uapi::EVENT_ERROR, 0)], 0)).unwrap();
        assert!(readable());
        assert_eq!(
            reader.source().as_fd().as_raw_fd(),
            reader.as_fd().as_raw_fd()
        );
    }

    #[test]
    fn a_sleeping_reader_is_woken() {
        let (mut reader, writer) = stream();
        let late = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            rustix::io::write(&writer, &records(&[raw(uapi::EVENT_ISOLATED, 3)], 0)).unwrap();
        });
        let woken = event(reader.next_within(Some(Duration::from_secs(30))).unwrap());
        assert_eq!(woken.kind, EventType::Isolated);
        late.join().unwrap();
    }

    #[test]
    fn nonsense_is_an_error_and_the_end() {
        for size in [0, 48, 60, 4096] {
            let (mut reader, writer) = stream();
            let bad = uapi::Event {
                size,
                ..Default::default()
            };
            rustix::io::write(&writer, uapi::bytes_of(&[bad])).unwrap();
            let text = reader.next().unwrap().unwrap_err().to_string();
            assert!(text.starts_with("accel0: an event has"), "{text}");
            assert!(reader.next().is_none());
        }
    }

    #[test]
    fn a_mask_always_has_what_was_lost() {
        let mask: EventMask = [EventType::Fault, EventType::Unknown(64)]
            .into_iter()
            .collect();
        assert_eq!(mask.bits(), 0b1001);
        assert!(mask.has(EventType::Lost) && !mask.has(EventType::Error));
        assert!(EventMask::ALL.has(EventType::Unknown(63)));
    }
}
