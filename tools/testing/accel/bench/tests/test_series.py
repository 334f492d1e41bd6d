# SPDX-License-Identifier: GPL-2.0
import os
import subprocess
import unittest

from bench import cover, partial, plan, series, source
from bench.report import Stop
from bench.stepwise import targets
from bench.tests.small_tree import SmallTree, put

PLAN = """\
series: first
cover: rust: what others may use
section: README.md: More

patch: general
subject: rust: part: add a part
user: rust/accel.rs
why: It is of use.
add: rust/part.rs

series: second
cover: accel: all of it
introduction: README.md

patch: core
subject: accel: add the core
why: It is all in one.
add: drivers/accel/
add: rust/a*.rs
"""
HOOKS = """\
file: drivers/Makefile
patch: core
after: obj-y += base/
insert: obj-y += accel/
"""


class Series(SmallTree):
    def setUp(self):
        super().setUp()
        put(self.linux, "rust/lib.rs", "\n")
        put(self.repo, "rust/part.rs", "part\n")
        put(self.repo, "rust/accel.rs", "accel\n")
        put(self.repo, "README.md", "# accel\n\nWhat it is.\n\n## More\n\nThat.\n")
        put(self.repo, "integration/hooks", HOOKS)
        put(self.repo, "integration/series", PLAN)
        subprocess.run(["git", "-C", self.repo, "-c", "user.name=a", "-c", "user.email=a@b",
                        "commit", "-q", "--allow-empty", "-m", "one"], check=True)
        self.replace(plan, "FILE", self.repo / "integration/series")
        self.replace(series, "OUTPUT", self.repo / "build/series")
        self.replace(source, "get", lambda: (self.linux, "7.3.4"))

    def refused(self, words):
        with self.assertRaisesRegex(Stop, words):
            series.write_and_apply()

    def change(self, name, old, new):
        put(self.repo, name, (self.repo / name).read_text().replace(old, new))

    def test_patches_in_the_order_of_the_plan(self):
        first, second = (patch.read_text() for patch in series.write_and_apply())
        self.assertIn("Subject: [PATCH 1/1] rust: part: add a part\n\nIt is of use.\n\n"
                      "One user: rust/accel.rs\n", first)
        self.assertIn("Subject: [PATCH 1/1] accel: add the core\n", second)
        self.assertIn("+++ b/rust/part.rs", first)
        self.assertNotIn("drivers", first)
        for line in ("+obj-y += accel/", "+++ b/drivers/accel/core.rs", "+++ b/rust/accel.rs"):
            self.assertIn(line, second)

    def test_cover_letters(self):
        series.write_and_apply()
        first, second = ((self.repo / "build/series" / name / "0000-cover-letter.patch").read_text()
                         for name in ("1-first", "2-second"))
        self.assertIn("Subject: [PATCH 0/1] rust: what others may use\n\nMore\n----\n\nThat.\n",
                      first)
        self.assertIn("The series applies to Linux 7.3.4.", first)
        self.assertIn("1 file changed", first)
        self.assertIn("Subject: [PATCH 0/1] accel: all of it\n\nWhat it is.\n", second)
        self.assertNotIn("That.", second)
        self.assertIn("The series applies to Linux 7.3.4 with the series before it: rust: what\n"
                      "others may use.", second)
        self.assertIn("3 files changed", second)

    def test_second_run_writes_the_same(self):
        before = [patch.read_text() for patch in series.write_and_apply()]
        self.assertEqual([patch.read_text() for patch in series.write_and_apply()], before)

    def test_executable_file(self):
        os.chmod(self.repo / "rust/part.rs", 0o755)
        self.assertIn("new file mode 100755", series.write_and_apply()[0].read_text())

    def test_series_without_cover_is_named(self):
        self.change("integration/series", "cover: accel: all of it\n", "")
        self.refused("the series second needs a `cover:` line and a patch")

    def test_patch_outside_of_a_series_is_named(self):
        self.change("integration/series", "series: first\n", "")
        self.refused(":1: `cover` is not known here")

    def test_patch_without_user_is_named(self):
        self.change("integration/series", "user: rust/accel.rs\n", "")
        self.refused("the patch general needs a `user:` line")

    def test_user_that_is_gone_is_named(self):
        self.change("integration/series", "user: rust/accel.rs", "user: rust/gone.rs")
        self.refused("the patch general is used by rust/gone.rs, which is not there")

    def test_file_without_patch_is_named(self):
        put(self.repo, "rust/stray.rs", "x\n")
        self.refused("rust/stray.rs belongs to no patch")

    def test_file_in_two_patches_is_named(self):
        self.change("integration/series", "add: rust/part.rs", "add: rust/*.rs")
        self.refused("rust/accel.rs belongs to more than one patch .*general, core")

    def test_pattern_without_file_is_named(self):
        self.change("integration/series", "part.rs", "gone.rs")
        self.refused("general adds rust/gone.rs, but the overlay has no such file")

    def test_hook_without_patch_is_named(self):
        self.change("integration/hooks", "patch: core\n", "")
        self.refused("hook for drivers/Makefile belongs to no patch")

    def test_hook_of_an_unknown_patch_is_named(self):
        self.change("integration/hooks", "patch: core", "patch: none")
        self.refused("hook for drivers/Makefile belongs to the patch none")

    def test_patch_without_content_is_named(self):
        self.change("integration/series", "patch: core", "patch: empty\nsubject: x\nwhy: y\n\n"
                    "patch: core")
        self.refused("the patch empty has neither a file nor a hook")

    def test_patch_without_reason_is_named(self):
        self.change("integration/series", "why: It is of use.\n", "")
        self.refused("the patch general needs a `subject:` line and `why:`")

    def test_patch_outside_of_the_plan_is_named(self):
        patch = ("--- a/drivers/base.c\n+++ b/drivers/base.c\n@@ -1 +1 @@\n-int base;\n"
                 "+int bass;\n")
        put(self.repo, "integration/patches/one.patch", patch)
        self.replace(series.patches, "SERIES", (self.repo / "integration/patches",))
        self.refused("not as in the composed tree: drivers/base.c")


