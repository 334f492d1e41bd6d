// SPDX-License-Identifier: GPL-2.0

//! The registers of BAR2, except doorbells and mailbox.

use std::collections::HashMap;

use crate::readings::Nonsense;

/// Bytes of BAR2.
pub const BAR2_SIZE: u64 = 4 << 20;
/// Bytes of BAR4 for each queue.
pub const DOORBELL_STRIDE: u64 = 0x1_0000;

/// Offset of the SQ and CQ doorbell, in BAR2 (revision 0x21) or in a queue's part of BAR4.
pub const DOORBELL_QUEUE: u64 = 0x1000;
/// Offset of the EQ and AEQ doorbell in BAR2.
pub const DOORBELL_EVENT: u64 = 0x2000;

/// Mask of the AEQ interrupt, bit 0.
pub const AEQ_INT_MASK: u64 = 0x4;
/// Mask of the EQ interrupt, bit 0.
pub const EQ_INT_MASK: u64 = 0xc;
/// Messages of the physical function; 1 clears.
pub const MESSAGE_SOURCE_V: u64 = 0x20;
/// Messages of the virtual functions, 64 bits; 1 clears.
pub const MESSAGE_SOURCE_P: u64 = 0x10_0138;
/// Whether doorbells are isolated, bit 0.
pub const ISOLATION: u64 = 0x30;
/// Starts writing contexts back.
pub const CACHE_WB_START: u64 = 0x204;
/// Whether contexts have been written back, bit 0.
pub const CACHE_WB_DONE: u64 = 0x208;
/// First byte of the mailbox.
pub const MAILBOX: u64 = 0x300;
/// First byte behind the mailbox.
pub const MAILBOX_END: u64 = 0x310;

