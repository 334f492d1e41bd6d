// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Queues of the ZIP engine against one in memory, in all address modes.

use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use accel::hisi_zip::{
    Algorithm, Completion, Direction, Job, JobError, REQUEST_MAX, ROOM_MIN, Revision, Stream, Wait,
    Woken, ZipQueue, sleep, wait,
};
use accel::memory::{FileMap, Memory, Source};
use accel::{AddressMode, Error, uapi};
use accel_fake::{Context, Fate, Plan, Watcher};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

const MODES: [AddressMode; 3] = [
    AddressMode::Shared,
    AddressMode::Private,
    AddressMode::Kernel,
];

/// Those in which entries go to rings.
const WITH_RINGS: [AddressMode; 2] = [AddressMode::Shared, AddressMode::Private];

fn obedient() -> Plan {
    Box::new(|_| Fate::Do)
}

fn plan(fates: &'static [(u64, Fate)]) -> Plan {
    Box::new(|n| fates.iter().find(|f| f.0 == n).map_or(Fate::Do, |f| f.1))
}

struct Bench {
    context: Context,
    queue: ZipQueue,
    watcher: Arc<Watcher>,
}

impl Bench {
    fn new(mode: AddressMode, direction: Direction, depth: u32, plan: Plan) -> Self {
        Self::with(Context::new(mode), direction, depth, plan)
    }

    fn with(context: Context, direction: Direction, depth: u32, plan: Plan) -> Self {
        let watcher = Arc::default();
        let queue = context.queue(direction, depth, &watcher, plan).unwrap();
        Self {
            context,
            queue,
            watcher,
        }
    }

    fn submit(&mut self, job: Job) {
        self.queue.vacancy().expect("room").submit(job).unwrap();
    }

    /// Why `job` is not taken; it comes back.
    fn refused(&mut self, job: Job) -> Error {
        let tag = job.tag;
        let vacancy = self.queue.vacancy().expect("room");
        let refused = vacancy.submit(job).unwrap_err();
        assert_eq!(refused.job.tag, tag);
        refused.error
    }

    fn next(&mut self, how: Wait) -> Completion {
        let queues = std::slice::from_mut(&mut self.queue);
        assert_eq!(wait(queues, how, None, None).unwrap(), Woken::Completion);
        self.queue.poll().unwrap().expect("a completion")
    }

    fn memory(&self, len: usize) -> Memory {
        self.context.address_space().memory(len).unwrap()
    }

    fn source(&self, content: &[u8]) -> Source {
        let mut memory = self.memory(content.len());
        memory.bytes_mut()[..content.len()].copy_from_slice(content);
        Source::new(memory, 0, content.len())
    }

    fn job(&self, tag: u64, content: &[u8]) -> Job {
        let output = self.memory(content.len() * 9 / 8 + ROOM_MIN);
        Job::new(tag, Algorithm::Gzip, self.source(content), output)
    }

    fn stream(&self) -> Stream {
        Stream::new(Stream::memory(self.context.address_space()).unwrap())
    }

    /// The job whose input is `text(n)`.
    fn nth(&self, n: u64) -> Job {
        self.job(n, &text(n))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.watcher.violations(), [""; 0]);
        }
    }
}

fn text(n: u64) -> Vec<u8> {
    format!("block {n} ")
        .repeat(100 + n as usize % 7)
        .into_bytes()
}

/// The plain data of deflate data followed by a trailer of gzip.
fn inflated(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::DeflateDecoder::new(&bytes[..bytes.len() - 8])
        .read_to_end(&mut plain)
        .unwrap();
    plain
}

