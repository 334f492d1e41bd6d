// SPDX-License-Identifier: GPL-2.0

//! Starting and stopping the engine as a whole.

use crate::{
    capabilities::{
        Capabilities,
        Revision, //
    },
    errors::{
        ErrorMasks,
        Errors, //
    },
    mailbox::Bar,
    regs::{
        self,
        AXI_USER,
        AXI_USER_PASID, //
    }, //
};
use kernel::{
    io::{
        poll::read_poll_timeout,
        Io, //
    },
    num::Bounded,
    page,
    prelude::*,
    time::Delta, //
};

const POLL: Delta = Delta::from_micros(10);
const TIMEOUT: Delta = Delta::from_millis(100);
/// To halt, the device waits for the pages that it has asked for; they may have to come from a
/// disk. Whoever gives them must get to run: the thread that handles errors of the bus is a
/// real-time one.
const HALT_POLL: Delta = Delta::from_millis(1);
const HALT_TIMEOUT: Delta = Delta::from_secs(2);

/// Kinds of ranges that a function is given.
#[repr(u32)]
#[derive(Copy, Clone)]
enum VftType {
    SubmissionQueues = 0,
    CompletionQueues = 1,
    /// How much of a type of jobs it may do, revision 0x30.
    Shaper = 2,
}

/// The most that a function can be given of a type of jobs: 150 * 2^6 of the shaper's units in a
/// tick, and bursts of 2^19.
const RATE: u64 = 19 << 19 | 1 << 15 | 6 << 8 | 150;
/// Types of jobs that have a rate: compression, decompression.
const RATED: u32 = 2;

/// Fails with [`ENODEV`] if a register reads as all do whose device is gone. In none of those that
/// come here all bits have a meaning.
pub(crate) fn present<R: Into<u32> + Copy>(register: R) -> Result<R> {
    match register.into() {
        u32::MAX => Err(ENODEV),
        _ => Ok(register),
    }
}

/// Makes the device ready to be told about queues, `queues` of them, once it
/// [tells of errors](watch_errors).
pub(crate) fn init(
    bar: &Bar<'_>,
    revision: Revision,
    capabilities: &Capabilities,
    queues: u32,
    fast: bool,
) -> Result {
    bar.write_reg(regs::MEM_START_INIT::zeroed().with_start(true));
    wait(|| bar.read(regs::MEM_INIT_DONE), |init| init.done())?;

    for &(offset, value) in regs::INIT {
        bar.try_write32(value, offset)?;
    }
    // Revision 0x30 has a switch in the context of each queue; for the other, the first queue
    // sets it.
    use_pasids(bar, false);
    start_engine(bar, revision, capabilities.cores, fast);
    if capabilities.prefetches {
        let size = match page::PAGE_SIZE {
            0x4000 => 1,
            0x1_0000 => 2,
            _ => 0,
        };
        bar.write_reg(regs::PAGE_SIZE::zeroed().with_size(size));
        // Without it the device is slower, but works.
        if open_prefetch(bar).is_err() {
            close_prefetch(bar)?;
        }
    }

    set_queues(bar, queues)?;
    if capabilities.rates_jobs {
        set_rates(bar)?;
    }
    Ok(())
}

/// Switches the cores on. What else stands in registers of which some bits are known stays there.
fn start_engine(bar: &Bar<'_>, revision: Revision, cores: u8, fast: bool) {
    let control = regs::ENGINE_CONTROL::zeroed()
        .with_check(true)
        .with_cores(cores);
    bar.write_reg(control);
    bar.write_reg(bar.read(regs::HIGH_PERF).with_fast(fast));
    if revision == Revision::V3 {
        bar.write_reg(bar.read(regs::POWER_CONTROL).with_stay_awake(true));
        bar.write_reg(bar.read(regs::LITERALS).with_without_length(false));
        bar.write_reg(control.with_gates(0xff).with_gate_shutdown(true));
        bar.write_reg(bar.read(regs::BUS_CLOCKS).with_gate(true));
    }
}

/// Has the device fetch translations before it needs them.
fn open_prefetch(bar: &Bar<'_>) -> Result {
    let open = bar
        .read(regs::PREFETCH)
        .with_disable(false)
        .with_disable_b(false)
        .with_disable_a(false);
    bar.write_reg(open);
    wait(|| bar.read(regs::PREFETCH), |prefetch| !prefetch.disable())?;
    wait_for_rest(bar, TIMEOUT, |state| state.fetches() == 0)
}

/// Ends that, and waits until nothing of it is under way. What is may wait for pages, as jobs do.
fn close_prefetch(bar: &Bar<'_>) -> Result {
    bar.write_reg(bar.read(regs::PREFETCH).with_disable(true));
    wait_for_rest(bar, HALT_TIMEOUT, |state| {
        !state.closing() && !state.open() && state.stalls() == 0
    })
}

