"""The kinds of files in an image, the grammar of their paths, and trees in which paths are looked up.

A path here is relative to the image's root: no leading or trailing slash, no empty, `.` or `..` component;
"" is the root itself. A name is the bytes that the file system has, never what a locale makes of them: it is read
as UTF-8, and what is none carries surrogate escapes.
"""

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

from ocitool.errors import MalformedDocument
from ocitool.model.numbers import MIB

WHITEOUT: Final = ".wh."
"""What the name of a file that deletes another begins with (image-spec layer.md, "Whiteouts")."""
OPAQUE: Final = ".wh..wh..opq"
"""The file that hides everything below its directory in lower layers."""
MAX_LINKS: Final = 40
"""Symbolic links followed for one path, as many as Linux follows."""
MAX_PATH: Final = 4096
"""Longest path and longest link target in bytes, as on Linux."""
_IS_CLEAN: Final = re.compile(r"[^\0/.][^\0/]*(?:/[^\0/.][^\0/]*)*", re.DOTALL).fullmatch
"""Most paths are, and a long one is told from others several times as fast so."""
_TEMPORARY: Final = r"(?s)\..*\.ocitool-[0-9a-f]{8}|\.ingest-[0-9a-f]{16}"
_STEPS_EACH: Final = 64
"""Steps of links for each path looked up; a guess: real ones take three."""
_PATH_EACH: Final = 512
"""Characters of a path for each file; a guess: real ones have 60, rarely 200."""


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
    if _IS_CLEAN(path):
        return path
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return None if ".." in parts or "\0" in path else "/".join(parts)


def name_bytes(path: str) -> bytes:
    """The bytes of a path as a tar and a file system hold them."""
    return path.encode("utf-8", "surrogateescape")


def name_text(name: bytes) -> str:
    """The path of these bytes, as this package writes it whatever the locale: the inverse of `name_bytes`."""
    return name.decode("utf-8", "surrogateescape")


def from_system(text: str) -> str:
    """A path that Python was told by the system (an argument, a name in a folder), by its bytes (K256)."""
    return name_text(os.fsencode(text))


def to_system(path: str) -> str:
    """The path as Python gives it to the system, so that the bytes are these."""
    return os.fsdecode(name_bytes(path))


def temporary_beside(path: Path) -> Path:
    """A new name in the same folder for what becomes `path` when it is whole; `is_temporary` knows it again."""
    return path.with_name(f".{path.name}.ocitool-{os.urandom(4).hex()}")


def temporary_in(folder: Path) -> Path:
    """A new name in a folder of ours, for what gets another one when it is whole."""
    return folder / f".{os.urandom(6).hex()}"


def is_temporary(name: str) -> bool:
    """Whether a name is one of those that `temporary_beside` and layouts make, in this run or another."""
    return re.fullmatch(_TEMPORARY, name) is not None


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


class TreeBudget:
    """What a tree may cost: steps of following links, and characters of paths, as many as its files justify (K238).

    A step is a component that a link brings, more than one where it is deep. Each path that is looked up may take
    as many as ordinary ones do, each file have a long path, and a whole tree has some more of both to spare.
    """

    def __init__(self, steps: int = 1_000_000, paths: int = 16 * MIB) -> None:
        self._steps = steps
        self._paths = paths

    @property
    def steps(self) -> int:
        """Steps that may still be taken."""
        return self._steps

    def look(self) -> None:
        """Another path is looked up."""
        self._steps += _STEPS_EACH

    def step(self, depth: int) -> None:
        """Take one component that a link brought, `depth` characters below the root. Raises MalformedDocument."""
        self._steps -= 1 + depth // 64
        if self._steps < 0:
            raise MalformedDocument("following the links of these files takes more steps than any image needs")

    def add(self, length: int) -> None:
        """One more file, with a path of `length` characters. Raises MalformedDocument."""
        self._paths += _PATH_EACH - length
        if self._paths < 0:
            raise MalformedDocument("the paths of these files are longer, all in all, than those of any image")


def resolve(
    path: str, link_at: Callable[[str], str | None], *, follow_last: bool = True, budget: TreeBudget | None = None
) -> str:
    """The path with its symbolic links followed, never leaving the root: `..` at the root stays there.

    `link_at` gives the target of the link at a path whose own parents are no links, None for anything
    else. What does not exist is kept as it is written. Raises LinkLoop, and MalformedDocument for a
    path that no kernel opens and where `budget` is used up.
    """
    budget = budget or TreeBudget()
    budget.look()
    done = ""
    todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    links, own = 0, len(todo)
    while todo:
        if len(todo) > own:
            budget.step(len(done))
        else:
            own -= 1
        part = todo.pop()
        if part == "..":
            done = done.rpartition("/")[0]
            continue
        at = f"{done}/{part}" if done else part
        if len(at) > MAX_PATH:
            raise MalformedDocument(f"/{path.lstrip('/')[:200]} leads to a path of more than {MAX_PATH} characters")
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
    def budget(self) -> TreeBudget:
        """What looking may still cost."""
        return TreeBudget()

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
        return resolve(path, self.link_at, follow_last=follow_last, budget=self.budget)

    def lookup(self, path: str) -> F_co | None:
        """What a program would find under `path`, links followed; None for nothing, and where `resolve` raises."""
        try:
            return self.get(self.resolve(path))
        except MalformedDocument:
            return None


class FileTree(PathLookup[F_co]):
    """A tree of files, whatever it is made of: a folder, entries, layers over layers, an image."""

    @abstractmethod
    def names(self, path: str) -> tuple[str, ...]:
        """The names in a directory, sorted bytewise; nothing for what is not one."""

    def entries_in(self, path: str) -> Iterator[F_co]:
        """What `get` has for each name in a directory."""
        for name in self.names(path):
            found = self.get(f"{path}/{name}" if path else name)
            if found is not None:
                yield found

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
