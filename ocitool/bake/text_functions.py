"""Functions of HCL about texts: their characters, digests, encodings and patterns."""

import base64
import binascii
import hashlib
import json
import posixpath
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias
from urllib.parse import quote_plus

from ocitool.bake.constraints import ANY, from_json
from ocitool.bake.number_functions import whole_of
from ocitool.bake.numbers import Number, counted, shown
from ocitool.bake.values import Budget, Value, text_of
from ocitool.errors import Unsupported, UsageError

Function: TypeAlias = Callable[[tuple[Any, ...], Budget], Value]

_JOINING: Final = re.compile(
    r"\r\n|[\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff]"
)
_WORK: Final = 50_000_000
"""Most ways through a text that a pattern may try, which take a second or two."""
_WORK_OF_A_STEP: Final = 50
_CLASS: Final = r"\[\^?\]?(?:\\[dDwWsS]|\\[^\w\s]|[^\]\\\[])*\]"
_PIECE: Final = re.compile(
    rf"(?P<group>\((?:\?:|\?P<[A-Za-z_]\w*>|(?!\?)))"
    rf"|(?:(?P<close>\))|(?P<atom>\\[dDwWsSbB]|\\[^\w\s]|{_CLASS}|[.^$|]|[^\\\[(){{}}?*+.^$|]))"
    rf"(?P<times>(?:[*+?]|\{{\d{{1,3}}(?:,\d{{0,3}})?\}})\??)?",
    re.ASCII,
)
_GO_SPACE: Final = r"\t\n\f\r "
_INSERTED: Final = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))", re.ASCII)


def texts_of(args: tuple[Any, ...]) -> tuple[str, ...]:
    """Arguments that are texts. Raises UsageError."""
    return tuple(text_of(one, "an argument") for one in args)


def of_texts(work: Callable[..., Value]) -> Function:
    """A function of texts alone."""
    return lambda args, _: work(*texts_of(args))


def characters(text: str) -> str:
    """The text, of which every sign is a character. Raises Unsupported where several signs may be one."""
    if not text.isascii() or "\r" in text:
        joined = _JOINING.search(text) or any(
            unicodedata.category(one)[0] == "M" or unicodedata.category(one) == "Cf" for one in text
        )
        if joined:
            raise Unsupported("the characters of this text are not counted here", ability="characters")
    return text


def _substr(args: tuple[Any, ...], _: Budget) -> str:
    text = characters(text_of(args[0], "a text"))
    start, length = whole_of(args[1], "a start"), whole_of(args[2], "a length")
    if start < 0:
        start = max(0, start + len(text))
    elif length == 0:
        return ""
    return text[start:] if length <= 0 else text[start : start + length]


def _indent(args: tuple[Any, ...], budget: Budget) -> str:
    spaces, text = whole_of(args[0], "a number of spaces"), text_of(args[1], "a text")
    if spaces < 0:
        raise UsageError("a number of spaces is below zero")
    budget.charge(len(text) + spaces * text.count("\n"))
    return text.replace("\n", "\n" + " " * spaces)


