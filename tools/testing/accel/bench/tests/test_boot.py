# SPDX-License-Identifier: GPL-2.0
"""A boot that runs tests."""

import unittest

from bench.boot import KILL_LIMIT, START_LIMIT, Clock, TestBoot
from bench.inventory import Boot, Test
from bench.score import Score


class Orders:
    """In place of a machine: what it is told."""

    def __init__(self):
        self.told = []

    def order(self, text):
        self.told.append(text)


class Silence(unittest.TestCase):

    def setUp(self):
        self.machine = Orders()
        self.boot = TestBoot("check-1", Boot("check"), [Test("queue", limit=20)], Score())
        self.boot._clock = Clock(0)

    def waits(self, seconds):
        return self.boot._silent(self.machine, seconds)

    def test_of_a_machine_that_starts_is_waited_for_and_then_ends_it(self):
        self.assertTrue(self.waits(START_LIMIT))
        self.assertFalse(self.waits(START_LIMIT + 1))
        self.assertEqual(self.machine.told, [])

    def test_of_a_test_ends_the_test_once_and_then_the_machine(self):
        self.boot.take("@begin queue")
        self.assertTrue(self.waits(20))
        self.assertEqual(self.machine.told, [])
        self.assertTrue(self.waits(21))
        self.assertTrue(self.waits(22))
        self.assertEqual(self.machine.told, ["stop queue"])
        self.assertFalse(self.waits(21 + KILL_LIMIT))

    def test_of_the_next_test_counts_anew(self):
        for line in ("@begin queue", "1..1", "ok 1 a"):
            self.boot.take(line)
        self.waits(21)
        self.boot.take("@end queue 137")
        self.assertTrue(self.waits(START_LIMIT))
        self.assertEqual([case.name for case in self.boot.verdicts["queue"].cases],
                         ["a", "ends within its time limit"])


if __name__ == "__main__":
    unittest.main()
