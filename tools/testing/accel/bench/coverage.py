# SPDX-License-Identifier: GPL-2.0
"""Which lines of Rust the fuzzer has reached: from addresses of code to files and lines."""

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from . import tools
from .report import Stop

TRACE = "__sanitizer_cov_trace_pc"
CALL_SIZE = 5  # bytes; the kernel tells the address behind the call
CORE = "rust/kernel/accel"  # what of the lines counts as core
OURS = re.compile(r"(?:.*/)?((?:rust/kernel/accel|drivers/accel)[/.][^:]*):(\d+)(?::\d+)?$")
CORE_SYMBOL = "5accel"  # module `accel`, as Rust mangles it
TESTS = "5tests"  # modules of KUnit tests likewise
FUNCTION = re.compile(r"^[0-9a-f]+ <(\S+)>:")
INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(.*)")
RELOCATION = re.compile(r"^\s*[0-9a-f]+:\s+R_X86_64_\w+\s+(\S+?)[-+]0x")


@dataclass
class Image:
    """The kernel, or the code of a module, and how far away from its own addresses it was loaded."""
    path: Path
    offset: int = 0
    limits: tuple = ()  # of the part that is looked at; all of the section `.text` without


@dataclass
class Lines:
    """{file: {line: whether it was reached}}; a line is as good as the best code of it."""
    files: dict = field(default_factory=dict)

    def add(self, name, line, reached):
        lines = self.files.setdefault(name, {})
        lines[line] = lines.get(line, False) or reached

    def counts(self, prefix=""):
        """(reached, all) lines of the files whose names begin so."""
        chosen = [lines for name, lines in self.files.items() if name.startswith(prefix)]
        return (sum(sum(lines.values()) for lines in chosen), sum(len(lines) for lines in chosen))

    def table(self):
        """A line for each file, then the sum of the core's."""
        rows = [f"{ratio(*self.counts(name)):>22}  {name}" for name in sorted(self.files)]
        return rows + [f"{ratio(*self.counts(CORE)):>22}  the core"]

    def missed(self):
        """`file: lines` that were not reached."""
        for name, lines in sorted(self.files.items()):
            lacking = [str(line) for line, reached in sorted(lines.items()) if not reached]
            if lacking:
                yield f"{name}: {' '.join(lacking)}"


def ratio(part, whole):
    return f"{part} of {whole} ({part * 100 / max(whole, 1):.1f} %)"


def lines(kernel, modules, reached):
    """Lines of Rust with code that can be told, by whether it is among the addresses reached.

    modules: {name: address of its `.text`} as they were loaded.
    """
    found = Lines()
    for image in _images(kernel, modules):
        sites = _sites(image)
        for site, place in zip(sites, _places(image.path, sites)):
            match = OURS.match(place)
            if match and match[2] != "0":
                told = site + CALL_SIZE + image.offset in reached
                found.add(match[1], int(match[2]), told)
    if not found.counts(CORE)[1]:
        raise Stop("the kernel has no code of the core that tells of itself, or no lines; "
                   "was it built by `make kernel ARCH=fuzz`?")
    return found


def _images(kernel, modules):
    vmlinux = kernel.objects / "vmlinux"
    symbols = tools.output(_llvm("nm"), "--no-demangle", "--numeric-sort", str(vmlinux))
    core = [int(line.split()[0], 16) for line in symbols.splitlines()
            if re.search(rf" [tT] _R.*{CORE_SYMBOL}", line)]
    if not core:
        raise Stop("vmlinux has no code of the core.")
    yield Image(vmlinux, limits=(core[0], core[-1] + 0x10000))
    for name, address in modules.items():
        found = list(kernel.modules.rglob(f"{name}.ko"))
        if found:
            yield Image(found[0], address)


def _llvm(name):
    return f"llvm-{name}{tools.toolchain().llvm}"


def _sites(image):
    """Addresses, in the file, of the calls by which code tells that it runs; not that of tests."""
    command = [_llvm("objdump"), "--disassemble", "--reloc", "--no-show-raw-insn"]
    if image.limits:
        start, stop = image.limits
        command += [f"--start-address={start}", f"--stop-address={stop}"]
    else:
        command += ["--section=.text"]
    listing = subprocess.Popen([*command, str(image.path)], stdout=subprocess.PIPE, text=True)
    sites, last, is_test = [], 0, False
    for line in listing.stdout:
        function = FUNCTION.match(line)
        if function:
            is_test = TESTS in function[1]
        elif is_test:
            continue
        relocation = RELOCATION.match(line)
        instruction = INSTRUCTION.match(line)
        if relocation:
            if relocation[1] == TRACE:
                sites.append(last)
        elif instruction:
            last = int(instruction[1], 16)
            if instruction[2].endswith(f"<{TRACE}>"):
                sites.append(last)
    listing.wait()
    return sites


def _places(path, addresses):
    """`file:line:column` of each address, that of the innermost of inlined functions."""
    command = [_llvm("symbolizer"), f"--obj={path}", "--no-inlines", "--functions=none"]
    asked = "".join(f"{address:#x}\n" for address in addresses)
    answer = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
    return [line for line in answer.stdout.splitlines() if line]
