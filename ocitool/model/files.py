"""The kinds of files in an image, the grammar of their paths, and trees in which paths are looked up.

A path here is relative to the image's root: no leading or trailing slash, no empty, `.` or `..` component;
"" is the root itself. Names that are not UTF-8 carry surrogate escapes, as Python's own file names do.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from enum import Enum
from functools import cached_property
from typing import Final, Generic, Protocol, TypeVar

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


class LinkLoop(MalformedDocument):
    """A path leads through more symbolic links than Linux follows."""


class PathTooLong(MalformedDocument):
    """A path leads, through symbolic links, to one that no kernel opens."""


class LinkWork:
    """What following links has cost in one tree, in steps: one for each component that a link brings, more if deep.

    A path may cost as much as ordinary ones do, and a tree a million steps more in all (K238): refused beyond it.
    """

    def __init__(self, spare: int = 1_000_000, each: int = 64) -> None:
        self._left = spare
        self._each = each

    @property
    def left(self) -> int:
        """Steps that may still be taken."""
        return self._left

    def begin(self) -> None:
        """Another path is looked up."""
        self._left += self._each

    def step(self, depth: int) -> None:
        """One component that a link brought, `depth` characters below the root. Raises MalformedDocument."""
        self._left -= 1 + depth // 64
        if self._left < 0:
            raise MalformedDocument(
                "following the symbolic links of this tree takes more steps than any image needs"
            )


def resolve(
    path: str, link_at: Callable[[str], str | None], *, follow_last: bool = True, work: LinkWork | None = None
) -> str:
    """The path with its symbolic links followed, never leaving the root: `..` at the root stays there.

    `link_at` gives the target of the link at a path whose own parents are no links, None for anything
    else. What does not exist is kept as it is written. Raises LinkLoop, PathTooLong, and MalformedDocument where
    `work` is used up.
    """
    work = work or LinkWork()
    work.begin()
    done = ""
    todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    links, own = 0, len(todo)
    while todo:
        if len(todo) > own:
            work.step(len(done))
        else:
            own -= 1
        part = todo.pop()
        if part == "..":
            done = done.rpartition("/")[0]
            continue
        at = f"{done}/{part}" if done else part
        if len(at) > MAX_PATH:
            raise PathTooLong(f"/{path.lstrip('/')[:200]} leads to a path of more than {MAX_PATH} characters")
        target = link_at(at) if todo or follow_last else None
        if target is None:
            done = at
            continue
        links += 1
        if links > MAX_LINKS:
            raise LinkLoop(f"too many symbolic links on the way to /{path.lstrip('/')[:200]}")
        if target.startswith("/"):
            done = ""
        todo += [part for part in reversed(target.split("/")) if part not in ("", ".")]
    return done


class FileAttributes(Protocol):
    """One file of a tree: what it is, whose, and what may be done with it."""

    @property
    def kind(self) -> FileKind:
        """What it is."""

    @property
    def link(self) -> str:
        """The text of a symbolic link, the path of what a hard link names; empty for others."""

    @property
    def mode(self) -> int:
        """The permission bits."""

    @property
    def uid(self) -> int:
        """The user."""

    @property
    def gid(self) -> int:
        """The group."""

    @property
    def xattrs(self) -> tuple[tuple[str, bytes], ...]:
        """Extended attributes by name."""


F_co = TypeVar("F_co", bound=FileAttributes, covariant=True)


class PathLookup(ABC, Generic[F_co]):
    """What is at a path, through links. Paths have the form of this module; "" is the root, a directory."""

    @cached_property
    def work(self) -> LinkWork:
        """What following links has cost."""
        return LinkWork()

    @abstractmethod
    def get(self, path: str) -> F_co | None:
        """What stands at a path whose own parents are no links; None for nothing."""

    def kind_at(self, path: str) -> FileKind | None:
        """The kind of what stands there; the root is a directory."""
        if not path:
            return FileKind.DIRECTORY
        found = self.get(path)
        return None if found is None else found.kind

    def link_at(self, path: str) -> str | None:
        """The target of the symbolic link there, None for anything else."""
        found = self.get(path) if path else None
        return found.link if found is not None and found.kind is FileKind.SYMLINK else None

    def resolve(self, path: str, *, follow_last: bool = True) -> str:
        """The real path, links followed inside the root. Raises as the function of this name does."""
        return resolve(path, self.link_at, follow_last=follow_last, work=self.work)

    def lookup(self, path: str) -> F_co | None:
        """What a program would find under `path`, links followed; None for nothing, and where no kernel gets to."""
        try:
            return self.get(self.resolve(path))
        except (LinkLoop, PathTooLong):
            return None


class FileTree(PathLookup[F_co]):
    """A tree of files, whatever it is made of: a folder, entries, layers over layers, an image."""

    @abstractmethod
    def names(self, path: str) -> tuple[str, ...]:
        """The names in a directory, sorted bytewise; nothing for what is not one."""

    def paths(self) -> Iterator[str]:
        """Every path but the root."""
        todo = [""]
        while todo:
            folder = todo.pop()
            for name in self.names(folder):
                path = f"{folder}/{name}" if folder else name
                if self.kind_at(path) is FileKind.DIRECTORY:
                    todo.append(path)
                yield path
