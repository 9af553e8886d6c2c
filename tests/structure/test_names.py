"""Names: folders as docs/architecture.md tells them, one meaning for each class, docstrings that begin with the thing."""

import ast
import re
from collections import Counter

import pytest

from tests.structure.source import PACKAGE, REPOSITORY, modules

MAP = REPOSITORY / "docs" / "architecture.md"


def folders() -> set[str]:
    """Every folder of the package that holds a module, as the map writes it: `registry/`, `cli/cmd/`."""
    return {f"{path.parent.relative_to(PACKAGE)}/" for path in PACKAGE.rglob("*.py")} - {"./"}


def test_the_map_has_every_folder_and_no_other():
    told = re.findall(r"^### `([\w/]+/)`", MAP.read_text(), re.MULTILINE)

    assert sorted(folders()) == sorted(told)


def test_files_that_the_architecture_names_are_there():
    """`registry/retry.py` is below the package, `tests/conftest.py` below the top; `cli/cmd/NAME.py` names no file."""
    named = set(re.findall(r"`([a-z0-9_/]+/[a-z0-9_.]+\.[a-z]+)`", MAP.read_text()))

    assert set() == {name for name in named if not any((top / name).exists() for top in (PACKAGE, REPOSITORY))}


def test_no_folder_is_called_build():
    """Linters, test runners and packagers pass over that name unasked."""
    found = [path for top in (PACKAGE, REPOSITORY / "tests") for path in top.rglob("build") if path.is_dir()]

    assert [] == found


@pytest.mark.slow
def test_no_public_class_name_stands_twice():
    """One meaning, one name, aliases of types included."""
    names = Counter(
        name
        for module, tree in modules().items()
        for name in _types(tree)
        if not name.startswith("_")
        and module not in {"ocitool", "ocitool.artifact.oras"}  # whose Registry is named by oras-py
    )

    assert {} == {name: count for name, count in names.items() if count > 1}


def _types(tree: ast.Module) -> list[str]:
    """Classes and type aliases that a module makes at its top, guarded or not."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            found.append(node.name)
        elif isinstance(node, ast.AnnAssign) and _last_name(node.annotation) == "TypeAlias":
            found.append(ast.unparse(node.target))
    return found


def _last_name(node: ast.expr) -> str:
    """`TypeAlias` of `typing.TypeAlias` and of itself."""
    return getattr(node, "attr", getattr(node, "id", ""))


@pytest.mark.parametrize("word", ["What"])
def test_no_docstring_of_a_module_begins_with(word):
    said = {module: ast.get_docstring(tree) or "" for module, tree in modules().items()}

    assert [] == [module for module, text in said.items() if text.startswith(word)]


def test_every_module_has_a_docstring():
    assert [] == [module for module, tree in modules().items() if not ast.get_docstring(tree)]
