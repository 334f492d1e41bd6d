#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# fdt 0.3.3 and pydevicetree 0.0.13 (PyPI), both readers of devicetree source: they read other
# values than dtc, the compiler, and say nothing.
#
# Expected: source that dtc takes gives the same values, or an error where something is not
# supported, as fdt has for /bits/ and for expressions.
# Seen: fdt cuts at each semicolon and at each // before it looks for strings: "a;b" becomes "ab",
# a URL loses all but its beginning and takes in the property of the next line; a node without
# properties on one line is gone; "" becomes a property without a value. pydevicetree takes 010 for
# ten, which is eight as in C, and divides to a fraction: (8 / 2) is 4.0, and it writes that into
# source, which dtc does not take.
#
# So a test or a tool that edits the node of an accelerator by these two does not keep what it does
# not look at: bootargs with a semicolon, a firmware's name, a number with a leading zero. Let dtc
# make the blob and read that; fdt reads blobs well.
#
# Needs Debian 12 (apt-get, dpkg-deb) and python3 with pip; installs nothing outside of a temporary
# folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m pip install --quiet --no-deps --target python fdt==0.3.3 pydevicetree==0.0.13 \
	pyparsing==3.3.3 >log 2>&1 || { cat log; exit 2; }
apt-get download device-tree-compiler=1.6.1-4+b1 libfdt1=1.6.1-4+b1 libyaml-0-2=0.2.5-1 \
	>log 2>&1 || { cat log; exit 2; }
for package in *.deb; do
	dpkg-deb -x "$package" root
done

cat >strings.dts <<'DTS'
/dts-v1/;
/ {
	list = "a;b";
	empty = "";
	url = "https://example.org/accel";
	last = "x";
	node { };
};
DTS
cat >numbers.dts <<'DTS'
/dts-v1/;

/ {
	octal = <010>;
	half = <(8 / 2)>;
};
DTS
cat >read.py <<'PY'
import sys

sys.path.insert(0, "python")
import fdt
import pydevicetree

tree = fdt.parse_dts(open("strings.dts").read())
root = tree.get_node("/")
print("fdt:", {each.name: getattr(each, "data", None) for each in root.props},
      [each.name for each in root.nodes])
tree = pydevicetree.Devicetree.from_dts(open("numbers.dts").read())
print("pydevicetree:", {each.name: each.values.values for each in tree.root().properties})
print("written again:", " ".join(tree.to_dts().split()))
PY

for file in strings numbers; do
	LD_LIBRARY_PATH=root/usr/lib/x86_64-linux-gnu root/usr/bin/dtc -q -O dts $file.dts
done
python3 read.py | tee seen
cat >wanted <<'TEXT'
fdt: {'list': ['ab'], 'empty': [], 'url': ['https: last = x']} []
pydevicetree: {'octal': [10], 'half': [4.0]}
written again: /dts-v1/; / { octal = <10>; half = <4.0>; };
TEXT
cmp seen wanted
echo "as described"
