"""Document: a manifest, index, config or bundle as the bytes it is.

The digest of a document is over its bytes, so the bytes are kept and everything else is derived. `edit`
changes the parsed tree and then re-emits only what changed: every value that is equal before and after
keeps its own bytes, whatever its layout, number format or escapes; new values follow the style found.
"""

import json
import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from ocitool.errors import MalformedDocument
from ocitool.model.digest import Digest

Tree: TypeAlias = Any
"""Parsed JSON: dict, list, str, int, float, bool, None."""

MANIFEST_LIMIT: Final = 4 * 1024 * 1024
"""Registries need not take, and we do not read, manifests larger than this (distribution-spec)."""

_DEPTH: Final = 64
_MARK: Final = "\N{OBJECT REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class Document:
    """Exact bytes and the media type they were served or declared with (parameters removed, may be empty).

    Equality and identity are those of the bytes; never compare parsed trees for identity.
    """

    raw: bytes
    media_type: str

    @property
    def digest(self) -> Digest:
        """sha256 of the bytes."""
        return Digest.of(self.raw)

    @property
    def size(self) -> int:
        """Number of bytes."""
        return len(self.raw)

    def tree(self) -> Tree:
        """A fresh parse of the bytes, strict: see `parse`. Raises MalformedDocument."""
        return parse(self.raw)

    def edit(self, change: Callable[[Tree], object]) -> "Document":
        """The document after `change` has altered the tree in place; this very object if nothing changed.

        What `change` returns is ignored. Unknown keys, key order and the bytes of untouched values stay.
        A changed top-level `mediaType` becomes the new document's media type.
        Raises MalformedDocument if the bytes do not parse.
        """
        before = self.tree()
        after = deepcopy(before)
        change(after)
        if _identical(before, after):
            return self
        text = self.raw.decode()
        emitted = _Emitter(text, Style.of(self.raw)).splice(after)
        media_type = self.media_type
        if isinstance(after, dict) and after.get("mediaType") != before.get("mediaType"):
            media_type = after.get("mediaType") or media_type
        return Document(emitted.encode(), media_type)


def parse(data: bytes) -> Tree:
    """The JSON text in `data`: UTF-8, one value, no duplicate keys, no NaN, at most 64 levels deep.

    Raises MalformedDocument with the byte offset where one is known. Spec: I-JSON (RFC 7493).
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedDocument("not valid UTF-8", offset=error.start) from None
    if _too_deep(text):
        raise MalformedDocument(f"JSON nested deeper than {_DEPTH} levels")
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_int)
    except json.JSONDecodeError as error:
        offset = len(text[: error.pos].encode())
        raise MalformedDocument(f"not JSON at byte {offset}: {error.msg.lower()}", offset=offset) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise MalformedDocument(f"duplicate key {twice!r}", hint="two readers may see two different documents")
    return tree


def _no_constant(word: str) -> None:
    raise MalformedDocument(f"{word} is not JSON")


def _int(digits: str) -> int:
    if len(digits) > 100:
        raise MalformedDocument("a number of more than 100 digits")
    return int(digits)


def _too_deep(text: str) -> bool:
    """Whether brackets outside strings nest beyond the bound, found without recursion."""
    depth = 0
    for token in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[{\]}]', text, re.DOTALL):
        mark = token.group()
        if mark in "[{":
            depth += 1
            if depth > _DEPTH:
                return True
        elif mark in "]}":
            depth -= 1
    return False


def _identical(a: Tree, b: Tree) -> bool:
    """Equal including key order and the difference between 1, 1.0 and true."""
    return json.dumps(a) == json.dumps(b)


@dataclass(frozen=True, slots=True)
class Style:
    """How a JSON text is laid out; enough to write a new value as its neighbours are written."""

    indent: str
    """One level of indentation; empty for a text on one line."""
    comma: str
    """What stands between items on one line."""
    colon: str
    ascii_only: bool
    """Non-ASCII letters are escaped."""

    @classmethod
    def of(cls, data: bytes) -> "Style":
        """The style of a text, judged by its first indented line and first separators."""
        text = data.decode()
        bare = re.sub(r'"(?:[^"\\]|\\.)*"', f'"{_MARK}"', text, flags=re.DOTALL)
        indented = re.search(r"[\[{]\r?\n([ \t]+)", bare)
        colon = re.search(r'"(\s*:\s*)', bare)
        comma = re.search(r",( *)[^\s]", bare)
        return cls(
            indent=indented.group(1) if indented else "",
            comma="," + (comma.group(1) if comma else ""),
            colon=colon.group(1) if colon else ": ",
            ascii_only=text.isascii(),
        )

    def dump(self, value: Tree, depth: int = 0) -> str:
        """`value` in this style, as it stands at nesting level `depth`; no final newline."""
        text = json.dumps(
            value,
            ensure_ascii=self.ascii_only,
            indent=self.indent or None,
            separators=(",", self.colon) if self.indent else (self.comma, self.colon),
            allow_nan=False,
        )
        return text.replace("\n", "\n" + self.indent * depth) if self.indent and depth else text


@dataclass(frozen=True, slots=True)
class _Node:
    """A value's place in the text, and the places of what it holds."""

    start: int
    end: int
    value: Tree
    items: "Mapping[str, _Node] | tuple[_Node, ...] | None"


