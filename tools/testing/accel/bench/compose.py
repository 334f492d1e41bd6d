# SPDX-License-Identifier: GPL-2.0
"""The composed tree: pristine Linux + overlay + hooks, kept up to date in place.

A file is written only if its content changes, so that make rebuilds only what it must.
Object directories may lie inside the tree; they are never looked into.
"""

import json
import os
import shutil
import stat
import subprocess
import time

from . import hooks, overlay, patches, paths
from .report import Stop, say

STATE = paths.BUILD / "linux.json"


def compose(pristine, version):
    """Brings build/linux up to date with the source, the overlay and the hooks."""
    files = {name: overlay.read(name) for name in overlay.files(pristine)}
    desired = desire(pristine, files, hooks.load(), patches.load())
    state = _load_state()
    identity = {"source": str(pristine), "version": version}
    if not paths.TREE.exists():
        say(f"      copying Linux {version} from {pristine}")
        _copy_pristine(pristine)
        state = {"managed": []}
    elif state is None or state["identity"] != identity:
        say(f"      comparing {paths.short(paths.TREE)} with {pristine}")
        _refresh(pristine, desired, state)
        state = {"managed": (state or {}).get("managed", [])}
    # The list is written first with old and new names, so that an interrupted run forgets none.
    _save_state(identity, set(state["managed"]) | set(desired))
    changed = [name for name, want in desired.items() if _write(name, *want)]
    gone = [name for name in state["managed"] if name not in desired and _undo(pristine, name)]
    same = not changed and not gone and state.get("content")
    _save_state(identity, desired, same or str(time.time_ns()))
    return changed, gone


def content():
    """What stays the same as long as the tree does, None if that isn't known."""
    return (_load_state() or {}).get("content")


def desire(pristine, files, hooking, patching=()):
    """{path: (content, executable)} of everything that differs from pristine Linux.

    `files` are that already, those of the overlay.
    """
    hooked = {}
    for patch in patching:
        names = patches.targets(patch)
        hooked.update(patches.apply(patch, {n: _current(pristine, hooked, n) for n in names}))
    for hook in hooking:
        text = _current(pristine, hooked, hook.file).decode()
        hooked[hook.file] = hooks.apply(hook, text).encode()
    return {**files, **{name: (content, os.access(pristine / name, os.X_OK))
                        for name, content in hooked.items()}}


def _current(pristine, hooked, name):
    if name in hooked:
        return hooked[name]
    if not (pristine / name).is_file():
        raise Stop(f"{name}: a hook or patch under {paths.short(paths.INTEGRATION)} changes this "
                   "file, but this Linux version has none of that name. Find where its content "
                   "has moved, and name that file.")
    return (pristine / name).read_bytes()


def _copy_pristine(pristine):
    fresh = paths.TREE.with_name("linux.new")
    if fresh.exists():
        shutil.rmtree(fresh)
    paths.BUILD.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", "--reflink=auto", pristine, fresh], check=True)
    shutil.rmtree(fresh / ".git", ignore_errors=True)
    fresh.rename(paths.TREE)


def _refresh(pristine, desired, state):
    """Makes a tree of unknown or other origin equal to pristine, touching what differs only."""
    ours = set(desired) | set((state or {}).get("managed", []))
    for directory, below, names in os.walk(pristine):
        relative = os.path.relpath(directory, pristine)
        relative = "" if relative == "." else relative + "/"
        if not relative and ".git" in below:
            below.remove(".git")
        here = paths.TREE / relative
        here.mkdir(exist_ok=True)
        links = [name for name in below if os.path.islink(os.path.join(directory, name))]
        for name in names + links:
            if relative + name not in ours:
                _restore(pristine, relative + name)
        _drop_strangers(here, set(below) | set(names), relative, ours)


def _drop_strangers(here, known, relative, ours):
    """Removes files that Linux lacks; whole directories at the top are object directories."""
    for entry in os.scandir(here):
        if entry.name in known or relative + entry.name in ours:
            continue
        if entry.is_dir(follow_symlinks=False):
            inside = relative + entry.name + "/"
            if relative and not any(name.startswith(inside) for name in ours):
                shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


def _restore(pristine, name):
    """Puts the pristine file back unless it's there; make must see it as new."""
    source, target = pristine / name, paths.TREE / name
    if _same(source, target):
        return False
    if target.is_symlink() or target.exists():
        target.unlink()
    shutil.copy2(source, target, follow_symlinks=False)
    if not source.is_symlink():
        os.utime(target)
    return True


def _same(source, target):
    if source.is_symlink() or target.is_symlink():
        return (source.is_symlink() and target.is_symlink()
                and os.readlink(source) == os.readlink(target))
    if not target.is_file():
        return False
    a, b = source.stat(), target.stat()
    if a.st_size != b.st_size:
        return False
    return a.st_mtime_ns == b.st_mtime_ns or source.read_bytes() == target.read_bytes()


def _write(name, content, executable):
    """Writes one file of the composed tree if it differs; says whether it did."""
    target = paths.TREE / name
    mode = 0o755 if executable else 0o644
    if target.is_file() and not target.is_symlink() and target.read_bytes() == content:
        if stat.S_IMODE(target.stat().st_mode) & 0o111 != mode & 0o111:
            target.chmod(mode)
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(target.name + ".accel-new")
    fresh.write_bytes(content)
    fresh.chmod(mode)
    fresh.rename(target)
    return True


def _undo(pristine, name):
    """A file that the overlay or a hook no longer wants: restored, or removed."""
    if (pristine / name).exists():
        return _restore(pristine, name)
    target = paths.TREE / name
    if not target.exists():
        return False
    target.unlink()
    directory = target.parent
    while directory != paths.TREE and not any(directory.iterdir()):
        directory.rmdir()
        directory = directory.parent
    return True


def _load_state():
    try:
        return json.loads(STATE.read_text())
    except (OSError, ValueError):
        return None


def _save_state(identity, managed, content=None):
    fresh = STATE.with_suffix(".new")
    fresh.write_text(json.dumps({"identity": identity, "managed": sorted(managed),
                                 "content": content}, indent=1))
    fresh.rename(STATE)
