"""Questions that a Dockerfile has for the world around it, and their answers: a protocol and its values."""

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from ocitool.dockerfile.stages import StageBase
from ocitool.dockerfile.syntax.instructions import Run, Stage
from ocitool.dockerfile.syntax.run_flags import RunMount
from ocitool.image.base import BaseImage
from ocitool.model.digest import Digest
from ocitool.model.platform import Platform
from ocitool.pack.entries import Content, Entry
from ocitool.pack.layer import StoredTar
from ocitool.rootfs.files import Files
from ocitool.values import dataclass, field


class Resources(Protocol):
    """What a Dockerfile can reach outside itself."""

    def image(self, stage_base: StageBase, *, is_copied: bool = False) -> BaseImage:
        """What FROM or --from names. Raises NotFound, and WrongPlatform where files are not only copied from it."""

    def image_files(self, image: BaseImage) -> Files:
        """Its merged tree."""

    def context(self, name: str, platform: Platform | None = None) -> Files:
        """The files of a named context, of the build's own for an empty name; an image is that of the platform."""

    def download(self, url: str, checksum: Digest | None, told: str) -> Entry:
        """The file at a URL under its own name; `told` is the URL without secrets.

        Raises DigestMismatch, and what asking for it raises.
        """

    def shared(self, entries: Collection[Entry]) -> Collection[Entry]:
        """The entries, or the equal ones of another platform, so that they are in memory once."""

    def unpack(self, content: Content) -> tuple[Entry, ...] | None:
        """The entries of a tar archive, compressed or not; None if the file is none."""

    def is_apart(self, stage: int, platform: Platform) -> bool:
        """Whether nothing but single files is wanted of a stage, so that its base is not looked at."""

    def is_idle(self, stage: int, platform: Platform) -> bool:
        """Whether nobody misses a file that a stage does not have."""

    def whole(self, stage: int, platform: Platform, own: Files | None) -> Files | None:
        """The files of a stage that has made `own`, those of its base among them."""

    def gives(self, stage: int, platform: Platform) -> str:
        """What there is to say of a stage that lacks a file; empty for nothing."""

    def ran(self, process: "Process") -> "Ran | None":
        """What a RUN leaves behind; None where nobody carries it out, and it is refused."""


@dataclass(frozen=True, slots=True)
class Root:
    """What a process finds at the root: an image, and over it layers as entries, the lowest first."""

    base: BaseImage | None = None
    layers: tuple[Collection[Entry], ...] = ()


@dataclass(frozen=True, slots=True)
class Mounted:
    """A --mount with its variables, and what it shows: the root of a stage or image, or the files of a context."""

    mount: RunMount
    root: Root | None = None
    files: Files | None = None


@dataclass(frozen=True, slots=True)
class Process:
    """What a RUN would start, and the stage as it stands there: all that an executor has to know.

    `platform` is what the file is carried out for, `native` what the stage's own programs are for. `variables` are
    those of ENV and ARG, `args` the names of ARG in their order; `shell` is what a shell form is given to. `files`
    is None for an empty root. `mounts` makes what the line mounts when it is asked. `label` is the line for
    messages.
    """

    stage: Stage
    run: Run
    platform: Platform
    native: Platform
    workdir: str
    user: str
    variables: Mapping[str, str] = field(hash=False)
    args: tuple[str, ...] = ()
    shell: tuple[str, ...] = ("/bin/sh", "-c")
    root: Root = Root()
    files: Files | None = field(default=None, compare=False, repr=False)
    mounts: Callable[[], tuple[Mounted, ...]] = field(default=tuple, compare=False, repr=False)
    label: str = ""


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a RUN: its line of history, empty for none, and the entries of its layer at their paths.

    Where it was carried out, `tar` is the layer, whiteouts among the entries; else they are placed through links.
    """

    told: str = ""
    entries: tuple[Entry, ...] = ()
    tar: StoredTar | None = None
    was_run: bool = False
