// SPDX-License-Identifier: GPL-2.0

//! Submission and completion entries.

use crate::engine::Window;
use crate::readings::Mild;
use crate::readings::Nonsense;
use crate::readings::Reading;

/// Bytes of a submission entry.
pub const SQE_SIZE: usize = 128;
/// Bytes of a completion entry.
pub const CQE_SIZE: usize = 16;
/// Most bytes of input, and of output, of one request.
pub const MAX_LENGTH: u32 = 8 << 20;

/// Bits of words 7 and 8 that are an offset into a scatter list.
const OFFSET_MASK: u32 = 0xff_ffff;

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Ok,
    /// Done, but the output is larger than the input.
    Grew,
    /// The output room is too small.
    NoRoom,
    /// The trailer does not match the data.
    BadChecksum,
    /// Done; of a stream, that it ends, if that is said, too.
    StreamEnd,
    /// Unknown algorithm or queue type.
    BadAlgorithm,
    /// A length or a room that the engine does not work with.
    BadLength,
    /// A kind of buffer other than flat or scatter list.
    BadBuffer,
    /// The input can't be read.
    InputFault,
    /// The output can't be written.
    OutputFault,
    /// The stream context can't be accessed.
    ContextFault,
    /// The input is not a valid deflate stream.
    Corrupt,
    /// The input ends before the stream does.
    Incomplete,
    /// No such stream, or its context is not as the device left it.
    NoStream,
    /// A scatter list that is malformed, or has less than the entry says.
    BadList,
    /// The request does not bring back what the stream's last one left in its entry.
    LostWords,
    /// A layout that this revision does not have.
    BadLayout,
    /// A window that there is not.
    BadWindow,
    /// A request to go on decompressing, without input, that the engine has not asked for.
    Unasked,
}

/// The numbers that somebody knows: byte 0 of word 3.
const KNOWN: [(Status, u8); 5] = [
    (Status::Ok, 0x00),
    (Status::Grew, 0x0d),
    (Status::NoRoom, 0x0e),
    (Status::BadChecksum, 0x10),
    (Status::StreamEnd, 0x13),
];

/// Numbers that somebody knows, of errors that do not occur here: UADK 1 calls them DIF errors of
/// the input and of the plain data.
const ELSEWHERE: [u8; 2] = [0x0f, 0x12];

/// The statuses whose numbers nobody knows.
const UNKNOWN: [Status; 14] = [
    Status::BadAlgorithm,
    Status::BadLength,
    Status::BadBuffer,
    Status::InputFault,
    Status::OutputFault,
    Status::ContextFault,
    Status::Corrupt,
    Status::Incomplete,
    Status::NoStream,
    Status::BadList,
    Status::LostWords,
    Status::BadLayout,
    Status::BadWindow,
    Status::Unasked,
];

impl Status {
    /// Its number in a run with this seed. Those that nobody knows are drawn from all others.
    pub fn number(self, seed: u64) -> u8 {
        if let Some((_, number)) = KNOWN.iter().find(|(status, _)| *status == self) {
            return *number;
        }
        let mut nonsense = Nonsense::new(seed);
        let mut taken: Vec<u8> = KNOWN.iter().map(|(_, number)| *number).collect();
        taken.extend(ELSEWHERE);
        for status in UNKNOWN {
            let number = loop {
                let number = nonsense.draw() as u8;
                if !taken.contains(&number) {
                    break number;
                }
            };
            if status == self {
                return number;
            }
            taken.push(number);
        }
        unreachable!("{self:?} is neither known nor unknown")
    }

    /// Whether the job did what it was asked to do.
    pub fn is_success(self) -> bool {
        matches!(self, Status::Ok | Status::Grew | Status::StreamEnd)
    }

    /// Whether memory could not be accessed.
    pub fn is_fault(self) -> bool {
        matches!(
            self,
            Status::InputFault | Status::OutputFault | Status::ContextFault
        )
    }
}

/// Container of the deflate stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// None.
    Deflate,
    /// RFC 1950; the header is software's.
    Zlib,
    /// RFC 1952; the header is software's.
    Gzip,
}

