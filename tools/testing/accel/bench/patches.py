# SPDX-License-Identifier: GPL-2.0
"""Small patches to files that Linux already has, applied outside the tree."""

import re
import subprocess
import tempfile
from pathlib import Path

from . import paths
from .report import Stop

SERIES = (paths.INTEGRATION / "patches",)
# The series proper first; what follows is for the kernel under test only.
DIRECTORIES = (
    *SERIES,
    paths.INTEGRATION / "test-kernel",
    paths.HERE / "mainline",
)


def load(directories=None):
    """All patch files in the order in which they apply, or those of some directories."""
    directories = DIRECTORIES if directories is None else directories
    return [patch for directory in directories for patch in sorted(directory.glob("*.patch"))]


def targets(patch):
    """The files that a patch changes."""
    names = re.findall(r"^\+\+\+ b/(\S+)", patch.read_text(), re.M)
    if not names:
        raise Stop(f"{paths.short(patch)}: no line `+++ b/PATH` says which file it changes.")
    return names


def apply(patch, contents):
    """Applies a patch to {path: bytes}; returns the same mapping, changed."""
    with tempfile.TemporaryDirectory() as scratch:
        for name, content in contents.items():
            target = Path(scratch) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        command = ["git", "apply", "-p1", "--whitespace=nowarn", str(patch.resolve())]
        result = subprocess.run(command, cwd=scratch, capture_output=True, text=True)
        if result.returncode:
            raise Stop(f"{paths.short(patch)} doesn't apply to this Linux version: "
                       f"{result.stderr.strip()}. Make it anew against the pristine file "
                       f"({', '.join(contents)}).")
        return {name: (Path(scratch) / name).read_bytes() for name in contents}
