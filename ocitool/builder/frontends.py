"""The frontend of a build that has sources of a project, and the choice between it and a Dockerfile."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocitool.attest.provenance import Material, image_material
from ocitool.builder.compile import plan_compile
from ocitool.builder.contents import gather
from ocitool.builder.project import DOCKERFILE, choose_toolchain, refuse_windows
from ocitool.builder.request import BuildPlan, BuildRequest, Frontend, ImageContent
from ocitool.errors import UsageError
from ocitool.events import Event
from ocitool.image.assemble import Image, LayerStep, assemble
from ocitool.image.base import BaseImage, FoundBase, open_base
from ocitool.image.base_note import published_name, same_labels
from ocitool.model.platform import Platform
from ocitool.pack.entries import FileOrigin
from ocitool.project.values import BuildSpec
from ocitool.tasks import ordered_map
from ocitool.toolchains.base import Planned, Project
from ocitool.values import dataclass, field
from ocitool.workspace import Workspace

if TYPE_CHECKING:
    from ocitool.toolchains.sysroot import Sysroot

SCRATCH: Final = "scratch"


def frontend_of(request: BuildRequest, spec: BuildSpec, workspace: Workspace, work: Path) -> Frontend:
    """The frontend that a request means; `work` is a folder for what it makes on the way.

    Reads the manifests and configs of bases. Raises UsageError, NotFound, Unsupported, WrongPlatform.
    """
    toolchain = toolchain_of(request, spec, has_files=bool(request.copies) or spec.has_files)
    if toolchain == DOCKERFILE:
        from ocitool.builder.dockerfile_frontend import DockerfileFrontend

        return DockerfileFrontend.of(toolchain, request, spec, workspace, work)
    return ProjectFrontend.of(toolchain, request, spec, workspace)


@dataclass(frozen=True, slots=True)
class ProjectFrontend:
    """Sources that a toolchain compiles, or programs that are ready, and files beside them."""

    toolchain: str
    spec: BuildSpec
    platforms: tuple[Platform, ...]
    bases: Mapping[Platform, BaseImage] = field(hash=False)
    sysroots: "Mapping[Platform, Sysroot]" = field(default_factory=dict, hash=False)
    labels_checkout: bool = True
    runs: tuple[tuple[Platform, str, str], ...] = ()
    asks_platforms: bool = False

    @classmethod
    def of(cls, toolchain: str, request: BuildRequest, spec: BuildSpec, workspace: Workspace) -> "ProjectFrontend":
        """That of a request, its bases read and its sysroots unpacked."""
        opened: dict[str, FoundBase | None] = {"": None, SCRATCH: None}

        def base(name: str) -> FoundBase | None:
            if name not in opened:
                store, tag, used = workspace.open_source(name)
                opened[name] = open_base(store, tag, published_name(used))
            return opened[name]

        common = base(request.base or spec.common.base)
        platforms = (
            request.platforms or spec.platforms or (common.platforms() if common else ()) or (workspace.host,)
        )
        refuse_windows(platforms)
        named = {platform: base(request.base or spec.part(platform).base) for platform in platforms}
        found = [(platform, one) for platform, one in named.items() if one is not None]

        def image(one: tuple[Platform, FoundBase]) -> tuple[BaseImage, list[Event]]:
            told: list[Event] = []
            return one[1].image(one[0], told.append, allow_foreign=request.allow_foreign), told

        images = ordered_map(workspace.scope, image, found, min(workspace.transfers, len(found)))
        bases: dict[Platform, BaseImage] = {}
        for (platform, _), (read, told) in zip(found, images, strict=True):
            bases[platform] = read
            for event in told:
                workspace.listener(event)
        asks = common is not None and not (request.platforms or spec.platforms)
        sysroots = _sysroots(spec, platforms, request, workspace)
        return cls(toolchain, spec, platforms, bases, sysroots, asks_platforms=asks)

    def materials(self, platform: Platform) -> tuple[Material, ...]:
        """Its base."""
        base = self.bases.get(platform)
        return (
            (image_material(base.label, base.manifest.document.digest, base.config.platform),)
            if base is not None
            else ()
        )

    def origins(self, platform: Platform) -> tuple[Mapping[str, FileOrigin], ...]:  # noqa: ARG002 - history tells
        """None: the step of a layer says what its files are."""
        return ()

    def jobs(self, project: Project) -> tuple[Planned, ...]:
        """The compiles of every program and platform."""
        return plan_compile(self.toolchain, self.spec, self.platforms, project, self.sysroots)

    def contents(self, planned: BuildPlan, workspace: Workspace) -> tuple[ImageContent, ...]:
        """The programs, and what copy rules and `--with` say."""
        return gather(planned, workspace, self.sysroots)

    def image(self, content: ImageContent, planned: BuildPlan, steps: Sequence[LayerStep]) -> Image:
        """The image over its base."""
        base = self.bases.get(content.platform)
        return assemble(
            content.platform,
            planned.family,
            steps,
            content.options,
            base=base,
            epoch=planned.request.epoch,
            annotations=planned.on_manifest(content.platform, base, self._reads(content, planned, base)),
        )

    def _reads(self, content: ImageContent, planned: BuildPlan, base: BaseImage | None) -> set[str]:
        """What the build asked the base for, as its annotation says it."""
        sysroot = self.spec.part(content.platform).sysroot
        reads = {f"with:{word}" for word in planned.extras} | ({"platforms"} if self.asks_platforms else set())
        reads |= {"libraries"} if sysroot.copy_libraries and content.platform in self.sysroots else set()
        return reads | same_labels(base, content.options)


def _sysroots(
    spec: BuildSpec, platforms: Sequence[Platform], request: BuildRequest, workspace: Workspace
) -> "Mapping[Platform, Sysroot]":
    """The sysroot of each platform that has one."""
    if not any(spec.part(platform).sysroot.is_there for platform in platforms):
        return {}
    from ocitool.builder.sysroots import find_sysroots

    return find_sysroots(spec, platforms, request, workspace)


def toolchain_of(request: BuildRequest, spec: BuildSpec, *, has_files: bool) -> str:
    """How the folder is built; a Dockerfile that was named decides, `has_files` where nothing else does."""
    named = request.dockerfile
    if named.file is not None or named.text is not None or named.sent is not None:
        return DOCKERFILE
    if spec.stages and not request.toolchain:
        if spec.toolchain:
            raise UsageError(
                f"{spec.stages[0].at} is about a Dockerfile, and toolchain {spec.toolchain} builds without one",
                hint="keep one of the two; a stage's table takes the keys of [go] and [command]",
            )
        return DOCKERFILE
    return choose_toolchain(
        request.source,
        said=request.toolchain or spec.toolchain,
        has_files=has_files,
    )
