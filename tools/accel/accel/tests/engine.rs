// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Compression and decompression, whatever becomes of the devices.

use std::io::{self, Read, Write};
use std::time::Duration;

use accel::{AddressMode, Engine, Error, Format, Work, read, uapi, write};
use accel_fake::{Fate, Machine, Offer};
use flate2::Compression;

const MODES: [AddressMode; 3] = [
    AddressMode::Shared,
    AddressMode::Private,
    AddressMode::Kernel,
];

const FORMATS: [Format; 3] = [Format::Deflate, Format::Zlib, Format::Gzip];

/// Words that repeat, but not too soon.
fn text(len: usize) -> Vec<u8> {
    let words = (0u32..).flat_map(|n| format!("{} ", n.wrapping_mul(n) >> 7).into_bytes());
    words.take(len).collect()
}

/// What can't be compressed.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1u64;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

fn packed(format: Format, plain: &[u8]) -> Vec<u8> {
    let (mut packed, level) = (Vec::new(), Compression::default());
    let done = match format {
        Format::Deflate => flate2::read::DeflateEncoder::new(plain, level).read_to_end(&mut packed),
        Format::Zlib => flate2::read::ZlibEncoder::new(plain, level).read_to_end(&mut packed),
        Format::Gzip => flate2::read::GzEncoder::new(plain, level).read_to_end(&mut packed),
    };
    done.unwrap();
    packed
}

fn unpacked(format: Format, packed: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let done = match format {
        Format::Deflate => flate2::read::DeflateDecoder::new(packed).read_to_end(&mut plain),
        Format::Zlib => flate2::read::ZlibDecoder::new(packed).read_to_end(&mut plain),
        Format::Gzip => flate2::read::MultiGzDecoder::new(packed).read_to_end(&mut plain),
    };
    done.unwrap();
    plain
}

/// An engine of a machine, whose jobs take no longer than they should.
fn engine(mode: AddressMode, offers: Vec<Offer>) -> (Engine, Machine) {
    let machine = Machine::new(mode, offers);
    let engine = Engine::with_supply(machine.clone());
    (engine, machine)
}

#[track_caller]
fn no_violations(machine: &Machine) {
    assert_eq!(machine.watcher().violations(), [""; 0]);
}

#[test]
fn what_comes_out_is_what_went_in() {
    const LENGTHS: [usize; 6] = [0, 1, 4095, 4096, 1 << 20, 2_100_001];
    for mode in MODES {
        let (engine, machine) = engine(mode, vec![]);
        for (format, len) in FORMATS
            .into_iter()
            .flat_map(|f| LENGTHS.map(|len| (f, len)))
        {
            for plain in [text(len), noise(len)] {
                let what = format!("{mode} {format:?} {len}");
                let made = engine.compress(format, &plain).unwrap();
                assert!(unpacked(format, &made) == plain, "{what}");
                assert!(engine.decompress(format, &made).unwrap() == plain, "{what}");
                let made = packed(format, &plain);
                assert!(engine.decompress(format, &made).unwrap() == plain, "{what}");
            }
        }
        assert_eq!(engine.trouble(), None);
        let Work { device, software } = engine.work();
        assert!(device > 5 * software, "{mode}: {device} {software}");
        no_violations(&machine);
    }
}

#[test]
fn without_a_device_it_is_software() {
    let plain = text(3_000_000);
    for format in FORMATS {
        let engine = Engine::software();
        let made = engine.compress(format, &plain).unwrap();
        assert!(made.len() < plain.len() / 2);
        assert!(unpacked(format, &made) == plain);
        assert!(engine.decompress(format, &made).unwrap() == plain);
        assert_eq!(engine.work().device, 0);
    }
}

/// What may become of a job, in this mode.
fn fates(mode: AddressMode) -> Vec<Fate> {
    let mut fates = vec![
        Fate::Status(0x10),
        Fate::Status(0x77),
        Fate::Lost,
        Fate::Wrong,
        Fate::Hang,
        Fate::Die(uapi::QUEUE_DEAD_RESET),
        Fate::Die(uapi::QUEUE_DEAD_REMOVED),
    ];
    match mode {
        AddressMode::Kernel => fates.push(Fate::Errno(125)),
        _ => fates.push(Fate::WrongTag),
    }
    fates
}

/// Queues of which the first treat job `n` so.
fn bad_queues(fate: Fate, n: u64, count: usize) -> Vec<Offer> {
    let plan = move |job| if job == n { fate } else { Fate::Do };
    (0..count).map(|_| Offer::Queue(Box::new(plan))).collect()
}

/// An engine whose queues treat job `n` so, that does not wait too long for what hangs.
fn bad_engine(mode: AddressMode, fate: Fate, n: u64, count: usize) -> Engine {
    let (engine, _) = engine(mode, bad_queues(fate, n, count));
    match fate {
        Fate::Hang => engine.limit(Duration::from_millis(200)),
        _ => engine,
    }
}