def _base64(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        raise UsageError("what base64decode takes is no text in base64") from None


def _digest(algorithm: str) -> Callable[[str], str]:
    return lambda text: hashlib.new(algorithm, text.encode(), usedforsecurity=False).hexdigest()


def _title(text: str) -> str:
    """Every letter that begins a word in its title form; what is no letter, digit or _ ends a word."""
    return re.sub(r"\b[^\W\d_]", lambda match: match[0].title() if len(match[0].title()) == 1 else match[0], text)


def _directory(path: str) -> str:
    """What comes before the last / of a path, cleaned."""
    cleaned = posixpath.normpath(path[: path.rfind("/") + 1] or ".")
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def _json_encode(args: tuple[Any, ...], budget: Budget) -> str:
    text = _as_json(args[0], budget)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _as_json(value: Value, budget: Budget) -> str:
    budget.charge(1)
    match value:
        case Number():
            return shown(value)
        case tuple():
            return f"[{','.join(_as_json(one, budget) for one in value)}]"
        case dict():
            pairs = (f"{_as_json(key, budget)}:{_as_json(value[key], budget)}" for key in sorted(value))
            return f"{{{','.join(pairs)}}}"
    return json.dumps(value, ensure_ascii=False)


def _json_decode(args: tuple[Any, ...], budget: Budget) -> Value:
    return from_json(text_of(args[0], "an argument"), ANY, "what jsondecode takes", budget)


def _pattern(pattern: str, text: str, budget: Budget) -> re.Pattern[str]:
    """A pattern of Go that means the same here, its work charged. Raises Unsupported, UsageError.

    Of what is repeated nothing is repeated itself, so that the ways through a text can be counted.
    """
    made, at, repeats, choices = "", 0, 0, 0
    while at < len(pattern):
        piece = _PIECE.match(pattern, at)
        if piece is None or (piece["close"] and piece["times"] not in {None, "?"}):
            raise Unsupported(f"the pattern {pattern[:60]!r} is not evaluated here", ability="pattern")
        at = piece.end()
        times = piece["times"] or ""
        repeats += times[:1] in {"*", "+", "{"}
        choices += times[:1] == "?" or piece["atom"] == "|"
        made += (piece["group"] or piece["close"] or _atom(piece["atom"])) + times
    starts = 1 if pattern.startswith("^") else len(text) + 1
    work = (len(text) + 1) ** repeats * 2**choices * starts
    if work > _WORK:
        raise Unsupported(f"a text of {len(text)} characters is too long for this pattern", ability="pattern")
    budget.charge(work // _WORK_OF_A_STEP + 100)
    try:
        return re.compile(made, re.ASCII)
    except re.error:
        raise UsageError(f"no pattern: {pattern[:60]!r}") from None


def _atom(atom: str) -> str:
    """An atom of Go's as one of Python's: what is a space, and where a text ends."""
    if atom == "$":
        return r"\Z"
    if atom[0] == "[":
        if any(sign in atom for sign in ("--", "&&", "||", "~~")):
            raise Unsupported(f"the class {atom[:60]} is not evaluated here", ability="pattern")
        return atom.replace(r"\s", _GO_SPACE)
    return {r"\s": f"[{_GO_SPACE}]", r"\S": f"[^{_GO_SPACE}]"}.get(atom, atom)


def _matches(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """What is like the pattern, from left to right; nothing right behind something is no match, as with Go."""
    at, end = 0, -1
    while at <= len(text) and (match := pattern.search(text, at)):
        if match.end() > match.start() or match.start() != end:
            yield match
        at = match.end() + (match.end() == at)
        end = match.end()


def _found(match: re.Match[str]) -> Value:
    """What a pattern found: named groups as an object, others as a list, without groups the text."""
    if names := match.re.groupindex:
        if len(names) != match.re.groups:
            raise UsageError("a pattern has groups with names and without")
        return {name: match[name] for name in names}
    return tuple(match.groups()) if match.re.groups else match[0]


def _regex(args: tuple[Any, ...], budget: Budget) -> Value:
    pattern, text = texts_of(args)
    match = _pattern(pattern, text, budget).search(text)
    if match is None:
        raise UsageError(f"nothing in the text is like {pattern[:60]!r}")
    return _found(match)


def _regex_all(args: tuple[Any, ...], budget: Budget) -> tuple[Value, ...]:
    pattern, text = texts_of(args)
    return tuple(map(_found, _matches(_pattern(pattern, text, budget), text)))


def _regex_replace(args: tuple[Any, ...], budget: Budget) -> str:
    text, pattern, new = texts_of(args)
    made, end = [], 0
    for match in _matches(_pattern(pattern, text, budget), text):
        put = _INSERTED.sub(lambda name: "$" if name[0] == "$$" else _group(match, name[1] or name[2]), new)  # noqa: B023
        budget.charge(len(new) + len(put))
        made += [text[end : match.start()], put]
        end = match.end()
    return "".join([*made, text[end:]])


def _group(match: re.Match[str], name: str) -> str:
    """A group by its number or name; empty where there is none."""
    try:
        return match[int(name) if name.isdigit() else name] or ""
    except IndexError:
        return ""


TEXT_FUNCTIONS: Final = {
    "base64decode": (1, 1, of_texts(_base64)),
    "base64encode": (1, 1, of_texts(lambda text: base64.b64encode(text.encode()).decode())),
    "dirname": (1, 1, of_texts(_directory)),
    "indent": (2, 2, _indent),
    "jsondecode": (1, 1, _json_decode),
    "jsonencode": (1, 1, _json_encode),
    "md5": (1, 1, of_texts(_digest("md5"))),
    "regex": (2, 2, _regex),
    "regex_replace": (3, 3, _regex_replace),
    "regexall": (2, 2, _regex_all),
    "reverse": (1, 1, of_texts(lambda text: characters(text)[::-1])),
    "sha1": (1, 1, of_texts(_digest("sha1"))),
    "sha256": (1, 1, of_texts(_digest("sha256"))),
    "sha512": (1, 1, of_texts(_digest("sha512"))),
    "strlen": (1, 1, of_texts(lambda text: counted(len(characters(text))))),
    "substr": (3, 3, _substr),
    "title": (1, 1, of_texts(_title)),
    "urlencode": (1, 1, of_texts(quote_plus)),
}
