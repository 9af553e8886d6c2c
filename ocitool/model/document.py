"""Document: a manifest, index, config or bundle as the bytes it is.

The digest of a document is over its bytes, so the bytes are kept and everything else is derived. `edit`
changes the parsed tree and then re-emits only what changed: every value that is equal before and after
keeps its own bytes, whatever its layout, number format or escapes; new values follow the style found.
"""

import copy
import json
import re
from collections import deque
from collections.abc import Callable
from functools import cached_property
from itertools import pairwise
from typing import Any, Final, TypeAlias

from ocitool.errors import MalformedDocument, UsageError
from ocitool.model.digest import Digest
from ocitool.model.numbers import MIB
from ocitool.values import dataclass, field, replace

JsonTree: TypeAlias = Any
"""Parsed JSON: dict, list, str, int, float, bool, None."""

MANIFEST_LIMIT: Final = 4 * MIB
"""Registries need not take, and we do not read, manifests larger than this (distribution-spec)."""

_DEPTH: Final = 64
_VALUES: Final = 2_000_000
"""Most values of a text: a GiB of memory, and more than a large image's SBOM has."""
_SPACE: Final = re.compile(r"[ \t\r\n]*")
# Possessive, and content with the end of the text instead of a closing quote: linear whatever it is fed.
_STRING: Final = r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)'
_TOKEN: Final = re.compile(rf"{_STRING}|[\[{{\]}}]", re.DOTALL)
_MARK: Final = "\N{OBJECT REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class Served:
    """What a registry said beside a document: headers as they came, empty where it said nothing."""

    content_type: str = ""
    digest: str = ""
    length: str = ""
    status: int = 200


@dataclass(frozen=True)  # no slots: the digest is kept, since everything asks for it
class Document:
    """Exact bytes and the media type they were served or declared with (parameters removed, may be empty).

    Equality and identity are those of the bytes; never compare parsed trees for identity. `served` is how a
    registry presented it, None for what comes from elsewhere. `algorithm` is that of the digest it is known by,
    since whoever names it by sha512 does not find it by sha256 (K046).
    """

    raw: bytes
    media_type: str
    served: Served | None = field(default=None, compare=False)
    algorithm: str = field(default="sha256", compare=False)

    @cached_property
    def digest(self) -> Digest:
        """The digest of the bytes that it is known by."""
        return Digest.of(self.raw, self.algorithm)

    @property
    def size(self) -> int:
        """Number of bytes."""
        return len(self.raw)

    def tree(self) -> JsonTree:
        """A fresh parse of the bytes, strict: see `parse`. Raises MalformedDocument."""
        return parse(self.raw)

    def edit(self, change: Callable[[JsonTree], object]) -> "Document":
        """The document after `change` has altered the tree in place; this very object if nothing changed.

        What `change` returns is ignored. Unknown keys, key order and the bytes of untouched values stay.
        A changed top-level `mediaType` becomes the new document's media type.
        Raises MalformedDocument if the bytes do not parse.
        """
        before = self.tree()
        after = copy.deepcopy(before)
        change(after)
        if _identical(before, after):
            return self
        text = self.raw.decode()
        emitted = _Emitter(text, Style.of(self.raw)).splice(after)
        media_type = self.media_type
        if isinstance(after, dict) and after.get("mediaType") != before.get("mediaType"):
            media_type = after.get("mediaType") or media_type
        return Document(_encode(emitted), media_type)


