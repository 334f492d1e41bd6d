// SPDX-License-Identifier: GPL-2.0

//! What the device says of itself: how many queues, how deep, which interrupts, cores and formats.
//!
//! Revision 0x30 has registers for that. Products differ in them, so most values are others than
//! a driver would take if it did not look. Of revision 0x21 drivers know what it is; what they
//! would read in these places is anything.

use crate::device::Config;
use crate::readings::Nonsense;
use crate::readings::Reading;
use crate::regs;

/// Queues of revision 0x21, which can't say how many it has.
pub const QUEUES_SHARED: u16 = 1024;

/// What is there, in [`regs::CAPABILITIES`]: rate limits, STOP_QP, FLUSH_QM, messages between
/// functions, power management, and translations that are fetched in advance.
const ABILITIES: u32 = 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 13 | 1 << 14;

/// Zlib, gzip and deflate in [`regs::ALGORITHMS`], a bit for each direction. Four more bits are for
/// what this device can't do.
const ALGORITHMS: u32 = 0b11_1111;
const ALGORITHM_BITS: u32 = 10;

/// Entries of an SQ or a CQ.
const DEPTH: u16 = 1024;
/// The same, as far as its context has bits for them.
const DEPTH_OF_CONTEXT: u16 = 4096;

/// MSI vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vectors {
    /// Of the event queue.
    pub events: u8,
    /// Of the queue of abnormal events.
    pub abnormal_events: u8,
    /// Of messages between functions.
    pub messages: u8,
    /// Of hardware errors.
    pub errors: u8,
}

impl Vectors {
    /// How many there are.
    pub const COUNT: u32 = 4;
    /// Those of revision 0x21.
    const SHARED: Self = Self {
        events: 0,
        abnormal_events: 1,
        messages: 2,
        errors: 3,
    };

    /// The same four, turned by some places, but never by none.
    fn turned(nonsense: &mut Nonsense) -> Self {
        let by = between(nonsense, 1, Self::COUNT - 1) as u8;
        let turn = |vector: u8| (vector + by) % Self::COUNT as u8;
        Self {
            events: turn(Self::SHARED.events),
            abnormal_events: turn(Self::SHARED.abnormal_events),
            messages: turn(Self::SHARED.messages),
            errors: turn(Self::SHARED.errors),
        }
    }
}

/// Most entries of each kind of queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depths {
    /// SQ and CQ.
    pub queue: u16,
    /// Event queue.
    pub events: u16,
    /// Queue of abnormal events.
    pub abnormal_events: u16,
}

/// What differs from one product to the next.
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// MSI vectors.
    pub vectors: Vectors,
    /// Most entries.
    pub depths: Depths,
    /// The cores, a bit each: two that compress, then those that decompress.
    pub cores: u32,
    /// What the registers read.
    pub registers: Vec<(u64, u32)>,
}

impl Capabilities {
    /// Those of a device of the kind `config`.
    pub fn new(config: &Config) -> Self {
        // Not the numbers that the device draws while it works.
        let mut nonsense = Nonsense::new(!config.seed);
        let mut capabilities = match config.is_isolated() {
            true => Self::isolated(config.queues, &mut nonsense),
            false => Self::shared(&mut nonsense),
        };
        if config.mild.has(Reading::QueueDepth) {
            capabilities.depths.queue = DEPTH_OF_CONTEXT;
        }
        capabilities
    }

    fn isolated(queues: u16, nonsense: &mut Nonsense) -> Self {
        let compress = between(nonsense, 1, 0b11);
        let decompress = between(nonsense, 1, 0b11_1111);
        let mut capabilities = Self {
            vectors: Vectors::turned(nonsense),
            depths: Depths {
                queue: DEPTH,
                events: between(nonsense, 1100, 2000) as u16,
                abnormal_events: between(nonsense, 256, 1000) as u16,
            },
            cores: decompress << 2 | compress,
            registers: Vec::new(),
        };
        capabilities.registers.push((regs::ISOLATION, 1));
        // The functions share more queues than this one may have.
        let total = u32::from(queues) + between(nonsense, 1, u32::from(queues));
        let count = total.min(0x7ff) | u32::from(queues) << 11;
        capabilities.registers.push((regs::QUEUE_COUNT, count));
        capabilities.tell_manager(nonsense);
        capabilities.tell_engine(nonsense);
        capabilities
    }

    /// What the queue manager says.
    fn tell_manager(&mut self, nonsense: &mut Nonsense) {
        const USED: u32 = 1 << 16;
        let Vectors {
            events,
            abnormal_events,
            messages,
            errors,
        } = self.vectors;
        let depths = self.depths;
        let version = between(nonsense, 1, 0xff);
        let twice = |depth: u16| u32::from(depth) << 16 | u32::from(depth);
        self.registers.extend([
            (regs::CAPABILITIES, ABILITIES | version),
            (
                regs::EVENT_DEPTHS,
                u32::from(depths.abnormal_events) << 16 | u32::from(depths.events),
            ),
            (regs::QUEUE_DEPTHS, twice(depths.queue)),
            (regs::EVENT_VECTOR, USED | u32::from(events)),
            (
                regs::ABNORMAL_EVENT_VECTOR,
                USED | u32::from(abnormal_events),
            ),
            (regs::ERROR_VECTOR, USED | u32::from(errors)),
            (regs::MESSAGE_VECTOR, USED | u32::from(messages)),
            (regs::VECTORS, Vectors::COUNT << 16 | 3),
            (regs::EXTENDED_BAR, 0x14),
        ]);
    }

