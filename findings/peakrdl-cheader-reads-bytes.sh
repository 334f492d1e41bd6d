#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# peakrdl-cheader 1.1.0 (PyPI), which makes a C header of the registers of a device from SystemRDL:
# its structures are packed and nothing more, so where the compiler may not assume unaligned
# accesses, a register is not accessed as one.
#
# Expected: `device->doorbell = 1`, by a pointer to volatile, of a register of 32 bits (SystemRDL's
# accesswidth is 32 too) is one store of 32 bits on each architecture.
# Seen: with gcc 12 for RISC-V it is four stores of a byte, and before each store a load of the
# byte that is there; a read is four loads. On x86 it is one access, so all goes well until the
# driver moves.
#
# So a write of a register that is cleared by reading clears it, a doorbell rings four times, and a
# device that takes whole words only answers with an error. Take the offsets alone from such a
# header (offsetof()) and access by readl() and writel(), which are right everywhere; or make the
# structure `__attribute__((aligned(8)))` as well.
#
# Needs Debian 12 (apt-get, dpkg-deb) and python3 with pip; installs nothing outside of a temporary
# folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m pip install --quiet --target python peakrdl-cheader==1.1.0 peakrdl-cli==1.5.0 \
	systemrdl-compiler==1.33.0 >log 2>&1 || { cat log; exit 2; }
apt-get download gcc-12-riscv64-linux-gnu=12.2.0-13cross1 \
	cpp-12-riscv64-linux-gnu=12.2.0-13cross1 >log 2>&1 || { cat log; exit 2; }
for package in *.deb; do
	dpkg-deb -x "$package" root
done

cat >device.rdl <<'RDL'
addrmap device {
	reg { field { sw = r; hw = w; onread = rclr; } events[31:0] = 0; } events @ 0x0;
	reg { field { sw = rw; hw = r; } doorbell[31:0] = 0; } doorbell @ 0x4;
};
RDL
PYTHONPATH=python python3 python/bin/peakrdl c-header device.rdl -o device.h
grep packed device.h

# The compiler is there without a C library: these are all that the header takes from one.
mkdir include
cat >include/stdint.h <<'C'
typedef __UINT8_TYPE__ uint8_t;
typedef __UINT32_TYPE__ uint32_t;
C
echo '#define static_assert _Static_assert' >include/assert.h
cat >driver.c <<'C'
#include "device.h"
uint32_t events(volatile device_t *device) { return device->events; }
void ring(volatile device_t *device) { device->doorbell = 1; }

typedef device_t __attribute__((aligned(8))) aligned_t;
uint32_t aligned_events(volatile aligned_t *device) { return device->events; }
void aligned_ring(volatile aligned_t *device) { device->doorbell = 1; }
C
libexec=root/usr/lib/gcc-cross/riscv64-linux-gnu/12/
root/usr/bin/riscv64-linux-gnu-gcc-12 -B "$libexec" -O2 -S -nostdinc -I include driver.c
# The accesses alone, by function.
awk '/^[a-z_]+:/ { name = $1 } $1 ~ /^(l|s)[bhwd]u?$/ { print name, $1, $2 }' driver.s | tee seen
cat >wanted <<'TEXT'
events: lbu a3,0(a0)
events: lbu a4,1(a0)
events: lbu a5,2(a0)
events: lbu a0,3(a0)
ring: lbu a5,4(a0)
ring: sb a5,4(a0)
ring: lbu a5,5(a0)
ring: sb zero,5(a0)
ring: lbu a5,6(a0)
ring: sb zero,6(a0)
ring: lbu a5,7(a0)
ring: sb zero,7(a0)
aligned_events: lw a0,0(a0)
aligned_ring: sw a5,4(a0)
TEXT
cmp seen wanted
echo "as described"
