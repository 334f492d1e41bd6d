// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Decompression in software.

use flate2::{Decompress, FlushDecompress, Status};

use super::Format;
use super::checksum::{Checksum, TRAILER_MAX};

/// Output that room is made for at once.
const ROOM: usize = 256 << 10;

/// What lies between the header and the end of a stream.
pub(super) struct Inflate {
    raw: Decompress,
    checksum: Checksum,
    ended: bool,
    /// What has come of the trailer.
    trailer: Vec<u8>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fed {
    /// Bytes of input taken.
    pub(super) taken: usize,
    /// Whether the stream has ended, trailer and all.
    pub(super) ended: bool,
}

impl Inflate {
    pub(super) fn new(format: Format) -> Self {
        Self {
            raw: Decompress::new(false),
            checksum: Checksum::new(format),
            ended: false,
            trailer: Vec::with_capacity(TRAILER_MAX),
        }
    }

    /// Takes some of `input`, and appends some output. The error: what is wrong with the data.
    pub(super) fn step(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<Fed, &'static str> {
        let mut taken = 0;
        if !self.ended {
            let (before, start) = (self.raw.total_in(), output.len());
            output.reserve(ROOM);
            let status = self
                .raw
                .decompress_vec(input, output, FlushDecompress::None);
            taken = (self.raw.total_in() - before) as usize;
            self.checksum.update(&output[start..]);
            match status {
                Ok(status) => self.ended = status == Status::StreamEnd,
                Err(_) => return Err("these are no deflate data"),
            }
        }
        if self.ended {
            let expected = self.checksum.trailer();
            let rest = &input[taken..];
            let part = &rest[..rest.len().min(expected.len() - self.trailer.len())];
            self.trailer.extend_from_slice(part);
            taken += part.len();
            if self.trailer.len() == expected.len() {
                return match self.trailer == expected {
                    true => Ok(Fed { taken, ended: true }),
                    false => Err("checksum or length do not fit the data"),
                };
            }
        }
        Ok(Fed {
            taken,
            ended: false,
        })
    }
}
