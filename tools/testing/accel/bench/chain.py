# SPDX-License-Identifier: GPL-2.0
"""The steps that every command is made of, in the order in which they need each other."""

from . import compose, report, source
from .kernel import Kernel


def tools(steps):
    """Step 1: everything that the later steps need."""
    steps.start("looking for the tools")


def tree(steps):
    """Step 2: the composed tree."""
    steps.start("composing the tree")
    pristine, version = source.find()
    changed, gone = compose.compose(pristine, version)
    for name in changed:
        report.say(f"      wrote {name}")
    for name in gone:
        report.say(f"      took back {name}")
    report.say(f"      Linux {version} from {pristine}: {len(changed)} files written, "
               f"{len(gone)} taken back")


def kernel(steps, flavour):
    """Step 3: a kernel and its modules."""
    built = Kernel(flavour)
    built.configure(steps)
    built.build(steps)
    return built
