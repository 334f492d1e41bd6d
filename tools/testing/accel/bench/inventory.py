# SPDX-License-Identifier: GPL-2.0
"""Which tests there are for the virtual machine, what each needs, and which share a boot."""

import re
from dataclasses import dataclass, field, replace

from . import homes, userland
from .report import Stop
from .schedule import KINDS

# A test says in a comment what it needs: `accel-bench: limit=600 kernel=plain revision=0x21`
DIRECTIVE = re.compile(r"accel-bench:((?: +\w+=\S+)+)")
MACHINE = ("revision", "queues", "memory", "mild", "device", "append")
WORDS = ("limit", "kernel", "modules", "option", *MACHINE)
KERNELS = ("plain", "check", "races", "cfi", "quick")
DEFAULT_LIMIT = 300  # seconds
MEMORY = 1024
CHECK_MEMORY = 1024  # more, for what the checkers keep
MACHINES = KINDS["machine"].at_once


@dataclass(frozen=True)
class Boot:
    """What has to be the same for tests that share a boot."""
    flavour: str
    revision: str = "0x30"
    queues: int = 64
    memory: int = MEMORY
    mild: str = ""
    device: str = ""
    append: str = ""


@dataclass
class Test:
    """A program for the guest that speaks TAP."""
    name: str
    limit: int = DEFAULT_LIMIT
    kernels: tuple = KERNELS
    modules: tuple = ("accel_hisi_zip",)
    options: tuple = ()  # of modules: `accel_hisi_zip.job_limit_ms=1000`
    needs: dict = field(default_factory=dict)
    absent: tuple = ()  # modules that it asks for, and that the kernel doesn't have

    def boot(self, flavour):
        """The boot that this test needs; all that is checked takes more memory."""
        more = CHECK_MEMORY if flavour == "check" else 0
        return Boot(flavour, **{**self.needs, "memory": self.needs.get("memory", MEMORY) + more})

    def plan(self):
        """The line that tells the guest."""
        return (f"{self.name} {','.join(self.modules)} {','.join(self.options) or '-'} "
                f"/accel/tests/{self.name}\n")


def tests():
    """All, as their sources describe them."""
    settings = re.search(r"^timeout=(\d+)", (userland.SELFTESTS / "settings").read_text(), re.M)
    limit = int(settings[1]) if settings else DEFAULT_LIMIT
    found = [_directed(Test(f"selftest-{source.stem}", limit), source)
             for source in userland.selftest_sources()]
    found += [_directed(Test(source.name), source) for source in userland.scripts()]
    # The programs that use Linux's own driver, and that alone.
    found += [_directed(Test(source.stem.replace("_", "-"), modules=("hisi_zip",),
                             options=("hisi_zip.uacce_mode=1",)), source)
              for source in userland.judge_sources()]
    _require_own_names(found)
    return found


def _require_own_names(found):
    names = [test.name for test in found]
    for name in names:
        if names.count(name) > 1:
            raise Stop(f"two tests have the name {name}; rename one of them.")


def without_hardware(tests, software):
    """What a kernel with these modules only can run: (tests, {reason: names of those left out}).

    A test that asks for several modules runs with those that the kernel has, and knows that
    the others are absent.
    """
    chosen, left = [], {}
    for test in tests:
        present = tuple(module for module in test.modules if module in software)
        if "quick" not in test.kernels:
            left.setdefault(f"for kernel={','.join(test.kernels)}", []).append(test.name)
        elif not present:
            left.setdefault(f"for want of {','.join(test.modules)}", []).append(test.name)
        else:
            absent = tuple(module for module in test.modules if module not in present)
            chosen.append(replace(test, modules=present, absent=absent))
    return chosen, left


def boots(tests, flavour):
    """[(boot, its tests)]: those that need the same machine share some boots, which take about
    as long as each other; in each, those with the same modules follow each other.
    """
    grouped = {}
    for test in tests:
        grouped.setdefault(test.boot(flavour), []).append(test)
    return [(boot, sorted(share, key=lambda test: (test.modules, test.options)))
            for boot, group in grouped.items() for share in _shares(group, flavour)]


def _shares(tests, flavour):
    """Divides tests that could share one boot: the longest first, each to who has the least."""
    seconds = {test.name: homes.seconds(test.name, flavour) for test in tests}
    worth = int(sum(seconds.values()) / homes.WORTH[flavour])
    shares = [[] for _ in range(max(1, min(worth, MACHINES, len(tests))))]
    for test in sorted(tests, key=lambda test: -seconds[test.name]):
        min(shares, key=lambda share: sum(seconds[one.name] for one in share)).append(test)
    return shares


def _directed(test, source):
    """Applies what the comments of the test's source ask for."""
    for directive in DIRECTIVE.findall(source.read_text(errors="replace")):
        for word in directive.split():
            _direct(test, source, *word.split("=", 1))
    return test


def _direct(test, source, key, value):
    if key not in WORDS:
        raise Stop(f"{source}: `{key}` is nothing that a test can ask for; there are "
                   f"{', '.join(WORDS)}.")
    if key == "limit":
        test.limit = int(value)
    elif key == "kernel":
        test.kernels = tuple(value.split(","))
    elif key == "modules":
        test.modules = tuple(value.split(","))
    elif key == "option":
        test.options += (value,)
    elif key in ("append", "device"):
        test.needs[key] = f"{test.needs.get(key, '')} {value}".strip()
    else:
        test.needs[key] = int(value) if key in ("queues", "memory") else value