/// The queue manager's abnormal interrupt.
pub const QM_ABNORMAL: Abnormal = Abnormal {
    source: 0x10_0000,
    mask: 0x10_0004,
    status: 0x10_0008,
    set: 0x10_000c,
    non_fatal: 0x10_00f4,
    fatal: 0x10_00f0,
    contained: 0x10_40f8,
};
/// Forgets contexts and ranges when 1 is written.
pub const MEM_INIT: u64 = 0x10_0040;
/// Whether that is done, bit 0.
pub const MEM_INIT_DONE: u64 = 0x10_0044;
/// Performs what the registers of the queue range say.
pub const VFT_ENABLE: u64 = 0x10_0054;
/// 0: write a queue range, 1: read it.
pub const VFT_OP: u64 = 0x10_0058;
/// What is configured: 0 SQ, 1 CQ, 2 shaper.
pub const VFT_TYPE: u64 = 0x10_005c;
/// The function that it is configured for.
pub const VFT_FUNCTION: u64 = 0x10_0060;
/// Low half of the range.
pub const VFT_DATA_L: u64 = 0x10_0064;
/// High half of the range.
pub const VFT_DATA_H: u64 = 0x10_0068;
/// Whether the range has been taken over, bit 0.
pub const VFT_READY: u64 = 0x10_006c;
/// Bit 0 makes reading a counter clear it.
pub const COUNT_CLEAR: u64 = 0x10_0118;
/// The shaper: rates of the types of jobs, and whether it is on.
pub const SHAPER: u64 = 0x10_0164;
/// How many queues all functions share [10:0], and how many this one may have [21:11].
pub const QUEUE_COUNT: u64 = 0x10_0158;
/// Version of what the registers up to [`CAPABILITIES_END`] tell [7:0], and what there is.
pub const CAPABILITIES: u64 = 0x3100;
/// Last of them.
pub const CAPABILITIES_END: u64 = 0x317c;
/// Most entries of the EQ [15:0] and the AEQ [31:16].
pub const EVENT_DEPTHS: u64 = 0x3104;
/// Most entries of an SQ [15:0] and a CQ [31:16].
pub const QUEUE_DEPTHS: u64 = 0x3108;
/// MSI vector of the EQ [15:0], and whether it has one [31:16].
pub const EVENT_VECTOR: u64 = 0x310c;
/// The same of the AEQ.
pub const ABNORMAL_EVENT_VECTOR: u64 = 0x3110;
/// The same of hardware errors.
pub const ERROR_VECTOR: u64 = 0x3114;
/// The same of messages between functions.
pub const MESSAGE_VECTOR: u64 = 0x3118;
/// MSI vectors of a virtual function [15:0] and of this one [31:16].
pub const VECTORS: u64 = 0x311c;
/// Nobody asks for it.
pub const EXTENDED_BAR: u64 = 0x3120;
/// How errors are to be taken, six registers.
pub const ERRORS: u64 = 0x3124;
/// How many cores there are of each kind.
pub const CORE_COUNT: u64 = 0x313c;
/// Which cores there are: those that compress [15:0], those that decompress [31:16].
pub const CORES: u64 = 0x3140;
/// What the kernel itself may use of [`ALGORITHMS`].
pub const KERNEL_ALGORITHMS: u64 = 0x3144;
/// What the engine can do: zlib [1:0], gzip [3:2], deflate [5:4], others.
pub const ALGORITHMS: u64 = 0x3148;
/// What each core can do, a register each.
pub const CORE_ALGORITHMS: u64 = 0x314c;
/// Whose entries [`SQE_COUNT`] counts: function [15:0], queue [31:16].
pub const SQE_COUNT_SELECT: u64 = 0x10_4030;
/// Entries taken from the SQ.
pub const SQE_COUNT: u64 = 0x10_4038;
/// Whose entries [`CQE_COUNT`] counts: function [15:0], queue [31:16].
pub const CQE_COUNT_SELECT: u64 = 0x10_4040;
/// Entries written to the CQ.
pub const CQE_COUNT: u64 = 0x10_4048;
/// Bit 0 stops all DMA.
pub const MASTER_CTRL: u64 = 0x30_0000;
/// Ports of the bus by which the device may write (revision 0x21); of them one is known.
pub const PORTS: u64 = 0x30_001c;
/// Of [`PORTS`]: that of MSIs.
pub const MSI_PORT: u32 = 1 << 11;
/// Errors of the bus' reorder buffer (revision 0x21); 1 clears.
pub const REORDER_SOURCE: u64 = 0x30_0104;
/// Of [`REORDER_SOURCE`]: more wrong bits than can be mended.
pub const REORDER_ECC: u32 = 1 << 1;
/// 3 when no DMA is under way.
pub const MASTER_RETURN: u64 = 0x30_0150;
/// The engine's abnormal interrupt. Its last two registers are the other way round.
pub const ZIP_ABNORMAL: Abnormal = Abnormal {
    source: 0x30_10a0,
    mask: 0x30_10a4,
    status: 0x30_10ac,
    set: 0x30_10a8,
    non_fatal: 0x30_1164,
    fatal: 0x30_1168,
    contained: 0x30_120c,
};
/// Bit 14: an error that is to be contained closes the way to memory.
pub const ZIP_CONTROL: u64 = 0x30_100c;
/// Bit 0 makes data accesses use the PASID (revision 0x21).
pub const DATA_USER: u64 = 0x30_1128;
/// Bit 0 prefers speed to size.
pub const HIGH_PERF: u64 = 0x30_1208;
/// Which cores are on [7:0], gates of their clocks [15:8], check of what was compressed 16, gate of
/// another clock 29.
pub const ENGINE_CONTROL: u64 = 0x30_1004;
const CORE_BITS: u32 = 0xff;
const CHECK: u32 = 1 << 16;
const CLOCK_GATES: u32 = 0xff << 8 | 1 << 29;
/// Of power when idle, bit 9.
const POWER: u64 = 0x10_0148;
/// Gates clocks of the bus, bit 0.
const BUS_CLOCKS: u64 = 0x30_11a8;
/// Translations fetched in advance, bits 0, 17, 26.
pub const PREFETCH: u64 = 0x30_11b0;
/// What of that is under way: bits 15:0, 18:16, 26, 30.
pub const PREFETCH_STATE: u64 = 0x30_11c4;
/// Literals, bit 4.
const LITERALS: u64 = 0x30_1204;

/// The engine's registers of which somebody has named some bits; and these.
const NAMED: [(u64, u32); 5] = [
    (POWER, 1 << 9),
    (BUS_CLOCKS, 1 << 0),
    (PREFETCH, 1 << 26 | 1 << 17 | 1 << 0),
    (LITERALS, 1 << 4),
    (HIGH_PERF, 1 << 0),
];

/// The function and the queue that `value` of a register selects.
pub fn split_selection(value: u32) -> (u32, usize) {
    (value & 0xffff, (value >> 16) as usize)
}