fn check(completion: &Completion) {
    let report = completion.result.unwrap();
    let expected = text(completion.job.tag);
    let output = &completion.job.output.bytes()[..report.produced];
    assert_eq!(inflated(output), expected);
    assert_eq!(report.consumed, expected.len());
    assert_eq!(
        output[output.len() - 8..][..4],
        crc32(&expected).to_le_bytes()
    );
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Each takes entries of its own layout alone, and finds the tag where that has it.
#[test]
fn entries_are_those_of_the_revision() {
    for (mode, revision) in MODES
        .into_iter()
        .flat_map(|mode| [Revision::V2, Revision::V3].map(|revision| (mode, revision)))
    {
        let context = Context::of(mode, revision);
        let mut bench = Bench::with(context, Direction::Compress, 4, obedient());
        for n in 0..6 {
            bench.submit(bench.nth(n));
            let done = bench.next(Wait::Auto);
            assert_eq!(done.job.tag, n, "{mode:?} {revision:?}");
            check(&done);
        }
        let raw = Job {
            algorithm: Algorithm::Deflate,
            ..bench.nth(0)
        };
        if revision == Revision::V2 {
            let refused = bench.refused(raw);
            assert!(matches!(refused, Error::NoAlgorithm { .. }), "{refused}");
            assert_eq!(
                refused.to_string(),
                "fake0: this revision of the engine can't do Deflate, only zlib and gzip"
            );
        }
    }
}

#[test]
fn revisions_by_the_version_that_the_kernel_tells() {
    for (version, revision) in [
        ("V2", Some(Revision::V2)),
        ("V3", Some(Revision::V3)),
        ("V4", None),
        ("", None),
    ] {
        assert_eq!(Revision::of(version), revision);
    }
}

#[test]
fn queues_wrap_many_times_whatever_their_depth() {
    for (mode, depth) in MODES
        .into_iter()
        .flat_map(|m| [2, 3, 8, 64].map(|d| (m, d)))
    {
        for how in [Wait::Spin, Wait::Poll, Wait::Auto] {
            let mut bench = Bench::new(mode, Direction::Compress, depth, obedient());
            let (mut submitted, mut done) = (0, 0);
            while done < 5 * u64::from(depth) + 3 {
                while bench.queue.has_vacancy() {
                    bench.submit(bench.nth(submitted));
                    submitted += 1;
                }
                assert_eq!(bench.queue.in_flight(), bench.queue.capacity());
                let completion = bench.next(how);
                assert_eq!(completion.job.tag, done);
                check(&completion);
                done += 1;
            }
        }
    }
}

#[test]
fn one_job_at_a_time_wraps_too() {
    for mode in MODES {
        let mut bench = Bench::new(mode, Direction::Compress, 4, obedient());
        for n in 0..50 {
            bench.submit(bench.nth(n));
            check(&bench.next(Wait::Spin));
            assert!(bench.queue.poll().unwrap().is_none());
        }
        assert_eq!(bench.watcher.jobs(), 50);
    }
}

#[test]
fn an_error_belongs_to_one_job() {
    const FATES: &[(u64, Fate)] = &[(1, Fate::Status(0x10)), (2, Fate::Status(0x77))];
    for mode in MODES {
        let mut bench = Bench::new(mode, Direction::Compress, 8, plan(FATES));
        (0..5).for_each(|n| bench.submit(bench.nth(n)));
        check(&bench.next(Wait::Spin));
        for expected in [JobError::BadChecksum, JobError::Status(0x77)] {
            assert_eq!(bench.next(Wait::Spin).result, Err(expected), "{mode}");
        }
        check(&bench.next(Wait::Spin));
    }
}

#[test]
fn what_the_kernel_ended_is_told() {
    const FATES: &[(u64, Fate)] = &[(0, Fate::Errno(125))];
    let mut bench = Bench::new(AddressMode::Kernel, Direction::Compress, 8, plan(FATES));
    (0..2).for_each(|n| bench.submit(bench.nth(n)));
    let ended = JobError::Kernel(rustix::io::Errno::CANCELED);
    assert_eq!(bench.next(Wait::Spin).result, Err(ended));
    check(&bench.next(Wait::Spin));
}

#[test]
fn too_little_room_is_told() {
    for mode in MODES {
        let mut bench = Bench::new(mode, Direction::Compress, 8, obedient());
        bench.submit(Job {
            output_room: ROOM_MIN,
            ..bench.job(0, &noise(1000))
        });
        assert_eq!(bench.next(Wait::Spin).result, Err(JobError::NoRoom));
        // What is too little for any job is not the engine's to tell, who would say that all is
        // well.
        for room in [0, 16, 17, ROOM_MIN - 1] {
            let job = Job {
                output_room: room,
                ..bench.nth(0)
            };
            let error = bench.refused(job);
            assert!(matches!(error, Error::Room { .. }), "{error}");
        }
        bench.submit(bench.nth(1));
        check(&bench.next(Wait::Spin));
    }
}

/// Bytes that do not compress.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

#[test]
fn jobs_may_finish_out_of_order() {
    for mode in WITH_RINGS {
        // Each multiple of three is done after its successor.
        let late = Box::new(|n| if n % 3 == 0 { Fate::Late } else { Fate::Do });
        let mut bench = Bench::new(mode, Direction::Compress, 4, late);
        let (mut submitted, mut tags) = (0, Vec::new());
        while tags.len() < 30 {
            while submitted < 30 && bench.queue.has_vacancy() {
                bench.submit(bench.nth(submitted));
                submitted += 1;
            }
            let completion = bench.next(Wait::Poll);
            check(&completion);
            tags.push(completion.job.tag);
        }
        assert_eq!(tags[..3], [1, 0, 2]);
        tags.sort_unstable();
        assert!(tags.iter().copied().eq(0..30));
    }
}

#[test]
fn a_dead_queue_says_why() {
    for (state, words) in [
        (uapi::QUEUE_DEAD_RESET, "reset"),
        (uapi::QUEUE_DEAD_REMOVED, "gone"),
    ] {
        let ways = [Wait::Spin, Wait::Poll, Wait::Auto];
        for (mode, how) in MODES.into_iter().flat_map(|m| ways.map(|how| (m, how))) {
            let fate = Fate::Die(state);
            let die = Box::new(move |n| if n == 1 { fate } else { Fate::Do });
            let mut bench = Bench::new(mode, Direction::Compress, 8, die);
            bench.submit(bench.nth(0));
            check(&bench.next(how));
            bench.submit(bench.nth(1));
            let error = wait(std::slice::from_mut(&mut bench.queue), how, None, None).unwrap_err();
            assert!(matches!(error, Error::QueueDead { .. }), "{error}");
            assert!(error.to_string().contains(words), "{error}");
            let refused = bench.refused(bench.nth(2));
            assert!(matches!(refused, Error::QueueDead { .. }));
            let back = bench.queue.take_back();
            assert_eq!(back.iter().map(|job| job.tag).collect::<Vec<_>>(), [1]);
            assert_eq!(bench.queue.in_flight(), 0);
        }
    }
}

#[test]
fn a_completion_of_nothing_is_refused() {
    let fates = [Fate::WrongEntry, Fate::WrongTag];
    for (mode, fate) in WITH_RINGS.into_iter().zip(fates) {
        let plan = Box::new(move |_| fate);
        let mut bench = Bench::new(mode, Direction::Compress, 8, plan);
        bench.submit(bench.nth(0));
        wait(
            std::slice::from_mut(&mut bench.queue),
            Wait::Spin,
            None,
            None,
        )
        .unwrap();
        let error = bench.queue.poll().unwrap_err();
        assert!(error.to_string().contains("not in flight"), "{error}");
    }
}

#[test]
fn another_descriptor_ends_the_wait() {
    const FATES: &[(u64, Fate)] = &[(0, Fate::Hang)];
    for mode in MODES {
        let mut bench = Bench::new(mode, Direction::Compress, 8, plan(FATES));
        bench.submit(bench.nth(0));
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        rustix::io::write(&writer, b"x").unwrap();
        let other = reader.as_fd();
        let queues = std::slice::from_mut(&mut bench.queue);
        assert_eq!(sleep(queues, Some(other), None).unwrap(), Woken::Other);
        assert_eq!(bench.queue.in_flight(), 1);
    }
}

/// Whoever dropped it, the jobs' memory stays until the engine is done with it.
#[test]
fn dropping_a_queue_leaves_its_jobs_to_end() {
    for mode in MODES {
        let mut bench = Bench::new(mode, Direction::Compress, 64, obedient());
        (0..63).for_each(|n| bench.submit(bench.nth(n)));
        let watcher = Arc::clone(&bench.watcher);
        drop(bench);
        while watcher.jobs() < 63 {
            std::thread::yield_now();
        }
    }
}

#[test]
fn dropping_a_queue_with_a_hung_job_does_not_wait_for_it() {
    const FATES: &[(u64, Fate)] = &[(0, Fate::Hang)];
    for mode in MODES {
        let mut bench = Bench::new(mode, Direction::Compress, 8, plan(FATES));
        let source = bench.source(&text(0));
        let output = bench.memory(4096);
        bench.submit(Job::new(0, Algorithm::Gzip, source.clone(), output));
        let since = Instant::now();
        drop(bench);
        // A minute would be to wait for the engine.
        assert!(since.elapsed() < Duration::from_secs(4), "{mode}");
        assert!(source.into_memory().is_none(), "the engine has it");
    }
}

#[test]
fn a_dead_queue_gives_all_jobs_back_in_their_order() {
    const DIE: Fate = Fate::Die(uapi::QUEUE_DEAD_RESET);
    for mode in MODES {
        let fates = |n| if n == 7 { DIE } else { Fate::Do };
        let mut bench = Bench::new(mode, Direction::Compress, 4, Box::new(fates));
        for n in 0..5 {
            bench.submit(bench.nth(n));
            check(&bench.next(Wait::Spin));
        }
        assert!(bench.queue.take_back().is_empty());
        (5..8).for_each(|n| bench.submit(bench.nth(n)));
        while bench.queue.check().is_ok() {
            std::thread::yield_now();
        }
        let back = bench.queue.take_back();
        let sources = back.into_iter().map(|job| (job.tag, job.source));
        for (n, (tag, source)) in (5..8).zip(sources) {
            assert_eq!(tag, n, "{mode}");
            assert_eq!(source.bytes().unwrap(), text(n));
            assert!(source.into_memory().is_some());
        }
        assert_eq!(bench.queue.in_flight(), 0);
    }
}

#[test]
fn a_wait_has_a_limit() {
    const FATES: &[(u64, Fate)] = &[(1, Fate::Hang)];
    let ways = [Wait::Spin, Wait::Poll, Wait::Auto];
    for (mode, how) in MODES.into_iter().flat_map(|m| ways.map(|how| (m, how))) {
        let mut bench = Bench::new(mode, Direction::Compress, 8, plan(FATES));
        let limit = Some(Duration::from_millis(5));
        assert!(!bench.queue.wait(how, limit).unwrap(), "nothing in flight");
        bench.submit(bench.nth(0));
        assert!(bench.queue.wait(how, Some(Duration::MAX)).unwrap());
        check(&bench.queue.poll().unwrap().unwrap());
        bench.submit(bench.nth(1));
        assert!(!bench.queue.wait(how, limit).unwrap());
        assert!(!bench.queue.wait(how, Some(Duration::ZERO)).unwrap());
        assert_eq!(bench.queue.in_flight(), 1);
    }
}

/// As an event loop does it: armed, polled by somebody else, drained.
#[test]
fn events_are_polled_for_and_drained_by_the_program() {
    for mode in MODES {
        let mut bench = Bench::new(mode, Direction::Compress, 8, obedient());
        assert_eq!(bench.queue.take_events().unwrap(), 0);
        bench.queue.arm();
        bench.submit(bench.nth(0));
        assert_eq!(bench.queue.as_raw_fd(), bench.queue.as_fd().as_raw_fd());
        let mut fds = [PollFd::new(&bench.queue, PollFlags::IN)];
        assert_eq!(poll(&mut fds, None).unwrap(), 1);
        assert_eq!(bench.queue.take_events().unwrap(), 1);
        let mut fds = [PollFd::new(&bench.queue, PollFlags::IN)];
        assert_eq!(poll(&mut fds, Some(&Timespec::default())).unwrap(), 0);
        check(&bench.queue.poll().unwrap().unwrap());
    }
}

#[test]
fn a_file_is_read_where_it_lies() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&text(3)).unwrap();
    let map = FileMap::new(&file, text(3).len()).unwrap();
    let source = Source::new(map, 8, 100);
    let mut bench = Bench::new(AddressMode::Shared, Direction::Compress, 8, obedient());
    bench.submit(Job::new(0, Algorithm::Gzip, source, bench.memory(4096)));
    let done = bench.next(Wait::Spin);
    let produced = done.result.unwrap().produced;
    assert_eq!(
        inflated(&done.job.output.bytes()[..produced]),
        text(3)[8..108]
    );
}

