// SPDX-License-Identifier: GPL-2.0
//! The container: RFC 1952 members.
//!
//! A file is one member, or, where its blocks are to be independent, a member for each block. Then
//! the header of each has the extra subfield "AZ" of eight bytes, little-endian: the length of the
//! whole member, header and trailer included, and all its bits inverted, since others may mean
//! something else by these letters. A reader that knows it finds all members without
//! decompressing, and decompresses them in parallel. The last member of such a file is empty: a
//! file without it has been cut off.

/// Bytes of CRC-32 and length behind the deflate data.
pub const TRAILER: usize = 8;

/// The longest header that [`Header::write`] makes.
pub const HEADER_MAX: usize = FIXED + EXTRA + NAME_MAX + 1;

/// The longest file name that is stored; longer ones are left out.
pub const NAME_MAX: usize = 255;

/// Deflate data of nothing: a last block of fixed codes that ends at once.
pub const LAST_BLOCK: [u8; 2] = [0x03, 0x00];

/// A whole member that has no content: the end mark of independent members.
pub fn end_mark() -> Vec<u8> {
    let mut room = [0; HEADER_MAX];
    let header = Header::write(&mut room, &Origin::default(), Some(2 + TRAILER));
    [header, &LAST_BLOCK, &[0; TRAILER]].concat()
}

/// What the first header tells of the original file, and of how it was compressed.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Its name.
    pub name: Option<Vec<u8>>,
    /// Its modification time; 0: not told.
    pub mtime: u32,
    /// The level.
    pub effort: Effort,
}

impl Origin {
    /// The same for the members that follow the first.
    pub fn without_name(&self) -> Self {
        Self {
            name: None,
            ..*self
        }
    }
}

/// What a header tells of the level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Effort {
    /// Neither of the others.
    #[default]
    Some = 0,
    /// The most.
    Most = 2,
    /// The least.
    Least = 4,
}

/// Bytes that every header has.
pub const FIXED: usize = 10;
const SUBFIELD: [u8; 2] = *b"AZ";
const EXTRA: usize = 2 + 4 + SUBFIELD_LEN;
const SUBFIELD_LEN: usize = 8;
const MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Before gzip 0.5.
const OLD_MAGIC: [u8; 2] = [0x1f, 0x9e];
const DEFLATE: u8 = 8;
const OS_UNIX: u8 = 3;

const FHCRC: u8 = 1 << 1;
const FEXTRA: u8 = 1 << 2;
const FNAME: u8 = 1 << 3;
const FCOMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0xe0;

/// What is wanted of a member's header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Bytes that the header has.
    pub len: usize,
    /// The original file's name.
    pub name: Option<Vec<u8>>,
    /// The original file's modification time; 0: not known.
    pub mtime: u32,
    /// Length of the whole member, where it is told.
    pub member_len: Option<usize>,
}

/// What [`Header::parse`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A header.
    Header(Header),
    /// Perhaps a header, but more bytes are needed to tell.
    Short,
    /// No header of gzip.
    Foreign,
    /// A header of gzip that can't be dealt with, and why.
    Unsupported(&'static str),
}

impl Header {
    /// Writes a header to the end of `room` and returns it.
    ///
    /// `rest` is the length of what follows in the member, deflate data and trailer, if the header
    /// is to tell its length.
    pub fn write<'a>(room: &'a mut [u8], origin: &Origin, rest: Option<usize>) -> &'a [u8] {
        let name = origin.name.as_deref();
        let name = name.filter(|name| name.len() <= NAME_MAX && !name.contains(&0));
        let extra = if rest.is_some() { EXTRA } else { 0 };
        let len = FIXED + extra + name.map_or(0, |name| name.len() + 1);
        let start = room.len() - len;
        let header = &mut room[start..];
        let (fixed, fields) = header.split_at_mut(FIXED);
        fixed[..2].copy_from_slice(&MAGIC);
        fixed[2] = DEFLATE;
        fixed[3] = if rest.is_some() { FEXTRA } else { 0 } | if name.is_some() { FNAME } else { 0 };
        fixed[4..8].copy_from_slice(&origin.mtime.to_le_bytes());
        fixed[8] = origin.effort as u8;
        fixed[9] = OS_UNIX;
        if let Some(rest) = rest {
            let member = (len + rest) as u32;
            fields[..2].copy_from_slice(&(EXTRA as u16 - 2).to_le_bytes());
            fields[2..4].copy_from_slice(&SUBFIELD);
            fields[4..6].copy_from_slice(&(SUBFIELD_LEN as u16).to_le_bytes());
            fields[6..10].copy_from_slice(&member.to_le_bytes());
            fields[10..14].copy_from_slice(&(!member).to_le_bytes());
        }
        if let Some(name) = name {
            let text = &mut fields[extra..];
            text[..name.len()].copy_from_slice(name);
            text[name.len()] = 0;
        }
        header
    }

    /// Reads the header at the beginning of `bytes`.
    pub fn parse(bytes: &[u8]) -> Parsed {
        let begins = |magic: [u8; 2]| bytes.iter().zip(&magic).all(|(byte, magic)| byte == magic);
        if !begins(MAGIC) && !begins(OLD_MAGIC) {
            return Parsed::Foreign;
        }
        if bytes.get(2).is_some_and(|&method| method != DEFLATE) {
            return Parsed::Unsupported("a compression method that is not deflate");
        }
        if bytes.get(3).is_some_and(|&flags| flags & RESERVED != 0) {
            return Parsed::Unsupported("flags of a later version of gzip");
        }
        let mut fields = Fields { bytes, at: 0 };
        match fields.header() {
            None => Parsed::Short,
            Some(Err(why)) => Parsed::Unsupported(why),
            Some(Ok(header)) => Parsed::Header(header),
        }
    }
}

