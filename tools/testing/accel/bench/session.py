# SPDX-License-Identifier: GPL-2.0
"""`make run` and `make shell`: a virtual machine for a person."""

import os
import shutil
import sys

from . import initramfs, kernel_log, paths, report
from .machine import Machine, at_most, host_memory, watch
from .report import Stop

SILENCE_LIMIT = 600  # seconds without a word after which the machine counts as hung
CHECK_MEMORY = 1024  # megabytes more for the checking kernel


def default_file(kernel):
    """Something real of some megabytes that every clone has at hand: the kernel that runs."""
    return kernel.objects / "vmlinux"


class Session:
    """One boot with a file for the guest."""

    def __init__(self, qemu, kernel, base, file, revision, files=()):
        self.base = base
        self.files = files
        self.file = file.resolve() if file else None
        self.machine = Machine("session", qemu, kernel.image, revision=revision,
                               memory=self._memory(kernel.flavour), disk=self.file)
        self.problems = []
        self.finished = False

    def _memory(self, flavour):
        """The guest holds the file three times: as it was, packed, and unpacked."""
        size = self.file.stat().st_size if self.file else 0
        needed = 768 + (size * 4 >> 20) + (CHECK_MEMORY if flavour == "check" else 0)
        if needed > host_memory() * 3 // 4:
            raise Stop(f"{self.file} is too large for a virtual machine on this machine: it would "
                       f"take {needed} MB of memory. Give a smaller FILE=.")
        return needed

    def _settings(self, job):
        settings = {"JOB": job, "MODULES": "accel_hisi_zip", "NAME": "", "SIZE": ""}
        if self.file:
            settings["NAME"] = self.file.name
            settings["SIZE"] = self.file.stat().st_size
        return settings

    def run(self):
        """`make run`: returns the exit code."""
        initramfs.with_job(self.base, self._settings("run"), "", self.machine.initramfs)
        ended = watch(self.machine.start(), self.machine.results, self._line,
                      at_most(SILENCE_LIMIT))
        if not ended or not self.finished:
            for line in self.machine.last_words():
                report.say(f"      {line}")
            raise Stop("the virtual machine "
                       + ("went off before it was done" if ended else "hangs")
                       + f"; its log is {paths.short(self.machine.console)}, QEMU's "
                       f"{paths.short(self.machine.errors)}.")
        return self._verdict()

    def shell(self):
        """`make shell`: the person's terminal is the machine's console."""
        if not sys.stdin.isatty():
            raise Stop("make shell needs a terminal; `make run` needs none.")
        size = shutil.get_terminal_size()
        settings = {**self._settings("shell"), "ROWS": size.lines, "COLUMNS": size.columns}
        initramfs.with_job(self.base, settings, "", self.machine.initramfs, self.files)
        self.machine.verbosity = "quiet"
        self.machine.interact()
        report.say(f"\nThe log of this session: {paths.short(self.machine.console)}")
        return 0

    def _line(self, line):
        if line.startswith("@problem "):
            self.problems.append(line[9:])
        elif line.startswith("@finished"):
            self.finished = True
        elif line and not line.startswith("@"):
            report.say(line)

    def _verdict(self):
        numbers, violations = self.machine.device_stats()
        shown = {"jobs": "jobs", "page_requests": "page requests", "faults": "faults"}
        counts = ", ".join(f"{numbers.get(key, 0)} {text}" for key, text in shown.items())
        report.say(f"  {'the device':14} counted {counts}")
        found = self.problems + [f"device: {text}" for text in violations]
        found += kernel_log.complaints(kernel_log.read(self.machine.console))
        if not found:
            return 0
        report.say("Not all was well:")
        for line in found[:20]:
            report.say(f"  {line}")
        return 1


def readable(name):
    """The file that a person has named, as a Path, or a sentence about what is wrong with it."""
    path = paths.Path(os.path.expanduser(name))
    if not path.is_file():
        raise Stop(f"FILE={name}: there is no such file.")
    if not os.access(path, os.R_OK):
        raise Stop(f"FILE={name} can't be read.")
    if path.stat().st_size == 0:
        raise Stop(f"FILE={name} is empty; give one with something in it.")
    return path