class Partial(unittest.TestCase):
    def test_module_comes_with_its_file(self):
        text = b"mod here;\n/// Later.\n#[cfg(CONFIG_X)]\npub(crate) mod later;\npub mod last;\n"
        shown = partial.without({"rust/a/later.rs", "rust/a/last/mod.rs"}, "rust/a.rs", text)
        self.assertEqual(shown, b"mod here;\n")

    def test_no_gap_is_left(self):
        text = b"use x;\n\nmod later;\n\nfn f() {}\n"
        self.assertEqual(partial.without({"a/later.rs"}, "a.rs", text), b"use x;\n\nfn f() {}\n")

    def test_module_of_a_root_lies_beside_it(self):
        self.assertEqual(partial.without({"src/a.rs"}, "src/lib.rs", b"mod a;\nmod b;\n"),
                         b"mod b;\n")

    def test_menu_comes_with_its_file(self):
        text = b'if X\nsource "a/Kconfig"\nsource "b/Kconfig"\nendif\n'
        self.assertEqual(partial.without({"a/Kconfig"}, "Kconfig", text),
                         b'if X\nsource "b/Kconfig"\nendif\n')

    def test_other_files_stay(self):
        self.assertEqual(partial.without({"a.rs"}, "lib.c", b"mod a;\xff"), b"mod a;\xff")


class Cover(SmallTree):
    TEXT = (".. SPDX\n\n=====\nTitle\n=====\n\nOne ``word``.\n\n- an item\n  goes on\n"
            "- and another\n\nPart\n====\n\nTerm\n  What it\n  is.\n\n::\n\n  │ drawn │\n")

    def passage(self, kind, what):
        put(self.repo, "a.rst", self.TEXT)
        return cover.text(plan.Series(1, "one", passages=[(kind, what)]))

    def test_introduction(self):
        self.assertEqual(self.passage("introduction", "a.rst"),
                         "One word.\n\n- an item goes on\n- and another\n")

    def test_section(self):
        self.assertEqual(self.passage("section", "a.rst: Part"),
                         "Part\n----\n\nTerm\n  What it is.\n\n  │ drawn │\n")

    def test_paragraph(self):
        self.assertEqual(self.passage("paragraph", "a.rst: One"), "One word.\n")

    def test_passage_that_is_gone(self):
        for kind, what in (("section", "a.rst: Gone"), ("paragraph", "a.rst: Gone")):
            with self.assertRaisesRegex(Stop, "`Gone` of a.rst, which is not there"):
                self.passage(kind, what)


class Targets(unittest.TestCase):
    def test_directories(self):
        touched = ["rust/kernel/a.rs", "include/uapi/a.h", "drivers/accel/sim/a.rs",
                   "drivers/Makefile", "samples/rust/a.rs", "Documentation/a.rst", "tools/a.rs"]
        self.assertEqual(targets(touched), ["drivers/accel/", "rust/", "samples/rust/"])