    /// What the engine says.
    fn tell_engine(&mut self, nonsense: &mut Nonsense) {
        let (compress, decompress) = (self.cores & 0b11, self.cores >> 2);
        let (packers, unpackers) = (compress.count_ones(), decompress.count_ones());
        let spare = (nonsense.draw() as u32) << ALGORITHM_BITS;
        // An error that nobody knows: what it is to be done with is said all the same.
        let unknown = 1 << between(nonsense, 13, 19);
        self.registers.extend([
            // Errors of the manager, then of the engine: which are reported as uncorrected, which
            // of them want a reset, which were corrected.
            (regs::ERRORS, 0x7c77),
            (regs::ERRORS + 0x4, 0x6c77),
            (regs::ERRORS + 0x8, 0x8),
            (regs::ERRORS + 0xc, 0x1ffe | unknown),
            (regs::ERRORS + 0x10, 0x7fe),
            (regs::ERRORS + 0x14, 0x1),
            // One cluster, with two kinds of cores.
            (
                regs::CORE_COUNT,
                1 << 28 | 2 << 24 | (packers + unpackers) << 16 | packers << 8 | unpackers,
            ),
            (regs::CORES, decompress << 18 | compress),
            // What mainline's driver makes of it for the kernel itself: deflate.
            (regs::KERNEL_ALGORITHMS, 0x30),
            (regs::ALGORITHMS, spare | ALGORITHMS),
        ]);
        // By core: those that compress, then those that decompress.
        let cores = [0xd5, 0xd5, 0x2a, 0x2a, 0x2a];
        let offsets = (regs::CORE_ALGORITHMS..).step_by(4);
        self.registers.extend(offsets.zip(cores));
    }

    fn shared(nonsense: &mut Nonsense) -> Self {
        let places = (regs::CAPABILITIES..=regs::CAPABILITIES_END).step_by(4);
        let places = places.chain([regs::ISOLATION, regs::QUEUE_COUNT]);
        Self {
            vectors: Vectors::SHARED,
            depths: Depths {
                queue: DEPTH,
                events: 2048,
                abnormal_events: 1024,
            },
            cores: 0xff,
            registers: places.map(|at| (at, nonsense.draw() as u32)).collect(),
        }
    }
}

/// Any number from `low` to `high`.
fn between(nonsense: &mut Nonsense, low: u32, high: u32) -> u32 {
    low + (nonsense.draw() % u64::from(high - low + 1)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::REVISION_ISOLATED;
    use crate::device::REVISION_SHARED;
    use crate::readings::Mild;

    fn capabilities(revision: u8, seed: u64, mild: Mild) -> Capabilities {
        Capabilities::new(&Config {
            revision,
            queues: 64,
            engines: 1,
            faults: false,
            mild,
            seed,
        })
    }

    fn register(capabilities: &Capabilities, offset: u64) -> u32 {
        let found = capabilities.registers.iter().find(|(at, _)| *at == offset);
        found.unwrap_or_else(|| panic!("no {offset:#x}")).1
    }

    #[test]
    fn values_are_never_those_that_drivers_assume() {
        for seed in 1..200 {
            let told = capabilities(REVISION_ISOLATED, seed, Mild::NONE);
            let queues = register(&told, regs::QUEUE_COUNT);
            assert_eq!(queues >> 11, 64);
            assert!((65..=128).contains(&(queues & 0x7ff)), "{queues:#x}");
            for (offset, assumed) in [
                (regs::EVENT_DEPTHS, 0x400_0800),
                (regs::EVENT_VECTOR, 0x1_0000),
                (regs::ABNORMAL_EVENT_VECTOR, 0x1_0001),
                (regs::ERROR_VECTOR, 0x1_0003),
            ] {
                assert_ne!(register(&told, offset), assumed, "{offset:#x}, seed {seed}");
            }
            let errors = register(&told, regs::ERRORS + 0xc);
            assert!(errors & 0x1ffe == 0x1ffe && errors.count_ones() == 13);
            assert_ne!(register(&told, regs::CAPABILITIES) & 0xff, 0);
            assert_eq!(register(&told, regs::ALGORITHMS) & 0x3ff, 0x3f);
            let cores = register(&told, regs::CORES);
            assert_eq!((cores >> 16 | cores) & 0xffff, told.cores);
            assert!(told.cores & 0b11 != 0 && told.cores >> 2 != 0 && told.cores <= 0xff);
        }
    }

    #[test]
    fn the_older_revision_tells_nothing() {
        let one = capabilities(REVISION_SHARED, 1, Mild::NONE);
        let other = capabilities(REVISION_SHARED, 2, Mild::NONE);
        for offset in [regs::CAPABILITIES, regs::CORES, regs::QUEUE_COUNT] {
            assert_ne!(register(&one, offset), register(&other, offset));
        }
        assert_eq!(one.vectors, other.vectors);
    }

    #[test]
    fn depths_of_both_readings() {
        let mild = Mild::NONE.with(Reading::QueueDepth);
        for (mild, depth) in [(Mild::NONE, 1024), (mild, 4096)] {
            let told = capabilities(REVISION_ISOLATED, 1, mild);
            assert_eq!(told.depths.queue, depth);
            assert_eq!(register(&told, regs::QUEUE_DEPTHS), 0x400_0400);
        }
    }
}
