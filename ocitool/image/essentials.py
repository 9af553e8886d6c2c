"""Essentials that programs expect and an empty image lacks: `--with ca-certificates,zoneinfo,passwd,tmp`.

The data is that of the Python packages certifi and tzdata and never this machine's own, so the same versions
of them give the same bytes everywhere (ADR 0021). Only home of both; loaded when asked for.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from ocitool.errors import Unsupported, UsageError
from ocitool.model.files import FileKind
from ocitool.model.numbers import is_digits, whole
from ocitool.pack.entries import BytesContent, Entry, FileContent
from ocitool.values import dataclass

EXTRAS: Final = ("ca-certificates", "zoneinfo", "passwd", "tmp")
"""The words that `--with` takes."""

CA_BUNDLE: Final = "etc/ssl/certs/ca-certificates.crt"
ZONEINFO: Final = "usr/share/zoneinfo"
PASSWD: Final = "etc/passwd"  # noqa: S105 - a path
GROUP: Final = "etc/group"
EXTRA_PLACES: Final = {"ca-certificates": CA_BUNDLE, "zoneinfo": ZONEINFO, "passwd": PASSWD, "tmp": "tmp"}
"""Where each of the words puts its files, or the first of them."""

_USER_NAME: Final = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_FIRST_ID: Final = 1000
_NO_SHELL: Final = "/sbin/nologin"


@dataclass(frozen=True, slots=True)
class Accounts:
    """The texts of etc/passwd and etc/group; lines that are not understood stay as they are."""

    passwd: str = ""
    group: str = ""

    def has_user(self, name: str) -> bool:
        """Whether there is a user of that name."""
        return name in _names(self.passwd)

    def has_group(self, name: str) -> bool:
        """Whether there is a group of that name."""
        return name in _names(self.group)


STANDARD: Final = Accounts(
    f"root:x:0:0:root:/root:{_NO_SHELL}\n"
    f"nobody:x:65534:65534:nobody:/nonexistent:{_NO_SHELL}\n"
    f"nonroot:x:65532:65532:nonroot:/home/nonroot:{_NO_SHELL}\n",
    "root:x:0:\nnobody:x:65534:\nnonroot:x:65532:\n",
)
"""The accounts of an image that had none: root, nobody, and one for programs that need no rights."""


def parse_extras(texts: Sequence[str]) -> tuple[str, ...]:
    """The words of repeated, comma-separated `--with` options, each once, in the order of EXTRAS.

    Raises UsageError.
    """
    words = {word.strip() for text in texts for word in text.split(",") if word.strip()}
    unknown = sorted(words.difference(EXTRAS))
    if unknown:
        raise UsageError(f"unknown --with {', '.join(unknown)}", hint=f"one of {', '.join(EXTRAS)}")
    return tuple(word for word in EXTRAS if word in words)


def extra_entries(
    words: Sequence[str], exists: Callable[[str], bool], *, user: str = "", accounts: Accounts | None = None
) -> tuple[Entry, ...]:
    """The entries for these words; what the base has already is its own and left alone.

    `exists` says whether the base has a path. `user` is the image's USER: with `passwd`, a name in it that
    `accounts` (those of the base, None if it has none) lack is added. Raises Unsupported if a package that
    holds the data is not installed, UsageError for a name no account can have.
    """
    entries: list[Entry] = []
    if "ca-certificates" in words and not exists(CA_BUNDLE):
        entries.append(Entry(CA_BUNDLE, FileKind.FILE, content=FileContent(_ca_bundle())))
    if "zoneinfo" in words and not exists(ZONEINFO):
        entries += _zones()
    if "passwd" in words:
        entries += _account_entries(user, accounts)
    if "tmp" in words and not exists("tmp"):
        entries.append(Entry("tmp", FileKind.DIRECTORY, 0o1777))
    return tuple(entries)


def check_user(user: str, accounts: Accounts | None) -> None:
    """Return if whoever the image runs as exists: a number always does, a name if the accounts have it.

    Raises UsageError.
    """
    name, _, group = user.partition(":")
    has = accounts or Accounts()
    for kind, word, is_there in (("user", name, has.has_user), ("group", group, has.has_group)):
        if word and not is_digits(word) and not is_there(word):
            raise UsageError(
                f"the image has no {kind} {word!r}",
                hint="give a number, such as 65532, or add the account with --with passwd",
            )


def with_user(accounts: Accounts, user: str) -> tuple[Accounts, str]:
    """The accounts with the names of `user` added where they are missing, and the new user's home or "".

    New accounts get the first free number from 1000 on. Raises UsageError.
    """
    name, _, group = user.partition(":")
    for word in (name, group):
        if word and not is_digits(word) and not _USER_NAME.fullmatch(word):
            raise UsageError(f"not a user or group name: {word!r}", hint="use small letters, digits, - and _")
    passwd, groups, home = accounts.passwd, accounts.group, ""
    new_user = bool(name) and not is_digits(name) and not accounts.has_user(name)
    own = group or (name if new_user else "")
    if own and not is_digits(own) and not accounts.has_group(own):
        groups += f"{_break(groups)}{own}:x:{_free(groups, passwd)}:\n"
    if new_user:
        main = own if is_digits(own) else str(_names(groups)[own])
        home = f"/home/{name}"
        number = _free(passwd) if group else int(main)
        passwd += f"{_break(passwd)}{name}:x:{number}:{main}:{name}:{home}:{_NO_SHELL}\n"
    return Accounts(passwd, groups), home


def _account_entries(user: str, base: Accounts | None) -> Iterator[Entry]:
    accounts, home = with_user(base or STANDARD, user)
    for path, text, before in (
        (PASSWD, accounts.passwd, base and base.passwd),
        (GROUP, accounts.group, base and base.group),
    ):
        if text != before:
            yield Entry(path, FileKind.FILE, content=BytesContent(text.encode("utf-8", "surrogateescape")))
    name = user.partition(":")[0]
    if base is None and name in {"nonroot", "65532"}:
        yield Entry("home/nonroot", FileKind.DIRECTORY, 0o755, 65532, 65532)
    elif home:
        uid, gid = _line(accounts.passwd, name)[2:4]
        yield Entry(home.lstrip("/"), FileKind.DIRECTORY, 0o755, int(uid), int(gid))


def _line(text: str, name: str) -> list[str]:
    return next(line.split(":") for line in text.splitlines() if line.startswith(f"{name}:"))


def _names(text: str) -> dict[str, int]:
    """Names and their numbers (the third field of both files)."""
    rows = (line.split(":") for line in text.splitlines())
    named = ((row[0], whole(row[2])) for row in rows if len(row) > 2 and row[0])
    return {name: number for name, number in named if number is not None}


def _free(*texts: str) -> int:
    taken = {number for text in texts for number in _names(text).values()}
    return next(number for number in range(_FIRST_ID, 1 << 31) if number not in taken)


def _break(text: str) -> str:
    return "" if not text or text.endswith("\n") else "\n"


def _ca_bundle() -> Path:
    """Mozilla's certificates as certifi packs them."""
    try:
        import certifi
    except ImportError as error:
        raise Unsupported(
            "no CA certificates to put into the image", ability="ca-certificates", hint="pip install certifi"
        ) from error
    return Path(certifi.where())


def _zones() -> Iterator[Entry]:
    """The compiled zones of tzdata, without the package's own Python files."""
    try:
        import tzdata  # type: ignore[import-untyped]
    except ImportError as error:
        raise Unsupported(
            "no time zones to put into the image", ability="zoneinfo", hint="pip install tzdata"
        ) from error
    root = Path(next(iter(tzdata.__path__))) / "zoneinfo"
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(names):
            if not name.endswith((".py", ".pyc")):
                path = Path(folder) / name
                yield Entry(f"{ZONEINFO}/{path.relative_to(root)}", FileKind.FILE, content=FileContent(path))
