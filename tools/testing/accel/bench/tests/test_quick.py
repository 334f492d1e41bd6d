# SPDX-License-Identifier: GPL-2.0
import unittest
from pathlib import Path
from unittest import mock

from bench import inventory, report
from bench.boot import Clock, TestBoot
from bench.inventory import Boot, Test
from bench.process import Process
from bench.score import Score

BOTH = ("accel_hisi_zip", "accel_sim")
MISSING = "no /dev/accelN of accel_hisi_zip (-ENOENT): load it"


def chosen(*tests):
    return inventory.without_hardware(tests, ("accel_sim",))


class WithoutHardware(unittest.TestCase):
    def test_runs_with_the_modules_that_are_there(self):
        (test,), left = chosen(Test("queue", modules=BOTH))
        self.assertEqual((test.modules, test.absent), (("accel_sim",), ("accel_hisi_zip",)))
        self.assertFalse(left)

    def test_of_hardware_is_left_out(self):
        self.assertEqual(chosen(Test("job")), ([], {"for want of accel_hisi_zip": ["job"]}))

    def test_that_names_other_kernels_is_left_out(self):
        test = Test("pressure", kernels=("plain",), modules=("accel_sim",))
        self.assertEqual(chosen(test), ([], {"for kernel=plain": ["pressure"]}))


class Skips(unittest.TestCase):
    def setUp(self):
        patch = mock.patch.object(report, "say")
        self.addCleanup(patch.stop)
        self.said = patch.start()

    def finished(self, why, absent=("accel_hisi_zip",)):
        """The exit code after one case that passed, and one that was skipped for that reason."""
        score = Score()
        boot = TestBoot("quick-1", Boot("quick"), [Test("queue", absent=absent)], score,
                        lacks=lambda option: option == "CONFIG_HUGETLBFS")
        boot._clock = Clock(0)
        for line in ("@begin queue", "1..2", "ok 1 a", f"ok 2 b # SKIP {why}", "@end queue 0"):
            boot.take(line)
        boot._judge_tests(None)
        return score.finish()

    def test_for_want_of_an_absent_driver_is_told_and_no_failure(self):
        self.assertEqual(self.finished(MISSING), 0)
        self.said.assert_any_call("not run, for want of a device of accel_hisi_zip: 1 cases")

    def test_for_want_of_a_driver_that_is_there_fails(self):
        self.assertEqual(self.finished(MISSING.replace("hisi_zip", "sim")), 1)
        self.assertEqual(self.finished(MISSING, absent=()), 1)

    def test_for_want_of_an_option_is_a_failure_where_the_kernel_has_it(self):
        self.assertEqual(self.finished("no huge pages, which needs CONFIG_HUGETLBFS"), 0)
        self.assertEqual(self.finished("no swap, which needs CONFIG_SWAP"), 1)

    def test_for_another_reason_fails(self):
        self.assertEqual(self.finished("there is no cgroup"), 1)


class Command(unittest.TestCase):
    def test_names_memory_results_and_what_is_appended(self):
        with mock.patch("pathlib.Path.mkdir"):
            process = Process("quick-1", Path("linux"), memory=512, append="a=1 b=2")
        command = process.command(6, 7)
        for word in ("mem=512M", "ssl1=fd:6,fd:7", "a=1", "b=2"):
            self.assertIn(word, command)
