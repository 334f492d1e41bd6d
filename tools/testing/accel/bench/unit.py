# SPDX-License-Identifier: GPL-2.0
"""Tests that need no virtual machine: cargo's, gzip's, and the test bench's own."""

import re
import sys

from . import gnu_gzip, paths, progress, report, userland
from .score import Score
from .report import Stop

WORKSPACES = {
    "device": paths.HERE / "device",
    "model": paths.HERE / "model",
    "tools": userland.WORKSPACE,
    "fuzzer": userland.FUZZER,
}
LIBTEST = re.compile(r"^test (.*?)(?: - should panic)? \.\.\. (ok|FAILED|ignored)", re.M)


STEP = re.compile(rb"^(?: +Compiling|test ).*\n", re.M)


def _cargo(name):
    """`cargo test` of one workspace, every test counted."""
    def part(score):
        log = paths.LOGS / f"cargo-test-{name}.log"
        command = ["cargo", "test", "--locked", "--workspace", "--no-fail-fast"]
        stopped = _attempt(f"cargo test of the {name}", command, log, cwd=WORKSPACES[name],
                           env=userland.cargo_environment(name),
                           meter=progress.Meter(f"cargo-test-{name}", STEP, "crates and tests"))
        _count(f"cargo-{name}", log, LIBTEST, score, stopped)
    return part


def _bench(score):
    log = paths.LOGS / "bench.log"
    command = [sys.executable, "-m", "unittest", "discover", "-v", "-t", str(paths.HERE),
               "-s", str(paths.HERE / "bench/tests")]
    stopped = _attempt("the test bench's own tests", command, log, cwd=paths.HERE)
    results = re.compile(r"^(\w+) \(.*\)(?:\n.*)? \.\.\. (ok|FAIL|ERROR)", re.M)
    _count("bench", log, results, score, stopped)


def _attempt(what, command, log, **options):
    """Runs it; a failure comes back as text, because failed cases are counted one by one."""
    try:
        report.run_logged(what, command, log, **options)
    except Stop as stop:
        return str(stop)
    return None


def _count(where, log, pattern, score, stopped):
    found = pattern.findall(log.read_text(errors="replace"))
    failed = [name for name, result in found if result in ("FAILED", "FAIL", "ERROR")]
    score.ok(sum(result == "ok" for _, result in found))
    for name in failed:
        score.fail(where, name)
    if not found:
        score.fail(where, "no test ran", [stopped or ""])
    elif stopped and not failed:
        score.fail(where, "did not end well", [stopped])
    report.say(f"      {where}: {len(found)} ran, {len(failed)} failed")


PARTS = {**{f"cargo-{name}": _cargo(name) for name in WORKSPACES}, "gnu-gzip": gnu_gzip.run,
         "bench": _bench}


def run(name):
    """The tally of one part."""
    score = Score()
    PARTS[name](score)
    return score
