"""The kinds of files in an image, the grammar of their paths, and symbolic links resolved inside the root.

A path here is relative to the image's root: no leading or trailing slash, no empty, `.` or `..` component;
"" is the root itself. Names that are not UTF-8 carry surrogate escapes, as Python's own file names do.
"""

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Final

from ocitool.errors import MalformedDocument

WHITEOUT: Final = ".wh."
"""What the name of a file that deletes another begins with (image-spec layer.md, "Whiteouts")."""
OPAQUE: Final = ".wh..wh..opq"
"""The file that hides everything below its directory in lower layers."""
MAX_LINKS: Final = 40
"""Symbolic links followed for one path, as many as Linux follows."""
MAX_PATH: Final = 4096
"""Longest path and longest link target in bytes, as on Linux."""


class FileKind(Enum):
    """What a file is; the values are ustar's type flags."""

    FILE = "0"
    HARDLINK = "1"
    SYMLINK = "2"
    CHAR = "3"
    BLOCK = "4"
    DIRECTORY = "5"
    FIFO = "6"


def clean(path: str) -> str | None:
    """The path in its one form: `./a//b/`, `/a/b` and `a/./b` are all `a/b` (K146).

    None where there is no such form: for a `..` component, and for a NUL.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return None if ".." in parts or "\0" in path else "/".join(parts)


def name_bytes(path: str) -> bytes:
    """The bytes of a path as a tar and a file system hold them."""
    return path.encode("utf-8", "surrogateescape")


def parent(path: str) -> str:
    """The directory a path stands in; "" for what stands in the root."""
    return path.rpartition("/")[0]


def ancestors(path: str) -> Iterator[str]:
    """The directories above a path, outermost first, without the root."""
    at = path.find("/")
    while at > 0:
        yield path[:at]
        at = path.find("/", at + 1)


def resolve(path: str, link_at: Callable[[str], str | None], *, follow_last: bool = True) -> str:
    """The path with its symbolic links followed, never leaving the root: `..` at the root stays there.

    `link_at` gives the target of the link at a path whose own parents are no links, None for anything
    else. What does not exist is kept as it is written. Raises MalformedDocument for a loop.
    """
    done: list[str] = []
    todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    links = 0
    while todo:
        part = todo.pop()
        if part == "..":
            del done[-1:]
            continue
        done.append(part)
        target = link_at("/".join(done)) if todo or follow_last else None
        if target is None:
            continue
        links += 1
        if links > MAX_LINKS:
            raise MalformedDocument(f"too many symbolic links on the way to /{path.lstrip('/')[:200]}")
        done = [] if target.startswith("/") else done[:-1]
        todo += [part for part in reversed(target.split("/")) if part not in ("", ".")]
    return "/".join(done)
