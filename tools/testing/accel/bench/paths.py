# SPDX-License-Identifier: GPL-2.0
"""Where things lie: the clone, its build directory, and the cache that outlives both."""

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
REPO = HERE.parent.parent.parent
BUILD = REPO / "build"
LOGS = BUILD / "log"
TREE = BUILD / "linux"
INTEGRATION = REPO / "integration"


def _cache():
    own = os.environ.get("ACCEL_CACHE")
    if own:
        return Path(own).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().resolve() / "accel"


CACHE = _cache()
DOWNLOADS = CACHE / "dl"


def short(path):
    """A path as a person would type it: relative to the clone where it lies inside."""
    path = Path(path)
    try:
        return str(path.relative_to(REPO))
    except ValueError:
        return str(path)
