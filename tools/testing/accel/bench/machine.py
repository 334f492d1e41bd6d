# SPDX-License-Identifier: GPL-2.0
"""The virtual machine: QEMU with an IOMMU that shares address spaces, and the accelerator."""

import os
import subprocess
import sys
import termios
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import kernel_log, paths
from .patience import Patience

FIRMWARE = ("/usr/share/seabios", "/usr/share/qemu")
IOMMU = ("intel-iommu,intremap=on,scalable-mode=on,fsts=on,pasid-bits=20,device-iotlb=on,"
         "svm=on,aw-bits=48")
# Else the firmware keeps the slots to itself, and no device can be pulled out unasked.
HOTPLUG_BY_GUEST = "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"
# Time is what the guest has executed, a nanosecond an instruction; where it would wait, time jumps.
CLOCKED = ["-smp", "1", "-icount", "shift=0,sleep=off", "-seed", "1",
           "-rtc", "base=2026-01-01T00:00:00,clock=vm"]
# Each round of a string instruction is counted: let the kernel move words with these, not bytes.
WORDS = ",erms=off,fsrm=off,fzrm=off,fsrs=off"
# Calibrating the local timer by another takes 20 seconds then.
CLOCKED_COMMAND_LINE = "nolapic_timer"
COMMAND_LINE = ("console=ttyS0 panic=-1 no_timer_check intel_iommu=on,sm_on log_buf_len=4M "
                "kunit.enable=0 brd.rd_nr=1")


class Files:
    """What a boot finds and leaves behind, under its name."""
    complaints = "qemu.log"

    def __post_init__(self):
        self.directory = paths.BUILD / "boot" / self.name
        self.directory.mkdir(parents=True, exist_ok=True)
        self.initramfs = self.directory / "initramfs.cpio"
        self.console = self.directory / "console.log"
        self.results = self.directory / "results.log"
        self.orders = self.directory / "orders"
        self.stats = self.directory / "device-stats"
        self.errors = self.directory / self.complaints

    def clear(self):
        """Removes what an earlier boot of this name has written."""
        for file in (self.console, self.results, self.stats, self.errors, self.orders):
            file.unlink(missing_ok=True)
        self.results.touch()
        os.mkfifo(self.orders)
        # Never without a writer, so that the guest's line stays open.
        self._order = os.open(self.orders, os.O_RDWR)

    def order(self, text):
        """Says a line to the guest, on the line on which the results come."""
        os.write(self._order, f"{text}\n".encode())

    def last_words(self):
        """Why it may have ended early: the emulator's complaints and the end of the console."""
        return kernel_log.read(self.errors)[-5:] + kernel_log.read(self.console)[-8:]


