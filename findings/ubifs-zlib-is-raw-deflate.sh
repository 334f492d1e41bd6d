#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# mtd-utils 2.1.5 (Debian 12): what mkfs.ubifs calls "zlib" has no zlib in it, and sees no further
# back than 2 KiB. mkfs.jffs2 of the same package means zlib by that word.
#
# Expected: `-x zlib` gives zlib streams (RFC 1950), with the usual window of 32 KiB, of which a
# page of 4 KiB can use all.
# Seen: each page is raw deflate (RFC 1951), without header or Adler-32, and of the same size as
# what zlib makes with a window of 2^10 or 2^11; with 2^12 the page of this test would be a tenth
# smaller. That is what crypto/deflate.c of Linux does under the name "deflate", by which UBIFS asks
# for it. JFFS2's stream begins with 78 5e, and is smaller than a window of 2 KiB allows.
#
# So what an accelerator offers to UBIFS is raw deflate, and its sizes are not to be compared with
# those of zlib's usual window.
#
# Needs Debian 12 (apt-get, dpkg-deb) and python3; installs nothing outside of a temporary folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download mtd-utils=1:2.1.5-1 liblzo2-2=2.10-2 >log 2>&1 || { cat log; exit 2; }
for package in *.deb; do
	dpkg-deb -x "$package" root
done
export LD_LIBRARY_PATH="$dir/root/usr/lib/x86_64-linux-gnu:$dir/root/lib/x86_64-linux-gnu"

mkdir files
python3 - <<'PY'
import random

random.seed(5)
some = lambda count: bytes(random.randrange(32, 127) for _ in range(count))
# The same 300 bytes twice in a page, 2600 bytes from each other.
repeated = some(300)
open("files/page", "wb").write((repeated + some(2300) + repeated).ljust(4096, b"x"))
PY
root/usr/sbin/mkfs.ubifs -r files -m 2048 -e 126976 -c 64 -x zlib -o ubifs
root/usr/sbin/mkfs.jffs2 -r files -e 64KiB -n -X zlib -o jffs2

python3 - <<'PY'
import struct
import zlib

page = open("files/page", "rb").read()


def size(window):
    deflate = zlib.compressobj(9, zlib.DEFLATED, window, 8)
    return len(deflate.compress(page) + deflate.flush())


def nodes(image, magic, length_at):
    """What begins with this magic, to its end."""
    at = image.find(magic)
    while at >= 0:
        length, = struct.unpack_from("<I", image, at + length_at)
        yield image[at:at + length]
        at = image.find(magic, at + 4)


# struct ubifs_data_node: the type at 20, 1 for data; the stream from 48 on.
image = open("ubifs", "rb").read()
ubifs, = [node[48:] for node in nodes(image, struct.pack("<I", 0x06101831), 16) if node[20] == 1]
# struct jffs2_raw_inode: how it is compressed at 56, 6 for zlib; the stream from 68 on.
image = open("jffs2", "rb").read()
jffs2, = [node[68:] for node in nodes(image, struct.pack("<HH", 0x1985, 0xe002), 4)
          if node[56] == 6]

print("UBIFS begins with", ubifs[:2].hex(), "and has", len(ubifs), "bytes")
print("JFFS2 begins with", jffs2[:2].hex(), "and has", len(jffs2), "bytes")
print("raw deflate by window:", {bits: size(-bits) for bits in (10, 11, 12, 15)})
try:
    zlib.decompress(ubifs)
    raise SystemExit("UBIFS has zlib streams now")
except zlib.error as error:
    print("UBIFS as zlib:", error)
assert zlib.decompress(ubifs, -11) == page
assert len(ubifs) == size(-11) > 1.09 * size(-12)
assert jffs2[:2].hex() == "785e" and zlib.decompress(jffs2).startswith(page[:2900])
assert len(jffs2) < size(-11)
PY
echo "as described"
