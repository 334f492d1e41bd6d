// SPDX-License-Identifier: GPL-2.0

//! What the process of a queue is told: that jobs have completed, and that the queue is dead.

use super::status_page::StatusPage;
use crate::{
    bindings,
    eventfd::EventFd,
    fs::File,
    page::SharedPage,
    prelude::*,
    static_lock_class,
    sync::{
        new_spinlock,
        poll::{
            PollCondVarBox,
            PollTable, //
        },
        SpinLock, //
    },
    uapi, //
};

/// The state of a queue that takes jobs.
pub(super) const LIVE: uapi::accel_queue_state = uapi::accel_queue_state_ACCEL_QUEUE_LIVE;

struct Told {
    /// Completion events that were not read yet.
    unread: u64,
    /// Completion events so far.
    completions: u64,
    status: uapi::accel_queue_state,
    eventfd: Option<EventFd>,
}

impl Told {
    fn is_live(&self) -> bool {
        self.status == LIVE
    }
}

/// The same to be had in four ways: `read()`, `poll()`, an eventfd, and the status page.
#[pin_data]
pub(super) struct Notices {
    /// Held for each write to the status page.
    #[pin]
    told: SpinLock<Told>,
    wait: PollCondVarBox,
    page: StatusPage,
}

impl Notices {
    /// For a queue that begins in this generation of its device.
    pub(super) fn new(generation: u32) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            told <- new_spinlock!(Told {
                unread: 0,
                completions: 0,
                status: LIVE,
                eventfd: None,
            }),
            wait: PollCondVarBox::new(c"accel_queue", static_lock_class!())?,
            page: StatusPage::new(generation)?,
        })
    }

    /// Jobs have completed. Does not sleep.
    pub(super) fn complete(&self) {
        let mut told = self.told.lock();
        told.unread += 1;
        told.completions += 1;
        self.page.set_completions(told.completions);
        self.wake(&told);
    }

    /// The queue has come to this state, and takes no jobs any more. Does not sleep.
    pub(super) fn die(&self, state: uapi::accel_queue_state) {
        let mut told = self.told.lock();
        told.status = state;
        self.page.set_state(state);
        self.wake(&told);
    }

    fn wake(&self, told: &Told) {
        self.wait.notify_all();
        if let Some(eventfd) = &told.eventfd {
            eventfd.signal();
        }
    }

    /// What the queue's process was told last.
    pub(super) fn state(&self) -> uapi::accel_queue_state {
        self.told.lock().status
    }

    /// Completion events so far.
    pub(super) fn completions(&self) -> u64 {
        self.told.lock().completions
    }

    pub(super) fn status_page(&self) -> &SharedPage {
        self.page.page()
    }

    /// Waits until the queue is dead. Fails with [`ERESTARTSYS`] if a signal comes.
    pub(super) fn wait_dead(&self) -> Result {
        let mut told = self.told.lock();
        while told.is_live() {
            if self.wait.wait_interruptible(&mut told) {
                return Err(ERESTARTSYS);
            }
        }
        Ok(())
    }

    /// Takes the completion events that were not read yet. If there is none, fails with [`ENODEV`]
    /// if the queue is dead; else waits for one, or fails with [`EAGAIN`] where it may not. Fails
    /// with [`ERESTARTSYS`] if a signal comes.
    pub(super) fn take_unread(&self, wait: bool) -> Result<u64> {
        let mut told = self.told.lock();
        while told.unread == 0 {
            if !told.is_live() {
                return Err(ENODEV);
            }
            if !wait {
                return Err(EAGAIN);
            }
            if self.wait.wait_interruptible(&mut told) {
                return Err(ERESTARTSYS);
            }
        }
        Ok(core::mem::take(&mut told.unread))
    }

    /// So many events were taken and could not be given to the process.
    pub(super) fn give_back(&self, count: u64) {
        self.told.lock().unread += count;
        // Whoever has come meanwhile found none, and waits for what is there again.
        self.wait.notify_all();
    }

    /// What `poll()` answers.
    pub(super) fn poll(&self, file: &File, table: &PollTable<'_>) -> u32 {
        table.register_wait(file, &self.wait);
        let told = self.told.lock();
        let mut mask = 0;
        if told.unread != 0 {
            mask |= bindings::POLLIN | bindings::POLLRDNORM;
        }
        if !told.is_live() {
            mask |= bindings::POLLERR | bindings::POLLHUP;
        }
        mask
    }

    /// Signals this eventfd from now on, and at once if there are events; none ends that. Fails
    /// with [`ENODEV`] if the queue is dead. May sleep.
    pub(super) fn set_eventfd(&self, eventfd: Option<EventFd>) -> Result {
        let mut told = self.told.lock();
        if !told.is_live() {
            return Err(ENODEV);
        }
        let before = core::mem::replace(&mut told.eventfd, eventfd);
        if let Some(eventfd) = told.eventfd.as_ref().filter(|_| told.unread != 0) {
            eventfd.signal();
        }
        drop(told);
        drop(before);
        Ok(())
    }

    /// Signals none any more. May sleep.
    pub(super) fn drop_eventfd(&self) {
        let eventfd = self.told.lock().eventfd.take();
        drop(eventfd);
    }
}
