# SPDX-License-Identifier: GPL-2.0
"""`make fuzz`: random programs against the user interface, in a kernel with the checkers."""

import hashlib
import json
import re
import shutil
import time

from . import chain, coverage, initramfs, kernel_log, paths, report, userland
from .machine import Machine, at_most, watch
from .schedule import Schedule

WORK = paths.BUILD / "fuzz"
CORPUS = WORK / "corpus"
REGRESSIONS = userland.FUZZER / "regressions"
TOTALS = WORK / "totals.json"
# MiB, less than the largest buffer that a program asks for: what could be had would be all there is.
MEMORY = 2048
SILENCE_LIMIT = 240  # seconds without a word after which the machine counts as hung
PLACE = 16384  # bytes of a program on the disk, as in fuzz/src/record.rs
PLACES = 64
STAT = re.compile(r"(\d+) s, (\d+) executions, (\d+) programs kept, (\d+) addresses")


class Fuzzing:
    """One boot that fuzzes, and what came out of it."""

    def __init__(self, qemu, kernel, base, seconds, seed):
        self.kernel = kernel
        self.base = base
        self.settings = {"JOB": "fuzz", "MODULES": "accel_sim", "FUZZ_TIME": seconds,
                         "FUZZ_SEED": seed}
        self.disk = WORK / "last.img"
        self.machine = Machine("fuzz", qemu, kernel.image, memory=MEMORY, scratch=self.disk)
        self.reached = set()
        self.modules = {}
        self.problems = []
        self.kept, self.chosen, self.last = [], [], []
        self.seconds = self.executions = 0
        self.finished = False
        self._program = None

    def run(self):
        """Returns the exit code."""
        WORK.mkdir(parents=True, exist_ok=True)
        self.disk.write_bytes(bytes(PLACE * PLACES))
        initramfs.with_job(self.base, self.settings, "", self.machine.initramfs, _corpus())
        ended = watch(self.machine.start(), self.machine.results, self._line,
                      at_most(SILENCE_LIMIT))
        self.machine.initramfs.unlink()
        self._keep()
        self._judge(ended)
        self._report()
        return 1 if self.problems else 0

    def _line(self, line):
        if self._program is not None:
            self._program_line(line)
            return
        word, _, rest = line.partition(" ")
        if word == "address":
            self.reached.add(int(rest, 16))
        elif word == "module":
            name, _, address = rest.partition(" ")
            self.modules[name] = int(address, 16)
        elif word in ("program", "chosen", "last"):
            self._program = (word, [])
        elif word == "stat":
            self._stat(rest)
        elif word in ("found", "@problem"):
            report.say(f"    FOUND {rest}")
            self.problems.append(rest)
        elif word == "@finished":
            self.finished = True
        elif line and not word.startswith("@"):
            report.say(f"    {line}")

    def _program_line(self, line):
        word, text = self._program
        if line != "end":
            text.append(line)
            return
        target = {"program": self.kept, "chosen": self.chosen, "last": self.last}[word]
        target.append("\n".join(text) + "\n")
        self._program = None

    def _stat(self, rest):
        report.say(f"    {rest}")
        match = STAT.match(rest)
        if match:
            self.seconds, self.executions = int(match[1]), int(match[2])

    def _keep(self):
        """What was kept is where the next run begins; few programs that reach all, if it ended."""
        if self.chosen:
            shutil.rmtree(CORPUS, ignore_errors=True)
        CORPUS.mkdir(parents=True, exist_ok=True)
        for text in self.chosen or self.kept:
            (CORPUS / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.txt").write_text(text)

    def _judge(self, ended):
        log = kernel_log.read(self.machine.console)
        self.problems += kernel_log.complaints(log)
        if not self.finished:
            self.problems.append("the machine hung" if not ended else "the machine went off early")
        if self.problems:
            self._save()

    def _save(self):
        """The kernel's log and the programs before the end, the youngest last."""
        directory = WORK / time.strftime("found-%Y%m%d-%H%M%S")
        directory.mkdir()
        shutil.copy(self.machine.console, directory)
        for number, text in enumerate(self.last or self._on_disk()):
            (directory / f"{number:02}.txt").write_text(text)
        report.say(f"FOUND, the kernel's log and the last programs: {paths.short(directory)}")
        for line in list(dict.fromkeys(self.problems))[:10]:
            report.say(f"    {line}")

    def _on_disk(self):
        """The programs that ran last, if the machine couldn't tell any more."""
        data = self.disk.read_bytes()
        texts = [data[at:at + PLACE].split(b"\0")[0].decode(errors="replace")
                 for at in range(0, len(data), PLACE)]
        numbered = [text for text in texts if re.match(r"# \d+\n", text)]
        return sorted(numbered, key=lambda text: int(text[2:text.index("\n")]))

    def _report(self):
        lines = coverage.lines(self.kernel, self.modules, self.reached)
        table = lines.table()
        (WORK / "coverage.txt").write_text("\n".join(table) + "\n")
        (WORK / "missed.txt").write_text("\n".join(lines.missed()) + "\n")
        report.say("Lines reached, of those with code that tells of itself:")
        for row in table:
            report.say(f"  {row}")
        report.say(f"  {paths.short(WORK / 'missed.txt')} has those that were not.")
        totals = _add_up(self.seconds, self.executions)
        report.say(f"{self.executions} executions in {self.seconds} s, seed "
                   f"{self.settings['FUZZ_SEED']}; in this clone {totals['executions']} in "
                   f"{totals['seconds'] / 3600:.1f} hours; "
                   f"{len(list(CORPUS.iterdir()))} programs are in {paths.short(CORPUS)}.")


def _corpus():
    """{path in the guest: file}: regressions, and what earlier runs have found."""
    files = [*sorted(REGRESSIONS.glob("*.txt"))]
    files += sorted(CORPUS.glob("*.txt")) if CORPUS.exists() else []
    return {f"job/corpus/{file.name}": file for file in files}


def _add_up(seconds, executions):
    """All runs of this clone together."""
    totals = {"seconds": 0, "executions": 0, "runs": 0}
    if TOTALS.exists():
        totals = json.loads(TOTALS.read_text())
    for name, more in (("seconds", seconds), ("executions", executions), ("runs", 1)):
        totals[name] += more
    TOTALS.write_text(json.dumps(totals) + "\n")
    return totals


def run(seconds, seed):
    """All of `make fuzz`: returns the exit code."""
    with chain.alone():
        chain.provide_tools()
        schedule = Schedule()
        chain.prepare(schedule, ["fuzz"])
        schedule.run()
        kernel, qemu, base = (schedule.result(name) for name in
                              ("fuzz kernel", "QEMU", "fuzz guest"))
        report.say(f"fuzzing for {seconds} seconds with seed {seed}")
        return Fuzzing(qemu, kernel, base, seconds, seed).run()
