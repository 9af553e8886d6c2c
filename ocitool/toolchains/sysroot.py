"""Libraries and headers of the target platform: a folder that compilers look into beside their own.

It is what a system of that platform has below its root, from a folder, an image, or Debian's packages. Nothing in
it is ever started or installed: its links stay inside, and setuid bits and devices are not kept.
"""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from ocitool.errors import local_io

_VERSION: Final = re.compile(rb"GNU C Library \([^)\n]*\) (?:stable|development) release version (\d+\.\d+)")
_LIBC_LIMIT: Final = 16 * 1024 * 1024
_LINKS: Final = 40


@dataclass(frozen=True, slots=True)
class Sysroot:
    """A folder with the root of a system of the target platform; `libc` is `musl`, `glibc:2.36`, or empty.

    `identity` tells its content from that of any other; empty where it may change.
    """

    folder: Path
    libc: str = ""
    identity: str = ""

    def compile_flags(self, triplet: str, *, whole: bool) -> tuple[str, ...]:
        """Where headers are; `whole` makes it the root, for compilers that bring no C library of their own."""
        if whole:
            return (f"--sysroot={self.folder}",)
        # After the compiler's own: its C library's headers have to be those of the library that it links.
        folders = (f"usr/include/{triplet}", "usr/include")
        return tuple(word for name in folders for word in ("-idirafter", str(self.folder / name)))

    def link_flags(self, triplet: str) -> tuple[str, ...]:
        """Where libraries are."""
        folders = (f"usr/lib/{triplet}", f"lib/{triplet}", "usr/lib", "lib")
        return tuple(f"-L{self.folder / name}" for name in folders if (self.folder / name).is_dir())


def libc_of(folder: Path, triplet: str) -> str:
    """The C library of the system below a folder: `musl`, `glibc:VERSION`, or empty. Raises LocalIOError."""
    try:
        if any((folder / "lib").glob("ld-musl-*.so.1")):
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


def inside(folder: Path, name: str) -> Path | None:
    """The file at a path of the system, links followed below the folder alone; None if nothing is there."""
    todo = list(reversed(PurePosixPath("/" + name.lstrip("/")).parts[1:]))
    place: list[str] = []
    links = 0
    while todo:
        part = todo.pop()
        if part == "..":
            place = place[:-1]
            continue
        path = folder.joinpath(*place, part)
        if path.is_symlink():
            links += 1
            if links > _LINKS:
                return None
            target = PurePosixPath(path.readlink())
            place = [] if target.is_absolute() else place
            todo += [one for one in reversed(target.parts) if one not in {"/", "."}]
            continue
        if not path.exists():
            return None
        place.append(part)
    return folder.joinpath(*place)


def tame(root: Path) -> None:
    """Make what was unpacked harmless and usable: absolute links become relative, special bits and files go.

    A link that leads out by `..` is removed. Raises LocalIOError.
    """
    try:
        for here, folders, files in os.walk(root):
            for name in (*folders, *files):
                _tame(Path(here) / name, root)
    except OSError as error:
        raise local_io(error, f"unpack into {root}") from error


def _tame(path: Path, root: Path) -> None:
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        text, above = str(path.readlink()), path.parent.relative_to(root)
        parts = (
            PurePosixPath(text).relative_to("/").parts
            if text.startswith("/")
            else (*above.parts, *Path(text).parts)
        )
        place: list[str] = []
        for part in parts:
            if part == ".." and not place:
                path.unlink()
                return
            place = place[:-1] if part == ".." else [*place, part]
        if text.startswith("/"):
            path.unlink()
            path.symlink_to(os.path.relpath(root.joinpath(*place), path.parent))
    elif stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
        mode = stat.S_IMODE(status.st_mode)
        wanted = (mode & 0o777) | (0o700 if stat.S_ISDIR(status.st_mode) else 0o600)
        if mode != wanted:
            path.chmod(wanted)
    else:
        path.unlink()
