# SPDX-License-Identifier: GPL-2.0
"""Which tests there are for the virtual machine, and in which boot each one runs."""

import re
from dataclasses import dataclass, field, replace

from . import userland
from .report import Stop

# A test says in a comment what it needs: `accel-bench: limit=600 kernel=plain revision=0x21`
DIRECTIVE = re.compile(r"accel-bench:((?: +\w+=\S+)+)")
WORDS = ("modules", "revision", "queues", "memory", "append")
DEFAULT_LIMIT = 300  # seconds


@dataclass(frozen=True)
class Boot:
    """What has to be the same for tests that share a boot."""
    flavour: str
    modules: str = "accel_hisi_zip"
    revision: str = "0x30"
    queues: int = 64
    memory: int = 1024
    append: str = ""
    absent: tuple = ()  # modules that were asked for, and that the kernel doesn't have


@dataclass
class Test:
    """A program for the guest that speaks TAP."""
    name: str
    limit: int = DEFAULT_LIMIT
    kernels: tuple = ("plain", "check", "races", "quick")
    needs: dict = field(default_factory=dict)

    def boot(self, flavour):
        """The boot that this test needs; all that is checked takes more memory."""
        memory = self.needs.get("memory", 1024) + (1024 if flavour == "check" else 0)
        return Boot(flavour, **{**self.needs, "memory": memory})


def kselftests(programs):
    """The project's kselftests; their `settings` file holds the time limit, as in Linux."""
    settings = re.search(r"^timeout=(\d+)", (userland.SELFTESTS / "settings").read_text(), re.M)
    limit = int(settings[1]) if settings else DEFAULT_LIMIT
    return [_directed(Test(program.name, limit), program) for program in programs]


def scripts(programs):
    """The scripts under guest/tests."""
    return [_directed(Test(program.name), program) for program in programs]


def judges(programs):
    """The programs that use Linux's own driver; they get a boot with that driver alone."""
    needs = {"modules": "hisi_zip", "append": "hisi_zip.uacce_mode=1"}
    return [_directed(Test(program.name, needs=dict(needs)), program) for program in programs]


def without_hardware(tests, has_module):
    """What a kernel without hardware can run: (tests, {reason: names of those left out}).

    A test that asks for several modules runs with those that the kernel has, and knows that
    the others are absent.
    """
    chosen, left = [], {}
    for test in tests:
        modules = test.needs.get("modules", Boot.modules).split(",")
        present = [module for module in modules if has_module(module)]
        if "quick" not in test.kernels:
            left.setdefault(f"for kernel={','.join(test.kernels)}", []).append(test.name)
        elif not present:
            left.setdefault(f"for want of {','.join(modules)}", []).append(test.name)
        else:
            absent = tuple(module for module in modules if module not in present)
            needs = {**test.needs, "modules": ",".join(present), "absent": absent}
            chosen.append(replace(test, needs=needs))
    return chosen, left


def boots(tests, flavours=("plain", "check")):
    """[(boot, its tests)]: tests that need the same machine share one."""
    grouped = {}
    for test in tests:
        for flavour in flavours:
            if flavour in test.kernels:
                grouped.setdefault(test.boot(flavour), []).append(test)
    order = {flavour: number for number, flavour in enumerate(flavours)}
    return sorted(grouped.items(), key=lambda pair: order[pair[0].flavour])


def _directed(test, program):
    """Applies what the comments of the test's source ask for."""
    for directive in DIRECTIVE.findall(program.source.read_text(errors="replace")):
        for word in directive.split():
            key, _, value = word.partition("=")
            if key == "limit":
                test.limit = int(value)
            elif key == "kernel":
                test.kernels = tuple(value.split(","))
            elif key == "append":
                test.needs[key] = f"{test.needs.get(key, '')} {value}".strip()
            elif key in WORDS:
                test.needs[key] = int(value) if key in ("queues", "memory") else value
            else:
                raise Stop(f"{program.source}: `{key}` is nothing that a test can ask for; "
                           f"there are limit, kernel, {', '.join(WORDS)}.")
    return test
