# SPDX-License-Identifier: GPL-2.0
"""KUnit suites and the documentation examples of the kernel's Rust code, run at boot."""

import functools
import re
from dataclasses import dataclass, field

from . import initramfs, kernel_log, overlay, paths, report
from .machine import Machine, at_most, watch

LIMIT = 300  # seconds without a word
SUBTEST = re.compile(r"^    # Subtest: (\S+)")
CASE = re.compile(r"^    (not )?ok \d+ (\S+)(.*)")
LOCATION = re.compile(r"^    # (\S+)\.location: (\S+?):\d+")


@dataclass
class Log:
    """What the kernel log says about KUnit."""
    cases: list = field(default_factory=list)  # (suite, case, outcome)
    locations: dict = field(default_factory=dict)  # documentation example: its source file

    def take(self, lines):
        suite = ""
        for line in map(kernel_log.without_stamp, lines):
            if found := SUBTEST.match(line):
                suite = found[1]
            elif found := LOCATION.match(line):
                self.locations[found[1]] = found[2]
            elif found := CASE.match(line):
                outcome = "skip" if "# SKIP" in found[3] else "fail" if found[1] else "ok"
                self.cases.append((suite, found[2], outcome))
        return self


def run(qemu, kernel, base, score):
    """Boots once with KUnit on, and counts our cases one by one, Linux's own as one test."""
    name = f"{kernel.flavour}-kunit"
    machine = Machine(name, qemu, kernel.image, memory=1536, append="kunit.enable=1 "
                      "kunit.autorun=1")
    settings = {"JOB": "test", "MODULES": "accel_hisi_zip"}
    initramfs.with_job(base, settings, "", machine.initramfs)
    seen = []
    ended = watch(machine.start(), machine.results, seen.append, at_most(LIMIT))
    machine.initramfs.unlink()
    lines = kernel_log.read(machine.console)
    log = Log().take(lines)
    _count(name, log, score)
    finished = "@finished" in seen
    found = kernel_log.complaints(lines) + [line for line in seen if line.startswith("@problem")]
    if not finished:
        found.append("the machine went off early" if ended else "the machine hung")
        found += machine.last_words()
    if found:
        score.fail(name, "the kernel log", found)
    else:
        score.ok()


def _count(name, log, score):
    own, other, failed = 0, 0, []
    for suite, case, outcome in log.cases:
        ours = _is_ours(suite, log.locations.get(case, ""))
        own, other = own + ours, other + (not ours)
        if outcome == "fail" or (outcome == "skip" and ours):
            failed.append(f"{suite}.{case}")
            score.fail(name, f"{suite}.{case}" + (" was skipped" if outcome == "skip" else ""))
        elif ours:
            score.ok()
    report.say(f"      {name}: {own} cases of ours, {other} of Linux, {len(failed)} failed")
    if other and not failed:
        score.ok()
    elif not other:
        score.fail(name, "KUnit said nothing")
    if not own and name.startswith("check"):
        score.fail(name, "none of our documentation examples ran")


@functools.cache
def _own_suites():
    """The suites that files of the overlay declare."""
    sources = [path for path in overlay.listed() if path.endswith(".rs")]
    text = "".join((paths.REPO / path).read_text() for path in sources)
    return set(re.findall(r"kunit_tests\((\w+)\)", text))


def _is_ours(suite, location):
    """Ours are the suites and the examples in files of the overlay."""
    return suite in _own_suites() or bool(location) and (paths.REPO / location).is_file()
