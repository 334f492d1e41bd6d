// SPDX-License-Identifier: GPL-2.0
//! Files of `compress`, `.Z`: LZW with codes of 9 to 16 bits.
//!
//! A code stands for a byte, or for what an older code stands for and a byte more. Codes come in
//! groups of eight, the lowest bits first; when the width of codes changes, the rest of a group is
//! left out.

use std::io::Read;

use super::{cut_off, take, violated};
use crate::error::{Error, Result};
use crate::sink::Sink;

const WIDTH_MIN: u32 = 9;
const WIDTH_MAX: u32 = 16;

/// In block mode, the code after which all is forgotten.
const CLEAR: usize = 256;

/// Decompresses all of `input`.
pub fn decompress(input: &mut dyn Read, sink: &mut Sink) -> Result<()> {
    let [_, _, flags] = take(input)?;
    let width_max = u32::from(flags & 0x1f);
    if flags & 0x60 != 0 || !(WIDTH_MIN..=WIDTH_MAX).contains(&width_max) {
        return Err(Error::Unsupported("flags of a later version of compress"));
    }
    let mut codes = Codes {
        input,
        group: [0; WIDTH_MAX as usize],
        len: 0,
        at: 0,
    };
    let blocks = flags & 0x80 != 0;
    let mut table = Table::new(blocks, width_max);
    let mut text = Vec::new();
    while let Some(code) = codes.next(table.width)? {
        if blocks && code == CLEAR && table.last.is_some() {
            table.clear();
            codes.leave_group();
            continue;
        }
        table.take(code, &mut text)?;
        text.reverse();
        sink.put(&text)?;
        if table.widen() {
            codes.leave_group();
        }
    }
    Ok(())
}

/// The codes of a file.
struct Codes<'a> {
    input: &'a mut dyn Read,
    group: [u8; WIDTH_MAX as usize],
    /// Bytes in the group.
    len: usize,
    /// Bits of it that have been taken.
    at: usize,
}

impl Codes<'_> {
    /// The next code; nothing where no whole one is left.
    fn next(&mut self, width: u32) -> Result<Option<usize>> {
        let width = width as usize;
        if self.at + width > self.len * 8 {
            self.fill(width)?;
        }
        if width > self.len * 8 {
            return Ok(None);
        }
        let bit = |n: usize| usize::from(self.group[n / 8] >> (n % 8) & 1);
        let code = (0..width).fold(0, |code, n| code | bit(self.at + n) << n);
        self.at += width;
        Ok(Some(code))
    }

    /// Reads a group: eight codes have as many bytes as one has bits.
    fn fill(&mut self, width: usize) -> Result<()> {
        (self.len, self.at) = (0, 0);
        while self.len < width {
            match self.input.read(&mut self.group[self.len..width]) {
                Ok(0) => break,
                Ok(count) => self.len += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(cut_off(error)),
            }
        }
        Ok(())
    }

    fn leave_group(&mut self) {
        self.at = self.len * 8;
    }
}

/// What codes stand for.
struct Table {
    /// The code that each one above 255 continues, and the byte that it adds.
    entries: Vec<(u16, u8)>,
    /// The next code to be defined.
    free: usize,
    /// The first that can be.
    first: usize,
    width: u32,
    width_max: u32,
    /// The last code, and the first byte that it stood for.
    last: Option<(usize, u8)>,
}

impl Table {
    fn new(blocks: bool, width_max: u32) -> Self {
        let first = if blocks { CLEAR + 1 } else { CLEAR };
        Self {
            entries: vec![(0, 0); 1 << width_max],
            free: first,
            first,
            width: WIDTH_MIN,
            width_max,
            last: None,
        }
    }

    /// Forgets all codes. The next one to come will define another, which nobody uses.
    fn clear(&mut self) {
        self.free = self.first - 1;
        self.width = WIDTH_MIN;
    }

    /// Puts into `text`, the last byte first, what `code` stands for, and defines a new one.
    fn take(&mut self, code: usize, text: &mut Vec<u8>) -> Result<()> {
        text.clear();
        let mut at = code;
        match self.last {
            None if code >= CLEAR => return Err(violated()),
            Some(_) if code > self.free => return Err(violated()),
            // It is the one that is about to be defined.
            Some((last, first)) if code == self.free => {
                text.push(first);
                at = last;
            }
            _ => {}
        }
        while at >= CLEAR {
            let (before, byte) = self.entries[at];
            text.push(byte);
            at = before.into();
        }
        text.push(at as u8);
        if let Some((last, _)) = self.last {
            if self.free < self.entries.len() {
                self.entries[self.free] = (last as u16, at as u8);
                self.free += 1;
            }
        }
        self.last = Some((code, at as u8));
        Ok(())
    }

    /// Makes codes wider if the next one to be defined needs it; whether they are.
    fn widen(&mut self) -> bool {
        let wider = self.free >= 1 << self.width && self.width < self.width_max;
        self.width += u32::from(wider);
        wider
    }
}
