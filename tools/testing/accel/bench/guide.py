# SPDX-License-Identifier: GPL-2.0
"""The code in Documentation/accel/driver-guide.rst.

Sections with a number are steps towards a driver: their blocks are put together here, as a reader
would, so that each step can be compiled. Every other block has to stand in a file that is compiled.
"""

import re
import textwrap

from .report import Stop

STEP = re.compile(r"\d+\. ")
UNDERLINE = re.compile(r"([=~^-])\1+$")
KEY = re.compile(r"(?:pub )?((?:fn|type|struct|const|enum|mod) \w+|impl [^{]+|use \w+|\w+!?)")
# Where lines of a step belong, by how far they are indented: behind the first line that contains
# one text, in front of the next that begins with another.
PLACES = {
    0: ("", None),
    4: ("impl accel::Driver for", "}"),
    12: ("accel::DeviceInfo {", "            ..accel::DeviceInfo::UNKNOWN"),
}
STATEMENTS = 8  # … behind the one that makes the device
MAKES_DEVICE = "faux::Registration::new"


def blocks(text):
    """[(title of the section, lines of a literal block)]"""
    found, title, lines = [], "", text.splitlines()
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if number < len(lines) and line and UNDERLINE.match(lines[number]):
            title = line
        if not line.endswith("::") or line.startswith(".. "):
            continue
        begin = number
        while number < len(lines) and (not lines[number] or lines[number].startswith("    ")):
            number += 1
        block = textwrap.dedent("\n".join(["    |", *lines[begin:number]])).splitlines()[1:]
        found.append((title, _trimmed(block)))
    return found


def _trimmed(lines):
    while lines and not lines[0].strip():
        lines = lines[1:]
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


def _is_rust(block):
    return any(line.endswith((";", "{", "}")) or line.startswith("#[") for line in block)


def unquoted(text, sources):
    """The blocks of no step that stand in none of the sources."""
    compiled = [_words(_without_comments(source.splitlines())) for source in sources]
    return [block for title, block in blocks(text)
            if _is_rust(block) and not STEP.match(title)
            and not any(_words(_without_comments(block)) in source for source in compiled)]


def _without_comments(lines):
    """Examples in comments are compiled, too."""
    return [re.sub(r"^\s*//[/!] ?(# )?", "", line) for line in lines]


def _words(lines):
    return "\n".join(line.strip() for line in lines if line.strip())


def steps(text, imports):
    """[the driver after each step], with the imports of the finished one."""
    states, titles, current = [], [], []
    for title, block in blocks(text):
        if not STEP.match(title):
            continue
        current = _added(current, block)
        if title in titles:
            states[-1] = current
        else:
            titles.append(title)
            states.append(current)
    return ["\n".join([*imports, *_without_use(state)]) + "\n" for state in states]


def imports_of(source):
    """The lines of `use kernel::{…};`."""
    lines = source.splitlines()
    begin = lines.index("use kernel::{")
    return lines[begin:lines.index("};", begin) + 1]


def _without_use(lines):
    return [line for key, item in _items(lines, 0) if key != "use kernel" for line in item]


def _added(lines, block):
    """The file with a block in its place; what is there already of its name is replaced."""
    depth = _depth(block[0])
    if depth == STATEMENTS:
        at = next(i for i, line in enumerate(lines) if MAKES_DEVICE in line) + 1
        return lines[:at] + block + lines[at:]
    if depth not in PLACES:
        raise Stop("the guide has a block in a step of which nobody knows where it belongs:\n"
                   + "\n".join(block))
    begin, end = _place(lines, *PLACES[depth])
    there = dict(_items(lines[begin:end], depth))
    there.update(_items(block, depth))
    return lines[:begin] + [line for item in there.values() for line in item] + lines[end:]


def _place(lines, behind, before):
    if before is None:
        return 0, len(lines)
    begin = next(i for i, line in enumerate(lines) if behind in line) + 1
    return begin, next(i for i in range(begin, len(lines)) if lines[i].startswith(before))


def _items(lines, depth):
    """[(name, lines)] of what stands side by side."""
    found, current = [], []
    for line in lines:
        if not current and not line.strip():
            continue
        current.append(line)
        if _depth(line) == depth and line.endswith((";", "}", ",")) and not _is_remark(line):
            found.append((_key(current), current))
            current = []
    if current:
        raise Stop("the guide has a piece of code without an end:\n" + "\n".join(current))
    return found


def _key(lines):
    first = next(line.strip() for line in lines if not _is_remark(line))
    return KEY.match(first)[1].strip()


def _is_remark(line):
    return line.strip().startswith(("//", "#["))


def _depth(line):
    return len(line) - len(line.lstrip())
