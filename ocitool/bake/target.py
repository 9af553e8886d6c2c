"""Targets of bake files: what each attribute holds, how targets are merged, overridden by words, and printed."""

import csv
import json
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ocitool.bake.values import Value, bool_of, kind_of, list_of, object_of, text_of
from ocitool.errors import UsageError, closest

_CSV: Final = re.compile(r'(?:"(?:[^"]|"")*"|[^",\n]*)(?:,(?:"(?:[^"]|"")*"|[^",\n]*))*')
Target = dict[str, Any]
"""Attributes of a target by their names in the order of FIELDS; one that is not set is not there."""


class AttributeEntry(NamedTuple):
    """One cache, output, attestation, secret or agent: its type (or id), and its other words."""

    type: str
    words: tuple[tuple[str, Any], ...] = ()

    def having(self, key: str, value: str) -> "AttributeEntry":
        """The entry with a word set."""
        return self._replace(words=tuple(sorted({**dict(self.words), key: value}.items())))

    def csv(self, head: str) -> str:
        """The entry as `--output` and its like take it; `head` is what the type is called there."""
        pairs = [f"{head}={self.type}", *(f"{key}={value}" for key, value in self.words)]
        return ",".join(
            f'"{pair.replace(chr(34), chr(34) * 2)}"' if set(pair) & {",", '"'} else pair for pair in pairs
        )


def fields_of(text: str, what: str) -> list[str]:
    """The comma-separated words of an entry, quoted as CSV. Raises UsageError."""
    if not text or not _CSV.fullmatch(text):
        raise UsageError(
            f"{what}: {text[:60]!r} is no list of words and commas", hint='a word with a comma is in ""'
        )
    return next(csv.reader([text]))


def _entry(text: str, what: str, *, keeps_case: bool = False) -> AttributeEntry:
    words: dict[str, str] = {}
    for field in fields_of(text, what):
        key, sign, value = field.partition("=")
        if not sign:
            raise UsageError(f"{what}: {field!r} is not KEY=VALUE")
        tidy = key.strip().lower()
        words[key if keeps_case and tidy not in {"type", "disabled"} else tidy] = value
    return _of_words(words, what)


def _of_words(words: Mapping[str, str], what: str) -> AttributeEntry:
    if not words.get("type"):
        raise UsageError(f"{what} names no type", hint="as in type=registry")
    return AttributeEntry(words["type"], tuple(sorted((key, one) for key, one in words.items() if key != "type")))


def _attest(one: AttributeEntry, what: str) -> AttributeEntry:
    """The entry with nothing said of `disabled`, or that it is."""
    words = dict(one.words)
    is_off = go_bool(words.pop("disabled", "false"))
    if isinstance(is_off, str):
        raise UsageError(f"{what}: disabled is neither true nor false")
    return AttributeEntry(one.type, tuple(sorted({**words, **({"disabled": "true"} if is_off else {})}.items())))


def _attests(text: str, what: str) -> Iterable[AttributeEntry]:
    return (_entry(text, what, keeps_case=True),)


def _output(one: AttributeEntry, _what: str) -> AttributeEntry:
    """The entry without a destination that is empty."""
    return one._replace(words=tuple(pair for pair in one.words if pair != ("dest", "")))


def _outputs(text: str, what: str) -> Iterable[AttributeEntry]:
    """One output; what is one word and does not begin with type= is a folder, and - a tar."""
    if text == "-":
        return (AttributeEntry("tar", (("dest", text),)),)
    if fields_of(text, what) == [text] and not text.startswith("type="):
        return (AttributeEntry("local", (("dest", text),)),)
    return (_entry(text, what),)


def _caches(text: str, what: str) -> Iterable[AttributeEntry]:
    """One cache, or one for each reference where there is nothing else."""
    if "=" in text:
        return (_entry(text, what),)
    return tuple(AttributeEntry("registry", (("ref", one),)) for one in fields_of(text, what))