impl Algorithm {
    fn parse(value: u32) -> Option<Self> {
        match value {
            1 => Some(Algorithm::Deflate),
            2 => Some(Algorithm::Zlib),
            3 => Some(Algorithm::Gzip),
            _ => None,
        }
    }
}

/// What the addresses of input and output are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffers {
    /// The data.
    Flat,
    /// Scatter lists.
    Lists,
}

/// What the engine asks for, in word 15 above all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// Nothing.
    Nothing,
    /// Room for output that it has: the next request may be without input.
    Room,
    /// The same, amid a block.
    RoomInBlock,
    /// Input for a block that is not the last, though there is output, too.
    InputInBlock,
    /// The next block.
    Block,
    /// A request without input: the last block is in the context.
    LastBlock,
    /// The rest of the trailer.
    Trailer,
}

impl Asks {
    /// Bits 3:0 of word 15.
    pub fn number(self) -> u32 {
        match self {
            Asks::Nothing => 0,
            Asks::Room => 1,
            Asks::RoomInBlock | Asks::InputInBlock => 2,
            Asks::Block | Asks::LastBlock => 3,
            Asks::Trailer => 4,
        }
    }

    /// Whether the next request may be without input.
    pub fn may_be_empty(self) -> bool {
        !matches!(self, Asks::Nothing | Asks::InputInBlock | Asks::Block)
    }
}

/// What the engine leaves in the entry of a stream's request, and wants back in that of the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Word 15.
    pub state: u32,
    /// Words 28 and 29.
    pub private: [u32; 2],
    /// Word 30: bytes of the plain side, modulo 2^32.
    pub plain_length: u32,
    /// Word 31: the checksum's register.
    pub checksum: u32,
}

impl Carried {
    /// Words that ask for `asks`, and say nothing else that anybody knows to read.
    ///
    /// UADK knows: amid a block word 15 bit 7 and word 28 [18:0] say whether the request may be
    /// without input; before a block word 15 [15:10] are how many bits the context has of it, and
    /// word 29 [15:0] says where.
    pub fn asking(asks: Asks, nonsense: &mut Nonsense) -> Self {
        const IS_LAST: u32 = 1 << 7;
        const BITS: u32 = 0x3f << 10;
        const STORED: u32 = 0x7_ffff;
        const WINDOW_MAX: u32 = 0x7fff;
        let [state, stored, window] = [0; 3].map(|_: u32| nonsense.draw() as u32 | 1);
        let mut carried = Self {
            state: state & !0xf | asks.number(),
            private: [stored, window],
            ..Self::default()
        };
        match asks {
            Asks::RoomInBlock => carried.state |= IS_LAST,
            Asks::InputInBlock if window & 2 != 0 => carried.private[0] &= !STORED,
            Asks::InputInBlock => carried.state &= !IS_LAST,
            Asks::Block => carried.state &= !BITS,
            Asks::LastBlock => {
                carried.state = carried.state & !BITS | LAST_BLOCK_BITS << 10;
                carried.private[1] &= !0xffff | WINDOW_MAX;
            }
            Asks::Nothing | Asks::Room | Asks::Trailer => {}
        }
        carried
    }
}

/// The last block that may be left in the context: a fixed one without data, from a whole byte on.
pub const LAST_BLOCK: [u8; 2] = [0x03, 0x00];
/// Bits of it; those behind them are padding.
const LAST_BLOCK_BITS: u32 = 10;

/// What a job reports in its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// How it ended.
    pub status: Status,
    /// Bytes of input taken.
    pub consumed: u32,
    /// Bytes of output written.
    pub produced: u32,
    /// Bytes on the compressed side of this request.
    pub compressed: u32,
    /// Of the whole stream.
    pub carried: Carried,
    /// A stream being decompressed ends here.
    pub last_block: bool,
    /// The engine took no notice of the request.
    pub ignored: bool,
}

impl Report {
    /// A job that came to nothing.
    pub fn failure(status: Status) -> Self {
        Self {
            status,
            consumed: 0,
            produced: 0,
            compressed: 0,
            carried: Carried::default(),
            last_block: false,
            ignored: false,
        }
    }

