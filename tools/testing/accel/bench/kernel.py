# SPDX-License-Identifier: GPL-2.0
"""The kernels under test: `plain`, `check`, `races`, `cfi` and `fuzz` with run-time checkers, `quick`,
which is a process, and those only compiled.
"""

import hashlib
import os
import re
from dataclasses import dataclass

from . import compose, paths, progress, report, tools
from .report import Stop

CONFIG = paths.HERE / "config"
IMAGES = {
    # QEMU starts it as it is, and nothing has to be unpacked.
    "x86_64": "vmlinux",
    "arm64": "arch/arm64/boot/Image",
    "riscv": "arch/riscv/boot/Image",
    "um": "linux",
}


@dataclass(frozen=True)
class Flavour:
    """Fragments of a configuration, and `ARCH=` and `KRUSTFLAGS=` of a kernel's make."""
    fragments: tuple
    arch: str = "x86_64"
    rust_flags: str = ""
    objects: int = 1850  # about so many are compiled; what a build has counted is remembered


MACHINE = ("base", "machine", "mainline-uacce", "accel")
TESTED = (*MACHINE, "tests", "machine-tests")
BOOTED = {
    "plain": Flavour(MACHINE),
    "check": Flavour((*TESTED, "checking")),
    "races": Flavour((*TESTED, "races")),
    "cfi": Flavour((*TESTED, "cfi")),
    # `make fuzz` says which lines of Rust it has reached.
    "fuzz": Flavour((*TESTED, "checking", "coverage"),
                    rust_flags="-Cdebuginfo=line-tables-only"),
    # A module of position-independent Rust has relocations that User Mode Linux doesn't know.
    "quick": Flavour(("base", "user-mode", "accel", "tests"), "um",
                     "-Zdirect-access-external-data=yes"),
}
# Where a warning stops the compiler.
COMPILED = {
    "arm64": Flavour(("portable", "smp", "pci", "arm64"), "arm64"),
    "riscv64": Flavour(("portable", "smp", "pci", "riscv64"), "riscv"),
    "no-smp": Flavour(("portable", "x86", "pci", "x86-iommu")),
    "no-iommu": Flavour(("portable", "x86", "smp", "pci")),
    "no-pci": Flavour(("portable", "x86", "smp")),
    "drm-accel": Flavour(("portable", "x86", "smp", "pci", "x86-iommu", "drm-accel", "xen")),
}
FLAVOURS = {**BOOTED, **COMPILED}
REPRODUCIBLE = {
    "KBUILD_BUILD_TIMESTAMP": "Thu Jan  1 00:00:00 UTC 1970",
    "KBUILD_BUILD_USER": "accel",
    "KBUILD_BUILD_HOST": "accel",
}