/// A walk over a header's fields; `None` wherever the bytes end.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    fn header(&mut self) -> Option<Result<Header, &'static str>> {
        let fixed = self.take(FIXED)?;
        let flags = fixed[3];
        let mut header = Header {
            mtime: u32::from_le_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ..Header::default()
        };
        if flags & FEXTRA != 0 {
            let len = self.u16()?;
            header.member_len = member_len(self.take(len.into())?);
        }
        if flags & FNAME != 0 {
            header.name = Some(self.text()?.to_vec());
        }
        if flags & FCOMMENT != 0 {
            self.text()?;
        }
        if flags & FHCRC != 0 {
            let crc = crc32fast::hash(&self.bytes[..self.at]) as u16;
            if self.u16()? != crc {
                return Some(Err("a header that is damaged"));
            }
        }
        header.len = self.at;
        Some(Ok(header))
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..)?.get(..len)?;
        self.at += len;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    /// The text up to a zero byte.
    fn text(&mut self) -> Option<&'a [u8]> {
        let len = self
            .bytes
            .get(self.at..)?
            .iter()
            .position(|&byte| byte == 0)?;
        let text = self.take(len)?;
        self.at += 1;
        Some(text)
    }
}

/// Looks for our subfield among the extra ones.
fn member_len(mut extra: &[u8]) -> Option<usize> {
    while extra.len() >= 4 {
        let len = usize::from(u16::from_le_bytes([extra[2], extra[3]]));
        let data = extra[4..].get(..len)?;
        if let (SUBFIELD, &[a, b, c, d, e, f, g, h]) = ([extra[0], extra[1]], data) {
            let member = u32::from_le_bytes([a, b, c, d]);
            if member == !u32::from_le_bytes([e, f, g, h]) {
                return Some(member as usize);
            }
        }
        extra = &extra[4 + len..];
    }
    None
}

/// CRC-32 and length modulo 2^32 of the plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// CRC-32.
    pub crc: u32,
    /// Length modulo 2^32.
    pub len: u32,
}

impl Trailer {
    /// Reads a trailer.
    pub fn parse(bytes: [u8; TRAILER]) -> Self {
        let value = u64::from_le_bytes(bytes);
        Self {
            crc: value as u32,
            len: (value >> 32) as u32,
        }
    }

    /// Its bytes.
    pub fn bytes(self) -> [u8; TRAILER] {
        (u64::from(self.len) << 32 | u64::from(self.crc)).to_le_bytes()
    }
}

impl Trailer {
    /// Of nothing.
    pub const NOTHING: Self = Self { crc: 0, len: 0 };

    /// Of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            crc: crc32fast::hash(bytes),
            len: bytes.len() as u32,
        }
    }

    /// Of what this one is about, and the less than 4 GiB of the `next` one behind it.
    pub fn join(self, next: Self) -> Self {
        let hasher = |of: Self| crc32fast::Hasher::new_with_initial_len(of.crc, of.len.into());
        let mut joined = hasher(self);
        joined.combine(&hasher(next));
        Self {
            crc: joined.finalize(),
            len: self.len.wrapping_add(next.len),
        }
    }
}

/// Plain bytes in one stored block of deflate.
const STORED_MAX: usize = 0xffff;

/// Length of `len` plain bytes as stored blocks of deflate.
pub const fn stored_len(len: usize) -> usize {
    let blocks = len.div_ceil(STORED_MAX);
    len + 5 * if blocks == 0 { 1 } else { blocks }
}

