# SPDX-License-Identifier: GPL-2.0
"""Work that is done beside other work."""

import os
import tempfile
import unittest
from pathlib import Path

from bench import report
from bench.aside import Aside
from bench.report import Stop


def _say_and_add(one, other):
    report.say("adding")
    return one + other


def _stop():
    raise Stop("there is no such tree.")


class AsideTest(unittest.TestCase):

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.log = Path(directory.name) / "aside.log"

    def test_result_comes_back_and_words_go_to_the_log(self):
        self.assertEqual(Aside("a sum", self.log, _say_and_add, 1, 2).finish(), 3)
        self.assertEqual(self.log.read_text(), "adding\n")

    def test_stop_comes_back(self):
        with self.assertRaisesRegex(Stop, "a tree: there is no such tree."):
            Aside("a tree", self.log, _stop).finish()

    def test_death_is_told(self):
        with self.assertRaisesRegex(Stop, "ended without a word"):
            Aside("a death", self.log, os._exit, 1).finish()

    def test_it_yields_to_all_others(self):
        if os.sched_getscheduler(0) != os.SCHED_OTHER:
            self.skipTest("this process has another scheduling class itself")
        self.assertEqual(Aside("a class", self.log, os.sched_getscheduler, 0).finish(),
                         os.SCHED_IDLE)


if __name__ == "__main__":
    unittest.main()
