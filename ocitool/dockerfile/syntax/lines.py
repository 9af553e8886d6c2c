"""A Dockerfile's text as instructions in words not yet looked at: directives, continuation, comments, heredocs.

Spec: BuildKit's Dockerfile reference, "Format", "Parser directives", "Here-Documents".
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from ocitool.errors import Cancelled, NotFound, OcitoolError, UsageError
from ocitool.model.numbers import KIB
from ocitool.values import dataclass, field

MAX_LINE: Final = 64 * KIB
"""Longest physical line in characters; BuildKit's scanner takes no longer one."""

_BOM: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"
_DIRECTIVE: Final = re.compile(r"[ \t\r\v\f]*#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*")
_HEREDOC: Final = re.compile(r"\d*<<(-?)\s*([^<]*)")
_QUOTED: Final = re.compile(r"'([^']*)'|\"((?:\\.|[^\"\\])*)\"|\\(.)")
_WORD: Final = re.compile(r"\s*((?:[^\s'\"\\]|\\.|\\$|'[^']*'|\"(?:\\.|[^\"\\])*\")+)")
_BLANK: Final = " \t\r\v\f"
_DIRECTIVES: Final = frozenset({"syntax", "escape", "check"})
HEREDOCS: Final = frozenset({"ADD", "COPY", "RUN"})


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A file written in the Dockerfile itself; `content` has the final newline. Quoted ones are not expanded.

    `written` is the content with the tabs that `<<-` takes away.
    """

    name: str
    content: str
    is_expanded: bool = True
    written: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Line:
    """One instruction: its first and last physical line (from 1), its word in capitals, and the rest of it.

    `written` is the word as it stands in the file. `has_empty` tells of an empty line inside a continuation.
    `joined` is the last line before the bodies of heredocs; `comments` are the comments that stand right above.
    """

    number: int
    end: int
    name: str
    rest: str
    written: str
    heredocs: tuple[Heredoc, ...] = ()
    has_empty: bool = False
    joined: int = 0
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """A whole file: its directives by name, the escape character, and the instructions in order."""

    file: str
    escape: str
    lines: tuple[Line, ...]
    directives: Mapping[str, str] = field(default_factory=dict, hash=False)


def problem(file: str, number: int, what: str, hint: str = "") -> UsageError:
    """An error in a Dockerfile, with the place before it."""
    return UsageError(f"{file}:{number}: {what}", hint=hint)


@contextmanager
def placed(where: str) -> Iterator[None]:
    """Errors inside say the place, a file and its line."""
    try:
        yield
    except NotFound as error:
        raise NotFound(f"{where}: {error.what}", name=error.name, where=error.where, hint=error.hint) from error
    except UsageError as error:
        raise UsageError(f"{where}: {error.what}", hint=error.hint) from error
    except OcitoolError as error:
        if isinstance(error, Cancelled) or error.what.startswith(where):
            raise
        error.what = f"{where}: {error.what}"
        raise


def read_text(data: bytes, file: str) -> Text:
    """The instructions of a Dockerfile. Raises UsageError with file and line."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise problem(file, number, "not valid UTF-8", "save the file as UTF-8") from None
    written = text.removeprefix(_BOM).split("\n")
    physical = [line.removesuffix("\r") for line in written]
    for number, line in enumerate(physical, 1):
        if len(line) > MAX_LINE:
            raise problem(file, number, f"a line of {len(line)} characters", f"at most {MAX_LINE}")
        if "\0" in line:
            raise problem(file, number, "a NUL character", "this is no text file")
    directives = _directives(physical, file)
    escape = directives.get("escape", "\\")
    if escape not in {"\\", "`"}:
        raise problem(file, 1, f"escape={escape!r} is not possible", "it is one of \\ and `")
    lines = tuple(_Reader(physical, written, file, escape, skip=len(directives)).lines())
    if not lines:
        raise problem(file, 1, "no instruction in the file", "it needs a FROM at least")
    return Text(file, escape, lines, directives)


def _directives(physical: list[str], file: str) -> dict[str, str]:
    """The directives at the top; the first line that is none ends them."""
    found: dict[str, str] = {}
    for number, line in enumerate(physical, 1):
        match = _DIRECTIVE.fullmatch(line)
        key = match[1].lower() if match else ""
        if match is None or key not in _DIRECTIVES:
            break
        if key in found:
            raise problem(file, number, f"the directive {key} is there twice")
        found[key] = match[2]
    return found


