# SPDX-License-Identifier: GPL-2.0
"""In which kernel each test of the virtual machine runs, and why.

`make test` runs a test where it belongs: what is about memory, lifetimes and locks in the checking
kernel, which sees what goes wrong there; what is about sizes, counts and what a person sees in the
plain one, which is many times as fast. `make test ALL=1` runs each in every kernel where it can.
"""

from dataclasses import dataclass

from .report import Stop

CHECK, PLAIN = ("check",), ("plain",)
BOTH = PLAIN + CHECK
# KUnit's cases of the plain kernel are among those of the checking one.
KUNIT = CHECK
# Seconds of tests that are worth a boot.
WORTH = {"plain": 60, "check": 150, "races": 600, "cfi": 60, "quick": 60}
UNKNOWN = 30  # seconds


@dataclass(frozen=True)
class Home:
    """Of one test: where it runs, the reason, and about how many seconds in each kernel."""
    kernels: tuple
    why: str
    plain: float = UNKNOWN
    check: float = UNKNOWN


HOMES = {
    "accelctl": Home(PLAIN, "what a person sees of the devices: text, JSON, exit codes", plain=6),
    "benchmark": Home(PLAIN, "counts that `make bench` measures; the checkers would be what is counted", plain=129),
    "chain": Home(CHECK, "a buffer that two devices share, its lifetime and fences", check=7),
    "fuzz-regressions": Home(CHECK, "what once broke memory or locks", check=9),
    "gzip-modes": Home(PLAIN, "sizes and content of files, in each address mode", plain=58),
    "gzip-options": Home(PLAIN, "options and exit codes of a command", plain=10),
    "killed-amid-jobs": Home(CHECK, "lifetimes: address spaces that end while the device uses them", check=44),
    "mainline-zip": Home(CHECK, "mainline's driver on the emulated device, and its self-tests", check=16),
    "no-system-call": Home(PLAIN, "counts system calls", plain=6),
    "off-amid-jobs": Home(PLAIN, "the machine goes off, in either kernel", plain=4),
    "round-trip-200m": Home(PLAIN, "sizes, of files that take long", plain=116),
    "sample": Home(PLAIN, "a program that a newcomer compiles", plain=1),
    "silicon": Home(PLAIN, "what the device does, entry by entry, in words", plain=10),
    "silicon-0x21": Home(PLAIN, "what the device of another revision does", plain=10),
    "silicon-mild": Home(PLAIN, "what the device does where it is read mildly", plain=10),
    "unbound-amid-jobs": Home(CHECK, "lifetimes: a driver that goes while its device is used", check=26),
    "selftest-acomp": Home(CHECK, "memory that the kernel reclaims, with all its locks", check=60),
    "selftest-buffer": Home(CHECK, "memory that is pinned, shared and taken away", check=42),
    "selftest-buses": Home(CHECK, "lifetimes of devices on two buses", check=5),
    "selftest-context": Home(CHECK, "address spaces, and who may use them", check=10),
    "selftest-doorbell": Home(CHECK, "mappings that come and go", check=19),
    "selftest-edu": Home(CHECK, "the driver of the guide's second half, its memory and lifetimes", check=40),
    "selftest-edu_direct": Home(CHECK, "content of memory, without an IOMMU", check=15),
    "selftest-edu_narrow": Home(CHECK, "what the log says of a device that can't be served", check=5),
    "selftest-errors": Home(CHECK, "recovery, with all its locks", check=16),
    "selftest-eventfd": Home(CHECK, "lifetimes of what is told of completions", check=69),
    "selftest-fail_nth": Home(CHECK, "each allocation fails once", check=171),
    "selftest-fail_nth_memory": Home(CHECK, "each allocation fails once", check=29),
    "selftest-growth": Home(PLAIN, "sizes of structs and arrays of the interface", plain=5),
    "selftest-hammer": Home(CHECK, "everything at once: memory and locks", check=25),
    "selftest-hostile": Home(PLAIN, "what the driver makes of a device that lies, and counts of it", plain=61),
    "selftest-isolation": Home(PLAIN, "which doorbells a driver refuses to share", plain=1),
    "selftest-job": Home(PLAIN, "results of jobs, their sizes and errors", plain=17),
    "selftest-lifetime": Home(CHECK, "lifetimes of descriptors, mappings and devices", check=42),
    "selftest-mapping": Home(CHECK, "mappings that are moved, split, and taken away", check=9),
    "selftest-memory_heirs": Home(CHECK, "lifetimes: what fork() and execve() do to memory of a device", check=15),
    "selftest-memory_kinds": Home(CHECK, "memory that a process may not use, or not now", check=20),
    "selftest-memory_moves": Home(CHECK, "memory that is split, merged and moved under a device", check=60),
    "selftest-memory_served": Home(CHECK, "page faults that processes keep waiting", check=30),
    "selftest-mistakes": Home(CHECK, "recovery, with all its locks", check=12),
    "selftest-mistakes_0x21": Home(PLAIN, "results of another revision of the device", plain=5),
    "selftest-mistakes_mild": Home(PLAIN, "results of a device that is read mildly", plain=5),
    "selftest-monitor": Home(CHECK, "namespaces and control groups, which the plain kernel lacks", check=29),
    "selftest-nodes": Home(PLAIN, "attributes, numbers and errors of the interface", plain=4),
    "selftest-pressure": Home(PLAIN, "limits of memory; the checkers take memory of their own", plain=6),
    "selftest-private": Home(CHECK, "memory that is pinned for a device", check=35),
    "selftest-queue": Home(CHECK, "queues that end while they are used", check=12),
    "selftest-readers": Home(CHECK, "what waits for memory, with all its locks", check=5),
    "selftest-removal": Home(PLAIN, "mainline's hot-plug driver silences lockdep", plain=16),
    "selftest-reset": Home(CHECK, "recovery, with all its locks", check=123),
    "selftest-rogue": Home(CHECK, "a driver that keeps what it may not, with all its locks", check=60),
    "selftest-rogue_forgets": Home(PLAIN, "what it forgets is lost for good, as kmemleak would say", plain=10),
    "selftest-sample_driver": Home(CHECK, "the driver of the guide, its memory and lifetimes", check=4),
    "selftest-shared_doorbell": Home(PLAIN, "what an option of the command line allows", plain=11),
    "selftest-sim_control": Home(CHECK, "faults that a device in software is told to have", check=24),
    "selftest-sim_pages": Home(CHECK, "pages that nobody provides, and who goes meanwhile", check=20),
    "selftest-sim_queue": Home(CHECK, "workers that use memory of processes which end", check=77),
    "selftest-space": Home(CHECK, "memory that is mapped for a device, and charged", check=51),
    "selftest-space_zip": Home(CHECK, "memory that is mapped for a device, through an IOMMU", check=7),
    "selftest-submit": Home(CHECK, "fences, and jobs that depend on each other", check=54),
    "selftest-submit_waiting": Home(CHECK, "locks and fences that somebody waits for", check=30),
    "selftest-suspend": Home(CHECK, "what sleeps and wakes while it is used, with all its locks", check=10),
    "selftest-unbind": Home(CHECK, "a driver that goes at any moment", check=63),
    "selftest-watchdog": Home(CHECK, "recovery of what hangs, with all its locks", check=49),
    "selftest-zip_bounce": Home(PLAIN, "content of memory that is copied on its way", plain=4),
    "selftest-zip_scattered": Home(PLAIN, "sizes of lists of memory, without an IOMMU", plain=3),
    "selftest-zip_submit": Home(CHECK, "fences, and jobs of the hardware", check=11),
    "selftest-zip_submit_0x21": Home(PLAIN, "results of another revision of the device", plain=1),
    "selftest-zip_submit_waiting": Home(CHECK, "locks and fences that somebody waits for", check=20),
}


def at_home(tests):
    """{kernel: tests that belong there}."""
    placed = {}
    for test in tests:
        for kernel in _home(test).kernels:
            placed.setdefault(kernel, []).append(test)
    return placed


def crossed(tests):
    """{kernel of the virtual machine: tests that can run there}."""
    return {kernel: [test for test in tests if kernel in test.kernels] for kernel in BOTH}


def _home(test):
    if test.name not in HOMES:
        raise Stop(f"{test.name} has no home: say in bench/homes.py in which kernel it belongs.")
    return HOMES[test.name]


def seconds(name, flavour):
    """About how long it takes on two processors."""
    home = HOMES.get(name)
    return getattr(home, flavour, UNKNOWN) if home else UNKNOWN
