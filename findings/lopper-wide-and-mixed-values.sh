#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# lopper 1.6.0 (PyPI), which makes devicetrees for SoCs with FPGAs and other processors beside
# Linux: what it is only to read and write comes out with other values, and it exits with 0.
#
# Expected: `lopper -f IN.dts OUT.dts`, without operations, gives source from which dtc makes the
# same values.
# Seen: of numbers of 64 bits each half becomes such a number: 0x123456789abcdef0 is two, and
# <0x8000000000 0x1> is three. Of a string with a cell behind it the cell's last byte is lost: 0x1
# is 0. Numbers of 16 bits and cells alone are right. Written as a blob instead (OUT.dtb), those of
# 64 bits are right, those of 16 are made cells, an empty string is no value at all, and the cell
# behind a string loses its byte too.
#
# So addresses above 4 GiB that are written with /bits/ 64, sizes of windows, and firmware's lists
# of a name and a number do not survive, in nodes that nobody meant to change. Write two cells for
# 64 bits, keep strings and numbers in properties of their own, and compare what comes out with
# dtc's.
#
# Needs Debian 12 (apt-get, dpkg-deb), python3 with pip, and cpp; installs nothing outside of a
# temporary folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m pip install --quiet --target python lopper==1.6.0 pylibfdt==1.7.2.post2 \
	packaging==25.0 >log 2>&1 || { cat log; exit 2; }
apt-get download device-tree-compiler=1.6.1-4+b1 libfdt1=1.6.1-4+b1 libyaml-0-2=0.2.5-1 \
	>log 2>&1 || { cat log; exit 2; }
for package in *.deb; do
	dpkg-deb -x "$package" root
done
export LD_LIBRARY_PATH="$dir/root/usr/lib/x86_64-linux-gnu" PATH="$dir/root/usr/bin:$PATH"

cat >tree.dts <<'DTS'
/dts-v1/;
/ {
	compatible = "example,board";
	cells = <0x12345678 0x1>;
	half = /bits/ 16 <0x1234 0x5678>;
	wide = /bits/ 64 <0x123456789abcdef0>;
	window = /bits/ 64 <0x8000000000 0x1>;
	empty = "";
	firmware = "a", <0x1>;
	number = <0x1>, "ab";
};
DTS
dtc -q -O dtb -o dtc.dtb tree.dts
for out in source.dts blob.dtb; do
	PYTHONPATH=python python3 python/bin/lopper -f tree.dts $out >>log 2>&1
done
dtc -q -O dtb -o source.dtb source.dts
sed -n '/=/s/^[ \t]*//p' source.dts
for name in cells half wide window empty firmware number; do
	wanted=$(fdtget -t bx dtc.dtb / $name)
	echo "$name: dtc $wanted"
	for blob in source blob; do
		value=$(fdtget -t bx $blob.dtb / $name)
		[ "$value" = "$wanted" ] || echo "$name: lopper's $blob ${value:-nothing}"
	done
done | tee seen
cat >wanted <<'TEXT'
cells: dtc 12 34 56 78 0 0 0 1
half: dtc 12 34 56 78
half: lopper's blob 0 0 12 34 0 0 56 78
wide: dtc 12 34 56 78 9a bc de f0
wide: lopper's source 0 0 0 0 12 34 56 78 0 0 0 0 9a bc de f0
window: dtc 0 0 0 80 0 0 0 0 0 0 0 0 0 0 0 1
window: lopper's source 0 0 0 0 0 0 0 80 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1
empty: dtc 0
empty: lopper's blob nothing
firmware: dtc 61 0 0 0 0 1
firmware: lopper's source 61 0 0 0 0 0
firmware: lopper's blob 61 0 0 0 0 0
number: dtc 0 0 0 1 61 62 0
TEXT
cmp seen wanted
echo "as described"