class _Reader:
    """Physical lines joined to instructions. Bodies of heredocs are taken as `written`, with their CR."""

    def __init__(self, physical: list[str], written: list[str], file: str, escape: str, *, skip: int = 0) -> None:
        self._physical = physical
        self._written = written
        self._file = file
        self._escape = escape
        mark = re.escape(escape)
        self._continued = re.compile(rf"(?:(?<!{mark}){mark})[ \t]*$")
        self._at = skip

    def lines(self) -> Iterator[Line]:
        comments: list[str] = []
        while self._at < len(self._physical):
            first = self._physical[self._at].lstrip(_BLANK)
            self._at += 1
            if first.startswith("#"):
                comment = first[1:].strip()
                if comment:
                    comments.append(comment)
                else:  # ends the block that describes the next instruction
                    comments = []
            elif first:
                yield self._join(first, tuple(comments))
                comments = []

    def _join(self, first: str, comments: tuple[str, ...]) -> Line:
        number, has_empty = self._at, False
        piece, goes_on = self._cut(first)
        pieces = [piece]
        while goes_on and self._at < len(self._physical):
            more = self._physical[self._at]
            self._at += 1
            bare = more.strip(_BLANK)
            if bare.startswith("#"):
                continue
            if not bare:
                has_empty = True
                continue
            piece, goes_on = self._cut(more)
            pieces.append(piece)
        whole, joined = "".join(pieces), self._at
        text = whole.strip()
        if not text:
            what = f"nothing but {self._escape}, which continues a line that is not there"
            raise problem(self._file, number, what, "leave it out")
        written, *rest = re.split(r"[ \t\v\f\r]+", text, maxsplit=1)
        name, words = written.upper(), rest[0].strip() if rest else ""
        body = words.partition(" ")[2] if name == "ONBUILD" else words
        kept = whole[len(whole.rstrip()) :] if name == "ONBUILD" and words else ""  # ONBUILD keeps blanks behind it
        carrier = words.split(maxsplit=1)[0].upper() if name == "ONBUILD" and words else name
        heredocs = tuple(self._heredocs(body, number)) if carrier in HEREDOCS else ()
        return Line(number, self._at, name, words + kept, written, heredocs, has_empty, joined, comments)

    def _cut(self, line: str) -> tuple[str, bool]:
        """The line without the escape that continues it, and whether there was one."""
        match = self._continued.search(line)
        return (line[: match.start()], True) if match else (line, False)

    def _heredocs(self, words: str, number: int) -> Iterator[Heredoc]:
        for word in _shell_words(words):
            if (match := _HEREDOC.fullmatch(word)) and (name := heredoc_name(word)) is not None:
                body = self._body(name, number, tabs=bool(match[1]))
                content = "".join(line.lstrip("\t") for line in body) if match[1] else "".join(body)
                yield Heredoc(name, content, _is_plain(match[2]), "".join(body))

    def _body(self, name: str, number: int, *, tabs: bool) -> list[str]:
        """The lines up to the one that is the name alone, each with its end."""
        kept: list[str] = []
        while self._at < len(self._physical):
            line = self._written[self._at]
            self._at += 1
            if (line.lstrip("\t") if tabs else line).rstrip("\r") == name:
                return kept
            kept.append(f"{line}\n")
        raise problem(self._file, number, f"the heredoc {name} has no end", f"end it with a line {name}")


def heredoc_name(word: str) -> str | None:
    """The name of the file that `<<NAME` stands for; None for any other word."""
    match = _HEREDOC.fullmatch(word)
    if match is None or len(_shell_words(match[2])) != 1:
        return None
    return _QUOTED.sub(lambda part: part[1] or part[2] or part[3] or "", match[2]) or None


def _is_plain(name: str) -> bool:
    """Whether no part of a heredoc's name is in quotes."""
    return not any(part[0][:1] in "'\"" for part in _QUOTED.finditer(name))


def _shell_words(text: str) -> list[str]:
    """The words of a line, blanks inside quotes kept; none where a quote has no end."""
    words: list[str] = []
    at = 0
    while match := _WORD.match(text, at):
        words.append(match[1])
        at = match.end()
    return words if not text[at:].strip() else []


def split_flags(rest: str, fail: Callable[[str], UsageError]) -> tuple[tuple[tuple[str, str | None], ...], str]:
    """The flags (`--name`, `--name=value`) at the start of an instruction, and what follows them.

    A flag without `=` has the value None. `fail` makes the error for a nameless flag.
    """
    flags: list[tuple[str, str | None]] = []
    at = 0
    while True:
        while at < len(rest) and rest[at].isspace():
            at += 1
        if not rest.startswith("--", at):
            return tuple(flags), rest[at:]
        word, at = _flag_word(rest, at)
        if word == "--":
            return tuple(flags), rest[at:].lstrip()
        name, equals, value = word[2:].partition("=")
        if not name:
            raise fail(f"{word!r} is not a flag")
        flags.append((name, value if equals else None))


def _flag_word(rest: str, at: int) -> tuple[str, int]:
    """A word whose quotes and backslashes are taken away, and where it ends."""
    word: list[str] = []
    quote = ""
    while at < len(rest):
        mark = rest[at]
        at += 1
        if mark == "\\" and at < len(rest):
            word.append(rest[at])
            at += 1
        elif quote and mark == quote:
            quote = ""
        elif not quote and mark in "'\"":
            quote = mark
        elif not quote and mark.isspace():
            break
        else:
            word.append(mark)
    return "".join(word), at


def split_words(rest: str, escape: str) -> tuple[str, ...]:
    """The words of ENV, LABEL and ARG: blanks in quotes belong to them; quotes and escapes stay for expansion."""
    words: list[str] = []
    begin, quote, at = 0, "", 0
    while at < len(rest):
        mark = rest[at]
        if not quote and mark.isspace():
            words += [rest[begin:at]] if at > begin else []
            begin = at + 1
        elif mark == escape and quote != "'":
            if at + 1 == len(rest):
                break
            at += 1
        elif quote:
            quote = "" if mark == quote else quote
        elif mark in "'\"":
            quote = mark
        at += 1
    return (*words, rest[begin:at]) if at > begin else tuple(words)
