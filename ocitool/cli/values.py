"""Values from click in the types they are meant as."""

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click

from ocitool.errors import UsageError, local_io
from ocitool.model.numbers import MIB
from ocitool.model.printable import shown
from ocitool.values import dataclass, field

LABEL_FILE_LIMIT: Final = MIB
_PAIR: Final = re.compile(r"[^\s=]+=")


class Whole(click.types.StringParamType):
    """A text whose variable is one value as well, spaces and ends of lines included."""

    envvar_list_splitter = "\0"  # what no variable holds


def lines_of(texts: Iterable[str]) -> Iterator[str]:
    """The lines of the texts that hold anything, without the spaces around them."""
    return (line.strip() for text in texts for line in text.split("\n") if line.strip())


def pair_lines(texts: Iterable[str], flag: str) -> Iterator[str]:
    """KEY=VALUE texts; one of several lines is several where each is KEY=VALUE, as metadata actions print them.

    Where only the first line is, it is one with a value of several lines. Raises UsageError for what may be either.
    """
    for text in texts:
        lines = [line for line in text.replace("\r\n", "\n").split("\n") if line.strip()]
        pairs = [line for line in lines if _PAIR.match(line)]
        if len(lines) <= 1 or len(pairs) == len(lines):
            yield from lines or [text]
        elif len(pairs) <= 1:
            yield text
        else:
            odd = next(line for line in lines if not _PAIR.match(line))
            raise UsageError(
                f"{flag} has {len(lines)} lines, and {shown(odd)[:60]!r} of them is not KEY=VALUE",
                hint=f"give each its own {flag}, with all of its value on one line",
            )


def read_label_file(path: Path) -> tuple[tuple[str, str], ...]:
    """The KEY=VALUE lines of a file, as docker reads a --label-file: # begins a comment, a KEY alone is empty.

    Raises UsageError with the line for what is no label, LocalIOError.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(LABEL_FILE_LIMIT + 1)
    except OSError as error:
        raise local_io(error, f"read the label file {path}") from error
    if len(data) > LABEL_FILE_LIMIT:
        raise UsageError(f"{path} has more than {LABEL_FILE_LIMIT} bytes; no file of labels has")
    found = []
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            key, _, value = raw.decode().lstrip().rstrip("\r").partition("=")
        except UnicodeDecodeError:
            raise UsageError(f"{path} line {number}: not UTF-8, as all text in an image is") from None
        if key.startswith("#") or not (key or value):
            continue
        if not key or key != "".join(key.split()):
            raise UsageError(f"{path} line {number}: {shown(key)[:60]!r} is no name of a label")
        found.append((key, value))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Words:
    """click's values by name, in the types they are meant as; a command without an option has its empty value."""

    flags: Mapping[str, Any] = field(hash=False)

    def filled(self, name: str, *flags: str) -> "Words":
        """These words, with `{name}` of some flags written out."""

        def fill(value: Any) -> Any:  # noqa: ANN401 - click's values
            if isinstance(value, tuple):
                return tuple(map(fill, value))
            return type(value)(str(value).replace("{name}", name)) if isinstance(value, str | Path) else value

        return Words({**self.flags, **{flag: fill(self.flags[flag]) for flag in flags if flag in self.flags}})

    def text(self, name: str) -> str:
        """A word, empty if not given."""
        return str(self.flags.get(name) or "")

    def maybe(self, name: str) -> str | None:
        """A word, None if not given."""
        value = self.flags.get(name)
        return None if value is None else str(value)

    def many(self, name: str) -> tuple[str, ...]:
        """The values of a repeated option."""
        return tuple(self.flags.get(name) or ())

    def path(self, name: str) -> Path | None:
        """A path, None if not given."""
        value = self.flags.get(name)
        return value if isinstance(value, Path) else None

    def is_set(self, name: str) -> bool:
        """Whether a switch was given."""
        return bool(self.flags.get(name))

    def tri(self, name: str) -> bool | None:
        """A switch with a third state: not given."""
        value = self.flags.get(name)
        return None if value is None else bool(value)

    def pairs(self, name: str) -> tuple[tuple[str, str], ...]:
        """Repeated K=V. Raises UsageError."""
        return self._pairs(name, self.many(name), alone=False)

    def labels(self) -> tuple[tuple[str, str], ...]:
        """Those of --label-file, then those of --label: K=V or a K with an empty value. Raises UsageError."""
        path = self.path("label_file")
        texts = pair_lines(filter(str.strip, self.many("label")), "--label")
        return (*(read_label_file(path) if path else ()), *self._pairs("label", texts, alone=True))

    def _pairs(self, name: str, texts: Iterable[str], *, alone: bool) -> tuple[tuple[str, str], ...]:
        found = []
        for text in texts:
            key, equals, value = text.partition("=")
            if not key or not (equals or alone):
                raise UsageError(f"--{name.replace('_', '-')} {text!r} is not KEY=VALUE")
            found.append((key, value))
        return tuple(found)

    def check_unicode(self, *names: str) -> None:
        """Raise UsageError for a flag among `names` with bytes that are no UTF-8, which JSON cannot hold."""
        for name in names:
            value = self.flags.get(name)
            for text in value if isinstance(value, tuple) else (value,):
                if isinstance(text, str) and any("\ud800" <= char <= "\udfff" for char in text):
                    raise UsageError(
                        f"--{name.replace('_', '-')} {shown(text)} is not UTF-8, as all text in an image is",
                        hint="write it in UTF-8",
                    )

    def argv(self, name: str) -> tuple[str, ...] | None:
        """A command line as a JSON array or as words quoted like a shell's. Raises UsageError."""
        value = self.flags.get(name)
        if value is None:
            return None
        text = str(value)
        if text.lstrip().startswith("["):
            try:
                words = json.loads(text)
            except (ValueError, RecursionError):
                words = None
            if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
                raise UsageError(f"--{name} is not a JSON array of strings: {text!r}")
            return tuple(words)
        try:
            return tuple(shlex.split(text))
        except ValueError as error:
            raise UsageError(f"--{name} {text!r}: {str(error).lower()}") from None
