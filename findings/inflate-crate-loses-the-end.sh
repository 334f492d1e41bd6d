#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# inflate 0.4.5 (a crate): of raw deflate with an empty block near its end the last bytes are lost,
# and nothing says so.
#
# Expected: inflate_bytes() and DeflateDecoder give all that is in a stream, or an error. Empty
# blocks are valid anywhere (RFC 1951), and zlib puts one into the stream at each
# Z_PARTIAL_FLUSH.
# Seen: of 1000 bytes, a partial flush and one more byte inflate_bytes() gives 1000 and Ok. By
# DeflateDecoder, which is read like a file, up to 258 bytes behind such a flush are lost, if they
# repeat what was before and so are short in the stream, and read_to_end() is Ok. If the flush is
# the first thing, all of two bytes are lost. In zlib's format the same blocks are read whole, and
# so they are where more follows: 516 bytes are all there.
#
# So the end of a log or a message that is flushed now and then is missing, for this reader alone,
# and an engine's driver that is tested with it looks at fault. Compare the length with what is
# known from elsewhere, use zlib's format, or take another reader.
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
inflate = "=0.4.5"

[workspace]
TOML
cat >src/main.rs <<'RUST'
use std::io::Read;

fn main() {
    for name in ["0+2", "1000+1", "1000+8", "1000+258", "1000+516", "1000+1000"] {
        let raw = std::fs::read(name).unwrap();
        let zlib = std::fs::read(format!("{name}.zlib")).unwrap();
        let bytes = inflate::inflate_bytes(&raw).map(|data| data.len());
        let mut data = Vec::new();
        let reader = inflate::DeflateDecoder::new(&raw[..]).read_to_end(&mut data);
        let whole = inflate::inflate_bytes_zlib(&zlib).map(|data| data.len());
        println!("{name}: bytes {bytes:?}, reader {:?}, zlib {whole:?}", reader.unwrap());
    }
}
RUST
python3 - <<'PY'
import zlib

text = b"the quick brown fox jumps over the lazy dog " * 50
for first, second in (0, 2), (1000, 1), (1000, 8), (1000, 258), (1000, 516), (1000, 1000):
    for ending, window in ("", -15), (".zlib", 15):
        deflate = zlib.compressobj(wbits=window)
        data = deflate.compress(text[:first]) + deflate.flush(zlib.Z_PARTIAL_FLUSH)
        data += deflate.compress(text[first:first + second]) + deflate.flush()
        assert zlib.decompress(data, window) == text[:first + second]
        open(f"{first}+{second}{ending}", "wb").write(data)
PY
CARGO_TARGET_DIR=target cargo run --quiet 2>log | tee seen
cat >wanted <<'TEXT'
0+2: bytes Ok(0), reader 0, zlib Ok(2)
1000+1: bytes Ok(1000), reader 1000, zlib Ok(1001)
1000+8: bytes Ok(1008), reader 1000, zlib Ok(1008)
1000+258: bytes Ok(1258), reader 1000, zlib Ok(1258)
1000+516: bytes Ok(1516), reader 1516, zlib Ok(1516)
1000+1000: bytes Ok(2000), reader 2000, zlib Ok(2000)
TEXT
cmp seen wanted || { cat log; exit 1; }
echo "as described"
