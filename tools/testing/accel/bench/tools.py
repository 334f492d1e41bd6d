# SPDX-License-Identifier: GPL-2.0
"""The compilers that the builds use: which were found, and how to call them."""

import functools
import glob
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import paths
from .report import Stop

# In the order of preference.
LLVM_SUFFIXES = ("-19", "-20", "-21", "-22", "-23", "-18", "-17", "")
LLVM_PROGRAMS = ("clang", "ld.lld", "llvm-nm", "llvm-ar", "llvm-objcopy", "llvm-strip")
LLVM_MINIMUM = (17, 0, 1)
RUSTC_MINIMUM = (1, 85, 0)
BINDGEN_MINIMUM = (0, 71, 1)
BINDGEN_VERSION = "0.72.1"
BINDGEN_ROOT = paths.CACHE / "bindgen"
RUST_SOURCES = paths.CACHE / "rust-src"


@dataclass(frozen=True)
class Toolchain:
    """What a kernel build names on its command line."""
    llvm: str
    cc: str


def search_path():
    """PATH with the cache's own tools first, and cargo's directory, which cron and sudo drop."""
    extra = [BINDGEN_ROOT / "bin"]
    ours = [str(directory) for directory in extra]
    home = str(Path.home() / ".cargo/bin")
    rest = os.environ.get("PATH", os.defpath).split(":")
    return ":".join(ours + rest + [home, "/usr/sbin", "/sbin"])


def which(program):
    """The path of a program, or None."""
    return shutil.which(program, path=search_path())


def output(*command):
    """Standard output of a command, or an empty string if it fails or isn't there."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=60,
                                env={**os.environ, "PATH": search_path()})
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout if result.returncode == 0 else ""


def version_of(*command):
    """The first version number that a command prints, as a tuple; () if none."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", output(*command))
    return tuple(int(part or 0) for part in found.groups()) if found else ()


@functools.cache
def llvm_suffix():
    """The suffix of the LLVM programs to use (as make LLVM= wants it), or None."""
    for suffix in LLVM_SUFFIXES:
        if all(which(program + suffix) for program in LLVM_PROGRAMS):
            if version_of("clang" + suffix, "--version") >= LLVM_MINIMUM:
                return suffix
    return None


@functools.cache
def libclang():
    """The library of clang's own version, through which bindgen reads C, or None."""
    suffix = llvm_suffix()
    if suffix is None:
        return None
    major = version_of("clang" + suffix, "--version")[0]
    found = sorted(glob.glob(f"/usr/lib/llvm-{major}/lib/libclang[.-][0-9s]*"))
    listed = output("ldconfig", "-p")
    found += re.findall(rf"=> (\S*/libclang(?:-{major})?\.so\S*)", listed)
    return next((path for path in found if os.path.exists(path)), None)


@functools.cache
def rustc_version():
    """(1, 95, 0) or (): the Rust compiler that the builds would use."""
    return version_of("rustc", "--version")


@functools.cache
def rust_library():
    """The standard library's source that fits rustc exactly, or None."""
    version = ".".join(str(part) for part in rustc_version())
    sysroot = output("rustc", "--print", "sysroot").strip()
    candidates = [
        Path(os.environ.get("RUST_LIB_SRC", "/nonexistent")),
        Path(sysroot or "/nonexistent") / "lib/rustlib/src/rust/library",
        Path(f"/usr/src/rustc-{version}/library"),
        RUST_SOURCES / f"usr/src/rustc-{version}/library",
    ]
    for candidate in candidates:
        if (candidate / "core/src/lib.rs").is_file():
            return candidate
    return None


@functools.cache
def toolchain():
    """The kernel's C toolchain; a compiler cache is used where there is one."""
    suffix = llvm_suffix()
    if suffix is None:
        raise Stop("no complete LLVM of version 17 or newer (clang, ld.lld, llvm-*) is in PATH. "
                   "Run `make doctor`, which installs or names it.")
    clang = f"clang{suffix}"
    return Toolchain(suffix or "1", f"ccache {clang}" if which("ccache") else clang)


def base_environment():
    """The environment of builds that don't touch the kernel."""
    return {**os.environ, "PATH": search_path(), "MAKEFLAGS": ""}


def environment():
    """The environment of kernel builds."""
    library = rust_library()
    if library is None:
        raise Stop("the source of Rust's standard library that fits rustc is missing. "
                   "Run `make doctor`, which installs or names it.")
    return {
        **base_environment(),
        "RUST_LIB_SRC": str(library),
        **({"LIBCLANG_PATH": libclang()} if libclang() else {}),
        "CCACHE_DIR": str(paths.CACHE / "ccache"),
        "CCACHE_MAXSIZE": "10G",
        # The compiler tells what it has read: nothing is preprocessed twice.
        "CCACHE_DEPEND": "1",
    }
