# SPDX-License-Identifier: GPL-2.0
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from bench import homes, inventory, paths
from bench.boot import TestBoot
from bench.inventory import Test
from bench.report import Stop


def asking(*directives):
    """The test of a source with these directives."""
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory) / "some.c"
        source.write_text("".join(f"// accel-bench: {line}\n" for line in directives))
        return inventory._directed(Test("some"), source)


class Directives(unittest.TestCase):
    def test_say_what_a_test_needs(self):
        test = asking("limit=7 kernel=plain,check", "queues=3 modules=a,b")
        self.assertEqual((test.limit, test.kernels), (7, ("plain", "check")))
        self.assertEqual((test.needs, test.modules), ({"queues": 3}, ("a", "b")))

    def test_append_one_word_after_the_other(self):
        test = asking("append=iommu.passthrough=1 append=swiotlb=force")
        self.assertEqual(test.boot("plain").append, "iommu.passthrough=1 swiotlb=force")

    def test_add_devices_to_the_machine(self):
        test = asking("device=edu", "device=pci-bridge,chassis_nr=1")
        self.assertEqual(test.boot("plain").device, "edu pci-bridge,chassis_nr=1")
        self.assertNotEqual(test.boot("plain"), Test("other").boot("plain"))

    def test_choose_what_the_accelerator_does_mildly(self):
        boot = asking("mild=small-rooms+deep-queues").boot("plain")
        self.assertNotEqual(boot, Test("other").boot("plain"))
        with tempfile.TemporaryDirectory() as directory, \
                mock.patch.object(paths, "BUILD", Path(directory)):
            machine = TestBoot("some", boot, [], None)._machine("qemu", mock.Mock(is_process=False))
        self.assertIn(",mild=small-rooms+deep-queues,", " ".join(machine.command([])))

    def test_give_options_to_modules(self):
        test = asking("modules=a,b option=a.x=1", "option=b.y=2")
        self.assertEqual(test.plan(), "some a,b a.x=1,b.y=2 /accel/tests/some\n")
        self.assertEqual(Test("other").plan(), "other accel_hisi_zip - /accel/tests/other\n")

    def test_that_nobody_knows_is_refused(self):
        with self.assertRaisesRegex(Stop, "`colour` is nothing that a test can ask for"):
            asking("colour=red")


class Boots(unittest.TestCase):
    def divided(self, machines=5, **seconds):
        """The names of the tests of each boot, tests taking so many seconds."""
        with (mock.patch.object(homes, "seconds", lambda name, flavour: seconds[name]),
              mock.patch.object(inventory, "MACHINES", machines)):
            return [[test.name for test in group] for _, group in
                    inventory.boots([Test(name) for name in seconds], "plain")]

    def test_are_as_many_as_the_tests_are_worth(self):
        worth = homes.WORTH["plain"]
        self.assertEqual(self.divided(a=worth / 4, b=worth / 4), [["a", "b"]])
        self.assertEqual(self.divided(a=worth, b=worth / 2, c=worth / 2), [["a"], ["b", "c"]])

    def test_are_no_more_than_tests_nor_than_machines(self):
        worth = homes.WORTH["plain"]
        self.assertEqual(self.divided(a=10 * worth), [["a"]])
        self.assertEqual(self.divided(machines=1, a=worth, b=worth), [["a", "b"]])
        self.assertEqual(self.divided(machines=2, a=worth, b=worth, c=worth),
                         [["a", "c"], ["b"]])

    def test_that_need_another_machine_are_others(self):
        tests = [Test("a"), Test("b", needs={"queues": 4}), Test("c")]
        with mock.patch.object(homes, "seconds", lambda name, flavour: 1):
            boots = inventory.boots(tests, "plain")
        self.assertEqual([[test.name for test in group] for _, group in boots],
                         [["a", "c"], ["b"]])

    def test_have_tests_with_the_same_modules_behind_each_other(self):
        tests = [Test("a", modules=("x",)), Test("b", modules=("w",)), Test("c", modules=("x",)),
                 Test("d", modules=("w",), options=("w.o=1",))]
        with mock.patch.object(homes, "seconds", lambda name, flavour: 1):
            ((_, group),) = inventory.boots(tests, "plain")
        self.assertEqual([test.name for test in group], ["b", "d", "a", "c"])
