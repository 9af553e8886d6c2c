"""Which users of the host stand behind the users inside: a subordinate range, or this user alone.

Started as root the users inside are a range of their own and never the host's: root's own range in /etc/subuid
and /etc/subgid, else 65536 ids from 1879048192 (0x70000000), which is above all that systemd and shadow give away.
Root of a user namespace, as in a rootless container, has what ids that has, but for its own.
"""

import os
import pwd
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ocitool.model.numbers import MIB, is_digits
from ocitool.values import dataclass

HIGH: Final = 0x7000_0000
COUNT: Final = 65536
EVERYBODY: Final = "0 0 4294967295"
"""The map of a process that is in no user namespace of its own, as /proc/self/uid_map has it."""


@dataclass(frozen=True, slots=True)
class Range:
    """Ids from `inside` on are those from `outside` on."""

    inside: int
    outside: int
    count: int


@dataclass(frozen=True, slots=True)
class IdMaps:
    """The maps of a user namespace. `by` writes them: "root", "newuidmap", or "self" for a single user.

    `why` says what kept the others from being used.
    """

    users: tuple[Range, ...]
    groups: tuple[Range, ...]
    by: str
    why: str = ""

    @property
    def is_single(self) -> bool:
        """Whether one user stands for all: owners cannot be kept in files then."""
        return self.by == "self"

    @property
    def name(self) -> str:
        """A name for what these maps write on disk, which no other maps can read."""
        return "-".join(f"{part.outside}.{part.count}" for part in (*self.users, *self.groups))


def single(uid: int, gid: int, why: str = "") -> IdMaps:
    """This user alone, as root."""
    return IdMaps((Range(0, uid, 1),), (Range(0, gid, 1),), "self", why)


def choose(
    uid: int,
    gid: int,
    subordinate: tuple[str, str],
    names: tuple[str, ...],
    *,
    has_tools: bool,
    own: tuple[str, str] = (EVERYBODY, EVERYBODY),
) -> IdMaps:
    """The maps for a user known by `names`, by the texts of /etc/subuid and /etc/subgid. Pure.

    `has_tools` is whether newuidmap and newgidmap are there. Root needs none of them. `own` are the maps of the
    namespace that this process is in.
    """
    users, groups = (_largest(text, names) for text in subordinate)
    if uid == 0:
        found = [_of_root(part, text) for part, text in zip((users, groups), own, strict=True)]
        if found[0] is None or found[1] is None:
            return single(uid, gid, "the user namespace that this runs in has too few ids")
        return IdMaps((found[0],), (found[1],), "root")
    if users is None or groups is None:
        missing = " and ".join(
            name for name, part in (("/etc/subuid", users), ("/etc/subgid", groups)) if part is None
        )
        return single(uid, gid, f"{names[0] if names else uid} has no range in {missing}")
    if not has_tools:
        return single(uid, gid, "there are no newuidmap and newgidmap (package uidmap)")
    return IdMaps(
        (Range(0, uid, 1), Range(1, users.outside, users.count)),
        (Range(0, gid, 1), Range(1, groups.outside, groups.count)),
        "newuidmap",
    )


def _of_root(given: Range | None, own: str) -> Range | None:
    """The range for root: that which it is given, the high one, or what its namespace has beside 0."""
    parts = [Range(*map(int, line.split())) for line in own.splitlines()]
    wanted = [given] if given is not None and given.count >= COUNT else []
    for one in (*wanted, Range(0, HIGH, COUNT)):
        if any(
            part.inside <= one.outside and one.outside + one.count <= part.inside + part.count for part in parts
        ):
            return one
    rest = [Range(0, start, part.inside + part.count - start) for part in parts if (start := max(1, part.inside))]
    largest = max(rest, key=lambda part: part.count, default=None)
    return largest if largest is not None and largest.count >= COUNT - 1 else None


def _largest(text: str, names: tuple[str, ...]) -> Range | None:
    """The largest usable range of a user in the form of subuid(5)."""
    found = []
    for line in text.splitlines():
        owner, *numbers = line.strip().split(":")
        if (
            owner in names
            and len(numbers) == 2
            and all(is_digits(number) and len(number) < 11 for number in numbers)
        ):
            start, count = map(int, numbers)
            if start > 0 and count > 0 and start + count < 2**32:
                found.append(Range(0, start, count))
    return max(found, key=lambda part: part.count, default=None)


def of_this_user(environ: Mapping[str, str]) -> IdMaps:
    """The maps for who runs this."""
    uid, gid = os.geteuid(), os.getegid()
    try:
        names: tuple[str, ...] = (pwd.getpwuid(uid).pw_name, str(uid))
    except KeyError:
        names = (str(uid),)
    own = (_read("/proc/self/uid_map") or EVERYBODY, _read("/proc/self/gid_map") or EVERYBODY)
    has_tools = all(tool(environ, name) for name in ("newuidmap", "newgidmap"))
    return choose(uid, gid, (_read("/etc/subuid"), _read("/etc/subgid")), names, has_tools=has_tools, own=own)


def is_host() -> bool:
    """Whether this process is in no user namespace but the host's: its root is the host's root."""
    return _read("/proc/self/uid_map").split() == EVERYBODY.split()


def tool(environ: Mapping[str, str], name: str) -> str | None:
    """The path of a program, also where only administrators look for it."""
    return shutil.which(name, path=f"{environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin")


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")[:MIB]
    except OSError:
        return ""
