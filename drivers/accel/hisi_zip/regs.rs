// SPDX-License-Identifier: GPL-2.0

//! Registers of the engine and of its queue manager (QM), in BAR 2.
//!
//! Names and meanings are those of `drivers/crypto/hisilicon/`.

use kernel::io::register;

/// Size of BAR 2.
pub(crate) const BAR2_SIZE: usize = 0x40_0000;

/// Version of the hardware, if it has a later one than its PCI revision. Revision 0x30.
pub(crate) const SUB_VERSION: usize = 0x210;

// Capabilities, revision 0x30. Those of two numbers have the first in the low half.

/// Entries of the event queue, of the abnormal-event queue.
pub(crate) const EVENT_DEPTHS: usize = 0x3104;
/// Entries of a submission queue, of a completion queue.
pub(crate) const QUEUE_DEPTHS: usize = 0x3108;
/// Vector of the event queue, whether it has one.
pub(crate) const EVENT_VECTOR: usize = 0x310c;
/// The same of the abnormal-event queue.
pub(crate) const ABNORMAL_EVENT_VECTOR: usize = 0x3110;
/// The same of errors.
pub(crate) const ERROR_VECTOR: usize = 0x3114;
/// Vectors of a virtual function, of the physical one.
pub(crate) const VECTORS: usize = 0x311c;
/// Errors, six registers: of the queue manager, then of the engine, those that the bus is to be
/// told of, those that need a reset, those that are mended.
pub(crate) const ERRORS: usize = 0x3124;
/// Cores that compress, cores that decompress, by the bits that switch them on.
pub(crate) const CORES: usize = 0x3140;
/// What the engine can do: two bits each for zlib, gzip, deflate.
pub(crate) const ALGORITHMS: usize = 0x3148;

/// A ring of one entry is always full.
pub(crate) const DEPTH_MIN: u32 = 2;
/// Contexts of queues have 12 bits for the number of their entries.
pub(crate) const DEPTH_MAX: u32 = 4096;
/// MSI has no more.
pub(crate) const VECTORS_MAX: u32 = 32;

/// A mailbox message, of 128 bits; writing it sends the message.
pub(crate) const MAILBOX: usize = 0x300;

