#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# jzlib 1.1.3 (Debian 12) and deflate-js 0.2.3 (npm): a block that repeats nothing, and so has no
# codes of distances, is refused by the one, and ends the data without a word in the other.
#
# RFC 1951, 3.2.7: "One distance code of zero bits means that there are no distance codes used at
# all (the data is all literals)."
#
# Expected: such a block is read, as zlib, gzip and pako read it.
# Seen: it depends on how long the list of the other codes is, though the codes are the same. With
# 257 of them, the fewest that there can be, both read the block. With 258, of which the last one is
# not used, or 286, the usual number, jzlib throws "empty distance tree with lengths", and
# deflate-js returns what was before the block, here nothing: neither an error nor what follows.
# zlib itself never writes it, since it always lists codes of distances.
#
# So a compressor that only codes (an engine for Huffman alone, or a mode that does not look for
# matches) lists two codes of distances all the same, as zlib does, or exactly 257 of the others;
# and a test with such data must compare it, not wait for an error.
#
# Needs Debian 12 (apt-get, dpkg-deb), a JDK of 11 or later, Node.js with npm and python3; installs
# nothing outside of a temporary folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download libjzlib-java=1.1.3-2 >log 2>&1 || { cat log; exit 2; }
dpkg-deb -x libjzlib-java_1.1.3-2_all.deb root
npm install --silent --no-audit --no-fund --prefix . deflate-js@0.2.3 pako@2.1.0 >log 2>&1 ||
	{ cat log; exit 2; }

python3 - <<'PY'
import zlib


class Bits(list):
    def number(self, value, count):
        self.extend(value >> at & 1 for at in range(count))

    def code(self, value, count):
        self.extend(value >> at & 1 for at in reversed(range(count)))


def block(lengths):
    """ABC and the end of a last block with so many codes of literals and lengths, and no others."""
    bits = Bits()
    bits.number(0b101, 3)
    bits.number(lengths - 257, 5)
    bits.number(0, 5)
    bits.number(14, 4)
    # Of the code of code lengths: 0, 2 and 18 (zeroes, 11 to 138 of them) are 0, 10 and 11.
    for symbol in 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1:
        bits.number({0: 1, 2: 2, 18: 2}.get(symbol, 0), 3)
    used = {ord("A"), ord("B"), ord("C"), 256}
    at = 0
    while at < lengths:
        if at in used:
            bits.code(0b10, 2)
            at += 1
            continue
        zeroes = min(min(each for each in used | {lengths} if each > at) - at, 138)
        if zeroes < 11:
            bits.code(0, 1)
            at += 1
            continue
        bits.code(0b11, 2)
        bits.number(zeroes - 11, 7)
        at += zeroes
    bits.code(0, 1)  # one code of distances, of zero bits
    for code in range(4):
        bits.code(code, 2)
    return bytes(sum(bit << at for at, bit in enumerate(bits[begin:begin + 8]))
                 for begin in range(0, len(bits), 8))


for lengths in 257, 258, 286:
    assert zlib.decompress(block(lengths), -15) == b"ABC"
    open(f"block-{lengths}", "wb").write(block(lengths))
PY
cat >Show.java <<'JAVA'
import com.jcraft.jzlib.Inflater;
import com.jcraft.jzlib.InflaterInputStream;
import java.io.FileInputStream;
import java.io.IOException;

class Show {
    public static void main(String[] names) throws IOException {
        for (String name : names) {
            try (FileInputStream file = new FileInputStream(name)) {
                InflaterInputStream data = new InflaterInputStream(file, new Inflater(true));
                System.out.println("jzlib, " + name + ": " + new String(data.readAllBytes()));
            } catch (IOException error) {
                System.out.println("jzlib, " + name + ": " + error.getMessage());
            }
        }
    }
}
JAVA
cat >show.js <<'JS'
const fs = require("fs"), deflate = require("deflate-js"), pako = require("pako");
for (const name of process.argv.slice(2)) {
  const data = new Uint8Array(fs.readFileSync(name));
  console.log(`deflate-js, ${name}: "${Buffer.from(deflate.inflate(data))}"`);
  console.log(`pako, ${name}: "${Buffer.from(pako.inflateRaw(data))}"`);
}
JS
{
	java -cp root/usr/share/java/jzlib.jar Show.java block-257 block-258 block-286
	node show.js block-257 block-258 block-286
} | tee seen
cat >wanted <<'TEXT'
jzlib, block-257: ABC
jzlib, block-258: empty distance tree with lengths
jzlib, block-286: empty distance tree with lengths
deflate-js, block-257: "ABC"
pako, block-257: "ABC"
deflate-js, block-258: ""
pako, block-258: "ABC"
deflate-js, block-286: ""
pako, block-286: "ABC"
TEXT
cmp seen wanted
echo "as described"
