#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# advancecomp 2.5 (Debian 12): `advdef -z` makes gzip files smaller and keeps their extra field as
# it is, though that may say where the parts of the old stream are.
#
# Expected: the extra field goes, as with `gzip -d | gzip`, or a file that has one is left alone.
# The manual says that the structure of a file is not changed, "only the compressed data".
# Seen: dictzip 1.13.0 makes a gzip file with an index in the field "RA": the compressed length of
# each 58315 bytes, at which one can begin to read. advdef puts another, smaller stream below the
# old index, and exits with 0. gzip reads the result; gzip -t finds nothing wrong. The index says
# more bytes than there are, and where it says that a part begins is the middle of something.
#
# So a file whose extra field says something of its stream (dictzip's index; lengths of parts that
# were compressed side by side, as engines and their tools write them) must not go through tools
# that take gzip for a header and a stream. Whoever reads such an index checks its sum against the
# length of the stream before use.
#
# Needs Debian 12 (apt-get, dpkg-deb) and python3; installs nothing outside of a temporary folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download advancecomp=2.5-1 dictzip=1.13.0+dfsg-1 libmaa4=1.4.7-1 >log 2>&1 ||
	{ cat log; exit 2; }
for package in *.deb; do
	dpkg-deb -x "$package" root
done
export LD_LIBRARY_PATH="$dir/root/usr/lib/x86_64-linux-gnu"

python3 - <<'PY'
import random

random.seed(1)
words = [bytes(random.randrange(97, 123) for _ in range(6)) for _ in range(3000)]
open("text", "wb").write(b" ".join(random.choice(words) for _ in range(40000)))
PY
cat >look.py <<'PY'
import gzip
import struct
import sys
import zlib

data = open(sys.argv[1], "rb").read()
text = open("text", "rb").read()
assert gzip.decompress(data) == text
# RFC 1952: the extra field follows the header, then the file's name; dictzip's has a version, the
# length of a part and their number first.
extra, = struct.unpack_from("<H", data, 10)
assert data[12:14] == b"RA"
part, count = struct.unpack_from("<HH", data, 18)
lengths = struct.unpack_from(f"<{count}H", data, 22)
start = data.index(b"\0", 12 + extra) + 1
print("the index has", sum(lengths), "bytes, the stream", len(data) - 8 - start)
at = start + sum(lengths[:2])
try:
    read = zlib.decompressobj(-15).decompress(data[at:at + lengths[2]])
    print("the third part is", "right" if read == text[2 * part:3 * part] else "wrong")
except zlib.error:
    print("the third part cannot be read")
PY

root/usr/bin/dictzip --keep text
cp text.dz text.gz
root/usr/bin/advdef -z text.gz
gzip -t text.gz
python3 look.py text.dz | tee before
python3 look.py text.gz | tee after
# The end of a stream is two bytes behind the last part.
awk '/index/ { exit $8 == $4 + 2 ? 0 : 1 }' before
awk '/index/ { exit $8 < $4 - 1000 ? 0 : 1 }' after
grep -q 'third part is right' before
grep -q 'third part cannot be read' after
echo "as described"