#[test]
fn compression_goes_on_whatever_becomes_of_a_job() {
    let plain = text(4_200_000);
    for (mode, count) in MODES.into_iter().flat_map(|mode| [1, 4].map(|n| (mode, n))) {
        for (n, fate) in fates(mode).into_iter().enumerate() {
            let job = if count > 1 { 0 } else { n as u64 % 4 };
            let engine = bad_engine(mode, fate, job, count);
            let made = engine.compress(Format::Gzip, &plain).unwrap();
            let what = format!("{mode} {fate:?} of job {job}, {count} queues");
            assert!(unpacked(Format::Gzip, &made) == plain, "{what}");
            assert!(engine.trouble().is_some(), "{what}");
            let Work { device, software } = engine.work();
            assert_eq!(device + software, plain.len() as u64, "{what}");
            assert!(software >= 1 << 20, "{what}");
            // Another queue goes on; others may take too long where all is slow.
            let may_be_slow = fate == Fate::Hang;
            assert!(count > 1 || may_be_slow || device > 0, "{what}");
        }
    }
}

#[test]
fn decompression_goes_on_whatever_becomes_of_a_job() {
    let plain = text(4_000_000);
    for (mode, format) in MODES.into_iter().zip(FORMATS) {
        let packed = packed(format, &plain);
        for (n, fate) in fates(mode).into_iter().enumerate() {
            let engine = bad_engine(mode, fate, n as u64 % 4, 3);
            let mut back = Vec::new();
            let mut decoder = read::Decoder::new(&engine, format, &packed[..]);
            let result = decoder.read_to_end(&mut back);
            let what = format!("{mode} {format:?} {fate:?}");
            // What was handed out, was wrong, and is found to be so too late, is an error.
            match (fate, result) {
                (Fate::Lost | Fate::Wrong, _) if format == Format::Deflate => {
                    // Nothing tells what there should be.
                }
                (Fate::Lost | Fate::Wrong, Err(error)) => {
                    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{what}");
                    assert!(error.to_string().contains("was wrong"), "{what}: {error}");
                }
                (_, result) => {
                    result.unwrap();
                    assert!(back == plain, "{what}");
                }
            }
        }
    }
}

#[test]
fn queues_in_use_are_waited_for_and_devices_out_of_service_are_not() {
    let plain = text(2_000_000);
    let (engine, machine) = engine(AddressMode::Shared, vec![Offer::Busy, Offer::Busy]);
    engine.compress(Format::Gzip, &plain).unwrap();
    assert_eq!((engine.work().software, engine.trouble()), (0, None));
    no_violations(&machine);

    let busy = (0..4).map(|_| Offer::Busy).collect();
    let (engine, machine) = self::engine(AddressMode::Shared, busy);
    engine.compress(Format::Gzip, &plain).unwrap();
    assert_eq!((engine.work().device, machine.offers()), (0, 0));
    assert!(engine.trouble().unwrap().contains("in use"));

    let isolated = (0..4).map(|_| Offer::Isolated).collect();
    let (engine, machine) = self::engine(AddressMode::Shared, isolated);
    engine.compress(Format::Gzip, &plain).unwrap();
    assert_eq!(engine.work().device, 0);
    // Once for a block at most; patience would have taken all.
    assert!(machine.offers() >= 2);
    assert!(engine.trouble().unwrap().contains("isolated"));
}

#[test]
fn a_device_may_be_required() {
    let plain = text(2_000_000);
    let (engine, _) = engine(AddressMode::Shared, vec![Offer::Isolated, Offer::Isolated]);
    let shared = engine.clone();
    let engine = engine.require_device();
    let error = engine.compress(Format::Gzip, &plain).unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    let packed = packed(Format::Gzip, &noise(200_000));
    let result = engine.decompress(Format::Gzip, &packed);
    assert!(matches!(result, Err(Error::Refused { .. })));
    // Now there is one.
    let before = engine.work().software;
    let more = text(6_000_000);
    let made = engine.compress(Format::Gzip, &more).unwrap();
    assert!(unpacked(Format::Gzip, &made) == more);
    assert_eq!(engine.work().software, before);
    // A clone of before does without.
    shared.compress(Format::Gzip, b"small").unwrap();

    let fate = Fate::Die(uapi::QUEUE_DEAD_RESET);
    let (engine, _) = self::engine(AddressMode::Shared, bad_queues(fate, 0, 1));
    let engine = engine.require_device();
    let error = engine.compress(Format::Gzip, &plain).unwrap_err();
    assert!(matches!(error, Error::QueueDead { .. }), "{error}");
}

/// Reads and writes a few bytes at once.
struct Slow<T>(T);

impl<T: Read> Read for Slow<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(977);
        self.0.read(&mut buffer[..len])
    }
}