#[test]
fn jobs_share_input_and_begin_where_they_like() {
    for mode in MODES {
        let mut bench = Bench::new(mode, Direction::Compress, 8, obedient());
        let whole = bench.source(&text(3));
        for n in 0..4 {
            let mut job = Job::new(
                n,
                Algorithm::Gzip,
                Source::new(whole.memory.clone(), 8 * n as usize, 50),
                bench.memory(4096),
            );
            job.output_start = 1000 + n as usize;
            job.output_room = 2000;
            bench.submit(job);
        }
        for n in 0..4 {
            let Completion { job, result } = bench.next(Wait::Spin);
            let output = &job.output.bytes()[1000 + n..][..result.unwrap().produced];
            assert_eq!(inflated(output), text(3)[8 * n..][..50]);
            assert!(job.source.into_memory().is_none());
        }
        assert!(whole.into_memory().is_some());
    }
}

#[test]
fn what_is_outside_its_memory_or_too_large_is_refused() {
    for mode in MODES {
        let mut bench = Bench::new(mode, Direction::Compress, 8, obedient());
        let mut job = bench.nth(0);
        job.source.start = 8192;
        let error = bench.refused(job);
        assert!(
            matches!(error, Error::Outside { what: "input", .. }),
            "{error}"
        );

        let mut job = bench.nth(0);
        job.source.start = usize::MAX;
        assert!(matches!(bench.refused(job), Error::Outside { .. }));

        let mut job = bench.nth(0);
        job.output_start = job.output.len() - 10;
        let error = bench.refused(job);
        assert!(
            matches!(error, Error::Outside { what: "output", .. }),
            "{error}"
        );

        let mut job = bench.nth(0);
        job.stream = Some(Stream::new(bench.memory(4096)));
        let error = bench.refused(job);
        assert!(
            matches!(
                error,
                Error::Outside {
                    what: "context",
                    ..
                }
            ),
            "{error}"
        );

        let large = Source::new(bench.memory(REQUEST_MAX + 1), 0, REQUEST_MAX + 1);
        let error = bench.refused(Job::new(7, Algorithm::Gzip, large, bench.memory(4096)));
        let text = error.to_string();
        assert!(text.ends_with("8388609 bytes of input are too many for a job; 8388608 may be"));

        bench.submit(bench.nth(1));
        check(&bench.next(Wait::Spin));
    }
}

