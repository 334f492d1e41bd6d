// SPDX-License-Identifier: GPL-2.0

//! What registers told when the driver was bound, for who wants to know the silicon: what firmware,
//! the driver before this one, or a reset had left there. A device that was left with errors is
//! brought to rest and reset before.
//!
//! The file `observed` of the device in debugfs has lines `name value`. Reading it touches no
//! register.

use crate::{
    mailbox::Bar,
    Revision, //
};
use kernel::{
    debugfs::{
        ScopedDir,
        Writer, //
    },
    fmt,
    io::Io, //
};

/// Registers that all revisions have.
const REGISTERS: &[(&str, usize)] = &[
    ("aeq_mask", 0x4),
    ("eq_mask", 0xc),
    ("qm_errors", 0x10_0000),
    ("count_clear", 0x10_0118),
    ("master", 0x30_0000),
    ("engine_errors", 0x30_10a0),
    ("cores", 0x30_1004),
    ("perf", 0x30_1208),
];

/// What revision 0x30 has besides. To read it elsewhere may be an error of the bus.
const REGISTERS_V3: &[(&str, usize)] = &[
    ("functions", 0x30),
    ("power", 0x10_0148),
    ("bus_clocks", 0x30_11a8),
    ("prefetch", 0x30_11b0),
    ("literals", 0x30_1204),
    ("shaper", 0x10_0164),
    ("queues", 0x10_0158),
    ("cap_3100", 0x3100),
    ("cap_3104", 0x3104),
    ("cap_3108", 0x3108),
    ("cap_310c", 0x310c),
    ("cap_3110", 0x3110),
    ("cap_3114", 0x3114),
    ("cap_3118", 0x3118),
    ("cap_311c", 0x311c),
    ("cap_3124", 0x3124),
    ("cap_3128", 0x3128),
    ("cap_312c", 0x312c),
    ("cap_3130", 0x3130),
    ("cap_3134", 0x3134),
    ("cap_3138", 0x3138),
    ("cap_313c", 0x313c),
    ("cap_3140", 0x3140),
    ("cap_3144", 0x3144),
    ("cap_3148", 0x3148),
];

/// What they told.
pub(crate) struct Observed {
    /// In the order of both lists.
    values: [u32; REGISTERS.len() + REGISTERS_V3.len()],
    revision: Revision,
}

/// Registers of this revision.
fn registers(revision: Revision) -> impl Iterator<Item = &'static (&'static str, usize)> {
    let more: &[_] = match revision {
        Revision::V2 => &[],
        Revision::V3 => REGISTERS_V3,
    };
    REGISTERS.iter().chain(more)
}

impl Observed {
    /// Looks at a device that is not started yet.
    pub(crate) fn new(bar: &Bar<'_>, revision: Revision) -> Self {
        let mut values = [0; REGISTERS.len() + REGISTERS_V3.len()];
        for (value, &(_, offset)) in values.iter_mut().zip(registers(revision)) {
            let read = bar.try_read32(offset);
            debug_assert!(read.is_ok(), "the register lies in the BAR");
            *value = read.unwrap_or(u32::MAX);
        }
        Self { values, revision }
    }

    /// Adds the file.
    pub(crate) fn add_file<'a>(&'a self, dir: &ScopedDir<'a, '_>) {
        dir.read_only_file(c"observed", self);
    }
}

impl Writer for Observed {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = registers(self.revision).zip(&self.values);
        lines.try_for_each(|((name, _), value)| writeln!(f, "{name} {value:#x}"))
    }
}
