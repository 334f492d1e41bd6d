# SPDX-License-Identifier: GPL-2.0
"""Where the time goes: what each step and each part of it took, and what ran beside it."""

import json
from dataclasses import asdict, dataclass, field

from . import paths, report

FILE = paths.BUILD / "timing.json"
SHOWN = 1.0  # seconds of a part that is worth a line

_parts = []


@dataclass
class Part:
    """Of a step: a boot, a test program."""
    name: str
    wall: float  # seconds
    processor: float  # seconds, of all processors together


@dataclass
class Step:
    """One job of a schedule."""
    name: str
    began: float  # seconds since the first step began
    wall: float
    processor: float
    beside: list = field(default_factory=list)  # names of those that ran at the same time
    parts: list = field(default_factory=list)

    @property
    def ended(self):
        return self.began + self.wall


def part(name, wall, processor):
    """Remembers a part of the step that this process is at."""
    _parts.append(Part(name, wall, processor))


def taken():
    """The parts that were remembered, which are forgotten then."""
    found = list(_parts)
    _parts.clear()
    return found


def neighbours(steps):
    """Fills in what ran beside what."""
    for step in steps:
        step.beside = [other.name for other in steps if other is not step
                       and other.began < step.ended and step.began < other.ended]


def table(steps):
    """The lines of the table, in the order in which the steps began."""
    rows = [("", "began", "wall", "processor", "beside it")]
    for step in sorted(steps, key=lambda step: step.began):
        rows.append((step.name, report.clock(step.began), _seconds(step.wall),
                     _seconds(step.processor), ", ".join(step.beside)))
        rows += [(f"    {part.name}", "", _seconds(part.wall), _seconds(part.processor), "")
                 for part in step.parts if part.wall >= SHOWN]
    whole = max((step.ended for step in steps), default=0)
    rows.append(("all", "", _seconds(whole), _seconds(sum(step.processor for step in steps)), ""))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return [f"{row[0]:{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  "
            f"{row[3]:>{widths[3]}}  {row[4]}".rstrip() for row in rows]


def save(steps):
    """Keeps it as JSON, times in seconds."""
    paths.BUILD.mkdir(parents=True, exist_ok=True)
    fresh = FILE.with_suffix(".new")
    fresh.write_text(json.dumps([asdict(step) for step in steps], indent=1) + "\n")
    fresh.rename(FILE)


def _seconds(value):
    return f"{value:.1f} s"