@dataclass
class Machine(Files):
    """One boot: what goes in, and the files that come out."""
    name: str
    qemu: str
    kernel: Path
    memory: int = 1024
    revision: str = "0x30"
    queues: int = 64
    mild: str = ""  # what the accelerator does the milder way, by the names in its README
    append: str = ""
    verbosity: str = "ignore_loglevel"
    clocked: bool = False
    disk: Path = None
    scratch: Path = None  # a disk that can be written
    devices: list = field(default_factory=list)

    def command(self, serial):
        """QEMU's command line; `serial` says where the console goes."""
        line = [self.qemu, "-M", "q35", "-accel", "tcg", "-cpu", f"max,la57=off{WORDS if self.clocked else ''}",
                "-m", str(self.memory), "-nodefaults", "-no-user-config", "-display", "none",
                "-no-reboot", *(CLOCKED if self.clocked else ("-smp", "2"))]
        for directory in (str(Path(self.qemu).parent), *FIRMWARE):
            line += ["-L", directory]
        line += ["-global", HOTPLUG_BY_GUEST]
        line += ["-device", IOMMU, "-device", "pcie-root-port,id=rp0,slot=1",
                 "-device", self._accelerator()]
        line += [part for device in self.devices for part in ("-device", device)]
        if self.disk:
            line += ["-drive", f"file={self.disk},format=raw,if=none,id=disk,readonly=on",
                     "-device", "virtio-blk-pci,drive=disk"]
        if self.scratch:
            line += ["-drive", f"file={self.scratch},format=raw,if=none,id=scratch,cache=unsafe",
                     "-device", "virtio-blk-pci,drive=scratch"]
        # A virtio port would be deaf after a suspend: the driver lets the host's answer go unheard.
        results = ["-chardev", f"file,id=results,path={self.results},input-path={self.orders}",
                   "-serial", "chardev:results"]
        return line + serial + results + [
            "-kernel", str(self.kernel), "-initrd", str(self.initramfs),
            "-append", f"{COMMAND_LINE} {self.verbosity} {self.append} "
            f"{CLOCKED_COMMAND_LINE if self.clocked else ''}".strip()]

    def _accelerator(self):
        return (f"hisi-zip,bus=rp0,revision={self.revision},queues={self.queues},"
                f"faults=on,clocked={'on' if self.clocked else 'off'},mild={self.mild},"
                f"stats={self.stats}")

    def start(self):
        """Starts it in the background, the console going to a file."""
        self.clear()
        serial = ["-chardev", f"file,id=console,path={self.console}", "-serial",
                  "chardev:console"]
        with open(self.errors, "w") as errors:
            return subprocess.Popen(self.command(serial), stdin=subprocess.DEVNULL,
                                    stdout=errors, stderr=subprocess.STDOUT)

    def interact(self):
        """Runs it with the console on this terminal, which is put back as it was."""
        self.clear()
        serial = ["-chardev", f"stdio,id=console,mux=on,signal=off,logfile={self.console}",
                  "-serial", "chardev:console", "-mon", "chardev=console"]
        before = termios.tcgetattr(sys.stdin) if sys.stdin.isatty() else None
        with open(self.errors, "w") as errors:
            child = subprocess.Popen(self.command(serial), stderr=errors)
        try:
            return child.wait()
        finally:
            child.kill()
            child.wait()
            if before:
                termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)

    def device_stats(self):
        """({key: number}, [violation texts]) as the emulated device wrote them."""
        numbers, violations = {}, []
        try:
            lines = self.stats.read_text(errors="replace").splitlines()
        except OSError:
            return {}, ["the emulated device has written no statistics"]
        for line in lines:
            key, _, value = line.partition(" ")
            if key == "violation":
                violations.append(value)
            elif value.strip().isdigit():
                numbers[key] = int(value)
        return numbers, violations


class Follower:
    """Reads a growing file line by line."""

    def __init__(self, path):
        self._stream = open(path, "rb")
        self._rest = b""

    def lines(self):
        """The complete lines that have come since the last call."""
        data = self._rest + self._stream.read()
        *whole, self._rest = data.split(b"\n")
        return [line.decode(errors="replace").rstrip("\r") for line in whole]


def watch(child, results, on_line, on_silence, is_word=bool):
    """Hands each line of the results to on_line until the machine is off.

    on_silence(seconds) is told how long there has been no line that is a word, in time that the
    guest had, and says whether to wait on. Returns whether the machine went off by itself.
    """
    follower = Follower(results)
    patience = Patience(child.pid)
    try:
        while True:
            running = child.poll() is None
            lines = follower.lines()
            for line in lines:
                on_line(line)
            if not running:
                return True
            if any(map(is_word, lines)):
                patience.heard()
            if not on_silence(patience.passed()):
                return False
            time.sleep(0.05)
    finally:
        child.kill()
        child.wait()


def at_most(limit):
    """For watch(): wait for so many seconds."""
    return lambda seconds: seconds <= limit


def processor_time(pid):
    """Seconds that a process took of all processors, 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def host_memory():
    """Megabytes of memory that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
