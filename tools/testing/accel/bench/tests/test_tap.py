# SPDX-License-Identifier: GPL-2.0
import unittest

from bench.tap import Verdict


def verdict(text, code=0):
    result = Verdict()
    for line in text.splitlines():
        result.take(line)
    result.finish(code)
    return result


def outcome(text, code=0):
    cases = verdict(text, code).cases
    return (sum(case.passed for case in cases),
            sum(not case.passed and not case.skipped for case in cases),
            sum(case.skipped for case in cases))


class Counting(unittest.TestCase):
    def test_all_well(self):
        self.assertEqual(outcome("TAP version 13\n1..2\nok 1 - a\nok 2 b"), (2, 0, 0))

    def test_plan_at_the_end(self):
        self.assertEqual(outcome("ok 1\nok 2\n1..2"), (2, 0, 0))

    def test_failure(self):
        self.assertEqual(outcome("1..2\nok 1 a\nnot ok 2 b", 1), (1, 1, 0))

    def test_skip_is_no_pass(self):
        self.assertEqual(outcome("1..2\nok 1 a\nok 2 b # SKIP no device"), (1, 0, 1))

    def test_skip_of_everything(self):
        self.assertEqual(outcome("1..0 # SKIP no device", 4), (0, 0, 1))

    def test_names_keep_their_dots(self):
        self.assertEqual(verdict("1..1\nok 1 rules.info.exact_size").cases[0].name,
                         "rules.info.exact_size")


class NotRunIsFailed(unittest.TestCase):
    def test_no_plan(self):
        self.assertEqual(outcome("ok 1 a"), (1, 1, 0))

    def test_silence(self):
        self.assertEqual(outcome("", 139), (0, 1, 0))

    def test_died_half_way(self):
        self.assertEqual(outcome("1..3\nok 1 a", 139), (1, 2, 0))

    def test_code_without_a_failed_case(self):
        self.assertEqual(outcome("1..1\nok 1 a", 1), (1, 1, 0))

    def test_time_limit(self):
        self.assertEqual(outcome("1..1\nok 1 a", 137), (1, 1, 0))

    def test_bail_out(self):
        self.assertEqual(outcome("1..1\nok 1 a\nBail out! no memory"), (1, 1, 0))
