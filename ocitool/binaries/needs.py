"""The needs of a program in the image around it: its loader, its libraries, a script's interpreter.

The kernel says "no such file or directory" for a program whose loader is missing, so it is looked for before
(K173). Search order: ld.so(8) of glibc; musl knows fewer folders and brings the C library itself.
"""

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ocitool.binaries.binary import Binary, Format
from ocitool.model.printable import shown
from ocitool.values import dataclass

_TRIPLETS: Final = {
    "amd64": "x86_64-linux-gnu", "386": "i386-linux-gnu", "arm": "arm-linux-gnueabihf",
    "arm64": "aarch64-linux-gnu", "ppc64le": "powerpc64le-linux-gnu", "ppc64": "powerpc64-linux-gnu",
    "riscv64": "riscv64-linux-gnu",
    "s390x": "s390x-linux-gnu", "loong64": "loongarch64-linux-gnu", "mips64le": "mips64el-linux-gnuabi64",
    "mipsle": "mipsel-linux-gnu", "mips64": "mips64-linux-gnuabi64", "mips": "mips-linux-gnu",
}  # fmt: skip
_WIDE: Final = frozenset(
    ["amd64", "arm64", "ppc64le", "ppc64", "riscv64", "s390x", "loong64", "mips64", "mips64le", "sparc64"]
)
_MUSL_OWN: Final = ("libc.", "libpthread.", "librt.", "libm.", "libdl.", "libutil.", "libxnet.")
PROGRAM_PATH: Final = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
"""The folders that engines put into PATH where an image says nothing."""


@dataclass(frozen=True, slots=True)
class Missing:
    """What the image lacks for one program. `loader` is empty if that is there, or not needed.

    `by` is the program that looks for the interpreter of a script on the PATH.
    """

    path: str
    loader: str = ""
    libraries: tuple[str, ...] = ()
    is_script: bool = False
    by: str = ""

    def __str__(self) -> str:
        """One line that names everything."""
        return f"/{self.path} {self.reason}"

    @property
    def reason(self) -> str:
        """What will happen and why, without the path."""
        what = (
            f"{'interpreter' if self.is_script else 'dynamic loader'} {shown(self.loader)}" if self.loader else ""
        )
        names = ", ".join(self.libraries[:8]) + (" and more" if len(self.libraries) > 8 else "")
        libraries = f"{'library' if len(self.libraries) == 1 else 'libraries'} {names}" if self.libraries else ""
        lacks = f"will not start: the image lacks its {' and '.join(filter(None, (what, libraries)))}"
        by = f", which {self.by} looks for on the PATH" if self.by else ""
        return lacks + by + (" (its first line ends with a carriage return)" if self.loader.endswith("\r") else "")


def missing(
    binary: Binary,
    path: str,
    exists: Callable[[str], bool],
    *,
    library_path: Sequence[str] = (),
    program_path: Sequence[str] = PROGRAM_PATH,
    is_cached: Callable[[str], bool] = lambda name: False,  # noqa: ARG005 - the default of a predicate
) -> Missing | None:
    """What of the loader and the direct libraries of a Linux or BSD program is not there; None if all is.

    `path` is the program's own, relative to the root. `exists` says whether a file is at an absolute path, with
    links followed inside the root. `library_path` and `program_path` are the folders of LD_LIBRARY_PATH and PATH in
    the image's environment; `is_cached` says whether the loader's cache may know a library by its name.
    """
    if binary.format not in {Format.ELF, Format.SCRIPT}:
        return None
    if binary.format is Format.SCRIPT:
        return _for_script(binary, path, exists, program_path)
    loader = binary.loader if binary.loader and not exists(binary.loader) else ""
    folders = tuple(_folders(binary, path, library_path))
    libraries = tuple(
        name
        for name in binary.needed
        if not _is_there(name, binary.loader, folders, exists) and (_is_musl(binary) or not is_cached(name))
    )
    return Missing(path, loader, libraries) if loader or libraries else None


def _for_script(
    binary: Binary, path: str, exists: Callable[[str], bool], program_path: Sequence[str]
) -> Missing | None:
    if not binary.loader.startswith("/"):
        return None  # relative to wherever the script is started
    if not exists(binary.loader):
        return Missing(path, binary.loader, is_script=True)
    for name in binary.needed:
        places = [name] if "/" in name else [f"{folder}/{name}" for folder in program_path]
        if all(place.startswith("/") for place in places) and not any(map(exists, places)):
            return Missing(path, name, is_script=True, by=binary.loader)
    return None


def _is_there(name: str, loader: str, folders: Sequence[str], exists: Callable[[str], bool]) -> bool:
    if "/" in name:
        return exists(name) if name.startswith("/") else True  # relative to wherever the program is started
    if "ld-musl" in loader and name.startswith(_MUSL_OWN):
        return exists(loader)
    if name == posixpath.basename(loader) and exists(loader):
        return True
    return any(exists(f"{folder}/{name}") for folder in folders)


def _folders(binary: Binary, path: str, library_path: Sequence[str]) -> Iterator[str]:
    """Where libraries are looked for, in order."""
    origin = "/" + posixpath.dirname(path)
    architecture = binary.platform.architecture if binary.platform else ""
    width = "lib64" if architecture in _WIDE else "lib"
    own = (*(() if binary.runpath else binary.rpath), *library_path, *binary.runpath)
    for folder in own:
        folder = re.sub(r"\$(?:ORIGIN\b|\{ORIGIN\})", lambda _: origin.rstrip("/"), folder)  # noqa: PLW2901
        folder = re.sub(r"\$(?:LIB\b|\{LIB\})", width, folder)  # noqa: PLW2901
        if folder.startswith("/"):
            yield posixpath.normpath(folder)
    if binary.loader:
        yield posixpath.dirname(binary.loader) or "/"
    triplet = _TRIPLETS.get(architecture, "")
    if triplet and not _is_musl(binary):
        yield from (f"/lib/{triplet}", f"/usr/lib/{triplet}")
        if architecture == "arm":
            yield from ("/lib/arm-linux-gnueabi", "/usr/lib/arm-linux-gnueabi")
    if architecture in _WIDE and not _is_musl(binary):
        yield from ("/lib64", "/usr/lib64")
    yield from ("/lib", "/usr/local/lib", "/usr/lib")


def _is_musl(binary: Binary) -> bool:
    return "ld-musl" in binary.loader
