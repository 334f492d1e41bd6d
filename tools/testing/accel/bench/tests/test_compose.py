# SPDX-License-Identifier: GPL-2.0
import os

from bench import compose
from bench.report import Stop
from bench.tests.small_tree import SmallTree, put


class Tree(SmallTree):
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

    def test_content_changes_with_what_is_written_or_taken_back(self):
        self.compose()
        first = compose.content()
        self.compose()
        self.assertEqual(compose.content(), first)
        put(self.repo, "drivers/accel/new.c", "int ours;\n")
        self.compose()
        second = compose.content()
        self.assertNotIn(second, (first, None))
        (self.repo / "drivers/accel/new.c").unlink()
        self.compose()
        self.assertNotIn(compose.content(), (second, None))

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
