# SPDX-License-Identifier: GPL-2.0
"""What the builds need: found, installed, or named.

Every later step calls require() for its own group, so nothing fails half-way for want of a tool.
"""

import functools
import glob
import subprocess
from dataclasses import dataclass
from typing import Callable

from . import apt, paths, report, tools
from .report import Stop


@dataclass(frozen=True)
class Need:
    """One thing that a group of steps needs."""
    group: str
    name: str
    purpose: str
    found: Callable  # returns what was found, as text; empty if it's missing
    packages: tuple = ()  # Debian's; {llvm} in a name stands for the version, as in clang-19
    otherwise: str = ""  # the command that gets it where it's no package


def _program(group, name, purpose, *packages):
    return Need(group, name, purpose, lambda: tools.which(name) or "", packages or (name,))


def _rust_program(group, name, purpose):
    """A part of Rust; comes with the compiler, whichever way that was installed."""
    return Need(group, name, purpose, lambda: tools.which(name) or "")


def _library(group, name, purpose, package):
    return Need(group, package, purpose, lambda: tools.output("pkg-config", "--modversion", name)
                .strip(), (package,))


def _file(group, patterns, name, purpose, package):
    def found():
        return next((path for pattern in patterns for path in glob.glob(pattern)), "")
    return Need(group, name, purpose, found, (package,))


def _version(numbers):
    return ".".join(str(number) for number in numbers)


def _llvm():
    suffix = tools.llvm_suffix()
    return "" if suffix is None else _version(tools.version_of("clang" + suffix, "--version"))


def _rustc():
    version = tools.rustc_version()
    return _version(version) if version >= tools.RUSTC_MINIMUM else ""


def _bindgen():
    version = tools.version_of("bindgen", "--version")
    return _version(version) if version >= tools.BINDGEN_MINIMUM else ""


NEEDS = (
    _program("source", "git", "lists the overlay's files and applies patches"),
    _program("source", "xz", "unpacks sources", "xz-utils"),
    Need("kernel", "LLVM", "compiles the kernel", _llvm,
         ("clang{llvm}", "lld{llvm}", "llvm{llvm}")),
    Need("kernel", "libclang", "reads C headers for bindgen", lambda: tools.libclang() or "",
         ("libclang1{llvm}",)),
    _program("kernel", "cc", "links programs of the build", "gcc", "libc6-dev"),
    _program("kernel", "flex", "builds kconfig"),
    _program("kernel", "bison", "builds kconfig"),
    _program("kernel", "bc", "computes a kernel header"),
    _program("kernel", "perl", "runs scripts of the kernel"),
    _program("kernel", "rsync", "installs the kernel's headers"),
    _program("kernel", "depmod", "lists kernel modules", "kmod"),
    _program("kernel", "ccache", "makes the second build short"),
    _program("kernel", "pkg-config", "finds libraries"),
    _library("kernel", "libelf", "objtool", "libelf-dev"),
    _library("kernel", "openssl", "kernel scripts", "libssl-dev"),
    _library("kernel", "zlib", "tests and objtool", "zlib1g-dev"),
    Need("rust", "rustc", "compiles kernel code and tools", _rustc),
    _rust_program("rust", "cargo", "builds tools and the device"),
    Need("rust", "rust-src", "is compiled into the kernel",
         lambda: str(tools.rust_library() or "") if _rustc() else "",
         otherwise="rustup component add rust-src"),
    Need("rust", "bindgen", "makes Rust of C headers", _bindgen,
         otherwise=f"cargo install --locked --root {tools.BINDGEN_ROOT} bindgen-cli "
                   f"--version {tools.BINDGEN_VERSION}"),
    _program("emulator", "ninja", "builds QEMU", "ninja-build"),
    _program("emulator", "patch", "patches QEMU"),
    Need("emulator", "python venv", "builds QEMU", lambda: "ensurepip" if tools.output(
        "python3", "-c", "import ensurepip, venv; print(1)") else "", ("python3-venv",)),
    _library("emulator", "glib-2.0", "QEMU", "libglib2.0-dev"),
    _library("emulator", "pixman-1", "QEMU", "libpixman-1-dev"),
    _file("emulator", ("/usr/share/seabios/bios-256k.bin", "/usr/share/qemu/bios-256k.bin"),
          "SeaBIOS", "firmware of the virtual machine", "seabios"),
    _file("emulator", ("/usr/share/qemu/linuxboot_dma.bin",),
          "linuxboot_dma.bin", "starts a kernel in the virtual machine", "qemu-system-data"),
    Need("guest", "busybox", "the guest's commands (a static one)", lambda: busybox() or "",
         ("busybox-static",)),
    _program("guest", "strace", "shows the guest's system calls"),
    _rust_program("lint", "rustfmt", "formats Rust"),
    _rust_program("lint", "cargo-clippy", "lints Rust"),
    _file("lint", ("/usr/bin/clang-format*",), "clang-format", "formats C", "clang-format{llvm}"),
    _program("lint", "shellcheck", "lints scripts"),
    _program("lint", "pyflakes3", "lints Python"),
)
# What only one command needs, which asks for it.
DEBOOTSTRAP = _program("fresh", "debootstrap", "makes a minimal Debian")
RUST_PARTS = ("rustc", "cargo", "rustfmt", "cargo-clippy")
# What Debian calls the Rust tools: where the plain names are too old, there is a second set,
# without clippy (bookworm), so that there `make lint` needs another Rust.
RUST_PACKAGES = (
    ("rustc", "cargo", "rustfmt", "rust-clippy"),
    ("rustc-web", "cargo-web", "rustfmt-web"),
)
RUST_SOURCE_PACKAGES = ("rust-src", "rust-web-src")


