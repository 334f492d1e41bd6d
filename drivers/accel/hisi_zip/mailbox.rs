// SPDX-License-Identifier: GPL-2.0

//! Messages to the queue manager: how it is told about queues.

use crate::regs::{
    self,
    BAR2_SIZE, //
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    dma::pages::CoherentPages,
    io::{
        poll::{
            read_poll_timeout,
            read_poll_timeout_atomic, //
        },
        Io, //
    },
    new_mutex,
    pci,
    prelude::*,
    sync::Mutex,
    time::Delta, //
};

/// How long the mailbox is waited for without sleep.
const SOON_MICROS: usize = 10;
/// How long it is waited for at all.
const TIMEOUT: Delta = Delta::from_secs(1);
/// The same where it may have to wait for jobs, which is as long as the C driver waits.
const STOP_TIMEOUT: Delta = Delta::from_secs(5);

/// BAR 2.
pub(crate) type Bar<'a> = pci::Bar<'a, BAR2_SIZE>;

/// Commands of the mailbox.
#[repr(u8)]
#[derive(Copy, Clone, Debug)]
pub(crate) enum Command {
    /// Context of a submission queue.
    Sqc = 0,
    /// Context of a completion queue.
    Cqc = 1,
    /// Context of the event queue.
    Eqc = 2,
    /// Context of the abnormal-event queue.
    Aeqc = 3,
    /// Table in which the device keeps contexts of submission queues.
    SqcTable = 4,
    /// The same, of completion queues.
    CqcTable = 5,
    /// Stop a queue, once what it has begun is finished, for which the mailbox waits. Where
    /// the device can do that.
    StopQueue = 8,
    /// The same for all queues.
    Flush = 9,
}

impl Command {
    fn timeout(self) -> Delta {
        match self {
            Command::StopQueue | Command::Flush => STOP_TIMEOUT,
            _ => TIMEOUT,
        }
    }
}

/// A context of a queue, as the queue manager reads and writes it: 32-bit little-endian words.
pub(crate) type Context = [u32; 8];

/// The mailbox. One message at a time.
#[pin_data]
pub(crate) struct Mailbox {
    /// Memory through which contexts are passed. While a message that was given up is still under
    /// way it belongs to the device.
    #[pin]
    buffer: Mutex<CoherentPages>,
}

impl Mailbox {
    pub(crate) fn new(dev: &Device<Bound>) -> impl PinInit<Self, Error> + '_ {
        try_pin_init!(Self {
            buffer <- new_mutex!(CoherentPages::new(dev, size_of::<Context>())?),
        })
    }

    /// Gives the queue manager a context.
    pub(crate) fn write(
        &self,
        bar: &Bar<'_>,
        command: Command,
        queue: u16,
        context: &Context,
    ) -> Result {
        let buffer = self.buffer.lock();
        self.check_idle(bar)?;
        for (i, word) in context.iter().enumerate() {
            buffer.write(i * size_of::<u32>(), word.to_le())?;
        }
        let limit = command.timeout();
        send(bar, command, queue, buffer.dma_address(), false, limit)
    }

    /// Has the queue manager write a context back. Fails with [`EIO`] if it says that it has, and
    /// has not.
    pub(crate) fn read(&self, bar: &Bar<'_>, command: Command, queue: u16) -> Result<Context> {
        // No context: parts of one are always 0.
        const UNWRITTEN: Context = [u32::MAX; 8];

        let buffer = self.buffer.lock();
        self.check_idle(bar)?;
        for (i, word) in UNWRITTEN.iter().enumerate() {
            buffer.write(i * size_of::<u32>(), *word)?;
        }
        let limit = command.timeout();
        send(bar, command, queue, buffer.dma_address(), true, limit)?;

        let mut context = Context::default();
        for (i, word) in context.iter_mut().enumerate() {
            *word = u32::from_le(buffer.read(i * size_of::<u32>())?);
        }
        if context == UNWRITTEN {
            return Err(EIO);
        }
        Ok(context)
    }

    /// Sends a message that carries an address, or nothing.
    pub(crate) fn send(&self, bar: &Bar<'_>, command: Command, queue: u16, address: u64) -> Result {
        let _guard = self.buffer.lock();
        self.check_idle(bar)?;
        send(bar, command, queue, address, false, command.timeout())
    }

    /// Stops all queues, once what they have begun is finished, if that does not take longer than
    /// `limit`. Where the device can do that.
    ///
    /// Fails with [`EBUSY`] if somebody else is at the mailbox, who may have to wait for long, or
    /// as sending does.
    pub(crate) fn try_flush(&self, bar: &Bar<'_>, limit: Delta) -> Result {
        let _guard = self.buffer.try_lock().ok_or(EBUSY)?;
        self.check_idle(bar)?;
        send(bar, Command::Flush, 0, 0, false, limit)
    }

    /// Fails with [`ENXIO`] while a message that was given up is still under way, [`ENODEV`] if the
    /// device is no longer there.
    fn check_idle(&self, bar: &Bar<'_>) -> Result {
        match state(bar)?.busy() {
            true => Err(ENXIO),
            false => Ok(()),
        }
    }
}

/// Whether a message that somebody has sent before does not end, though it had as long as any of
/// them takes.
pub(crate) fn is_stuck(bar: &Bar<'_>) -> bool {
    let waited = read_poll_timeout(
        || state(bar),
        |mailbox| !mailbox.busy(),
        Delta::from_millis(1),
        STOP_TIMEOUT,
    );
    waited.is_err_and(|e| e == ETIMEDOUT)
}

/// What the mailbox is at. Fails with [`ENODEV`] if the device is no longer there.
fn state(bar: &Bar<'_>) -> Result<regs::MAILBOX_LOW> {
    let message: u128 = bar.try_read(regs::MAILBOX)?;
    // CAST: This is the first half.
    match message as u64 {
        // What a device reads as that was pulled out.
        u64::MAX => Err(ENODEV),
        first => Ok(first.into()),
    }
}

/// Sends a message and waits until it is done, but for `limit`. Fails with [`ETIMEDOUT`] if it is
/// not, [`EIO`] if the queue manager refuses it, [`ENODEV`] if the device is no longer there.
fn send(
    bar: &Bar<'_>,
    command: Command,
    queue: u16,
    address: u64,
    read: bool,
    limit: Delta,
) -> Result {
    let first = regs::MAILBOX_LOW::zeroed()
        .with_command(command as u8)
        .with_read(read)
        .with_busy(true)
        .with_queue(queue)
        .with_address_low(address as u32);
    let second = address >> 32;
    bar.try_write(
        regs::MAILBOX,
        u128::from(second) << u64::BITS | u128::from(first.into_raw()),
    )?;

    let state = || state(bar);
    let is_done = |mailbox: &regs::MAILBOX_LOW| !mailbox.busy();
    // Mostly it is done sooner than this process could sleep and wake up.
    let soon = read_poll_timeout_atomic(state, is_done, Delta::from_micros(1), SOON_MICROS);
    let done = match soon {
        Err(e) if e == ETIMEDOUT => {
            read_poll_timeout(state, is_done, Delta::from_micros(50), limit)?
        }
        soon => soon?,
    };
    if done.status() != 0 {
        return Err(EIO);
    }
    Ok(())
}
