# SPDX-License-Identifier: GPL-2.0
"""Programs for the guest: the project's tools, the kselftests, the judge of the device."""

import os
import re

from . import paths, progress, report, tools
from .kernel import Kernel, environment
from .report import Stop

TARGET = "x86_64-unknown-linux-gnu"
WORKSPACE = paths.REPO / "tools/accel"
FUZZER = paths.HERE / "fuzz"
COMMANDS = ("accel-gzip", "accelctl")
SELFTESTS = paths.REPO / "tools/testing/selftests/accel"
GUEST_TESTS = paths.HERE / "guest/tests"
MAINLINE = paths.HERE / "mainline"
BENCHMARK = paths.HERE / "benchmark"


def cargo_environment(name):
    """Environment of a cargo call; its objects lie under build/, not beside the source."""
    return {**tools.base_environment(), "CARGO_TARGET_DIR": str(paths.BUILD / "cargo" / name)}


def _cargo_build(name, workspace, *what):
    """Builds `what` of a workspace, to be linked statically; returns the directory of it."""
    command = ["cargo", *(what or ["build"]), "--release", "--locked", "--target", TARGET]
    settings = {**cargo_environment(name), "RUSTFLAGS": "-C target-feature=+crt-static"}
    report.run_logged(f"building the {name}", command, paths.LOGS / f"{name}.log", cwd=workspace,
                      meter=progress.Meter(f"cargo-build-{name}", progress.CARGO, "crates"),
                      env=settings)
    return paths.BUILD / "cargo" / name / TARGET / "release"


def commands():
    """{name: path} of the project's own commands."""
    # Not all of the workspace: a shared library can't be linked so.
    packages = [f"--package={name}" for name in COMMANDS]
    directory = _cargo_build("tools", WORKSPACE, "build", *packages)
    return {name: directory / name for name in COMMANDS}


def _c_library():
    """What a C program needs to use the library for C, without a shared one."""
    directory = _cargo_build("tools", WORKSPACE, "rustc", "--package=libaccel-c", "--lib",
                             "--crate-type=staticlib")
    return ["-I", str(WORKSPACE / "accel-c/include"), str(directory / "libaccel.a")]


def fuzzer():
    """{name: path} of the fuzzer."""
    return {"accel-fuzz": _cargo_build("fuzzer", FUZZER) / "accel-fuzz"}


def regressions():
    """{path in the guest: path} of programs that the fuzzer has once found."""
    return {f"accel/fuzz/{path.name}": path
            for path in sorted((FUZZER / "regressions").glob("*.txt"))}


def selftest_sources():
    """Those that the kselftests' Makefile names."""
    programs = re.search(r"^TEST_GEN_PROGS := ((?:.*\\\n)*.*)$",
                         (SELFTESTS / "Makefile").read_text(), re.M)
    return [SELFTESTS / f"{name}.c" for name in programs[1].replace("\\", " ").split()]


def judge_sources():
    """Programs that drive the device through Linux's own driver."""
    return sorted(MAINLINE.glob("*.c"))


def scripts():
    """The test scripts for the guest."""
    found = [path for path in sorted(GUEST_TESTS.iterdir()) if path.is_file()]
    for path in found:
        if not os.access(path, os.X_OK):
            raise Stop(f"{paths.short(path)} is not executable: run `chmod +x` on it.")
    return found


def tests():
    """{name: path} of all test programs, built against the headers of the composed tree."""
    headers = _headers()
    return {**_selftests(headers),
            **{path.name: path for path in scripts()},
            **{source.stem.replace("_", "-"):
               _compile(headers, [source], paths.BUILD / "mainline" / source.stem, "-lz")
               for source in judge_sources()}}


def helpers():
    """{name: path} of what the tests run: samples, and what measures; tests() comes first."""
    headers = Kernel("headers").objects
    library = _c_library()
    found = {}
    for source in sorted((paths.REPO / "samples/accel").glob("*.c")):
        name = f"sample-{source.stem}"
        flags = library if "<libaccel.h>" in source.read_text() else ()
        found[name] = _compile(headers, [source], paths.BUILD / "samples" / name, *flags)
    found["benchmark"] = _compile(headers, sorted(BENCHMARK.glob("*.c")),
                                  paths.BUILD / "guest/benchmark")
    return found


def _headers():
    """A directory with the kernel's headers for programs, whatever its configuration."""
    kernel = Kernel("headers")
    report.run_logged("installing the kernel's headers", kernel.make("headers"),
                      paths.LOGS / "headers.log", env=environment())
    return kernel.objects


def _selftests(headers):
    log = paths.LOGS / "selftests.log"
    install = paths.BUILD / "selftests"
    command = ["make", "-C", str(paths.TREE / "tools/testing/selftests"),
               f"-j{os.cpu_count()}",
               f"LLVM={tools.toolchain().llvm}", f"O={headers}", "TARGETS=accel",
               "FORCE_TARGETS=1", "install", f"INSTALL_PATH={install}"]
    report.run_logged("building the kselftests", command, log, env=environment(),
                      meter=progress.Meter("selftests", progress.KBUILD, "programs",
                                           len(selftest_sources())))
    return {f"selftest-{source.stem}": install / "accel" / source.stem
            for source in selftest_sources()}


def _compile(headers, sources, target, *flags):
    """A static C program against the kernel's headers."""
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [f"clang{tools.toolchain().llvm}", "-static", "-O2", "-Wall", "-Wextra", "-Werror",
               "-isystem", str(headers / "usr/include"), "-o", str(target),
               *map(str, sources), *flags]
    report.run_logged(f"compiling {target.name}", command,
                      paths.LOGS / f"compile-{target.name}.log")
    return target
