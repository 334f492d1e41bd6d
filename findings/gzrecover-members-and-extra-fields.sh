#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# gzrt 0.8 (Debian 12): gzrecover, the tool for damaged gzip files, gets nothing out of a good one
# with an extra field, adds bytes of its own between members, and exits with 0.
#
# Expected: of a file in which nothing is damaged it gives all, as gzip -d does; of a file of
# several members, as its purpose is to go on behind what it can't read, each of them.
# Seen: with a file name in the header, or none, all is there. With an extra field of 12 bytes it
# writes an empty file, and so for members that have one each. With a comment it writes 303 bytes,
# none of them the file's: what stands in the header is taken for deflate. Of two members with
# plain headers it gives two bytes more than there are, in between. Each exit status is 0.
#
# So files of many members with a table in their extra fields (bgzip's; what engines write so that
# parts can be found), which are good for recovery, as each part stands alone, need another tool:
# one that looks for headers, and reads from each on by itself. And what gzrecover gives of a file
# of members is not to be trusted where one begins.
#
# Needs Debian 12 (apt-get, dpkg-deb), python3 and gzip; installs nothing outside of a temporary
# folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download gzrt=0.8-1+b1 >log 2>&1 || { cat log; exit 2; }
dpkg-deb -x gzrt_*.deb root

python3 - <<'PY'
import struct
import zlib


def member(text, flags=0, fields=b""):
    deflate = zlib.compressobj(wbits=-15)
    body = deflate.compress(text) + deflate.flush()
    header = bytes([0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3]) + fields
    return header + body + struct.pack("<II", zlib.crc32(text), len(text))


def extra(text):
    return member(text, 4, struct.pack("<H2sHII", 12, b"XX", 8, 1, 2))


fox, dog = b"the quick brown fox " * 5000, b"the lazy dog " * 5000
open("plain.gz", "wb").write(member(fox))
open("name.gz", "wb").write(member(fox, 8, b"a name\0"))
open("comment.gz", "wb").write(member(fox, 16, b"a comment\0"))
open("extra.gz", "wb").write(extra(fox))
open("members.gz", "wb").write(member(fox) + member(dog))
open("members-extra.gz", "wb").write(extra(fox) + extra(dog))
PY
for name in plain name comment extra members members-extra; do
	gzip -dc $name.gz >right
	status=0
	root/usr/bin/gzrecover -o out $name.gz || status=$?
	begin=$(cmp out right 2>>log | sed 's/.*byte \([0-9]*\).*/, other from byte \1 on/')
	echo "$name: exit status $status, $(wc -c <out) of $(wc -c <right) bytes$begin"
	rm out
done | tee seen
# The bytes that are not the file's may be others with another zlib.
sed 's/^\(comment.*, \)[0-9]* of/\1some of/
s/^\(members: .*, \)16500[0-9] of/\1more of/' seen >shown
cat >wanted <<'TEXT'
plain: exit status 0, 100000 of 100000 bytes
name: exit status 0, 100000 of 100000 bytes
comment: exit status 0, some of 100000 bytes, other from byte 1 on
extra: exit status 0, 0 of 100000 bytes
members: exit status 0, more of 165000 bytes, other from byte 100001 on
members-extra: exit status 0, 0 of 165000 bytes
TEXT
cmp shown wanted
echo "as described"
