# SPDX-License-Identifier: GPL-2.0
"""The code in the guide for drivers."""

import unittest

from bench import checks, guide, paths

TEXT = """
How to
======

1. A module
-----------

::

    struct Sample {
        _device: u32,
    }

    impl kernel::Module for Sample {
        fn init() -> Self {
            let device = faux::Registration::new(c"x");
            Self { _device: 1 }
        }
    }

2. A driver
-----------

Add::

    #[vtable]
    impl accel::Driver for Sample {
        type Queue = ();

        fn info() -> accel::DeviceInfo {
            accel::DeviceInfo {
                queues: 1,
                ..accel::DeviceInfo::UNKNOWN
            }
        }
    }

and behind the device::

            accel::register::<Sample>(device);

More
----

A picture::

    ── not code ──

and code::

        // Said elsewhere.
        let x = y;
"""
GROWN = """
3. Queues
---------

::

                queues: 8,
                depth: 2,

and, with ``()`` gone::

        type Queue = Queue;

        // A remark.
        fn queue() {}

of::

    struct Queue {
    }
"""


class Steps(unittest.TestCase):
    def test_are_added_to_each_other_where_they_belong(self):
        steps = guide.steps(TEXT + GROWN, ["use kernel::prelude::*;"])
        self.assertEqual(len(steps), 3)
        self.assertNotIn("accel::Driver", steps[0])
        self.assertIn('c"x");\n        accel::register', steps[1])
        self.assertIn("queues: 8,\n            depth: 2,\n            ..accel", steps[2])
        self.assertIn("type Queue = Queue;", steps[2])
        self.assertNotIn("type Queue = ();", steps[2])
        self.assertTrue(steps[2].endswith("struct Queue {\n}\n"))
        self.assertTrue(all(step.startswith("use kernel::prelude::*;\n") for step in steps))

    def test_of_the_guide_come_to_the_sample(self):
        sample = (paths.REPO / checks.SAMPLE).read_text()
        text = (paths.REPO / "Documentation/accel/driver-guide.rst").read_text()
        last = guide.steps(text, guide.imports_of(sample))[-1].splitlines()
        code = [line for line in sample.splitlines() if line and not line.startswith("//")]
        self.assertEqual([line for line in code if line not in last and "// " not in line
                          and "/// " not in line], [])


class Quotes(unittest.TestCase):
    def test_stand_in_a_file_or_are_found(self):
        there = "fn f() {\n    // Said elsewhere.\n\n    let x = y;\n}\n"
        example = "/// # // Said elsewhere.\n/// let x = y;\n"
        self.assertEqual(guide.unquoted(TEXT, ["", there]), [])
        self.assertEqual(guide.unquoted(TEXT, [example]), [])
        self.assertEqual(guide.unquoted(TEXT, [there.replace("x", "z")]),
                         [["    // Said elsewhere.", "    let x = y;"]])
