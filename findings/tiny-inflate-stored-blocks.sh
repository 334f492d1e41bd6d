#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# tiny-inflate 1.0.3 (npm): one of eight flushes makes a stream that it calls broken.
#
# Expected: a flush (Z_SYNC_FLUSH) between two parts, or a stored block, is read wherever it
# stands; zlib's own streams certainly.
# Seen: a stored block begins with three bits, and then comes the rest of a byte, which is left
# out. If these three bits are the last of their byte, there is no rest, and tiny-inflate throws
# "Data error". Of eight texts that differ in how many of their characters take nine bits, node's
# zlib makes eight streams with a flush, and exactly one of them is refused: where the blocks
# before have 5 bits more than whole bytes.
#
# So what is read in tests is refused with other data, by this reader alone, and it looks as if
# the engine or its driver had spoilt a block now and then. Streams for it are finished rather
# than flushed, and have no stored blocks; or take another reader, pako or fflate.
#
# Needs Node.js with npm; installs nothing outside of a temporary folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --prefix . tiny-inflate@1.0.3 pako@2.1.0 fflate@0.8.2 \
	>log 2>&1 || { cat log; exit 2; }

cat >show.js <<'JS'
const zlib = require("zlib"), tiny = require("tiny-inflate");
const pako = require("pako"), fflate = require("fflate");

// Text in a block with the fixed code of RFC 1951, which has nine bits for bytes from 144 on, a
// flush, and an empty last block behind it.
function flushed(text) {
  const { Z_FIXED, Z_SYNC_FLUSH } = zlib.constants;
  const begun = zlib.deflateRawSync(text, { strategy: Z_FIXED, finishFlush: Z_SYNC_FLUSH });
  return new Uint8Array(Buffer.concat([begun, zlib.deflateRawSync("")]));
}

function attempt(read) {
  try {
    return read().length;
  } catch (error) {
    return error.message;
  }
}

for (let long = 0; long < 8; long++) {
  const text = Buffer.from("abcdefgh");
  for (let at = 0; at < long; at++)
    text[at] += 128;
  const raw = flushed(text);
  const bits = 3 + 8 * (8 - long) + 9 * long + 7;
  console.log(`${bits} bits before the flush: tiny-inflate`,
    attempt(() => tiny(raw, new Uint8Array(8))) + ", pako", pako.inflateRaw(raw).length +
    ", fflate", fflate.inflateSync(raw).length + ", zlib", zlib.inflateRawSync(raw).length);
}
JS
node show.js | tee seen
for bits in 74 75 76 77 78 79 80 81; do
	case $bits in
	77) read='Data error' ;;
	*) read=8 ;;
	esac
	echo "$bits bits before the flush: tiny-inflate $read, pako 8, fflate 8, zlib 8"
done >wanted
cmp seen wanted
echo "as described"
