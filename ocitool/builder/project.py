"""The kind of project that a folder is: the file in it that says how to build."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ocitool.builder.git import read_checkout
from ocitool.errors import NotFound, Unsupported, UsageError, local_io
from ocitool.model.platform import Platform
from ocitool.project.build_files import followed
from ocitool.project.values import BuildSpec, Stamp, load_spec

DOCKERFILE: Final = "dockerfile"
"""The word for what is built by a Dockerfile."""
BUILD_FILES: Final = {
    "ocitool.toml": "spec",
    "Dockerfile": "dockerfile",
    "dockerfile": "dockerfile",
    "Containerfile": "dockerfile",
    "go.mod": "go",
    "Cargo.toml": "rust",
    "CMakeLists.txt": "cmake",
    "meson.build": "meson",
    "configure": "autotools",
    "configure.ac": "autotools",
    "GNUmakefile": "make",
    "makefile": "make",
    "Makefile": "make",
}
"""Build files and what they mean, the one that wins first."""


def find_build_files(source: Path) -> dict[str, Path]:
    """The build files of a folder by their kind, the one that wins first.

    Raises NotFound if the folder is not there, UsageError if it is a file, LocalIOError if it cannot be read.
    """
    try:
        if not source.exists():
            raise NotFound(f"no folder {source}", name=str(source), hint="name the folder of the sources")
        if not source.is_dir():
            raise UsageError(
                f"{source} is a file", hint=f"name its folder {source.parent}, and the file with -f or --spec"
            )
        there = (path for path in source.iterdir() if path.name in BUILD_FILES)
        names = {path.name for path in there if path.is_file() or path.is_symlink()}
    except OSError as error:
        raise local_io(error, f"read the folder {source}") from error
    found: dict[str, Path] = {}
    for name, kind in BUILD_FILES.items():
        if name in names:
            found.setdefault(kind, source / name)
    return found


def choose_toolchain(source: Path, *, said: str = "", has_files: bool = False) -> str:
    """How the folder is built: what a flag or the spec said, else `go` or `dockerfile` by its build files.

    `has_files` says that files are copied, so that without any build file it is `prebuilt`; else it is `c` where
    sources of C or C++ stand in it. Raises UsageError
    if nothing says how to build, Unsupported for a kind that cannot be built yet, and as `find_build_files`.
    """
    kinds = [kind for kind in find_build_files(source) if kind != "spec"]
    if said:
        return said
    if not kinds and has_files:
        return "prebuilt"
    if not kinds and _has_c(source):
        return "c"
    if not kinds:
        names = ", ".join(name for name, kind in BUILD_FILES.items() if name != kind)
        raise UsageError(
            f"nothing in {source} says how to build it",
            hint=f"it needs one of {names}; a Dockerfile of another name goes with -f, and ready programs with "
            "--toolchain prebuilt",
        )
    return kinds[0]


def _has_c(source: Path) -> bool:
    """Whether C or C++ sources stand in the folder. Raises LocalIOError."""
    from ocitool.toolchains.c import own_sources

    try:
        return bool(own_sources(source))
    except OSError as error:
        raise local_io(error, f"read the folder {source}") from error


def find_spec(source: Path, named: Path | None, environ: Mapping[str, str], *, version: str = "") -> BuildSpec:
    """The spec file that was named, else the folder's own, else an empty one; stamped by git where it asks for it.

    `version` beats what the file says. Raises as `load_spec` and `find_build_files` do.
    """
    path = named or find_build_files(source).get("spec")
    if path is None:
        return BuildSpec()

    def stamp() -> Stamp:
        checkout = read_checkout(source, environ)
        return Stamp(checkout.version, checkout.revision) if checkout else Stamp()

    try:
        path = followed(path, source)
    except OSError as error:
        raise local_io(error, f"read {path}") from error
    return load_spec(path, stamp, version=version)


def refuse_windows(platforms: Sequence[Platform]) -> None:
    """Raise Unsupported for Windows: its layers have folders and records of their own (K059)."""
    for platform in platforms:
        if platform.os == "windows":
            raise Unsupported(
                f"an image for {platform} cannot be built yet: layers for Windows have a form of their own",
                ability=str(platform),
                hint="ocitool index create takes Windows images that were made elsewhere",
            )
