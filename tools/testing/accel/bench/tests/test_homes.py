# SPDX-License-Identifier: GPL-2.0
"""Where each test runs."""

import unittest

from bench import homes, inventory
from bench.homes import HOMES


class Homes(unittest.TestCase):

    def setUp(self):
        self.tests = {test.name: test for test in inventory.tests()}

    def test_each_test_has_one_and_no_other_is_named(self):
        self.assertEqual(sorted(self.tests), sorted(HOMES))

    def test_a_test_can_run_where_it_belongs(self):
        for name, home in HOMES.items():
            self.assertTrue(home.kernels, name)
            self.assertLessEqual(set(home.kernels), set(self.tests[name].kernels), name)

    def test_each_home_has_a_reason(self):
        for name, home in HOMES.items():
            self.assertGreater(len(home.why), 15, name)

    def test_no_test_is_lost_on_the_way_to_the_boots(self):
        placed = [(test.name, flavour)
                  for flavour, tests in homes.at_home(self.tests.values()).items()
                  for _, group in inventory.boots(tests, flavour) for test in group]
        self.assertEqual(sorted(placed), sorted((name, flavour) for name, home in HOMES.items()
                                                for flavour in home.kernels))

    def test_what_is_crossed_runs_wherever_it_can(self):
        crossed = homes.crossed(self.tests.values())
        for flavour in ("plain", "check"):
            self.assertEqual([test.name for test in crossed[flavour]],
                             [name for name, test in self.tests.items()
                              if flavour in test.kernels])


if __name__ == "__main__":
    unittest.main()
