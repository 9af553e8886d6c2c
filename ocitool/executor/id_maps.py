"""Which users of the host stand behind the users inside: a subordinate range, or this user alone.

Started as root the users inside are a range of their own and never the host's: root's own range in /etc/subuid
and /etc/subgid, else 65536 ids from 1879048192 (0x70000000), which is above all that systemd and shadow give away.
"""

import os
import pwd
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HIGH: Final = 0x7000_0000
COUNT: Final = 65536


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


def choose(uid: int, gid: int, subordinate: tuple[str, str], names: tuple[str, ...], *, has_tools: bool) -> IdMaps:
    """The maps for a user known by `names`, by the texts of /etc/subuid and /etc/subgid. Pure.

    `has_tools` is whether newuidmap and newgidmap are there. Root needs none of them.
    """
    users, groups = (_largest(text, names) for text in subordinate)
    if uid == 0:
        users, groups = (part if part is not None and part.count >= COUNT else None for part in (users, groups))
        high = Range(0, HIGH, COUNT)
        return IdMaps((users or high,), (groups or high,), "root")
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


def _largest(text: str, names: tuple[str, ...]) -> Range | None:
    """The largest usable range of a user in the form of subuid(5)."""
    found = []
    for line in text.splitlines():
        owner, *numbers = line.strip().split(":")
        if (
            owner in names
            and len(numbers) == 2
            and all(number.isdigit() and len(number) < 11 for number in numbers)
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
    has_tools = all(tool(environ, name) for name in ("newuidmap", "newgidmap"))
    return choose(uid, gid, (_read("/etc/subuid"), _read("/etc/subgid")), names, has_tools=has_tools)


def tool(environ: Mapping[str, str], name: str) -> str | None:
    """The path of a program, also where only administrators look for it."""
    return shutil.which(name, path=f"{environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin")


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")[: 1 << 20]
    except OSError:
        return ""
