// SPDX-License-Identifier: GPL-2.0
//! What ties the requests of a stream together.

use super::entries::name_of;
use super::{
    DONE, Question, ROOM_MIN, Way, crc_register, inflates_to, is_ignored, once, told, whole,
};
use crate::data;
use crate::engine::{
    Algorithm, CARRIED, Direction, Done, Engine, Request, Revision, Stream, Trouble,
};
use crate::{Finding, Reading};

/// Bytes of the requests of a stream.
const PIECE: usize = 8 << 10;

/// What is sent of the words that a stream carries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Words {
    /// As they came back.
    Carried,
    /// Zeros.
    Lost,
}

/// Compresses pieces as one stream; the answers to its requests.
fn compress(engine: &mut dyn Engine, pieces: &[&[u8]], words: Words) -> Result<Vec<Done>, Trouble> {
    let layout = engine.revision().layout();
    let mut queue = engine.queue(Direction::Compress)?;
    let mut answers: Vec<Done> = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        let carried = match answers.last() {
            Some(done) if words == Words::Carried => done.carried(),
            _ => [0; CARRIED.len()],
        };
        let stream = Stream {
            begin: number == 0,
            last: number + 1 == pieces.len(),
            carried,
        };
        let request = Request {
            // More than can come of it.
            room: piece.len() * 2 + ROOM_MIN,
            stream: Some(stream),
            ..whole(layout, Algorithm::Gzip, piece.to_vec())
        };
        answers.push(queue.run(&request)?);
    }
    Ok(answers)
}

/// Whether what the requests have written is `plain`, compressed.
fn are_good(engine: &mut dyn Engine, answers: &[Done], plain: &[u8]) -> Result<bool, Trouble> {
    let mut deflated = Vec::new();
    for done in answers {
        match done.output() {
            Some(output) if DONE.contains(&done.status()) => deflated.extend(output),
            _ => return Ok(false),
        }
    }
    // The engine refuses a request without input, and nothing is no stream.
    Ok(!deflated.is_empty() && inflates_to(engine, deflated, plain)?)
}

pub(super) const CHECKSUM: Question = Question {
    name: "stream-checksum",
    text: "Is word 31 of a stream of gzip its CRC-32, reversed and inverted?",
    mild: None,
    way: Way::Harmless(checksum),
};

fn checksum(engine: &mut dyn Engine) -> Result<Finding, Trouble> {
    let plain = data::text(2 * PIECE);
    let pieces: Vec<_> = plain.chunks(PIECE).collect();
    let answers = compress(engine, &pieces, Words::Carried)?;
    let words = [answers[0].words[31], answers[1].words[31]];
    let as_modelled = words == [crc_register(&plain[..PIECE]), crc_register(&plain)];
    let names = [
        name_of(words[0], &plain[..PIECE]),
        name_of(words[1], &plain),
    ];
    let seen = format!(
        "{:#010x} ({}), then {:#010x} ({})",
        words[0], names[0], words[1], names[1]
    );
    Ok(Reading::only(as_modelled).with(seen))
}

pub(super) const CARRIED_WORDS: Question = Question {
    name: "carried-words",
    text: "What comes back in words 15 and 28 to 31 of a stream?",
    mild: None,
    way: Way::Harmless(carried_words),
};

fn carried_words(engine: &mut dyn Engine) -> Result<Finding, Trouble> {
    let plain = data::text(3 * PIECE);
    let pieces: Vec<_> = plain.chunks(PIECE).collect();
    let answers = compress(engine, &pieces, Words::Carried)?;
    let good = are_good(engine, &answers, &plain)?;
    let [state, low, high, len, sum] = answers[1].carried();
    let has_state = state >> 4 | low | high != 0;
    let as_modelled = good && has_state && len as usize == 2 * PIECE;
    let seen = format!(
        "after {} bytes: {state:#x}, {low:#x}, {high:#x}, {len}, {sum:#x}; the stream is {}",
        2 * PIECE,
        quality(good)
    );
    Ok(Reading::only(as_modelled).with(seen))
}