/// Writes `plain` to `room` as stored blocks of deflate, of which the last may be `last` of the
/// stream, and returns their length.
pub fn store(plain: &[u8], room: &mut [u8], last: bool) -> usize {
    let mut at = 0;
    let mut blocks = plain.chunks(STORED_MAX).peekable();
    while let Some(block) = blocks.next() {
        let len = block.len() as u16;
        room[at] = u8::from(last && blocks.peek().is_none());
        room[at + 1..at + 3].copy_from_slice(&len.to_le_bytes());
        room[at + 3..at + 5].copy_from_slice(&(!len).to_le_bytes());
        room[at + 5..at + 5 + block.len()].copy_from_slice(block);
        at += 5 + block.len();
    }
    at
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn parsed(bytes: &[u8]) -> Header {
        match Header::parse(bytes) {
            Parsed::Header(header) => header,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for name in [None, Some(&b"name"[..])] {
            let mut room = [0; HEADER_MAX];
            let origin = Origin {
                name: name.map(<[u8]>::to_vec),
                mtime: 77,
                effort: Effort::Most,
            };
            let bytes = Header::write(&mut room, &origin, Some(1000));
            assert_eq!(bytes[8], 2);
            let expected = Header {
                len: bytes.len(),
                name: name.map(<[u8]>::to_vec),
                mtime: 77,
                member_len: Some(bytes.len() + 1000),
            };
            assert_eq!(parsed(bytes), expected);
            for short in 2..bytes.len() {
                assert_eq!(Header::parse(&bytes[..short]), Parsed::Short, "{short}");
            }
        }
    }

    #[test]
    fn a_name_too_long_is_left_out() {
        let written = |len: usize| {
            let origin = Origin {
                name: Some(vec![b'x'; len]),
                ..Origin::default()
            };
            parsed(Header::write(&mut [0; HEADER_MAX], &origin, None))
        };
        assert!(written(255).name.is_some());
        assert!(written(256).name.is_none());
        assert_eq!(written(1).member_len, None);
    }

    #[test]
    fn headers_of_others_are_read() {
        let mut bytes = vec![
            0x1f,
            0x8b,
            8,
            FEXTRA | FNAME | FCOMMENT | FHCRC,
            1,
            0,
            0,
            0,
            0,
            3,
        ];
        bytes.extend_from_slice(&[6, 0, b'B', b'C', 2, 0, 7, 7]);
        bytes.extend_from_slice(b"name\0comment\0");
        let crc = crc32fast::hash(&bytes) as u16;
        bytes.extend_from_slice(&crc.to_le_bytes());
        let header = parsed(&bytes);
        assert_eq!(header.name.as_deref(), Some(&b"name"[..]));
        assert_eq!(
            (header.len, header.mtime, header.member_len),
            (bytes.len(), 1, None)
        );
        *bytes.last_mut().unwrap() ^= 1;
        assert!(matches!(Header::parse(&bytes), Parsed::Unsupported(_)));
    }

    #[test]
    fn what_is_no_header_is_told_apart() {
        assert_eq!(Header::parse(b""), Parsed::Short);
        assert_eq!(Header::parse(b"\x1f"), Parsed::Short);
        assert_eq!(Header::parse(b"PK"), Parsed::Foreign);
        assert!(matches!(
            Header::parse(b"\x1f\x8b\x07"),
            Parsed::Unsupported(_)
        ));
        assert!(matches!(
            Header::parse(b"\x1f\x8b\x08\xff"),
            Parsed::Unsupported(_)
        ));
    }

    #[test]
    fn damaged_extra_fields_are_no_length() {
        assert_eq!(member_len(b"AZ\x09\x00\x01"), None);
        assert_eq!(member_len(b"AZ\x02\x00\x01\x01"), None);
        // What somebody else means by these letters.
        assert_eq!(member_len(b"AZ\x04\x00\x10\x00\x00\x00"), None);
        assert_eq!(member_len(b"AZ\x08\x00\x10\0\0\0\xef\xff\xff\xfe"), None);
        let ours = b"XY\x01\x00.AZ\x08\x00\x10\0\0\0\xef\xff\xff\xff";
        assert_eq!(member_len(ours), Some(16));
        assert_eq!(member_len(b"AZ"), None);
    }

    #[test]
    fn stored_blocks_are_deflate() {
        for len in [1, 65535, 65536, 200_000] {
            let plain: Vec<u8> = (0..len).map(|n| (n * 7 % 251) as u8).collect();
            let mut room = vec![0; stored_len(len)];
            assert_eq!(store(&plain, &mut room, true), room.len());
            let mut back = Vec::new();
            flate2::read::DeflateDecoder::new(&room[..])
                .read_to_end(&mut back)
                .unwrap();
            assert!(back == plain, "{len}");
        }
    }

    #[test]
    fn the_end_mark_is_an_empty_member() {
        let member = end_mark();
        assert_eq!(parsed(&member).member_len, Some(member.len()));
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(&member[..])
            .read_to_end(&mut back)
            .unwrap();
        assert!(back.is_empty());
    }

    #[test]
    fn checksums_are_joined() {
        let plain: Vec<u8> = (0..1000).map(|n| (n * 7 % 251) as u8).collect();
        for at in [0, 1, 500, 1000] {
            let (one, two) = plain.split_at(at);
            assert_eq!(Trailer::of(one).join(Trailer::of(two)), Trailer::of(&plain));
        }
        let over = Trailer {
            crc: 1,
            len: u32::MAX,
        };
        assert_eq!(over.join(Trailer::of(b"ab")).len, 1);
    }
}
