# SPDX-License-Identifier: GPL-2.0
"""integration/hooks: lines for files that Linux already has.

The format is described at the head of that file.
"""

from dataclasses import dataclass, field

from . import paths
from .report import Stop

FILE = paths.INTEGRATION / "hooks"
PLACES = ("after", "before", "instead-of", "sorted-in", "at-end-of")


@dataclass
class Hook:
    """One block of the hooks file."""
    number: int
    file: str = ""
    patch: str = ""
    within: str = ""
    place: str = ""
    anchor: str = ""
    lines: list = field(default_factory=list)


def load():
    """All hooks, in the order of the file."""
    if not FILE.exists():
        return []
    blocks = []
    current = None
    for number, text in enumerate(FILE.read_text().splitlines(), 1):
        if text.startswith("#") or not text.strip():
            continue
        key, colon, value = text.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if key == "file" and colon:
            current = Hook(number, file=value.strip())
            blocks.append(current)
        else:
            _add(current, number, key, value)
    for hook in blocks:
        _require_complete(hook)
    return blocks


def _add(hook, number, key, value):
    where = f"{paths.short(FILE)}:{number}"
    if hook is None:
        raise Stop(f"{where}: a hook begins with `file: PATH`, not with `{key}`.")
    if key == "insert":
        hook.lines.append(value)
    elif key == "within":
        hook.within = value
    elif key == "patch":
        hook.patch = value.strip()
    elif key in PLACES and not hook.place:
        hook.place, hook.anchor = key, value
    else:
        raise Stop(f"{where}: `{key}` is not a part of a hook, or comes twice; there are file, "
                   f"patch, within, insert and one of {', '.join(PLACES)}.")


def _require_complete(hook):
    if not hook.place or not hook.lines:
        raise Stop(f"{paths.short(FILE)}:{hook.number}: the hook for {hook.file} needs a place "
                   f"({', '.join(PLACES)}) and at least one `insert:` line.")


def apply(hook, text):
    """The text of the hooked file with the hook's lines inserted."""
    lines = text.splitlines()
    if hook.place == "at-end-of":
        lines += hook.lines
    elif hook.place == "sorted-in":
        for line in hook.lines:
            lines.insert(_sorted_position(hook, lines, line), line)
    else:
        at = _anchor(hook, lines) + (hook.place == "after")
        lines[at:at + (hook.place == "instead-of")] = hook.lines
    return "\n".join(lines) + "\n"


def _start(hook, lines):
    """Where the search begins: at the top, or behind the line that `within:` names."""
    if not hook.within:
        return 0
    return _only(hook, hook.within, [n for n, line in enumerate(lines)
                                     if line.strip() == hook.within.strip()]) + 1


def _anchor(hook, lines):
    start = _start(hook, lines)
    matches = [n for n, line in enumerate(lines)
               if n >= start and line.strip() == hook.anchor.strip()]
    if hook.within:
        matches = matches[:1]
    return _only(hook, hook.anchor, matches)


def _only(hook, anchor, matches):
    if len(matches) == 1:
        return matches[0]
    found = "is not there" if not matches else f"is there {len(matches)} times"
    raise Stop(f"{hook.file}: the line `{anchor.strip()}`, which {paths.short(FILE)}:{hook.number} "
               f"looks for, {found}. Look at that file in this Linux version, and give the hook "
               "a line that is there once (or `within: LINE` to say behind which line to look).")


def _sorted_position(hook, lines, new):
    """The place of a line in the sorted block of lines that begin as the anchor does."""
    start = _start(hook, lines)
    block = _longest_block(lines, start, hook.anchor)
    if not block:
        _only(hook, hook.anchor + "…", [])
    if new in lines:
        raise Stop(f"{hook.file}: Linux already has the line `{new}`; remove it from the hook at "
                   f"{paths.short(FILE)}:{hook.number}.")
    later = [n for n in block if lines[n] > new]
    return later[0] if later else block[-1] + 1


def _longest_block(lines, start, prefix):
    best, run = [], []
    for number in range(start, len(lines)):
        run = run + [number] if lines[number].startswith(prefix) else []
        best = run if len(run) > len(best) else best
    return best
