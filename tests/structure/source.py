"""The package's files as syntax trees, and what each imports."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "ocitool"


@dataclass(frozen=True, slots=True)
class Import:
    """`module` imports `target` (a dotted name) on `line`; `typing_only` under TYPE_CHECKING, `inside` a function."""

    module: str
    target: str
    line: int
    typing_only: bool
    inside: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


@lru_cache
def modules() -> dict[str, ast.Module]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = list(path.relative_to(REPOSITORY).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        found[".".join(parts)] = ast.parse(path.read_text(), str(path))
    return found


@lru_cache
def imports() -> tuple[Import, ...]:
    """Every import statement of the package, one value for each imported name."""
    return tuple(one for name, tree in modules().items() for one in _walk(name, tree, typing_only=False, inside=""))


def _walk(module: str, node: ast.AST, *, typing_only: bool, inside: str) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(module, alias.name, child.lineno, typing_only, inside)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{module}:{child.lineno} uses a relative import"
            for alias in child.names:
                full = f"{child.module}.{alias.name}"
                yield Import(
                    module, full if full in modules() else str(child.module), child.lineno, typing_only, inside
                )
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            name = f"{inside}.{getattr(child, 'name', 'lambda')}".lstrip(".")
            yield from _walk(module, child, typing_only=typing_only, inside=name)
        else:
            guarded = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            yield from _walk(module, child, typing_only=typing_only or guarded, inside=inside)
