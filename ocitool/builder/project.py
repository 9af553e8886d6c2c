"""The kind of project that a folder is: the file in it that says how to build."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from ocitool.builder.git import read_checkout
from ocitool.builder.request import BuildRequest
from ocitool.errors import NotFound, Unsupported, UsageError, local_io
from ocitool.model.platform import Platform
from ocitool.model.printable import shown
from ocitool.project.build_files import followed
from ocitool.project.values import BuildSpec, Stamp, images_in, load_spec
from ocitool.values import replace

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


_LOOKED_AT: Final = 1000
"""Names of a folder that are looked at for one that was meant; a guess at what no project has."""
_TOLD: Final = 3


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
        below = _below(source)
        raise UsageError(
            f"nothing in {source} says how to build it",
            hint=f"name the folder that does: {', '.join(below)}"
            if below
            else f"it needs one of {names}; a Dockerfile of another name goes with -f, and ready programs with "
            "--toolchain prebuilt",
        )
    return kinds[0]


def _below(source: Path) -> list[str]:
    """The first folders right below that say how they are built; what cannot be read says nothing."""
    found: list[str] = []
    try:
        names = sorted(
            islice((path.name for path in source.iterdir() if not path.name.startswith(".")), _LOOKED_AT)
        )
        for name in names:
            path = source / name
            if len(found) < _TOLD and path.is_dir() and any((path / file).is_file() for file in BUILD_FILES):
                found.append(shown(str(path)))
    except OSError:
        return found
    return found


def _has_c(source: Path) -> bool:
    """Whether C or C++ sources stand in the folder. Raises LocalIOError."""
    from ocitool.toolchains.c import own_sources

    try:
        return bool(own_sources(source))
    except OSError as error:
        raise local_io(error, f"read the folder {source}") from error


def find_spec(
    source: Path, named: Path | None, environ: Mapping[str, str], *, version: str = "", image: str = ""
) -> BuildSpec:
    """The spec file that was named, else the folder's own, else an empty one; stamped by git where it asks for it.

    `version` beats what the file says; `image` is the one of several that is meant. Raises as `load_spec` and
    `find_build_files` do.
    """
    path = _spec_file(source, named)
    if path is None:
        _refuse_images(source, (image,) if image else ())
        return BuildSpec()

    def stamp() -> Stamp:
        checkout = read_checkout(source, environ)
        return Stamp(checkout.version, checkout.revision) if checkout else Stamp()

    return load_spec(path, stamp, version=version, image=image)


def images_of(source: Path, images: tuple[str, ...], *, spec: Path | None = None) -> tuple[str, ...]:
    """The images that a folder's spec describes, or the wanted ones; none if only one is. Raises as `find_spec`."""
    path = _spec_file(source, spec)
    if path is None:
        _refuse_images(source, images)
        return ()
    return images_in(path, images)


def spec_of(request: BuildRequest) -> tuple[BuildRequest, BuildSpec]:
    """The spec of a request for one image, and the request with what the spec says of a Dockerfile.

    Raises as `find_spec`, which wants one of several images to be named.
    """
    image, *others = request.images or ("",)
    spec = find_spec(
        request.source,
        request.spec_file,
        request.environ,
        version=request.version,
        image="" if others else image,
    )
    said = request.dockerfile
    is_named = said.file is not None or said.text is not None or said.sent is not None
    options = replace(
        said,
        file=request.source / spec.dockerfile if spec.dockerfile and not is_named else said.file,
        target=said.target or spec.target,
        arguments=(*spec.build_args, *said.arguments),
    )
    return replace(request, dockerfile=options), spec


def _spec_file(source: Path, named: Path | None) -> Path | None:
    """The spec file that was named, or that a folder has. Raises as `find_build_files`, and UsageError."""
    path = named or find_build_files(source).get("spec")
    try:
        return None if path is None else followed(path, source)
    except OSError as error:
        raise local_io(error, f"read {path}") from error


def _refuse_images(source: Path, images: Sequence[str]) -> None:
    if images:
        raise UsageError(
            f"there is no ocitool.toml in {source} that describes image {images[0]}",
            hint="name the file with --spec, or leave --image out",
        )


def refuse_windows(platforms: Sequence[Platform]) -> None:
    """Raise Unsupported for Windows: its layers have folders and records of their own (K059)."""
    for platform in platforms:
        if platform.os == "windows":
            raise Unsupported(
                f"an image for {platform} cannot be built yet: layers for Windows have a form of their own",
                ability=str(platform),
                hint="ocitool index create takes Windows images that were made elsewhere",
            )
