// SPDX-License-Identifier: GPL-2.0
//! The program with an engine in memory, for the tests of its command line.
//!
//! `FAKE_FATE=N:STATUS` lets job N of each queue end with that status; `N:hang`, `N:die`, `N:lost`,
//! of which no output comes, `N:wrong`, which is done to other input, and `N:damaged`, of whose
//! output a bit is another one, also work. `FAKE_QUEUES` is how many queues there are.

use std::cell::Cell;
use std::process::ExitCode;
use std::sync::Arc;

use accel::hisi_zip::{Direction, ZipQueue};
use accel::{AddressMode, AddressSpace, uapi};
use accel_fake::{Context, Fate, Plan, Watcher};
use accel_gzip::error::{Error, Result};
use accel_gzip::queues::Engine;
use accel_gzip::{app, signals};

struct FakeEngine {
    context: Context,
    watcher: Arc<Watcher>,
    left: Cell<u32>,
}

impl Engine for FakeEngine {
    fn mode(&self) -> AddressMode {
        self.context.address_space().mode()
    }

    fn space(&self) -> Result<AddressSpace> {
        Ok(self.context.address_space().clone())
    }

    fn queue(&self, direction: Direction) -> Result<ZipQueue> {
        let Some(left) = self.left.get().checked_sub(1) else {
            return Err(Error::Device(accel::Error::QueuesBusy {
                device: "fake0".into(),
            }));
        };
        self.left.set(left);
        let queue = self.context.queue(direction, 64, &self.watcher, plan());
        Ok(queue.expect("memory for a queue"))
    }
}

fn plan() -> Plan {
    let Ok(wanted) = std::env::var("FAKE_FATE") else {
        return Box::new(|_| Fate::Do);
    };
    let (job, fate) = wanted.split_once(':').expect("FAKE_FATE=JOB:FATE");
    let job: u64 = job.parse().expect("the number of a job");
    let fate = match fate {
        "hang" => Fate::Hang,
        "lost" => Fate::Lost,
        "wrong" => Fate::Wrong,
        "damaged" => Fate::Damaged,
        "die" => Fate::Die(uapi::QUEUE_DEAD_REMOVED),
        status => Fate::Status(status.parse().expect("a status")),
    };
    Box::new(move |n| if n == job { fate } else { Fate::Do })
}

fn main() -> ExitCode {
    let args = accel_gzip::cli::parse();
    signals::watch().expect("signals");
    let left = std::env::var("FAKE_QUEUES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(64);
    let watcher = Arc::<Watcher>::default();
    let engine = |mode| {
        Box::new(FakeEngine {
            context: Context::new(mode),
            watcher: Arc::clone(&watcher),
            left: Cell::new(left),
        }) as _
    };
    let status = app::run(&args, &engine);
    let violations = watcher.violations();
    assert!(violations.is_empty(), "{violations:?}");
    ExitCode::from(status)
}
