# SPDX-License-Identifier: GPL-2.0
"""GNU gzip's own tests, run with accel-gzip in gzip's place.

They are in the source package of Debian, fetched as it is in the archive's pool, and stay outside
of this tree. zgrep, zdiff and the like are the machine's: scripts that call gzip.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tarfile

from . import apt, paths, report, tools, userland
from .report import Stop

FILE = "gzip_1.12.orig.tar.xz"
SHA256 = "ce5e03e519f637e1f814011ace35c4f87b33c0bbabeec35baf5fbd3479e91956"
HELPER = "/usr/lib/apt/apt-helper"
PROGRAMS = ("gzip", "gunzip", "zcat")
SCRIPTS = ("gzexe", "zcmp", "zdiff", "zegrep", "zfgrep", "zforce", "zgrep", "zless", "zmore", "znew")
WORK = paths.BUILD / "gnu-gzip"
SECONDS = 600  # for one test, on a machine that is busy


def tests(makefile):
    """The names of the tests that a Makefile.am lists."""
    return re.search(r"^TESTS =((?:.*\\\n)*.*)$", makefile, re.M)[1].replace("\\", " ").split()


def run(score):
    """Counts each test."""
    archive = _archive()
    missing = [name for name in (*SCRIPTS, "perl") if not tools.which(name)]
    if not archive or missing:
        why = f"{' '.join(missing)} on this machine" if missing else f"{FILE}, which can't be had here"
        score.leave_out(why)
        return
    source = _unpack(archive)
    programs = _programs(_program())
    names = tests((source / "tests/Makefile.am").read_text())
    failed = [name for name in names if not _passes(source, programs, name)]
    score.ok(len(names) - len(failed))
    for name in failed:
        log = WORK / f"{name}.log"
        score.fail("gnu-gzip", name, log.read_text(errors="replace").splitlines()[-12:])
    report.say(f"      gnu-gzip: {len(names)} ran, {len(failed)} failed")


def _archive():
    """The source as Debian has it, or None."""
    archive = paths.DOWNLOADS / FILE
    if not archive.exists() and os.path.exists(HELPER):
        paths.DOWNLOADS.mkdir(parents=True, exist_ok=True)
        part = archive.with_name(FILE + ".part")
        for mirror in apt.mirrors():
            address = f"{mirror.rstrip('/')}/pool/main/g/gzip/{FILE}"
            fetched = subprocess.run([HELPER, "download-file", address, part, f"SHA256:{SHA256}"],
                                     stdin=subprocess.DEVNULL, capture_output=True)
            if fetched.returncode == 0:
                part.rename(archive)
                break
    if not archive.exists():
        return None
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != SHA256:
        raise Stop(f"{archive} has the checksum {found}, not {SHA256}. Remove it and try again.")
    return archive


def _unpack(archive):
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    with tarfile.open(archive) as tar:
        tar.extractall(WORK, filter="data")
    return WORK / "gzip-1.12"


def _program():
    """accel-gzip with the engine in memory."""
    name = "accel-gzip-fake"
    command = ["cargo", "build", "--locked", "--package", "accel-gzip", "--example", name]
    environment = userland.cargo_environment("tools")
    report.run_logged(f"building {name}", command, paths.LOGS / f"{name}.log",
                      cwd=userland.WORKSPACE, env=environment)
    return paths.BUILD / "cargo/tools/debug/examples" / name


def _programs(program):
    """A directory in which gzip is this program, and the scripts are those of the machine."""
    directory = WORK / "bin"
    directory.mkdir()
    for name in PROGRAMS:
        (directory / name).symlink_to(program)
    for name in SCRIPTS:
        shutil.copy(tools.which(name), directory / name)
    return directory


def _passes(source, programs, name):
    version = subprocess.run([programs / "gzip", "--version"], capture_output=True, text=True)
    settings = {
        "LC_ALL": "C",
        "PATH": f"{programs}:{tools.search_path()}",
        "VERSION": version.stdout.split()[-1],
        "built_programs": " ".join((*PROGRAMS, *SCRIPTS)),
        "srcdir": str(source / "tests"), "abs_srcdir": str(source / "tests"),
        "top_srcdir": str(source), "abs_top_srcdir": str(source), "abs_top_builddir": str(WORK),
        "GREP": "grep", "PERL": "perl", "SHELL": "/bin/sh", "TMPDIR": str(WORK),
    }
    # What the tests have to say for their users goes to descriptor 9.
    command = ["sh", "-c", 'exec sh "$1" 9>&2', "sh", str(source / "tests" / name)]
    environment = {key: value for key, value in os.environ.items() if key != "GZIP"}
    with open(WORK / f"{name}.log", "w") as log:
        try:
            result = subprocess.run(command, cwd=WORK, env={**environment, **settings}, stdout=log,
                                    stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                    timeout=SECONDS)
        except subprocess.TimeoutExpired:
            log.write(f"not done in {SECONDS} s\n")
            return False
    return result.returncode == 0