pub(super) const LOST_WORDS: Question = Question {
    name: "lost-words",
    text: "Does a stream fail that does not bring these words back?",
    mild: None,
    way: Way::Alone(lost_words),
};

fn lost_words(engine: &mut dyn Engine) -> Result<Finding, Trouble> {
    let plain = data::text(2 * PIECE);
    let pieces: Vec<_> = plain.chunks(PIECE).collect();
    let answers = compress(engine, &pieces, Words::Lost)?;
    let good = are_good(engine, &answers, &plain)?;
    let seen = format!(
        "second request: {}; the stream is {}",
        told(&answers[1]),
        quality(good)
    );
    Ok(Reading::only(!good).with(seen))
}

pub(super) const PART_END: Question = Question {
    name: "part-end",
    text: "Does a request of a stream that is compressed end at a whole byte, if more follows?",
    mild: None,
    way: Way::Harmless(part_end),
};

fn part_end(engine: &mut dyn Engine) -> Result<Finding, Trouble> {
    let plain = data::text(PIECE);
    let revision = engine.revision();
    let request = Request {
        // As programs have it.
        window: if revision == Revision::V3 { 4 } else { 0 },
        stream: Some(Stream {
            begin: true,
            last: false,
            carried: [0; CARRIED.len()],
        }),
        ..whole(revision.layout(), Algorithm::Gzip, plain.clone())
    };
    let done = once(engine, Direction::Compress, &request)?;
    let Some(output) = done.output().filter(|output| !output.is_empty()) else {
        return Ok(Reading::only(false).with(told(&done)));
    };
    // Only at a whole byte does a last block have its meaning.
    let crc = data::crc32(&plain).to_le_bytes();
    let len = (PIECE as u32).to_le_bytes();
    let stream = [output, &EMPTY_LAST_BLOCK, &crc, &len].concat();
    let good = inflates_to(engine, stream, &plain)?;
    let end = &output[output.len().saturating_sub(5)..];
    let seen = format!(
        "its last bytes are {end:02x?}; with an end behind them, the stream is {}",
        quality(good)
    );
    Ok(Reading::only(good).with(seen))
}

pub(super) const EMPTY_LAST: Question = Question {
    name: "empty-last",
    text: "Does the last request of a stream that is compressed fail if it has no input?",
    mild: Some("empty-finish-fails"),
    way: Way::Alone(empty_last),
};

fn empty_last(engine: &mut dyn Engine) -> Result<Finding, Trouble> {
    let plain = data::text(PIECE);
    let answers = compress(engine, &[&plain, &[]], Words::Carried)?;
    let done = &answers[1];
    // It says that all is well, but the stream has no end.
    let ignored = done.status() == 0 && done.produced() == 0;
    let fails = !DONE.contains(&done.status());
    Ok(Reading::of(ignored, fails).with(told(done)))
}

pub(super) const ROOM_TO_COMPRESS: Question = Question {
    name: "room-to-compress",
    text: "Is a request of a stream without room for 9/8 of its input ignored, or an error?",
    mild: Some("tight-rooms-fail"),
    way: Way::Alone(room_to_compress),
};

fn room_to_compress(engine: &mut dyn Engine) -> Result<Finding, Trouble> {
    let request = Request {
        room: PIECE,
        stream: Some(Stream {
            begin: true,
            last: true,
            carried: [0; CARRIED.len()],
        }),
        ..whole(
            engine.revision().layout(),
            Algorithm::Gzip,
            data::text(PIECE),
        )
    };
    let done = once(engine, Direction::Compress, &request)?;
    let fails = !DONE.contains(&done.status()) && done.produced() == 0;
    Ok(Reading::of(is_ignored(&done), fails).with(told(&done)))
}

/// In word 3, at the end of a stream.
const LAST_BLOCK: u32 = 1 << 8;

/// Requests that are more than a stream takes, whatever it asks for.
const REQUESTS_MAX: usize = 200;