def _secrets(text: str, what: str) -> Iterable[AttributeEntry]:
    words: dict[str, str] = {}
    for field in fields_of(text, what):
        key, sign, value = field.partition("=")
        key = {"source": "src"}.get(key.lower(), key.lower())
        if not sign or key not in {"type", "id", "src", "env"}:
            raise UsageError(
                f"{what}: a secret has no {field!r}", hint="as in id=NAME,src=FILE or id=NAME,env=VARIABLE"
            )
        words[key] = value
    kind, source, env = (words.get(key, "") for key in ("type", "src", "env"))
    if kind not in {"", "file", "env"}:
        raise UsageError(f"{what}: no type of a secret: {kind!r}", hint="there are file and env")
    if kind == "env" and not env:
        source, env = "", source
    return (
        AttributeEntry(
            words.get("id", ""), tuple((key, one) for key, one in (("src", source), ("env", env)) if one)
        ),
    )


def _ssh(text: str, _what: str) -> Iterable[AttributeEntry]:
    name, sign, paths = text.partition("=")
    return (AttributeEntry(name, (("paths", tuple(paths.split(","))),) if sign else ()),)


def _entries(
    read: Callable[[str, str], Iterable[AttributeEntry]],
    *words: str,
    finish: Callable[[AttributeEntry, str], AttributeEntry] = lambda one, _: one,
) -> Callable[[Value, str], tuple[AttributeEntry, ...]]:
    """A reader of lists, whose elements are texts for `read`, or objects, of which `words` are kept, if named."""

    def read_all(value: Value, what: str) -> tuple[AttributeEntry, ...]:
        found: list[AttributeEntry] = []
        for one in list_of(value, what):
            if isinstance(one, dict):
                said = {key: _object_word(word, what) for key, word in one.items() if word is not None}
                if words:
                    kept = tuple((key, said[key]) for key in words if said.get(key))
                    found.append(AttributeEntry(said.get("id", ""), kept))
                else:
                    found.append(_of_words(said, what))
            elif not isinstance(one, str):
                raise UsageError(f"{what} has an element that is {kind_of(one)}", hint="write a text or an object")
            elif one:
                found.extend(read(one, what))
        return tuple(finish(one, what) for one in found)

    return read_all


def _object_word(value: Value, what: str) -> Any:  # noqa: ANN401 - a text, or texts
    return tuple(text_of(one, what) for one in value) if isinstance(value, tuple) else text_of(value, what)


def _texts(value: Value, what: str) -> tuple[str, ...]:
    return tuple(text_of(one, f"{what} has an element that") for one in list_of(value, what))


def _map(value: Value, what: str) -> dict[str, str]:
    return {key: text_of(one, f"{what}.{key}") for key, one in object_of(value, what).items() if one is not None}


def _last(_before: Any, after: Any) -> Any:  # noqa: ANN401 - whatever the attribute holds
    return after


def _all(before: Any, after: Any) -> Any:  # noqa: ANN401
    return (*(before or ()), *after)


def _both(before: Any, after: Any) -> dict[str, str]:  # noqa: ANN401
    return {**(before or {}), **after}


def _once(values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(filter(None, values)))


def _one_of_each(values: Sequence[AttributeEntry]) -> tuple[AttributeEntry, ...]:
    """The last entry of each type or id, where the first stood."""
    return tuple({one.type: one for one in values}.values())


def _distinct(values: Sequence[AttributeEntry]) -> tuple[AttributeEntry, ...]:
    """Without repetitions, in the order that buildx leaves: what is repeated gives its place to the last."""
    found = list(values)
    for number in range(len(found) - 2, -1, -1):
        for other in range(number + 1, len(found)):
            if found[number] == found[other]:
                found[other] = found[-1]
                found.pop()
                break
    return tuple(found)


def _as_it_is(value: Any) -> Any:  # noqa: ANN401
    return value


class Field(NamedTuple):
    """What an attribute is: how it is read, merged into that of a parent, and tidied; what `--set` calls it."""

    read: Callable[[Value, str], Any]
    merge: Callable[[Any, Any], Any] = _last
    tidy: Callable[[Any], Any] = _as_it_is
    option: str = ""


