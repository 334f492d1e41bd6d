# SPDX-License-Identifier: GPL-2.0
"""What a test says in TAP, the Test Anything Protocol, and how it is counted."""

import re
from dataclasses import dataclass, field

RESULT = re.compile(r"(not )?ok\b\s*(\d+)?(?:\s*-)?\s*([^#]*)(?:#\s*(\w+)?\s*(.*))?$")


@dataclass
class Case:
    """One line `ok` or `not ok`."""
    name: str
    passed: bool
    skipped: bool = False
    why: str = ""


@dataclass
class Verdict:
    """All that one test program has said, and how it ended."""
    cases: list = field(default_factory=list)
    plan: int = None
    expected_log: list = field(default_factory=list)
    bailed: bool = False
    output: list = field(default_factory=list)

    def take(self, line):
        """One line of output."""
        self.output.append(line)
        if line.startswith("# expect-dmesg:"):
            self.expected_log.append(line.split(":", 1)[1].strip())
        elif line.startswith("Bail out!"):
            self.bailed = True
        elif plan := re.match(r"1\.\.(\d+)", line):
            self.plan = int(plan[1])
            if plan[1] == "0":
                self.cases.append(Case("all of it", False, True, line))
        elif found := RESULT.match(line):
            negative, number, name, directive, why = found.groups()
            skipped = (directive or "").upper() == "SKIP"
            self.cases.append(Case(name.strip() or f"case {number}", not negative and not skipped,
                                   skipped and not negative, why or ""))

    def finish(self, code):
        """Adds failed cases for what the program promised and didn't do."""
        if self.plan is None:
            self.cases.append(Case("says how many cases it has", False))
        for number in range(len(self.cases) + 1, (self.plan or 0) + 1):
            self.cases.append(Case(f"case {number} was not reached", False))
        failed = any(not case.passed and not case.skipped for case in self.cases)
        if code == 137:
            self.cases.append(Case("ends within its time limit", False))
        elif self.bailed:
            self.cases.append(Case("goes on to its end", False))
        elif code not in (0, 4) and not failed:
            self.cases.append(Case(f"ends well (code {code})", False))
