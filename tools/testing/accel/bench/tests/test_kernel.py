# SPDX-License-Identifier: GPL-2.0
"""The kernels' configurations."""

import unittest

from bench import kernel
from bench.kernel import BOOTED, CONFIG, FLAVOURS, _symbols

CHECKERS = ("KASAN", "KASAN_VMALLOC", "PROVE_LOCKING", "PROVE_RCU", "DEBUG_KMEMLEAK",
            "DEBUG_ATOMIC_SLEEP", "DEBUG_PREEMPT", "DEBUG_LIST", "DEBUG_SG", "DEBUG_VM",
            "DMA_API_DEBUG", "DMABUF_DEBUG", "DETECT_HUNG_TASK", "SOFTLOCKUP_DETECTOR",
            "FAULT_INJECTION", "FAILSLAB", "FAIL_PAGE_ALLOC", "FAULT_INJECTION_USERCOPY",
            "UBSAN", "UBSAN_BOUNDS", "UBSAN_SHIFT", "RUST_OVERFLOW_CHECKS",
            "RUST_DEBUG_ASSERTIONS", "RUST_KERNEL_DOCTESTS")


class Fragments(unittest.TestCase):

    def wanted(self, flavour):
        return _symbols(kernel._fragments(flavour))

    def test_each_is_there_and_used(self):
        used = {name for kind in FLAVOURS.values() for name in kind.fragments}
        self.assertEqual(used, {path.stem for path in CONFIG.glob("*.config")})

    def test_none_asks_twice_for_an_option(self):
        for flavour, kind in FLAVOURS.items():
            lines = kernel._fragments(flavour).splitlines()
            options = [line.split("=")[0] for line in lines if line.startswith("CONFIG_")]
            self.assertEqual(sorted(set(options)), sorted(options), flavour)

    def test_the_checking_kernels_have_all_checkers(self):
        for flavour in ("check", "fuzz"):
            options = self.wanted(flavour)
            lacking = [name for name in CHECKERS if options.get(f"CONFIG_{name}") != "y"]
            self.assertEqual(lacking, [], flavour)

    def test_the_plain_kernel_has_none(self):
        options = self.wanted("plain")
        self.assertFalse([name for name in CHECKERS if f"CONFIG_{name}" in options
                          and name != "RUST_OVERFLOW_CHECKS"])

    def test_what_the_kselftests_ask_for_is_in_the_checking_kernel(self):
        asked = _symbols((CONFIG.parents[1] / "selftests/accel/config").read_text())
        options = self.wanted("check")
        self.assertEqual({name: options.get(name) for name in asked}, asked)
        self.assertIn("check", BOOTED)


if __name__ == "__main__":
    unittest.main()
