# SPDX-License-Identifier: GPL-2.0
"""Judges a kernel log: what a healthy kernel never says."""

import re

SUSPECT = re.compile("|".join((
    r"\bWARNING:", r"\bBUG:", r"\bBUG\b.* at ", r"kernel BUG", r"\bOops\b", r"general protection",
    r"Kernel panic", r"KASAN", r"UBSAN", r"kmemleak: \d+ new", r"kmemleak: .*(disabled|error)",
    r"possible (circular|recursive|irq lock inversion)", r"inconsistent lock state",
    r"suspicious RCU", r"held lock freed", r"lock held when returning",
    r"sleeping function called", r"scheduling while atomic", r"bad: scheduling",
    r"INFO: (task|rcu|possible)", r"rcu: INFO", r"self-detected stall", r"detected stalls",
    r"soft lockup", r"hard LOCKUP", r"refcount_t:", r"list_(add|del) corruption",
    r"DMAR: DRHD: handling fault status", r"VT-d detected", r"DMAR: \[.*(fault|Fault)", r"DMA-API:",
    r"Bad page", r"bad page state", r"Unable to handle", r"stack segment", r"double free",
    r"rust_kernel: panicked", r"panicked at", r"Objects remaining", r"still has \d+ (refs|users)",
    r"Memory manager not clean", r"unreferenced object", r"irq \d+: nobody cared",
    r"Unbalanced", r"Call Trace:",
)))
# Said by a healthy kernel, though it looks otherwise.
HARMLESS = re.compile("|".join((
    r"DMA-API: (preallocated|debugging enabled)",
    r"kmemleak: Kernel memory leak detector (initialized|disabled)",
    r"kmemleak: Automatic memory scanning",
    r"KernelAddressSANitizer initialized", r"kasan: ", r"RCU lockdep checking is enabled",
)))
MARK = re.compile(r"accel-bench: (begin|end|finishing) ?(\S*)")
STAMP = re.compile(r"^\[[ \d.]+\](\[[ TC\d]+\])? ")


def split(lines):
    """{test name: its lines of the log}; what lies between tests is under ''."""
    parts, current = {"": []}, ""
    for line in lines:
        mark = MARK.search(line)
        if mark:
            current = mark[2] if mark[1] == "begin" else ""
        else:
            parts.setdefault(current, []).append(line)
    return parts


def complaints(lines, expected=()):
    """The suspect lines, without what the test says that it provokes."""
    allowed = [re.compile(pattern) for pattern in expected]
    found = []
    for number, line in enumerate(lines):
        if not SUSPECT.search(line) or HARMLESS.search(line):
            continue
        if any(pattern.search(line) for pattern in allowed):
            continue
        if "Call Trace:" in line and _explained(lines[max(0, number - 40):number]):
            continue
        found.append(line)
    return found


def _explained(before):
    """A call trace is news only if no suspect line, expected or not, stands shortly before it."""
    return any(SUSPECT.search(line) and "Call Trace:" not in line for line in before)


def read(path):
    """A console log as lines, without the carriage returns of the serial line."""
    try:
        with open(path, errors="replace") as log:
            return [line.rstrip("\r\n") for line in log]
    except OSError:
        return []


def without_stamp(line):
    return STAMP.sub("", line)
