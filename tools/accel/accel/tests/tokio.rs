// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Tasks of tokio and their jobs.

use std::sync::Arc;
use std::time::Duration;

use accel::hisi_zip::{Algorithm, Completion, Direction, Job};
use accel::memory::Source;
use accel::tokio::AsyncQueue;
use accel::{AddressMode, AddressSpace, Error, uapi};
use accel_fake::{Context, Fate, Plan, Watcher};

const MODES: [AddressMode; 3] = [
    AddressMode::Shared,
    AddressMode::Private,
    AddressMode::Kernel,
];

fn queue(mode: AddressMode, depth: u32, plan: Plan) -> (Arc<AsyncQueue>, AddressSpace) {
    let (context, watcher) = (Context::new(mode), Arc::<Watcher>::default());
    let queue = context.queue(Direction::Compress, depth, &watcher, plan);
    let queue = AsyncQueue::new(queue.unwrap()).unwrap();
    (Arc::new(queue), context.address_space().clone())
}

fn job(space: &AddressSpace, tag: u64) -> Job {
    let mut input = space.memory(4096).unwrap();
    input.bytes_mut()[..4000].fill(tag as u8);
    let source = Source::new(input, 0, 4000 - tag as usize);
    Job::new(tag, Algorithm::Gzip, source, space.memory(8192).unwrap())
}

#[track_caller]
fn check(completion: &Completion, tag: u64) {
    assert_eq!(completion.job.tag, tag);
    assert_eq!(completion.result.unwrap().consumed, 4000 - tag as usize);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn many_tasks_share_a_queue() {
    for (mode, depth) in MODES.into_iter().flat_map(|m| [2, 4, 64].map(|d| (m, d))) {
        let (queue, space) = queue(mode, depth, Box::new(|_| Fate::Do));
        let task = |tag| {
            let (queue, job) = (Arc::clone(&queue), job(&space, tag));
            tokio::spawn(async move { check(&queue.run(job).await.unwrap(), tag) })
        };
        let tasks: Vec<_> = (0..100).map(task).collect();
        for task in tasks {
            task.await.unwrap();
        }
    }
}

/// Whose future is gone, their memory is the engine's until it is done; the others go on.
#[tokio::test]
async fn a_future_may_be_dropped() {
    for mode in MODES {
        let (queue, space) = queue(mode, 4, Box::new(|_| Fate::Do));
        for tag in 0..20 {
            let dropped = queue.run(job(&space, tag));
            // Once polled, it is handed over, or waits for room.
            let _ = tokio::time::timeout(Duration::ZERO, dropped).await;
            check(&queue.run(job(&space, tag + 100)).await.unwrap(), tag + 100);
        }
        let queue = Arc::into_inner(queue).unwrap().into_inner();
        assert!(queue.check().is_ok());
    }
}

#[tokio::test]
async fn what_hangs_keeps_its_memory_though_nobody_waits() {
    let hangs = |n| if n == 0 { Fate::Hang } else { Fate::Do };
    let (queue, space) = queue(AddressMode::Shared, 4, Box::new(hangs));
    let job = job(&space, 1);
    let source = job.source.clone();
    let limit = Duration::from_millis(20);
    let late = tokio::time::timeout(limit, queue.run(job)).await;
    assert!(late.is_err());
    drop(queue);
    assert!(source.into_memory().is_none(), "the engine has it");
}

#[tokio::test]
async fn all_tasks_learn_that_the_queue_is_dead() {
    for mode in MODES {
        let die = Fate::Die(uapi::QUEUE_DEAD_RESET);
        let plan = move |n| if n == 2 { die } else { Fate::Do };
        let (queue, space) = queue(mode, 8, Box::new(plan));
        let run = |tag| queue.run(job(&space, tag));
        let (a, b, c, d) = tokio::join!(run(0), run(1), run(2), run(3));
        for result in [a, b, c, d] {
            match result {
                Ok(completion) => assert!(completion.job.tag < 2),
                Err(error) => assert!(matches!(error, Error::QueueDead { .. }), "{error}"),
            }
        }
        let error = run(4).await.unwrap_err();
        assert!(matches!(error, Error::QueueDead { .. }), "{error}");
        let mut queue = Arc::into_inner(queue).unwrap().into_inner();
        assert!(!queue.take_back().is_empty());
    }
}

#[test]
fn without_a_runtime_it_is_an_error() {
    let watcher = Arc::<Watcher>::default();
    let plan = Box::new(|_| Fate::Do);
    let queue = accel_fake::queue(Direction::Compress, 4, &watcher, plan).unwrap();
    let error = AsyncQueue::new(queue).unwrap_err();
    assert!(matches!(error, Error::Runtime { .. }), "{error}");
}
