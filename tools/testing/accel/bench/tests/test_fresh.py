# SPDX-License-Identifier: GPL-2.0
"""What a fresh machine gets of this one, and what it does not."""

import os
import unittest
from unittest import mock

from bench import apt, fresh
from bench.report import Stop

MAIN, SECURITY = "http://mirror.example/debian", "http://mirror.example/debian-security"
OWN = [(MAIN, "bookworm"), (MAIN, "bookworm-updates"), (SECURITY, "bookworm-security"),
       ("http://other.example", "stuff")]


class Sources(unittest.TestCase):
    def setUp(self):
        for name, value in (("_sources", OWN), ("_codename", "bookworm")):
            patch = mock.patch.object(apt, name, return_value=value)
            patch.start()
            self.addCleanup(patch.stop)

    def test_another_release_has_the_same_kinds(self):
        self.assertEqual(apt.sources("trixie"), [
            (MAIN, "trixie"), (MAIN, "trixie-updates"), (SECURITY, "trixie-security")])

    def test_sid_has_one(self):
        self.assertEqual(apt.sources("sid"), [(MAIN, "sid")])

    def test_a_machine_of_sid_has_one_for_each(self):
        with mock.patch.object(apt, "_sources", return_value=[(MAIN, "sid")]):
            self.assertEqual(apt.sources("trixie"), [(MAIN, "trixie")])


class Environment(unittest.TestCase):
    def test_the_way_to_the_network_and_nothing_else(self):
        given = {"https_proxy": "p", "PIP_CERT": "c", "CARGO_HTTP_CAINFO": "i", "CARGO_HOME": "h",
                 "CARGO_REGISTRIES_OWN_TOKEN": "t", "CC": "gcc", "PATH": "/opt"}
        with mock.patch.dict(os.environ, given, clear=True):
            environment = fresh.environment()
        self.assertEqual(set(environment), {"https_proxy", "PIP_CERT", "CARGO_HTTP_CAINFO", "PATH",
                                            "HOME", "LC_ALL"})
        self.assertNotEqual(environment["PATH"], "/opt")

    def test_a_suite_is_no_path(self):
        with mock.patch.object(apt, "is_root", return_value=True), self.assertRaises(Stop):
            fresh.run(fresh.Trial("../.."))
