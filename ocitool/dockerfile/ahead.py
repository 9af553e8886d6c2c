"""What a Dockerfile is sure to download, told without carrying it out, so that it can be fetched side by side.

Only words whose variables are all set in the stage itself count: a base may set others, and nobody is asked for a
URL that the Dockerfile does not come to.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from ocitool.dockerfile.sources import check_sources, is_web
from ocitool.dockerfile.stages import Needed, Origin, Wanted, global_scope
from ocitool.dockerfile.syntax.expand import expand
from ocitool.dockerfile.syntax.instructions import Arg, Copy, Dockerfile, Env
from ocitool.dockerfile.syntax.lines import heredoc_name
from ocitool.errors import OcitoolError, UsageError
from ocitool.model.digest import Digest

Wish: TypeAlias = tuple[str, Digest | None]
"""A URL, and the checksum that its file must have."""


def certain(file: Dockerfile, needed: Sequence[Needed], wanted: Wanted) -> tuple[Wish, ...]:
    """The files of ADD that are known beforehand, each once, in their order. Raises UsageError as FROM lines do."""
    outer = global_scope(file, wanted)
    found: dict[Wish, None] = {}
    for one in needed:
        if one.ground.origin is not Origin.STAGE:  # else variables of that stage are seen too
            found |= dict.fromkeys(_Stage(file.escape, wanted.arguments, outer).wishes(one))
    return tuple(found)


class _Stage:
    """One stage on its way down: the variables whose values are known."""

    def __init__(self, escape: str, given: Mapping[str, str], outer: Mapping[str, str]) -> None:
        self._escape, self._given, self._outer = escape, given, outer
        self._known: dict[str, str] = {}

    def wishes(self, needed: Needed) -> Iterator[Wish]:
        for instruction in needed.stage.body:
            match instruction:
                case Arg():
                    for name, default in instruction.items:
                        self._argument(self._text(name), default)
                case Env():
                    for key, value in [(self._text(key), self._text(value)) for key, value in instruction.pairs]:
                        self._set(key, value)
                case Copy() if instruction.is_add:
                    yield from self._added(instruction)
                case _:
                    pass

    def _argument(self, name: str | None, default: str | None) -> None:
        if name is None:
            self._set(None, None)
        elif name in self._given:
            self._set(name, self._given[name])
        elif default is not None:
            self._set(name, self._text(default))
        elif name in self._outer:
            self._set(name, self._outer[name])

    def _set(self, name: str | None, value: str | None) -> None:
        if name is None:  # it may be any
            self._known.clear()
        elif value is None:
            self._known.pop(name, None)
        else:
            self._known[name] = value

    def _added(self, add: Copy) -> Iterator[Wish]:
        words = [self._text(word) for word in add.sources if heredoc_name(word) is None]
        sources, checksum = [word for word in words if word is not None], self._text(add.checksum)
        if checksum is None or len(sources) < len(words):
            return
        try:
            digest = check_sources(add, sources, checksum)
        except OcitoolError:  # told when its turn comes
            return
        yield from ((source, digest) for source in sources if is_web(source))

    def _text(self, word: str) -> str | None:
        """The word with its variables; None if one is not known."""
        try:
            expanded = expand(word, self._known, escape=self._escape)
        except UsageError:
            return None
        return expanded.text if self._known.keys() >= set(expanded.names) else None
