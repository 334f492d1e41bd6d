# SPDX-License-Identifier: GPL-2.0
import unittest

from bench import kernel_log, kunit

BAD = (
    "[    1.0] WARNING: CPU: 0 PID: 1 at kernel/x.c:1",
    "[    1.0] BUG: KASAN: slab-use-after-free in y",
    "[    1.0] DMAR: DRHD: handling fault status reg 2",
    "[    1.0] refcount_t: underflow; use-after-free.",
    "[    1.0] INFO: task x:1 blocked for more than 120 seconds.",
    "[    1.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
    "[    1.0] WARNING: possible circular locking dependency detected",
    "[    1.0] Oops: general protection fault",
    "[    1.0] UBSAN: array-index-out-of-bounds in z",
    "[    1.0] kmemleak: 3 new suspected memory leaks",
)
GOOD = (
    "[    1.0] kmemleak: Kernel memory leak detector initialized (mem pool available: 15801)",
    "[    1.0] DMA-API: preallocated 65536 debug entries",
    "[    1.0] accel_hisi_zip 0000:01:00.0: probed",
)
KUNIT = """\
[    1.0] KTAP version 1
[    1.0] 1..2
[    1.0]     KTAP version 1
[    1.0]     # Subtest: rust_accel_slots
[    1.0]     1..2
[    1.0]     ok 1 first
[    1.0]     not ok 2 second
[    1.0] not ok 1 rust_accel_slots
[    1.0]     KTAP version 1
[    1.0]     # Subtest: rust_doctests_kernel
[    1.0]     # rust_doctest_kernel_page_rs_0.location: rust/kernel/page.rs:10
[    1.0]     ok 1 rust_doctest_kernel_page_rs_0 # SKIP
""".splitlines()


class Judging(unittest.TestCase):
    def test_each_bad_line_is_seen(self):
        for line in BAD:
            self.assertEqual(kernel_log.complaints([line]), [line])

    def test_good_lines_pass(self):
        self.assertEqual(kernel_log.complaints(GOOD), [])

    def test_what_a_test_provokes_is_allowed(self):
        self.assertEqual(kernel_log.complaints(BAD[2:3], ["handling fault status"]), [])

    def test_only_that(self):
        self.assertEqual(kernel_log.complaints(BAD[:3], ["handling fault status"]),
                         list(BAD[:2]))

    def test_lines_belong_to_the_test_that_ran(self):
        lines = ["a", "[    1.0] accel-bench: begin x", "b", "[    1.0] accel-bench: end x", "c"]
        self.assertEqual(kernel_log.split(lines), {"": ["a", "c"], "x": ["b"]})


class KUnit(unittest.TestCase):
    def test_cases_and_locations(self):
        log = kunit.Log().take(KUNIT)
        self.assertEqual(log.cases, [
            ("rust_accel_slots", "first", "ok"), ("rust_accel_slots", "second", "fail"),
            ("rust_doctests_kernel", "rust_doctest_kernel_page_rs_0", "skip")])
        self.assertEqual(log.locations, {"rust_doctest_kernel_page_rs_0": "rust/kernel/page.rs"})
