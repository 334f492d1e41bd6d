// SPDX-License-Identifier: GPL-2.0
//! How much room the engine wants for its output.

use super::{DONE, Question, Way, gives, is_ignored, once, told, whole};
use crate::data;
use crate::engine::{Algorithm, Direction, Done, Engine, Request, Stream, Trouble};
use crate::{Finding, Reading};

/// Decompresses `plain` into `room` bytes.
fn into(engine: &mut dyn Engine, plain: &[u8], room: usize) -> Result<(Request, Done), Trouble> {
    let layout = engine.revision().layout();
    let request = Request {
        room,
        ..whole(layout, Algorithm::Gzip, data::stored_gzip(plain))
    };
    let done = once(engine, Direction::Decompress, &request)?;
    Ok((request, done))
}

pub(super) const NO_ROOM: Question = Question {
    name: "room-16",
    text: "Is a request with room for 16 bytes ignored?",
    mild: None,
    way: Way::Harmless(no_room),
};

fn no_room(engine: &mut dyn Engine) -> Result<Finding, Trouble> {
    let (_, done) = into(engine, b"0123456789", 16)?;
    Ok(Reading::only(is_ignored(&done)).with(told(&done)))
}

pub(super) const SMALL_ROOMS: Question = Question {
    name: "small-rooms",
    text: "Is room for 17 to 199 bytes enough for a whole stream that fits in?",
    mild: Some("small-rooms"),
    way: Way::Harmless(small_rooms),
};

fn small_rooms(engine: &mut dyn Engine) -> Result<Finding, Trouble> {
    let plain = b"0123456789";
    let (mut ignored, mut works) = (true, true);
    let mut seen = Vec::new();
    for room in [17, 64, 128, 199] {
        let (request, done) = into(engine, plain, room)?;
        ignored &= is_ignored(&done);
        works &= gives(&done, &request, plain) && !done.spilled;
        seen.push(format!("{room}: {}", told(&done)));
    }
    Ok(Reading::of(ignored, works).with(seen.join("; ")))
}

pub(super) const SMALL_STREAM_ROOM: Question = Question {
    name: "stream-room",
    text: "Is a request of a stream with room for less than 200 bytes ignored, or an error?",
    mild: Some("small-stream-rooms-fail"),
    way: Way::Alone(small_stream_room),
};

fn small_stream_room(engine: &mut dyn Engine) -> Result<Finding, Trouble> {
    let layout = engine.revision().layout();
    let request = Request {
        room: 199,
        stream: Some(Stream {
            begin: true,
            last: false,
            carried: [0; 5],
        }),
        ..whole(
            layout,
            Algorithm::Gzip,
            data::stored_gzip(&data::text(1000)),
        )
    };
    let done = once(engine, Direction::Decompress, &request)?;
    let fails = !DONE.contains(&done.status()) && done.produced() == 0;
    Ok(Reading::of(is_ignored(&done), fails).with(told(&done)))
}
