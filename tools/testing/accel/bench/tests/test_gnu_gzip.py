# SPDX-License-Identifier: GPL-2.0
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from bench import apt, gnu_gzip, paths, report
from bench.score import Score


class Suite(unittest.TestCase):
    def test_has_the_tests_that_its_makefile_lists(self):
        makefile = "A = b\nTESTS =\t\\\n  one\t\\\n  two-three\n\nEXTRA =\\\n  $(TESTS)\n"
        self.assertEqual(gnu_gzip.tests(makefile), ["one", "two-three"])

    def test_is_named_where_it_cannot_be_had(self):
        score = Score()
        with (tempfile.TemporaryDirectory() as empty,
              mock.patch.object(paths, "DOWNLOADS", Path(empty)),
              mock.patch.object(apt, "mirrors", return_value=[]),
              mock.patch.object(report, "say") as said):
            gnu_gzip.run(score)
            score.ok()
            self.assertEqual(score.finish(), 0)
        said.assert_any_call("not run, for want of gzip_1.12.orig.tar.xz, which can't be had here: "
                             "1 cases")
