// SPDX-License-Identifier: GPL-2.0
//! What entries and completions mean.

use super::{Question, Way, crc_register, gives, is_done, once, told, whole};
use crate::data;
use crate::engine::{Algorithm, Direction, Engine, Layout, Request, Revision, Trouble};
use crate::{Finding, Reading};

pub(super) const COMPLETION_BITS: Question = Question {
    name: "completion-bits",
    text: "Are bits 15:1 of word 7 of a completion 0?",
    mild: Some("clean-completions"),
    way: Way::Harmless(completion_bits),
};

/// Requests after which a bit that may be set has been.
const RUNS: usize = 16;

fn completion_bits(engine: &mut dyn Engine) -> Result<Finding, Trouble> {
    let request = whole(
        engine.revision().layout(),
        Algorithm::Gzip,
        data::text(1000),
    );
    let mut queue = engine.queue(Direction::Compress)?;
    let mut set = 0;
    for _ in 0..RUNS {
        set |= queue.run(&request)?.completion[7] & !1;
    }
    let seen = format!("set in one of {RUNS} completions: {set:#06x}");
    Ok(Reading::of(set != 0, set == 0).with(seen))
}

pub(super) const STATELESS_CHECKSUM: Question = Question {
    name: "stateless-checksum",
    text: "Does word 31 have a checksum if a request is a whole stream?",
    mild: Some("stateless-checksum"),
    way: Way::Harmless(stateless_checksum),
};

fn stateless_checksum(engine: &mut dyn Engine) -> Result<Finding, Trouble> {
    let plain = data::text(1000);
    let mut works = true;
    let mut word = |algorithm| {
        let request = whole(engine.revision().layout(), algorithm, plain.clone());
        let done = once(engine, Direction::Compress, &request)?;
        works &= is_done(&done, &request);
        Ok(done.words[31])
    };
    let (gzip, zlib) = (word(Algorithm::Gzip)?, word(Algorithm::Zlib)?);
    let set = gzip == crc_register(&plain) && zlib == data::adler32(&plain);
    let seen = format!(
        "gzip {gzip:#010x} ({}), zlib {zlib:#010x} ({})",
        name_of(gzip, &plain),
        name_of(zlib, &plain)
    );
    let none = gzip == 0 && zlib == 0;
    Ok(Reading::of(works && none, works && set).with(seen))
}

/// Which checksum of `plain` that is.
pub(super) fn name_of(word: u32, plain: &[u8]) -> &'static str {
    match word {
        0 => "none",
        _ if word == crc_register(plain) => "CRC-32, reversed and inverted",
        _ if word == data::crc32(plain) => "CRC-32",
        _ if word == data::adler32(plain) => "Adler-32",
        _ => "no checksum of the data",
    }
}

pub(super) const WINDOW: Question = Question {
    name: "window",
    text: "Do bits 15:12 of word 9 say how far back compression looks?",
    mild: Some("whole-window"),
    way: Way::Harmless(window),
};

/// Window of 4 KiB, of 32 KiB.
const WINDOWS: [u32; 2] = [0, 4];

fn window(engine: &mut dyn Engine) -> Result<Finding, Trouble> {
    if engine.revision() == Revision::V2 {
        return Err(Trouble::NotHere("revision 0x21 has no such bits".into()));
    }
    // Nothing in it is to be found again but 20 KiB further back.
    let half = data::noise(20 << 10);
    let plain = [&half[..], &half[..]].concat();
    let (mut sizes, mut works) = (Vec::new(), true);
    for window in WINDOWS {
        let request = Request {
            window,
            ..whole(engine.revision().layout(), Algorithm::Gzip, plain.clone())
        };
        let done = once(engine, Direction::Compress, &request)?;
        works &= is_done(&done, &request);
        sizes.push(done.produced());
    }
    // Whether nothing was found again.
    let [small, large] = [sizes[0], sizes[1]].map(|size| size > plain.len() * 3 / 4);
    let seen = format!(
        "20 KiB twice: {} bytes with 0, {} with 4",
        sizes[0], sizes[1]
    );
    let (as_it_says, whole) = (small && !large, !small && !large);
    Ok(Reading::of(works && as_it_says, works && whole).with(seen))
}

pub(super) const RAW_DEFLATE: Question = Question {
    name: "raw-deflate",
    text: "Does the engine know raw deflate (revision 0x30), or not (0x21)?",
    mild: None,
    way: Way::AloneOnV2(raw_deflate),
};

fn raw_deflate(engine: &mut dyn Engine) -> Result<Finding, Trouble> {
    let plain = data::text(1000);
    let request = whole(
        engine.revision().layout(),
        Algorithm::Deflate,
        data::stored(&plain, true),
    );
    let done = once(engine, Direction::Decompress, &request)?;
    let knows = gives(&done, &request, &plain);
    let as_modelled = knows == (engine.revision() == Revision::V3);
    Ok(Reading::only(as_modelled).with(told(&done)))
}

pub(super) const OTHER_LAYOUT: Question = Question {
    name: "other-layout",
    text: "Is an entry in the layout of the other revision an error?",
    mild: None,
    way: Way::Alone(other_layout),
};

fn other_layout(engine: &mut dyn Engine) -> Result<Finding, Trouble> {
    let plain = data::text(1000);
    let other = match engine.revision() {
        Revision::V2 => Layout::Tag26,
        Revision::V3 => Layout::Tag13,
    };
    let request = whole(other, Algorithm::Gzip, data::stored_gzip(&plain));
    let done = once(engine, Direction::Decompress, &request)?;
    let knows = gives(&done, &request, &plain);
    Ok(Reading::only(!knows).with(told(&done)))
}
