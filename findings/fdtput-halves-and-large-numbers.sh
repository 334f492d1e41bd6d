#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# fdtput of device-tree-compiler 1.6.1 (Debian 12): its values of two bytes are wrong, each of
# them, and a number of more than 32 bits loses the rest; it exits with 0.
#
# Expected: `fdtput -t hx FILE / half 0x1234` ("h=2 byte", as its manual has it) writes 12 34, as
# fdtget -t hx of the same package reads it and dtc's /bits/ 16 writes it; and 0x8000000000 is an
# error, or two cells.
# Seen: of each value of two bytes it writes the low byte into the first and nothing into the
# second: 34 00. 0x8000000000, an address above 4 GiB as the memory of accelerators has it, becomes
# 0, and 0x100000001 becomes 1. Values of one byte are cut in the same way: 0x1ff is ff.
#
# So whoever corrects a blob by hand (an address, a mask of streams, a format of 16 bits) writes
# two bytes as `-t bx 0x12 0x34` and an address as two cells, and reads back what he wrote; or
# changes the source and runs dtc.
#
# Needs Debian 12 (apt-get, dpkg-deb); installs nothing outside of a temporary folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download device-tree-compiler=1.6.1-4+b1 libfdt1=1.6.1-4+b1 libyaml-0-2=0.2.5-1 \
	>log 2>&1 || { cat log; exit 2; }
for package in *.deb; do
	dpkg-deb -x "$package" root
done
export LD_LIBRARY_PATH="$dir/root/usr/lib/x86_64-linux-gnu"

cat >tree.dts <<'DTS'
/dts-v1/;
/ {
	half = /bits/ 16 <0x1234 0x5678>;
	half-bytes = /bits/ 16 <0x1234 0x5678>;
	address = <0x80 0x0>;
	cell = <0x1>;
	byte = [ff];
};
DTS
root/usr/bin/dtc -q -O dtb -o tree.dtb tree.dts
put() {
	type=$1
	name=$2
	shift 2
	printf '%s: %s' "$name" "$(root/usr/bin/fdtget -t "$type" tree.dtb / "$name")"
	root/usr/bin/fdtput -t "$type" tree.dtb / "$name" "$@"
	echo ", after fdtput -t $type $*: $(root/usr/bin/fdtget -t "$type" tree.dtb / "$name")"
}
{
	put hx half 0x1234 0x5678
	put bx half-bytes 0x12 0x34 0x56 0x78
	put x address 0x8000000000
	put x cell 0x100000001
	put bx byte 0x1ff
} | tee seen
cat >wanted <<'TEXT'
half: 1234 5678, after fdtput -t hx 0x1234 0x5678: 3400 7800
half-bytes: 12 34 56 78, after fdtput -t bx 0x12 0x34 0x56 0x78: 12 34 56 78
address: 80 0, after fdtput -t x 0x8000000000: 0
cell: 1, after fdtput -t x 0x100000001: 1
byte: ff, after fdtput -t bx 0x1ff: ff
TEXT
cmp seen wanted
echo "as described"
