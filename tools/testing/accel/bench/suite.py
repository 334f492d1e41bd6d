# SPDX-License-Identifier: GPL-2.0
"""`make test`: every test there is, one tally."""

import contextlib

from . import chain, checks, inventory, kunit, paths, report, unit
from .aside import Aside
from .boot import TestBoot
from .report import Stop
from .score import Score

FLAVOURS = ("plain", "check")


class Suite:
    """Runs parts one after the other; a part that can't run counts as failed."""

    def __init__(self, only="", flavours=FLAVOURS, parts=10, append="", lints=False):
        self.only = only
        self.lints = lints
        self.append = append
        self.flavours = flavours
        self.score = Score()
        self.steps = report.Steps(parts)

    def attempt(self, name, part, *arguments):
        """The part's result; if it can't run, a failure with the reason, and None."""
        try:
            return part(*arguments)
        except Stop as stop:
            self.score.fail(name, "could not be done", str(stop).splitlines())
            return None

    def unit_tests(self):
        """What needs no virtual machine."""
        for name, part in unit.PARTS.items():
            if self._wanted(name):
                self.attempt(name, part, self.steps, self.score)

    def guest_tests(self, with_kunit=True):
        """All that runs in the virtual machine, under each kernel."""
        qemu = self.attempt("qemu", chain.emulator, self.steps)
        for flavour, following in zip(self.flavours, [*self.flavours[1:], None]):
            kernel = self.attempt(f"{flavour} kernel", chain.kernel, self.steps, flavour)
            guest = kernel and self.attempt(f"{flavour} guest", chain.guest, self.steps, kernel,
                                            True)
            if not qemu or not guest:
                self.score.fail(flavour, "no test of the virtual machine could run")
                continue
            with self.compiling(following) if following else self._linting():
                self._boots(qemu, kernel, self._tests(guest[1]), guest[0])
                if with_kunit and self._wanted("kunit"):
                    self.steps.start(f"KUnit in the {flavour} kernel")
                    kunit.run(qemu, kernel, guest[0], self.score)

    @contextlib.contextmanager
    def compiling(self, flavour):
        """Compiles a kernel beside other tests."""
        aside = Aside(f"{flavour} kernel", paths.LOGS / f"aside-{flavour}.log", chain.kernel,
                      report.Steps(2), flavour)
        yield
        # What went wrong is said when it is tried again.
        with contextlib.suppress(Stop):
            aside.finish()

    @contextlib.contextmanager
    def _linting(self):
        """Lints beside other tests, if lints are wanted."""
        if not self.lints:
            yield
            return
        aside = Aside("lint", paths.LOGS / "aside-lint.log", _lint, self.only)
        yield
        self.lints = False
        self.steps.start("lint, which began beside the tests", aside.log)
        linted = self.attempt("lint", aside.finish)
        report.say(aside.log.read_text().rstrip())
        if linted:
            self.score.add(linted)

    def quick_tests(self):
        """What runs without hardware, in a kernel that is a process."""
        kernel = self.attempt("quick kernel", chain.kernel, self.steps, "quick")
        guest = kernel and self.attempt("quick guest", chain.guest, self.steps, kernel, True)
        if not guest:
            self.score.fail("quick", "no test could run")
            return
        tests, left = inventory.without_hardware(self._tests(guest[1]), kernel.has_module)
        for reason, names in left.items():
            report.say(f"      not here, {reason}: {', '.join(names)}")
        self._boots(None, kernel, tests, guest[0])

    def _tests(self, programs):
        """Those that are wanted, of all kinds."""
        self._require_kinds(programs)
        tests = inventory.kselftests(programs["kselftests"])
        tests += inventory.scripts(programs["scripts"])
        tests += inventory.judges(programs["judges"])
        return [test for test in tests if self._wanted(test.name)]

    def _boots(self, qemu, kernel, tests, base):
        where = "User Mode Linux" if kernel.is_process else "the virtual machine"
        self.steps.start(f"tests in {where}, {kernel.flavour} kernel")
        for number, (boot, group) in enumerate(inventory.boots(tests, (kernel.flavour,)), 1):
            name = f"{kernel.flavour}-{number}"
            lacks = {"lacks": kernel.lacks} if kernel.is_process else {}
            TestBoot(name, boot, group, self.score, self.append, **lacks).run(qemu, kernel, base)

    def _require_kinds(self, programs):
        for kind, found in programs.items():
            if not found and not self.only:
                self.score.fail(kind, "there are none")

    def lint(self):
        """Formats, lints and documentation, counted as tests, unless that was done already."""
        if self.lints:
            checks.run(self.steps, self.score, self.only)

    def _wanted(self, name):
        return self.only in name


def _lint(only):
    score = Score()
    checks.run(report.Steps(len(checks.PARTS)), score, only)
    return score


def guest_tests_only(flavours, only, append):
    """`vm test`: returns the exit code."""
    suite = Suite(only, flavours, parts=6, append=append)
    with chain.alone():
        chain.provide_tools(suite.steps)
        suite.attempt("tree", chain.tree, suite.steps)
        suite.guest_tests(with_kunit=False)
    return suite.score.finish()


def quick(only):
    """`make quick`: returns the exit code."""
    suite = Suite(only, parts=5)
    with chain.alone():
        chain.provide_tools(suite.steps)
        suite.attempt("tree", chain.tree, suite.steps)
        suite.quick_tests()
    return suite.score.finish()


def everything(only="", lint=False):
    """`make test`, and with lint all of CI: returns the exit code."""
    suite = Suite(only, parts=11 + len(unit.PARTS) + lint, lints=lint)
    with chain.alone():
        chain.provide_tools(suite.steps)
        suite.attempt("tree", chain.tree, suite.steps)
        with suite.compiling(FLAVOURS[0]):
            suite.unit_tests()
        suite.guest_tests()
        suite.lint()
    return suite.score.finish()


def lint_only(only=""):
    """`make lint`: returns the exit code."""
    suite = Suite(only, parts=2 + len(checks.PARTS), lints=True)
    with chain.alone():
        chain.provide_tools(suite.steps)
        suite.attempt("tree", chain.tree, suite.steps)
        suite.attempt("configuration", chain.configured, suite.steps, "plain")
        suite.lint()
    return suite.score.finish()
