# SPDX-License-Identifier: GPL-2.0
"""`make series BUILD=1`: a pristine tree in which the series is applied, and built after each patch.

All is built in one object directory, so that each patch costs what depends on it.
"""

import re
import shutil
import subprocess

from . import chain, hooks, needs, paths, report, series, source
from .kernel import Kernel, environment
from .report import Stop
from .schedule import Schedule
from .session import Session, default_file

TREE = paths.BUILD / "series-linux"
LOG = paths.LOGS / "series-build.log"


def build():
    """Every patch, then the whole kernel; returns that."""
    needs.require("kernel")
    needs.require("rust")
    pristine, version = source.get()
    report.say(f"copying Linux {version} to {paths.short(TREE)}")
    _restore(pristine)
    repository = series.base(pristine, TREE, hooks.load(), version)
    kernel = Kernel("plain", TREE)
    report.say(f"building after each patch (log: {paths.short(LOG)})")
    LOG.unlink(missing_ok=True)
    kernel.fill_config()
    _make(kernel, "pristine Linux", ["prepare"])
    for patch in series.written():
        repository.git("am", "-q", str(patch))
        _build(kernel, patch.stem, repository.git("diff", "--name-only", "HEAD~1").splitlines())
    kernel.require_all()
    kernel.build()
    return kernel


def boot(kernel):
    """The kernel of the series runs, with the device; returns the exit code."""
    schedule = Schedule()
    schedule.add("QEMU", chain.emulator)
    schedule.add("commands", chain.commands)
    schedule.run()
    guest = chain.guest(kernel, schedule.result("commands"))
    report.say("starting the virtual machine")
    return Session(schedule.result("QEMU"), kernel, guest, default_file(kernel), "0x30").run()


def _restore(pristine):
    """Pristine Linux, beside objects of an earlier run."""
    if not TREE.exists():
        fresh = TREE.with_name("series-linux.new")
        shutil.rmtree(fresh, ignore_errors=True)
        subprocess.run(["cp", "-a", "--reflink=auto", pristine, fresh], check=True)
        fresh.rename(TREE)
    elif (TREE / ".git").exists():
        for name in series.Repository(TREE).names():
            if not (pristine / name).exists():
                (TREE / name).unlink(missing_ok=True)
            else:
                shutil.copy(pristine / name, TREE / name)
    shutil.rmtree(TREE / ".git", ignore_errors=True)


def _build(kernel, name, touched):
    if any(file.endswith("Kconfig") for file in touched):
        kernel.fill_config()
    wanted = targets(touched)
    report.say(f"      {name}" + (f": {' '.join(wanted)}" if wanted else ""))
    if wanted:
        _make(kernel, name, wanted)


def targets(touched):
    """The directories to build for what a patch touches; of drivers, the directory of their kind."""
    found = set()
    for name in touched:
        top, *below = name.split("/")
        if top in ("rust", "include"):
            found.add("rust/")
        elif top in ("drivers", "samples") and len(below) > 1:
            found.add(f"{top}/{below[0]}/")
    return sorted(found)


def _make(kernel, name, wanted):
    began = LOG.stat().st_size if LOG.exists() else 0
    report.run_logged(name, kernel.make(*wanted), LOG, append=True, env=environment())
    with open(LOG, errors="replace") as log:
        log.seek(began)
        complaints = re.findall(r"^.*\bwarning:.*$", log.read(), re.M)
    if complaints:
        raise Stop(f"{name} builds with {len(complaints)} warnings, the first: {complaints[0]}. "
                   f"All are in {paths.short(LOG)}.")
