# SPDX-License-Identifier: GPL-2.0
"""`make lint`: each part is one test."""

import glob
import re
from pathlib import Path

from . import guide, needs, overlay, paths, progress, report, series, source, tools, unit, userland
from .kernel import Kernel, environment
from .report import Stop
from .score import Score

# Of checkpatch's messages these don't fit: who maintains what is new, nobody has said yet; user
# space has its own types, and memory that a device writes is volatile there; `-o deflate deflate.c`
# is no repeated word; variants of a test can't be declared inside of a function, and what skips it
# must leave its setup.
CHECKPATCH_IGNORED = ("FILE_PATH_CHANGES,PREFER_KERNEL_TYPES,VOLATILE,REPEATED_WORD,"
                      "MULTISTATEMENT_MACRO_USE_DO_WHILE,MACRO_WITH_FLOW_CONTROL")
# Nor this of those about patches: whoever sends them signs them off.
SERIES_IGNORED = CHECKPATCH_IGNORED + ",MISSING_SIGN_OFF"
SAMPLE = "samples/rust/rust_driver_accel.rs"  # what the steps of the guide come to
LICENCE = "// SPDX-License-Identifier: GPL-2.0\n"
KERNEL_CODE = ("rust/", "drivers/", "samples/")
WITHOUT_UNSAFE = ("drivers/", "samples/")


def _ours(*suffixes, under=("",)):
    """Overlay files by suffix and directory, as the composed tree has them."""
    return [name for name in overlay.files(source.find()[0]) if name.endswith(suffixes)
            and name.startswith(tuple(under))]


def _drivers():
    """The directories that Kbuild finds drivers and samples in."""
    makefiles = _ours("/Makefile", under=("drivers/accel/",))
    return [*(name.removesuffix("Makefile") for name in makefiles), "samples/rust/"]


def _run(name, command, **options):
    """One command whose failure is the failure of the check."""
    log = paths.LOGS / f"lint-{name}.log"
    options.setdefault("env", tools.base_environment())
    options.setdefault("meter", progress.Tail())
    report.run_logged(f"lint {name}", command, log, **options)
    return log


def kernel_format():
    """rustfmt with the kernel's settings, on our kernel code."""
    config = str(paths.TREE / ".rustfmt.toml")
    files = _ours(".rs", under=KERNEL_CODE)
    command = ["rustfmt", "--check", "--color", "never", "--edition", "2021", "--config-path",
               config, *files]
    _run("rustfmt", command, cwd=paths.REPO, hint="The same command without --check mends it.")


def _cargo(name, *arguments):
    """A cargo command in each workspace."""
    for workspace, directory in unit.WORKSPACES.items():
        _run(f"{name}-{workspace}", ["cargo", *arguments], cwd=directory,
             env=userland.cargo_environment(workspace))


def cargo_format():
    """rustfmt in the workspaces."""
    _cargo("cargo-fmt", "fmt", "--all", "--check")


def cargo_clippy():
    """clippy in the workspaces."""
    _cargo("cargo-clippy", "clippy", "--locked", "--workspace", "--all-targets", "--", "-D",
           "warnings")


def _lint_kernel():
    """An object directory of its own, so that the ones in use need not be built again."""
    kernel = Kernel("lint")
    plain = Kernel("plain")
    if not (plain.objects / ".config").exists():
        raise Stop("there is no configured kernel yet: run `make kernel` first.")
    kernel.objects.mkdir(exist_ok=True)
    wanted = (plain.objects / ".config").read_bytes()
    stamp = kernel.objects / ".accel-config"
    if not stamp.exists() or stamp.read_bytes() != wanted:
        (kernel.objects / ".config").write_bytes(wanted)
        stamp.write_bytes(wanted)
    return kernel


def kernel_clippy():
    """clippy as the kernel sets it, on the kernel crate and our drivers."""
    kernel = _lint_kernel()
    _forget_objects(kernel)
    log = _run("clippy", kernel.make("CLIPPY=1", "prepare", *_drivers()), env=environment())
    _require_no_warnings(log, "clippy")


def _forget_objects(kernel):
    """clippy speaks only while it compiles; what was compiled before it has to see again."""
    for pattern in ("rust/kernel.o", "rust/libkernel.rmeta", "drivers/accel/**/*.o",
                    "samples/rust/*.o"):
        for path in glob.glob(str(kernel.objects / pattern), recursive=True):
            Path(path).unlink()


def rustdoc():
    """The documentation of the Rust code builds without a warning about our files."""
    kernel = _lint_kernel()
    log = _run("rustdoc", kernel.make("rustdoc"), env=environment())
    _require_no_warnings(log, "rustdoc")


def _require_no_warnings(log, name):
    """Warnings of the compiler that point to one of our files."""
    ours = set(_ours(".rs"))
    text = log.read_text(errors="replace")
    found = []
    for block in re.split(r"\n(?=(?:warning|error)\b)", text):
        where = re.search(r"--> (?:\.\./)*(?:\S*/build/linux/)?(\S+?):\d+", block)
        if re.match(r"(warning|error)\b", block) and where and where[1] in ours:
            found.append(block.split("\n\n")[0])
    if found:
        raise Stop("\n".join(found[:6]) + f"\n{len(found)} warnings of {name} about our files; "
                   f"all are in {paths.short(log)}.")


def driver_guide():
    """The code in the guide for drivers: its steps compile, and all else stands in files that do."""
    text = (paths.REPO / "Documentation/accel/driver-guide.rst").read_text()
    sources = [(paths.REPO / name).read_text() for name in _ours(".rs", under=KERNEL_CODE)]
    strange = guide.unquoted(text, sources)
    if strange:
        raise Stop("no file has these pieces of the guide any more:\n\n"
                   + "\n\n".join("\n".join(block) for block in strange))
    _compile_steps(guide.steps(text, guide.imports_of((paths.REPO / SAMPLE).read_text())))


