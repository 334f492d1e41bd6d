# SPDX-License-Identifier: GPL-2.0
"""The steps that every command is made of, and in which order they need each other."""

import contextlib
import fcntl
import functools
import os
import shlex
import sys
import time

from . import compose, initramfs, needs, paths, progress, report, source, tools, userland
from .kernel import Kernel

WAIT = 0.5  # seconds between two tries to have the clone
# Seconds from empty caches, about; of steps that could start, the longest way to the end does.
TREE, KERNEL, EMULATOR, PROGRAMS = 60, 500, 240, 60


@contextlib.contextmanager
def alone(name="lock"):
    """Keeps two commands in one clone from building over each other; who waits says for whom."""
    paths.BUILD.mkdir(parents=True, exist_ok=True)
    with open(paths.BUILD / name, "a+") as lock:
        _lock(lock)
        lock.truncate(0)
        lock.write(f"{shlex.join(sys.argv)} (process {os.getpid()})")
        lock.flush()
        yield


def _lock(lock):
    began = time.monotonic()
    told = None
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read() or "another make"
        if holder != told:
            report.say(f"waiting for what is at work in this clone: {holder}")
            told = holder
        report.STATUS.show(f"{report.clock(time.monotonic() - began)} waiting for {holder}")
        time.sleep(WAIT)


def provide_tools():
    """Everything that the later steps need, as far as it can be had."""
    lacking = needs.provide()
    if lacking:
        report.say(f"missing: {', '.join(need.name for need in lacking)}")
        report.say("\n".join(needs.advice(lacking)))


def tree():
    """The composed tree."""
    needs.require("source")
    pristine, version = source.get()
    changed, gone = compose.compose(pristine, version)
    if len(changed) <= 20:
        for name in changed:
            report.say(f"      wrote {name}")
    for name in gone:
        report.say(f"      took back {name}")
    report.say(f"      Linux {version}: {len(changed)} files written, {len(gone)} taken back")


def configured(flavour):
    """A kernel with an up-to-date configuration."""
    needs.require("kernel")
    needs.require("rust")
    chosen = Kernel(flavour)
    chosen.configure()
    return chosen


def kernel(flavour):
    """A kernel that is configured, and its modules."""
    built = Kernel(flavour)
    built.build()
    return built


def emulator():
    """The path of QEMU with the emulated device."""
    needs.require("emulator")
    needs.require("rust")
    log, answer = paths.LOGS / "qemu.log", paths.LOGS / "qemu.path"
    script = f"'{paths.HERE}/qemu/build.sh' >'{answer}'"
    report.run_logged("building QEMU", ["bash", "-c", script], log,
                      meter=progress.Meter("qemu", progress.NINJA, "objects"), env={
                          **tools.base_environment(), "ACCEL_CACHE": str(paths.CACHE)})
    lines = answer.read_text().split("\n")
    return next(line for line in reversed(lines) if line)


def commands():
    """{name: path} of the project's own commands."""
    needs.require("guest")
    return {**userland.commands(), **userland.fuzzer()}


def programs():
    """({name: path} of the tests, {name: path} of what they run)."""
    needs.require("kernel")
    return userland.tests(), userland.helpers()


def guest(built, found):
    """The initramfs with these commands, for one kernel."""
    return initramfs.build(built, found, userland.regressions())


def configure(schedule, flavour):
    """Adds the steps up to a kernel's configuration."""
    if "tree" not in schedule.jobs:
        schedule.add("tree", tree, seconds=TREE)
    schedule.add(f"{flavour} configuration", functools.partial(configured, flavour),
                 after=("tree",))


def compile_kernel(schedule, flavour):
    """Adds the steps up to a kernel."""
    configure(schedule, flavour)
    schedule.add(f"{flavour} kernel", functools.partial(kernel, flavour),
                 after=(f"{flavour} configuration",), seconds=KERNEL)


def prepare(schedule, flavours, emulated=True, with_tests=False):
    """Adds all that has to be there before kernels boot: `F kernel` and `F guest`, the initramfs,
    of each flavour, and `QEMU`; with tests `test programs`, too.
    """
    schedule.add("tree", tree, seconds=TREE)
    schedule.add("commands", commands, seconds=PROGRAMS)
    needed = ["commands"]
    if emulated:
        schedule.add("QEMU", emulator, seconds=EMULATOR)
    if with_tests:
        schedule.add("test programs", programs, after=("tree",), seconds=PROGRAMS)
        needed.append("test programs")
    for flavour in flavours:
        compile_kernel(schedule, flavour)
        schedule.add(f"{flavour} guest", functools.partial(_guest, schedule, flavour, with_tests),
                     after=(f"{flavour} kernel", *needed))


def _guest(schedule, flavour, with_tests):
    found = dict(schedule.result("commands"))
    if with_tests:
        found.update(schedule.result("test programs")[1])
    return guest(schedule.result(f"{flavour} kernel"), found)
