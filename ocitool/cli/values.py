"""Values from click in the types they are meant as."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocitool.errors import UsageError
from ocitool.model.printable import shown


@dataclass(frozen=True, slots=True)
class Words:
    """click's values by name, in the types they are meant as; a command without an option has its empty value."""

    flags: Mapping[str, Any] = field(hash=False)

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

    def pairs(self, name: str, *, alone: bool = False) -> tuple[tuple[str, str], ...]:
        """Repeated K=V; a K `alone` has an empty value where that is allowed. Raises UsageError."""
        found = []
        for text in self.many(name):
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
