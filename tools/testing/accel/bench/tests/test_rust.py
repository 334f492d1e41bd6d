# SPDX-License-Identifier: GPL-2.0
"""One version of Rust is enough for everything: what the doctor asks for."""

import json
import re
import subprocess
import tomllib
import unittest

from bench import overlay, paths, tools, unit, userland

MINIMUM = ".".join(map(str, tools.RUSTC_MINIMUM[:2]))
PLATFORM = ("--filter-platform", userland.TARGET)


def manifests():
    """{name: content} of every Cargo.toml."""
    return {name: tomllib.loads((paths.REPO / name).read_text())
            for name in overlay.listed() if name.endswith("Cargo.toml")}


def stated(manifest):
    """The version that a manifest states, for its package or for those of its workspace."""
    package = manifest.get("package") or manifest["workspace"]["package"]
    return package.get("rust-version")


def metadata(workspace):
    """All that cargo knows of a workspace's packages, or None if it would have to fetch them."""
    command = [tools.which("cargo") or "cargo", "metadata", "--format-version", "1", "--locked",
               "--offline", *PLATFORM]
    try:
        result = subprocess.run(command, cwd=workspace, capture_output=True,
                                env=tools.base_environment())
    except OSError:
        return None
    return json.loads(result.stdout) if result.returncode == 0 else None


def numbers(version):
    return tuple(int(part) for part in version.split("."))


class Minimum(unittest.TestCase):
    def test_every_manifest_states_it(self):
        for name, manifest in manifests().items():
            with self.subTest(name):
                self.assertIn(stated(manifest), (MINIMUM, {"workspace": True}))

    def test_every_workspace_resolves_by_it(self):
        for name, directory in unit.WORKSPACES.items():
            manifest = tomllib.loads((directory / "Cargo.toml").read_text())
            tables = [manifest.get("workspace", {}), manifest.get("package", {})]
            with self.subTest(name):
                self.assertTrue(any(table.get("resolver") == "3" or table.get("edition") == "2024"
                                    for table in tables))

    def test_no_locked_dependency_needs_more(self):
        for name, directory in unit.WORKSPACES.items():
            with self.subTest(name):
                known = metadata(directory)
                if known is None:
                    self.skipTest("cargo has not fetched the dependencies")
                newer = [f"{package['name']} {package['version']}" for package in known["packages"]
                         if numbers(package["rust_version"] or "0") > tools.RUSTC_MINIMUM]
                self.assertEqual(newer, [])

    def test_nothing_else_asks_for_another(self):
        for name in overlay.listed():
            if name.endswith((".md", ".rst", ".sh", ".py")):
                with self.subTest(name):
                    text = (paths.REPO / name).read_text()
                    self.assertLessEqual(set(re.findall(r"\bRust (1\.\d+)", text)), {MINIMUM})
