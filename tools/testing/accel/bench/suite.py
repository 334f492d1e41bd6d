# SPDX-License-Identifier: GPL-2.0
"""`make test`: every test there is, one tally."""

import functools

from . import chain, checks, homes, inventory, kunit, paths, refused, report, timing, unit
from .boot import TestBoot
from .kernel import Kernel
from .schedule import Schedule
from .score import Score

KUNIT_SECONDS, KUNIT_MEMORY = 60, 1536
QUICK_MODULES = ("accel_sim", "accel_rogue", "accel_waiter", "rust_driver_accel")


class Suite:
    """Tests, and what has to be there for them; a part that can't run counts as failed."""

    def __init__(self, only="", append=""):
        self.only = only.split()
        self.append = append
        self.score = Score()
        self.schedule = Schedule(self._cannot)

    def run(self):
        """Runs all that was added; returns the exit code."""
        with chain.alone():
            chain.provide_tools()
            self.schedule.run()
        report.say("\n".join(["", *timing.table(self.schedule.steps), "",
                              f"The same as JSON: {paths.short(timing.FILE)}"]))
        return self.score.finish()

    def _cannot(self, job, stop):
        self.score.fail(job.name, "could not be done", str(stop).splitlines())

    def _count(self, name, work, **options):
        """A job that returns a tally."""
        self.schedule.add(name, work, then=self.score.add, **options)

    def unit_tests(self):
        """What needs no virtual machine."""
        for name in filter(self._wanted, unit.PARTS):
            self._count(name, functools.partial(unit.run, name), kind="unit", seconds=60)

    def refused(self, flavour):
        """Drivers that must not compile, by what one kernel has for its modules."""
        if not self._wanted("refused"):
            return
        if f"{flavour} kernel" not in self.schedule.jobs:
            chain.compile_kernel(self.schedule, flavour)
        self._count("refused", functools.partial(self._refuse, flavour), kind="unit",
                    after=(f"{flavour} kernel",), seconds=60)

    def _refuse(self, flavour):
        return refused.run(self.schedule.result(f"{flavour} kernel"))

    def lint(self):
        """Formats, lints and documentation, each counted as one test."""
        wanted = [f"lint {name}" for name in checks.PARTS if self._wanted(name)]
        if wanted and "plain configuration" not in self.schedule.jobs:
            chain.configure(self.schedule, "plain")
        for name in wanted:
            self._count(name, functools.partial(checks.run, name.removeprefix("lint ")),
                        kind="lint", after=("plain configuration",))

    def guest_tests(self, tests, with_kunit=()):
        """What runs in virtual machines: {flavour: tests}."""
        with_kunit = with_kunit if self._wanted("kunit") else ()
        used = [flavour for flavour in dict.fromkeys([*tests, *with_kunit])
                if tests.get(flavour) or flavour in with_kunit]
        if not used:
            return
        emulated = [flavour for flavour in used if not Kernel(flavour).is_process]
        chain.prepare(self.schedule, used, emulated=bool(emulated), with_tests=True)
        for flavour in used:
            after = ("QEMU", f"{flavour} guest") if flavour in emulated else (f"{flavour} guest",)
            for number, (boot, group) in enumerate(inventory.boots(tests.get(flavour, []), flavour), 1):
                seconds = sum(homes.seconds(test.name, flavour) for test in group)
                self._boot(f"{flavour}-{number}", boot, group, after, seconds)
            if flavour in with_kunit:
                self._count(f"{flavour}-kunit", functools.partial(self._kunit, flavour),
                            kind="machine", after=after, memory=KUNIT_MEMORY,
                            seconds=KUNIT_SECONDS)

    def _boot(self, name, boot, group, after, seconds):
        self._count(name, functools.partial(self._run_boot, name, boot, group), kind="machine",
                    after=after, memory=boot.memory, seconds=seconds)

    def _run_boot(self, name, boot, group):
        score = Score()
        kernel = self.schedule.result(f"{boot.flavour} kernel")
        lacks = {"lacks": kernel.lacks} if kernel.is_process else {}
        qemu = self.schedule.results.get("QEMU")
        TestBoot(name, boot, group, score, self.append, **lacks).run(
            qemu, kernel, self.schedule.result(f"{boot.flavour} guest"),
            self.schedule.result("test programs")[0])
        return score

    def _kunit(self, flavour):
        score = Score()
        kunit.run(self.schedule.result("QEMU"), self.schedule.result(f"{flavour} kernel"),
                  self.schedule.result(f"{flavour} guest"), score)
        return score

    def tests(self):
        """Those for virtual machines that are wanted."""
        return [test for test in inventory.tests() if self._wanted(test.name)]

    def _wanted(self, name):
        """Whether it is one of those that are wanted, by words that its name may contain."""
        return not self.only or any(word in name for word in self.only)


def guest_tests_only(flavour, only, append):
    """`vm test`: all that can run in that kernel; returns the exit code."""
    suite = Suite(only, append)
    tests = {flavour: [test for test in suite.tests() if flavour in test.kernels]}
    # A callback of another type shows where it is called, and no test calls as many as KUnit's.
    suite.guest_tests(tests, ("cfi",) if flavour == "cfi" else ())
    return suite.run()


def quick(only):
    """`make quick`: what needs no hardware, in a kernel that is a process; returns the exit code."""
    suite = Suite(only)
    tests, left = inventory.without_hardware(suite.tests(), QUICK_MODULES)
    for reason, names in left.items():
        report.say(f"not here, {reason}: {', '.join(names)}")
    suite.guest_tests({"quick": tests})
    suite.refused("quick")
    return suite.run()


def everything(only="", lint=False, crossed=False):
    """`make test`, and with lint all of CI: returns the exit code.

    Each test runs in the kernel where it belongs; crossed, in each kernel where it can.
    """
    suite = Suite(only)
    suite.unit_tests()
    tests = homes.crossed(suite.tests()) if crossed else homes.at_home(suite.tests())
    suite.guest_tests(tests, homes.KUNIT)
    suite.refused("plain")
    if lint:
        suite.lint()
    return suite.run()


def lint_only(only=""):
    """`make lint`: returns the exit code."""
    suite = Suite(only)
    suite.lint()
    return suite.run()