def parse(data: bytes) -> JsonTree:
    """The JSON text in `data`: UTF-8, one value, no duplicate keys, no NaN, 64 levels, 2 million values.

    Raises MalformedDocument with the byte offset where one is known. Spec: I-JSON (RFC 7493).
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedDocument("not valid UTF-8", offset=error.start) from None
    if sum(map(text.count, ",[{")) > _VALUES:  # commas of texts are counted too
        raise MalformedDocument(f"JSON of more than {_VALUES} values")
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
    if text.count("[") + text.count("{") <= _DEPTH:
        return False  # most documents end here: the loop takes as long as the parsing
    depth = 0
    for token in _TOKEN.finditer(text):
        mark = token.group()
        if mark in "[{":
            depth += 1
            if depth > _DEPTH:
                return True
        elif mark in "]}":
            depth -= 1
    return False


def _identical(a: JsonTree, b: JsonTree) -> bool:
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
    newline: str = "\n"

    @classmethod
    def of(cls, data: bytes) -> "Style":
        """The style of a text, judged by its first indented line and first separators."""
        text = data.decode()
        bare = re.sub(_STRING, f'"{_MARK}"', text, flags=re.DOTALL)
        indented = re.search(r"[\[{]\r?\n([ \t]+)", bare)
        colon = re.search(r'"(\s*:\s*)', bare)
        comma = re.search(r",( *)[^\s]", bare)
        return cls(
            indent=indented.group(1) if indented else "",
            comma="," + (comma.group(1) if comma else ""),
            colon=colon.group(1) if colon else ": ",
            ascii_only=text.isascii(),
            newline="\r\n" if indented and "\r\n" in indented.group() else "\n",
        )

    def dump(self, value: JsonTree) -> str:
        """`value` in this style, its lines parted by a line feed; no final newline."""
        return json.dumps(
            value,
            ensure_ascii=self.ascii_only,
            indent=self.indent or None,
            separators=(",", self.colon) if self.indent else (self.comma, self.colon),
            allow_nan=False,
        )


@dataclass(frozen=True, slots=True)
class _Node:
    """A value's place in the text, and what it holds: members of an object, items of an array."""

    start: int
    end: int
    value: JsonTree
    items: "tuple[_Item, ...] | None" = None


@dataclass(frozen=True, slots=True)
class _Item:
    """One member or item: where it starts (at its key, in an object) and its value's node."""

    start: int
    key: str | None
    node: _Node


@dataclass(frozen=True, slots=True)
class _Part:
    """What a changed container holds now: its text, and which of the old items it continues, if any."""

    text: str
    old: int | None


