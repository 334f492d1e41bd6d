# SPDX-License-Identifier: GPL-2.0
"""What the person sees: sentences, logs, and how far the work has come."""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time

from . import paths

PLAIN_INTERVAL = 60  # seconds between two lines of progress where there is no terminal


class Stop(Exception):
    """The work can't go on; the message says why and what to do."""


class Status:
    """How far the work has come: one line of a terminal, or elsewhere a line once in a while."""

    def __init__(self):
        self._shown = False
        self._due = time.monotonic() + PLAIN_INTERVAL

    def show(self, text):
        if sys.stdout.isatty():
            print(f"\r\033[K{text[:os.get_terminal_size().columns - 1]}", end="", flush=True)
            self._shown = True
        elif text and time.monotonic() >= self._due:
            self._due = time.monotonic() + PLAIN_INTERVAL
            print(text, flush=True)

    def clear(self):
        if self._shown:
            print("\r\033[K", end="", flush=True)
            self._shown = False


STATUS = Status()


def say(text=""):
    STATUS.clear()
    print(text, flush=True)


def run_main(main):
    """Runs a command's main function; turns Stop into a sentence and exit code 1."""
    # Who ends this ends all that it runs.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = main()
    except Stop as stop:
        STATUS.clear()
        sys.stdout.flush()
        print(f"accel: {stop}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        STATUS.clear()
        print("accel: interrupted", file=sys.stderr)
        code = 130
    sys.exit(code or 0)


def tail(path, lines=40):
    """The last lines of a log."""
    with open(path, errors="replace") as log:
        return "".join(log.readlines()[-lines:]).rstrip()


def clock(seconds):
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def run_logged(what, command, log, hint=None, append=False, meter=None, **options):
    """Runs a command with its output in a log; shows the tail of the log if it fails.

    What the meter finds in the log is told while it runs.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "a" if append else "w") as out:
        out.write("$ " + " ".join(shlex.quote(str(word)) for word in command) + "\n")
        out.flush()
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT,
                                 stdin=subprocess.DEVNULL, **options)
        code = _wait(child, meter and meter.follow(log))
    if code:
        STATUS.clear()
        print(tail(log), file=sys.stderr)
        advice = f" {hint}" if hint else ""
        raise Stop(f"{what}: failed with code {code}; the log is {paths.short(log)}.{advice}")
    if meter:
        meter.finish()


def _wait(child, told):
    try:
        while True:
            try:
                return child.wait(timeout=0.2)
            except subprocess.TimeoutExpired:
                if told:
                    told()
    except BaseException:
        # A make that is asked to end ends its children, too.
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=5)
        child.kill()
        child.wait()
        raise
