# SPDX-License-Identifier: GPL-2.0
"""Bytes of code: of each core, of what each driver has of it again, and of the drivers."""

import re

from . import tools

CORE = "kernel::accel::"
DRIVER = "accel_hisi_zip"
# A function of the core's own, or what the compiler makes to drop something of it.
OF_CORE = re.compile(rf"(core::ptr::drop_in_place::<)?<*{CORE}")


def rows(kernel, row):
    """Rows like those that are measured: one sample each."""
    ours = _functions(kernel, f"drivers/accel/hisi_zip/{DRIVER}.ko")
    theirs = (_functions(kernel, "drivers/crypto/hisilicon/hisi_qm.ko")
              + _functions(kernel, "drivers/crypto/hisilicon/zip/hisi_zip.ko"))
    core = [function for function in _functions(kernel, "vmlinux") if CORE in function[1]]
    again = [function for function in ours if _is_core(function[1])]
    measured = (
        ("code of the core, once", core, _functions(kernel, "drivers/misc/uacce/uacce.o")),
        ("code of the core in the driver", again, []),
        ("code of the driver, without that", [one for one in ours if one not in again], theirs),
    )
    return [row(name, "bytes", {"accel": [[_total(a)]], "uacce": [[_total(b)]]})
            for name, a, b in measured]


def _is_core(name):
    return bool(OF_CORE.match(name)) or CORE in name and DRIVER not in name


def _total(functions):
    return sum(size for size, _ in functions)


def _functions(kernel, path):
    """[(bytes, name)] of an object file."""
    listing = tools.output(f"llvm-nm{tools.toolchain().llvm}", "--print-size", "--demangle",
                           str(kernel.objects / path))
    found = re.findall(r"^[0-9a-f]+ ([0-9a-f]+) [tTwW] (.*)$", listing, re.M)
    return [(int(size, 16), name) for size, name in found]
