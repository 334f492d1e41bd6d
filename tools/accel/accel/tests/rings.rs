// SPDX-License-Identifier: GPL-2.0
//! The ring code against an engine in memory.

use std::io::Read;
use std::sync::Arc;

use accel::hisi_zip::{
    Algorithm, CONTEXT_SIZE, Completion, Direction, Job, JobError, Position, Stream, Wait, Woken,
    ZipQueue, sleep, wait,
};
use accel::memory::{Buffer, FileMap, Source};
use accel::{Error, uapi};
use accel_fake::{Fate, Plan, Watcher};

fn obedient() -> Plan {
    Box::new(|_| Fate::Do)
}

fn plan(fates: &'static [(u64, Fate)]) -> Plan {
    Box::new(|n| fates.iter().find(|f| f.0 == n).map_or(Fate::Do, |f| f.1))
}

struct Bench {
    queue: ZipQueue,
    watcher: Arc<Watcher>,
}

impl Bench {
    fn new(direction: Direction, depth: u32, plan: Plan) -> Self {
        let watcher = Arc::default();
        let queue = accel_fake::queue(direction, depth, &watcher, plan).unwrap();
        Self { queue, watcher }
    }

    fn submit(&mut self, job: Job) {
        self.queue.vacancy().expect("room").submit(job).unwrap();
    }

    fn next(&mut self, how: Wait) -> Completion {
        let queues = std::slice::from_mut(&mut self.queue);
        assert_eq!(wait(queues, how, None).unwrap(), Woken::Completion);
        self.queue.poll().unwrap().expect("a completion")
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.watcher.violations(), [""; 0]);
        }
    }
}

/// Spares the test the seconds that a queue waits for jobs that do not come back.
fn forget_jobs(bench: &mut Bench) {
    let empty = accel_fake::queue(Direction::Compress, 2, &bench.watcher, obedient()).unwrap();
    std::mem::forget(std::mem::replace(&mut bench.queue, empty));
}

fn buffer(content: &[u8]) -> Source {
    let mut buffer = Buffer::new(content.len()).unwrap();
    buffer.bytes_mut().copy_from_slice(content);
    Source::Buffer {
        buffer,
        start: 0,
        len: content.len(),
    }
}

