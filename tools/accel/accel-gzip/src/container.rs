// SPDX-License-Identifier: GPL-2.0
//! The container: RFC 1952 members, each with its length in an extra subfield.
//!
//! A file is a sequence of members, one for each block of input, as the format allows and every
//! gunzip reads. The header of each has the extra subfield "AZ" of four bytes: the length of the
//! whole member, header and trailer included, little-endian. A reader that knows it finds all
//! members without decompressing, and decompresses them in parallel.

/// Bytes of CRC-32 and length behind the deflate data.
pub const TRAILER: usize = 8;

/// The longest header that [`Header::write`] makes.
pub const HEADER_MAX: usize = FIXED + EXTRA + NAME_MAX + 1;

/// The longest file name that is stored; longer ones are left out.
pub const NAME_MAX: usize = 255;

/// A whole member that has no content.
pub fn empty_member(name: Option<&[u8]>, mtime: u32) -> Vec<u8> {
    let mut header = [0; HEADER_MAX];
    let header = Header::write(&mut header, name, mtime, 2 + TRAILER);
    // A last block of fixed codes that ends at once, the CRC of nothing, and length 0.
    [header, &[0x03, 0x00], &[0; TRAILER]].concat()
}

/// Bytes that every header has.
pub const FIXED: usize = 10;
const SUBFIELD: [u8; 2] = *b"AZ";
const EXTRA: usize = 2 + 4 + 4;
const MAGIC: [u8; 2] = [0x1f, 0x8b];
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
    /// `rest` is what follows in the member: deflate data and trailer.
    pub fn write<'a>(room: &'a mut [u8], name: Option<&[u8]>, mtime: u32, rest: usize) -> &'a [u8] {
        let name = name.filter(|name| name.len() <= NAME_MAX && !name.contains(&0));
        let len = FIXED + EXTRA + name.map_or(0, |name| name.len() + 1);
        let start = room.len() - len;
        let header = &mut room[start..];
        header[..2].copy_from_slice(&MAGIC);
        header[2] = DEFLATE;
        header[3] = FEXTRA | if name.is_some() { FNAME } else { 0 };
        header[4..8].copy_from_slice(&mtime.to_le_bytes());
        header[8] = 0;
        header[9] = OS_UNIX;
        header[10..12].copy_from_slice(&8u16.to_le_bytes());
        header[12..14].copy_from_slice(&SUBFIELD);
        header[14..16].copy_from_slice(&4u16.to_le_bytes());
        header[16..20].copy_from_slice(&((len + rest) as u32).to_le_bytes());
        if let Some(name) = name {
            header[20..len - 1].copy_from_slice(name);
            header[len - 1] = 0;
        }
        header
    }

    /// Reads the header at the beginning of `bytes`.
    pub fn parse(bytes: &[u8]) -> Parsed {
        let magic = bytes.iter().zip(&MAGIC).all(|(byte, magic)| byte == magic);
        if !magic {
            return Parsed::Foreign;
        }
        if bytes.get(2).is_some_and(|&method| method != DEFLATE) {
            return Parsed::Unsupported("its compression method is not deflate");
        }
        if bytes.get(3).is_some_and(|&flags| flags & RESERVED != 0) {
            return Parsed::Unsupported("it has flags of a later version of gzip");
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
                return Some(Err("its header is damaged"));
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
        if extra[..2] == SUBFIELD && len == 4 {
            return Some(u32::from_le_bytes([data[0], data[1], data[2], data[3]]) as usize);
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

/// Plain bytes in one stored block of deflate.
const STORED_MAX: usize = 0xffff;

/// Length of `len` plain bytes as stored blocks of deflate.
pub const fn stored_len(len: usize) -> usize {
    let blocks = len.div_ceil(STORED_MAX);
    len + 5 * if blocks == 0 { 1 } else { blocks }
}

/// Writes `plain` to `room` as stored blocks of deflate, and returns their length.
pub fn store(plain: &[u8], room: &mut [u8]) -> usize {
    let mut at = 0;
    let mut blocks = plain.chunks(STORED_MAX).peekable();
    while let Some(block) = blocks.next() {
        let len = block.len() as u16;
        room[at] = u8::from(blocks.peek().is_none());
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
            let bytes = Header::write(&mut room, name, 77, 1000);
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
        let mut room = [0; HEADER_MAX];
        assert!(
            parsed(Header::write(&mut room, Some(&[b'x'; 255]), 0, 9))
                .name
                .is_some()
        );
        assert!(
            parsed(Header::write(&mut room, Some(&[b'x'; 256]), 0, 9))
                .name
                .is_none()
        );
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
        assert_eq!(
            member_len(b"XY\x01\x00.AZ\x04\x00\x10\x00\x00\x00"),
            Some(16)
        );
        assert_eq!(member_len(b"AZ"), None);
    }

    #[test]
    fn stored_blocks_are_deflate() {
        for len in [1, 65535, 65536, 200_000] {
            let plain: Vec<u8> = (0..len).map(|n| (n * 7 % 251) as u8).collect();
            let mut room = vec![0; stored_len(len)];
            assert_eq!(store(&plain, &mut room), room.len());
            let mut back = Vec::new();
            flate2::read::DeflateDecoder::new(&room[..])
                .read_to_end(&mut back)
                .unwrap();
            assert!(back == plain, "{len}");
        }
    }

    #[test]
    fn nothing_is_a_member_too() {
        let member = empty_member(Some(b"x"), 0);
        assert_eq!(parsed(&member).member_len, Some(member.len()));
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(&member[..])
            .read_to_end(&mut back)
            .unwrap();
        assert!(back.is_empty());
    }
}
