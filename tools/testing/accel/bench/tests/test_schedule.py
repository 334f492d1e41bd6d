# SPDX-License-Identifier: GPL-2.0
"""What runs beside what."""

import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

from bench import paths, report, schedule, timing
from bench.report import Stop
from bench.schedule import Kind, Schedule

ONE_AT_A_TIME = {"build": Kind(1), "machine": Kind(1)}


def _stop():
    raise Stop("there is none.")


class ScheduleTest(unittest.TestCase):

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        for patch in (mock.patch.object(report, "say"),
                      mock.patch.object(report.STATUS, "show"),
                      mock.patch.object(paths, "LOGS", Path(directory.name)),
                      mock.patch.object(timing, "FILE", Path(directory.name) / "timing.json")):
            self.addCleanup(patch.stop)
            patch.start()

    def only(self, **kinds):
        patch = mock.patch.object(schedule, "KINDS", kinds)
        self.addCleanup(patch.stop)
        patch.start()

    def order(self, plan):
        """The names in the order in which the jobs began."""
        return [step.name for step in sorted(plan.steps, key=lambda step: step.began)]

    def test_a_job_finds_what_those_before_it_returned(self):
        plan = Schedule()
        plan.add("one", lambda: 1)
        plan.add("two", lambda: plan.result("one") + 1, after=("one",))
        plan.run()
        self.assertEqual(plan.results, {"one": 1, "two": 2})

    def test_the_longest_way_to_an_end_begins_first(self):
        self.only(build=Kind(1))
        plan = Schedule()
        plan.add("short", time.sleep(0) or int, seconds=1)
        plan.add("first of long", int, seconds=1)
        plan.add("rest of long", int, seconds=5, after=("first of long",))
        plan.add("middle", int, seconds=3)
        plan.run()
        self.assertEqual(self.order(plan), ["first of long", "rest of long", "middle", "short"])

    def test_no_more_of_a_kind_than_it_may_be(self):
        self.only(machine=Kind(2))
        plan = Schedule()
        for number in range(5):
            plan.add(f"machine {number}", lambda: time.sleep(0.1), kind="machine")
        plan.run()
        for step in plan.steps:
            together = [other for other in plan.steps
                        if other.began <= step.began < other.ended - 0.02]
            self.assertLessEqual(len(together), 2)

    def test_no_more_memory_than_there_is_but_for_a_job_that_is_alone(self):
        self.only(machine=Kind(8))
        plan = Schedule()
        for number in range(3):
            plan.add(f"machine {number}", lambda: time.sleep(0.1), kind="machine",
                     memory=schedule.MEMORY + 1)
        plan.run()
        self.assertEqual([step.beside for step in plan.steps], [[], [], []])

    def test_what_comes_after_a_failure_is_told_and_all_else_is_done(self):
        told = []
        plan = Schedule(lambda job, stop: told.append((job.name, str(stop))))
        plan.add("kernel", _stop)
        plan.add("guest", int, after=("kernel",))
        plan.add("boot", int, after=("guest",))
        plan.add("lint", int)
        plan.run()
        self.assertEqual(told, [("kernel", "there is none."),
                                ("guest", "kernel could not be done."),
                                ("boot", "guest could not be done.")])
        self.assertEqual(plan.results, {"lint": 0})

    def test_a_failure_ends_all_where_nobody_counts_them(self):
        plan = Schedule()
        plan.add("long", lambda: time.sleep(100))
        plan.add("kernel", _stop)
        began = time.monotonic()
        with self.assertRaisesRegex(Stop, "there is none."):
            plan.run()
        self.assertLess(time.monotonic() - began, 50)

    def test_a_result_can_bring_more_jobs(self):
        plan = Schedule()
        plan.add("one", lambda: 2, then=lambda result: plan.add("two", lambda: result + 1,
                                                                after=("one",)))
        plan.run()
        self.assertEqual(plan.result("two"), 3)

    def test_a_name_that_is_not_known_or_twice_there_is_refused(self):
        plan = Schedule()
        plan.add("one", int)
        with self.assertRaisesRegex(ValueError, "comes after"):
            plan.add("two", int, after=("three",))
        with self.assertRaisesRegex(ValueError, "twice"):
            plan.add("one", int)


class TimingTest(unittest.TestCase):

    def setUp(self):
        self.steps = [timing.Step("a", 0, 10, 3), timing.Step("b", 5, 10, 4),
                      timing.Step("c", 12, 60, 7, parts=[timing.Part("case", 50, 6),
                                                         timing.Part("short", 0.1, 0.1)])]
        timing.neighbours(self.steps)

    def test_neighbours_are_those_that_ran_at_the_same_time(self):
        self.assertEqual([step.beside for step in self.steps], [["b"], ["a", "c"], ["b"]])

    def test_the_table_has_steps_their_long_parts_and_the_sum(self):
        lines = [line.split() for line in timing.table(self.steps)[1:]]
        self.assertEqual(lines[0], "a 0:00 10.0 s 3.0 s b".split())
        self.assertEqual(lines[3], "case 50.0 s 6.0 s".split())
        self.assertEqual(lines[4], "all 72.0 s 14.0 s".split())


if __name__ == "__main__":
    unittest.main()