    /// A request that the engine took no notice of.
    pub fn ignored() -> Self {
        Self {
            ignored: true,
            ..Self::failure(Status::Ok)
        }
    }
}

/// A submission entry.
#[derive(Clone)]
pub struct Sqe(pub [u8; SQE_SIZE]);

impl Sqe {
    fn word(&self, index: usize) -> u32 {
        let at = index * 4;
        u32::from_le_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }

    fn set_word(&mut self, index: usize, value: u32) {
        self.0[index * 4..][..4].copy_from_slice(&value.to_le_bytes());
    }

    fn address(&self, index: usize) -> u64 {
        u64::from(self.word(index)) | u64::from(self.word(index + 1)) << 32
    }

    fn flag(&self, bit: u32) -> bool {
        self.word(7) & 1 << bit != 0
    }

    /// Bytes of input.
    pub fn input_length(&self) -> u32 {
        self.word(4)
    }

    /// Bytes of room for output.
    pub fn room(&self) -> u32 {
        self.word(14)
    }

    /// Whether this is the last input of a stream.
    pub fn is_last(&self) -> bool {
        self.flag(25)
    }

    /// Whether the request is part of a stream.
    pub fn is_stream(&self) -> bool {
        self.flag(26)
    }

    /// Whether the request begins a stream.
    pub fn is_new_stream(&self) -> bool {
        self.flag(27)
    }

    /// Which words are where, the tag above all.
    pub fn layout(&self) -> u32 {
        self.word(7) >> 28
    }

    /// The container, if it is known.
    pub fn algorithm(&self) -> Option<Algorithm> {
        Algorithm::parse(self.word(9) & 0xff)
    }

    /// How far back repetitions are to be looked for, if there is such a window.
    pub fn window(&self) -> Option<Window> {
        Window::parse(self.word(9) >> 12 & 0xf)
    }

    /// What input and output are, if it is known.
    pub fn buffers(&self) -> Option<Buffers> {
        match self.word(9) >> 8 & 0xf {
            0 => Some(Buffers::Flat),
            1 => Some(Buffers::Lists),
            _ => None,
        }
    }

    /// Bytes of the input's scatter list in front of the input.
    pub fn input_offset(&self) -> usize {
        (self.word(7) & OFFSET_MASK) as usize
    }

    /// Bytes of the output's scatter list in front of the output.
    pub fn output_offset(&self) -> usize {
        (self.word(8) & OFFSET_MASK) as usize
    }

    /// Address of the input.
    pub fn input(&self) -> u64 {
        self.address(18)
    }

    /// Address of the output.
    pub fn output(&self) -> u64 {
        self.address(20)
    }

    /// Address of the stream context.
    pub fn stream_context(&self) -> u64 {
        self.address(22)
    }

    /// What the stream's last request left, if it was brought back.
    pub fn carried(&self) -> Carried {
        Carried {
            state: self.word(15),
            private: [self.word(28), self.word(29)],
            plain_length: self.word(30),
            checksum: self.word(31),
        }
    }

    /// Enters how the job ended, in the words that are the device's, whose run has this seed.
    pub fn set_report(&mut self, report: &Report, mild: Mild, seed: u64) {
        const STATUS: u32 = 0xff;
        const LAST_BLOCK: u32 = 1 << 8;
        let kept = match mild.has(Reading::Word3) {
            true => 0,
            false => self.word(3) & !STATUS,
        };
        let end = if report.last_block { LAST_BLOCK } else { 0 };
        self.set_word(0, report.consumed);
        self.set_word(1, report.produced);
        self.set_word(3, kept | end | u32::from(report.status.number(seed)));
        if report.ignored {
            return;
        }
        self.set_word(2, report.compressed);
        let carried = report.carried;
        self.set_word(15, carried.state);
        if self.is_stream() {
            self.set_word(28, carried.private[0]);
            self.set_word(29, carried.private[1]);
        }
        self.set_word(30, carried.plain_length);
        self.set_word(31, carried.checksum);
    }
}

