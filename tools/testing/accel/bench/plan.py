# SPDX-License-Identifier: GPL-2.0
"""integration/series: which series there are, of which patches, and what belongs to which.

The format is described at the head of that file.
"""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from . import hooks, paths
from .report import Stop

FILE = paths.INTEGRATION / "series"
PASSAGES = ("introduction", "section", "paragraph")


@dataclass
class Patch:
    """One patch; of the hooks it takes those that name it."""
    number: int
    name: str
    subject: str = ""
    patterns: list = field(default_factory=list)
    why: list = field(default_factory=list)
    user: str = ""
    files: list = field(default_factory=list)

    def message(self):
        user = ["", f"One user: {self.user}"] if self.user else []
        return "\n".join([self.subject, "", *self.why, *user]) + "\n"


@dataclass
class Series:
    """A cover letter, then patches in their order."""
    number: int
    name: str
    cover: str = ""
    passages: list = field(default_factory=list)  # (kind, what follows)
    patches: list = field(default_factory=list)


@dataclass
class Plan:
    """The file: series that build on each other."""
    series: list = field(default_factory=list)

    @property
    def patches(self):
        return [patch for series in self.series for patch in series.patches]


def load():
    """The plan as it is written; assign() says which files it means."""
    plan = Plan()
    for number, text in enumerate(FILE.read_text().splitlines(), 1):
        if text.startswith("#") or not text.strip():
            continue
        key, colon, value = text.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if key == "series" and colon:
            plan.series.append(Series(number, value.strip()))
        elif key == "patch" and colon and plan.series:
            plan.series[-1].patches.append(Patch(number, value.strip()))
        elif not plan.series or not _add(plan.series[-1], key, value):
            raise Stop(f"{paths.short(FILE)}:{number}: `{key}` is not known here; there are for "
                       f"each series: series, cover, {', '.join(PASSAGES)}, and for each patch of "
                       "it: patch, subject, user, add, why.")
    for series in plan.series:
        if not series.cover or not series.patches:
            raise Stop(f"{paths.short(FILE)}:{series.number}: the series {series.name} needs a "
                       "`cover:` line and a patch.")
        for patch in series.patches:
            if bool(patch.user) != (series is not plan.series[-1]):
                raise Stop(f"{paths.short(FILE)}:{patch.number}: the patch {patch.name} needs a "
                           "`user:` line if it is in a series before the last, and else none.")
    for patch in plan.patches:
        _require_complete(plan, patch)
    return plan


def _add(series, key, value):
    """Takes one line; says whether it may stand here."""
    current = series.patches[-1] if series.patches else None
    if current and key == "subject" and not current.subject:
        current.subject = value
    elif current and key == "user" and not current.user:
        current.user = value.strip()
    elif current and key == "add":
        current.patterns.append(value)
    elif current and key == "why":
        current.why.append(value)
    elif not current and key == "cover" and not series.cover:
        series.cover = value
    elif not current and key in PASSAGES:
        series.passages.append((key, value))
    else:
        return False
    return True


def _require_complete(plan, patch):
    where = f"{paths.short(FILE)}:{patch.number}: the patch {patch.name}"
    if not patch.subject or not patch.why:
        raise Stop(f"{where} needs a `subject:` line and `why:` lines.")
    if [other.name for other in plan.patches].count(patch.name) > 1:
        raise Stop(f"{where} is there twice.")


def assign(plan, names, hooking, pristine):
    """Gives every file of the overlay to its patch, and makes sure that every hook has one."""
    for patch in plan.patches:
        if patch.user and patch.user not in names and not (pristine / patch.user).is_file():
            raise Stop(f"{paths.short(FILE)}:{patch.number}: the patch {patch.name} is used by "
                       f"{patch.user}, which is not there.")
    for patch in plan.patches:
        patch.files = []
        for pattern in patch.patterns:
            found = [name for name in names if _matches(name, pattern)]
            if not found:
                raise Stop(f"{paths.short(FILE)}:{patch.number}: the patch {patch.name} adds "
                           f"{pattern}, but the overlay has no such file.")
            patch.files += found
    for name in names:
        _require_one(plan, name)
    for hook in hooking:
        _require_patch(plan, hook)
    _require_content(plan, hooking)


def _matches(name, pattern):
    """`*` stands for a part of one name; a directory, with a slash behind it, for all below it."""
    if pattern.endswith("/"):
        return name.startswith(pattern)
    return name.count("/") == pattern.count("/") and fnmatchcase(name, pattern)


def _require_one(plan, name):
    owners = [patch.name for patch in plan.patches for file in patch.files if file == name]
    if not owners:
        raise Stop(f"{name} belongs to no patch: name it by an `add:` line of "
                   f"{paths.short(FILE)}, in the patch that it is reviewed with.")
    if len(owners) > 1:
        raise Stop(f"{name} belongs to more than one patch of {paths.short(FILE)}: "
                   f"{', '.join(owners)}.")


def _require_patch(plan, hook):
    where = f"{paths.short(hooks.FILE)}:{hook.number}: the hook for {hook.file}"
    if not hook.patch:
        raise Stop(f"{where} belongs to no patch: give it a line `patch: NAME`, with a name of "
                   f"{paths.short(FILE)}.")
    if hook.patch not in [patch.name for patch in plan.patches]:
        raise Stop(f"{where} belongs to the patch {hook.patch}, which {paths.short(FILE)} "
                   "does not have.")


def _require_content(plan, hooking):
    used = {hook.patch for hook in hooking}
    for patch in plan.patches:
        if not patch.files and patch.name not in used:
            raise Stop(f"{paths.short(FILE)}:{patch.number}: the patch {patch.name} has neither a "
                       "file nor a hook.")
