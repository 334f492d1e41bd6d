#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tcl 8.6.13 and busybox 1.35.0 (both of Debian 12): of a gzip file with a long extra field Tcl
# reads nothing and busybox says that it is corrupted; that busybox zcat fails does not show in its
# exit status.
#
# RFC 1952 gives the extra field up to 65535 bytes. Tables of where parts of the stream begin stand
# there: dictzip's has two bytes for each 58315 bytes of the file.
#
# Expected: it is skipped, however long, as gzip does.
# Seen: if the first 4096 bytes of a file are header, a channel with `zlib push gunzip` reads an
# empty text, with no error. `zlib gunzip` reads the same file. From 16385 bytes of extra field on
# busybox gunzip says "corrupted data" and exits with 1; busybox zcat FILE says it too, and exits
# with 0.
#
# So the table of a file that everybody is to read stays below 4 KiB, which in dictzip's form is
# a file of some 115 MB. A longer one is put beside the file, or each part becomes a member with a
# small field of its own. A script that pipes from busybox's zcat checks that something came.
#
# Needs Debian 12 (apt-get, dpkg-deb), python3 and gzip; installs nothing outside of a temporary
# folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download tcl8.6=8.6.13+dfsg-2 libtcl8.6=8.6.13+dfsg-2 \
	busybox-static=1:1.35.0-4+deb12u1+b1 >log 2>&1 || { cat log; exit 2; }
for package in *.deb; do
	dpkg-deb -x "$package" root
done
export TCL_LIBRARY="$dir/root/usr/share/tcltk/tcl8.6"

python3 - <<'PY'
import struct
import zlib

text = b"the quick brown fox " * 1000
deflate = zlib.compressobj(wbits=-15)
body = deflate.compress(text) + deflate.flush() + struct.pack("<II", zlib.crc32(text), len(text))
for extra in 4000, 4084, 16384, 16385, 65535:
    header = bytes([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 3])
    field = struct.pack("<H2sH", extra, b"RA", extra - 4) + bytes(extra - 4)
    open(f"{extra}.gz", "wb").write(header + field + body)
PY
cat >read.tcl <<'TCL'
set file [open [lindex $argv 0] rb]
puts -nonewline "Tcl's zlib gunzip [string length [zlib gunzip [read $file]]], "
seek $file 0
zlib push gunzip $file
puts "its channel [string length [read $file]]"
TCL
for extra in 4000 4084 16384 16385 65535; do
	file=$extra.gz
	status=0
	root/bin/busybox zcat $file >out 2>messages || status=$?
	echo "$extra: gzip $(gzip -dc $file | wc -c), $(LD_LIBRARY_PATH=root/usr/lib/x86_64-linux-gnu \
		root/usr/bin/tclsh8.6 read.tcl $file), busybox $(wc -c <out), exit status $status$(
		sed 's/.*:/,/' messages)"
done | tee seen
status=0
root/bin/busybox gunzip -t 16385.gz 2>>log || status=$?
echo "busybox gunzip -t: exit status $status" | tee -a seen
cat >wanted <<'TEXT'
4000: gzip 20000, Tcl's zlib gunzip 20000, its channel 20000, busybox 20000, exit status 0
4084: gzip 20000, Tcl's zlib gunzip 20000, its channel 0, busybox 20000, exit status 0
16384: gzip 20000, Tcl's zlib gunzip 20000, its channel 0, busybox 20000, exit status 0
16385: gzip 20000, Tcl's zlib gunzip 20000, its channel 0, busybox 0, exit status 0, corrupted data
65535: gzip 20000, Tcl's zlib gunzip 20000, its channel 0, busybox 0, exit status 0, corrupted data
busybox gunzip -t: exit status 1
TEXT
cmp seen wanted
echo "as described"
