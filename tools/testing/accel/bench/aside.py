# SPDX-License-Identifier: GPL-2.0
"""Work that is done beside other work: virtual machines leave half of two processors idle."""

import contextlib
import multiprocessing
import os
import signal
import time

from . import paths, report
from .report import Stop

PROCESSES = multiprocessing.get_context("fork")


class Aside:
    """Calls a function in a process that runs only when no other wants to."""

    def __init__(self, what, log, work, *arguments):
        self.what = what
        self.log = log
        self._began = time.monotonic()
        self._result, theirs = PROCESSES.Pipe(duplex=False)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("")
        self._process = PROCESSES.Process(target=self._run, args=(theirs, work, arguments),
                                          daemon=True)
        self._process.start()
        theirs.close()

    def _run(self, result, work, arguments):
        # Who ends before it has finished ends it, and what it runs.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with open(self.log, "w") as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
        # Some containers forbid it; the work is then done all the same.
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        try:
            result.send((work(*arguments), None))
        except Stop as stop:
            result.send((None, str(stop)))

    def finish(self):
        """What the function returned, or the Stop that it raised; tells when it has to wait."""
        while not self._result.poll(60):
            report.progress(self.log, time.monotonic() - self._began)
        try:
            returned, stopped = self._result.recv()
        except EOFError:
            returned, stopped = None, f"ended without a word; the log is {paths.short(self.log)}."
        self._process.join()
        if stopped:
            raise Stop(f"{self.what}: {stopped}")
        return returned
