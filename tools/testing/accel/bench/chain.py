# SPDX-License-Identifier: GPL-2.0
"""The steps that every command is made of, in the order in which they need each other."""

import contextlib
import fcntl

from . import compose, initramfs, needs, paths, report, source, tools, userland
from .kernel import Kernel
from .report import Stop


@contextlib.contextmanager
def alone():
    """Keeps two commands in one clone from building over each other."""
    paths.BUILD.mkdir(parents=True, exist_ok=True)
    with open(paths.BUILD / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report.say("waiting for the other make that is at work in this clone")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def provide_tools(steps):
    """Everything that the later steps need, as far as it can be had."""
    steps.start("looking for the tools")
    lacking = needs.provide()
    if lacking:
        report.say(f"      missing: {', '.join(need.name for need in lacking)}")
        report.say("\n".join(needs.advice(lacking)))


def tree(steps):
    """The composed tree."""
    steps.start("composing the tree")
    needs.require("source")
    pristine, version = source.get()
    changed, gone = compose.compose(pristine, version)
    if len(changed) <= 20:
        for name in changed:
            report.say(f"      wrote {name}")
    for name in gone:
        report.say(f"      took back {name}")
    report.say(f"      Linux {version}: {len(changed)} files written, {len(gone)} taken back")


def configured(steps, flavour):
    """A kernel with an up-to-date configuration."""
    needs.require("kernel")
    needs.require("rust")
    chosen = Kernel(flavour)
    chosen.configure(steps)
    return chosen


def kernel(steps, flavour):
    """A kernel and its modules."""
    built = configured(steps, flavour)
    built.build(steps)
    return built


def emulator(steps):
    """The path of QEMU with the emulated device."""
    log, answer = paths.LOGS / "qemu.log", paths.LOGS / "qemu.path"
    steps.start("building QEMU with the device (4 minutes if it isn't cached)", log)
    needs.require("emulator")
    needs.require("rust")
    script = f"'{paths.HERE}/qemu/build.sh' >'{answer}'"
    report.run_logged("building QEMU", ["bash", "-c", script], log, env={
        **tools.base_environment(), "ACCEL_CACHE": str(paths.CACHE)})
    lines = answer.read_text().split("\n")
    return next(line for line in reversed(lines) if line)


def guest(steps, built, with_tests=False):
    """The initramfs, and what in it are tests: {kind: programs}."""
    steps.start(f"building what runs in the {built.flavour} guest", paths.LOGS / "tools.log")
    needs.require("guest")
    commands = {**userland.commands(), **userland.fuzzer()}
    tests = {}
    if with_tests:
        tests = {"kselftests": userland.selftests(built), "scripts": userland.scripts(),
                 "judges": userland.judges(built)}
        commands.update(userland.samples(built))
        commands["benchmark"] = userland.benchmark(built)
    return initramfs.build(built, commands, _by_name(tests), userland.regressions()), tests


def _by_name(tests):
    found = {}
    for programs in tests.values():
        for program in programs:
            if program.name in found:
                raise Stop(f"two tests have the name {program.name}; rename one of them.")
            found[program.name] = program.path
    return found