/// Offsets of a group of abnormal interrupt registers.
#[derive(Clone, Copy, Debug)]
pub struct Abnormal {
    /// What happened; 1 clears.
    pub source: u64,
    /// What does not interrupt.
    pub mask: u64,
    /// Source without what is masked.
    pub status: u64,
    /// Adds to the source.
    pub set: u64,
    /// What is reported to the bus as an error that is not fatal.
    pub non_fatal: u64,
    /// What is reported to the bus as a fatal error.
    pub fatal: u64,
    /// What ends all DMA at once (revision 0x30).
    pub contained: u64,
}

impl Abnormal {
    /// The group that has a register at `offset`.
    pub fn at(offset: u64) -> Option<Self> {
        [QM_ABNORMAL, ZIP_ABNORMAL]
            .into_iter()
            .find(|group| [group.source, group.mask, group.status, group.set].contains(&offset))
    }
}

/// Registers that keep what is written to them, with their values after a reset.
#[derive(Default)]
pub struct RegisterFile {
    values: HashMap<u64, u32>,
}

impl RegisterFile {
    /// The registers of a device that says of itself what `capabilities` are.
    pub fn new(capabilities: &[(u64, u32)]) -> Self {
        let mut values = HashMap::from([
            (AEQ_INT_MASK, 1),
            (EQ_INT_MASK, 1),
            (CACHE_WB_DONE, 1),
            (MEM_INIT_DONE, 1),
            (PORTS, u32::MAX),
            (VFT_READY, 1),
            (QM_ABNORMAL.mask, u32::MAX),
            (ZIP_ABNORMAL.mask, u32::MAX),
            (QM_ABNORMAL.non_fatal, u32::MAX),
            (ZIP_ABNORMAL.non_fatal, u32::MAX),
        ]);
        values.extend(capabilities.iter().copied());
        Self { values }
    }

    /// Puts anything into those bits of registers that nobody has named.
    pub fn scatter(&mut self, nonsense: &mut Nonsense) {
        for (offset, named) in NAMED {
            self.values.insert(offset, nonsense.draw() as u32 & !named);
        }
    }

    /// What is wrong with writing `value` to the register at `offset` of an engine with `cores`.
    pub fn fault(&self, offset: u64, value: u32, cores: u32, isolated: bool) -> Option<String> {
        if offset == ENGINE_CONTROL {
            return fault_of_control(value, cores, isolated)
                .map(|what| format!("{offset:#x}: {what}, by {value:#x}"));
        }
        let (_, named) = NAMED.iter().find(|(register, _)| *register == offset)?;
        let changed = (self.get(offset) ^ value) & !named;
        (changed != 0).then(|| format!("{offset:#x}: bits {changed:#x} changed"))
    }

    /// The 32-bit register at `offset` of BAR2.
    pub fn get(&self, offset: u64) -> u32 {
        self.values.get(&offset).copied().unwrap_or(0)
    }

    /// Sets the 32-bit register at `offset` of BAR2, if it can be written at all.
    pub fn set(&mut self, offset: u64, value: u32) {
        const READ_ONLY: [u64; 8] = [
            ISOLATION,
            CACHE_WB_DONE,
            MEM_INIT_DONE,
            QUEUE_COUNT,
            MASTER_RETURN,
            // Nobody sends a message, so nothing is ever left of what 1 clears.
            MESSAGE_SOURCE_V,
            MESSAGE_SOURCE_P,
            MESSAGE_SOURCE_P + 4,
        ];
        let capability = (CAPABILITIES..=CAPABILITIES_END).contains(&offset);
        if !capability && !READ_ONLY.contains(&offset) {
            self.values.insert(offset, value);
        }
    }

    /// Clears or masks errors, as `value` in the register at `offset` of `group` says.
    pub fn set_abnormal(&mut self, group: Abnormal, offset: u64, value: u32) {
        let source = self.get(group.source);
        match offset {
            _ if offset == group.source => self.set(offset, source & !value),
            _ if offset == group.mask => self.set(offset, value),
            _ => {}
        }
    }

    /// Adds errors to those of `group`; returns those that were not there before.
    pub fn raise(&mut self, group: Abnormal, errors: u32) -> u32 {
        let source = self.get(group.source);
        self.set(group.source, source | errors);
        errors & !source
    }

    /// What an abnormal interrupt is for.
    pub fn abnormal_status(&self, group: Abnormal) -> u32 {
        self.get(group.source) & !self.get(group.mask)
    }