class _Emitter:
    """Writes a changed tree over the old text, reusing the text of every value that did not change."""

    def __init__(self, text: str, style: Style) -> None:
        self._text = text
        self._style = style
        self._scan = json.JSONDecoder(object_pairs_hook=_unique)

    def splice(self, after: Tree) -> str:
        start = self._skip(0)
        root = self._locate(start)
        return self._text[:start] + self._emit(after, root, 0) + self._text[root.end :]

    def _skip(self, at: int) -> int:
        match = re.compile(r"[ \t\r\n]*").match(self._text, at)
        return match.end() if match else at

    def _locate(self, at: int) -> _Node:
        mark = self._text[at]
        if mark == "{":
            return self._locate_object(at)
        if mark == "[":
            return self._locate_array(at)
        value, end = self._scan.raw_decode(self._text, at)
        return _Node(at, end, value, None)

    def _locate_object(self, start: int) -> _Node:
        items: dict[str, _Node] = {}
        at = self._skip(start + 1)
        while self._text[at] != "}":
            key, at = self._scan.raw_decode(self._text, at)
            at = self._skip(self._skip(at) + 1)
            items[key] = self._locate(at)
            at = self._skip(items[key].end)
            if self._text[at] == ",":
                at = self._skip(at + 1)
        return _Node(start, at + 1, {key: node.value for key, node in items.items()}, items)

    def _locate_array(self, start: int) -> _Node:
        items: list[_Node] = []
        at = self._skip(start + 1)
        while self._text[at] != "]":
            items.append(self._locate(at))
            at = self._skip(items[-1].end)
            if self._text[at] == ",":
                at = self._skip(at + 1)
        return _Node(start, at + 1, [node.value for node in items], tuple(items))

    def _emit(self, value: Tree, node: _Node | None, depth: int) -> str:
        if node is None:
            return self._style.dump(value, depth)
        if _identical(value, node.value):
            return self._text[node.start : node.end]
        if isinstance(value, dict) and isinstance(node.items, Mapping) and value:
            parts = [
                self._key(key) + self._style.colon + self._emit(item, node.items.get(key), depth + 1)
                for key, item in value.items()
            ]
            return self._wrap("{", parts, "}", depth)
        if isinstance(value, list) and isinstance(node.items, tuple) and value:
            places = _pair(value, node.items)
            parts = [self._emit(item, place, depth + 1) for item, place in zip(value, places, strict=True)]
            return self._wrap("[", parts, "]", depth)
        return self._style.dump(value, depth)

    def _key(self, key: str) -> str:
        return json.dumps(key, ensure_ascii=self._style.ascii_only)

    def _wrap(self, start: str, parts: list[str], end: str, depth: int) -> str:
        if not self._style.indent:
            return start + self._style.comma.join(parts) + end
        inner = "\n" + self._style.indent * (depth + 1)
        return start + inner + ("," + inner).join(parts) + "\n" + self._style.indent * depth + end


def _pair(values: list[Tree], nodes: tuple[_Node, ...]) -> list[_Node | None]:
    """For each value of a changed list the old node it continues: an equal one, else the one left over."""
    texts = [json.dumps(node.value) for node in nodes]
    free: dict[str, list[int]] = {}
    for number, text in enumerate(texts):
        free.setdefault(text, []).append(number)
    places: list[int | None] = []
    for value in values:
        same = free.get(json.dumps(value))
        places.append(same.pop(0) if same else None)
    taken = {place for place in places if place is not None}
    rest = [number for number in range(len(nodes)) if number not in taken]
    if len(rest) == places.count(None):  # as many changed as are left: they are the same items, edited
        left = iter(rest)
        places = [place if place is not None else next(left) for place in places]
    return [None if place is None else nodes[place] for place in places]


PRETTY: Final = Style(indent="  ", comma=",", colon=": ", ascii_only=False)
"""For manifests and indexes that we write: people read them with curl."""
COMPACT: Final = Style(indent="", comma=",", colon=":", ascii_only=False)
"""For configs that we write."""


def write(tree: Tree, media_type: str, style: Style = PRETTY) -> Document:
    """A new document of our own making: key order as given, no final newline, the same bytes everywhere."""
    return Document(style.dump(tree).encode(), media_type)
