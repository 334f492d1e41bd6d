# SPDX-License-Identifier: GPL-2.0
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

from bench import inventory
from bench.report import Stop


def asking(*directives):
    """The test of a source with these directives."""
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory) / "some.c"
        source.write_text("".join(f"// accel-bench: {line}\n" for line in directives))
        program = SimpleNamespace(name="some", source=source)
        (test,) = inventory.scripts([program])
        return test


class Directives(unittest.TestCase):
    def test_say_what_a_test_needs(self):
        test = asking("limit=7 kernel=plain,check", "queues=3 modules=a,b")
        self.assertEqual((test.limit, test.kernels), (7, ("plain", "check")))
        self.assertEqual(test.needs, {"queues": 3, "modules": "a,b"})

    def test_append_one_word_after_the_other(self):
        test = asking("append=iommu.passthrough=1 append=swiotlb=force")
        self.assertEqual(test.boot("plain").append, "iommu.passthrough=1 swiotlb=force")

    def test_that_nobody_knows_is_refused(self):
        with self.assertRaisesRegex(Stop, "`colour` is nothing that a test can ask for"):
            asking("colour=red")
