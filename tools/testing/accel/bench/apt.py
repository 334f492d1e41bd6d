# SPDX-License-Identifier: GPL-2.0
"""Debian's package manager: installing from the machine's suites, fetching from others."""

import functools
import os
import re
import shutil
import subprocess

from . import paths, report
from .report import Stop
from .tools import output, which

STATE = paths.CACHE / "apt"
# Names and aliases both: mirrors exist that keep one of the two fresher than the other.
SUITES = ("trixie-backports", "forky-backports", "stable-backports", "oldstable-backports",
          "trixie", "forky", "testing", "sid", "unstable", "experimental")
# These have neither updates nor a security archive of their own.
ROLLING = ("testing", "unstable", "sid")
NO_HOOKS = """\
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


@functools.cache
def available():
    """Whether this machine is managed by apt."""
    return bool(which("apt-get") and which("dpkg-deb"))


def is_root():
    return os.geteuid() == 0


def candidate(package):
    """The version that an installation would bring, or an empty string."""
    found = re.search(r"Candidate: (\S+)", output("apt-cache", "policy", package))
    return found[1] if found and found[1] != "(none)" else ""


def numbers(package):
    """The first three numbers of that version, without Debian's epoch; () if there is none."""
    found = re.match(r"(?:\d+:)?(\d+)\.(\d+)(?:\.(\d+))?", candidate(package))
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def refresh():
    """Fetches the machine's own package lists; old ones may do where that fails."""
    try:
        _logged("fetching package lists", ["apt-get", "update"])
    except Stop as stop:
        report.say(f"      {stop}")


def install(packages):
    """Installs packages as the machine's own configuration says."""
    _logged("installing packages", ["apt-get", "install", "-y", "--no-install-recommends",
                                    "-o", "DPkg::Lock::Timeout=600", *packages], append=True)


def _logged(what, command, append=False):
    report.run_logged(what, command, paths.LOGS / "packages.log", env=_environment(),
                      append=append)


def fetch(package, version_prefix):
    """A package file of any suite that the mirror carries, in the download cache; or None.

    Where the machine's own suite lacks it, this uses package lists of its own, so the machine's
    lists and sources stay as they are.
    """
    cached = _cached(package, version_prefix)
    if cached or not available():
        return cached
    own = candidate(package)
    if own.startswith(version_prefix) and _download(package, own):
        return _cached(package, version_prefix)
    for version in _versions(package, version_prefix):
        if _download(package, version, *_options()):
            return _cached(package, version_prefix)
    return None


def _cached(package, version_prefix):
    found = sorted(paths.DOWNLOADS.glob(f"{package}_{version_prefix}*.deb"))
    return found[-1] if found else None


def _versions(package, version_prefix):
    """Versions on offer, the newest first."""
    listing = _isolated_output("apt-cache", "madison", package)
    if package not in listing:
        _update_lists()
        listing = _isolated_output("apt-cache", "madison", package)
    versions = {line.split("|")[1].strip() for line in listing.splitlines() if "|" in line}
    fitting = [version for version in versions if version.startswith(version_prefix)]
    return sorted(fitting, key=functools.cmp_to_key(_compare), reverse=True)


def _compare(a, b):
    older = subprocess.run(["dpkg", "--compare-versions", a, "lt", b]).returncode == 0
    return -1 if older else int(a != b)


def _download(package, version, *options):
    report.say(f"      fetching {package} {version}")
    paths.DOWNLOADS.mkdir(parents=True, exist_ok=True)
    part = paths.DOWNLOADS / "part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    result = subprocess.run(["apt-get", *options, "download", f"{package}={version}"],
                            cwd=part, env=_environment(), stdin=subprocess.DEVNULL,
                            capture_output=True, text=True)
    for file in part.glob("*.deb"):
        file.rename(paths.DOWNLOADS / file.name.replace("%3a", ":"))
    part.rmdir()
    if result.returncode:
        report.say(f"      {result.stderr.strip().splitlines()[-1]}")
    return result.returncode == 0


def _update_lists():
    """Reads the lists of all suites; a suite that the mirror lacks is no error."""
    report.say("      reading the mirror's package lists")
    paths.LOGS.mkdir(parents=True, exist_ok=True)
    with open(paths.LOGS / "suites.log", "w") as log:
        subprocess.run(["apt-get", *_options(), "update"], stdout=log, stderr=subprocess.STDOUT,
                       stdin=subprocess.DEVNULL, env=_environment())


def _isolated_output(program, *arguments):
    return output(program, *_options(), *arguments)


@functools.cache
def _options():
    """apt options for a state of our own, beside the machine's."""
    for directory in ("state/lists/partial", "cache/archives/partial", "etc"):
        (STATE / directory).mkdir(parents=True, exist_ok=True)
    sources = STATE / "etc/sources.list"
    sources.write_text("".join(_source_lines()))
    hooks = STATE / "etc/no-hooks.conf"
    hooks.write_text(NO_HOOKS)
    return ["-c", str(hooks),
            "-o", f"Dir::State={STATE}/state", "-o", "Dir::State::status=/var/lib/dpkg/status",
            "-o", f"Dir::Cache={STATE}/cache",
            "-o", f"Dir::Etc::SourceList={sources}", "-o", "Dir::Etc::SourceParts=/dev/null",
            "-o", "APT::Sandbox::User=root", "-o", "Acquire::Languages=none",
            "-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false"]


def _source_lines():
    key = "/usr/share/keyrings/debian-archive-keyring.gpg"
    signed = f"[signed-by={key}] " if os.path.exists(key) else ""
    for mirror in mirrors():
        for suite in SUITES:
            yield f"deb {signed}{mirror} {suite} main\n"


def mirrors():
    """The Debian archives that the machine is set up for; security and third ones aside."""
    suites = {_codename(), "stable", "oldstable", "testing", "unstable", "sid"}
    return list(dict.fromkeys(uri for uri, suite in _sources() if suite in suites))


def sources(suite):
    """[(archive, suite)] of a machine that is like this one, but has another suite of Debian."""
    own = _codename()
    alike = [(uri, suite + name.removeprefix(own)) for uri, name in _sources()
             if own and (name == own or name.startswith(own + "-"))]
    plain = [(uri, suite) for uri in mirrors()]
    return plain if suite in ROLLING else alike or plain


def network_settings():
    """What the machine's apt is told of proxies and the like, as lines of a configuration."""
    return re.findall(r'^Acquire::(?:https?::|Check-|Retries|Force).* ".+";$',
                      output("apt-config", "dump"), re.M)


def _sources():
    """[(archive, suite)] that the machine is set up for."""
    listing = output("apt-get", "update", "--print-uris")
    return re.findall(r"^'(\S+)/dists/([^/]+)/InRelease'", listing, re.M)


def _codename():
    """What the machine's suite is called, as in bookworm, or an empty string."""
    try:
        with open("/etc/os-release") as file:
            found = re.search(r"VERSION_CODENAME=(\S+)", file.read())
    except OSError:
        return ""
    return found[1] if found else ""


def _environment():
    return {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