/// Waits until the device has been `at_rest` as often as that means something.
fn wait_for_rest(
    bar: &Bar<'_>,
    limit: Delta,
    at_rest: impl Fn(regs::PREFETCH_STATE) -> bool,
) -> Result {
    const TIMES: u32 = 3;
    let mut times = 0;
    read_poll_timeout(
        || {
            let state = present(bar.read(regs::PREFETCH_STATE))?;
            times = if at_rest(state) { times + 1 } else { 0 };
            Ok(times)
        },
        |times| *times == TIMES,
        POLL,
        limit,
    )?;
    Ok(())
}

/// Has all queues of revision 0x21 access their data, and scatter lists, under their PASIDs, or by
/// the function's own id. To be called while there are no queues.
pub(crate) fn use_pasids(bar: &Bar<'_>, used: bool) {
    let attributes = if used {
        AXI_USER | AXI_USER_PASID
    } else {
        AXI_USER
    };
    bar.write_reg(regs::DATA_RUSER::zeroed().with_attributes(attributes));
    bar.write_reg(regs::DATA_WUSER::zeroed().with_attributes(attributes));
    bar.write_reg(regs::SGL_RUSER::zeroed().with_attributes(attributes));
}

/// Lets the event queues raise interrupts, or not.
pub(crate) fn mask_events(bar: &Bar<'_>, masked: bool) {
    bar.write_reg(regs::EQ_INT_MASK::zeroed().with_masked(masked));
    bar.write_reg(regs::AEQ_INT_MASK::zeroed().with_masked(masked));
}

/// Has the device write back what it has cached of contexts.
pub(crate) fn write_back(bar: &Bar<'_>) -> Result {
    bar.write_reg(regs::CACHE_WB_START::zeroed().with_start(true));
    wait(|| bar.read(regs::CACHE_WB_DONE), |cache| cache.done())
}

/// Leaves the device with nothing to do, whatever it was at, and whoever has left it there: it has
/// no queues, tells of nothing, and its way to memory is shut. May be called before [`init`].
///
/// A reset must not come while it has work, and does not [`open`] what is shut. Fails as [`halt`]
/// does, or with [`ETIMEDOUT`] if the queues can't be taken away, or fetches in advance don't end.
pub(crate) fn quiet(bar: &Bar<'_>, revision: Revision, prefetches: bool) -> Result {
    mask_events(bar, true);
    mask_errors(bar, Errors::ALL);
    let closed = match prefetches {
        true => close_prefetch(bar),
        false => Ok(()),
    };
    let halted = halt(bar);
    let taken = set_queues(bar, 0);
    contain_errors(bar, revision, Errors::NONE);
    closed.and(halted).and(taken)
}

/// Opens the way to memory of a device that is [quiet].
pub(crate) fn open(bar: &Bar<'_>) {
    bar.write_reg(regs::MASTER_GLOBAL_CTRL::zeroed());
}

/// Ends all accesses of the device to memory, until [`open`], if it means what it says. Fails with
/// [`ETIMEDOUT`] if it does not end them, [`ENODEV`] if it is gone.
pub(crate) fn halt(bar: &Bar<'_>) -> Result {
    bar.write_reg(regs::MASTER_GLOBAL_CTRL::zeroed().with_shutdown(true));
    let ended = || present(bar.read(regs::MASTER_TRANS_RETURN));
    read_poll_timeout(
        ended,
        |ended| ended.reads() && ended.writes(),
        HALT_POLL,
        HALT_TIMEOUT,
    )?;
    Ok(())
}

/// Errors that the device has noted, but those of which it is to be silent.
pub(crate) fn errors(bar: &Bar<'_>) -> Errors {
    Errors {
        manager: bar.read(regs::ABNORMAL_INT_STATUS).errors(),
        engine: bar.read(regs::CORE_INT_STATUS).errors(),
    }
}

/// Errors that the device has noted.
pub(crate) fn all_errors(bar: &Bar<'_>) -> Errors {
    Errors {
        manager: bar.read(regs::ABNORMAL_INT_SOURCE).errors(),
        engine: bar.read(regs::CORE_INT_SOURCE).errors(),
    }
}

/// Has the device forget errors.
pub(crate) fn clear_errors(bar: &Bar<'_>, errors: Errors) {
    bar.write_reg(regs::ABNORMAL_INT_SOURCE::zeroed().with_errors(errors.manager));
    bar.write_reg(regs::CORE_INT_SOURCE::zeroed().with_errors(errors.engine));
}

/// Has the device, and the bus that revision 0x21 is on, forget all errors. After one of memory no
/// interrupt comes before that, and none must be on its way meanwhile.
fn clear_bus_errors(bar: &Bar<'_>) {
    let ports = bar.read(regs::PORTS);
    bar.write_reg(ports.with_msis(false));
    clear_errors(bar, Errors::ALL);
    bar.write_reg(regs::REORDER_INT_SOURCE::zeroed().with_ecc(true));
    bar.write_reg(ports.with_msis(true));
}

