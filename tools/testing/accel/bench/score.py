# SPDX-License-Identifier: GPL-2.0
"""Counts what passed and what failed, and shows it."""

from collections import Counter

from . import report

SHOWN = 12  # failed cases of one test that are listed at the end


class Score:
    """The tally of one `make test`."""

    def __init__(self):
        self.passed = 0
        self.failures = []
        self._skipped = {}
        self._left_out = Counter()
        self._seen = set()

    def ok(self, count=1):
        self.passed += count

    def fail(self, where, what, evidence=()):
        """One failed case, with the lines that show why."""
        self.failures.append((where, what))
        if evidence:
            report.say(f"    FAILED {where}: {what}")
        for line in list(evidence)[:25]:
            report.say(f"        {line}")

    def add(self, other):
        """What another tally counted."""
        self.passed += other.passed
        self.failures += other.failures
        self._seen |= other._seen
        self._left_out += other._left_out
        for case, where in other._skipped.items():
            self._skipped.setdefault(case, where)

    def case(self, test, where, case):
        """One TAP case. A skipped one has to run in another boot, or it counts as failed."""
        if case.skipped:
            self._skipped.setdefault((test, case.name), (where, case.why))
        elif case.passed:
            self._seen.add((test, case.name))
            self.ok()
        else:
            self.fail(where, case.name)

    def leave_out(self, wanted):
        """One case for which it is known that the kernel under test lacks something."""
        self._left_out[wanted] += 1

    def finish(self):
        """Prints failures and the last line; returns the exit code."""
        for (test, name), (where, why) in self._skipped.items():
            if (test, name) not in self._seen:
                self.fail(where, f"{name}: was skipped everywhere ({why or 'no reason given'})")
        for wanted, count in self._left_out.items():
            report.say(f"not run, for want of {wanted}: {count} cases")
        self._list_failures()
        report.say(f"{self.passed} passed, {len(self.failures)} failed")
        return 1 if self.failures or not self.passed else 0

    def _list_failures(self):
        grouped = {}
        for where, what in self.failures:
            grouped.setdefault(where, []).append(what)
        for where, cases in grouped.items():
            report.say(f"FAILED {where}:")
            for what in cases[:SHOWN]:
                report.say(f"  {what}")
            if len(cases) > SHOWN:
                report.say(f"  … and {len(cases) - SHOWN} more")
