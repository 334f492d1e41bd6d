// SPDX-License-Identifier: GPL-2.0
//! The numbers by which the engine says what is wrong with a request.

use super::{DONE, Question, Way, gives, once, told, whole};
use crate::data;
use crate::engine::{Algorithm, Direction, Done, Engine, Request, Trouble};
use crate::{Finding, Reading};

fn decompress(
    engine: &mut dyn Engine,
    algorithm: Algorithm,
    input: Vec<u8>,
) -> Result<Done, Trouble> {
    let request = whole(engine.revision().layout(), algorithm, input);
    once(engine, Direction::Decompress, &request)
}

pub(super) const BAD_CHECKSUM: Question = Question {
    name: "bad-checksum",
    text: "Is the status of a wrong checksum 0x10?",
    mild: None,
    way: Way::Harmless(bad_checksum),
};

fn bad_checksum(engine: &mut dyn Engine) -> Result<Finding, Trouble> {
    let mut input = data::stored_gzip(&data::text(1000));
    let checksum = input.len() - 8;
    input[checksum] ^= 1;
    let done = decompress(engine, Algorithm::Gzip, input)?;
    Ok(Reading::only(done.status() == 0x10).with(told(&done)))
}

/// Any number but those of success: nobody knows which, and the model draws it anew.
fn any_error(done: &Done) -> Finding {
    Reading::only(!DONE.contains(&done.status())).with(told(done))
}

pub(super) const DAMAGED: Question = Question {
    name: "status-damaged",
    text: "Which status has input that is no deflate stream?",
    mild: None,
    way: Way::Harmless(damaged),
};

fn damaged(engine: &mut dyn Engine) -> Result<Finding, Trouble> {
    let mut input = data::stored_gzip(&data::text(1000));
    // A kind of block that there is none of.
    input[0] |= 0b110;
    Ok(any_error(&decompress(engine, Algorithm::Gzip, input)?))
}

pub(super) const CUT: Question = Question {
    name: "status-cut",
    text: "Which status has input that ends too early?",
    mild: None,
    way: Way::Harmless(cut),
};

fn cut(engine: &mut dyn Engine) -> Result<Finding, Trouble> {
    let mut input = data::stored_gzip(&data::text(1000));
    input.truncate(500);
    Ok(any_error(&decompress(engine, Algorithm::Gzip, input)?))
}

pub(super) const NO_ROOM: Question = Question {
    name: "status-no-room",
    text: "Is the status of output that does not fit 0x0e?",
    mild: None,
    way: Way::Harmless(no_room),
};

fn no_room(engine: &mut dyn Engine) -> Result<Finding, Trouble> {
    let request = Request {
        room: 500,
        ..whole(
            engine.revision().layout(),
            Algorithm::Gzip,
            data::stored_gzip(&data::text(1000)),
        )
    };
    let done = once(engine, Direction::Decompress, &request)?;
    let as_modelled = done.status() == 0x0e && !done.spilled;
    Ok(Reading::only(as_modelled).with(told(&done)))
}

pub(super) const UNKNOWN_ALGORITHM: Question = Question {
    name: "status-algorithm",
    text: "Which status has an algorithm that there is none of?",
    mild: None,
    way: Way::Alone(unknown_algorithm),
};

fn unknown_algorithm(engine: &mut dyn Engine) -> Result<Finding, Trouble> {
    let input = data::stored_gzip(&data::text(1000));
    Ok(any_error(&decompress(engine, Algorithm::Unknown, input)?))
}

pub(super) const WORD_3: Question = Question {
    name: "word-3",
    text: "Does the engine write all of word 3, or bits 8:0 alone?",
    mild: Some("word-3-whole"),
    way: Way::Alone(word_3),
};

/// What bits 31:9 are before: about as many are set as not.
const BEFORE: u32 = 0xa5a5_a400;

fn word_3(engine: &mut dyn Engine) -> Result<Finding, Trouble> {
    let plain = data::text(1000);
    let request = Request {
        word_3: BEFORE,
        ..whole(
            engine.revision().layout(),
            Algorithm::Gzip,
            data::stored_gzip(&plain),
        )
    };
    let done = once(engine, Direction::Decompress, &request)?;
    let (works, rest) = (gives(&done, &request, &plain), done.words[3] & !0x1ff);
    let seen = format!("sent as {BEFORE:#x}: {}", told(&done));
    Ok(Reading::of(works && rest == BEFORE, works && rest == 0).with(seen))
}
