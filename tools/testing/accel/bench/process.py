# SPDX-License-Identifier: GPL-2.0
"""User Mode Linux: the kernel as a process of this machine, without hardware and without QEMU."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .machine import Files

PROCESSORS = 2
COMMAND_LINE = "console=tty0 ignore_loglevel log_buf_len=4M kunit.enable=0"
SHARED_MEMORY = Path("/dev/shm")


@dataclass
class Process(Files):
    """One boot, where a Machine would do; what it has no device for is for the caller to know."""
    name: str
    kernel: Path
    memory: int = 1024
    append: str = ""
    complaints = "linux.log"

    def command(self, orders, results):
        """The kernel's command line; it inherits both descriptors."""
        return [str(self.kernel), f"mem={self.memory}M", f"initrd={self.initramfs}",
                # Without the faster way to run user space there is but one processor.
                "seccomp=on", f"ncpus={PROCESSORS}",
                "con=null", "con0=null,fd:1", "ssl=null", f"ssl1=fd:{orders},fd:{results}",
                f"uml_dir={self.directory}", "umid=guest", *COMMAND_LINE.split(), *self.append.split()]

    def start(self):
        """Starts it in the background, the console going to a file."""
        self.clear()
        with (open(self.console, "w") as console, open(self.errors, "w") as errors,
              open(self.results, "a") as results):
            descriptors = self._order, results.fileno()
            return subprocess.Popen(self.command(*descriptors), stdin=subprocess.DEVNULL,
                                    stdout=console, stderr=errors, cwd=self.directory,
                                    pass_fds=descriptors,
                                    env={**os.environ, "TMPDIR": str(self._memory_directory())})

    def _memory_directory(self):
        """Where the file lies that is the machine's memory: not on a disk, if it has room."""
        try:
            roomy = shutil.disk_usage(SHARED_MEMORY).free >> 20 > self.memory
        except OSError:
            roomy = False
        return SHARED_MEMORY if roomy else self.directory

    def device_stats(self):
        """There is no emulated device that could complain."""
        return {}, []
