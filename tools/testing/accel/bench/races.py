# SPDX-License-Identifier: GPL-2.0
"""What KCSAN reports: data races in which the subsystem takes part, and races of the rest of Linux."""

import re

from . import kernel_log

EDGE = re.compile(r"={60,}$")
TITLE = re.compile(r"BUG: KCSAN: (.*)")
# Functions that work on what belongs to their callers.
CARRIER = re.compile(r" (_?copy_(to|from)_user|check_zeroed_user|mem(cpy|move|set)|x?(list|rb|xas|mas)_)"
                     r"\w*\+0x")
# The kernel has no other Rust code than the kernel crate and what stands on it.
OURS = re.compile(r"\b_R\w+\+0x|\brust_helper_\w+\+0x|\[accel_\w+\]|\[sample_\w+\]")


def without_foreign(lines):
    """(the log without reports that are none of ours, the titles of these)."""
    kept, report, titles = [], None, []
    for line in lines:
        text = kernel_log.without_stamp(line)
        if report is None:
            if EDGE.match(text):
                report = [line]
            else:
                kept.append(line)
            continue
        report.append(line)
        if EDGE.match(text):
            title = _foreign(report)
            if title:
                titles.append(title)
            else:
                kept += report
            report = None
    return kept + (report or []), titles


def _foreign(report):
    """The title of a report of KCSAN in whose accesses no code of ours takes part; else None."""
    texts = [kernel_log.without_stamp(line) for line in report]
    titles = [match[1] for match in map(TITLE.match, texts) if match]
    return titles[0] if titles and not any(map(OURS.search, _tops(texts))) else None


def _tops(texts):
    """For each access the innermost function whose own it is."""
    searching = False
    for text in texts:
        if not text.startswith(" "):
            searching = True
        elif searching and not CARRIER.match(text):
            searching = False
            yield text
