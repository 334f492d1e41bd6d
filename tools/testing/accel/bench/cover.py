# SPDX-License-Identifier: GPL-2.0
"""The text of the cover letter, drawn from the documentation and set in lines for mail."""

import re
import textwrap

from . import paths
from .report import Stop

WIDTH = 72
UNDERLINE = re.compile(r"([=~\-])\1{3,}$")
ITEM = re.compile(r"(?:- |\d+\. )")
LITERAL = re.compile("[ =│┌└═]")


def text(series):
    """All passages that the plan names for a series, in its order."""
    return "\n\n".join(_passage(kind, what) for kind, what in series.passages) + "\n"


def _passage(kind, what):
    name, _, rest = what.partition(": ")
    path = paths.REPO / name
    if not path.is_file():
        raise Stop(f"the cover letter takes a passage of {name}, which is not there.")
    sections = _sections(path.read_text())
    if kind == "introduction":
        return _set(sections[0][1])
    if kind == "section":
        lines = next((lines for heading, lines in sections if heading == rest), None)
        return _required(lines, name, rest) and f"{rest}\n{'-' * len(rest)}\n\n{_set(lines)}"
    blocks = [block for _, lines in sections for block in _blocks(lines)]
    return _set(_required(next((block for block in blocks
                                if " ".join(block).startswith(rest)), None), name, rest))


def _required(found, name, what):
    if not found:
        raise Stop(f"the cover letter takes the passage `{what}` of {name}, which is not there. "
                   "Name another in integration/series.")
    return found


def _sections(document):
    """[(heading, lines)]; the first is the title with the introduction."""
    lines = document.splitlines()
    found = [("", [])]
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        marked = re.match(r"#+ (.*)", line)
        if marked or (line.strip() and not line.startswith(" ") and UNDERLINE.match(following)
                      and not UNDERLINE.match(line) and len(following) >= len(line)):
            found.append((marked[1] if marked else line, []))
        elif not UNDERLINE.match(line) and not line.startswith((".. ", "<!--")):
            found[-1][1].append(line)
    return found[1:]


def _blocks(lines):
    """Runs of lines without a blank one."""
    blocks = [[]]
    for line in lines:
        if line.strip():
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    return [block for block in blocks if block]


def _set(lines):
    return "\n\n".join(filter(None, (_set_block(block) for block in _blocks(lines))))


def _set_block(block):
    """A paragraph, a list, a term with its explanation; what is drawn stays as it is."""
    block = [line.replace("``", "") for line in block]
    if block == ["::"]:
        return ""
    if LITERAL.match(block[0]):
        return "\n".join(block)
    if ITEM.match(block[0]):
        return "\n".join(fill(item, "  ") for item in _items(block))
    if len(block) > 1 and block[1].startswith("  "):
        return block[0] + "\n" + fill(" ".join(block[1:]), "  ", "  ")
    return fill(" ".join(block))


def _items(block):
    items = []
    for line in block:
        if ITEM.match(line):
            items.append(line)
        else:
            items[-1] += " " + line.strip()
    return items


def fill(text_, later="", first=""):
    return textwrap.fill(" ".join(text_.split()), WIDTH, initial_indent=first,
                         subsequent_indent=later, break_long_words=False, break_on_hyphens=False)
