# SPDX-License-Identifier: GPL-2.0
"""How far a step has come."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from bench import progress
from bench.progress import CARGO, KBUILD, NINJA, Meter


class MeterTest(unittest.TestCase):

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.log = Path(directory.name) / "log"
        self.said = []
        for patch in (mock.patch.object(progress, "REMEMBERED", self.log.with_name("counts.json")),
                      mock.patch.object(progress, "tell", self.said.append)):
            self.addCleanup(patch.stop)
            patch.start()

    def said_of(self, text, **options):
        """What is told of a log; then the run has ended well."""
        self.log.write_text(text)
        meter = Meter("kernel", **{"pattern": KBUILD, "what": "objects", **options})
        meter.follow(self.log)()
        meter.finish()
        return self.said[-1]

    def test_a_first_run_goes_by_the_guess_and_the_next_by_what_was_counted(self):
        lines = "  CC      a.o\n  RUSTC L rust/kernel.o\nmake: done\n"
        self.assertEqual(self.said_of(lines, guess=3), "66 % (2 of 3) objects")
        self.assertEqual(self.said_of(lines + "  CC      b.o\n", guess=9), "99 % (3 of 3) objects")

    def test_a_run_that_is_not_whole_has_no_share_and_is_not_remembered(self):
        self.assertEqual(self.said_of("  CC      a.o\n", guess=100, whole=False), "1 objects")
        self.assertEqual(self.said_of("  CC      a.o\n", guess=100), "1 % (1 of 100) objects")

    def test_ninja_says_itself_how_much_there_is(self):
        self.assertEqual(self.said_of("[1/8] Compiling a\n[2/8] Linking b\n", pattern=NINJA),
                         "25 % (2 of 8) objects")

    def test_who_waits_says_so_until_it_goes_on(self):
        waiting = "   Compiling a v1\n    Blocking waiting for file lock on build directory\n"
        self.assertEqual(self.said_of(waiting, pattern=CARGO),
                         "waiting for file lock on build directory")
        self.assertEqual(self.said_of(waiting + "   Compiling b v1\n", pattern=CARGO, whole=False),
                         "2 objects")

    def test_a_line_counts_when_it_is_whole(self):
        self.assertEqual(self.said_of("   Compiling a v1\n   Compil", pattern=CARGO, whole=False),
                         "1 objects")


class Telling(unittest.TestCase):
    def test_a_line_of_a_log_does_not_fill_pages(self):
        said = []
        before = progress._listener
        self.addCleanup(progress.listen, before)
        progress.listen(said.append)
        with tempfile.TemporaryDirectory() as directory:
            log = Path(directory) / "log"
            log.write_text("$ checkpatch " + "file.rs " * 1000 + "\n")
            progress.Tail().follow(log)()
        self.assertEqual([len(text) for text in said], [100])


if __name__ == "__main__":
    unittest.main()