#[test]
fn memory_of_elsewhere_is_refused() {
    let refused = |bench: &mut Bench, job: Job| {
        let error = bench.refused(job);
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        // The queue goes on.
        bench.submit(bench.nth(1));
        check(&bench.next(Wait::Spin));
    };
    for mode in [AddressMode::Private, AddressMode::Kernel] {
        let mut bench = Bench::new(mode, Direction::Compress, 8, obedient());
        let mut job = bench.nth(0);
        job.output = Memory::new(4096).unwrap();
        refused(&mut bench, job);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"x").unwrap();
        let mut job = bench.nth(0);
        job.source = Source::new(FileMap::new(&file, 1).unwrap(), 0, 1);
        refused(&mut bench, job);
    }
    let mut bench = Bench::new(AddressMode::Private, Direction::Compress, 8, obedient());
    for other in [AddressMode::Private, AddressMode::Kernel] {
        let mut job = bench.nth(0);
        job.output = Context::new(other).address_space().memory(4096).unwrap();
        refused(&mut bench, job);
    }
}

#[test]
fn a_kernel_takes_buffers_of_other_contexts() {
    let mut bench = Bench::new(AddressMode::Kernel, Direction::Compress, 8, obedient());
    let mut job = bench.nth(0);
    let other = Context::new(AddressMode::Private);
    job.output = other.address_space().memory(4096).unwrap();
    bench.submit(job);
    check(&bench.next(Wait::Spin));
}

