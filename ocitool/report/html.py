"""HTML as values: elements that escape the words in them, lists and tables with a bound, and the page around them.

A page is one file that loads nothing. Its one script, which copies digests, is let in by its own hash: nothing that
a registry says can run. The same values give the same bytes.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Final, TypeVar

from ocitool.model.digest import Digest
from ocitool.model.printable import shown

T = TypeVar("T")

MOST: Final = 200
"""Items of one list that are told; a guess at what anybody reads. The JSON answer has all of them."""
LONGEST: Final = 2000
"""Characters of one text."""
LARGEST: Final = 4_000_000
"""Characters of a page, whatever lists are in it."""


class Html(str):
    """Text that is HTML. Every other text is escaped where it becomes part of some."""

    __slots__ = ()


def element(name: str, *inside: str, **attributes: str | bool) -> Html:
    """An element. In attributes' names `_` stands for `-`, `class_` for class; one that is False is left out."""
    said = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{words(str(value))}"')
        for key, value in attributes.items()
        if value is not False
    )
    return Html(f"<{name}{said}>{join(*inside)}</{name}>")


def words(text: str) -> Html:
    """The text escaped, on one line, and cut where it is long; HTML as it is."""
    if isinstance(text, Html):
        return text
    more = f" … {len(text) - LONGEST} more characters" if len(text) > LONGEST else ""
    return Html(escape(shown(text[:LONGEST])) + more)


def join(*parts: str, between: str = "") -> Html:
    """Texts and HTML behind each other."""
    return Html(between.join(map(words, parts)))


def some(items: Sequence[T], draw: Callable[[T], Html], rest: Callable[[str], Html] = words) -> Iterator[Html]:
    """The first of the items, each as drawn, and how many more there are, by `rest`."""
    yield from map(draw, items[:MOST])
    if len(items) > MOST:
        yield rest(f"and {len(items) - MOST} more")


def listed(items: Sequence[str], kind: str = "ul") -> Html:
    """A list of texts, or of elements `li`."""

    def item(text: str) -> Html:
        return text if isinstance(text, Html) and text.startswith("<li") else element("li", text)

    return element(kind, *some(items, item, item))


def lines(texts: Sequence[str]) -> Html:
    """Texts below each other."""
    return join(*some(texts, words), between="<br>")


def definitions(pairs: Mapping[str, str]) -> Html:
    """Names, each with what it stands for."""

    def pair(name: str, value: str = "") -> Html:
        return join(element("dt", name), element("dd", value))

    return element("dl", *some([*pairs.items()], lambda one: pair(*one), pair))


def table(
    caption: str,
    columns: Sequence[str],
    items: Sequence[T],
    cells: Callable[[T], Sequence[str]],
    numbers: frozenset[int] = frozenset(),
) -> Html:
    """A table with a row for each item, of which the first cell is the head. Style makes cards of rows on a phone.

    Roles are said since some browsers take a row that is drawn as a block for none.
    """
    kinds = ["number" if n in numbers else False for n in range(len(columns))]
    heads = [
        element("th", name, scope="col", role="columnheader", class_=kind)
        for name, kind in zip(columns, kinds, strict=True)
    ]

    def row(item: T) -> Html:
        first, *rest = cells(item)
        drawn = [
            element("td", cell, role="cell", class_=kind, data_label=name)
            for cell, kind, name in zip(rest, kinds[1:], columns[1:], strict=True)
        ]
        return element("tr", element("th", first, scope="row", role="rowheader"), *drawn, role="row")

    def more(told: str) -> Html:
        return element("tr", element("td", told, role="cell", colspan=str(len(columns))), role="row")

    return element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *heads, role="row"), role="rowgroup"),
        element("tbody", *some(items, row, more), role="rowgroup"),
        role="table",
    )


def code(digest: Digest, *, whole: bool = False) -> Html:
    """A digest, short if it need not be whole; the script puts a button beside it that copies all of it."""
    return element("code", digest if whole else digest.short, class_="digest", title=digest)


def page(title: str, lead: Iterable[str], pieces: Iterable[Html]) -> str:
    """The page as a text: a heading, what is told first, then the pieces but for what would make it too large."""
    style, script = ((files("ocitool.report") / f"page.{kind}").read_text() for kind in ("css", "js"))
    allowed = b64encode(sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'; img-src data:"
    head = element("header", element("h1", title), *(element("p", text) for text in lead))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<link rel="icon" href="data:,">
<title>{words(title)}</title>
<style>
{style}</style>
</head>
<body>
{head}
<main>
{join(*_within(pieces), between=chr(10))}
</main>
<script>{script}</script>
</body>
</html>
"""


def _within(pieces: Iterable[Html]) -> Iterator[Html]:
    size = 0
    for piece in pieces:
        is_left_out = size + len(piece) > LARGEST
        size += 0 if is_left_out else len(piece)
        yield element("p", "Too large for a page: --json has it.") if is_left_out else piece