// The 64-bit registers are accessed with a check at run time: a BAR is only known to be aligned to
// four bytes.
register! {
    /// Masks the interrupt of the abnormal-event queue.
    pub(crate) AEQ_INT_MASK(u32) @ 0x4 {
        0:0 masked => bool;
    }

    /// Masks the interrupt of the event queue.
    pub(crate) EQ_INT_MASK(u32) @ 0xc {
        0:0 masked => bool;
    }

    /// Whether each queue has a doorbell page. Revision 0x30.
    pub(crate) DOORBELL_PAGES(u32) @ 0x30 {
        0:0 isolated => bool;
    }

    /// Size of the pages of processes, for prefetching translations: 0 for 4 KiB, 1 for 16, 2 for
    /// 64. Revision 0x30.
    pub(crate) PAGE_SIZE(u32) @ 0x34 {
        31:0 size => u32;
    }

    /// Starts to write cached contexts back.
    pub(crate) CACHE_WB_START(u32) @ 0x204 {
        0:0 start => bool;
    }

    /// Whether cached contexts were written back.
    pub(crate) CACHE_WB_DONE(u32) @ 0x208 {
        0:0 done => bool;
    }

    /// First half of a mailbox message; its address in the second is 32 bits more. A message is
    /// read and written as a whole, see [`MAILBOX`].
    pub(crate) MAILBOX_LOW(u64) @ 0x300 {
        63:32 address_low;
        31:16 queue => u16;
        14:14 read => bool;
        13:13 busy => bool;
        12:9 status;
        7:0 command => u8;
    }

    /// Doorbell of the event queues.
    pub(crate) EVENT_DOORBELL(u64) @ 0x2000 {
        51:48 priority;
        47:32 index => u16;
        15:12 command;
        11:0 queue;
    }

    /// What the queue manager can do; a version of 0 says that nothing from here to 0x317c counts.
    /// Revision 0x30.
    pub(crate) CAPABILITIES(u32) @ 0x3100 {
        14:14 prefetch => bool;
        10:10 flush => bool;
        9:9 stop_queue => bool;
        8:8 rates => bool;
        7:0 version;
    }

    /// What is wrong with the queue manager; write 1 to a bit to clear it.
    pub(crate) ABNORMAL_INT_SOURCE(u32) @ 0x10_0000 {
        31:0 errors => u32;
    }

    /// Errors of the queue manager that raise no interrupt.
    pub(crate) ABNORMAL_INT_MASK(u32) @ 0x10_0004 {
        31:0 errors => u32;
    }

    /// Errors of the queue manager that are not masked.
    pub(crate) ABNORMAL_INT_STATUS(u32) @ 0x10_0008 {
        31:0 errors => u32;
    }

    /// Forgets all contexts.
    pub(crate) MEM_START_INIT(u32) @ 0x10_0040 {
        0:0 start => bool;
    }

    /// Whether the contexts are forgotten.
    pub(crate) MEM_INIT_DONE(u32) @ 0x10_0044 {
        0:0 done => bool;
    }

    /// Starts to set what the registers up to 0x100068 say.
    pub(crate) VFT_CFG_OP_ENABLE(u32) @ 0x10_0054 {
        0:0 start => bool;
    }

    /// 0: write.
    pub(crate) VFT_CFG_OP_WR(u32) @ 0x10_0058 {}

    /// What kind of range is set: see `VftType`.
    pub(crate) VFT_CFG_TYPE(u32) @ 0x10_005c {
        31:0 kind => u32;
    }

    /// Function whose range is set; for a rate, the type of jobs from bit 6 on.
    pub(crate) VFT_CFG(u32) @ 0x10_0060 {
        31:0 function => u32;
    }

    /// The range, low half.
    pub(crate) VFT_CFG_DATA_L(u32) @ 0x10_0064 {
        31:0 data => u32;
    }

    /// The range, high half.
    pub(crate) VFT_CFG_DATA_H(u32) @ 0x10_0068 {
        31:0 data => u32;
    }

    /// Whether the range is set.
    pub(crate) VFT_CFG_RDY(u32) @ 0x10_006c {
        0:0 ready => bool;
    }

    /// Errors of the queue manager that count as corrected ones of the bus.
    pub(crate) RAS_CE_ENABLE(u32) @ 0x10_00ec {
        31:0 errors => u32;
    }

    /// Errors of the queue manager that the bus is told of as fatal ones.
    pub(crate) RAS_FE_ENABLE(u32) @ 0x10_00f0 {
        31:0 errors => u32;
    }

    /// Errors of the queue manager that the bus is told of as ones that are not fatal.
    pub(crate) RAS_NFE_ENABLE(u32) @ 0x10_00f4 {
        31:0 errors => u32;
    }

    /// How many corrected errors count as one.
    pub(crate) RAS_CE_THRESHOLD(u32) @ 0x10_00f8 {
        31:0 count => u32;
    }

    /// What the queue manager does while it is idle. Revision 0x30.
    pub(crate) POWER_CONTROL(u32) @ 0x10_0148 {
        9:9 stay_awake => bool;
    }

    /// Queues that the function may have. Revision 0x30.
    pub(crate) QUEUE_COUNT(u32) @ 0x10_0158 {
        21:11 per_function;
    }

    /// How the types of jobs share the engine, and whether functions are kept to their rates.
    /// Revision 0x30.
    pub(crate) SHAPER_CFG(u32) @ 0x10_0164 {
        30:30 enabled => bool;
        19:10 decompression;
        9:0 compression;
    }

    /// Errors of the queue manager that end all accesses to memory. Revision 0x30.
    pub(crate) OOO_SHUTDOWN_SEL(u32) @ 0x10_40f8 {
        31:0 errors => u32;
    }

    /// Ends all accesses to memory.
    pub(crate) MASTER_GLOBAL_CTRL(u32) @ 0x30_0000 {
        0:0 shutdown => bool;
    }

    /// Ports of the bus by which the device may write, revision 0x21.
    pub(crate) PORTS(u32) @ 0x30_001c {
        11:11 msis => bool;
    }

    /// Errors of the bus' reorder buffer, revision 0x21; write 1 to a bit to clear it.
    pub(crate) REORDER_INT_SOURCE(u32) @ 0x30_0104 {
        1:1 ecc => bool;
    }

    /// Which accesses have ended.
    pub(crate) MASTER_TRANS_RETURN(u32) @ 0x30_0150 {
        1:1 writes => bool;
        0:0 reads => bool;
    }

    /// What software may switch in the engine.
    pub(crate) SOFT_CTRL(u32) @ 0x30_100c {
        /// Errors end all accesses to memory.
        14:14 axi_shutdown => bool;
    }

    /// Errors of the engine that raise no interrupt.
    pub(crate) CORE_INT_MASK(u32) @ 0x30_10a4 {
        31:0 errors => u32;
    }

    /// What is wrong with the engine; write 1 to a bit to clear it.
    pub(crate) CORE_INT_SOURCE(u32) @ 0x30_10a0 {
        31:0 errors => u32;
    }

    /// Errors of the engine that are not masked.
    pub(crate) CORE_INT_STATUS(u32) @ 0x30_10ac {
        31:0 errors => u32;
    }

    /// Attributes of accesses to scatter lists.
    pub(crate) SGL_RUSER(u32) @ 0x30_111c {
        31:0 attributes => u32;
    }

    /// Attributes of accesses to data.
    pub(crate) DATA_RUSER(u32) @ 0x30_1128 {
        31:0 attributes => u32;
    }

    /// Attributes of accesses to data.
    pub(crate) DATA_WUSER(u32) @ 0x30_1134 {
        31:0 attributes => u32;
    }

    /// Which cores are on, whether their clocks stand still while they have nothing to do (revision
    /// 0x30), and whether results are checked by decompressing them.
    pub(crate) ENGINE_CONTROL(u32) @ 0x30_1004 {
        29:29 gate_shutdown => bool;
        16:16 check => bool;
        15:8 gates => u8;
        7:0 cores => u8;
    }

    /// Errors of the engine that count as corrected ones of the bus.
    pub(crate) CORE_RAS_CE_ENABLE(u32) @ 0x30_1160 {
        31:0 errors => u32;
    }

    /// Errors of the engine that the bus is told of as ones that are not fatal.
    pub(crate) CORE_RAS_NFE_ENABLE(u32) @ 0x30_1164 {
        31:0 errors => u32;
    }

    /// Errors of the engine that the bus is told of as fatal ones.
    pub(crate) CORE_RAS_FE_ENABLE(u32) @ 0x30_1168 {
        31:0 errors => u32;
    }

    /// Errors of the engine that end all accesses to memory. Revision 0x30.
    pub(crate) CORE_OOO_SHUTDOWN_SEL(u32) @ 0x30_120c {
        31:0 errors => u32;
    }

    /// Clocks of the engine's way to the bus. Revision 0x30.
    pub(crate) BUS_CLOCKS(u32) @ 0x30_11a8 {
        0:0 gate => bool;
    }

    /// Whether translations are fetched before they are needed. Revision 0x30.
    pub(crate) PREFETCH(u32) @ 0x30_11b0 {
        26:26 disable => bool;
        17:17 disable_b => bool;
        0:0 disable_a => bool;
    }

    /// What is under way of that.
    pub(crate) PREFETCH_STATE(u32) @ 0x30_11c4 {
        30:30 closing => bool;
        26:26 open => bool;
        18:16 fetches;
        15:0 stalls;
    }

    /// Lengths of literals. Revision 0x30.
    pub(crate) LITERALS(u32) @ 0x30_1204 {
        4:4 without_length => bool;
    }

    /// Trades compression for speed.
    pub(crate) HIGH_PERF(u32) @ 0x30_1208 {
        0:0 fast => bool;
    }
}