FIELDS: Final = {
    "description": Field(text_of),
    "annotations": Field(_texts, _all, _once),
    "attest": Field(_entries(_attests, finish=_attest), _all, _one_of_each),
    "context": Field(text_of),
    "contexts": Field(_map, _both, lambda one: {key: value for key, value in one.items() if value}),
    "dockerfile": Field(text_of),
    "dockerfile-inline": Field(text_of),
    "args": Field(_map, _both),
    "labels": Field(_map, _both),
    "tags": Field(_texts, tidy=_once),
    "cache-from": Field(_entries(_caches), _all, _distinct),
    "cache-to": Field(_entries(_caches), tidy=_distinct),
    "target": Field(text_of),
    "secret": Field(_entries(_secrets, "src", "env"), _all, _one_of_each, "secrets"),
    "ssh": Field(_entries(_ssh, "paths"), _all, _one_of_each),
    "platforms": Field(_texts, tidy=_once, option="platform"),
    "output": Field(_entries(_outputs, finish=_output), tidy=_distinct),
    "pull": Field(bool_of),
    "no-cache": Field(bool_of),
    "network": Field(text_of),
    "no-cache-filter": Field(_texts, _all, _once),
    "shm-size": Field(text_of),
    "ulimits": Field(_texts, _all, _once),
    "call": Field(text_of),
    "entitlements": Field(_texts, _all, _once),
    "extra-hosts": Field(_map, _both),
}
"""Every attribute that a target may have, in the order in which they are printed; `inherits` is resolved before."""

_OPTIONS: Final = {field.option or name: name for name, field in FIELDS.items() if name != "description"}
_ALWAYS_MORE: Final = frozenset({"annotations", "attest", "entitlements"})
"""What `--set` adds to, with or without a plus."""


def read_attribute(name: str, value: Value, where: str) -> Any:  # noqa: ANN401 - whatever it holds
    """The value of an attribute; None where it is null. Raises UsageError."""
    field = FIELDS.get(name)
    if field is None:
        near = closest(name, FIELDS)
        raise UsageError(
            f"{where}: a target has no {name!r}",
            hint=f"did you mean {near}?" if near else f"it has {', '.join(FIELDS)}",
        )
    return None if value is None else field.read(value, f"{where}: {name}")


def merged(before: Mapping[str, Any], after: Mapping[str, Any]) -> Target:
    """A target on top of another one."""
    found = dict(before)
    for name, value in after.items():
        found[name] = FIELDS[name].merge(found.get(name), value)
    return found


def finished(target: Mapping[str, Any]) -> Target:
    """The target without repetitions and without what is empty, its attributes in their order."""
    found = dict(target)
    if found.get("network") == "host":
        found["entitlements"] = (*found.get("entitlements", ()), "network.host")
    tidied = {name: field.tidy(found[name]) for name, field in FIELDS.items() if name in found}
    return {name: value for name, value in tidied.items() if value not in ((), {})}


class Override(NamedTuple):
    """One `--set`: the pattern of targets, the attribute, the key in it, whether it adds, and the value."""

    pattern: str
    option: str
    key: str
    adds: bool
    value: str


def read_override(text: str, environ: Mapping[str, str]) -> Override | None:
    """`PATTERN.KEY[+]=VALUE`; None for an argument whose variable is not set. Raises UsageError."""
    words, sign, value = text.partition("=")
    pattern, dot, rest = words.removesuffix("+").partition(".")
    option, _, key = rest.partition(".")
    if not dot or not pattern or not option:
        raise UsageError(f"--set {text!r} is not TARGET.KEY=VALUE", hint="as in --set '*.platform=linux/arm64'")
    if option not in _OPTIONS and option not in {"push", "load"}:
        near = closest(option, _OPTIONS)
        raise UsageError(
            f"--set {text!r}: a target has no {option!r}", hint=f"did you mean {near}?" if near else ""
        )
    if (option in {"args", "contexts", "labels", "extra-hosts"}) is not bool(key):
        raise UsageError(f"--set {text!r}: {option} {'has no' if key else 'needs a'} name behind a dot")
    if not sign:
        if option != "args":
            raise UsageError(f"--set {text!r} says no value", hint="as in TARGET.KEY=VALUE")
        if key not in environ:
            return None
        value = environ[key]
    return Override(pattern, option, key, words.endswith("+"), value)


