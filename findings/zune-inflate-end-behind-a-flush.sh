#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# zune-inflate 0.2.54 (a crate): most raw deflate that ends right behind a flush is refused.
#
# Expected: decode_deflate() reads what a compressor writes that is flushed (Z_SYNC_FLUSH) and then
# finished with nothing more to say: the data, an empty stored block, an empty last block. RFC 1951
# allows empty blocks anywhere, and `flush(); finish();` is how many programs end a stream.
# Seen: "Reserved block type 0b11 encountered", for 119 of 200 texts of 100 to 4975 bytes. The same
# bytes are fine as zlib or gzip, where a checksum follows, and as raw deflate with one byte of
# anything behind them; without the flush they are fine as they are. All of it comes from zlib.
#
# So this reader of raw deflate (entries of a ZIP archive, a page of UBIFS, what an engine gives
# without a wrapper) says of good data that it is broken, and not of all: the engine that made it
# looks at fault. Hand it the stream with a zero byte behind it, or zlib's format; a writer that
# does not flush before it finishes is safe.
#
# Needs python3 and cargo; installs nothing outside of a temporary folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "show"
version = "0.0.0"
edition = "2021"

[dependencies]
zune-inflate = { version = "=0.2.54", features = ["zlib"] }

[workspace]
TOML
cat >src/main.rs <<'RUST'
use zune_inflate::DeflateDecoder;

fn main() {
    for kind in ["finished", "flushed"] {
        let [mut bare, mut more, mut zlib] = [0; 3];
        for number in 0..200 {
            let mut raw = std::fs::read(format!("{kind}-{number}")).unwrap();
            let wrapped = std::fs::read(format!("{kind}-{number}.zlib")).unwrap();
            let text = std::fs::read(format!("text-{number}")).unwrap();
            if let Err(error) = DeflateDecoder::new(&raw).decode_deflate() {
                assert!(format!("{error:?}").contains("Reserved block type 0b11"));
                bare += 1;
            }
            raw.push(0);
            let read = DeflateDecoder::new(&raw).decode_deflate();
            more += i32::from(!read.is_ok_and(|read| read == text));
            let read = DeflateDecoder::new(&wrapped).decode_zlib();
            zlib += i32::from(!read.is_ok_and(|read| read == text));
        }
        println!("{kind}, refused of 200: raw {bare}, with a byte more {more}, zlib {zlib}");
    }
}
RUST
python3 - <<'PY'
import random
import zlib

random.seed(1)
for number in range(200):
    text = bytes(random.choice(b"abcdefgh ") for _ in range(100 + number * 49 // 2))
    open(f"text-{number}", "wb").write(text)
    for kind in "finished", "flushed":
        for ending, window in ("", -15), (".zlib", 15):
            deflate = zlib.compressobj(wbits=window)
            data = deflate.compress(text)
            if kind == "flushed":
                data += deflate.flush(zlib.Z_SYNC_FLUSH)
            data += deflate.flush()
            assert zlib.decompress(data, window) == text
            open(f"{kind}-{number}{ending}", "wb").write(data)
PY
CARGO_TARGET_DIR=target cargo run --quiet 2>log | tee seen
grep -q '^finished, refused of 200: raw 0, with a byte more 0, zlib 0$' seen || { cat log; exit 1; }
# How many depends on zlib's version a little.
[ "$(sed -n 's/^flushed, .* raw \([0-9]*\), with a byte more 0, zlib 0$/\1/p' seen)" -gt 60 ]
echo "as described"