def _compile_steps(steps):
    """As modules outside of the tree. What a step does not use yet is no fault."""
    directory = paths.BUILD / "guide"
    directory.mkdir(exist_ok=True)
    names = [f"step{number}" for number in range(1, len(steps) + 1)]
    for name, step in zip(names, steps):
        (directory / f"{name}.rs").write_text(f"{LICENCE}#![allow(unused)]\n{step}")
        (directory / f"{name}.o").unlink(missing_ok=True)
    objects = " ".join(f"{name}.o" for name in names)
    (directory / "Makefile").write_text(f"obj-m := {objects}\n")
    kernel = _lint_kernel()
    _run("guide-kernel", kernel.make("prepare"), env=environment())
    _run("guide", kernel.make(f"M={directory}", *objects.split()), env=environment(),
         hint=f"The steps are in {paths.short(directory)}/.")


def checkpatch():
    """checkpatch.pl on every file of the overlay that it knows."""
    files = _ours(".rs", ".c", ".h", ".rst", "Kconfig", "Makefile", ".sh")
    _run("checkpatch", [*_checkpatch(CHECKPATCH_IGNORED), "-f", *files], cwd=paths.TREE)


def _checkpatch(ignored):
    return ["perl", "scripts/checkpatch.pl", "--quiet", "--show-types", "--no-summary", "--ignore",
            ignored]


def patch_series():
    """What `make series` writes applies, gives the composed tree, and passes checkpatch."""
    patches = series.write_and_apply()
    script = 'printf "%s\\0" "${@:2}" | xargs -0 -P "$(nproc)" -n 4 $1'
    command = ["bash", "-c", script, "checkpatch", " ".join(_checkpatch(SERIES_IGNORED)), *patches]
    _run("series", command, cwd=paths.TREE)


def kernel_doc():
    """The comments of the user interface's headers are complete."""
    files = _ours(".h", under=("include/uapi/",))
    log = _run("kernel-doc", ["python3", "scripts/kernel-doc.py", "-none", "-Wall", *files]
               if (paths.TREE / "scripts/kernel-doc.py").exists() else
               ["scripts/kernel-doc", "-none", "-Wall", *files], cwd=paths.TREE)
    if re.search(r"warning|error", log.read_text(), re.I):
        raise Stop(report.tail(log))


def clang_format():
    """The shim inside QEMU is formatted as its .clang-format says."""
    program = next(path for path in sorted(glob.glob("/usr/bin/clang-format*"), reverse=True)
                   if re.search(r"clang-format(-\d+)?$", path))
    if not (paths.HERE / "qemu/.clang-format").exists():
        raise Stop("tools/testing/accel/qemu/.clang-format is missing, so there is no style to "
                   "check against.")
    files = sorted(str(path) for path in (paths.HERE / "qemu").glob("*.[ch]"))
    _run("clang-format", [program, "--dry-run", "--Werror", *files])


def shellcheck():
    """All shell scripts."""
    scripts = [path for path in _tracked() if _first_line(path).startswith(("#!/bin/sh",
                                                                            "#!/bin/bash"))]
    guest = paths.HERE / "guest"
    scripts += [guest / "tap", guest / "silicon", *sorted((guest / "jobs").iterdir())]
    # 1090, 1091: files that lie in the guest only. 2154: variables that those files set.
    _run("shellcheck", ["shellcheck", "-S", "warning", "-e", "1090,1091,2154", *map(str, scripts)])


def pyflakes():
    """All Python programs."""
    programs = [path for path in _tracked()
                if path.suffix == ".py" or "python3" in _first_line(path)]
    _run("pyflakes", ["pyflakes3", *map(str, programs)])


def no_unsafe():
    """Drivers and samples are written without `unsafe`: a promise of the interface."""
    found = [f"{name}:{number}: {line.strip()}" for name in _ours(".rs", under=WITHOUT_UNSAFE)
             for number, line in enumerate((paths.REPO / name).read_text().splitlines(), 1)
             if re.search(r"\bunsafe\b", line)]
    if found:
        raise Stop("\n".join(found))


def licences():
    """Every file says its licence."""
    silent = [paths.short(path) for path in _tracked() if _needs_licence(path)
              and b"SPDX-License-Identifier:" not in path.read_bytes()[:400]]
    if silent:
        raise Stop("these files lack an SPDX-License-Identifier line: " + ", ".join(silent))


def _needs_licence(path):
    """Not: what is generated, what is text, and two kinds of file that have no comments."""
    if path.parent == userland.SELFTESTS and path.name in ("config", "settings"):
        return False
    return path.suffix not in (".lock", ".md", ".patch", ".json") and path.stat().st_size


def _tracked():
    return [paths.REPO / name for name in overlay.listed()]


def _first_line(path):
    with open(path, "rb") as file:
        return file.readline(100).decode(errors="replace")


PARTS = {
    "rustfmt": kernel_format,
    "cargo-fmt": cargo_format,
    "cargo-clippy": cargo_clippy,
    "clippy": kernel_clippy,
    "rustdoc": rustdoc,
    "guide": driver_guide,
    "checkpatch": checkpatch,
    "series": patch_series,
    "kernel-doc": kernel_doc,
    "clang-format": clang_format,
    "shellcheck": shellcheck,
    "pyflakes": pyflakes,
    "no-unsafe": no_unsafe,
    "licences": licences,
}


def run(name):
    """The tally of one part."""
    score = Score()
    try:
        needs.require("lint")
        PARTS[name]()
        score.ok()
    except Stop as stop:
        score.fail(f"lint-{name}", "see above", str(stop).splitlines())
    return score
