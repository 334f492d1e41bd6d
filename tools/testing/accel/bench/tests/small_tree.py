# SPDX-License-Identifier: GPL-2.0
"""What tests of the composed tree and of the series have in common."""

import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from bench import compose, hooks, patches, paths


def put(root, name, text):
    target = root / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    return target


class SmallTree(unittest.TestCase):
    """A small Linux, a small repository."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        root = Path(directory.name)
        self.linux, self.repo = root / "linux", root / "repo"
        self.tree = self.repo / "build/linux"
        put(self.linux, "Makefile", "VERSION = 7\n")
        put(self.linux, "drivers/Makefile", "obj-y += base/\n")
        put(self.linux, "drivers/base.c", "int base;\n")
        put(self.repo, ".gitignore", "/build/\n")
        put(self.repo, "drivers/accel/core.rs", "one\n")
        put(self.repo, "integration/hooks",
            "file: drivers/Makefile\nafter: obj-y += base/\ninsert: obj-y += accel/\n")
        subprocess.run(["git", "init", "-q", self.repo], check=True)
        for target, name, value in (
                (paths, "REPO", self.repo), (paths, "BUILD", self.repo / "build"),
                (paths, "TREE", self.tree), (compose, "STATE", self.repo / "build/linux.json"),
                (hooks, "FILE", self.repo / "integration/hooks"),
                (patches, "DIRECTORIES", (self.repo / "integration/patches",)),
                (compose, "say", lambda text: None)):
            self.replace(target, name, value)

    def replace(self, target, name, value):
        replaced = mock.patch.object(target, name, value)
        replaced.start()
        self.addCleanup(replaced.stop)

    def compose(self):
        return compose.compose(self.linux, "7.3.4")

    def read(self, name):
        return (self.tree / name).read_text()
