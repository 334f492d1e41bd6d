# SPDX-License-Identifier: GPL-2.0
"""A function in a process of its own: its words go to a log, all else that it tells to a pipe."""

import contextlib
import multiprocessing
import os
import resource
import signal
import sys
import time

from . import paths, progress, timing
from .report import Stop

PROCESSES = multiprocessing.get_context("fork")


class Worker:
    """Calls a function in a process that yields to others the more the nicer it is.

    `pipe` can be waited for; take() then reads what has come.
    """

    def __init__(self, log, work, nice=0):
        self.log = log
        self.progress = ""
        self.began = time.monotonic()
        self.parts = ()
        self.processor = 0.0
        self.pipe, theirs = PROCESSES.Pipe(duplex=False)
        self._returned, self._stopped = None, f"ended without a word; the log is {paths.short(log)}."
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("")
        self._process = PROCESSES.Process(target=self._run, args=(theirs, work, nice), daemon=True)
        self._process.start()
        theirs.close()

    def _run(self, pipe, work, nice):
        timing.taken()  # what this process has from its parent
        # Who ends this ends what it runs; a key of the terminal is for who waits for it.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with open(self.log, "w") as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
        _be_apart(nice)
        progress.listen(lambda text: pipe.send(("progress", text)))
        returned = stopped = None
        try:
            returned = work()
        except Stop as stop:
            stopped = str(stop)
        except KeyboardInterrupt:
            sys.exit(130)
        pipe.send(("end", returned, stopped, timing.taken(), _processor_time()))

    def take(self):
        """Reads what has come; whether that was the end."""
        try:
            word, *rest = self.pipe.recv()
        except EOFError:
            word, rest = "death", ()
        if word == "progress":
            self.progress = rest[0]
            return False
        if word == "end":
            self._returned, self._stopped, self.parts, self.processor = rest
        self._process.join()
        self.pipe.close()
        return True

    def result(self):
        """What the function returned, or the Stop that it raised."""
        if self._stopped:
            raise Stop(self._stopped)
        return self._returned

    def end(self):
        """Ends it, and what it runs: each may end itself first."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                self._process.terminate()  # it has not come as far as its session, or is gone
            self._process.join(10)


def _be_apart(nice):
    """A session of its own: all in it can be ended, and a terminal's keys are for others.

    Linux may share the processors by session first, so the session is what has to be nice.
    """
    os.setsid()
    if nice:
        # Some containers forbid it; the work is then done all the same.
        with contextlib.suppress(OSError):
            os.nice(nice)
            with open("/proc/self/autogroup", "w") as group:
                group.write(str(nice))


def _processor_time():
    """Seconds that this process and those that it has waited for took of the processors."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
