# SPDX-License-Identifier: GPL-2.0
"""What the person sees: numbered steps, logs, and sentences when something is wrong."""

import os
import shlex
import subprocess
import sys
import time

from . import paths


class Stop(Exception):
    """The work can't go on; the message says why and what to do."""


def say(text=""):
    print(text, flush=True)


def run_main(main):
    """Runs a command's main function; turns Stop into a sentence and exit code 1."""
    try:
        code = main()
    except Stop as stop:
        sys.stdout.flush()
        print(f"accel: {stop}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        print("accel: interrupted", file=sys.stderr)
        code = 130
    sys.exit(code or 0)


def tail(path, lines=40):
    """The last lines of a log."""
    with open(path, errors="replace") as log:
        return "".join(log.readlines()[-lines:]).rstrip()


class Steps:
    """Numbers the long steps of one command: `[n/m] what … (log: path)`."""

    def __init__(self, total):
        self.total = total
        self.number = 0
        self.began = time.monotonic()

    def start(self, what, log=None):
        """Says what begins; after a minute, also at what time since the first step."""
        self.number += 1
        passed = time.monotonic() - self.began
        where = f" (log: {paths.short(log)})" if log else ""
        when = f" at {clock(passed)}" if passed >= 60 else ""
        say(f"[{self.number}/{self.total}]{when} {what} …{where}")

    def extra(self):
        """A step more than was foreseen, because something has changed."""
        self.total += 1

    def run(self, what, command, log, **options):
        """One step that is one command, its output kept in a log."""
        self.start(what, log)
        run_logged(what, command, log, **options)


def run_logged(what, command, log, hint=None, append=False, **options):
    """Runs a command with its output in a log; shows the tail of the log if it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with open(log, "a" if append else "w") as out:
        out.write("$ " + " ".join(shlex.quote(str(word)) for word in command) + "\n")
        out.flush()
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT,
                                 stdin=subprocess.DEVNULL, **options)
        code = _wait(child, log, began)
    if code:
        print(tail(log), file=sys.stderr)
        advice = f" {hint}" if hint else ""
        raise Stop(f"{what}: failed with code {code}; the log is {paths.short(log)}.{advice}")


def _wait(child, log, began):
    """Waits, and on long waits tells once in a while how far the log has come."""
    interval = 2 if sys.stdout.isatty() else 60
    due = began + interval
    try:
        while True:
            try:
                return child.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                now = time.monotonic()
                if now >= due:
                    progress(log, now - began)
                    due = now + interval
    except BaseException:
        child.kill()
        child.wait()
        raise
    finally:
        if sys.stdout.isatty():
            print("\r\033[K", end="", flush=True)


def progress(log, seconds):
    """How far the work has come that writes the log."""
    last = _last_line(log)
    if sys.stdout.isatty():
        width = os.get_terminal_size().columns - 12
        print(f"\r\033[K      {clock(seconds)} {last[:width]}", end="", flush=True)
    else:
        say(f"      {clock(seconds)} {last[:100]}")


def clock(seconds):
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _last_line(log):
    with open(log, "rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - 2000))
        lines = stream.read().decode(errors="replace").splitlines()
    return lines[-1].strip() if lines else ""
