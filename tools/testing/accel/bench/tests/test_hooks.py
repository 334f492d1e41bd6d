# SPDX-License-Identifier: GPL-2.0
import unittest

from bench.hooks import Hook, apply
from bench.report import Stop

TEXT = "#include <b.h>\n#include <d.h>\n\nmenu\nend\nmenu\nother\n"


def hook(place, anchor, *lines, within=""):
    return Hook(1, file="file", within=within, place=place, anchor=anchor, lines=list(lines))


class Places(unittest.TestCase):
    def test_after(self):
        self.assertIn("end\nnew\nmenu", apply(hook("after", "end", "new"), TEXT))

    def test_before(self):
        self.assertIn("menu\nnew\nend", apply(hook("before", "end", "new"), TEXT))

    def test_instead_of(self):
        changed = apply(hook("instead-of", "end", "new", "newer"), TEXT)
        self.assertIn("menu\nnew\nnewer\nmenu", changed)

    def test_within_chooses_the_one_behind_it(self):
        changed = apply(hook("after", "menu", "new", within="end"), TEXT)
        self.assertTrue(changed.endswith("end\nmenu\nnew\nother\n"))

    def test_sorted_in_the_middle(self):
        changed = apply(hook("sorted-in", "#include <", "#include <c.h>"), TEXT)
        self.assertTrue(changed.startswith("#include <b.h>\n#include <c.h>\n#include <d.h>\n"))

    def test_sorted_at_the_end_of_the_block(self):
        changed = apply(hook("sorted-in", "#include <", "#include <e.h>"), TEXT)
        self.assertTrue(changed.startswith("#include <b.h>\n#include <d.h>\n#include <e.h>\n\n"))

    def test_end(self):
        self.assertEqual(apply(hook("at-end-of", "file", "a", "b"), TEXT), TEXT + "a\nb\n")


class Refusals(unittest.TestCase):
    def refused(self, broken, *words):
        with self.assertRaises(Stop) as caught:
            apply(broken, TEXT)
        for word in words:
            self.assertIn(word, str(caught.exception))

    def test_missing_anchor_names_file_and_line(self):
        self.refused(hook("after", "nowhere", "x"), "file", "nowhere", "is not there")

    def test_ambiguous_anchor(self):
        self.refused(hook("after", "menu", "x"), "2 times", "within")

    def test_line_that_linux_has(self):
        self.refused(hook("sorted-in", "#include <", "#include <b.h>"), "already has")