fn job(tag: u64, content: &[u8]) -> Job {
    Job::new(
        tag,
        Algorithm::Gzip,
        buffer(content),
        Buffer::new(content.len() + 100).unwrap(),
    )
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
    assert_eq!(
        inflated(&completion.job.output.bytes()[..report.produced]),
        expected
    );
    assert_eq!(report.consumed, expected.len());
    assert_eq!(report.checksum, crc32(&expected));
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[test]
fn rings_wrap_many_times_whatever_their_depth() {
    for depth in [2, 3, 8, 64] {
        for how in [Wait::Spin, Wait::Poll, Wait::Auto] {
            let mut bench = Bench::new(Direction::Compress, depth, obedient());
            let (mut submitted, mut done) = (0, 0);
            while done < 5 * u64::from(depth) + 3 {
                while let Some(vacancy) = bench.queue.vacancy() {
                    vacancy.submit(job(submitted, &text(submitted))).unwrap();
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
    let mut bench = Bench::new(Direction::Compress, 4, obedient());
    for n in 0..50 {
        bench.submit(job(n, &text(n)));
        check(&bench.next(Wait::Spin));
        assert!(bench.queue.poll().unwrap().is_none());
    }
    assert_eq!(bench.watcher.jobs(), 50);
}

#[test]
fn an_error_belongs_to_one_job() {
    const FATES: &[(u64, Fate)] = &[
        (1, Fate::Status(0x23)),
        (2, Fate::Status(0x77)),
        (3, Fate::Hardware(9)),
    ];
    let mut bench = Bench::new(Direction::Compress, 8, plan(FATES));
    (0..5).for_each(|n| bench.submit(job(n, &text(n))));
    check(&bench.next(Wait::Spin));
    for expected in [
        JobError::InputAddress,
        JobError::Status(0x77),
        JobError::Hardware(9),
    ] {
        assert_eq!(bench.next(Wait::Spin).result, Err(expected));
    }
    check(&bench.next(Wait::Spin));
}

#[test]
fn too_little_room_is_told() {
    let mut bench = Bench::new(Direction::Compress, 8, obedient());
    let mut job = job(0, &text(0));
    job.output_room = 10;
    bench.submit(job);
    assert_eq!(bench.next(Wait::Spin).result, Err(JobError::NoRoom));
}

#[test]
fn jobs_may_finish_out_of_order() {
    // Each multiple of three is done after its successor.
    let mut bench = Bench::new(
        Direction::Compress,
        4,
        Box::new(|n| if n % 3 == 0 { Fate::Late } else { Fate::Do }),
    );
    let (mut submitted, mut tags) = (0, Vec::new());
    while tags.len() < 30 {
        while submitted < 30
            && let Some(vacancy) = bench.queue.vacancy()
        {
            vacancy.submit(job(submitted, &text(submitted))).unwrap();
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

#[test]
fn a_dead_queue_says_why() {
    for (state, words) in [
        (uapi::QUEUE_DEAD_RESET, "reset"),
        (uapi::QUEUE_DEAD_REMOVED, "gone"),
    ] {
        for how in [Wait::Spin, Wait::Poll, Wait::Auto] {
            let fate = Fate::Die(state);
            let die = Box::new(move |n| if n == 1 { fate } else { Fate::Do });
            let mut bench = Bench::new(Direction::Compress, 8, die);
            bench.submit(job(0, &text(0)));
            check(&bench.next(how));
            bench.submit(job(1, &text(1)));
            let error = wait(std::slice::from_mut(&mut bench.queue), how, None).unwrap_err();
            assert!(matches!(error, Error::QueueDead { .. }), "{error}");
            assert!(error.to_string().contains(words), "{error}");
            let refused = bench
                .queue
                .vacancy()
                .expect("room")
                .submit(job(2, &text(2)));
            assert!(matches!(refused, Err(Error::QueueDead { .. })));
        }
    }
}

#[test]
fn a_completion_of_nothing_is_refused() {
    const FATES: &[(u64, Fate)] = &[(0, Fate::WrongEntry)];
    let mut bench = Bench::new(Direction::Compress, 8, plan(FATES));
    bench.submit(job(0, &text(0)));
    wait(std::slice::from_mut(&mut bench.queue), Wait::Spin, None).unwrap();
    let error = bench.queue.poll().unwrap_err();
    assert!(error.to_string().contains("not in flight"), "{error}");
    forget_jobs(&mut bench);
}

#[test]
fn another_descriptor_ends_the_wait() {
    const FATES: &[(u64, Fate)] = &[(0, Fate::Hang)];
    let mut bench = Bench::new(Direction::Compress, 8, plan(FATES));
    bench.submit(job(0, &text(0)));
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut writer, b"x").unwrap();
    let other = std::os::fd::AsFd::as_fd(&reader);
    let queues = std::slice::from_mut(&mut bench.queue);
    assert_eq!(sleep(queues, Some(other)).unwrap(), Woken::Other);
    assert_eq!(bench.queue.in_flight(), 1);
    forget_jobs(&mut bench);
}

#[test]
fn dropping_a_queue_waits_for_its_jobs() {
    let mut bench = Bench::new(Direction::Compress, 64, obedient());
    (0..63).for_each(|n| bench.submit(job(n, &text(n))));
    let watcher = Arc::clone(&bench.watcher);
    drop(bench);
    assert_eq!(watcher.jobs(), 63);
}

#[test]
fn a_file_is_read_where_it_lies() {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, &text(3)).unwrap();
    let map = FileMap::new(&file, text(3).len()).unwrap();
    let source = Source::File {
        map,
        start: 8,
        len: 100,
    };
    let mut bench = Bench::new(Direction::Compress, 8, obedient());
    bench.submit(Job::new(
        0,
        Algorithm::Gzip,
        source,
        Buffer::new(4096).unwrap(),
    ));
    let done = bench.next(Wait::Spin);
    let produced = done.result.unwrap().produced;
    assert_eq!(
        inflated(&done.job.output.bytes()[..produced]),
        text(3)[8..108]
    );
}

#[test]
#[should_panic(expected = "outside its memory")]
fn input_outside_its_memory_is_not_submitted() {
    let mut bench = Bench::new(Direction::Compress, 8, obedient());
    let mut job = job(0, &text(0));
    if let Source::Buffer { start, .. } = &mut job.source {
        *start = 8192;
    }
    bench.submit(job);
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

    let mut bench = Bench::new(Direction::Decompress, 4, obedient());
    let (mut at, mut result) = (0, Vec::new());
    let mut position = Position::First;
    let mut context = Buffer::new(CONTEXT_SIZE).unwrap();
    loop {
        let len = (packed.len() - at).min(1000);
        let mut job = Job::new(
            0,
            Algorithm::Gzip,
            buffer(&packed[at..at + len]),
            Buffer::new(3000).unwrap(),
        );
        job.stream = Some(Stream {
            context,
            position,
            finish: false,
        });
        bench.submit(job);
        let done = bench.next(Wait::Spin);
        let report = done.result.unwrap();
        at += report.consumed;
        result.extend_from_slice(&done.job.output.bytes()[..report.produced]);
        position = Position::Next;
        context = done.job.stream.unwrap().context;
        if report.stream_end {
            assert_eq!(report.checksum, crc32(&plain));
            break;
        }
    }
    assert_eq!(at, packed.len());
    assert!(result == plain);
}
