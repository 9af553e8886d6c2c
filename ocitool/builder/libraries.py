"""Libraries that programs lack in their image, brought from the sysroot with their licence files."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from ocitool.builder.programs import Found, lacking, survey
from ocitool.errors import local_io
from ocitool.model.files import FileKind
from ocitool.model.platform import Platform
from ocitool.pack.entries import Entry, FileContent
from ocitool.pack.placing import place
from ocitool.rootfs.files import Files, Layered
from ocitool.toolchains.compilers import debian_folder
from ocitool.toolchains.sysroot import Sysroot, inside

_ROUNDS: Final = 20
"""How deep libraries may need other libraries."""


def missing_libraries(
    found: Sequence[Found], image: Files, env: Mapping[str, str], sysroot: Sysroot, platform: Platform
) -> tuple[Entry, ...]:
    """The loaders and libraries that the programs lack and the sysroot has, and what those need in turn.

    A library stands where the sysroot has it, a loader where programs look for it. Licence files of the Debian
    packages they come from are among the entries. Raises LocalIOError.
    """
    entries: dict[str, Entry] = {}
    todo = tuple(found)
    for _ in range(_ROUNDS):
        new: dict[str, Entry] = {}
        over = Layered(place(tuple(entries.values()), image), image)
        for lack in lacking(todo, over, env):
            names = [lack.loader] if lack.loader and not lack.is_script else []
            for path, real in _find([*names, *lack.libraries], sysroot, platform):
                if path not in entries:
                    new[path] = Entry(path, FileKind.FILE, 0o755, content=FileContent(real))
                    entries |= {one.path: one for one in _licences(real, sysroot)}
        if not new:
            break
        entries |= new
        todo = (*found, *survey(tuple(new.values())))
    return tuple(entries.values())


def _find(names: Sequence[str], sysroot: Sysroot, platform: Platform) -> Iterator[tuple[str, Path]]:
    """(path in the image, file here) of loaders and libraries."""
    triplet = debian_folder(platform)
    for name in names:
        folders = (f"lib/{triplet}", f"usr/lib/{triplet}", "lib64", "lib", "usr/lib")
        places = [name] if "/" in name else [f"{folder}/{name}" for folder in folders]
        for path in places:
            real = inside(sysroot.folder, path)
            if real is not None and real.is_file():
                yield path.lstrip("/"), real
                break


def _licences(library: Path, sysroot: Sysroot) -> Iterator[Entry]:
    """The licence file of the Debian package that a library is from, if its database tells that."""
    path = library.relative_to(sysroot.folder).as_posix()
    names = {path, path.removeprefix("usr/")}
    try:
        for lists in sorted((sysroot.folder / "var/lib/dpkg/info").glob("*.md5sums")):
            text = lists.read_text("utf-8", "replace")
            if any(f"  {name}\n" in text for name in names):
                package = lists.name.removesuffix(".md5sums").partition(":")[0]
                place = f"usr/share/doc/{package}/copyright"
                licence = inside(sysroot.folder, place)
                if licence is not None and licence.is_file():
                    yield Entry(place, FileKind.FILE, 0o644, content=FileContent(licence))
    except OSError as error:
        raise local_io(error, "read the packages of the sysroot") from error