/// Has the device tell of the errors in `masks`, but not of `known`. The bus is told of what a
/// reset mends alone: what processes can bring about is nothing for others there.
pub(crate) fn report_errors(bar: &Bar<'_>, masks: &ErrorMasks, known: Errors) {
    let corrected = masks.corrected.without(known);
    let non_fatal = masks.non_fatal.among(masks.reset).without(known);
    let told = masks.corrected.and(masks.non_fatal).and(masks.reset);
    bar.write_reg(regs::RAS_CE_ENABLE::zeroed().with_errors(corrected.manager));
    bar.write_reg(regs::RAS_NFE_ENABLE::zeroed().with_errors(non_fatal.manager));
    bar.write_reg(regs::CORE_RAS_CE_ENABLE::zeroed().with_errors(corrected.engine));
    bar.write_reg(regs::CORE_RAS_NFE_ENABLE::zeroed().with_errors(non_fatal.engine));
    mask_errors(bar, Errors::ALL.without(told.without(known)));
}

/// Has the device forget the errors of before, and tell of those to come. To be called once it is
/// [quiet]: if errors have shut the way to memory, it is opened by arming that anew.
///
/// Returns the errors that need a reset and that it has nevertheless.
pub(crate) fn watch_errors(bar: &Bar<'_>, revision: Revision, masks: &ErrorMasks) -> Errors {
    match revision {
        Revision::V2 => clear_bus_errors(bar),
        Revision::V3 => clear_errors(bar, Errors::ALL),
    }
    let left = all_errors(bar).among(masks.reset);
    bar.write_reg(regs::RAS_CE_THRESHOLD::zeroed().with_count(1));
    bar.write_reg(regs::RAS_FE_ENABLE::zeroed());
    bar.write_reg(regs::CORE_RAS_FE_ENABLE::zeroed());
    contain_errors(bar, revision, masks.contained);
    report_errors(bar, masks, Errors::NONE);
    left
}

/// Keeps errors from raising interrupts.
fn mask_errors(bar: &Bar<'_>, masked: Errors) {
    bar.write_reg(regs::ABNORMAL_INT_MASK::zeroed().with_errors(masked.manager));
    bar.write_reg(regs::CORE_INT_MASK::zeroed().with_errors(masked.engine));
}

/// Has the device end its accesses to memory upon `errors`. Revision 0x21 knows by itself which.
fn contain_errors(bar: &Bar<'_>, revision: Revision, errors: Errors) {
    if revision == Revision::V3 {
        bar.write_reg(regs::OOO_SHUTDOWN_SEL::zeroed().with_errors(errors.manager));
        bar.write_reg(regs::CORE_OOO_SHUTDOWN_SEL::zeroed().with_errors(errors.engine));
    }
    let control = bar.read(regs::SOFT_CTRL);
    bar.write_reg(control.with_axi_shutdown(errors != Errors::NONE));
}

/// Gives the function `queues` queues, from 0.
fn set_queues(bar: &Bar<'_>, queues: u32) -> Result {
    let valid = u64::from(queues != 0);
    let last = u64::from(queues.saturating_sub(1));
    set_range(bar, VftType::SubmissionQueues, 0, last << 45 | valid << 44)?;
    set_range(bar, VftType::CompletionQueues, 0, valid << 28)
}

/// Gives the function as much as it can have of each type of jobs. Who has had the device before
/// may have left the shaper on, and what has no rate does not run then.
fn set_rates(bar: &Bar<'_>) -> Result {
    bar.write_reg(
        regs::SHAPER_CFG::zeroed()
            .with_enabled(true)
            .with_compression(Bounded::<u32, 10>::new::<750>())
            .with_decompression(Bounded::<u32, 10>::new::<140>()),
    );
    for kind in 0..RATED {
        set_range(bar, VftType::Shaper, kind << 6, RATE)?;
    }
    Ok(())
}

/// Sets a range of the function 0, whose number `function` has in its lowest bits.
fn set_range(bar: &Bar<'_>, kind: VftType, function: u32, range: u64) -> Result {
    match wait(|| bar.read(regs::VFT_CFG_RDY), |range| range.ready()) {
        // To be taken away from is never wrong.
        Err(_) if range == 0 => {}
        ready => ready?,
    }
    bar.write_reg(regs::VFT_CFG_OP_WR::zeroed());
    bar.write_reg(regs::VFT_CFG_TYPE::zeroed().with_kind(kind as u32));
    bar.write_reg(regs::VFT_CFG::zeroed().with_function(function));
    bar.write_reg(regs::VFT_CFG_DATA_L::zeroed().with_data(range as u32));
    bar.write_reg(regs::VFT_CFG_DATA_H::zeroed().with_data((range >> 32) as u32));
    bar.write_reg(regs::VFT_CFG_RDY::zeroed());
    bar.write_reg(regs::VFT_CFG_OP_ENABLE::zeroed().with_start(true));
    wait(|| bar.read(regs::VFT_CFG_RDY), |range| range.ready())
}

/// Waits for the device to say that it is done. Fails with [`ETIMEDOUT`], or [`ENODEV`] if it is
/// gone.
fn wait<R: Into<u32> + Copy>(read: impl Fn() -> R, done: impl Fn(&R) -> bool) -> Result {
    read_poll_timeout(|| present(read()), done, POLL, TIMEOUT)?;
    Ok(())
}
