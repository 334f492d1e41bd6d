# SPDX-License-Identifier: GPL-2.0
"""`make series`: the overlay and the hooks as series of patches that a mailing list can review.

Everything comes from the files that the composed tree is made of, in the order of
integration/series. What is written is applied again by `git am`, and has to give the same tree.
stepwise.py builds it patch by patch.
"""

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from . import compose, cover, hooks, needs, overlay, partial, patches, paths, plan, source
from .report import Stop, say

OUTPUT = paths.BUILD / "series"


class Repository:
    """A git repository whose commits depend on nothing that a person has configured."""

    def __init__(self, path):
        self.path = path
        self.environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull,
                            "GIT_CONFIG_NOSYSTEM": "1", **_author()}
        self.git("init", "-q", "-b", "series")
        # What stands behind @@ is the function.
        (path / ".git/info/attributes").write_text("*.rs diff=rust\n*.[ch] diff=cpp\n")

    def git(self, *arguments, text=None):
        result = subprocess.run(["git", "-C", self.path, *arguments], input=text, text=True,
                                capture_output=True, env=self.environment)
        if result.returncode:
            raise Stop(f"git {arguments[0]}: {(result.stderr + result.stdout).strip()}")
        return result.stdout

    def names(self):
        """The files that are in it."""
        return self.git("ls-files", "-z").split("\0")[:-1]

    def commit(self, names, message):
        listing = "\0".join(names)
        self.git("add", "--force", "--pathspec-from-file=-", "--pathspec-file-nul", text=listing)
        self.git("commit", "-q", "--cleanup=verbatim", "-F", "-", text=message)


def _author():
    """Who sends it, as git is configured here, at the time of the last commit."""
    ours = ["git", "-C", paths.REPO]
    last = subprocess.run([*ours, "log", "-1", "--format=%an%n%ae%n%aI"], capture_output=True,
                          text=True).stdout.splitlines()
    found = {}
    for key, value in zip(("name", "email"), last):
        own = subprocess.run([*ours, "config", f"user.{key}"], capture_output=True, text=True)
        for who in ("AUTHOR", "COMMITTER"):
            found[f"GIT_{who}_{key.upper()}"] = own.stdout.strip() or value
    return {**found, "GIT_AUTHOR_DATE": last[2], "GIT_COMMITTER_DATE": last[2]}


def make():
    """The command: says what has been made."""
    say("writing the series, and applying them to pristine Linux")
    needs.require("source")
    write_and_apply()
    for directory in sorted(OUTPUT.iterdir()):
        say(f"      {len(list(directory.glob('*'))) - 1} patches and a cover letter in "
            f"{paths.short(directory)}/")
    say("      git am of them all gives the composed tree")


def write_and_apply():
    """build/series/, which is shown to give the composed tree; returns the patches."""
    pristine, version = source.get()
    wanted = write(pristine, version)
    with scratch() as directory:
        repository = base(pristine, directory, hooks.load(), version)
        repository.git("am", "-q", *map(str, written()))
        _require_equal({name: _read(directory / name) for name in repository.names()}, wanted)
    return written()


def write(pristine, version):
    """build/series/*/*.patch; returns the tree that they make: {path: (content, executable)}."""
    planned, names, hooking = plan.load(), overlay.files(pristine), hooks.load()
    plan.assign(planned, names, hooking, pristine)
    with scratch() as directory:
        repository = base(pristine, directory, hooking, version)
        tree = {}
        for patch, after in states(planned, pristine, names, hooking):
            changed = [name for name, want in after.items() if tree.get(name) != want]
            put(directory, {name: after[name] for name in changed})
            repository.commit(changed, patch.message())
            for series in planned.series:
                if patch is series.patches[-1]:
                    repository.git("branch", series.name)
            tree = after
        _format(repository, planned, version)
    _require_equal(tree, _composed(pristine, names, hooking))
    return tree


def written():
    """The patches of all series, in order, without the cover letters."""
    return [patch for patch in sorted(OUTPUT.glob("*/*.patch"))
            if not patch.name.startswith("0000-")]


@contextmanager
def scratch():
    """A directory that goes again."""
    paths.BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=paths.BUILD, prefix="series.") as name:
        yield Path(name)


def states(planned, pristine, names, hooking):
    """[(patch, all that differs from pristine Linux once it is applied)]"""
    files = {name: overlay.read(name) for name in names}
    present, reached = set(), set()
    for patch in planned.patches:
        present.update(patch.files)
        reached.add(patch.name)
        absent = set(names) - present
        shown = {name: (partial.without(absent, name, files[name][0]), files[name][1])
                 for name in present}
        yield patch, compose.desire(pristine, shown,
                                    [hook for hook in hooking if hook.patch in reached])


def base(pristine, directory, hooking, version):
    """A repository of what the series changes of Linux; the rest would take minutes to add."""
    repository = Repository(directory)
    names = sorted({hook.file for hook in hooking})
    put(directory, {name: ((pristine / name).read_bytes(), os.access(pristine / name, os.X_OK))
                    for name in names})
    repository.commit(names, f"Linux {version}\n")
    repository.git("tag", "base")
    return repository


def put(directory, files):
    for name, (content, executable) in files.items():
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(0o755 if executable else 0o644)


def _format(repository, planned, version):
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    before = None
    for number, series in enumerate(planned.series, 1):
        applies = f"The series applies to Linux {version}"
        if before:
            applies += f" with the series before it: {before.cover}"
        text = f"{series.cover}\n\n{cover.text(series)}\n{cover.fill(applies + '.')}\n"
        repository.git("config", f"branch.{series.name}.description", text)
        repository.git("format-patch", "-q", "--cover-letter",
                       "--cover-from-description=subject", "--no-signature", "--stat-width=72",
                       "-o", str(OUTPUT / f"{number}-{series.name}"),
                       f"{before.name if before else 'base'}..{series.name}")
        before = series


def _composed(pristine, names, hooking):
    """The composed tree without what is for the kernel under test only."""
    return compose.desire(pristine, {name: overlay.read(name) for name in names}, hooking,
                          patches.load(patches.SERIES))


def _read(path):
    return path.read_bytes(), os.access(path, os.X_OK)


def _require_equal(tree, wanted):
    different = sorted(name for name in {*tree, *wanted} if tree.get(name) != wanted.get(name))
    if different:
        raise Stop("after the last patch of the series these files are not as in the composed "
                   f"tree: {', '.join(different)}.")
