# SPDX-License-Identifier: GPL-2.0
"""Two commands in one clone."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from bench import chain, paths, report

HOLDER = """
import sys
from pathlib import Path
from bench import chain, paths
paths.BUILD = Path(sys.argv[1])
with chain.alone():
    print("have it", flush=True)
    sys.stdin.readline()
"""


class Alone(unittest.TestCase):
    def test_who_waits_says_for_whom(self):
        said = []
        with tempfile.TemporaryDirectory() as directory:
            holder = subprocess.Popen([sys.executable, "-c", HOLDER, directory], text=True,
                                      cwd=paths.HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self.assertEqual(holder.stdout.readline(), "have it\n")

            def say(text):
                said.append(text)
                holder.communicate("go\n")

            with (mock.patch.object(paths, "BUILD", Path(directory)),
                  mock.patch.object(report, "say", say), chain.alone()):
                own = (Path(directory) / "lock").read_text()
        self.assertEqual(len(said), 1)
        self.assertRegex(said[0], rf"at work in this clone: -c .* \(process {holder.pid}\)$")
        self.assertIn(f"(process {os.getpid()})", own)

    def test_who_does_not_wait_says_nothing(self):
        with (tempfile.TemporaryDirectory() as directory,
              mock.patch.object(paths, "BUILD", Path(directory)),
              mock.patch.object(report, "say") as say, chain.alone()):
            say.assert_not_called()
