# SPDX-License-Identifier: GPL-2.0
import os
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from bench import compose, hooks, patches, paths
from bench.report import Stop


def put(root, name, text):
    target = root / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    return target


class Tree(unittest.TestCase):
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
            replaced = mock.patch.object(target, name, value)
            replaced.start()
            self.addCleanup(replaced.stop)

    def compose(self):
        return compose.compose(self.linux, "7.3.4")

    def read(self, name):
        return (self.tree / name).read_text()

    def test_overlay_and_hook(self):
        self.compose()
        self.assertEqual(self.read("drivers/accel/core.rs"), "one\n")
        self.assertEqual(self.read("drivers/Makefile"), "obj-y += base/\nobj-y += accel/\n")

    def test_second_run_writes_nothing(self):
        self.compose()
        before = (self.tree / "drivers/Makefile").stat().st_mtime_ns
        self.assertEqual(self.compose(), ([], []))
        self.assertEqual((self.tree / "drivers/Makefile").stat().st_mtime_ns, before)

    def test_edit_writes_that_file_only(self):
        self.compose()
        put(self.repo, "drivers/accel/core.rs", "two\n")
        self.assertEqual(self.compose(), (["drivers/accel/core.rs"], []))

    def test_removed_overlay_file_disappears(self):
        self.compose()
        os.unlink(self.repo / "drivers/accel/core.rs")
        self.assertEqual(self.compose(), ([], ["drivers/accel/core.rs"]))
        self.assertFalse((self.tree / "drivers/accel").exists())

    def test_removed_hook_restores_and_looks_new(self):
        os.utime(self.linux / "drivers/Makefile", (1, 1))
        self.compose()
        put(self.repo, "integration/hooks", "# none\n")
        self.compose()
        self.assertEqual(self.read("drivers/Makefile"), "obj-y += base/\n")
        self.assertGreater((self.tree / "drivers/Makefile").stat().st_mtime, 1)

    def test_file_of_linux_is_refused(self):
        put(self.repo, "drivers/base.c", "int ours;\n")
        with self.assertRaisesRegex(Stop, "drivers/base.c: Linux already has"):
            self.compose()

    def test_found_tree_is_adopted_with_its_objects(self):
        self.compose()
        put(self.tree, "plain/vmlinux", "object")
        put(self.tree, "drivers/stranger.c", "?")
        put(self.tree, "drivers/base.c", "changed by hand\n")
        compose.STATE.unlink()
        self.compose()
        self.assertEqual(self.read("plain/vmlinux"), "object")
        self.assertEqual(self.read("drivers/base.c"), "int base;\n")
        self.assertFalse((self.tree / "drivers/stranger.c").exists())

    def test_patch(self):
        put(self.repo, "integration/patches/one.patch",
            "--- a/drivers/base.c\n+++ b/drivers/base.c\n@@ -1 +1 @@\n-int base;\n+int bass;\n")
        self.compose()
        self.assertEqual(self.read("drivers/base.c"), "int bass;\n")

    def test_patch_that_fails_names_itself(self):
        put(self.repo, "integration/patches/one.patch",
            "--- a/drivers/base.c\n+++ b/drivers/base.c\n@@ -1 +1 @@\n-long base;\n+int bass;\n")
        with self.assertRaisesRegex(Stop, "one.patch doesn't apply"):
            self.compose()
