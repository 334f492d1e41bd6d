# SPDX-License-Identifier: GPL-2.0
"""How long a guest may be silent."""

import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from bench import patience
from bench.patience import Patience


class PatienceTest(unittest.TestCase):

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.tasks = Path(directory.name)
        self.now = 100.0
        for patch in (mock.patch.object(patience, "Path", lambda _: self.tasks),
                      mock.patch.object(patience.time, "monotonic", lambda: self.now)):
            self.addCleanup(patch.stop)
            patch.start()

    def waits(self, **seconds):
        """Threads have waited so long for a processor since they began."""
        for name, waited in seconds.items():
            (self.tasks / name).mkdir(exist_ok=True)
            (self.tasks / name / "schedstat").write_text(f"1 {int(waited * 1e9)} 1\n")

    def test_time_in_which_a_thread_had_no_processor_does_not_count(self):
        self.waits(cpu0=5, cpu1=7)
        guest = Patience(1)
        self.now += 10
        self.waits(cpu0=9, cpu1=8)
        self.assertAlmostEqual(guest.passed(), 6)
        self.now += 1
        self.assertAlmostEqual(guest.passed(), 7)

    def test_a_word_begins_it_anew(self):
        self.waits(cpu0=0)
        guest = Patience(1)
        self.now += 10
        guest.heard()
        self.now += 2
        self.assertAlmostEqual(guest.passed(), 2)

    def test_all_time_counts_where_nothing_is_known(self):
        guest = Patience(1)
        self.now += 10
        self.assertAlmostEqual(guest.passed(), 10)


class ThisMachine(unittest.TestCase):
    def test_a_process_that_runs_is_seen_and_one_that_is_gone_is_no_error(self):
        self.assertGreaterEqual(Patience(os.getpid()).passed(), 0)
        self.assertGreaterEqual(Patience(2 ** 30).passed(), 0)


if __name__ == "__main__":
    unittest.main()
