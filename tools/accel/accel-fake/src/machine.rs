// SPDX-License-Identifier: GPL-2.0
//! A machine whose devices have queues, or have none.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use accel::hisi_zip::{Direction, ZipQueue};
use accel::{AddressMode, Error, Supply};
use rustix::io::Errno;

use crate::{Context, Fate, Plan, Watcher};

/// Entries of a queue: fewer than there may be jobs.
const DEPTH: u32 = 4;

/// What a machine has when it is asked for a queue.
pub enum Offer {
    /// A queue whose jobs meet these fates.
    Queue(Plan),
    /// Queues that are all in use.
    Busy,
    /// Devices that are out of service.
    Isolated,
}

/// Where an [`Engine`](accel::Engine) has its queues from. Clones are the same machine.
#[derive(Clone)]
pub struct Machine(Arc<Inner>);

struct Inner {
    context: Context,
    watcher: Arc<Watcher>,
    offers: Mutex<VecDeque<Offer>>,
}

impl Machine {
    /// A machine with devices in this mode. It has `offers` one after the other, and then queues
    /// that do what they should.
    pub fn new(mode: AddressMode, offers: impl IntoIterator<Item = Offer>) -> Self {
        Self(Arc::new(Inner {
            context: Context::new(mode),
            watcher: Arc::default(),
            offers: Mutex::new(offers.into_iter().collect()),
        }))
    }

    /// What was done, and what was wrong about it.
    pub fn watcher(&self) -> &Watcher {
        &self.0.watcher
    }

    /// How many offers are left.
    pub fn offers(&self) -> usize {
        self.next(|offers| offers.len())
    }

    fn next<T>(&self, action: impl FnOnce(&mut VecDeque<Offer>) -> T) -> T {
        action(&mut self.0.offers.lock().unwrap_or_else(|e| e.into_inner()))
    }
}

impl Supply for Machine {
    fn queue(&self, direction: Direction) -> accel::Result<ZipQueue> {
        let device = "fake0".to_owned();
        let plan = match self.next(VecDeque::pop_front) {
            None => Box::new(|_| Fate::Do),
            Some(Offer::Queue(plan)) => plan,
            Some(Offer::Busy) => return Err(Error::QueuesBusy { device }),
            Some(Offer::Isolated) => {
                return Err(Error::Refused {
                    device,
                    action: "creating a queue",
                    source: Errno::IO,
                });
            }
        };
        let Inner {
            context, watcher, ..
        } = &*self.0;
        let queue = context.queue(direction, DEPTH, watcher, plan);
        Ok(queue.expect("memory for a queue"))
    }
}