    /// What is in the data registers of the queue range.
    pub fn range_data(&self) -> u64 {
        u64::from(self.get(VFT_DATA_H)) << 32 | u64::from(self.get(VFT_DATA_L))
    }

    /// The queue range in the data registers: first queue and how many; `None` if it is empty.
    pub fn queue_range(&self) -> Option<(u16, u16)> {
        const VALID: u64 = 1 << 44;
        let data = self.range_data();
        let first = (data >> 28 & 0xffff) as u16;
        let last = (data >> 45 & 0x7ff) as u16;
        (data & VALID != 0).then_some((first, last + 1))
    }
}

/// What is wrong with [`ENGINE_CONTROL`] being `value`.
fn fault_of_control(value: u32, cores: u32, isolated: bool) -> Option<&'static str> {
    let gates = value & CLOCK_GATES;
    if value & CORE_BITS & !cores != 0 {
        return Some("cores on that there are not");
    }
    if value & !(CORE_BITS | CHECK | CLOCK_GATES) != 0 {
        return Some("bits that nobody has named");
    }
    match gates {
        0 => None,
        _ if !isolated => Some("clocks gated, which only revision 0x30 can"),
        CLOCK_GATES => None,
        _ => Some("some clocks gated, but not all"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registers() -> RegisterFile {
        RegisterFile::new(&[(QUEUE_COUNT, 0x2_0050), (CAPABILITIES, 1)])
    }

    #[test]
    fn control_of_the_engine() {
        const CORES: u32 = 0b1101;
        // (value, revision 0x30, whether it may be)
        for (value, isolated, fine) in [
            (CHECK | CORES, true, true),
            (CHECK | 1, true, true),
            (CHECK | CORES | 1 << 1, true, false),
            (CHECK | CORES | CLOCK_GATES, true, true),
            (CHECK | CORES | CLOCK_GATES, false, false),
            (CHECK | CORES | 1 << 8, true, false),
            (CHECK | CORES | 1 << 20, true, false),
        ] {
            let fault = registers().fault(ENGINE_CONTROL, value, CORES, isolated);
            assert_eq!(fault.is_none(), fine, "{value:#x}: {fault:?}");
        }
    }

    #[test]
    fn bits_without_a_name_are_kept() {
        let mut regs = registers();
        regs.scatter(&mut Nonsense::new(1));
        for (offset, named) in NAMED {
            let before = regs.get(offset);
            assert_eq!(before & named, 0);
            assert_ne!(before, 0, "{offset:#x}");
            assert_eq!(regs.fault(offset, before | named, 0, true), None);
            assert!(regs.fault(offset, named, 0, true).is_some(), "{offset:#x}");
        }
        assert_eq!(regs.fault(MASTER_CTRL, 1, 0, true), None);
    }

    #[test]
    fn abnormal_group() {
        let mut regs = registers();
        assert_eq!(regs.raise(QM_ABNORMAL, 0b110), 0b110);
        assert_eq!(regs.raise(QM_ABNORMAL, 0b011), 0b001);
        assert_eq!(regs.abnormal_status(QM_ABNORMAL), 0);
        // (register, value, status after it)
        let steps = [
            (QM_ABNORMAL.mask, 0b011, 0b100),
            (QM_ABNORMAL.source, 0b101, 0),
            (QM_ABNORMAL.mask, 0, 0b010),
            (QM_ABNORMAL.status, 0xff, 0b010),
        ];
        for (register, value, status) in steps {
            regs.set_abnormal(QM_ABNORMAL, register, value);
            assert_eq!(regs.abnormal_status(QM_ABNORMAL), status);
        }
    }

    #[test]
    fn queue_range_as_the_driver_writes_it() {
        let mut regs = registers();
        assert_eq!(regs.queue_range(), None);
        let data = 2u64 << 28 | 1 << 44 | 61 << 45;
        regs.set(VFT_DATA_L, data as u32);
        regs.set(VFT_DATA_H, (data >> 32) as u32);
        assert_eq!(regs.queue_range(), Some((2, 62)));
    }

    #[test]
    fn read_only_registers_stay() {
        let mut regs = registers();
        for (offset, value) in [(QUEUE_COUNT, 0x2_0050), (CAPABILITIES, 1)] {
            regs.set(offset, 7);
            assert_eq!(regs.get(offset), value);
        }
    }
}