@functools.cache
def busybox():
    """A statically linked busybox, or None."""
    path = tools.which("busybox")
    if path is None:
        return None
    with open(path, "rb") as program:
        return None if b"ld-linux" in program.read(4096) else path


@functools.cache
def missing():
    """All needs that this machine doesn't meet."""
    return [need for need in NEEDS if not need.found()]


def provide():
    """Installs what is missing, as far as this machine and this person can; returns the rest."""
    lacking = missing()
    if not lacking:
        return []
    if apt.available() and apt.is_root():
        _install(lacking)
    if not _forget_and_check("rust-src") and _rustc():
        _fetch_rust_source()
    if not _forget_and_check("bindgen") and tools.which("cargo"):
        _build_bindgen()
    _forget()
    return missing()


def provide_one(need):
    """Installs what only one command needs, or stops with the command that does."""
    if not need.found() and apt.available() and apt.is_root():
        _install([need])
    if not need.found():
        raise Stop(f"this needs {need.name}, which {need.purpose}.\n" + "\n".join(advice([need])))


def require(group):
    """Stops with the names of what the group still lacks."""
    lacking = [need for need in missing() if need.group == group]
    if lacking:
        names = ", ".join(need.name for need in lacking)
        raise Stop(f"the next step needs {names}.\n" + "\n".join(advice(lacking)))


def advice(lacking):
    """The commands that get what is missing."""
    packages = _packages(lacking)
    lines = []
    if packages:
        root = "" if apt.is_root() else "sudo "
        lines.append(f"    {root}apt-get install {' '.join(packages)}"
                     + ("" if apt.available() else "    (or what your system calls these)"))
    if any(need.name in RUST_PARTS for need in lacking):
        lines.append(f"    install Rust {_version(tools.RUSTC_MINIMUM[:2])} or newer with rustfmt "
                     "and clippy, by your system's packages or from https://rustup.rs")
    return lines + [f"    {need.otherwise}" for need in lacking if need.otherwise]


def _install(lacking):
    apt.refresh()
    packages = _packages(lacking)
    if packages:
        report.say(f"      installing {' '.join(packages)} (log: build/log/packages.log)")
        apt.install(packages)
    _forget()


def _packages(lacking):
    """Debian's packages for what is missing, as far as its suite has them new enough."""
    llvm = _packaged_llvm()
    found = {package.format(llvm=llvm) for need in lacking for package in need.packages}
    names = [need.name for need in lacking]
    if any(name in RUST_PARTS for name in names):
        found.update(_rust_packages())
    if "bindgen" in names and apt.numbers("bindgen") >= tools.BINDGEN_MINIMUM:
        found.add("bindgen")
    return sorted(found)


def _packaged_llvm():
    """The suffix of the LLVM that is there, or of the best one that the suite has."""
    if tools.llvm_suffix() is not None:
        return tools.llvm_suffix() or f"-{_llvm().partition('.')[0]}"
    offered = (suffix for suffix in tools.LLVM_SUFFIXES
               if suffix and apt.numbers("clang" + suffix) >= tools.LLVM_MINIMUM)
    return next(offered, tools.LLVM_SUFFIXES[0])


def _rust_packages():
    """The set of Debian's Rust packages that fits the compiler that is there, or is new enough."""
    have = tools.rustc_version() if _rustc() else ()
    for names in RUST_PACKAGES:
        version = apt.numbers(names[0])
        if version == have or not have and version >= tools.RUSTC_MINIMUM:
            return names
    return ()


def _fetch_rust_source():
    """The library source of exactly rustc's version, unpacked into the cache.

    Its package has that of the compiler, too: installed, it is 46000 files.
    """
    version = _version(tools.rustc_version())
    report.say(f"      looking for the library source of Rust {version}")
    found = (apt.fetch(name, version) for name in RUST_SOURCE_PACKAGES)
    package = next(filter(None, found), None)
    if package:
        tools.RUST_SOURCES.mkdir(parents=True, exist_ok=True)
        script = ('dpkg-deb --fsys-tarfile "$1" | '
                  'tar -x -C "$2" --wildcards "./usr/src/rustc-*/library"')
        subprocess.run(["sh", "-c", script, "sh", package, tools.RUST_SOURCES], check=True)
    elif tools.which("rustup"):
        report.say("      the mirror has none; asking rustup")
        tools.output("rustup", "component", "add", "rust-src")


def _build_bindgen():
    command = ["cargo", "install", "--locked", "--root", str(tools.BINDGEN_ROOT), "bindgen-cli",
               "--version", tools.BINDGEN_VERSION]
    report.say("      building bindgen, about 2 minutes (log: build/log/bindgen.log)")
    try:
        report.run_logged("building bindgen", command, paths.LOGS / "bindgen.log",
                          env=tools.base_environment())
    except Stop as stop:
        report.say(f"      {stop}")


def _forget_and_check(name):
    _forget()
    return next(need for need in NEEDS if need.name == name).found()


def _forget():
    """Looks again at what may have been installed meanwhile."""
    for cached in (tools.llvm_suffix, tools.libclang, tools.rustc_version, tools.rust_library,
                   tools.toolchain, busybox, missing):
        cached.cache_clear()
