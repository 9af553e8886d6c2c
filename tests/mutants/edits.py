"""Every small change that could be made to a file of the package, as a splice of its text.

A mutant is named by its file, its function, the line it stands on and the change, not by a number: the name stays
when other lines move, so a list of equivalent ones and the results of a run that was cut keep their meaning. A sample
is the first N by the hash of seed and name, so it changes only where the code does.
"""

import ast
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

COMPARISONS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==",
               "in": "not in", "not in": "in", "is": "is not", "is not": "is"}  # fmt: skip
OPERATORS = {ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "//"), ast.FloorDiv: ("//", "*"),
             ast.Mod: ("%", "//"), ast.BitOr: ("|", "&"), ast.BitAnd: ("&", "|"),
             ast.LShift: ("<<", ">>"), ast.RShift: (">>", "<<")}  # fmt: skip
# Nothing that a program does depends on these: the first three cost or save memory, the others guard a promise
# that the line itself keeps, or word a help page.
SILENT_KEYWORDS = {"frozen", "slots", "kw_only", "repr", "strict", "show_default", "daemon"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """`text[start:end]` of the file at `path` becomes `after`; `lines` are where a run of it passes.

    `scope` is the function or class, empty for the module; `source` a hash of that scope's text. `function` is the
    qualified name and the first line of the outermost function around it, None where it runs as its module is loaded.
    """

    path: str
    scope: str
    name: str
    lines: tuple[int, ...]
    start: int
    end: int
    after: str
    source: str
    function: tuple[str, int] | None = None

    def apply(self, text: str) -> str:
        """The file's text with the change."""
        return text[: self.start] + self.after + text[self.end :]


def package(root: Path) -> list[Mutant]:
    """Every mutant of the package below `root`, in the order of its files."""
    return [one for path in sorted((root / "ocitool").rglob("*.py")) for one in mutants(root, path)]


def sample(every: Iterable[Mutant], size: int, seed: int) -> list[Mutant]:
    """`size` of them, the same for the same code and seed, in the order of their files."""
    drawn = sorted(every, key=lambda one: hashlib.sha256(f"{seed} {one.name}".encode()).digest())
    return sorted(drawn[:size], key=lambda one: (one.path, one.start))


def mutants(root: Path, path: Path) -> Iterator[Mutant]:
    """Every mutant of one file."""
    text = path.read_text()
    file = _File(text)
    name = str(path.relative_to(root))
    seen: Counter[str] = Counter()
    for node, scope, statement in _places(ast.parse(text), None, None):
        for start, end, after in _changes(file, node):
            where = ".".join(_names(scope))
            row = file.lines[file.row_of(start)].strip()
            told = f"{name} {where or 'module'}: {row} :: {_short(text[start:end])} -> {_short(after)}"
            seen[told] += 1
            if seen[told] > 1:
                told += f" #{seen[told]}"
            body = scope[-1] if scope else None
            source = hashlib.sha256((file.text_of(body) if body else told).encode()).hexdigest()[:12]
            first = statement.lineno if statement else node.lineno
            function = _outermost(scope)
            lines = (first, node.lineno) if function else ()
            yield Mutant(name, where, told, lines, start, end, after, source, function)


class _File:
    """A text with offsets for the positions that a syntax tree gives (rows from 1, columns in UTF-8 bytes)."""

    def __init__(self, text: str):
        self.text = text
        self.lines = text.split("\n")
        self._starts = [0]
        for line in self.lines:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def offset(self, row: int, column: int) -> int:
        return self._starts[row - 1] + len(self.lines[row - 1].encode()[:column].decode())

    def row_of(self, offset: int) -> int:
        return next(row for row, start in enumerate(self._starts[1:]) if offset < start)

    def start(self, node: ast.AST) -> int:
        return self.offset(node.lineno, node.col_offset)

    def end(self, node: ast.AST) -> int:
        return self.offset(node.end_lineno, node.end_col_offset)

    def text_of(self, node: ast.AST) -> str:
        return self.text[self.start(node) : self.end(node)]


def _short(text: str) -> str:
    words = " ".join(text.split())
    return f"{words[:37]}..." if len(words) > 40 else words


def _names(scope: tuple[ast.AST, ...]) -> list[str]:
    return [getattr(node, "name", "lambda") for node in scope]


def _outermost(scope: tuple[ast.AST, ...]) -> tuple[str, int] | None:
    for depth, node in enumerate(scope, 1):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min(one.lineno for one in (node, *node.decorator_list))
            return ".".join(_names(scope[:depth])), first
    return None


def _places(
    node: ast.AST, scope: tuple[ast.AST, ...] | None, statement: ast.stmt | None
) -> Iterator[tuple[ast.AST, tuple[ast.AST, ...], ast.stmt | None]]:
    """Every node whose change a program could show, with the scopes and the statement around it.

    Left out: what only type checkers read, docstrings and other bare strings, decorators of dataclasses.
    """
    scope = scope or ()
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or field in {"annotation", "returns", "type_params"}:
                continue
            if field == "decorator_list" and "dataclass" in ast.unparse(child):
                continue
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.AnnAssign) and ast.unparse(child.annotation) == "TypeAlias":
                continue
            if isinstance(child, ast.keyword) and child.arg in SILENT_KEYWORDS:
                continue
            workspace = child if isinstance(child, ast.stmt) else statement
            if hasattr(child, "lineno"):
                yield child, scope, workspace
            opens = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            # Defaults and decorators of a function are run where it is defined.
            if opens:
                body = ast.Module(child.body, [])
                yield from _places(body, (*scope, child), workspace)
                rest = [*child.decorator_list, *getattr(getattr(child, "args", None), "defaults", [])]
                rest += [one for one in getattr(getattr(child, "args", None), "kw_defaults", []) if one]
                rest = [one for one in rest if "dataclass" not in ast.unparse(one)]
                yield from _places(ast.Tuple(rest, ast.Load()), scope, workspace)
            else:
                yield from _places(child, scope, workspace)


