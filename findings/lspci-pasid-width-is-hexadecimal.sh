#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# pciutils 3.9.0 (Debian 12): the number of PASID bits that lspci shows is hexadecimal, and nothing
# says so.
#
# Expected: a function with PASIDs of 20 bits, as most accelerators have, shows "Max PASID Width: 20".
# Seen: "Max PASID Width: 14"; one with 16 bits shows "10". Beside it, in the same listing, sizes of
# payloads and the like are decimal. No width up to 9 looks odd, and those from 10 bits on look like
# smaller ones that are possible as well.
#
# Who compares that with a limit (VT-d's, an SMMU's SubstreamID, /proc/PID/fdinfo) has to read it as
# hexadecimal.
#
# Needs Debian 12 (apt-get, dpkg-deb) and python3; installs nothing outside of a temporary folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download pciutils=1:3.9.0-4 libpci3=1:3.9.0-4 pci.ids=0.0~2023.04.11-1 >log 2>&1 ||
	{ cat log; exit 2; }
for package in *.deb; do
	dpkg-deb -x "$package" root
done
export LD_LIBRARY_PATH="$dir/root/usr/lib/x86_64-linux-gnu:$dir/root/lib/x86_64-linux-gnu"

# The configuration space of an accelerator with PASIDs of so many bits, as lspci -xxxx prints it.
dump() {
	python3 - "$1" <<'PY'
import sys

space = bytearray(4096)


def put(offset, value, size):
    space[offset:offset + size] = value.to_bytes(size, "little")


put(0x00, 0x19e5, 2)
put(0x02, 0xa250, 2)
put(0x06, 0x0010, 2)  # there are capabilities
put(0x0a, 0x1200, 2)  # processing accelerator
put(0x34, 0x40, 1)
put(0x40, 0x00020010, 4)  # PCI Express endpoint
put(0x100, 0x0001001b, 4)  # PASID, version 1, the last one
put(0x104, int(sys.argv[1]) << 8, 2)
print("00:01.0 dump")
for at in range(0, len(space), 16):
    print(f"{at:02x}: {' '.join(f'{byte:02x}' for byte in space[at:at + 16])}")
PY
}

width() {
	dump "$1" >dump
	root/usr/bin/lspci -i root/usr/share/misc/pci.ids -F dump -vv 2>>log |
		sed -n 's/.*Max PASID Width: //p'
}

root/usr/bin/lspci --version
for bits in 8 16 20; do
	echo "$bits bits: Max PASID Width: $(width $bits)"
done
[ "$(width 8) $(width 16) $(width 20)" = "08 10 14" ] || { echo "no longer so"; exit 1; }
echo "as described"
