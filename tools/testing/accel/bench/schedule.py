# SPDX-License-Identifier: GPL-2.0
"""What runs beside what: jobs that need each other, as many at once as the machine can take."""

import multiprocessing.connection
import os
import time
from dataclasses import dataclass, field
from typing import Callable

from . import paths, report, timing
from .machine import host_memory
from .report import Stop
from .worker import Worker

TICK = 0.5  # seconds between two looks at how far all has come


@dataclass(frozen=True)
class Kind:
    """Jobs that are alike in what they take of the machine."""
    at_once: int
    nice: int = 0


PROCESSORS = os.cpu_count() or 1
# This is the one place that says what may run beside what. Each kind goes on beside each other.
KINDS = {
    # Takes all processors for most of its time; a second one has those that the first leaves.
    "build": Kind(2),
    # A virtual machine has two processors, and waits about half of its time. More of them would wait
    # for each other: one spins for a lock whose holder has no processor.
    "machine": Kind(max(2, PROCESSORS)),
    # Nothing waits for these: they have what the machines leave.
    "unit": Kind(1, nice=10),
    "lint": Kind(1, nice=19),
}
MEMORY = host_memory() * 3 // 4  # megabytes for all machines together


@dataclass(eq=False)
class Job:
    """Something to do, in a process of its own.

    What it returns is its result; `then` gets it, in the process of the schedule.
    """
    name: str
    work: Callable
    kind: str = "build"
    after: tuple = ()  # names of jobs that have to go well before
    memory: int = 0  # megabytes
    seconds: float = 0  # about how long it takes; of those that could start, the longest does
    then: Callable = lambda result: None

    @property
    def log(self):
        return paths.LOGS / f"job-{self.name.replace(' ', '-')}.log"


@dataclass
class Schedule:
    """Runs its jobs. One that can't be done is told to on_stop(job, Stop), as are those after it;
    if that raises, all ends.
    """
    on_stop: Callable = None
    jobs: dict = field(default_factory=dict)
    results: dict = field(default_factory=dict)
    steps: list = field(default_factory=list)

    def __post_init__(self):
        self._waiting = []
        self._running = {}  # job: worker
        self._ended = 0
        self._began = time.monotonic()

    def add(self, name, work, **options):
        """A job; those that it comes after have to be known already."""
        job = Job(name, work, **options)
        unknown = [other for other in job.after if other not in self.jobs]
        if unknown or name in self.jobs:
            raise ValueError(f"{name}: is there twice" if name in self.jobs else
                             f"{name} comes after {unknown}, which nobody has added")
        self.jobs[name] = job
        self._waiting.append(job)

    def result(self, name):
        """What a job that has gone well returned."""
        return self.results[name]

    def run(self):
        """Runs all jobs; what they took is in `steps` afterwards."""
        try:
            while self._waiting or self._running:
                self._start()
                self._wait()
        finally:
            report.STATUS.clear()
            for worker in self._running.values():
                worker.end()
            timing.neighbours(self.steps)
            timing.save(self.steps)

    def _start(self):
        """Starts what can start."""
        ready = [job for job in self._waiting if all(name in self.results for name in job.after)]
        for job in sorted(ready, key=lambda job: -self._behind(job)):
            if self._has_room(job):
                self._waiting.remove(job)
                self._running[job] = Worker(job.log, job.work, KINDS[job.kind].nice)
        if not self._running and self._waiting:
            raise ValueError(f"nothing can start of {[job.name for job in self._waiting]}")

    def _behind(self, job):
        """Seconds of the longest way from this job to an end."""
        following = [other for other in self._waiting if job.name in other.after]
        return job.seconds + max(map(self._behind, following), default=0)

    def _has_room(self, job):
        alike = [other for other in self._running if other.kind == job.kind]
        memory = sum(other.memory for other in self._running)
        return len(alike) < KINDS[job.kind].at_once and (
            not alike or memory + job.memory <= MEMORY)

    def _wait(self):
        """Waits for words of the jobs, and shows how far they are."""
        pipes = {worker.pipe: job for job, worker in self._running.items()}
        for pipe in multiprocessing.connection.wait(list(pipes), timeout=TICK):
            job = pipes[pipe]
            if self._running[job].take():
                self._end(job, self._running.pop(job))
        self._show()

    def _end(self, job, worker):
        wall = time.monotonic() - worker.began
        self._ended += 1
        self.steps.append(timing.Step(job.name, worker.began - self._began, wall, worker.processor,
                                      parts=list(worker.parts)))
        report.say(f"[{self._ended}/{len(self.jobs)}] {report.clock(time.monotonic() - self._began)}"
                   f" {job.name}: {wall:.1f} s")
        words = worker.log.read_text(errors="replace").rstrip()
        if words:
            report.say(words)
        try:
            result = worker.result()
        except Stop as stop:
            self._stop(job, stop)
        else:
            self.results[job.name] = result
            job.then(result)

    def _stop(self, job, stop):
        """A job that can't be done, and all that would come after it."""
        if not self.on_stop:
            raise stop
        self.on_stop(job, stop)
        for other in [other for other in self._waiting if job.name in other.after]:
            if other in self._waiting:
                self._waiting.remove(other)
                self._ended += 1
                self._stop(other, Stop(f"{job.name} could not be done."))

    def _show(self):
        now = time.monotonic()
        parts = [f"{job.name} {worker.progress or report.clock(now - worker.began)}"
                 for job, worker in self._running.items()]
        report.STATUS.show(f"{report.clock(now - self._began)} {self._ended} of {len(self.jobs)} "
                           f"steps done | {' | '.join(parts)}")