def overridden(target: Mapping[str, Any], overrides: Iterable[Override]) -> Target:
    """The target with what the words say of it. Raises UsageError.

    Values of one list come together, and the last says whether they add.
    """
    found = dict(target)
    said: dict[tuple[str, str], list[Override]] = {}
    for one in overrides:
        said.setdefault((one.option, one.key), []).append(one)
    for (option, key), several in said.items():
        last = several[-1]
        what = f"--set {last.pattern}.{option}"
        if option in {"push", "load"}:
            continue
        name = _OPTIONS[option]
        field = FIELDS[name]
        if key:
            found[name] = {**found.get(name, {}), key: last.value}
        elif field.read is bool_of:
            found[name] = bool_of(go_bool(last.value), what)
        elif field.read is text_of:
            found[name] = last.value
        else:
            value = field.read(tuple(one.value for one in several), what)
            found[name] = (*found.get(name, ()), *value) if last.adds or option in _ALWAYS_MORE else value
    for option, change, off in (("push", _pushed, _not_pushed), ("load", _loaded, tuple)):
        if several := said.get((option, ""), []):
            is_on = bool_of(go_bool(several[-1].value), f"--set {several[-1].pattern}.{option}")
            found["output"] = change(found.get("output", ())) if is_on else off(found.get("output", ()))
    return found


def go_bool(text: str) -> str | bool:
    """The words that Go takes for a boolean."""
    if text in {"1", "t", "T", "TRUE", "true", "True"}:
        return True
    return False if text in {"0", "f", "F", "FALSE", "false", "False"} else text


def _pushed(outputs: Sequence[AttributeEntry]) -> tuple[AttributeEntry, ...]:
    """The outputs with images pushed; with one more, where there is none but of an engine."""
    found = [one.having("push", "true") if one.type == "image" else one for one in outputs]
    if all(one.type == "docker" for one in outputs):
        found.append(AttributeEntry("image", (("push", "true"),)))
    return tuple(found)


def _not_pushed(outputs: Sequence[AttributeEntry]) -> tuple[AttributeEntry, ...]:
    """The outputs with nothing pushed."""
    kept = [one for one in outputs if one.type != "registry"]
    return tuple(one.having("push", "false") if one.type == "image" else one for one in kept)


def _loaded(outputs: Sequence[AttributeEntry]) -> tuple[AttributeEntry, ...]:
    """The outputs and an image that an engine loads, unless files are asked for or it is there."""
    for one in outputs:
        if one.type not in {"docker", "image", "registry", "oci"} or (
            one.type == "docker" and "dest" not in dict(one.words)
        ):
            return tuple(outputs)
    return (*outputs, AttributeEntry("docker"))


_TEMPLATED: Final = frozenset({"annotations", "dockerfile-inline", "labels", "args", "extra-hosts"})


def printed(target: Mapping[str, Any]) -> dict[str, Any]:
    """The target as `bake --print` shows it, which a bake file may hold again."""
    return {name: _printed(name, value) for name, value in target.items()}


def as_value(name: str, target: Mapping[str, Any]) -> Value:
    """An attribute as expressions see it: of its type, and null where it is not set. Raises UsageError."""
    if name == "description":
        return target.get(name, "")  # type: ignore[no-any-return]
    found = target.get(name)
    if isinstance(found, tuple):
        return tuple(_entry_value(name, one) if isinstance(one, AttributeEntry) else one for one in found)
    return found


def _entry_value(name: str, one: AttributeEntry) -> Value:
    words = dict(one.words)
    match name:
        case "secret":
            return {"id": one.type, "src": "", "env": "", **words}
        case "ssh":
            return {"id": one.type, "paths": (), **words}
        case "output":
            return {"dest": "", **words, "type": one.type}
    return {**words, "type": one.type}


def _printed(name: str, value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        return value.replace("${", "$${").replace("%{", "%%{") if name in _TEMPLATED else value
    if isinstance(value, AttributeEntry):
        if name in {"secret", "ssh"}:
            return {"id": value.type, **dict(value.words)} if value.type else dict(value.words)
        words = {**dict(value.words), "type": value.type}
        return {key: True if (key, one) == ("disabled", "true") else one for key, one in sorted(words.items())}
    if isinstance(value, tuple):
        return [_printed(name, one) for one in value]
    if isinstance(value, dict):
        return {key: _printed(name, one) for key, one in sorted(value.items())}
    return value


def clean_path(path: str) -> str:
    """A path as Go cleans it: without dots, doubled slashes and one at the end; a URL is left as it is."""
    if "://" in path.replace("cwd://", "", 1):
        return path
    cleaned = posixpath.normpath(path.removeprefix("cwd://") or ".")
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def go_json(tree: object) -> str:
    """JSON as Go indents it, with the signs of HTML escaped."""
    text = json.dumps(tree, indent=2, ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