class _Emitter:
    """Writes a changed tree over the old text, reusing the text of every value that did not change.

    A changed container keeps its own layout too: what stands before its first item, between two items,
    between key and value and after the last item.
    """

    def __init__(self, text: str, style: Style) -> None:
        self._text = text
        self._style = style
        self._scan = json.JSONDecoder(object_pairs_hook=_unique)

    def splice(self, after: JsonTree) -> str:
        """The old text with its value replaced by `after`."""
        start = self._skip(0)
        root = self._locate(start)
        return self._text[:start] + self._emit(after, root, self._style, "") + self._text[root.end :]

    def _skip(self, at: int) -> int:
        match = _SPACE.match(self._text, at)
        return match.end() if match else at

    def _locate(self, at: int) -> _Node:
        mark = self._text[at]
        if mark not in "{[":
            value, end = self._scan.raw_decode(self._text, at)
            return _Node(at, end, value)
        items: list[_Item] = []
        start, at = at, self._skip(at + 1)
        while self._text[at] not in "}]":
            place, key = at, None
            if mark == "{":
                key, at = self._scan.raw_decode(self._text, at)
                at = self._skip(self._skip(at) + 1)
            items.append(_Item(place, key, self._locate(at)))
            at = self._skip(items[-1].node.end)
            if self._text[at] == ",":
                at = self._skip(at + 1)
        values = [item.node.value for item in items]
        value = dict(zip([item.key for item in items], values, strict=True)) if mark == "{" else values
        return _Node(start, at + 1, value, tuple(items))

    def _emit(self, value: JsonTree, node: _Node | None, style: Style, lead: str) -> str:
        """`value` as text; `lead` is the indentation of the line it stands on."""
        if node is not None and _identical(value, node.value):
            return self._text[node.start : node.end]
        if node is not None and node.items and value and type(value) is type(node.value):
            return self._refill(value, node, node.items, style)
        text = style.dump(value)
        return text.replace("\n", style.newline + lead) if style.indent else text

    def _refill(self, value: JsonTree, node: _Node, items: tuple[_Item, ...], style: Style) -> str:
        """A container with other contents in its own layout."""
        opening = self._text[node.start + 1 : items[0].start]
        closing = self._text[items[-1].node.end : node.end - 1]
        gaps = [self._text[one.node.end : other.start] for one, other in pairwise(items)]
        is_inline = "\n" not in opening
        gap = gaps[0] if gaps else (style.comma if is_inline else "," + opening)
        inner = replace(style, indent="", comma=style.comma if "\n" in gap else gap) if is_inline else style
        lead = "" if is_inline else opening.rpartition("\n")[2]
        parts = (
            self._members(value, items, inner, lead)
            if isinstance(value, dict)
            else (self._elements(value, items, inner, lead))
        )
        out = [self._text[node.start], opening, parts[0].text]
        for before, part in pairwise(parts):
            follows = before.old is not None and part.old == before.old + 1
            out += (gaps[before.old] if follows and before.old is not None else gap, part.text)
        return "".join((*out, closing, self._text[node.end - 1]))

    def _members(
        self, value: dict[str, JsonTree], items: tuple[_Item, ...], style: Style, lead: str
    ) -> list[_Part]:
        old = {item.key: number for number, item in enumerate(items)}
        first = self._text[items[0].start : items[0].node.start]
        colon = first[self._scan.raw_decode(first)[1] :]
        parts = []
        for key, member in value.items():
            number = old.get(key)
            if number is None:
                head = json.dumps(key, ensure_ascii=style.ascii_only) + colon
                parts.append(_Part(head + self._emit(member, None, style, lead), None))
            else:
                head = self._text[items[number].start : items[number].node.start]
                parts.append(_Part(head + self._emit(member, items[number].node, style, lead), number))
        return parts

    def _elements(self, value: list[JsonTree], items: tuple[_Item, ...], style: Style, lead: str) -> list[_Part]:
        places = _pair(value, [item.node.value for item in items])
        return [
            _Part(self._emit(element, None if place is None else items[place].node, style, lead), place)
            for element, place in zip(value, places, strict=True)
        ]


def _pair(values: list[JsonTree], before: list[JsonTree]) -> list[int | None]:
    """For each value of a changed list the old item it continues, if any: an equal one before others."""
    free: dict[str, deque[int]] = {}
    for number, old in enumerate(before):
        free.setdefault(json.dumps(old), deque()).append(number)
    places: list[int | None] = []
    for value in values:
        same = free.get(json.dumps(value))
        places.append(same.popleft() if same else None)
    taken = set(places)
    rest = dict.fromkeys(number for number in range(len(before)) if number not in taken)
    if len(rest) == places.count(None):  # as many changed as are left: they are the same items, edited
        left = iter(rest)
        return [place if place is not None else next(left) for place in places]
    for number, place in enumerate(places):  # otherwise an item goes on where its predecessor's neighbour stood
        previous = places[number - 1] if number else -1
        if place is None and previous is not None and (follower := previous + 1) in rest:
            del rest[follower]
            places[number] = follower
    return places


PRETTY: Final = Style(indent="  ", comma=",", colon=": ", ascii_only=False)
"""For manifests and indexes that we write: people read them with curl."""
COMPACT: Final = Style(indent="", comma=",", colon=":", ascii_only=False)
"""For configs that we write."""


def write(tree: JsonTree, media_type: str, style: Style = PRETTY) -> Document:
    """A new document of our own making: key order as given, no final newline, the same bytes everywhere."""
    return Document(_encode(style.dump(tree)), media_type)


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        # A lone surrogate: half a UTF-16 pair, or a byte of the command line that is no UTF-8.
        said = text[max(0, error.start - 20) : error.end]
        raise UsageError(
            f"text that is not Unicode cannot be written: {said!r}", hint="write it in UTF-8"
        ) from None
