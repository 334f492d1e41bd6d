# SPDX-License-Identifier: GPL-2.0
"""What is made of the ends of a compiler."""

import unittest
from pathlib import Path

from bench import refused
from bench.report import Stop

MOVED = """warning: unused variable: `x`
 --> a.rs:3:9

error[E0382]: use of moved value: `ticket`
  --> a.rs:33:9

error: aborting due to 1 previous error; 1 warning emitted

For more information about this error, try `rustc --explain E0382`.
"""
LIFETIME = """error: lifetime may not live long enough
  --> a.rs:24:9
"""
SAVED = ("OBJTREE=/o RUST_MODFILE=samples/rust/rust_driver_accel rustc --edition=2021 --cfg MODULE "
         "-Zcrate-attr='feature(a,b)' --out-dir samples/rust/ "
         "--emit=dep-info=samples/rust/.rust_driver_accel.o.d "
         "--emit=obj=samples/rust/rust_driver_accel.o ../samples/rust/rust_driver_accel.rs   ; "
         "./tools/objtool/objtool samples/rust/rust_driver_accel.o")


def case(line):
    return refused.parse("a", f"// SPDX\n{line}\n")


class Refused(unittest.TestCase):

    def test_every_file_says_how_it_ends_and_one_is_accepted(self):
        found = refused.cases()
        self.assertGreater(len(found), 30)
        self.assertEqual(["honest"], [one.name for one in found if not one.words])

    def test_who_does_not_say_is_told(self):
        for line in ("", "// refused", "// refused: ", "refused: E0382 moved"):
            with self.assertRaises(Stop):
                case(line)

    def test_the_error_that_is_meant(self):
        self.assertEqual("", case("// refused: E0382 moved").complaint(1, MOVED))
        text = "// refused: lifetime may not live long enough"
        self.assertEqual("", case(text).complaint(1, LIFETIME))
        self.assertEqual("", case("// accepted").complaint(0, "warning: it is odd\n"))

    def test_another_error(self):
        for line, code, output in (
                ("// refused: E0382 moved", 1, LIFETIME),
                ("// refused: E0382 moved", 1, MOVED + LIFETIME),
                ("// refused: E0382 borrowed", 1, MOVED),
                ("// refused: moved", 1, MOVED),
                ("// refused: E0382 moved", 1, "thread panicked"),
                ("// refused: E0382 moved", 0, ""),
                ("// accepted", 1, MOVED),
        ):
            self.assertTrue(case(line).complaint(code, output), (line, output))

    def test_a_file_is_compiled_as_the_sample_is(self):
        self.assertEqual(
            ["OBJTREE=/o", "RUST_MODFILE=rogue", "rustc", "--edition=2021", "--cfg", "MODULE",
             "-Zcrate-attr=feature(a,b)", "--out-dir", "/t", "--emit=obj=/t/rogue.o",
             "--crate-name", "rogue", "--color", "never"],
            refused.words(SAVED, Path("/t")))


if __name__ == "__main__":
    unittest.main()
