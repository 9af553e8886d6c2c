"""Libraries and headers of the target platform: a folder that compilers look into beside their own.

It is what a system of that platform has below its root, from a folder, an image, or Debian's packages. Nothing in
it is ever started or installed: its links stay inside, and setuid bits and devices are not kept.
"""

import os
import re
import stat
from pathlib import Path
from typing import Final

from ocitool.errors import local_io
from ocitool.model.files import LinkLoop, TreeBudget, resolve
from ocitool.model.numbers import MIB
from ocitool.values import dataclass

_VERSION: Final = re.compile(rb"GNU C Library \([^)\n]*\) (?:stable|development) release version (\d+\.\d+)")
_LIBC_LIMIT: Final = 16 * MIB


@dataclass(frozen=True, slots=True)
class Sysroot:
    """A folder with the root of a system of the target platform; `libc` is `musl`, `glibc:2.36`, or empty.

    `identity` tells its content from that of any other; empty where it may change. `links` is a folder with links
    that lead to where those of the libraries mean (`stray_links`).
    """

    folder: Path
    libc: str = ""
    identity: str = ""
    links: Path | None = None

    def compile_flags(self, triplet: str, *, whole: bool) -> tuple[str, ...]:
        """Where headers are; `whole` makes it the root, for compilers that bring no C library of their own."""
        if whole:
            return (f"--sysroot={self.folder}",)
        # After the compiler's own: its C library's headers have to be those of the library that it links.
        names = (f"usr/include/{triplet}", "usr/include")
        folders = (inside(self.folder, name) or self.folder / name for name in names)
        return tuple(word for folder in folders for word in ("-idirafter", str(folder)))

    def link_flags(self, triplet: str) -> tuple[str, ...]:
        """Where libraries are."""
        own = () if self.links is None else (self.links,)
        return tuple(f"-L{folder}" for folder in (*own, *library_folders(self.folder, triplet)))


def library_folders(folder: Path, triplet: str) -> tuple[Path, ...]:
    """The folders of a system that hold libraries, each once. Raises OSError."""
    names = (f"usr/lib/{triplet}", f"lib/{triplet}", "usr/lib", "lib")
    found = (inside(folder, name) for name in names)
    return tuple(dict.fromkeys(path for path in found if path is not None and path.is_dir()))


def stray_links(folder: Path, triplet: str) -> dict[str, Path]:
    """The libraries whose links lead this machine elsewhere than the system that the folder holds.

    `libz.so -> /lib/libz.so.1` means the file of that name inside. Raises LocalIOError.
    """
    stray: dict[str, Path] = {}
    try:
        for place in library_folders(folder, triplet):
            for path in sorted(place.iterdir()):
                if path.is_symlink() and path.name not in stray:
                    real = inside(folder, path.relative_to(folder).as_posix())
                    if real is not None and path.resolve() != real.resolve():
                        stray[path.name] = real
    except OSError as error:
        raise local_io(error, f"read {folder}") from error
    return stray


def libc_of(folder: Path, triplet: str) -> str:
    """The C library of the system below a folder: `musl`, `glibc:VERSION`, or empty. Raises LocalIOError."""
    try:
        lib = inside(folder, "lib")
        if lib is not None and any(lib.glob("ld-musl-*.so.1")):
            return "musl"
        for name in (
            f"lib/{triplet}/libc.so.6",
            f"usr/lib/{triplet}/libc.so.6",
            "lib64/libc.so.6",
            "lib/libc.so.6",
        ):
            path = inside(folder, name)
            if path is not None and path.is_file():
                with path.open("rb") as file:
                    found = _VERSION.search(file.read(_LIBC_LIMIT))
                return f"glibc:{found[1].decode()}" if found else "glibc"
    except OSError as error:
        raise local_io(error, f"read {folder}") from error
    return ""


def inside(folder: Path, name: str, budget: TreeBudget | None = None) -> Path | None:
    """The file at a path of the system, links followed below the folder alone; None if nothing is there.

    Raises MalformedDocument for links that take more steps than `budget` has.
    """

    def link_at(path: str) -> str | None:
        here = folder / path
        return str(here.readlink()) if here.is_symlink() else None

    try:
        found = folder / resolve(name, link_at, budget=budget)
    except LinkLoop:
        return None
    return found if found.exists() else None


def tame(root: Path) -> None:
    """Make what was unpacked harmless and usable: links lead to files inside, special bits and files go.

    A link leads where it would in that system; one that is absolute or climbs, and leads to nothing there, is
    removed. Raises LocalIOError, MalformedDocument for links that would take more work than any system's.
    """
    budget = TreeBudget()
    try:
        links = []
        for here, folders, files in os.walk(root):
            for name in (*folders, *files):
                path = Path(here, name)
                if path.is_symlink():
                    links.append(path)
                else:
                    _tame_file(path)
        for path in links:  # when every folder is open to us
            _tame_link(path, root, budget)
    except OSError as error:
        raise local_io(error, f"unpack into {root}") from error


def _tame_file(path: Path) -> None:
    status = path.lstat()
    if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
        mode = stat.S_IMODE(status.st_mode)
        wanted = (mode & 0o777) | (0o700 if stat.S_ISDIR(status.st_mode) else 0o600)
        if mode != wanted:
            path.chmod(wanted)
    else:
        path.unlink()


def _tame_link(path: Path, root: Path, budget: TreeBudget) -> None:
    """The link with a text of real folders alone: `..` after the name of another link would climb from its end."""
    text = path.readlink()
    if text.is_absolute() or ".." in text.parts:
        real = inside(root, path.relative_to(root).as_posix(), budget)
        path.unlink()
        if real is not None:
            path.symlink_to(os.path.relpath(real, path.parent))


def merge(part: Path, root: Path) -> None:
    """Move what was unpacked in `part` into the system below `root`, through links as they lead in that system.

    What leads out stays inside, too; a folder that is there does not give way to a link or a file. Raises OSError.
    """
    todo = [(part, root)]
    while todo:
        here, into = todo.pop()
        for path in sorted(here.iterdir()):
            there = into / path.name
            if path.is_symlink() or not path.is_dir():
                if there.is_symlink() or not there.is_dir():
                    path.replace(there)
                continue
            real = inside(root, there.relative_to(root).as_posix())
            if real is None or not real.is_dir():
                there.unlink(missing_ok=True)
                there.mkdir()
                real = there
            todo.append((path, real))
