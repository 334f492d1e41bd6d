#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# numactl 2.0.16 (Debian 12): `pci:ADDRESS`, which its manual calls "the node of a PCI device",
# knows only devices that sit on a root bus; and an address as the manual writes it is another
# device's.
#
# Expected: `numactl --cpunodebind=pci:0000:3b:00.0` runs on the node that the numa_node file of
# that device in sysfs tells; `pci:bus:dev:func`, as the manual has it, is that function.
# Seen: libnuma makes the path /sys/devices/pciDDDD:BB/DDDD:BB:DD.F of the address. A device behind
# a bridge or a root port, as each card in a slot is, has no such path: "Cannot read node mask for
# device", the usage, and exit status 1. `pci:00:02:0`, without a domain, is read as domain 0, bus
# 2, device 0: there is none, though 0000:00:02.0 is there; of 00:05:0 it is the other way round.
#
# So scripts that place work beside an accelerator read /sys/bus/pci/devices/ADDRESS/numa_node (or
# that of /sys/class/.../device) themselves and hand numactl the number; and write the function
# with a dot.
#
# Needs Debian 12 (apt-get, dpkg-deb) and unshare with root's or a user's name spaces, in which it
# shows numactl a sysfs of its own; installs nothing outside of a temporary folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download numactl=2.0.16-1 libnuma1=2.0.16-1 >log 2>&1 || { cat log; exit 2; }
for package in *.deb; do
	dpkg-deb -x "$package" root
done
export LD_LIBRARY_PATH="$dir/root/usr/lib/x86_64-linux-gnu"

# Devices as Linux lists them, all of node 0: three on root buses, one behind a root port.
mkdir -p sys/devices/system sys/bus/pci/devices
for path in pci0000:00/0000:00:02.0 pci0000:05/0000:05:00.0 pci0001:02/0001:02:00.0 \
	pci0000:00/0000:00:01.0/0000:3b:00.0; do
	mkdir -p "sys/devices/$path"
	echo 0 >"sys/devices/$path/numa_node"
	ln -s "../../../devices/$path" sys/bus/pci/devices/
done

cat >run <<'SH'
mount --rbind /sys/devices/system sys/devices/system
mount --rbind sys /sys
for address in 0000:00:02.0 0001:02:00.0 0000:3b:00.0 00:02.0 00:02:0 00:05:0; do
	status=0
	root/usr/bin/numactl --cpunodebind="pci:$address" true >messages 2>&1 || status=$?
	warning=$(sed -n 's/^libnuma: Warning: //p' messages)
	echo "$address: exit status $status, ${warning:-no warning}"
done
echo "0000:3b:00.0's numa_node: $(cat /sys/bus/pci/devices/0000:3b:00.0/numa_node)"
SH
unshare --map-root-user --mount sh run | tee seen
cat >wanted <<'TEXT'
0000:00:02.0: exit status 0, no warning
0001:02:00.0: exit status 0, no warning
0000:3b:00.0: exit status 1, Cannot read node mask for  device `0000:3b:00.0'
00:02.0: exit status 0, no warning
00:02:0: exit status 1, Cannot read node mask for  device `00:02:0'
00:05:0: exit status 0, no warning
0000:3b:00.0's numa_node: 0
TEXT
cmp seen wanted
echo "as described"
