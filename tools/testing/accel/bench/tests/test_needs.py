# SPDX-License-Identifier: GPL-2.0
import re
import unittest
from unittest import mock

from bench import apt, needs, paths, tools

ESSENTIAL = {"util-linux"}  # of every Debian


class Packages(unittest.TestCase):
    """What is installed where a suite has these versions."""

    def packages(self, offered, *names, rustc=()):
        with (mock.patch.object(apt, "numbers", lambda name: offered.get(name, ())),
              mock.patch.object(tools, "llvm_suffix", return_value=None),
              mock.patch.object(tools, "rustc_version", return_value=rustc)):
            return needs._packages([need for need in needs.NEEDS if need.name in names])

    def test_the_preferred_llvm(self):
        offered = {"clang-19": (19, 1, 7), "clang-22": (22, 1, 8)}
        self.assertEqual(self.packages(offered, "LLVM"), ["clang-19", "lld-19", "llvm-19"])

    def test_the_llvm_that_there_is(self):
        offered = {"clang-16": (16, 0, 6), "clang-21": (21, 1, 8), "clang": (21, 0, 0)}
        self.assertEqual(self.packages(offered, "libclang"), ["libclang1-21"])

    def test_bindgen_only_if_it_is_new_enough(self):
        self.assertEqual(self.packages({"bindgen": (0, 71, 1)}, "bindgen"), ["bindgen"])
        self.assertEqual(self.packages({"bindgen": (0, 60, 1)}, "bindgen"), [])

    def test_the_rust_that_is_new_enough(self):
        offered = {"rustc": (1, 63, 0), "rustc-web": (1, 96, 0)}
        self.assertIn("rustfmt-web", self.packages(offered, "rustc"))
        # Debian has none of that name.
        self.assertNotIn("rust-clippy-web", self.packages(offered, "rustc"))
        self.assertIn("rust-clippy", self.packages({"rustc": (1, 85, 1)}, "rustc"))

    def test_the_rust_that_is_there(self):
        offered = {"rustc": (1, 85, 1), "rustc-web": (1, 96, 0)}
        self.assertIn("rustfmt-web", self.packages(offered, "rustfmt", rustc=(1, 96, 0)))
        self.assertEqual(self.packages(offered, "rustfmt", rustc=(1, 95, 0)), [])


class Enough(unittest.TestCase):
    def test_qemu_asks_for_nothing_else(self):
        """What its script refuses to begin without is there if the doctor is content."""
        script = (paths.HERE / "qemu/build.sh").read_text()
        asked = set(re.findall(r"^\tneed \S+ (\S+)$", script, re.M))
        asked |= set(re.findall(r"missing\+=\(([a-z]\S+)\)", script))
        known = {package for need in needs.NEEDS for package in need.packages}
        self.assertGreater(len(asked), 5)
        self.assertLessEqual(asked, known | ESSENTIAL)
