# SPDX-License-Identifier: GPL-2.0
"""One boot that runs tests: from the plan to the verdicts on tests, kernel log and device."""

import re
import time

from . import initramfs, kernel_log, paths, progress, races, report, timing
from .machine import Machine, processor_time, watch
from .process import Process
from .tap import Verdict

START_LIMIT = 300  # seconds without a word while the machine starts or ends
KILL_LIMIT = 60  # seconds for a test to be gone after it was told to stop
# How a kselftest says that it finds no device of a driver, or not what comes with an option.
MISSING = re.compile(r"no /dev/accelN of (\w+)|needs (CONFIG_\w+)")


class TestBoot:
    """Runs the tests that share a boot, and gives the verdicts to the score.

    lacks() says of which options it is no failure that the kernel doesn't have them.
    """

    def __init__(self, name, boot, tests, score, append="", lacks=lambda option: False):
        self.name = name
        self.boot = boot
        self.append = append
        self.tests = {test.name: test for test in tests}
        self.score = score
        self.lacks = lacks
        self.verdicts = {}
        self.problems = []
        self.leaks = None
        self.current = None
        self._stopped = False
        self._finished = False

    def run(self, qemu, kernel, base, programs):
        """Boots, runs everything, judges. A kernel that is a process needs no QEMU."""
        machine = self._machine(qemu, kernel)
        plan = "".join(test.plan() for test in self.tests.values())
        files = initramfs.tests({name: programs[name] for name in self.tests})
        initramfs.with_job(base, {"JOB": "test", "MODULES": ""}, plan, machine.initramfs, files)
        report.say(f"    boot {self.name}: {len(self.tests)} tests "
                   f"(log: {paths.short(machine.console)})")
        child = machine.start()
        self._clock = Clock(child.pid)
        # However much a test says, its limit is for all of it.
        ended = watch(child, machine.results, self.take,
                      lambda seconds: self._silent(machine, seconds),
                      is_word=lambda line: line.startswith("@"))
        self._clock.part("end")
        machine.initramfs.unlink()
        self._judge(machine, ended)

    def _machine(self, qemu, kernel):
        append = f"{self.boot.append} {self.append}".strip()
        if kernel.is_process:
            return Process(self.name, kernel.image, self.boot.memory, append)
        return Machine(self.name, qemu, kernel.image, memory=self.boot.memory,
                       revision=self.boot.revision, queues=self.boot.queues, append=append,
                       mild=self.boot.mild, devices=self.boot.device.split())

    def _silent(self, machine, seconds):
        """Whether to wait on. A test at its limit is ended, then the machine if that stays."""
        limit = self.tests[self.current].limit if self.current else START_LIMIT
        if self.current and seconds > limit and not self._stopped:
            self._stopped = True
            machine.order(f"stop {self.current}")
        return seconds <= limit + (KILL_LIMIT if self.current else 0)

    def take(self, line):
        """One line from the guest."""
        if line.startswith("@"):
            word, _, rest = line[1:].partition(" ")
            handler = {"begin": self._begin, "end": self._end, "problem": self.problems.append,
                       "leaks": self._leaks, "leaks-end": self._leaks_end,
                       "finished": self._finish}.get(word)
            if handler:
                handler(rest)
        elif self.leaks is not None and self.current is None and line:
            self.leaks.append(line)
        elif self.current:
            self.verdicts[self.current].take(line)

    def _begin(self, name):
        if not self.verdicts:
            self._clock.part("boot")
        self._clock.restart()
        self.current = name
        self._stopped = False
        self.verdicts[name] = Verdict()
        progress.tell(f"{len(self.verdicts) - 1} of {len(self.tests)} tests, {name}")

    def _end(self, rest):
        name, _, code = rest.partition(" ")
        verdict = self.verdicts[name]
        verdict.finish(int(code))
        self.current = None
        good = sum(case.passed for case in verdict.cases)
        skipped = sum(case.skipped for case in verdict.cases)
        bad = len(verdict.cases) - good - skipped
        counts = f"{good} passed" + (f", {bad} FAILED" if bad else "")
        counts += f", {skipped} skipped" if skipped else ""
        report.say(f"      {name:32} {counts} ({self._clock.part(name):.0f} s)")

    def _leaks(self, _):
        self.leaks = []

    def _leaks_end(self, _):
        self.problems += [f"kmemleak: {line}" for line in self.leaks]
        self.leaks = None

    def _finish(self, _):
        self._finished = True

    def _judge(self, machine, ended):
        self._judge_tests(machine)
        log, elsewhere = races.without_foreign(kernel_log.read(machine.console))
        for title in dict.fromkeys(elsewhere):
            report.say(f"      not the subsystem's: {title}")
        logs = kernel_log.split(log)
        for name, verdict in self.verdicts.items():
            found = kernel_log.complaints(logs.get(name, []), verdict.expected_log)
            if found:
                self.score.fail(self._where(name), "the kernel log", found)
        found = kernel_log.complaints(logs[""])
        found += self.problems
        found += [f"device: {text}" for text in machine.device_stats()[1]]
        if not self._finished:
            found.append("the machine hung" if not ended else "the machine went off early")
        if found:
            last = [] if self._finished else machine.last_words()
            self.score.fail(self.name, "kernel log, leaks and device", found + last)
        else:
            self.score.ok()

    def _judge_tests(self, machine):
        for name in self.tests:
            where = self._where(name)
            if name not in self.verdicts:
                self.score.fail(where, "did not run")
                continue
            verdict = self.verdicts[name]
            if name == self.current:
                verdict.finish(137)
            for case in verdict.cases:
                wanted = self._wanted(name, case) if case.skipped else None
                if wanted:
                    self.score.leave_out(wanted)
                else:
                    self.score.case(name, where, case)
            if not all(case.passed or case.skipped for case in verdict.cases):
                self._show(machine, name, verdict)

    def _wanted(self, name, case):
        """For want of what the case was skipped, if it is known that this kernel lacks that."""
        missing = MISSING.search(case.why)
        if not missing:
            return None
        driver, option = missing.groups()
        known = self.lacks(option) if option else driver in self.tests[name].absent
        return known and (option or f"a device of {driver}")

    def _show(self, machine, name, verdict):
        """The output of a failed test: its end here, all of it in a file."""
        file = machine.directory / f"{name}.output"
        file.write_text("\n".join(verdict.output) + "\n")
        report.say(f"        output: {paths.short(file)}; its end:")
        telling = [line for line in verdict.output
                   if line.startswith(("not ok", "# ")) and "RUN" not in line and " OK" not in line]
        for line in (telling or verdict.output)[-15:]:
            report.say(f"        {line}")

    def _where(self, name):
        return f"{self.name}/{name}"


class Clock:
    """What the parts of a boot take, of time and of the processors."""

    def __init__(self, pid):
        self._pid = pid
        self.restart()

    def restart(self):
        """A part begins."""
        self._began, self._used = time.monotonic(), processor_time(self._pid)

    def part(self, name):
        """A part has ended, and the next begins; returns its seconds."""
        began, used = self._began, self._used
        self.restart()
        # A process that is gone has no processor time any more.
        timing.part(name, self._began - began, max(0.0, self._used - used))
        return self._began - began
