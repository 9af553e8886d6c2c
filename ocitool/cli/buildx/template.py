"""Templates of Go as `imagetools inspect --format` takes them: fields, `json`, `index` and `range`. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ocitool.errors import Unsupported, UsageError

_ACTION: Final = re.compile(r"(\s*)\{\{(-?)\s*(.*?)\s*(-?)\}\}(\s*)", re.DOTALL)
_WORD: Final = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[0-9]+|[()]|\.[\w.]*|\w+)')
_LIMIT: Final = 100_000


def fill(template: str, value: Mapping[str, Any]) -> str:
    """The template with what its actions find in a value.

    Fields are named as in Go or in JSON: `.Manifest.MediaType` is `manifest.mediaType`. Raises UsageError for a
    field that is not there, Unsupported for other actions.
    """
    pieces = _pieces(template)
    text, rest = _filled(pieces, 0, value)
    if rest != len(pieces):
        raise UsageError("the template has an {{end}} that ends nothing")
    return text


def _pieces(template: str) -> list[tuple[bool, str]]:
    """Texts and actions in turn; a dash takes white space away on its side."""
    found: list[tuple[bool, str]] = []
    at = 0
    for match in _ACTION.finditer(template):
        before, dash, action, last, after = match.groups()
        found += [(False, template[at : match.start()] + ("" if dash else before)), (True, action)]
        found.append((False, "" if last else after))
        at = match.end()
    return [*found, (False, template[at:])]


def _filled(pieces: Sequence[tuple[bool, str]], at: int, value: Any) -> tuple[str, int]:  # noqa: ANN401 - JSON
    """The text up to an `end` or the last piece, and where that is."""
    text = ""
    while at < len(pieces):
        is_action, piece = pieces[at]
        at += 1
        if not is_action:
            text += piece
        elif piece == "end":
            return text, at - 1
        elif piece.startswith("range "):
            over = _evaluated(piece.removeprefix("range "), value) if value is not None else []
            items = list(over.values()) if isinstance(over, Mapping) else over
            if not isinstance(items, list):
                raise UsageError(f"{{{{{piece}}}}} goes over a list")
            made = [_filled(pieces, at, one) for one in items]
            at = (made[0] if made else _filled(pieces, at, None))[1] + 1
            if at > len(pieces):
                raise UsageError(f"{{{{{piece}}}}} has no {{{{end}}}}", hint="add {{end}} behind what is repeated")
            text += "".join(one for one, _ in made)
        elif value is not None:
            text += _shown(_evaluated(piece, value), piece)
        if len(text) > _LIMIT * 100:
            raise UsageError("the template gives more text than anybody reads")
    return text, at


def _evaluated(action: str, value: Any) -> Any:  # noqa: ANN401 - JSON
    words: list[str] = []
    at = 0
    while at < len(action):
        match = _WORD.match(action, at)
        if match is None:
            raise _unknown(action)
        words.append(match[1])
        at = match.end()
    if len(words) > _LIMIT // 1000:
        raise UsageError("an action of the template is too long")
    found, rest = _command(words, value)
    if rest:
        raise _unknown(action)
    return found


def _unknown(action: str) -> Unsupported:
    return Unsupported(f"{{{{{action}}}}} is not filled in", ability=action, hint="write {{json .}} and use jq")


def _command(words: list[str], value: Any) -> tuple[Any, list[str]]:  # noqa: ANN401 - JSON
    """What the words up to a closing parenthesis mean, and those behind."""
    if words and words[0] == "json":
        found, rest = _operand(words[1:], value)
        return json.dumps(found, indent=2, ensure_ascii=False), rest
    if words and words[0] == "index":
        found, rest = _operand(words[1:], value)
        while rest and rest[0] != ")":
            key, rest = _operand(rest, value)
            try:
                found = found[key]
            except (KeyError, IndexError, TypeError):
                raise UsageError(f"the template finds nothing at {key!r}") from None
        return found, rest
    return _operand(words, value)


def _operand(words: list[str], value: Any) -> tuple[Any, list[str]]:  # noqa: ANN401 - JSON
    if not words:
        raise UsageError("an action of the template is not whole")
    first, rest = words[0], words[1:]
    if first == "(":
        found, rest = _command(rest, value)
        if not rest or rest[0] != ")":
            raise UsageError("a parenthesis of the template is open")
        rest = rest[1:]
        if rest and rest[0].startswith("."):
            return _field(found, rest[0]), rest[1:]
        return found, rest
    if first.startswith("."):
        return _field(value, first), rest
    if first.startswith('"'):
        return json.loads(first), rest
    if first.isdigit() and len(first) < 10:
        return int(first), rest
    raise _unknown(first)


def _field(value: Any, path: str) -> Any:  # noqa: ANN401 - JSON
    for name in filter(None, path.split(".")):
        keys = {_plain(key): key for key in value} if isinstance(value, Mapping) else {}
        key = name if isinstance(value, Mapping) and name in value else keys.get(_plain(name))
        if key is None:
            raise UsageError(f"the template names {path}, and {name} is not there", hint=_hint(value))
        value = value[key]
    return value


def _hint(value: Any) -> str:  # noqa: ANN401 - JSON
    return f"there are {', '.join(list(value)[:20])}" if isinstance(value, Mapping) else ""


def _plain(name: str) -> str:
    """A name in which Go's and JSON's spellings of a field agree."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _whole(action: str) -> str:
    """The action as an operand of another one."""
    return f"({action})" if " " in action else action


def _shown(value: Any, action: str) -> str:  # noqa: ANN401 - JSON
    if isinstance(value, (Mapping, list)):
        raise UsageError(f"{{{{{action}}}}} is more than a text", hint=f"write {{{{json {_whole(action)}}}}}")
    return json.dumps(value) if isinstance(value, bool) or value is None else str(value)
