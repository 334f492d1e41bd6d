# SPDX-License-Identifier: GPL-2.0
"""How long a guest may be silent: in time that it had of the processors, or didn't ask for."""

import time
from pathlib import Path


class Patience:
    """Counts seconds, without those in which a thread of the guest waited for a processor."""

    def __init__(self, pid):
        self._tasks = Path(f"/proc/{pid}/task")
        self._last = time.monotonic()
        self._waited = self._waits()
        self._counted = 0.0

    def passed(self):
        """Seconds since the last heard()."""
        now, waited = time.monotonic(), self._waits()
        delay = max((waited[task] - self._waited.get(task, 0) for task in waited), default=0)
        self._counted += max(0.0, now - self._last - delay)
        self._last, self._waited = now, waited
        return self._counted

    def heard(self):
        """The guest has said something."""
        self.passed()
        self._counted = 0.0

    def _waits(self):
        """{thread: seconds that it has been ready and had no processor}; none if Linux doesn't say."""
        found = {}
        try:
            for task in self._tasks.iterdir():
                found[task.name] = int((task / "schedstat").read_text().split()[1]) / 1e9
        except (OSError, IndexError):
            return found
        return found
