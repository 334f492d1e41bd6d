# SPDX-License-Identifier: GPL-2.0
"""Drivers that the compiler must refuse: `refused/*.rs`, each compiled as the sample driver is.

Each says in its second line how it ends: `// accepted`, or `// refused: CODE WORDS`, which is what
each of its errors has to have; errors of lifetimes have no code.
"""

import re
import shlex
import subprocess
from dataclasses import dataclass

from . import kernel as kernels
from . import paths, report
from .report import Stop
from .score import Score

CASES = paths.HERE / "refused"
SAMPLE = "samples/rust/rust_driver_accel"
EXPECTED = re.compile(r"// (?:(accepted)|refused: (?:(E\d{4}) )?(.+))")
ERROR = re.compile(r"error(?:\[(E\d{4})\])?: .*")
# What the compiler says last.
SUM = re.compile(r"error: (aborting due to|could not compile)")


@dataclass(frozen=True)
class Case:
    """A driver, and how it ends: `words` are empty if it compiles."""
    name: str
    code: str
    words: str

    @property
    def source(self):
        return CASES / f"{self.name}.rs"

    def complaint(self, code, output):
        """What is wrong with this end of the compiler, or nothing."""
        errors = _errors(output)
        if not self.words:
            return f"was refused: {errors[0]}" if errors or code else ""
        if not code:
            return "was compiled"
        strange = [error for error in errors if not self._is_it(error)]
        if strange or not errors:
            return f"ended otherwise: {strange[0] if strange else 'without an error'}"
        return ""

    def _is_it(self, error):
        return (ERROR.match(error)[1] or "") == self.code and self.words in error


def cases():
    """All of them."""
    return [parse(path.stem, path.read_text()) for path in sorted(CASES.glob("*.rs"))]


def parse(name, text):
    """One, by its second line."""
    line = "".join(text.splitlines()[1:2])
    found = EXPECTED.fullmatch(line)
    if not found:
        raise Stop(f"{name}.rs does not say in its second line how it ends: `// accepted` or "
                   f"`// refused: E0000 words of the error`.")
    return Case(name, found[2] or "", found[3] or "")


def _errors(output):
    """Each error with all that is said about it."""
    parts = re.split(r"^(?=(?:error|warning|note)\b)", output, flags=re.M)
    return [part.strip() for part in parts if ERROR.match(part) and not SUM.match(part)]


def run(kernel):
    """Compiles all against what this kernel has made for its modules; the tally."""
    score = Score()
    compiler = _compiler(kernel)
    for case in cases():
        done = subprocess.run([*compiler, str(case.source)], cwd=kernel.objects, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={**kernels.environment(), "RUSTC_BOOTSTRAP": "1"})
        complaint = case.complaint(done.returncode, done.stdout)
        if complaint:
            score.fail("refused", case.name, [complaint, *done.stdout.splitlines()])
        else:
            score.ok()
    report.say(f"      refused: {len(cases())} compiled, {len(score.failures)} otherwise than they "
               "should")
    return score


def _compiler(kernel):
    """The command by which the sample driver was compiled, but for its source."""
    log = kernel.objects / f"{SAMPLE.replace('rust/', 'rust/.')}.o.cmd"
    if not log.exists():
        raise Stop(f"{paths.short(log)} is missing: the sample driver was not compiled.")
    saved = log.read_text().splitlines()[0].split(":=", 1)[1]
    target = paths.BUILD / "refused"
    target.mkdir(exist_ok=True)
    return ["env", *words(saved, target)]


def words(saved, target):
    """The words of a command as the kernel's make has saved it, without the source, and with all
    that it writes under `target`.
    """
    chosen, skip = [], False
    for word in shlex.split(saved.split(";")[0]):
        if skip or word.startswith("--emit=") or word.endswith(f"{SAMPLE}.rs"):
            skip = False
        elif word == "--out-dir":
            skip = True
        else:
            chosen.append(word.replace(SAMPLE, "rogue"))
    return [*chosen, "--out-dir", str(target), f"--emit=obj={target / 'rogue.o'}",
            "--crate-name", "rogue", "--color", "never"]
