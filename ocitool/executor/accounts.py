"""Users and groups of a tree by its /etc/passwd and /etc/group, as BuildKit looks up who a RUN is."""

from typing import Final

from ocitool.errors import UsageError
from ocitool.model.numbers import MIB, whole
from ocitool.values import dataclass

MAX_FILE: Final = 10 * MIB
"""Bytes of /etc/passwd and /etc/group that are read; BuildKit's bound."""
_LAST_ID: Final = 2**32 - 2


@dataclass(frozen=True, slots=True)
class Account:
    """Who a command is: ids, all its groups with `gid` the first, and its home."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = (0,)
    home: str = "/root"


def account(user: str, passwd: bytes, group: bytes) -> Account:
    """The account that `name[:group]` names, each part a name or a number; "" is root.

    A number that is in neither file stands for itself, with group 0. Supplementary groups are those of the user's
    name, and none where a group is given. Raises UsageError for a name that is not there.
    """
    name, colon, group_name = user.partition(":")
    users, groups = _lines(passwd, 7), _lines(group, 4)
    name = name or "0"
    number = _number(name)
    found = next((line for line in users if line[0] == name), None)
    if found is None and number is not None:
        found = next((line for line in users if _number(line[2]) == number), None)
    uid = number if found is None else _number(found[2])
    if uid is None:
        raise UsageError(
            f"no user {name[:100]!r} in /etc/passwd of the image",
            hint="make it in an earlier RUN, or name the user by its number",
        )
    gid = (_number(found[3]) or 0) if found is not None else 0
    home = (found[5] if found is not None else "") or "/"
    if colon:
        gid = _group(group_name, groups)
        return Account(uid, gid, (gid,), home)
    others = [] if found is None else [_number(line[2]) for line in groups if found[0] in line[3].split(",")]
    return Account(uid, gid, tuple(dict.fromkeys([gid, *(one for one in others if one is not None)])), home)


def _group(name: str, groups: list[list[str]]) -> int:
    number = _number(name)
    found = next((_number(line[2]) for line in groups if line[0] == name), None)
    if found is None:
        found = number
    if found is None:
        raise UsageError(
            f"no group {name[:100]!r} in /etc/group of the image",
            hint="make it in an earlier RUN, or name the group by its number",
        )
    return found


def _lines(text: bytes, fields: int) -> list[list[str]]:
    """The lines of such a file that have their fields, cut at colons."""
    cut = (line.split(":") for line in text[:MAX_FILE].decode("utf-8", "surrogateescape").splitlines())
    return [[*line, *[""] * (fields - len(line))] for line in cut if len(line) >= min(fields, 4) and line[0]]


def _number(text: str) -> int | None:
    return whole(text, _LAST_ID)
