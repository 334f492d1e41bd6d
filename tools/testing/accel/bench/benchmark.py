# SPDX-License-Identifier: GPL-2.0
"""`make bench`: this subsystem beside mainline's, on the same device in the same boot."""

import json
import statistics
from dataclasses import dataclass, field

from . import chain, code_size, initramfs, kernel_log, paths, plot, report
from .machine import Machine, at_most, watch
from .report import Stop
from .schedule import Schedule

OURS, THEIRS = "accel", "uacce"
# Neither is always the first, nor always after itself.
ORDER = (OURS, THEIRS, THEIRS, OURS, OURS, THEIRS)
SILENCE_LIMIT = 900  # seconds without a row after which the machine counts as hung
# Queues for the rows with 256, and as many for others; a ring takes 144 KiB.
QUEUES, MEMORY = 320, 2048
MORE_IS_BETTER = "percent"
OUT = paths.BUILD / "benchmark"
LICENCE = ".. SPDX-License-Identifier: GPL-2.0\n\n"


@dataclass
class Row:
    """What was measured of one thing: for each subsystem the samples of each run."""
    name: str
    unit: str
    runs: dict = field(default_factory=dict)

    def value(self, stack):
        """The median of all samples, None if there are none."""
        samples = [sample for run in self.runs.get(stack, ()) for sample in run]
        return statistics.median(samples) if samples else None

    def spread(self, stack):
        """How far the runs' medians are apart, as a part of the value."""
        medians = [statistics.median(run) for run in self.runs.get(stack, ()) if run]
        value = self.value(stack)
        return (max(medians) - min(medians)) / value if value else 0.0

    def ratio(self):
        """Ours to theirs, the other way round where more is better; None for what has none."""
        ours, theirs = self.value(OURS), self.value(THEIRS)
        if self.unit == MORE_IS_BETTER:
            ours, theirs = theirs, ours
        return ours / theirs if ours is not None and theirs else None


class Boot:
    """One boot in which the benchmark runs several times."""

    def __init__(self, name, rows, arguments, clocked):
        self.name = name
        self.rows = rows
        self.arguments = arguments
        self.clocked = clocked
        self.problems = []
        self.finished = False

    def run(self, qemu, kernel, base):
        """Adds what it measures to the rows."""
        machine = Machine(self.name, qemu, kernel.image, memory=MEMORY, queues=QUEUES,
                          clocked=self.clocked)
        settings = {"JOB": "benchmark", "MODULES": "accel_hisi_zip", "QUEUES": QUEUES,
                    "RUNS": " ".join(ORDER), "ARGUMENTS": self.arguments}
        initramfs.with_job(base, settings, "", machine.initramfs)
        ended = watch(machine.start(), machine.results, self._line,
                      at_most(SILENCE_LIMIT))
        machine.initramfs.unlink()
        found = self.problems + kernel_log.complaints(kernel_log.read(machine.console))
        found += [f"device: {text}" for text in machine.device_stats()[1]]
        if not ended or not self.finished:
            found += machine.last_words()
        if found:
            raise Stop("\n".join(found) + "\nThe benchmark did not go well; the machine's log is "
                       f"{paths.short(machine.console)}.")

    def _line(self, line):
        if line.startswith("{"):
            self._add(json.loads(line))
        elif line.startswith("@run "):
            report.say(f"      {line[5:]}")
        elif line.startswith("@finished"):
            self.finished = True
        elif line:
            self.problems.append(line.removeprefix("@problem "))

    def _add(self, told):
        row = self.rows.setdefault(told["row"], Row(told["row"], told["unit"]))
        row.runs.setdefault(told["stack"], []).append(told["samples"])


def table(rows):
    """The rows as plain text."""
    lines = [("", "accel", "uacce", "ratio", "spread", "unit")]
    for row in rows:
        ratio = row.ratio()
        spread = max(row.spread(OURS), row.spread(THEIRS))
        lines.append((row.name, f"{row.value(OURS):.0f}", f"{row.value(THEIRS):.0f}",
                      "" if ratio is None else f"{ratio:.2f}", f"{spread:.1%}", row.unit))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(width) if column in (0, 5) else cell.rjust(width)
                               for column, (cell, width) in enumerate(zip(line, widths))).rstrip()
                     for line in lines) + "\n"


def _save(rows):
    OUT.mkdir(parents=True, exist_ok=True)
    as_json = [{"row": row.name, "unit": row.unit, "ratio": row.ratio(),
                **{stack: {"value": row.value(stack), "spread": row.spread(stack), "runs": runs}
                   for stack, runs in row.runs.items()}} for row in rows]
    (OUT / "benchmark.json").write_text(json.dumps(as_json, indent=1) + "\n")
    (OUT / "benchmark.txt").write_text(LICENCE + table(rows))
    (OUT / "benchmark.svg").write_text(plot.ratios([(row.name, row.ratio()) for row in rows]))


def run():
    """Measures, shows the table, and keeps it as text, JSON and SVG."""
    rows = {}
    with chain.alone():
        chain.provide_tools()
        schedule = Schedule()
        chain.prepare(schedule, ["plain"], with_tests=True)
        schedule.run()
        kernel, qemu, base = (schedule.result(name) for name in
                              ("plain kernel", "QEMU", "plain guest"))
        report.say("measuring instructions and memory")
        Boot("benchmark", rows, "all", clocked=True).run(qemu, kernel, base)
        report.say("measuring two threads, in time: an idle machine gives the best figures")
        Boot("benchmark-threads", rows, "scaling", clocked=False).run(qemu, kernel, base)
    measured = [*rows.values(), *code_size.rows(kernel, Row)]
    _save(measured)
    report.say(table(measured))
    report.say(f"Kept in {paths.short(OUT)} as text, JSON and SVG.")
    return 0
