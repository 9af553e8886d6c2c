r"""`--template`: fields of a JSON answer put into a text, one line for each item of a list.

    {digest}                         a field; {config.os} one further down, {layers[0].size} by number
    {platforms[].digest}             the template once for each item; other fields repeat
    {{ and }}                        the braces themselves; \n and \t a line break and a tab
    {annotations["a.b"]}             a field whose name holds dots

There is nothing else in the language, so a template cannot reach anything but the answer.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ocitool.errors import UsageError

_TOKEN: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|([{}])")
_STEP: Final = re.compile(r"\.?([^.\[\]\"]+)|\[([0-9]*)\]|\[\"([^\"]*)\"\]")
_SOMETIMES: Final = frozenset(
    [
        "annotations",
        "artifactType",
        "attestations",
        "author",
        "comment",
        "config",
        "configPlatform",
        "created",
        "created_by",
        "data",
        "empty_layer",
        "manifestAnnotations",
        "platform",
        "problem",
        "referrers",
        "urls",
    ]
)
"""Fields that items of an answer's lists have only where there is something to say (K244)."""
_ESCAPES: Final = {"\\n": "\n", "\\t": "\t", "\\\\": "\\"}


def render(template: str, answer: Mapping[str, Any]) -> str:
    """The template filled in; lists named with `[]` give a line each, nothing for an empty list.

    Raises UsageError for a field that is not there, naming those that are, and for two lists side by side.
    """
    text = re.sub(r"\\[nt\\]", lambda match: _ESCAPES[match.group()], template)
    fields = [match.group(1) for match in _TOKEN.finditer(text) if match.group(1) is not None]
    if any(match.group(2) for match in _TOKEN.finditer(text)):
        raise UsageError("a single brace in the template", hint="write {{ and }} for the braces themselves")
    return "\n".join(_fill(text, line, answer) for line in _lines(fields, answer))


def _lines(fields: list[str], answer: Mapping[str, Any]) -> list[dict[str, int]]:
    """For each line, which item each list prefix such as `platforms` stands for."""
    lines: list[dict[str, int]] = [{}]
    while True:
        prefixes = {prefix for field in fields if (prefix := _open_list(field, lines[0] if lines else {}))}
        if not lines or not prefixes:
            return lines
        if len(prefixes) > 1:
            one, two = sorted(prefixes)[:2]
            raise UsageError(f"the lists {one} and {two} do not go together", hint="use one list in a template")
        prefix = prefixes.pop()
        grown: list[dict[str, int]] = []
        for line in lines:
            items = _value(prefix, line, answer)
            if not isinstance(items, list):
                if items == "":  # an item without this list gives no line
                    continue
                raise UsageError(f"{prefix} is no list")
            grown += [line | {prefix: number} for number in range(len(items))]
        lines = grown


def _open_list(field: str, chosen: Mapping[str, int]) -> str:
    """The first list prefix in `field` that no item was chosen for yet."""
    for match in _STEP.finditer(field):
        prefix = field[: match.start()]
        if match.group() == "[]" and prefix not in chosen:
            if not prefix:
                raise _no_field(field)
            return prefix
    return ""


def _fill(text: str, line: Mapping[str, int], answer: Mapping[str, Any]) -> str:
    def replace(match: re.Match[str]) -> str:
        if match.group(1) is None:
            return match.group()[0]
        value = _value(match.group(1), line, answer)
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    return _TOKEN.sub(replace, text)


def _value(field: str, line: Mapping[str, int], answer: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    at: Any = answer
    beside: list[Any] = []
    done = ""
    for match in _STEP.finditer(field):
        name, number, quoted = match.groups()
        if match.start() != len(done):
            break
        if number is None:
            at = _member(at, quoted if name is None else name, done, beside)
        else:
            index = line[done] if number == "" else int(number)
            if not isinstance(at, list) or index >= len(at):
                raise UsageError(f"there is no item {index} in {done or 'the answer'}")
            at, beside = at[index], at
        done = field[: match.end()]
    if done != field or not field:
        raise _no_field(field)
    return at


def _no_field(field: str) -> UsageError:
    return UsageError(f"not a field: {field!r}", hint="write names and dots, such as {platforms[].digest}")


def _member(at: Any, name: str, where: str, beside: Sequence[Any]) -> Any:  # noqa: ANN401 - JSON
    """A field of an object, `beside` the items that stand in one list with it."""
    if not isinstance(at, Mapping):
        raise UsageError(f"{where or 'the answer'} has no fields")
    if name in at:
        return at[name]
    # A field that other items have, or may have, is empty here, so that a list of mixed items can be shown.
    known = dict.fromkeys(key for item in beside if isinstance(item, Mapping) for key in item)
    if where.endswith("]") and (name in known or name in _SOMETIMES):
        return ""
    has = ", ".join(map(str, known or at))
    raise UsageError(f"{where or 'the answer'} has no field {name!r}", hint=f"it has {has}")
