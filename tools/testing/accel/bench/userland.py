# SPDX-License-Identifier: GPL-2.0
"""Programs for the guest: the project's tools, the kselftests, the judge of the device."""

import os
from dataclasses import dataclass
from pathlib import Path

from . import paths, report, tools
from .kernel import environment
from .report import Stop

TARGET = "x86_64-unknown-linux-gnu"
WORKSPACE = paths.REPO / "tools/accel"
FUZZER = paths.HERE / "fuzz"
COMMANDS = ("accel-gzip", "accelctl")
SELFTESTS = paths.REPO / "tools/testing/selftests/accel"
GUEST_TESTS = paths.HERE / "guest/tests"
MAINLINE = paths.HERE / "mainline"
BENCHMARK = paths.HERE / "benchmark"


@dataclass(frozen=True)
class Program:
    """A test for the guest, and the source whose comments say what it needs."""
    name: str
    path: Path
    source: Path


def cargo_environment(name):
    """Environment of a cargo call; its objects lie under build/, not beside the source."""
    return {**tools.base_environment(), "CARGO_TARGET_DIR": str(paths.BUILD / "cargo" / name)}


def _cargo_build(name, workspace):
    """Builds a workspace's programs, linked statically; returns their directory."""
    command = ["cargo", "build", "--release", "--locked", "--target", TARGET]
    settings = {**cargo_environment(name), "RUSTFLAGS": "-C target-feature=+crt-static"}
    report.run_logged(f"building the {name}", command, paths.LOGS / f"{name}.log", cwd=workspace,
                      env=settings)
    return paths.BUILD / "cargo" / name / TARGET / "release"


def commands():
    """{name: path} of the project's own commands."""
    directory = _cargo_build("tools", WORKSPACE)
    return {name: directory / name for name in COMMANDS}


def fuzzer():
    """{name: path} of the fuzzer."""
    return {"accel-fuzz": _cargo_build("fuzzer", FUZZER) / "accel-fuzz"}


def regressions():
    """{path in the guest: path} of programs that the fuzzer has once found."""
    return {f"accel/fuzz/{path.name}": path
            for path in sorted((FUZZER / "regressions").glob("*.txt"))}


def selftests(kernel):
    """The kselftests, built against the kernel's own headers."""
    log = paths.LOGS / "selftests.log"
    install = paths.BUILD / "selftests"
    report.run_logged("installing the kernel's headers", kernel.headers(), log,
                      env=environment())
    command = ["make", "-C", str(paths.TREE / "tools/testing/selftests"),
               f"LLVM={tools.toolchain().llvm}", f"O={kernel.objects}", "TARGETS=accel",
               "FORCE_TARGETS=1", "install", f"INSTALL_PATH={install}"]
    report.run_logged("building the kselftests", command, log, append=True, env=environment())
    listed = (install / "kselftest-list.txt").read_text().split()
    names = [line.partition(":")[2] for line in listed if line.startswith("accel:")]
    return [Program(f"selftest-{name}", install / "accel" / name, SELFTESTS / f"{name}.c")
            for name in names]


def benchmark(kernel):
    """The program that measures this subsystem and mainline's."""
    sources = sorted(BENCHMARK.glob("*.c"))
    return _compile(kernel, sources, paths.BUILD / "guest/benchmark")


def _compile(kernel, sources, target, *flags):
    """A static C program against the kernel's headers, which selftests() has installed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [f"clang{tools.toolchain().llvm}", "-static", "-O2", "-Wall", "-Wextra", "-Werror",
               "-isystem", str(kernel.objects / "usr/include"), "-o", str(target),
               *map(str, sources), *flags]
    report.run_logged(f"compiling {target.name}", command,
                      paths.LOGS / f"compile-{target.name}.log")
    return target


def samples(kernel):
    """{name: path} of the samples for user space."""
    sources = sorted((paths.REPO / "samples/accel").glob("*.c"))
    return {f"sample-{source.stem}": _compile(kernel, [source],
                                              paths.BUILD / f"samples/sample-{source.stem}")
            for source in sources}


def judges(kernel):
    """The programs that drive the device through Linux's own driver."""
    return [Program(source.stem.replace("_", "-"),
                    _compile(kernel, [source], paths.BUILD / "mainline" / source.stem, "-lz"),
                    source)
            for source in sorted(MAINLINE.glob("*.c"))]


def scripts():
    """The test scripts for the guest."""
    found = [path for path in sorted(GUEST_TESTS.iterdir()) if path.is_file()]
    for path in found:
        if not os.access(path, os.X_OK):
            raise Stop(f"{paths.short(path)} is not executable: run `chmod +x` on it.")
    return [Program(path.name, path, path) for path in found]
