// SPDX-License-Identifier: GPL-2.0
//! The questions, and what they have in common.

mod driver;
mod entries;
mod rooms;
mod statuses;
mod streams;
mod unasked;

use crate::data;
use crate::engine::{Algorithm, Direction, Done, Engine, Layout, PATTERN, Request, Trouble};
use crate::{Question, Way};

/// All of them. Those that may cost the device a reset come last.
pub const QUESTIONS: &[Question] = &[
    entries::COMPLETION_BITS,
    entries::STATELESS_CHECKSUM,
    streams::CHECKSUM,
    streams::CARRIED_WORDS,
    streams::PART_END,
    streams::STREAM_END,
    streams::INPUT_AHEAD,
    streams::LAST_BLOCK_ALONE,
    rooms::NO_ROOM,
    rooms::SMALL_ROOMS,
    statuses::BAD_CHECKSUM,
    statuses::DAMAGED,
    statuses::CUT,
    statuses::NO_ROOM,
    entries::WINDOW,
    driver::SPARE_BITS,
    entries::RAW_DEFLATE,
    streams::LOST_WORDS,
    streams::EMPTY_LAST,
    streams::ROOM_TO_COMPRESS,
    rooms::SMALL_STREAM_ROOM,
    statuses::UNKNOWN_ALGORITHM,
    statuses::WORD_3,
    entries::OTHER_LAYOUT,
    unasked::DEPTH,
    unasked::BAD_DOORBELLS,
    unasked::UNCONTAINED_ERRORS,
    unasked::BUS_AFTER_RESET,
    unasked::CONTAINMENT_AFTER_RESET,
    unasked::WORK_AT_RESET,
    unasked::SHAPER_AFTER_RESET,
    unasked::BAD_ADDRESSES,
    unasked::BAD_LISTS,
    unasked::LIST_LIMITS,
    unasked::STALE_CONTEXTS,
    unasked::STOPPED_WORK,
    unasked::PENDING_INTERRUPTS,
    unasked::FULL_EVENT_QUEUE,
    unasked::COUNTERS,
    unasked::FORGOTTEN_MAILBOX,
];

/// A request that is a whole stream, in the usual layout.
fn whole(layout: Layout, algorithm: Algorithm, input: Vec<u8>) -> Request {
    Request {
        layout,
        word_3: 0,
        algorithm,
        window: 0,
        room: input.len() * 2 + ROOM_MIN,
        input,
        stream: None,
    }
}

/// Room that is no trouble to anybody.
const ROOM_MIN: usize = 4096;

/// One request on a queue of its own.
fn once(engine: &mut dyn Engine, direction: Direction, request: &Request) -> Result<Done, Trouble> {
    engine.queue(direction)?.run(request)
}

/// The register that has the CRC-32 of `plain`: neither the order of its bits nor their sense is
/// that of the standard.
fn crc_register(plain: &[u8]) -> u32 {
    !data::crc32(plain).reverse_bits()
}

/// Statuses with which a request is done.
const DONE: [u32; 3] = [0x00, 0x0d, 0x13];

/// Whether the request was done, with all its input, and `plain` is what came of it.
fn gives(done: &Done, request: &Request, plain: &[u8]) -> bool {
    is_done(done, request) && done.output() == Some(plain)
}

/// Whether the request was done, with all its input.
fn is_done(done: &Done, request: &Request) -> bool {
    DONE.contains(&done.status()) && done.consumed() == request.input.len()
}

/// Fails unless the engine makes `plain` of `deflated`, a whole stream of gzip's trailer.
fn inflates_to(engine: &mut dyn Engine, deflated: Vec<u8>, plain: &[u8]) -> Result<bool, Trouble> {
    let request = Request {
        room: plain.len() + ROOM_MIN,
        ..whole(engine.revision().layout(), Algorithm::Gzip, deflated)
    };
    let done = once(engine, Direction::Decompress, &request)?;
    Ok(gives(&done, &request, plain))
}

/// Whether the engine says that all is well, and has done nothing.
fn is_ignored(done: &Done) -> bool {
    let nothing = done.consumed() == 0 && done.produced() == 0;
    let untouched = !done.spilled && done.room.iter().all(|byte| *byte == PATTERN);
    done.status() == 0 && nothing && untouched
}

/// A sentence of status, lengths, and what of the room is not as it was.
fn told(done: &Done) -> String {
    let (status, consumed, produced) = (done.words[3], done.consumed(), done.produced());
    format!("status {status:#x}, {consumed} consumed, {produced} produced")
}
