# SPDX-License-Identifier: GPL-2.0
"""A function in a process of its own."""

import os
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from bench import progress, report, timing
from bench.report import Stop
from bench.worker import Worker


def _say_and_add():
    report.say("adding")
    timing.part("the sum", 2.5, 1.0)
    return 1 + 2


def _stop():
    raise Stop("there is no such tree.")


def _runs(pid):
    """Whether the process runs; one that nobody has asked how it ended does not."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _use_a_processor():
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass


class WorkerTest(unittest.TestCase):

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.log = Path(directory.name) / "worker.log"

    def ended(self, work, **options):
        worker = Worker(self.log, work, **options)
        while not worker.take():
            pass
        return worker

    def test_result_comes_back_and_words_go_to_the_log(self):
        worker = self.ended(_say_and_add)
        self.assertEqual(worker.result(), 3)
        self.assertEqual(self.log.read_text(), "adding\n")
        self.assertEqual(worker.parts, [timing.Part("the sum", 2.5, 1.0)])

    def test_progress_comes_before_the_end(self):
        worker = Worker(self.log, lambda: progress.tell("1 of 2"))
        self.assertFalse(worker.take())
        self.assertEqual(worker.progress, "1 of 2")
        self.assertTrue(worker.take())

    def test_stop_comes_back(self):
        with self.assertRaisesRegex(Stop, "there is no such tree."):
            self.ended(_stop).result()

    def test_death_is_told(self):
        with self.assertRaisesRegex(Stop, "ended without a word"):
            self.ended(lambda: os._exit(1)).result()

    def test_processor_time_is_told(self):
        self.assertGreaterEqual(self.ended(_use_a_processor).processor, 0.2)

    def test_it_is_as_nice_as_it_should_be(self):
        here = os.nice(0)
        self.assertEqual(self.ended(lambda: os.nice(0), nice=3).result(), min(here + 3, 19))

    def test_what_it_runs_can_be_interrupted(self):
        for nice in (0, 1):
            with self.subTest(nice=nice):
                shell = self.ended(lambda: subprocess.run(["sh", "-c", "kill -INT $$"]), nice=nice)
                self.assertEqual(shell.result().returncode, -signal.SIGINT)

    def test_who_ends_it_ends_what_it_runs(self):
        pid = self.log.with_name("pid")
        worker = Worker(self.log, lambda: report.run_logged(
            "sleeping", ["sh", "-c", f"echo $$ >{pid}; sleep 100"], self.log.with_name("log")))
        while not pid.exists() or not pid.read_text().strip():
            time.sleep(0.01)
        worker.end()
        self.assertFalse(_runs(int(pid.read_text())))


if __name__ == "__main__":
    unittest.main()