/// A completion entry: entry `index` of SQ `queue` is done. Nobody has said what the bits beside the
/// phase are; they are those of `spare`.
pub fn cqe(index: u16, queue: u16, phase: bool, spare: u16) -> [u8; CQE_SIZE] {
    let mut entry = [0; CQE_SIZE];
    entry[8..10].copy_from_slice(&index.to_le_bytes());
    entry[10..12].copy_from_slice(&queue.to_le_bytes());
    entry[14..16].copy_from_slice(&(spare & !1 | u16::from(phase)).to_le_bytes());
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_driver() {
        let mut sqe = Sqe([0; SQE_SIZE]);
        let words = [
            (4, 100),
            (7, 0x3e00_0000),
            (9, 0x2003),
            (14, 200),
            (18, 0x1000),
            (19, 0x7f),
        ];
        for (index, value) in words {
            sqe.set_word(index, value);
        }
        assert_eq!((sqe.input_length(), sqe.room()), (100, 200));
        assert!(sqe.is_last() && sqe.is_stream() && sqe.is_new_stream());
        assert_eq!(sqe.buffers(), Some(Buffers::Flat));
        assert_eq!(sqe.algorithm(), Some(Algorithm::Gzip));
        assert_eq!(sqe.input(), 0x7f_0000_1000);
    }

    #[test]
    fn algorithms() {
        let table = [
            (0, None),
            (1, Some(Algorithm::Deflate)),
            (2, Some(Algorithm::Zlib)),
            (4, None),
            (0xff, None),
        ];
        for (value, algorithm) in table {
            assert_eq!(Algorithm::parse(value), algorithm);
        }
    }

    #[test]
    fn report_leaves_the_software_words_alone() {
        let mild = Mild::NONE.with(Reading::Word3);
        let end = Report {
            consumed: 1,
            last_block: true,
            ..Report::failure(Status::StreamEnd)
        };
        for (mild, ended, ignored) in [
            (Mild::NONE, 0xaaaa_ab13, 0xaaaa_aa00),
            (mild, 0x0000_0113, 0x0000_0000),
        ] {
            let mut sqe = Sqe([0xaa; SQE_SIZE]);
            sqe.set_report(&end, mild, 1);
            assert_eq!((sqe.word(0), sqe.word(3)), (1, ended));
            for index in [4, 7, 9, 13, 14, 18, 23, 26, 27, 28, 29] {
                assert_eq!(sqe.word(index), 0xaaaa_aaaa, "word {index}");
            }
            let mut sqe = Sqe([0xaa; SQE_SIZE]);
            sqe.set_report(&Report::ignored(), mild, 1);
            let words = [0, 1, 2, 3, 15].map(|index| sqe.word(index));
            assert_eq!(words, [0, 0, 0xaaaa_aaaa, ignored, 0xaaaa_aaaa]);
        }
    }

    /// Bit 8 that software left set looks like the end of a stream.
    #[test]
    fn a_bit_that_was_left_stays() {
        let mild = Mild::NONE.with(Reading::Word3);
        for (mild, word) in [(Mild::NONE, 0x113), (mild, 0x13)] {
            let mut sqe = Sqe([0; SQE_SIZE]);
            sqe.set_word(3, 0x100);
            sqe.set_report(&Report::failure(Status::StreamEnd), mild, 1);
            assert_eq!(sqe.word(3), word);
        }
    }

    #[test]
    fn statuses_are_drawn_but_those_that_are_known() {
        let numbers = |seed| UNKNOWN.map(|status| status.number(seed));
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
        for seed in 0..100 {
            let mut all: Vec<u8> = KNOWN.iter().map(|(_, number)| *number).collect();
            all.extend(numbers(seed));
            all.extend([0x0f, 0x12]);
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), KNOWN.len() + UNKNOWN.len() + 2);
            assert_eq!(Status::StreamEnd.number(seed), 0x13);
        }
    }

    #[test]
    fn completion_entry() {
        assert_eq!(
            cqe(0x102, 3, true, 0x8000),
            [0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 3, 0, 0, 0, 1, 0x80]
        );
    }
}