#[test]
fn a_stream_takes_many_requests() {
    let plain: Vec<u8> = (0..200_000u32)
        .flat_map(|n| (n / 3).to_le_bytes())
        .collect();
    let mut packed = Vec::new();
    let level = flate2::Compression::default();
    flate2::read::DeflateEncoder::new(&plain[..], level)
        .read_to_end(&mut packed)
        .unwrap();
    packed.extend_from_slice(&crc32(&plain).to_le_bytes());
    packed.extend_from_slice(&(plain.len() as u32).to_le_bytes());
    for mode in MODES {
        let back = unpacked(mode, Algorithm::Gzip, &packed).expect("a whole stream");
        assert!(back == plain, "{mode}");
    }
}

/// What is behind the plain data comes from a block of its own, as that of [`Stream::end`].
#[test]
fn a_raw_stream_may_end_with_an_empty_block() {
    for (mode, len) in MODES.into_iter().zip([1, 3000, 100_000]) {
        let plain: Vec<u8> = text(9).into_iter().cycle().take(len).collect();
        let level = flate2::Compression::default();
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
        encoder.write_all(&plain).unwrap();
        encoder.flush().unwrap();
        let mut packed = encoder.get_ref().clone();
        let cut = unpacked(mode, Algorithm::Deflate, &packed);
        assert_eq!(cut, None, "{mode} {len}");
        packed.extend([3, 0]);
        let back = unpacked(mode, Algorithm::Deflate, &packed);
        assert!(back.as_ref() == Some(&plain), "{mode} {len}");
    }
}

