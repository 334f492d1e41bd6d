# SPDX-License-Identifier: GPL-2.0
"""The overlay: the files of this repository that lie at a path of the Linux tree."""

import os
import subprocess
from pathlib import PurePosixPath

from . import paths
from .report import Stop

# These lie in a directory that Linux has too, but they serve the tree from outside.
OUTSIDE = ("tools/testing/accel/",)


def files(pristine):
    """Relative paths of all overlay files, tracked or new, but not ignored ones."""
    found = [name for name in listed() if _belongs(name, pristine)]
    for name in found:
        _refuse_if_in_linux(name, pristine)
    return found


def read(name):
    """Content and executable bit of one overlay file."""
    path = paths.REPO / name
    return path.read_bytes(), os.access(path, os.X_OK)


def listed():
    """All files of the repository, tracked or new, but not ignored ones."""
    command = ["git", "-C", paths.REPO, "ls-files", "-z", "--cached", "--others",
               "--exclude-standard"]
    listing = subprocess.run(command, capture_output=True, text=True)
    if listing.returncode:
        raise Stop(f"git can't list the files of {paths.REPO}: {listing.stderr.strip()} "
                   "Get the project with `git clone`.")
    names = set(listing.stdout.split("\0")) - {""}
    return sorted(name for name in names if (paths.REPO / name).is_file())


def _belongs(name, pristine):
    top = PurePosixPath(name).parts[0]
    if name.startswith(OUTSIDE) or top == name:
        return False
    return (pristine / top).is_dir()


def _refuse_if_in_linux(name, pristine):
    if (pristine / name).exists():
        raise Stop(f"{name}: Linux already has a file of this name, so the overlay can't bring "
                   "one. Put lines to insert into integration/hooks, or a change into "
                   "integration/patches/, and remove the file from the overlay.")