/// What requests have written.
fn output_of(answers: &[Done]) -> Vec<u8> {
    let outputs = answers.iter().filter_map(Done::output);
    outputs.flatten().copied().collect()
}

fn quality(good: bool) -> &'static str {
    match good {
        true => "good",
        false => "damaged",
    }
}

/// What word 15 [3:0] says of a stream that is decompressed, and what goes with it.
fn asks(done: &Done) -> u32 {
    done.words[15] & 0xf
}

/// Whether the engine asks for a request without input; `taken`: it has taken all.
fn asks_for_nothing(done: &Done, taken: bool) -> bool {
    let last_block = done.words[15] & 1 << 7 != 0;
    let stored = done.words[28] & 0x7_ffff;
    match asks(done) {
        // Room; the rest of the trailer.
        1 | 4 => true,
        // Room amid a block.
        2 => taken && last_block && stored != 0,
        _ => false,
    }
}

/// Decompresses a stream in pieces, with `room` for what comes of each; the answers until it ends.
/// A request without input is made only if it is asked for, as other programs do.
fn decompress(
    engine: &mut dyn Engine,
    input: &[u8],
    piece: usize,
    room: usize,
) -> Result<Vec<Done>, Trouble> {
    let layout = engine.revision().layout();
    let mut queue = engine.queue(Direction::Decompress)?;
    let mut answers: Vec<Done> = Vec::new();
    let mut at = 0;
    for _ in 0..REQUESTS_MAX {
        let end = input.len().min(at + piece);
        let stream = Stream {
            begin: answers.is_empty(),
            last: end == input.len(),
            carried: answers.last().map_or([0; CARRIED.len()], Done::carried),
        };
        let request = Request {
            room,
            stream: Some(stream),
            ..whole(layout, Algorithm::Gzip, input[at..end].to_vec())
        };
        let done = queue.run(&request)?;
        at = end.min(at + done.consumed());
        let over = done.words[3] & LAST_BLOCK != 0 || !DONE.contains(&done.status());
        let moved = done.consumed() > 0 || done.produced() > 0;
        let goes_on = moved && (at < input.len() || asks_for_nothing(&done, at == end));
        if !over && !goes_on {
            return Err(stuck(&done));
        }
        answers.push(done);
        if over {
            return Ok(answers);
        }
    }
    Err(Trouble::Failed(
        "a stream that was decompressed does not end".into(),
    ))
}

/// That a stream neither ends nor lets anybody do something for it.
fn stuck(done: &Done) -> Trouble {
    let (told, word) = (told(done), done.words[15]);
    Trouble::Failed(format!(
        "a stream that was decompressed stands still: {told}, word 15 {word:#x}"
    ))
}

/// A stream of many blocks, and what it holds.
fn many_blocks() -> (Vec<u8>, Vec<u8>) {
    let plain = data::text(BLOCKS * BLOCK);
    let mut stream = Vec::new();
    for block in plain.chunks(BLOCK) {
        stream.extend(data::stored(block, false));
    }
    stream.extend(data::stored(&[], true));
    stream.extend(data::gzip_trailer(&plain));
    (stream, plain)
}

const BLOCKS: usize = 40;
const BLOCK: usize = 1000;

pub(super) const STREAM_END: Question = Question {
    name: "stream-end",
    text: "Does status 0x13 come at the end of a stream alone?",
    mild: Some("end-is-the-end"),
    way: Way::Harmless(stream_end),
};

fn stream_end(engine: &mut dyn Engine) -> Result<Finding, Trouble> {
    let (stream, plain) = many_blocks();
    let answers = decompress(engine, &stream, BLOCK, ROOM_MIN)?;
    let right = output_of(&answers) == plain;
    let (last, others) = answers.split_last().expect("a request at least");
    let early = others.iter().filter(|done| done.status() == 0x13).count();
    let good = right && last.words[3] & 0x1ff == 0x13 | LAST_BLOCK;
    let seen = format!(
        "in {} requests {early} times before it; at its end {:#x}; the data is {}",
        answers.len(),
        last.words[3],
        quality(right)
    );
    Ok(Reading::of(good && early > 0, good && early == 0).with(seen))
}

