"""A build's request, the plan that comes of it, and the frontend that knows what is in the images."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ocitool.attest.options import AttestOptions
from ocitool.attest.provenance import Material
from ocitool.builder.outputs import BuildOutputs
from ocitool.builder.trust import TrustOptions
from ocitool.change.promises import NO_PROMISES, Promises
from ocitool.codec.codecs import Codec
from ocitool.dockerfile.request import DockerfileOptions
from ocitool.executor.base import Executor
from ocitool.image.annotations import AnnotationLevel, Annotations, plain
from ocitool.image.assemble import Image, LayerStep
from ocitool.image.base import BaseImage
from ocitool.image.base_note import common_note, note_of
from ocitool.image.options import ImageOptions, merge
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.reference import Reference
from ocitool.pack.entries import CopyRule, Entry, FileOrigin, parse_copy
from ocitool.pack.layer import StoredTar
from ocitool.pack.own_files import OwnFiles
from ocitool.project.values import BuildSpec
from ocitool.toolchains.base import Planned, Project
from ocitool.toolchains.workdir import OutputFolder
from ocitool.values import dataclass, field, replace
from ocitool.workspace import Workspace


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What the user asked for, flags and environment resolved; empty means that the spec or a default decides.

    `extras` are the words of `--with`; without `use_cache` everything is compiled and packed again.
    `epoch` are the seconds of SOURCE_DATE_EPOCH, 0 without (`has_epoch`). `environ` is this process's environment,
    of which compilers see a part. `outputs` is where the result goes.
    `debug_files` is the folder for what debuggers read. `images` are those of the spec that are meant, by name.
    """

    source: Path
    platforms: tuple[Platform, ...] = ()
    tags: tuple[Reference, ...] = ()
    toolchain: str = ""
    base: str = ""
    copies: tuple[CopyRule, ...] = ()
    extras: tuple[str, ...] = ()
    spec_file: Path | None = None
    images: tuple[str, ...] = ()
    format: str = ""
    compression: str = ""
    image: ImageOptions = field(default_factory=ImageOptions)
    annotations: Annotations = field(default_factory=Annotations)
    git_labels: bool | None = None
    base_annotations: bool | None = None
    allow_foreign: bool = False
    allow_sparse: bool = False
    index: bool | None = None
    epoch: int = 0
    has_epoch: bool = False
    version: str = ""
    use_cache: bool = True
    debug_files: Path | None = None
    dockerfile: DockerfileOptions = field(default_factory=DockerfileOptions)
    environ: Mapping[str, str] = field(default_factory=dict, hash=False, repr=False)
    executor: Executor | None = field(default=None, compare=False, repr=False)
    outputs: BuildOutputs = field(default_factory=BuildOutputs)
    trust: TrustOptions = field(default_factory=TrustOptions)
    attest: AttestOptions = field(default_factory=AttestOptions)
    promises: Promises = NO_PROMISES


@dataclass(frozen=True, slots=True)
class ImageContent:
    """What goes into one platform's image: groups of entries, each a layer, with the line history tells.

    `tars` are the groups that are packed already, by their number.
    """

    platform: Platform
    groups: tuple[tuple[Collection[Entry], str], ...]
    options: ImageOptions
    tars: Mapping[int, StoredTar] = field(default_factory=dict, hash=False)

    @property
    def packs(self) -> tuple[Collection[Entry] | StoredTar, ...]:
        """What each layer is made of."""
        return tuple(self.tars.get(number, entries) for number, (entries, _) in enumerate(self.groups))


class Frontend(Protocol):
    """What says what is in an image: the sources of a project, or a Dockerfile."""

    @property
    def toolchain(self) -> str:
        """The word for it."""

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """The platforms that are built for, in their order."""

    @property
    def bases(self) -> Mapping[Platform, BaseImage]:
        """The image that each platform's starts from, where it does not start from scratch."""

    @property
    def labels_checkout(self) -> bool:
        """Whether the image says the checkout it is made from where nobody asks."""

    @property
    def runs(self) -> tuple[tuple[Platform, str, str], ...]:
        """The RUN lines that are carried out: the platform of their programs, the place, the words."""

    def materials(self, platform: Platform) -> tuple[Material, ...]:
        """What went into a platform's image, once that is made: images, files and programs by their digests."""

    def origins(self, platform: Platform) -> tuple[Mapping[str, FileOrigin], ...]:
        """Where single files of a platform's image are from, by their paths; a mapping for each layer, or none."""

    def jobs(self, project: Project) -> tuple[Planned, ...]:
        """The compilers' command lines, platform by platform. Raises Unsupported for one that is not there."""

    def contents(self, planned: "BuildPlan", workspace: Workspace) -> tuple[ImageContent, ...]:
        """What goes into the images, looked at, once everything is compiled.

        Raises WrongPlatform for a program that does not fit (K010), UsageError, and what reading files raises.
        """

    def image(self, content: ImageContent, planned: "BuildPlan", steps: Sequence[LayerStep]) -> Image:
        """The image of one platform over its packed layers."""


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """Everything that is decided before anything is done.

    `zstd` is the codec of a second image for each platform, None where there is none. `bases` has an image for each
    platform that does not start from scratch; `jobs` are the compilers' command lines, `extras` the words of
    `--with`. `frontend` knows what is in the images, `own` what in the sources is written by this program and no
    input. `says_base` is whether annotations tell of the base.
    """

    request: BuildRequest
    spec: BuildSpec
    toolchain: str
    platforms: tuple[Platform, ...]
    tags: tuple[Reference, ...]
    family: Family
    codec: Codec
    zstd: Codec | None
    is_index: bool
    annotations: Annotations
    labels: tuple[tuple[str, str], ...]
    jobs: tuple[Planned, ...]
    extras: tuple[str, ...]
    bases: Mapping[Platform, BaseImage] = field(hash=False)
    workplace: OutputFolder
    frontend: Frontend = field(compare=False, repr=False)
    own: OwnFiles = field(compare=False, repr=False)
    says_base: bool = False

    @property
    def promises(self) -> Promises:
        """What tags in registries keep to: the flags' word, else the spec's."""
        return self.request.promises.over(self.spec.promises)

    def rules(self, platform: Platform) -> tuple[CopyRule, ...]:
        """What is copied for a platform: the spec's files, then the flags'."""
        part = self.spec.part(platform)
        return (*(parse_copy(text) for text in part.files), *self.request.copies)

    def on_manifest(self, platform: Platform, base: BaseImage | None, reads: Iterable[str]) -> dict[str, str]:
        """The annotations of an image: what is to be said of its base, and over that what was asked for."""
        noted = note_of(base, reads).annotations() if base is not None and self.says_base else {}
        return {**noted, **self.annotations.on_manifest(platform, is_root=not self.is_index)}

    def annotations_above(self, images: Sequence[Image]) -> Annotations:
        """Those of the index of the images and of its entries, likewise."""
        noted = common_note([image.base for image in images]).annotations() if self.says_base else {}
        return plain(noted.items(), AnnotationLevel.INDEX) + self.annotations

    def options(self, platform: Platform) -> ImageOptions:
        """The settings for a platform: labels of the checkout, then the spec's, then the flags'."""
        return merge(replace(self.spec.part(platform).image, annotations=()), self.request.image, self.labels)
