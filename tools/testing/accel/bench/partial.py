# SPDX-License-Identifier: GPL-2.0
"""Files as they are while the series is half applied.

A line that names a file of the overlay comes with that file: `mod` in Rust, `source` in Kconfig.
"""

import re
from pathlib import PurePosixPath

MODULE = re.compile(r"\s*(?:pub(?:\([^)]*\))? )?mod (\w+);")
MENU = re.compile(r'\s*source "([^"]+)"')
ATTACHED = re.compile(r"\s*(?:#\[|///)")
ROOTS = ("lib.rs", "main.rs", "mod.rs")


def without(absent, name, content):
    """The content of a file while those named by `absent` are not there yet."""
    lines = content.decode().splitlines(keepends=True) if _may_name(name) else []
    kept = []
    for line in lines:
        if absent.isdisjoint(_named(name, line)):
            kept.append(line)
        else:
            _drop_attached(kept)
    if len(kept) == len(lines):
        return content
    return re.sub("\n{3,}", "\n\n", "".join(kept)).encode()


def _may_name(name):
    return name.endswith((".rs", "Kconfig"))


def _named(name, line):
    """The files that a line can mean."""
    path = PurePosixPath(name)
    menu, module = MENU.match(line), MODULE.match(line)
    if path.name == "Kconfig":
        return {menu[1]} if menu else set()
    if not module:
        return set()
    below = path.parent if path.name in ROOTS else path.with_suffix("")
    return {str(below / f"{module[1]}.rs"), str(below / module[1] / "mod.rs")}


def _drop_attached(kept):
    """Attributes and documentation of the line that is left out."""
    while kept and ATTACHED.match(kept[-1]):
        kept.pop()
