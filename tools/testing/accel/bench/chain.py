# SPDX-License-Identifier: GPL-2.0
"""The steps that every command is made of, in the order in which they need each other."""

from . import compose, needs, report, source
from .kernel import Kernel


def tools(steps):
    """Step 1: everything that the later steps need."""
    steps.start("looking for the tools")
    lacking = needs.provide()
    if lacking:
        report.say(f"      missing: {', '.join(need.name for need in lacking)}")
        report.say("\n".join(needs.advice(lacking)))


def tree(steps):
    """Step 2: the composed tree."""
    steps.start("composing the tree")
    needs.require("source")
    pristine, version = source.get()
    changed, gone = compose.compose(pristine, version)
    for name in changed:
        report.say(f"      wrote {name}")
    for name in gone:
        report.say(f"      took back {name}")
    report.say(f"      Linux {version} from {pristine}: {len(changed)} files written, "
               f"{len(gone)} taken back")


def kernel(steps, flavour):
    """Step 3: a kernel and its modules."""
    needs.require("kernel")
    needs.require("rust")
    built = Kernel(flavour)
    built.configure(steps)
    built.build(steps)
    return built
