"""The public names: few, importable, typed, and free until used."""

import ast
import importlib
import subprocess
import sys

import ocitool
from tests.structure.source import PACKAGE, REPOSITORY


def test_there_are_at_most_a_dozen_names():
    assert len([name for name in ocitool.__all__ if name != "__version__"]) <= 12


def test_every_name_is_there_and_at_home():
    for name in ocitool.__all__:
        if name != "__version__":
            assert getattr(importlib.import_module(ocitool._HOMES[name]), name) is getattr(ocitool, name)


def test_type_checkers_see_the_same_names():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    guarded = next(
        node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    )
    seen = {
        alias.name: node.module for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }

    assert ocitool._HOMES == seen


def test_every_public_name_has_a_docstring():
    assert [] == [name for name in ocitool.__all__ if name != "__version__" and not getattr(ocitool, name).__doc__]


def test_importing_the_package_imports_nothing_else():
    code = "import sys; before = set(sys.modules); import ocitool; print(*(set(sys.modules) - before))"

    out = subprocess.check_output([sys.executable, "-c", code], cwd=REPOSITORY, text=True)

    assert {"ocitool", "ocitool.version"} == set(out.split()) - {
        "typing",
        "collections",
        "collections.abc",
        "_typing",
    } - _of_typing()


def _of_typing() -> set[str]:
    code = "import sys; before = set(sys.modules); import typing; print(*(set(sys.modules) - before))"
    return set(subprocess.check_output([sys.executable, "-c", code], text=True).split())
