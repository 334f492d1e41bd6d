#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# peakrdl-rawheader 0.2.9 and peakrdl-cheader 1.1.0 (PyPI), which make C headers of a device's
# registers from SystemRDL: each has arrays of which only the first element is sure to be right.
#
# Expected: of an array of queues, 0x1000 from each other, the address of queue 3 is 0x3000 behind
# that of queue 0, however one writes the index; and so for an array of memories.
# Seen: rawheader makes macros of the index without parentheses, so with i = 2 QUEUE_BASE_ADDR(i +
# 1) is 0x1002 behind queue 0, in the middle of queue 1, without a warning. cheader pads the
# elements of an array to their stride if they have registers, not if they are memories, so that
# the second memory comes right behind the first, and all after the array is too low. By C11 a
# static_assert of the header tells; with --std gnu99, which has none, nothing does.
#
# So such a header is not the truth about a device: check some addresses of last elements once,
# against what the hardware's own files say; give rawheader's macros a variable, not an expression;
# and let cheader make C11.
#
# Needs python3 with pip and a C compiler; installs nothing outside of a temporary folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m pip install --quiet --target python peakrdl-rawheader==0.2.9 peakrdl-cheader==1.1.0 \
	peakrdl-cli==1.5.0 systemrdl-compiler==1.33.0 >log 2>&1 || { cat log; exit 2; }

cat >device.rdl <<'RDL'
addrmap device {
	regfile { reg { field { sw = rw; hw = r; } head[31:0] = 0; } head; } queue[4] @ 0x0 += 0x1000;
	external mem { mementries = 16; memwidth = 32; } ring[2] @ 0x4000 += 0x1000;
	reg { field { sw = r; hw = w; } events[31:0] = 0; } events @ 0x6000;
};
RDL
peakrdl() {
	PYTHONPATH=python python3 python/bin/peakrdl "$@"
}
peakrdl raw-header device.rdl -o raw.h
peakrdl c-header device.rdl --std gnu99 -o c99.h
peakrdl c-header device.rdl --std gnu11 -o c11.h
grep '(queue_idx)' raw.h

cat >show.c <<'C'
#include <stddef.h>
#include <stdio.h>
#include "raw.h"
#include "c99.h"
int main(void)
{
	int i = 2;

	printf("queue 3: %#x, %#x\n", DEVICE_QUEUE_BASE_ADDR(3), DEVICE_QUEUE_BASE_ADDR(i + 1));
	printf("queue 3: %#zx\n", offsetof(device_t, queue[3]));
	printf("ring 1: %#x, %#zx\n", DEVICE_RING_BASE_ADDR(1), offsetof(device_t, ring[1]));
	printf("events: %#x, %#zx\n", DEVICE_EVENTS_BASE_ADDR, offsetof(device_t, events));
}
C
cc -std=gnu99 -Wall -o show show.c
./show | tee seen
if cc -std=gnu11 -fsyntax-only -include c11.h -x c /dev/null 2>messages; then
	echo "the header of C11 compiles now"
	exit 1
fi
grep 'Packing error' messages
cat >wanted <<'TEXT'
queue 3: 0x3000, 0x1002
queue 3: 0x3000
ring 1: 0x5000, 0x4040
events: 0x6000, 0x4080
TEXT
cmp seen wanted
echo "as described"
