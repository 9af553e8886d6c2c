"""--chown and --chmod: owners by number or by the image's own accounts, modes in octal or in symbols."""

import re
from collections.abc import Callable
from typing import Final

from ocitool.errors import UsageError
from ocitool.model.files import FileKind
from ocitool.model.numbers import is_digits, whole
from ocitool.pack.entries import Entry

_CLAUSE: Final = re.compile(r"([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)")
_ACTION: Final = re.compile(r"([-+=])([ugo]|[rwxXst]*)")
_SHIFT: Final = {"u": 6, "g": 3, "o": 0}
_BITS: Final = {"r": 4, "w": 2, "x": 1}
_LARGEST: Final = 2**32 - 2
_ROOT: Final = "root"


def owner_of(text: str, passwd: str, group: str) -> tuple[int, int]:
    """User and group of `user[:group]`; names are those of the texts of etc/passwd and etc/group.

    A number alone is both; a name alone has the group of its account; no group after a colon is 0. Raises
    UsageError for a name that is not there: files of root instead would be a hole nobody sees. `root` itself
    needs no account.
    """
    user, colon, wanted = text.partition(":")
    uid, gid = _user(user, passwd)
    if colon:
        gid = _number(wanted or "0", "group") if is_digits(wanted) or not wanted else _group(wanted, group)
    return uid, gid


def _user(user: str, passwd: str) -> tuple[int, int]:
    if not user:
        return 0, 0
    if is_digits(user):
        number = _number(user, "user")
        return number, number
    fields = _line_of(user, passwd)
    if fields:
        uid, gid = (_number(text, "user") for text in _numbers(fields[2:4], 2, user, "passwd"))
        return uid, gid
    if user == _ROOT:
        return 0, 0
    raise UsageError(f"the image has no user {user!r}", hint="say a number, or COPY an etc/passwd with it before")


def _group(name: str, group: str) -> int:
    fields = _line_of(name, group)
    if fields:
        return _number(_numbers(fields[2:3], 1, name, "group")[0], "group")
    if name == _ROOT:
        return 0
    raise UsageError(f"the image has no group {name!r}", hint="say a number, or COPY an etc/group with it before")


def _line_of(name: str, text: str) -> list[str]:
    """The fields of the first line of that name, which alone counts; none where there is no such line."""
    lines = (line.strip().split(":") for line in text.split("\n"))
    return next((fields for fields in lines if fields[0] == name), [])


def _numbers(fields: list[str], count: int, name: str, file: str) -> list[str]:
    if len(fields) < count or not all(map(is_digits, fields)):
        raise UsageError(f"the line of {name!r} in the image's etc/{file} has no number", hint="say a number")
    return fields


def _number(text: str, kind: str) -> int:
    number = whole(text, _LARGEST)
    if number is None:
        raise UsageError(f"not the number of a {kind}: {text[:40]!r}", hint=f"it is at most {_LARGEST}")
    return number


def mode_of(text: str) -> Callable[[Entry], int]:
    """The mode that an entry gets: the octal one, or its own changed by symbols. Raises UsageError."""
    if re.fullmatch(r"[0-7]{1,6}", text) and int(text, 8) <= 0o7777:
        number = int(text, 8)
        return lambda _: number
    clauses = [_CLAUSE.fullmatch(clause) for clause in text.split(",")]
    actions = [
        (match[1] or "a", sign, what)
        for match in clauses
        if match is not None
        for sign, what in _ACTION.findall(match[2])
    ]
    if None in clauses or not actions:
        raise UsageError(f"not a mode: {text!r}", hint="write it in octal, such as 755, or as in u=rwX,go=rX")

    def changed(entry: Entry) -> int:
        mode = entry.mode
        for who, sign, what in actions:
            mode = _acted(mode, who, sign, what, is_folder=entry.kind is FileKind.DIRECTORY)
        return mode

    return changed


def _acted(mode: int, who: str, sign: str, what: str, *, is_folder: bool) -> int:
    """The mode after one action; nothing depends on this process's umask."""
    classes = "ugo" if "a" in who else who
    if what in _SHIFT:
        rights = mode >> _SHIFT[what] & 7
    else:
        rights = sum(_BITS[letter] for letter in set(what) & set(_BITS))
        rights |= 1 if "X" in what and (is_folder or mode & 0o111) else 0
    bits = sum(rights << _SHIFT[one] for one in set(classes))
    if "s" in what:
        bits |= (0o4000 if "u" in classes else 0) | (0o2000 if "g" in classes else 0)
    if "t" in what and set(classes) != {"o"}:
        bits |= 0o1000
    if sign == "+":
        return mode | bits
    if sign == "-":
        return mode & ~bits
    kept = ~sum(7 << _SHIFT[one] for one in set(classes))
    kept &= ~((0o4000 if "u" in classes else 0) | (0o2000 if "g" in classes else 0))
    return mode & kept | bits
