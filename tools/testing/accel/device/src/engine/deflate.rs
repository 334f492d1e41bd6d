// SPDX-License-Identifier: GPL-2.0

//! Requests that are a whole stream each.

use flate2::Decompress;
use flate2::FlushCompress;
use flate2::FlushDecompress;
use flate2::Status as Flate;

use super::checksum::Checksum;
use super::compressor;
use super::length;
use super::trailer;
use super::Outcome;
use super::Request;
use crate::context::Direction;
use crate::readings::Reading;
use crate::sqe::Carried;
use crate::sqe::Report;
use crate::sqe::Status;

/// The library reports the end of a stream only if a byte of its buffer stays free.
const SLACK: usize = 1;

/// Performs a request that is a whole stream.
pub fn whole(request: &mut Request) -> Outcome {
    let result = match request.direction {
        Direction::Compress => compress(request),
        Direction::Decompress => decompress(request),
    };
    result.unwrap_or_else(Outcome::failure)
}

/// Words 30 and 31. Nobody has said that the last is there at all outside of streams.
fn carried(request: &mut Request, checksum: &Checksum) -> Carried {
    Carried {
        plain_length: checksum.length(),
        checksum: match request.mild.has(Reading::StatelessChecksum) {
            true => checksum.register(&mut request.nonsense),
            false => 0,
        },
        ..Carried::default()
    }
}

fn compress(request: &mut Request) -> Result<Outcome, Status> {
    let tail = trailer::size(request.algorithm);
    let room = request.room.checked_sub(tail).ok_or(Status::NoRoom)?;
    let mut output = vec![0; room + SLACK];
    let mut deflate = compressor(request.search);
    match deflate.compress(&request.input, &mut output, FlushCompress::Finish) {
        Ok(Flate::StreamEnd) if deflate.total_out() <= room as u64 => {}
        _ => return Err(Status::NoRoom),
    }
    output.truncate(deflate.total_out() as usize);

    let mut checksum = Checksum::new(request.algorithm);
    checksum.update(&request.input);
    output.extend(trailer::bytes(request.algorithm, &checksum));
    let grew = output.len() > request.input.len();
    let status = if grew { Status::Grew } else { Status::Ok };
    let (consumed, compressed) = (request.input.len(), output.len());
    let carried = carried(request, &checksum);
    Ok(done((status, consumed, compressed), carried, output))
}

/// What comes of a job that has ended with `status`, the input bytes that it took, and the bytes on
/// its compressed side.
fn done(
    (status, consumed, compressed): (Status, usize, usize),
    carried: Carried,
    output: Vec<u8>,
) -> Outcome {
    let report = Report {
        status,
        consumed: length(consumed),
        produced: length(output.len()),
        compressed: length(compressed),
        carried,
        last_block: false,
        ignored: false,
    };
    Outcome {
        report,
        output,
        context: Vec::new(),
    }
}

fn decompress(request: &mut Request) -> Result<Outcome, Status> {
    let mut output = vec![0; request.room];
    let mut inflate = Decompress::new(false);
    match inflate.decompress(&request.input, &mut output, FlushDecompress::Finish) {
        Ok(Flate::StreamEnd) => {}
        Ok(_) => return Err(stopped_short(request, &inflate)),
        Err(_) => return Err(Status::Corrupt),
    }
    output.truncate(inflate.total_out() as usize);

    let mut checksum = Checksum::new(request.algorithm);
    checksum.update(&output);
    let body = inflate.total_in() as usize;
    let consumed = body + trailer::size(request.algorithm);
    let found = request
        .input
        .get(body..consumed)
        .ok_or(Status::Incomplete)?;
    if found != trailer::bytes(request.algorithm, &checksum) {
        return Err(Status::BadChecksum);
    }
    let carried = carried(request, &checksum);
    Ok(done((Status::Ok, consumed, consumed), carried, output))
}

