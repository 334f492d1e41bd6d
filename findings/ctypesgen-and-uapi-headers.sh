#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# ctypesgen 1.1.1 (PyPI): of a header of Linux's UAPI it makes Python structures of other sizes
# than C's, or none, and exits with 0.
#
# Expected: sizes and offsets as the C compiler has them, which is all that such a structure is
# for; or an error.
# Seen: <linux/types.h> makes __s8 to __s64 with GCC's __signed__, which ctypesgen does not know: a
# structure with one of them is left out, after "Syntax error" among its messages. A flexible array
# at the end becomes a pointer and adds its eight bytes. `__attribute__((packed))` or
# `((aligned(64)))` behind a structure, where the kernel writes them, is not heeded; before its
# name it is, but not once a header of the C library is included, which defines __attribute__ away
# for compilers that are not GCC. And (7 / 2) is 3.5.
#
# So a binding made so hands an ioctl too large a structure, reads its fields from other places or
# lacks it. Give -D__signed__=signed, and compare each ctypes.sizeof() with C's once, in a test; or
# take a tool that asks a compiler, as bindgen does.
#
# Needs python3 with pip, a C compiler and Linux's UAPI headers; installs nothing outside of a
# temporary folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m pip install --quiet --no-deps --target python ctypesgen==1.1.1 >log 2>&1 ||
	{ cat log; exit 2; }

cat >uapi.h <<'C'
#include <linux/types.h>
struct plain { __u32 node; __u64 size; };
struct with_signed { __s32 node; __u64 size; };
struct flexible { __u64 count; __u32 entries[]; };
struct packed_behind { __u8 kind; __u64 address; } __attribute__((packed));
struct __attribute__((packed)) packed_before { __u8 kind; __u64 address; };
struct aligned { __u32 head; } __attribute__((aligned(64)));
#define HALF (7 / 2)
C
{ echo '#include <stdint.h>'; cat uapi.h; } >libc.h
cat >sizes.c <<'C'
#include <stdio.h>
#include "uapi.h"
#define SHOW(name) printf(#name " %zu\n", sizeof(struct name))
int main(void)
{
	SHOW(plain);
	SHOW(with_signed);
	SHOW(flexible);
	SHOW(packed_behind);
	SHOW(packed_before);
	SHOW(aligned);
	printf("HALF %d\n", HALF);
}
C
cc -o sizes sizes.c
./sizes >sizes.out
for header in uapi libc; do
	PYTHONPATH=python python3 python/bin/ctypesgen "$header.h" -o "from_$header.py" >log 2>&1
	grep -q "Syntax error" log
done
cat >compare.py <<'PY'
import ctypes
import from_libc
import from_uapi


def size(module, name):
    if name.isupper():
        return getattr(module, name)
    structure = getattr(module, "struct_" + name, None)
    return ctypes.sizeof(structure) if structure else "none"


for line in open("sizes.out"):
    name, c = line.split()
    print(f"{name}: C {c}, ctypesgen {size(from_uapi, name)},",
          f"behind <stdint.h> {size(from_libc, name)}")
PY
python3 compare.py | tee seen
cat >wanted <<'TEXT'
plain: C 16, ctypesgen 16, behind <stdint.h> 16
with_signed: C 16, ctypesgen none, behind <stdint.h> none
flexible: C 8, ctypesgen 16, behind <stdint.h> 16
packed_behind: C 9, ctypesgen 16, behind <stdint.h> 16
packed_before: C 9, ctypesgen 9, behind <stdint.h> 16
aligned: C 64, ctypesgen 4, behind <stdint.h> 4
HALF: C 3, ctypesgen 3.5, behind <stdint.h> 3.5
TEXT
cmp seen wanted
echo "as described"
