"""A TOML file, and the line each of its keys stands on.

`tomllib` keeps no positions, and an error without a line is half an error. The walk here knows just enough
of the grammar for that: headers, keys before `=`, strings and brackets that run over several lines.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

from ocitool.errors import UsageError, local_io
from ocitool.model.numbers import MIB
from ocitool.model.toml import TomlError, parse_toml
from ocitool.values import dataclass, field

SIZE_LIMIT: Final = MIB

KeyPath: TypeAlias = tuple[str | int, ...]
_BARE_OR_QUOTED: Final = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED: Final = rf"{_BARE_OR_QUOTED}(?:\s*\.\s*{_BARE_OR_QUOTED})*"
_HEADER: Final = rf"\s*(\[\[?)\s*({_DOTTED})\s*\]"
_KEY: Final = rf"\s*({_DOTTED})\s*="
_LEXEME: Final = r"(?s)'''.*?'''|\"\"\"(?:[^\\]|\\.)*?\"\"\"|'[^'\n]*'|\"(?:[^\"\\\n]|\\.)*\"|#[^\n]*|[\[\]{}\n]"


@dataclass(frozen=True, slots=True)
class TomlFile:
    """A parsed file. `lines` gives the line (from 1) of each table and key by its path from the root."""

    path: Path
    tree: dict[str, Any] = field(hash=False)
    lines: dict[KeyPath, int] = field(hash=False)

    def line(self, path: KeyPath) -> int:
        """The line of the key at `path`, or of the nearest thing around it; 1 where nothing is."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def error(self, path: KeyPath, message: str, hint: str = "") -> UsageError:
        """An error that names file, line and key."""
        key = key_text(path)
        return UsageError(f"{self.path} line {self.line(path)}: {key}{' ' if key else ''}{message}", hint=hint)


def read_toml(path: Path) -> TomlFile:
    """The file's tree and lines. Raises LocalIOError, and UsageError with line and column for bad TOML."""
    try:
        with path.open("rb") as file:
            raw = file.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise local_io(error, f"read {path}") from error
    if len(raw) > SIZE_LIMIT:
        raise UsageError(f"{path} is larger than 1 MiB", hint="this is no file of settings")
    try:
        text = raw.decode("utf-8").replace("\r\n", "\n")
        tree = parse_toml(text)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path} line {line}: not UTF-8") from error
    except TomlError as error:
        raise UsageError(f"{path}: {error}", hint=_syntax_hint(text)) from error
    return TomlFile(path, tree, dict(_lines(text)))


def _syntax_hint(text: str) -> str:
    """What to do about text that is no TOML; a table beside a list of tables of its name is the usual slip."""
    found = (re.match(_HEADER, line) for line in text.split("\n"))
    headers = {(match[1], match[2]) for match in found if match is not None}
    both = next((name for mark, name in sorted(headers) if mark == "[" and ("[[", name) in headers), "")
    if not both:
        return "the file has to be valid TOML 1.0"
    shared = "; what several images share stands in [config]" if both == "image" else ""
    return f"TOML has no [{both}] beside [[{both}]]{shared}"


def key_text(path: KeyPath) -> str:
    """The path as TOML writes it: `platform."linux/arm/v6".base`, `program[1].name`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            word = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'"{part}"'
            text += f".{word}" if text else word
    return text


def _lines(text: str) -> Iterator[tuple[KeyPath, int]]:
    """(path, line) of every header and key; keys of inline tables have the line of what holds them."""
    table: KeyPath = ()
    counts: dict[KeyPath, int] = {}
    for number, statement in _statements(text):
        if header := re.match(_HEADER, statement):
            table = _parts(header.group(2))
            if header.group(1) == "[[":
                at = counts[table] = counts.get(table, -1) + 1
                table = (*table, at)
            else:
                table = _inside_last(table, counts)
            yield table, number
        elif key := re.match(_KEY, statement):
            parts = _parts(key.group(1))
            for depth in range(1, len(parts) + 1):
                yield (*table, *parts[:depth]), number


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """(line, text) of each statement: a line, or several that brackets or a long string hold together."""
    start = begin = depth = 0
    number = first = 1
    for token in re.finditer(_LEXEME, text):
        found = token.group()
        if found in {"[", "{"}:
            depth += 1
        elif found in {"]", "}"}:
            depth = max(0, depth - 1)
        elif found == "\n" and depth == 0:
            yield first, text[start : token.start()]
            start = token.end()
            first = number + text.count("\n", begin, token.end())
        number += text.count("\n", begin, token.end())
        begin = token.end()
    yield first, text[start:]


def _parts(dotted: str) -> KeyPath:
    words = re.findall(_BARE_OR_QUOTED, dotted)
    return tuple(_unquoted(word) for word in words)


def _unquoted(word: str) -> str:
    if word.startswith('"'):
        return str(parse_toml(f"v={word}")["v"])
    return word.strip("'")


def _inside_last(table: KeyPath, counts: dict[KeyPath, int]) -> KeyPath:
    """A header below an array of tables means the last element of it."""
    for size in range(len(table), 0, -1):
        if table[:size] in counts:
            return (*table[:size], counts[table[:size]], *table[size:])
    return table
