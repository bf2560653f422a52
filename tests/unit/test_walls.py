# SPDX-License-Identifier: GPL-3.0-or-later
"""The walls of the house: the core is pure, one module imports libvirt, no file is long."""

from __future__ import annotations

import ast

import pytest

from ansible_collections.virt.image.tests.unit.support import PLUGINS

FORBIDDEN = (
    "ansible ansible_collections asyncio ctypes datetime fcntl glob http io libvirt multiprocessing os pathlib random "
    "requests secrets shutil signal socket ssl subprocess sys tempfile threading time urllib"
).split()
CALLS = ("open", "exec", "eval", "__import__", "print", "input")
CORE = sorted((PLUGINS / "module_utils" / "_core").glob("*.py"))
FILES = sorted(PLUGINS.rglob("*.py"))


def imports(source):
    """Return every module that a source imports anywhere: absolute names, and relative ones with their dots."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            stem = "." * node.level + (node.module or "")
            found += [stem] + [f"{stem}{'' if stem.endswith('.') else '.'}{alias.name}" for alias in node.names]
    return found


def breaches(source):
    """Return what a core module does that it may not."""
    names = imports(source)
    outside = [name for name in names if name.split(".")[0] in FORBIDDEN or name.startswith("..") or "_io" in name]
    calls = [
        node.func.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and hasattr(node.func, "id")
    ]
    return outside + [name for name in calls if name in CALLS]


def named(path):
    return str(path.relative_to(PLUGINS))


@pytest.mark.parametrize("path", CORE, ids=named)
def test_core_is_pure(path):
    assert breaches(path.read_text(encoding="utf-8")) == []


def test_core_was_found():
    assert len(CORE) > 10


@pytest.mark.parametrize(
    "planted",
    [
        "import os",
        "import os.path as p",
        "from subprocess import run",
        "def f():\n    import libvirt",
        "def f():\n    def g():\n        from time import time",
        "try:\n    import socket\nexcept ImportError:\n    pass",
        "from .._io import files",
        "from .. import _io",
        "from ..x import y",
        "from ansible.module_utils.basic import AnsibleModule",
        "from ansible_collections.virt.image.plugins.module_utils._io import files",
        "class A:\n    import random",
        "open('/etc/passwd')",
        "__import__('os')",
    ],
)
def test_wall_sees_a_planted_import(planted):
    assert breaches(planted)


@pytest.mark.parametrize(
    "innocent", ["import re", "from . import xml", "from .errors import ImageError", "from xml.parsers import expat"]
)
def test_wall_lets_the_core_through(innocent):
    assert breaches(innocent) == []


def test_one_module_imports_libvirt():
    importers = [named(path) for path in FILES if "libvirt" in imports(path.read_text(encoding="utf-8"))]
    assert importers == ["module_utils/_io/requirements.py"]


@pytest.mark.parametrize("path", FILES, ids=named)
def test_no_file_is_long(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", sorted((PLUGINS / "modules").glob("*.py")), ids=named)
def test_a_module_is_documentation_and_wiring(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert list(functions) == ["main"]
    assert functions["main"].end_lineno - functions["main"].lineno < 20
    assert not [node for node in ast.walk(tree) if isinstance(node, (ast.For, ast.While))]