impl<T: Write> Write for Slow<T> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.write(&buffer[..buffer.len().min(977)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[test]
fn readers_and_writers_take_what_comes() {
    let plain = text(1_300_000);
    for (mode, format) in MODES.into_iter().flat_map(|m| FORMATS.map(|f| (m, f))) {
        let (engine, machine) = engine(mode, vec![]);
        let mut made = Vec::new();
        let mut encoder = Slow(read::Encoder::new(&engine, format, Slow(&plain[..])));
        encoder.read_to_end(&mut made).unwrap();
        let mut back = Vec::new();
        let mut decoder = Slow(read::Decoder::new(&engine, format, Slow(&made[..])));
        decoder.read_to_end(&mut back).unwrap();
        assert!(back == plain);

        let mut encoder = Slow(write::Encoder::new(&engine, format, Slow(Vec::new())));
        encoder.write_all(&plain).unwrap();
        let made = encoder.0.finish().unwrap().0;
        let mut decoder = Slow(write::Decoder::new(&engine, format, Slow(Vec::new())));
        decoder.write_all(&made).unwrap();
        assert!(decoder.0.finish().unwrap().0 == plain);
        assert_eq!(engine.trouble(), None);
        no_violations(&machine);
    }
}

/// As a connection needs it: what was flushed can be read before there is more.
#[test]
fn what_is_flushed_comes_out() {
    for (mode, format) in MODES.into_iter().flat_map(|m| FORMATS.map(|f| (m, f))) {
        let (engine, _) = engine(mode, vec![]);
        let mut encoder = write::Encoder::new(&engine, format, Vec::new());
        let mut decoder = write::Decoder::new(&engine, format, Vec::new());
        let (mut sent, mut plain) = (0, Vec::new());
        for len in [10, 70_000, 0, 5, 300_000, 1] {
            let message = noise(len);
            plain.extend_from_slice(&message);
            encoder.write_all(&message).unwrap();
            encoder.flush().unwrap();
            decoder.write_all(&encoder.get_ref()[sent..]).unwrap();
            decoder.flush().unwrap();
            sent = encoder.get_ref().len();
            assert!(*decoder.get_ref() == plain, "{mode} {format:?} {len}");
        }
        let made = encoder.finish().unwrap();
        decoder.write_all(&made[sent..]).unwrap();
        assert!(decoder.finish().unwrap() == plain);
    }
}

#[test]
fn members_follow_each_other_and_zeroes_the_last() {
    let parts = [text(500_000), noise(3), vec![], noise(200_000), text(100)];
    let plain = parts.concat();
    let mut made: Vec<u8> = parts
        .iter()
        .flat_map(|part| packed(Format::Gzip, part))
        .collect();
    for mode in MODES {
        let (engine, _) = engine(mode, vec![]);
        assert!(engine.decompress(Format::Gzip, &made).unwrap() == plain);
    }
    made.extend([0; 512]);
    let (engine, _) = engine(AddressMode::Shared, vec![]);
    assert!(engine.decompress(Format::Gzip, &made).unwrap() == plain);
    made.push(1);
    let error = engine.decompress(Format::Gzip, &made).unwrap_err();
    assert!(error.to_string().contains("follows"), "{error}");
    for format in [Format::Zlib, Format::Deflate] {
        let mut made = packed(format, &plain);
        made.push(0);
        let error = engine.decompress(format, &made).unwrap_err();
        assert!(error.to_string().contains("follows"), "{error}");
    }
}

/// What can be had of damaged data comes before the error.
#[test]
fn damage_is_told_after_what_is_good() {
    let plain = text(3_000_000);
    for (mode, format) in MODES.into_iter().zip(FORMATS) {
        let (engine, _) = engine(mode, vec![]);
        let whole = packed(format, &plain);
        let read = |bytes: &[u8]| {
            let mut back = Vec::new();
            let error = read::Decoder::new(&engine, format, bytes).read_to_end(&mut back);
            (back, error.unwrap_err().kind())
        };
        for len in [0, 1, 1000, 100_000, whole.len() / 2, whole.len() - 1] {
            let (back, kind) = read(&whole[..len]);
            let what = format!("{mode} {format:?} {len} of {}", whole.len());
            assert_eq!(kind, io::ErrorKind::UnexpectedEof, "{what}");
            assert!(plain.starts_with(&back), "{what}");
            assert!(
                back.len() >= len.saturating_sub(200),
                "{what}: {}",
                back.len()
            );
        }
        let mut wrong = whole.clone();
        *wrong.last_mut().unwrap() ^= 1;
        if format != Format::Deflate {
            let (back, kind) = read(&wrong);
            assert_eq!(kind, io::ErrorKind::InvalidData);
            assert!(back == plain);
        }
    }
}

#[test]
fn many_threads_share_an_engine() {
    let (engine, machine) = engine(AddressMode::Shared, vec![]);
    let plain = text(1_500_000);
    std::thread::scope(|scope| {
        for n in 0..4 {
            let (engine, plain) = (engine.clone(), &plain[n..]);
            scope.spawn(move || {
                for _ in 0..3 {
                    let made = engine.compress(Format::Zlib, plain).unwrap();
                    assert!(engine.decompress(Format::Zlib, &made).unwrap() == plain);
                }
            });
        }
    });
    assert_eq!(engine.trouble(), None);
    no_violations(&machine);
}
