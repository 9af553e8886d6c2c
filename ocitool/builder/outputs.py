"""Where a build goes, as values: layouts and archives, files, registries, or this machine's store alone."""

from collections.abc import Sequence
from pathlib import Path

from ocitool.model.platform import Platform
from ocitool.model.reference import Reference
from ocitool.store.base import FullNames
from ocitool.store.layout import LAYOUT_FILES
from ocitool.store.locate import Locator
from ocitool.values import dataclass


@dataclass(frozen=True, slots=True)
class FilesOutput:
    """The root file systems of a build as files: a folder, or a tar (`-` is standard output).

    `split` says whether each platform gets a folder of its own; None: where there are several.
    """

    place: Path
    is_tar: bool = False
    split: bool | None = None

    def __str__(self) -> str:
        return f"{self.place}, as files"

    @property
    def is_stdout(self) -> bool:
        """Whether it is written to standard output."""
        return self.is_tar and str(self.place) == "-"


@dataclass(frozen=True, slots=True)
class StoreOutput:
    """A layout or an archive; `full_name` is the reference that was said to be its name, if one was."""

    locator: Locator
    full_name: str = ""

    def __str__(self) -> str:
        return str(self.locator)

    @property
    def is_stdout(self) -> bool:
        """Whether it is written to standard output."""
        return str(self.locator.path) == "-"

    def names(self, tags: Sequence[Reference]) -> tuple[str, ...]:
        """The names it gets there: the one typed, else for archives what -t says."""
        locator = self.locator
        if locator.scheme == "docker-archive":
            typed = (Reference.parse(locator.name),) if locator.name else tags
            return tuple(tag.familiar for tag in typed) or ("",)
        if locator.name or locator.scheme == "oci":
            return (locator.name,)
        return tuple(dict.fromkeys(tag.tag for tag in tags if tag.tag)) or ("",)

    def full_names(self, tags: Sequence[Reference]) -> FullNames:
        """What its names stand for: what was said, else what -t says (K211)."""
        if self.full_name:
            return lambda _tag: (self.full_name,)
        return lambda tag: tuple(str(one) for one in tags if tag in {"", one.tag})


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answered: `argv` is what starts its client, `platform` is what it runs.

    `whole` says that it takes an index as it is; another one takes one image, named by a docker-archive.
    """

    name: str
    argv: tuple[str, ...]
    platform: Platform
    whole: bool = False

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class BuildOutputs:
    """Everywhere a build goes; with nothing said, or where it `keeps`, that is this machine's store.

    With `push` it goes under its tags into their registries, `by_digest` without a tag; with an `engine` into that.
    `beside` are further files that are written about it: they are no input of it.
    """

    places: tuple[StoreOutput, ...] = ()
    files: tuple[FilesOutput, ...] = ()
    push: bool = False
    by_digest: bool = False
    engine: Engine | None = None
    keeps: bool = False
    beside: tuple[Path, ...] = ()

    @property
    def streams(self) -> int:
        """How many outputs are standard output."""
        return sum(place.is_stdout for place in self.places) + sum(files.is_stdout for files in self.files)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files and folders that are written, and what is in a layout: it may be the project's own folder."""
        found: list[Path] = []
        for place in self.places:
            path = place.locator.path
            if path is not None and not place.is_stdout:
                found += [path, *(path / name for name in LAYOUT_FILES if place.locator.scheme == "oci")]
        return (*found, *(files.place for files in self.files if not files.is_stdout), *self.beside)

    @property
    def leaves_nothing(self) -> bool:
        """Whether the result goes elsewhere, and nothing of it has to stay in this machine's store."""
        return bool(self.places or self.files or self.push or self.engine) and not self.keeps
