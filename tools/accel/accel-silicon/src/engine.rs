// SPDX-License-Identifier: GPL-2.0
//! What questions need of an engine.

/// Generation of the hardware, by the PCI revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revision {
    /// 0x21, Kunpeng 920.
    V2,
    /// 0x30, Kunpeng 930.
    V3,
}

impl Revision {
    /// The layout of entries that programs use with it.
    pub fn layout(self) -> Layout {
        match self {
            Self::V2 => Layout::Tag13,
            Self::V3 => Layout::Tag26,
        }
    }
}

/// Which way a queue works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// It compresses.
    Compress,
    /// It decompresses.
    Decompress,
}

/// Layout of an entry, by where its tag is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// In word 13.
    Tag13 = 0,
    /// In word 26.
    Tag26 = 3,
}

/// What is to be done with the data; word 9 [7:0].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Raw deflate.
    Deflate = 1,
    /// Deflate, and the trailer of zlib.
    Zlib = 2,
    /// Deflate, and the trailer of gzip.
    Gzip = 3,
    /// None that any program knows.
    Unknown = 0xff,
}

/// The words that a stream carries from one request to the next.
pub const CARRIED: [usize; 5] = [15, 28, 29, 30, 31];

/// Place of a request in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// It begins the stream, with a context of zeros.
    pub begin: bool,
    /// There is no more input.
    pub last: bool,
    /// The words of [`CARRIED`].
    pub carried: [u32; CARRIED.len()],
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Layout of its entry.
    pub layout: Layout,
    /// Word 3, in which programs send 0.
    pub word_3: u32,
    /// What to do.
    pub algorithm: Algorithm,
    /// Word 9 [15:12]: 4 KiB << window.
    pub window: u32,
    /// Input.
    pub input: Vec<u8>,
    /// Bytes that the engine may write.
    pub room: usize,
    /// The stream that it is a part of.
    pub stream: Option<Stream>,
}

impl Request {
    /// Word 7.
    pub fn flags(&self) -> u32 {
        let stream = self.stream.map_or(0, |stream| {
            1 << 26 | u32::from(stream.begin) << 27 | u32::from(stream.last) << 25
        });
        (self.layout as u32) << 28 | stream
    }

    /// Word 9.
    pub fn method(&self) -> u32 {
        self.window << 12 | self.algorithm as u32
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The entry.
    pub words: [u32; 32],
    /// The completion.
    pub completion: [u16; 8],
    /// What is in the context of the stream now, if it is a request of one.
    pub context: Vec<u8>,
    /// What is in the room for output now; it was filled with [`PATTERN`] before.
    pub room: Vec<u8>,
    /// Whether something was written behind the room.
    pub spilled: bool,
}

/// What output is filled with before.
pub const PATTERN: u8 = 0xa5;

impl Done {
    /// Low byte of word 3.
    pub fn status(&self) -> u32 {
        self.words[3] & 0xff
    }

    /// Bytes of input that it says it has taken.
    pub fn consumed(&self) -> usize {
        self.words[0] as usize
    }

    /// Bytes of output that it says it has written.
    pub fn produced(&self) -> usize {
        self.words[1] as usize
    }

    /// The output, if it says that there is no more than room for it.
    pub fn output(&self) -> Option<&[u8]> {
        self.room.get(..self.produced())
    }

    /// The words that a stream carries on.
    pub fn carried(&self) -> [u32; CARRIED.len()] {
        CARRIED.map(|word| self.words[word])
    }
}

/// Why there is no finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It can't be asked here.
    NotHere(String),
    /// Something that must work does not.
    Failed(String),
    /// The device was reset meanwhile, perhaps for what somebody has asked before.
    Reset(String),
}

/// A queue.
pub trait Queue {
    /// Has a request done. Fails if it does not come back.
    fn run(&mut self, request: &Request) -> Result<Done, Trouble>;
}

/// An engine.
pub trait Engine {
    /// What it is.
    fn revision(&self) -> Revision;

    /// A new queue.
    fn queue(&mut self, direction: Direction) -> Result<Box<dyn Queue>, Trouble>;

    /// What the driver has seen under this name; none if it has not seen it.
    fn observed(&self, name: &str) -> Result<Option<u64>, Trouble>;
}
