// SPDX-License-Identifier: GPL-2.0
//! What the driver has seen.

use super::{Question, Way};
use crate::engine::{Engine, Trouble};
use crate::{Finding, Reading};

pub(super) const SPARE_BITS: Question = Question {
    name: "spare-bits",
    text: "Are bits of the engine's registers set that nobody has a name for?",
    mild: Some("loose-registers"),
    way: Way::Driver(spare_bits),
};

/// Registers, as the driver calls them, and the bits that have a name.
const NAMED: [(&str, u64); 5] = [
    ("power", 1 << 9),
    ("bus_clocks", 1 << 0),
    ("prefetch", 1 << 26 | 1 << 17 | 1 << 0),
    ("literals", 1 << 4),
    ("perf", 1 << 0),
];

fn spare_bits(engine: &mut dyn Engine) -> Result<Finding, Trouble> {
    let mut spare = Vec::new();
    for (name, named) in NAMED {
        if let Some(value) = engine.observed(name)? {
            spare.push((name, value & !named));
        }
    }
    if spare.is_empty() {
        return Err(Trouble::NotHere("the driver has seen none of them".into()));
    }
    let set = spare.iter().any(|(_, bits)| *bits != 0);
    let seen: Vec<_> = spare
        .iter()
        .map(|(name, bits)| format!("{name} {bits:#x}"))
        .collect();
    Ok(Reading::of(set, !set).with(seen.join(", ")))
}
