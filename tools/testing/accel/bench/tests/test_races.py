# SPDX-License-Identifier: GPL-2.0
"""Tests of bench/races.py."""

import unittest

from bench import races

EDGE = "=" * 66
OF_LINUX = f"""
[   10.000000] {EDGE}
[   10.000001] BUG: KCSAN: data-race in enqueue_timer / next_expiry
[   10.000002]
[   10.000003] write to 0xffff888237d1c1b8 of 8 bytes by interrupt on cpu 1:
[   10.000004]  enqueue_timer+0x1d/0x30
[   10.000005]  mod_timer+0x89/0xd0
[   10.000006]  schedule_timeout+0x23e/0x260
[   10.000007]  msleep+0x22/0x30
[   10.000008]  _RNvNtCs1_6kernel5accel4wait+0x12/0x40
[   10.000009]
[   10.000010] read to 0xffff888237d1c1b8 of 8 bytes by task 488 on cpu 0:
[   10.000011]  next_expiry+0x10/0x20
[   10.000012] {EDGE}""".strip().splitlines()
OURS = [line.replace("next_expiry+", "_RNvNtCs1_6kernel5accel6status+") for line in OF_LINUX]


class Reports(unittest.TestCase):
    """What is kept of a log."""

    def test_a_race_of_linux_is_taken_out_and_named(self):
        kept, titles = races.without_foreign(["before", *OF_LINUX, "after"])
        self.assertEqual(kept, ["before", "after"])
        self.assertEqual(titles, ["data-race in enqueue_timer / next_expiry"])

    def test_a_race_of_ours_stays(self):
        kept, titles = races.without_foreign(["before", *OURS])
        self.assertEqual(kept, ["before", *OURS])
        self.assertEqual(titles, [])

    def test_a_helper_and_a_module_are_ours(self):
        for name in ("rust_helper_list_add+0x1/0x2", "run+0x1/0x2 [accel_sim]"):
            report = [line.replace("next_expiry+0x10/0x20", name) for line in OF_LINUX]
            self.assertEqual(races.without_foreign(report)[1], [])

    def test_what_is_copied_is_the_callers(self):
        copied = [line.replace("next_expiry+", "_copy_to_user+") for line in OF_LINUX]
        self.assertEqual(len(races.without_foreign(copied)[1]), 1)
        ours = copied[:-1] + ["[   10.000012]  _RNvNtCs1_6kernel5accel4info+0x1/0x2", copied[-1]]
        self.assertEqual(races.without_foreign(ours)[1], [])

    def test_what_linux_does_for_us_with_its_own_is_not_ours(self):
        report = [line.replace("mod_timer+0x89/0xd0", "rust_helper_mod_timer+0x1/0x2")
                  for line in OF_LINUX]
        self.assertEqual(len(races.without_foreign(report)[1]), 1)

    def test_another_report_between_edges_stays(self):
        kasan = [OF_LINUX[0], "BUG: KASAN: slab-use-after-free in f+0x1/0x2", OF_LINUX[0]]
        self.assertEqual(races.without_foreign(kasan), (kasan, []))

    def test_a_report_that_is_cut_off_stays(self):
        self.assertEqual(races.without_foreign(OF_LINUX[:5]), (OF_LINUX[:5], []))