pub(super) const INPUT_AHEAD: Question = Question {
    name: "input-ahead",
    text: "Does a stream take input for whose output it has no room, and ask for more room?",
    mild: None,
    way: Way::Harmless(input_ahead),
};

fn input_ahead(engine: &mut dyn Engine) -> Result<Finding, Trouble> {
    let (stream, plain) = many_blocks();
    let answers = decompress(engine, &stream, stream.len(), BLOCK)?;
    let right = output_of(&answers) == plain;
    let first = &answers[0];
    let ahead = first.consumed() > 2 * BLOCK && first.produced() == BLOCK;
    let as_modelled = right && ahead && matches!(asks(first), 1 | 2);
    let mut asked: Vec<_> = answers.iter().map(asks).collect();
    asked.sort_unstable();
    asked.dedup();
    let seen = format!(
        "first request: {}; word 15 [3:0] has been {asked:?}; the data is {}",
        told(first),
        quality(right)
    );
    Ok(Reading::only(as_modelled).with(seen))
}

pub(super) const LAST_BLOCK_ALONE: Question = Question {
    name: "last-block",
    text: "Does a raw stream whose last block is empty end without a request without input?",
    mild: Some("last-block-at-once"),
    way: Way::Harmless(last_block_alone),
};

/// A last block without content, by the fixed code.
const EMPTY_LAST_BLOCK: [u8; 2] = [0x03, 0x00];

/// Whether the context has that block, so that a program would make the request without input.
/// Other bits may be the beginning of any block.
fn keeps_last_block(done: &Done) -> bool {
    const BITS: u16 = 10;
    // A program takes more for something else.
    const BITS_MAX: u32 = 39;
    let count = done.words[15] >> 10 & 0x3f;
    let at = 0xc00 + (done.words[29] as usize & 0xffff).next_multiple_of(16);
    let kept = done.context.get(at..).and_then(<[u8]>::first_chunk);
    let is_block = |kept: &[u8; 2]| {
        (u16::from_le_bytes(*kept) ^ u16::from_le_bytes(EMPTY_LAST_BLOCK)) << (16 - BITS) == 0
    };
    let fits = (u32::from(BITS)..=BITS_MAX).contains(&count);
    asks(done) == 3 && fits && kept.is_some_and(is_block)
}

fn last_block_alone(engine: &mut dyn Engine) -> Result<Finding, Trouble> {
    if engine.revision() == Revision::V2 {
        let reason = "revision 0x21 does not know raw deflate";
        return Err(Trouble::NotHere(reason.into()));
    }
    let plain = data::text(BLOCK);
    let mut input = data::stored(&plain, false);
    input.extend(EMPTY_LAST_BLOCK);
    let mut queue = engine.queue(Direction::Decompress)?;
    let mut run = |input, carried: Option<_>| {
        let stream = Stream {
            begin: carried.is_none(),
            last: true,
            carried: carried.unwrap_or_default(),
        };
        queue.run(&Request {
            stream: Some(stream),
            ..whole(Revision::V3.layout(), Algorithm::Deflate, input)
        })
    };
    let is_end = |done: &Done| done.words[3] & 0x1ff == 0x13 | LAST_BLOCK;
    let first = run(input, None)?;
    let right = first.output() == Some(&plain);
    let seen = format!("{}, word 15 {:#x}", told(&first), first.words[15]);
    if is_end(&first) || !keeps_last_block(&first) {
        return Ok(Reading::of(false, right && is_end(&first)).with(seen));
    }
    let second = run(Vec::new(), Some(first.carried()))?;
    let ends = right && is_end(&second) && second.produced() == 0;
    let seen = format!("{seen}; without input: {}", told(&second));
    Ok(Reading::only(ends).with(seen))
}
