# SPDX-License-Identifier: GPL-2.0
"""A cpio archive in the form that the kernel unpacks as initramfs; needs no root to make."""

import os
import stat


class Archive:
    """Collects entries; directories above an entry come by themselves."""

    def __init__(self):
        self._parts = []
        self._names = set()
        self._inode = 0

    def directory(self, name):
        name = name.strip("/")
        if name and name not in self._names:
            self._above(name)
            self._add(name, stat.S_IFDIR | 0o755, b"")

    def file(self, name, content, mode=0o644):
        self._above(name)
        self._add(name.strip("/"), stat.S_IFREG | mode, content)

    def copy(self, name, source):
        """A file of this machine, under a name of the guest."""
        mode = 0o755 if os.access(source, os.X_OK) else 0o644
        with open(source, "rb") as stream:
            self.file(name, stream.read(), mode)

    def link(self, name, target):
        self._above(name)
        self._add(name.strip("/"), stat.S_IFLNK | 0o777, target.encode())

    def device(self, name, major, minor):
        self._above(name)
        self._add(name.strip("/"), stat.S_IFCHR | 0o600, b"", major, minor)

    def has(self, name):
        return name.strip("/") in self._names

    def bytes(self):
        """The whole archive; more archives may follow it in one initramfs."""
        trailer = _entry("TRAILER!!!", 0, 0, b"", 0, 0)
        return b"".join(self._parts) + trailer

    def _above(self, name):
        parent = os.path.dirname(name.strip("/"))
        if parent:
            self.directory(parent)

    def _add(self, name, mode, content, major=0, minor=0):
        if name in self._names:
            return
        self._names.add(name)
        self._inode += 1
        self._parts.append(_entry(name, self._inode, mode, content, major, minor))


def _entry(name, inode, mode, content, major, minor):
    encoded = name.encode() + b"\0"
    fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, major, minor, len(encoded), 0)
    header = b"070701" + b"".join(b"%08x" % field for field in fields)
    return _padded(header + encoded) + _padded(content)


def _padded(data):
    return data + b"\0" * (-len(data) % 4)
