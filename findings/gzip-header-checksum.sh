#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# libflate 2.3.2 (a crate) and klibc's gzip 2.0.12 (Debian 12): a gzip file with a checksum of its
# header is refused, and the one that libflate writes is refused by gzip.
#
# RFC 1952, 2.3.1: with the bit FHCRC the header ends in the two lower bytes of its CRC-32, "all
# bytes of the gzip header up to and not including" these two.
#
# Expected: what gzip 1.12 takes, which checks it, libflate takes; what HeaderBuilder::verify()
# makes libflate write, gzip takes; and a small gunzip for an initramfs skips what it does not
# know.
# Seen: libflate computes the checksum of another header, one without the bit that says that there
# is a checksum. So it refuses each right file ("CRC16 of GZIP header mismatched"), and gzip
# refuses each of libflate's ("header checksum ... != computed checksum", no data), which libflate
# itself reads. klibc's gzip takes the bit for its meaning before RFC 1952 ("multi-part gzip
# file"), and writes nothing.
#
# So a writer for all kinds of readers leaves the bit out, and nothing is lost but two bytes; who
# uses libflate leaves verify() out; and a device tested with libflate's files is not tested with
# gzip's.
#
# Needs Debian 12 (apt-get, dpkg-deb), cargo, python3 and gzip; installs nothing outside of a
# temporary folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download gzip=1.12-1 klibc-utils=2.0.12-1 libklibc=2.0.12-1 >log 2>&1 ||
	{ cat log; exit 2; }
for package in *.deb; do
	dpkg-deb -x "$package" root
done
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "show"
version = "0.0.0"
edition = "2021"

[dependencies]
libflate = "=2.3.2"

[workspace]
TOML
cat >src/main.rs <<'RUST'
use libflate::gzip::{Decoder, EncodeOptions, Encoder, HeaderBuilder};
use std::io::{Read, Write};

fn main() -> std::io::Result<()> {
    // Always the same time, so that the file is always the same.
    let header = HeaderBuilder::new().modification_time(0).verify().finish();
    let mut encoder = Encoder::with_options(Vec::new(), EncodeOptions::new().header(header))?;
    encoder.write_all(b"a line\n")?;
    std::fs::write("libflate.gz", encoder.finish().into_result()?)?;
    for name in ["plain.gz", "checked.gz", "libflate.gz"] {
        let mut text = String::new();
        let read = Decoder::new(&std::fs::read(name)?[..])
            .and_then(|mut decoder| decoder.read_to_string(&mut text));
        match read {
            Ok(_) => println!("libflate, {name}: {}", text.trim()),
            Err(error) => println!("libflate, {name}: {error}"),
        }
    }
    Ok(())
}
RUST
python3 - <<'PY'
import struct
import zlib

text = b"a line\n"
deflate = zlib.compressobj(wbits=-15)
body = deflate.compress(text) + deflate.flush() + struct.pack("<II", zlib.crc32(text), len(text))
header = bytes([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3])
open("plain.gz", "wb").write(header + body)
header = bytes([0x1f, 0x8b, 8, 2, 0, 0, 0, 0, 0, 3])
checksum = struct.pack("<H", zlib.crc32(header) & 0xffff)
open("checked.gz", "wb").write(header + checksum + body)
PY
CARGO_TARGET_DIR=target cargo run --quiet 2>>log >seen || { cat log; exit 1; }
for file in plain checked libflate; do
	echo "gzip, $file.gz: $(root/bin/gzip -dc $file.gz 2>&1)"
	echo "klibc, $file.gz: $(root/usr/lib/klibc/bin/gzip -dc <$file.gz 2>&1)"
done >>seen
cat seen
cat >wanted <<'TEXT'
libflate, plain.gz: a line
libflate, checked.gz: CRC16 of GZIP header mismatched: value=30631, expected=26254
libflate, libflate.gz: a line
gzip, plain.gz: a line
klibc, plain.gz: a line
gzip, checked.gz: a line
klibc, checked.gz: gzip: stdin is a a multi-part gzip file -- get newer version of gzip
gzip, libflate.gz: gzip: libflate.gz: header checksum 0x668e != computed checksum 0x77a7
klibc, libflate.gz: gzip: stdin is a a multi-part gzip file -- get newer version of gzip
TEXT
cmp seen wanted
echo "as described"
