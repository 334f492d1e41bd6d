# SPDX-License-Identifier: GPL-2.0
"""What the virtual machine finds in memory when it starts."""

import re
import subprocess

from . import needs, paths, tools
from .cpio import Archive

GUEST = paths.HERE / "guest"


def build(kernel, programs, files):
    """The part that is the same for all boots of one kernel; written to a file.

    programs: {name: path} for /accel/bin; files: {path in the guest: path}.
    """
    archive = Archive()
    _add_base(archive)
    _add_modules(archive, kernel)
    for name, path in programs.items():
        _add_program(archive, f"accel/bin/{name}", path)
    _add_files(archive, files)
    target = paths.BUILD / "guest" / f"initramfs-{kernel.flavour}.cpio"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(archive.bytes())
    return target


def tests(programs):
    """Where the guest has its tests, {path in the guest: path}; they need no library."""
    return {f"accel/tests/{name}": path for name, path in programs.items()}


def with_job(base, settings, plan, target, files=()):
    """The base with a boot's own settings, and files, behind it."""
    archive = Archive()
    lines = "".join(f"{key}='{_quoted(value)}'\n" for key, value in settings.items())
    archive.file("job/settings", lines.encode())
    archive.file("job/plan", plan.encode())
    _add_files(archive, dict(files))
    target.write_bytes(base.read_bytes() + archive.bytes())
    return target


def _add_files(archive, files):
    for name, path in files.items():
        archive.copy(name, path)


def _quoted(value):
    return str(value).replace("'", "'\\''")


def _add_base(archive):
    for name in ("proc", "sys", "dev", "tmp", "root", "etc", "var", "mnt"):
        archive.directory(name)
    archive.device("dev/console", 5, 1)
    archive.device("dev/null", 1, 3)
    archive.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
    archive.file("etc/group", b"root:x:0:\nnogroup:x:65534:\n")
    archive.copy("init", GUEST / "init")
    for shared in ("tap", "silicon"):
        archive.copy(f"accel/{shared}", GUEST / shared)
    for job in sorted((GUEST / "jobs").iterdir()):
        archive.copy(f"accel/jobs/{job.name}", job)
    _add_busybox(archive)
    for name in ("strace", "gzip"):
        _add_program(archive, f"usr/bin/{name}", tools.which(name))


def _add_busybox(archive):
    busybox = needs.busybox()
    archive.copy("bin/busybox", busybox)
    listing = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
    for applet in listing.stdout.split():
        if applet not in ("busybox", "gzip", "init", "linuxrc"):
            archive.link(f"bin/{applet}", "busybox")


def _add_modules(archive, kernel):
    root = kernel.modules
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            archive.copy(str(path.relative_to(root)), path)


def _add_program(archive, name, path):
    """A program and, if it's linked dynamically, the libraries it names."""
    archive.copy(name, path)
    with open(path, "rb") as program:
        if program.read(4) != b"\x7fELF":
            return
    listing = tools.output("ldd", str(path))
    for library in re.findall(r"(?:=> )?(/\S+) \(0x", listing):
        if not archive.has(library):
            archive.copy(library, library)
