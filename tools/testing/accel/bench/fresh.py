# SPDX-License-Identifier: GPL-2.0
"""`make fresh`: what a machine that has nothing yet makes of the README's commands."""

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import apt, chain, needs, paths, progress, report
from .report import Stop

FRESH = paths.BUILD / "fresh"
# What the README asks for.
PACKAGES = ("git", "make", "python3", "ca-certificates")
SCRIPTS = Path("/usr/share/debootstrap/scripts")
CERTIFICATES = Path("/usr/local/share/ca-certificates")
# All that is mounted or started in it goes with it.
NAMESPACE = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child")
ENTER = """\
mount -t proc proc "$1/proc"
mount -t tmpfs tmpfs "$1/dev/shm"
mount -t devpts devpts "$1/dev/pts"
[ -z "$CACHE" ] || mount --bind "$CACHE" "$1/root/.cache/accel"
exec chroot "$1" sh -c "$2"
"""
# Of the environment: how package managers reach their registries, and whom they trust.
NETWORK = re.compile(r"(?i:(https?|ftp|all|no)_proxy)|PIP_\w+|CARGO_(HTTP|NET|REGISTR\w+?)_\w+"
                     r"|\w*CA_BUNDLE|SSL_CERT_\w+|(LINUX|QEMU)_SHA256")
SECRET = re.compile(r"TOKEN|PASSWORD|SECRET")
SOURCES = ("linux-source-*", "linux-*.tar.*", "qemu*.tar.*")


@dataclass
class Trial:
    """One minimal Debian and what is run in it."""
    suite: str
    command: str = "make run"
    downloads: bool = False
    cache: str = None
    keep: bool = False

    @property
    def root(self):
        return FRESH / self.suite

    def log(self, what):
        return paths.LOGS / f"fresh-{self.suite}-{what}.log"

    def bootstrap(self):
        """The bare system."""
        archives = apt.mirrors()
        if not archives:
            raise Stop("this machine's apt is set up for no Debian archive, so there is none to "
                       "make a Debian from.")
        script = SCRIPTS / self.suite
        _remove(self.root)
        self.root.mkdir(parents=True)
        command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}",
                   self.suite, str(self.root), archives[0],
                   str(script if script.exists() else SCRIPTS / "sid")]
        report.run_logged(f"making a Debian {self.suite}", [*NAMESPACE, *command],
                          self.log("debootstrap"), meter=progress.Tail(), env=environment())

    def connect(self):
        """The machine's own ways to package archives and registries."""
        lines = [f"deb {archive} {suite} main" for archive, suite in apt.sources(self.suite)]
        self._write("etc/apt/sources.list", lines)
        self._write("etc/apt/apt.conf.d/90network", apt.network_settings())
        home = Path.home()
        cargo = Path(os.environ.get("CARGO_HOME") or home / ".cargo")
        self._copy(Path("/etc/hosts"), "etc/hosts")
        self._copy(Path("/etc/resolv.conf"), "etc/resolv.conf")
        self._copy(cargo / "config.toml", "root/.cargo/config.toml")
        self._copy(Path("/etc/pip.conf"), "etc/pip.conf")
        self._copy(home / ".config/pip/pip.conf", "root/.config/pip/pip.conf")
        for file in CERTIFICATES.glob("**/*.crt"):
            self._copy(file, str(file.relative_to("/")))
        log = self.log("packages")
        self._inside("trusting whom this machine trusts", "update-ca-certificates", log)
        self._inside("fetching package lists", "apt-get update", log, append=True)

    def clone(self):
        """The repository as it is committed."""
        report.run_logged("cloning", ["git", "clone", "--quiet", "--no-hardlinks", str(paths.REPO),
                                      str(self.root / "root/accel")], self.log("clone"))
        cache = self.root / "root/.cache/accel"
        (cache / "dl").mkdir(parents=True)
        if self.downloads:
            for file in (file for name in SOURCES for file in paths.DOWNLOADS.glob(name)):
                shutil.copy2(file, cache / "dl")

    def run(self):
        """The command."""
        self._inside(self.command, f"cd /root/accel && {self.command}", self.log("run"))

    def _inside(self, what, command, log, append=False):
        cache = self.cache and str(Path(self.cache).expanduser().resolve())
        report.run_logged(f"{what} in the fresh {self.suite}",
                          [*NAMESPACE, "sh", "-ec", ENTER, "enter", str(self.root), command], log,
                          append=append, meter=progress.Tail(),
                          env={**environment(), "CACHE": cache or ""})

    def _write(self, name, lines):
        (self.root / name).write_text("".join(f"{line}\n" for line in lines))

    def _copy(self, file, name):
        if file.is_file():
            target = self.root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            shutil.copyfile(file, target)


def environment():
    """A bare environment, and what the machine's says of the network."""
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8",
            **{name: value for name, value in os.environ.items()
               if NETWORK.fullmatch(name) and not SECRET.search(name)}}


def run(trial):
    """`make fresh`: returns the exit code."""
    if not apt.is_root():
        raise Stop("make fresh makes a Debian, mounts, and changes into it, which only root can.")
    if not re.fullmatch(r"[a-z]+", trial.suite):
        raise Stop(f"SUITE={trial.suite} is no name of a suite; bookworm, trixie and sid are.")
    if trial.cache:
        Path(trial.cache).expanduser().mkdir(parents=True, exist_ok=True)
    _warn_of_changes()
    with chain.alone(f"fresh-{trial.suite}.lock"):
        return _run(trial)


def _run(trial):
    began = time.monotonic()
    needs.provide_one(needs.DEBOOTSTRAP)
    report.say(f"making a minimal Debian {trial.suite} (log: "
               f"{paths.short(trial.log('debootstrap'))})")
    trial.bootstrap()
    report.say("taking over this machine's mirrors, and cloning")
    trial.connect()
    trial.clone()
    report.say(f"{trial.command}, in {paths.short(trial.root)} (log: "
               f"{paths.short(trial.log('run'))})")
    ready = time.monotonic()
    trial.run()
    report.say(report.tail(trial.log("run"), 7))
    if not trial.keep:
        _remove(trial.root)
    report.say(f"A minimal Debian {trial.suite} was ready after {report.clock(ready - began)}, "
               f"and `{trial.command}` ended well in it after "
               f"{report.clock(time.monotonic() - ready)}.")
    return 0


def _warn_of_changes():
    changed = subprocess.run(["git", "-C", paths.REPO, "status", "--porcelain"],
                             capture_output=True, text=True).stdout
    if changed:
        report.say(f"      {len(changed.splitlines())} files have changes that are not committed, "
                   "so the fresh machine doesn't get them")


def _remove(root):
    """Not what somebody may have mounted there."""
    subprocess.run(["rm", "-rf", "--one-file-system", str(root)], check=True)
