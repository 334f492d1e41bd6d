# SPDX-License-Identifier: GPL-2.0
"""Pristine Linux 7.3.x: given by the person, cached, from the distribution, or from kernel.org."""

import hashlib
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from . import apt, paths, report
from .report import Stop

SERIES = "7.3"
CACHED = paths.CACHE / "linux"
UPSTREAM = "linux-7.3.4"
UPSTREAM_DIRECTORY = "https://cdn.kernel.org/pub/linux/kernel/v7.x"


def get():
    """(path, version) of the source to use; fetches one if there is none."""
    found = find()
    if not found:
        _unpack(_package() or _upstream())
        found = find()
    return found


def find():
    """(path, version) of the source to use, or None if it has to be fetched."""
    given = os.environ.get("KSRC")
    if given:
        return _given(Path(given).expanduser().resolve())
    found = [(version(path), path) for path in CACHED.glob("*") if _usable(path)]
    if not found:
        return None
    newest = max(found, key=lambda pair: [int(part) for part in pair[0].split(".")])
    return newest[1], newest[0]


def version(path):
    """The version that a source directory's Makefile states, or an empty string."""
    try:
        head = (path / "Makefile").read_text()[:2000]
    except OSError:
        return ""
    parts = [re.search(rf"^{key} = (\d+)$", head, re.M)
             for key in ("VERSION", "PATCHLEVEL", "SUBLEVEL")]
    return ".".join(part.group(1) for part in parts) if all(parts) else ""


def _usable(path):
    return version(path).startswith(SERIES + ".")


def _given(path):
    if not _usable(path):
        raise Stop(f"KSRC={path} holds {version(path) or 'no Linux source'}; this project builds "
                   f"on Linux {SERIES}.x. Give another directory, or leave KSRC away to have the "
                   "source fetched.")
    if (path / ".config").exists() or (path / "include/config").exists():
        raise Stop(f"KSRC={path} has been built in, and a separate object directory needs a clean "
                   f"source. Run `make -C {path} mrproper` (this removes its .config too).")
    return path, version(path)


def _package():
    """A command whose output is the distribution's source tarball, or None."""
    report.say(f"      no Linux {SERIES} in the cache; asking the distribution for one")
    package = apt.fetch(f"linux-source-{SERIES}", SERIES + ".")
    if not package:
        return None
    inside = f"./usr/src/linux-source-{SERIES}.tar.xz"
    return f"dpkg-deb --fsys-tarfile '{package}' | tar -xO '{inside}'"


def _unpack(command):
    """Unpacks the tarball that a shell command writes; under its final name only when whole."""
    report.say("      unpacking Linux, 1.8 GB")
    fresh = CACHED.with_name("linux.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    script = f"set -o pipefail; {command} | tar -xJ -C '{fresh}' --strip-components=1"
    result = subprocess.run(["bash", "-c", script], stdin=subprocess.DEVNULL)
    if result.returncode or not _usable(fresh):
        raise Stop(f"unpacking Linux failed (the message is above). Look for free space in "
                   f"{paths.CACHE}, remove {paths.DOWNLOADS}/linux-* and try again.")
    CACHED.mkdir(exist_ok=True)
    target = CACHED / f"linux-{version(fresh)}"
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


def _upstream():
    """A command whose output is the tarball from kernel.org, its checksum verified."""
    name = f"{UPSTREAM}.tar.xz"
    tarball = paths.DOWNLOADS / name
    wanted = _wanted_checksum(name)
    if not tarball.exists():
        _download(f"{UPSTREAM_DIRECTORY}/{name}", tarball)
    with open(tarball, "rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != wanted:
        raise Stop(f"{tarball} has the checksum {found}, not {wanted}. Remove it and try again; "
                   "if it comes out the same, don't use it.")
    return f"cat '{tarball}'"


def _wanted_checksum(name):
    """The checksum that the person has verified; this project doesn't know one to trust."""
    given = os.environ.get("LINUX_SHA256", "").strip().lower()
    if re.fullmatch("[0-9a-f]{64}", given):
        return given
    raise Stop(f"this machine's package mirror has no linux-source-{SERIES}. Either give a "
               f"directory with Linux {SERIES}.x: `make KSRC=DIR …`, or let {name} be fetched "
               "from kernel.org and say which checksum it has to have: "
               f"`make LINUX_SHA256=… tree`. It stands in {UPSTREAM_DIRECTORY}/sha256sums.asc, "
               "which kernel.org signs (https://www.kernel.org/signature.html).")


def _download(address, target):
    report.say(f"      fetching {address}")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    try:
        with urllib.request.urlopen(address, timeout=60) as reply, open(part, "wb") as file:
            shutil.copyfileobj(reply, file, 1 << 20)
    except (urllib.error.URLError, OSError) as error:
        raise Stop(f"{address} can't be fetched: {error}. Fetch it elsewhere, put it into "
                   f"{target.parent}, and try again.") from error
    part.rename(target)