/// The stream did not end: is it the input or the room that came to an end before it?
fn stopped_short(request: &Request, inflate: &Decompress) -> Status {
    if (inflate.total_out() as usize) < request.room {
        Status::Incomplete
    } else {
        Status::NoRoom
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Search;
    use crate::engine::Window;
    use crate::readings::Mild;
    use crate::readings::Nonsense;
    use crate::sqe::Algorithm;

    const THOROUGH: Search = Search {
        fast: false,
        window: Window::K32,
    };

    fn request(direction: Direction, algorithm: Algorithm, input: &[u8], room: usize) -> Request {
        Request {
            direction,
            algorithm,
            input: input.to_vec(),
            room,
            search: THOROUGH,
            mild: Mild::NONE,
            nonsense: Nonsense::new(1),
        }
    }

    fn run(direction: Direction, algorithm: Algorithm, input: &[u8], room: usize) -> Outcome {
        whole(&mut request(direction, algorithm, input, room))
    }

    const ALL: [Algorithm; 3] = [Algorithm::Deflate, Algorithm::Zlib, Algorithm::Gzip];

    fn text(length: usize) -> Vec<u8> {
        (0..length)
            .map(|i| b"the quick brown fox "[i % 20] ^ (i / 997) as u8)
            .collect()
    }

    #[test]
    fn round_trips() {
        for algorithm in ALL {
            for size in [1, 2, 19, 4096, 1 << 20] {
                let plain = text(size);
                let packed = run(Direction::Compress, algorithm, &plain, 2 * size + 64);
                assert!(packed.report.status.is_success());
                assert_eq!(packed.report.produced as usize, packed.output.len());
                assert_eq!(packed.report.consumed as usize, size);

                let mut input = packed.output.clone();
                input.extend(b"and what follows");
                let back = run(Direction::Decompress, algorithm, &input, size);
                assert_eq!(back.report.status, Status::Ok);
                assert_eq!(back.output, plain);
                assert_eq!(back.report.consumed, packed.report.produced);
                assert_eq!(back.report.carried.plain_length as usize, size);
            }
        }
    }

    #[test]
    fn word_31_is_there_by_the_mild_reading_alone() {
        let plain = text(1000);
        for algorithm in ALL {
            let mut harmful = request(Direction::Compress, algorithm, &plain, 2000);
            let packed = whole(&mut harmful).output;
            let mild = Mild::NONE.with(Reading::StatelessChecksum);
            for (direction, input) in [
                (Direction::Compress, &plain),
                (Direction::Decompress, &packed),
            ] {
                let mut request = request(direction, algorithm, input, 2000);
                assert_eq!(whole(&mut request).report.carried.checksum, 0);
                request.mild = mild;
                let word = whole(&mut request).report.carried.checksum;
                match algorithm {
                    Algorithm::Deflate => assert_ne!(word, 0),
                    Algorithm::Zlib => assert_eq!(word.to_be_bytes(), packed[packed.len() - 4..]),
                    Algorithm::Gzip => {
                        let crc = (!word).reverse_bits().to_le_bytes();
                        assert_eq!(crc, packed[packed.len() - 8..packed.len() - 4]);
                    }
                }
            }
        }
    }

    #[test]
    fn an_independent_reader_agrees() {
        use std::io::Read;
        let plain = text(100_000);
        let mut gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec();
        gzip.extend(run(Direction::Compress, Algorithm::Gzip, &plain, 200_000).output);
        let mut zlib = b"\x78\x9c".to_vec();
        zlib.extend(run(Direction::Compress, Algorithm::Zlib, &plain, 200_000).output);

        let mut back = Vec::new();
        flate2::read::GzDecoder::new(&gzip[..])
            .read_to_end(&mut back)
            .unwrap();
        assert_eq!(back, plain);
        back.clear();
        flate2::read::ZlibDecoder::new(&zlib[..])
            .read_to_end(&mut back)
            .unwrap();
        assert_eq!(back, plain);
    }

    #[test]
    fn failures() {
        let plain = text(5000);
        let packed = run(Direction::Compress, Algorithm::Gzip, &plain, 10_000).output;
        let size = packed.len();
        let mut bad_sum = packed.clone();
        bad_sum[size - 8] ^= 1;
        let mut bad_length = packed.clone();
        bad_length[size - 1] ^= 1;
        let mut corrupt = packed.clone();
        corrupt[0] = 0x07;

        use Direction::*;
        let table: [(&str, Direction, &[u8], usize, Status); 9] = [
            ("compress, no room", Compress, &plain, 40, Status::NoRoom),
            (
                "compress, no room for the trailer",
                Compress,
                &plain,
                size - 1,
                Status::NoRoom,
            ),
            (
                "compress, less than a trailer",
                Compress,
                &plain,
                3,
                Status::NoRoom,
            ),
            (
                "decompress, no room",
                Decompress,
                &packed,
                4999,
                Status::NoRoom,
            ),
            ("checksum", Decompress, &bad_sum, 5000, Status::BadChecksum),
            ("length", Decompress, &bad_length, 5000, Status::BadChecksum),
            ("corrupt", Decompress, &corrupt, 5000, Status::Corrupt),
            (
                "cut in the data",
                Decompress,
                &packed[..size / 2],
                5000,
                Status::Incomplete,
            ),
            (
                "cut in the trailer",
                Decompress,
                &packed[..size - 1],
                5000,
                Status::Incomplete,
            ),
        ];
        for (name, direction, input, room, status) in table {
            let outcome = run(direction, Algorithm::Gzip, input, room);
            assert_eq!(outcome.report, Report::failure(status), "{name}");
            assert!(outcome.output.is_empty(), "{name}");
        }
    }

    #[test]
    fn exact_room_suffices() {
        let plain = text(5000);
        for algorithm in ALL {
            let packed = run(Direction::Compress, algorithm, &plain, 10_000).output;
            let again = run(Direction::Compress, algorithm, &plain, packed.len());
            assert_eq!(again.report.status, Status::Ok);
            assert_eq!(again.output, packed);
        }
    }

    #[test]
    fn noise_grows_and_says_so() {
        let mut state = 1u32;
        let noise: Vec<u8> = (0..10_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        let packed = run(Direction::Compress, Algorithm::Deflate, &noise, 20_000);
        assert_eq!(packed.report.status, Status::Grew);
        assert_eq!(
            run(
                Direction::Decompress,
                Algorithm::Deflate,
                &packed.output,
                10_000
            )
            .output,
            noise
        );
    }

    /// Noise that comes again after so many bytes is found as far back as the window reaches.
    #[test]
    fn repetitions_are_found_in_the_window() {
        let mut state = 1u32;
        let mut noise = |length: usize| -> Vec<u8> {
            let byte = |_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            };
            (0..length).map(byte).collect()
        };
        for (distance, window, found) in [
            (3_000, Window::K4, true),
            (5_000, Window::K4, false),
            (5_000, Window::K8, true),
            (10_000, Window::K8, false),
            (10_000, Window::K16, true),
            (20_000, Window::K16, false),
            (20_000, Window::K32, true),
        ] {
            let input = noise(distance).repeat(2);
            let room = 2 * input.len();
            let outcome = whole(&mut Request {
                search: Search { window, ..THOROUGH },
                ..request(Direction::Compress, Algorithm::Gzip, &input, room)
            });
            let half = outcome.output.len() < distance * 3 / 2;
            assert_eq!(half, found, "{distance} bytes back, {window:?}");
        }
    }
}
