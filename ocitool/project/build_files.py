"""The files of a folder that steer its build, found through links for which the folder is the root."""

import posixpath
from pathlib import Path
from typing import Final

from ocitool.errors import MalformedDocument, NotFound, UsageError
from ocitool.model.files import LinkLoop, resolve

FILE_NAME: Final = "ocitool.toml"


def followed(path: Path, root: Path) -> Path:
    """The file that a path below `root` means, links read against the root: `/x` is x in it, and `..` stays in it.

    The path itself where that is what the system finds too, where only the system finds something, and where
    nothing is. A path elsewhere has its own folder for a root. Raises NotFound for a link that leads nowhere,
    UsageError for a circle of links, OSError (K201, K202).
    """
    base, place = (Path(posixpath.normpath(one.absolute())) for one in (root, path))
    base = base if place.is_relative_to(base) else place.parent

    def link_at(below: str) -> str | None:
        there = base / below
        return str(there.readlink()) if there.is_symlink() else None

    try:
        real = base / resolve(str(place.relative_to(base)), link_at)
    except LinkLoop:
        raise UsageError(f"{path} is a link that leads in a circle", hint="put a file in its place") from None
    except MalformedDocument:  # too long a path, of which the system tells
        return path
    if real.exists():
        return path if path.exists() and path.samefile(real) else real
    if not path.exists() and path.is_symlink():
        raise NotFound(
            f"{path} is a link to {path.readlink()}, which leads to nothing in {root}",
            name=str(path),
            where=str(root),
            hint="put the file there, or a file in place of the link",
        )
    return path