/// The plain data of `packed`, by many requests, none without input but those that are asked for;
/// nothing if that does not come to an end.
fn unpacked(mode: AddressMode, algorithm: Algorithm, packed: &[u8]) -> Option<Vec<u8>> {
    let mut bench = Bench::new(mode, Direction::Decompress, 4, obedient());
    let (mut at, mut result, mut asks) = (0, Vec::new(), false);
    let mut stream = Some(bench.stream());
    loop {
        let len = match asks {
            true => 0,
            false => (packed.len() - at).min(1000),
        };
        if len == 0 && !asks {
            return None;
        }
        let mut part = packed[at..at + len].to_vec();
        part.push(0);
        let source = Source {
            len,
            ..bench.source(&part)
        };
        let mut job = Job::new(0, algorithm, source, bench.memory(3000));
        job.stream = stream;
        bench.submit(job);
        let done = bench.next(Wait::Spin);
        let report = done.result.unwrap();
        at += report.consumed;
        result.extend_from_slice(&done.job.output.bytes()[..report.produced]);
        stream = done.job.stream;
        if report.stream_end {
            assert_eq!(at, packed.len());
            return Some(result);
        }
        let moved = report.consumed > 0 || report.produced > 0;
        asks = report.asks && report.consumed == len && moved;
    }
}

/// Compresses parts of texts as one stream; `last` says whether the last is told to be that. The
/// stream, and what was made.
fn packed(bench: &mut Bench, parts: u64, last: bool) -> (Stream, Vec<u8>) {
    let (mut stream, mut result) = (bench.stream(), Vec::new());
    for n in 0..parts {
        let mut job = bench.nth(n);
        let is_last = last && n + 1 == parts;
        job.stream = Some(if is_last { stream.last() } else { stream });
        bench.submit(job);
        let done = bench.next(Wait::Spin);
        let report = done.result.unwrap();
        assert_eq!(report.consumed, text(n).len());
        result.extend_from_slice(&done.job.output.bytes()[..report.produced]);
        stream = done.job.stream.unwrap();
    }
    (stream, result)
}

#[test]
fn a_stream_ends_with_its_last_input_or_without() {
    for mode in MODES {
        for (parts, last) in [(1, true), (5, true), (5, false), (0, false)] {
            let mut bench = Bench::new(mode, Direction::Compress, 4, obedient());
            let (stream, mut made) = packed(&mut bench, parts, last);
            if !last {
                made.extend(stream.end(Algorithm::Gzip));
            }
            let plain: Vec<u8> = (0..parts).flat_map(text).collect();
            let head = b"\x1f\x8b\x08\0\0\0\0\0\0\xff";
            let mut back = Vec::new();
            flate2::read::GzDecoder::new(&[&head[..], &made].concat()[..])
                .read_to_end(&mut back)
                .unwrap();
            assert!(back == plain, "{mode} {parts} {last}");
        }
    }
}

#[test]
fn what_the_engine_does_not_take_in_a_stream_is_refused() {
    let mut bench = Bench::new(AddressMode::Shared, Direction::Compress, 4, obedient());
    let (stream, _) = packed(&mut bench, 2, false);
    let mut job = bench.nth(2);
    job.source.len = 0;
    job.stream = Some(stream.last());
    let error = bench.refused(job);
    assert!(matches!(error, Error::NoInput { .. }), "{error}");

    let mut job = bench.job(0, &[7; 8000]);
    job.output_room = 8999;
    job.stream = Some(bench.stream());
    let error = bench.refused(job);
    assert!(matches!(error, Error::Room { least: 9000, .. }), "{error}");
}

#[test]
fn a_context_serves_one_stream_after_another() {
    for mode in MODES {
        let mut bench = Bench::new(mode, Direction::Compress, 4, obedient());
        let (stream, first) = packed(&mut bench, 3, true);
        let mut job = bench.nth(0);
        job.stream = Some(Stream::new(stream.into_context()).last());
        bench.submit(job);
        let done = bench.next(Wait::Spin);
        let made = &done.job.output.bytes()[..done.result.unwrap().produced];
        assert!(inflated(made) == text(0) && inflated(&first).starts_with(&text(0)));
    }
}
