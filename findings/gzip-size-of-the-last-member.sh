#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# deflate 0.9.0 (PyPI) and fflate 0.8.2 (npm): of a gzip file with several members they read the
# first alone, and take the size of the last one for its size.
#
# RFC 1952, 2.2: a gzip file is a series of members. Compressors that work on parts side by side,
# engines and BGZF among them, write it so.
#
# Expected: all members, as gzip, zlib's gzread() and pako (npm) have it; or the first and where it
# ends; or an error.
# Seen: both read the last four bytes of the file, which are the length of the last member, and make
# room for so much. If the first member is as long or shorter, it is returned and the rest is lost
# without a word. If it is longer, deflate fails on a file that is good, and fflate returns as much of
# the first as the last has. With an empty member at the end, which is how BGZF marks it, both return
# nothing at all of a file that has 1000 bytes, without an error.
#
# So a file for readers of all kinds has one member; and whoever reads by members must not let these
# decide what is in a file.
#
# Needs python3 with pip, Node.js with npm; installs nothing outside of a temporary folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m pip install --quiet --no-deps --target python deflate==0.9.0 >log 2>&1 ||
	{ cat log; exit 2; }
npm install --silent --no-audit --no-fund --prefix . fflate@0.8.2 pako@2.1.0 >log 2>&1 ||
	{ cat log; exit 2; }

python3 - <<'PY'
import gzip

for first, last in (1000, 1000), (500, 1000), (1000, 500), (1000, 0):
    with open(f"{first}-{last}.gz", "wb") as file:
        file.write(gzip.compress(b"A" * first) + gzip.compress(b"B" * last))
PY
cat >read.js <<'JS'
const fs = require("fs"), fflate = require("fflate"), pako = require("pako");
const data = fs.readFileSync(process.argv[2]);
console.log(fflate.gunzipSync(data).length, pako.ungzip(data).length);
JS
cat >read.py <<'PY'
import sys
import deflate

try:
    print(len(deflate.gzip_decompress(open(sys.argv[1], "rb").read())))
except deflate.DeflateError as error:
    print("error:", error)
PY

expect() {
	seen="gzip $(gzip -dc "$1.gz" | wc -c), deflate $(PYTHONPATH=python python3 read.py "$1.gz"), \
fflate and pako $(node read.js "$1.gz")"
	echo "members of $1 bytes: $seen"
	[ "$seen" = "$2" ] || { echo "expected: $2"; exit 1; }
}

expect 1000-1000 "gzip 2000, deflate 1000, fflate and pako 1000 2000"
expect 500-1000 "gzip 1500, deflate 500, fflate and pako 500 1500"
expect 1000-500 "gzip 1500, deflate error: Decompression failed, fflate and pako 500 1500"
expect 1000-0 "gzip 1000, deflate 0, fflate and pako 0 1000"
echo "as described"
