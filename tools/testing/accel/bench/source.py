# SPDX-License-Identifier: GPL-2.0
"""Pristine Linux 7.3.x: given by the person, cached, from the distribution, or from kernel.org."""

import os
import re
from pathlib import Path

from . import paths
from .report import Stop

SERIES = "7.3"
CACHED = paths.CACHE / "linux"


def find():
    """(path, version) of the source to use, or None if it has to be fetched."""
    given = os.environ.get("KSRC")
    if given:
        return _given(Path(given).expanduser().resolve())
    found = [(version(path), path) for path in CACHED.glob("*") if _usable(path)]
    if not found:
        return None
    newest = max(found, key=lambda pair: [int(part) for part in pair[0].split(".")])
    return newest[1], newest[0]


def version(path):
    """The version that a source directory's Makefile states, or an empty string."""
    try:
        head = (path / "Makefile").read_text()[:2000]
    except OSError:
        return ""
    parts = [re.search(rf"^{key} = (\d+)$", head, re.M)
             for key in ("VERSION", "PATCHLEVEL", "SUBLEVEL")]
    return ".".join(part.group(1) for part in parts) if all(parts) else ""


def _usable(path):
    return version(path).startswith(SERIES + ".")


def _given(path):
    if not _usable(path):
        raise Stop(f"KSRC={path} holds {version(path) or 'no Linux source'}; this project builds "
                   f"on Linux {SERIES}.x. Give another directory, or leave KSRC away to have the "
                   "source fetched.")
    if (path / ".config").exists() or (path / "include/config").exists():
        raise Stop(f"KSRC={path} has been built in, and a separate object directory needs a clean "
                   f"source. Run `make -C {path} mrproper` (this removes its .config too).")
    return path, version(path)
