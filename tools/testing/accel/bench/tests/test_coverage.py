# SPDX-License-Identifier: GPL-2.0
"""Lines that the fuzzer has reached."""

import unittest

from bench import coverage


class LinesTest(unittest.TestCase):
    """A line has several pieces of code, and files come under several names."""

    def test_a_line_is_reached_if_any_code_of_it_is(self):
        lines = coverage.Lines()
        lines.add("rust/kernel/accel/queue.rs", 7, True)
        lines.add("rust/kernel/accel/queue.rs", 7, False)
        lines.add("rust/kernel/accel/queue.rs", 9, False)
        self.assertEqual(lines.counts(), (1, 2))
        self.assertEqual(list(lines.missed()), ["rust/kernel/accel/queue.rs: 9"])

    def test_drivers_are_not_the_core(self):
        lines = coverage.Lines()
        lines.add("rust/kernel/accel.rs", 1, True)
        lines.add("drivers/accel/sim/job.rs", 1, False)
        self.assertEqual(lines.counts(coverage.CORE), (1, 1))
        self.assertIn("1 of 1 (100.0 %)  the core", lines.table()[-1])

    def test_only_our_files_count(self):
        found = [coverage.OURS.match(place) for place in (
            "/somewhere/build/linux/rust/kernel/accel/node.rs:12:5",
            "../rust/kernel/accel.rs:3",
            "rust/kernel/sync/arc.rs:3:1",
            "??:0:0")]
        self.assertEqual([match and match.groups() for match in found], [
            ("rust/kernel/accel/node.rs", "12"), ("rust/kernel/accel.rs", "3"), None, None])