def _changes(file: _File, node: ast.AST) -> Iterator[tuple[int, int, str]]:
    """Start, end and new text of each change to this very node (not to what is inside it)."""
    match node:
        case ast.Compare():
            operands = [node.left, *node.comparators]
            for left, right in pairwise(operands):
                yield from _gap(file, left, right, COMPARISONS)
        case ast.BoolOp():
            word, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            for left, right in pairwise(node.values):
                yield from _gap(file, left, right, {word: other})
        case ast.BinOp() if type(node.op) in OPERATORS and not any(map(_is_text, (node.left, node.right))):
            old, new = OPERATORS[type(node.op)]
            yield from _gap(file, node.left, node.right, {old: new})
        case ast.AugAssign() if type(node.op) in OPERATORS and not _is_text(node.value):
            old, new = OPERATORS[type(node.op)]
            yield from _gap(file, node.target, node.value, {f"{old}=": f"{new}="})
        case ast.UnaryOp(op=ast.Not()):
            start = file.start(node)
            yield start, start + re.match(r"not\s*", file.text[start:]).end(), ""
        case ast.Constant(value=bool()):
            yield file.start(node), file.end(node), str(not node.value)
        case ast.Constant(value=int()):
            yield file.start(node), file.end(node), str(node.value + 1)
        case ast.Return() if node.value is not None and ast.unparse(node.value) != "None":
            yield file.start(node), file.end(node), "return None"
        case ast.Expr(value=ast.Call()):
            yield file.start(node), file.end(node), "pass"
        case ast.Raise() if node.exc is not None:
            yield file.start(node), file.end(node), "pass"
        case ast.Continue():
            yield file.start(node), file.end(node), "break"
        case ast.Break():
            yield file.start(node), file.end(node), "pass"
    if isinstance(node, ast.If | ast.While | ast.IfExp) and isinstance(
        node.test, ast.Name | ast.Attribute | ast.Call | ast.Subscript
    ):
        yield file.start(node.test), file.end(node.test), f"not {file.text_of(node.test)}"


def _gap(file: _File, left: ast.AST, right: ast.AST, words: dict[str, str]) -> Iterator[tuple[int, int, str]]:
    """The change of the operator between two operands; brackets and line ends around it stay."""
    start, end = file.end(left), file.start(right)
    between = file.text[start:end]
    for word in sorted(words, key=len, reverse=True):
        edge = r"\b" if word[0].isalpha() else ""
        pattern = edge + re.escape(word).replace(r"\ ", r"\s+") + edge
        if found := re.search(pattern, between):
            yield start + found.start(), start + found.end(), words[word]
            return


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    )