class Kernel:
    """One configuration of the composed tree, or of another, and its object directory.

    The object directory lies inside the source: the compiler then sees relative paths only,
    and its cache serves every clone.
    """

    def __init__(self, flavour, tree=None):
        self.flavour = flavour
        # The lints have objects of their own and another's configuration.
        self.kind = FLAVOURS.get(flavour, BOOTED["plain"])
        self.tree = tree or paths.TREE
        self.objects = self.tree / flavour
        self.modules = paths.BUILD / "modules" / (tree.name if tree else flavour)
        self.image = self.objects / IMAGES[self.kind.arch]

    def make(self, *arguments, jobs=None):
        """A make command line for this kernel."""
        chain = tools.toolchain()
        return ["make", "-C", str(self.tree), f"O={self.flavour}", f"ARCH={self.kind.arch}",
                f"LLVM={chain.llvm}", f"CC={chain.cc}", f"KRUSTFLAGS={self.kind.rust_flags}",
                f"-j{jobs or os.cpu_count()}", *arguments]

    @property
    def is_process(self):
        """Whether it runs by itself, and not in a virtual machine."""
        return self.kind.arch == "um"

    def lacks(self, option):
        """Whether the configuration leaves the option out."""
        return _symbols((self.objects / ".config").read_text()).get(option, "n") == "n"

    def log(self, what):
        return paths.LOGS / f"kernel-{self.flavour}-{what}.log"

    def configure(self):
        """Makes .config anew if the fragments or the subsystem's menu have changed."""
        wanted = _fragments(self.flavour)
        stamp = self.objects / ".accel-config"
        digest = _digest(wanted)
        if _read(stamp) == digest and (self.objects / ".config").exists():
            return
        self.fill_config()
        self.require_all()
        stamp.write_text(digest)

    def fill_config(self):
        """Makes .config of what the fragments ask for, as far as the tree has it."""
        self.objects.mkdir(parents=True, exist_ok=True)
        fragment = self.objects / ".accel-fragments"
        fragment.write_text(_fragments(self.flavour))
        command = self.make(f"KCONFIG_ALLCONFIG={fragment}", "allnoconfig")
        report.run_logged(f"configuring the {self.flavour} kernel", command, self.log("config"),
                          env=environment())

    def require_all(self):
        """Kconfig drops a symbol whose dependencies fail without a word; this doesn't."""
        have = _symbols((self.objects / ".config").read_text())
        wanted = _symbols(_fragments(self.flavour))
        missing = [f"{name}={value}" for name, value in wanted.items()
                   if have.get(name, "n") != value]
        if missing:
            raise Stop(f"the {self.flavour} kernel's configuration lacks {', '.join(missing)}. "
                       f"A dependency fails: look for `config {missing[0][7:].split('=')[0]}` in "
                       f"{paths.short(self.tree)}, and add what it depends on to "
                       f"{paths.short(CONFIG)}. (If CONFIG_RUST is among them, run `make doctor`.)")

    def build(self):
        """Compiles image and modules, and installs the modules where the initramfs takes them.

        Nothing is done if the tree, the configuration and the compilers are those of the last time:
        make takes its time to find that out.
        """
        stamp = self.objects / ".accel-built"
        made_of = self._made_of()
        if made_of and _read(stamp) == made_of and self.image.exists():
            return
        stamp.unlink(missing_ok=True)
        objects = progress.Meter(f"kernel-{self.flavour}", progress.KBUILD, "objects",
                                 self.kind.objects, whole=not self.image.exists())
        report.run_logged(f"compiling the {self.flavour} kernel",
                          self.make(self.image.name, "modules"), self.log("build"),
                          meter=objects, env=environment())
        install = self.make("modules_install", f"INSTALL_MOD_PATH={self.modules}")
        report.run_logged("installing modules", install, self.log("modules"), env=environment())
        stamp.write_text(made_of)

    def _made_of(self):
        """All that the image and the modules depend on, as text; empty if that isn't known."""
        content = compose.content() if self.tree == paths.TREE else None
        if not content:
            return ""
        return "\n".join([content, _read(self.objects / ".accel-config"), *self.make(),
                          str(tools.rustc_version()),
                          str(tools.version_of(f"clang{tools.toolchain().llvm}", "--version"))])

    def release(self):
        """The version string that names the module directory."""
        return (self.objects / "include/config/kernel.release").read_text().strip()


def environment():
    """Environment of every kernel make call; without RUST_LIB_SRC, CONFIG_RUST would vanish."""
    return {**tools.environment(), **REPRODUCIBLE}


def _fragments(flavour):
    return "".join((CONFIG / f"{name}.config").read_text() for name in FLAVOURS[flavour].fragments)


def _digest(wanted):
    """Changes with the fragments and with the Kconfig files that the overlay brings."""
    menus = sorted((paths.TREE / "drivers/accel").glob("*/Kconfig"))
    menus += sorted((paths.TREE / "samples").glob("accel/Kconfig"))
    digest = hashlib.sha256(wanted.encode())
    for menu in menus:
        digest.update(menu.read_bytes())
    digest.update((paths.TREE / "drivers/Kconfig").read_bytes())
    return digest.hexdigest()


def _symbols(text):
    """{CONFIG_X: value} of a configuration; the last line of a symbol counts."""
    symbols = {}
    for line in text.splitlines():
        off = re.fullmatch(r"# (CONFIG_\w+) is not set", line)
        on = re.fullmatch(r"(CONFIG_\w+)=(.*)", line)
        if off:
            symbols[off[1]] = "n"
        elif on:
            symbols[on[1]] = on[2]
    return symbols


def _read(path):
    try:
        return path.read_text()
    except OSError:
        return ""
