# SPDX-License-Identifier: GPL-2.0
"""Which tests there are for the virtual machine, and in which boot each one runs."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from . import userland

# A test says in a comment what it needs: `accel-bench: limit=600 kernel=plain revision=0x21`
DIRECTIVE = re.compile(r"accel-bench:((?: +\w+=\S+)+)")


@dataclass(frozen=True)
class Boot:
    """What has to be the same for tests that share a boot."""
    flavour: str
    modules: str = "accel_hisi_zip"
    revision: str = "0x30"
    queues: int = 64
    memory: int = 1024
    append: str = ""


@dataclass
class Test:
    """A program for the guest that speaks TAP."""
    name: str
    path: Path
    limit: int = 300
    kernels: tuple = ("plain", "check")
    needs: dict = field(default_factory=dict)

    def boot(self, flavour):
        """The boot that this test needs; all that is checked takes more memory."""
        memory = self.needs.get("memory", 1024) + (1024 if flavour == "check" else 0)
        return Boot(flavour, **{**self.needs, "memory": memory})


def kselftests(programs):
    """The project's kselftests; their `settings` file holds the time limit, as in Linux."""
    settings = _read(userland.SELFTESTS / "settings")
    limit = re.search(r"^timeout=(\d+)", settings, re.M)
    found = []
    for name, path in programs.items():
        source = _read(userland.SELFTESTS / f"{name}.c") or _read(userland.SELFTESTS / name)
        test = Test(f"selftest-{name}", path, int(limit[1]) if limit else 300)
        found.append(_directed(test, source))
    return found


def scripts(programs):
    """The scripts under guest/tests."""
    return [_directed(Test(name, path), _read(path)) for name, path in programs.items()]


def judges(programs):
    """The programs that use Linux's own driver; they get a boot with that driver alone."""
    found = []
    for name, path in programs.items():
        test = Test(f"mainline-{name}", path)
        test.needs = {"modules": "hisi_zip", "append": "hisi_zip.uacce_mode=1"}
        found.append(_directed(test, _read(userland.MAINLINE / f"{name}.c")))
    return found


def boots(tests, flavours=("plain", "check")):
    """[(boot, its tests)]: tests that need the same machine share one."""
    grouped = {}
    for test in tests:
        for flavour in flavours:
            if flavour in test.kernels:
                grouped.setdefault(test.boot(flavour), []).append(test)
    order = {flavour: number for number, flavour in enumerate(flavours)}
    return sorted(grouped.items(), key=lambda pair: order[pair[0].flavour])


def _directed(test, source):
    for directive in DIRECTIVE.findall(source):
        for word in directive.split():
            key, _, value = word.partition("=")
            if key == "limit":
                test.limit = int(value)
            elif key == "kernel":
                test.kernels = tuple(value.split(","))
            else:
                test.needs[key] = int(value) if key in ("queues", "memory") else value
    return test


def _read(path):
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
