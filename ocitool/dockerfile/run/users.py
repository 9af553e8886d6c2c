"""The users and groups that commands of a RUN line make, with their numbers where the words say them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ocitool.dockerfile.run.shell_commands import Command, plain

_MAKERS: Final = {"useradd": "u", "adduser": "u", "groupadd": "g", "addgroup": "g"}
_NUMBERS: Final = {"-u": "u", "--uid": "u", "-g": "g", "--gid": "g"}
_WITH_VALUE: Final = frozenset(
    ["-G", "-h", "--home", "-d", "--home-dir", "-s", "--shell", "-c", "--comment", "-k", "--skel", "--gecos", "-b",
     "--base-dir", "--ingroup", "--groups", "-K", "--key", "-e", "-f", "-p", "--password", "-R", "--root"]
)  # fmt: skip
FREE: Final = "10001"
"""A number that images leave free."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """Users and groups by name, with their numbers as they are written, empty where the system would choose."""

    users: Mapping[str, str] = field(default_factory=dict, hash=False)
    groups: Mapping[str, str] = field(default_factory=dict, hash=False)

    def in_numbers(self, owner: str) -> str:
        """`USER[:GROUP]` in numbers for names that are made here; other names stay.

        A user without a group of its name has its own number for one.
        """
        user, colon, group = owner.partition(":")
        return f"{_number(user, self.users)}{colon}{_number(group, {**self.users, **self.groups})}"

    @property
    def names(self) -> dict[str, str]:
        """All names, users first, each once."""
        return {**self.groups, **self.users}


def accounts(done: Iterable[Command]) -> Accounts:
    """The users and groups that commands make."""
    found: dict[str, dict[str, str]] = {"u": {}, "g": {}}
    for command in done:
        kind = _MAKERS.get(command.name)
        if kind is None:
            continue
        numbers, names = _read(command, kind)
        number = numbers.get(kind, "")
        if names:
            is_known = re.fullmatch(r"\d+|\$\{?\w+\}?", number) is not None
            found[kind][names[0]] = number if is_known else ""
    return Accounts(found["u"], found["g"])


def _number(name: str, made: Mapping[str, str]) -> str:
    return made[name] or FREE if name in made else name


def _read(command: Command, kind: str) -> tuple[dict[str, str], list[str]]:
    """The numbers of a command by their letter, and its names."""
    numbers: dict[str, str] = {}
    names: list[str] = []
    words = iter(command.words[1:])
    for word in words:
        name, equals, value = word.partition("=")
        if name in _NUMBERS:
            numbers[_NUMBERS[name]] = plain(value if equals else next(words, ""))
        elif re.fullmatch(r"-[A-Za-z]+[ug]", word) and kind == word[-1]:
            numbers[kind] = plain(next(words, ""))
        elif name in _WITH_VALUE or re.fullmatch(r"-[A-Za-z]*[Gshdck]", word):
            if not equals:
                next(words, "")
        elif not word.startswith("-"):
            names.append(plain(word))
    return numbers, names