/// Attributes of the engine's accesses: coherent, translated by the IOMMU, not secure, ordered as
/// the interconnect likes.
pub(crate) const AXI_USER: u32 = 1 << 30 | 1 << 12 | 1 << 6 | 1 << 5 | 1 << 4;

/// Added to [`AXI_USER`]: the access carries the queue's PASID. Revision 0x21, where it holds for
/// all queues.
pub(crate) const AXI_USER_PASID: u32 = 1 << 0;

/// What the registers that have no name above are set to when the device starts: bus attributes,
/// caches and clocks.
pub(crate) const INIT: &[(usize, u32)] = &[
    // Longest wait for a doorbell's write.
    (0x10_0074, 0x1f_ffff),
    // QM: attributes of its reads, writes, and write data.
    (0x10_0088, AXI_USER),
    (0x10_0090, 0xffff_fffe),
    (0x10_0098, AXI_USER),
    (0x10_00a0, 0xffff_fffe),
    (0x10_00a8, 0xffff_ffff),
    // QM: cache attributes.
    (0x10_00ac, 0xffff),
    (0x10_00b0, 0xffff_ffff),
    // No reset of the function when bus mastering is switched off.
    (0x10_00cc, 0x40_1001),
    (0x10_00d0, 0xffff_ffff),
    // Engine: cache attributes.
    (0x30_1040, 0xffff_ffff),
    (0x30_1044, 0xffff_ffff),
    (0x30_1060, 0xffff_ffff),
    (0x30_1064, 0xffff_ffff),
    // Engine: attributes of accesses to entries.
    (0x30_1110, AXI_USER),
    (0x30_1140, AXI_USER),
    // Contexts are cached, and written back at once.
    (
        0x10_0050,
        1 << 0 | 1 << 1 | 1 << 4 | 1 << 5 | 1 << 11 | 1 << 12,
    ),
];
