# SPDX-License-Identifier: GPL-2.0
"""How far a step has come, by what its log counts."""

import json
import re
import time

from . import paths, report

# What a whole run has counted, for the next one's share of it.
REMEMBERED = paths.CACHE / "counts.json"
INTERVAL = 0.5  # seconds
WIDTH = 100  # characters: it is a part of a line, and a log has lines that fill pages

KBUILD = re.compile(rb"^  [A-Z][A-Z0-9+]+ .*\n", re.M)
NINJA = re.compile(rb"^\[(\d+)/(\d+)\] .*\n", re.M)
# What cargo and qemu/build.sh say while somebody else is at work.
WAITING = re.compile(rb"\b[Ww]aiting for .*")
CARGO = re.compile(rb"^ +(?:Compiling|Checking) .*\n", re.M)

_listener = report.STATUS.show
_told = 0.0


def listen(listener):
    """From now on tell() calls it with a text; before, the person sees the text."""
    global _listener, _told
    _listener, _told = listener, 0.0


def tell(text):
    """Says how far the step has come, to whoever listens."""
    global _told
    if time.monotonic() - _told > INTERVAL:
        _told = time.monotonic()
        _listener(text[:WIDTH])


def share(done, total):
    """Part done, and of how much."""
    if not total:
        return str(done)
    return f"{min(100 * done // total, 99)} % ({done} of {max(done, total)})"


class Meter:
    """Counts what a pattern finds in a log.

    A pattern may have two groups, done and all. Without them, all is what the last whole run of
    that name has counted, or the guess; nothing is known of a run that is not whole.
    """

    def __init__(self, name, pattern, what, guess=0, whole=True):
        self.name = name
        self.whole = whole
        self._pattern = pattern
        self._what = what
        self._total = (_load().get(name) or guess) if whole else 0
        self._done = 0
        self._rest = b""
        self._waiting = None
        self._log = None

    def follow(self, log):
        """What has to be called once in a while."""
        self._log = open(log, "rb")
        return self._look

    def _look(self):
        data = self._rest + self._log.read()
        end = data.rfind(b"\n") + 1
        self._rest = data[end:]
        lines = data[:end].splitlines()
        if lines:
            self._waiting = WAITING.search(lines[-1])
        for found in self._pattern.finditer(data[:end]):
            if self._pattern.groups == 2:
                self._done, self._total = map(int, found.groups())
            else:
                self._done += 1
        if self._waiting:
            tell(self._waiting[0].decode(errors="replace"))
        else:
            tell(f"{share(self._done, self._total)} {self._what}")

    def finish(self):
        """Remembers what a whole run counts."""
        self._look()
        self._log.close()
        # What was there already is not counted: such a run was not whole.
        if self.whole and self._pattern.groups != 2 and self._done * 2 > self._total:
            _save({**_load(), self.name: self._done})


class Tail:
    """In place of a meter, where nothing can be counted: the last line of the log."""

    def follow(self, log):
        """What has to be called once in a while."""
        return lambda: tell(report.tail(log, 1))

    def finish(self):
        """There is nothing to remember."""


def _load():
    try:
        return json.loads(REMEMBERED.read_text())
    except (OSError, ValueError):
        return {}


def _save(counts):
    REMEMBERED.parent.mkdir(parents=True, exist_ok=True)
    fresh = REMEMBERED.with_suffix(f".{time.monotonic_ns()}")
    fresh.write_text(json.dumps(counts, indent=1, sort_keys=True) + "\n")
    fresh.rename(REMEMBERED)
