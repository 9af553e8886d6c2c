"""The frontends of a build, sources of a project and a Dockerfile, and the choice between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ocitool.builder.compile import plan_compile
from ocitool.builder.contents import gather, look_at
from ocitool.builder.executors import executor_of
from ocitool.builder.project import choose_toolchain
from ocitool.builder.request import BuildPlan, BuildRequest, Frontend, ImageContent
from ocitool.builder.sysroots import find_sysroots
from ocitool.dockerfile.base_images import BaseImages
from ocitool.dockerfile.evaluate import Written
from ocitool.dockerfile.frontend import (
    Recipe,
    bases_of,
    only_platform,
    read_recipe,
    resources_of,
    with_images,
    with_stand_ins,
    write,
)
from ocitool.dockerfile.image import image_of
from ocitool.dockerfile.reached import Reached
from ocitool.dockerfile.request import DockerfileRequest
from ocitool.errors import Unsupported, UsageError
from ocitool.image.assemble import Image, LayerStep, assemble
from ocitool.image.base import BaseImage, FoundBase, open_base
from ocitool.model.platform import Platform
from ocitool.project.values import BuildSpec
from ocitool.toolchains.base import Planned, Project
from ocitool.toolchains.sysroot import Sysroot
from ocitool.workspace import Workspace

SCRATCH: Final = "scratch"
DOCKERFILE: Final = "dockerfile"


def frontend_of(request: BuildRequest, spec: BuildSpec, workspace: Workspace, work: Path) -> Frontend:
    """The frontend that a request means; `work` is a folder for what it makes on the way.

    Reads the manifests and configs of bases. Raises UsageError, NotFound, Unsupported, WrongPlatform.
    """
    toolchain = _toolchain(request, spec)
    make = DockerfileFrontend.of if toolchain == DOCKERFILE else ProjectFrontend.of
    return make(toolchain, request, spec, workspace, work)


@dataclass(frozen=True, slots=True)
class ProjectFrontend:
    """Sources that a toolchain compiles, or programs that are ready, and files beside them."""

    toolchain: str
    spec: BuildSpec
    platforms: tuple[Platform, ...]
    bases: Mapping[Platform, BaseImage] = field(hash=False)
    sysroots: Mapping[Platform, Sysroot] = field(default_factory=dict, hash=False)
    labels_checkout: bool = True

    @classmethod
    def of(
        cls, toolchain: str, request: BuildRequest, spec: BuildSpec, workspace: Workspace, _work: Path
    ) -> "ProjectFrontend":
        """That of a request, its bases read and its sysroots unpacked."""
        opened: dict[str, FoundBase | None] = {"": None, SCRATCH: None}

        def base(name: str) -> FoundBase | None:
            if name not in opened:
                opened[name] = open_base(*workspace.opener.open(name))
            return opened[name]

        common = base(request.base or spec.common.base)
        platforms = (
            request.platforms or spec.platforms or (common.platforms() if common else ()) or (workspace.host,)
        )
        _refuse_windows(platforms)
        bases = {
            platform: found.image(platform, workspace.listener, allow_foreign=request.allow_foreign)
            for platform in platforms
            if (found := base(request.base or spec.part(platform).base)) is not None
        }
        return cls(toolchain, spec, platforms, bases, find_sysroots(spec, platforms, request, workspace))

    def jobs(self, project: Project) -> tuple[Planned, ...]:
        """The compiles of every program and platform."""
        return plan_compile(self.toolchain, self.spec, self.platforms, project, self.sysroots)

    def contents(self, planned: BuildPlan, workspace: Workspace) -> tuple[ImageContent, ...]:
        """The programs, and what copy rules and `--with` say."""
        return gather(planned, workspace, self.sysroots)

    def image(self, content: ImageContent, planned: BuildPlan, steps: Sequence[LayerStep]) -> Image:
        """The image over its base."""
        return assemble(
            content.platform,
            planned.family,
            steps,
            content.options,
            base=self.bases.get(content.platform),
            epoch=planned.request.epoch,
            annotations=planned.annotations.on_manifest(content.platform, is_root=not planned.is_index),
        )


@dataclass(frozen=True, slots=True)
class DockerfileFrontend:
    """A Dockerfile, whose images are what BuildKit makes of it: no labels of the checkout unless asked for."""

    toolchain: str
    recipe: Recipe
    reached: Reached
    bases: Mapping[Platform, BaseImage] = field(hash=False)
    labels_checkout: bool = False
    _written: dict[Platform, Written] = field(default_factory=dict, hash=False, compare=False, repr=False)

    @classmethod
    def of(
        cls, toolchain: str, request: BuildRequest, spec: BuildSpec, workspace: Workspace, work: Path
    ) -> "DockerfileFrontend":
        """That of a request, the images looked into that its stages stand on."""
        _refuse_beside_dockerfile(request, spec)
        said = request.platforms or spec.platforms
        images = BaseImages(request.dockerfile.places, workspace, allow_foreign=request.allow_foreign)
        recipe = _recipe(request, spec, said or (workspace.host,), workspace)
        if not said and (own := only_platform(recipe, images)) is not None and not own.same(workspace.host):
            recipe = _recipe(request, spec, (own,), workspace)
        recipe = with_stand_ins(with_images(recipe, images), work, request.environ)
        reached = resources_of(
            recipe,
            images,
            workspace,
            work / "files",
            allow_sparse=request.allow_sparse,
            use_cache=request.use_cache,
            epoch=request.epoch if request.has_epoch else None,
            environ=request.environ,
        )
        return cls(toolchain, recipe, reached, bases_of(recipe, images))

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """Those of the recipe."""
        return tuple(self.recipe.graphs)

    def jobs(self, _project: Project) -> tuple[Planned, ...]:
        """The compiles that stand in for stages of the Dockerfile."""
        return self.recipe.replacements.jobs

    def contents(self, planned: BuildPlan, workspace: Workspace) -> tuple[ImageContent, ...]:
        """What the Dockerfile comes to."""
        try:
            self._written.update(zip(self.platforms, write(self.recipe, self.reached, workspace), strict=True))
        finally:
            if self.recipe.request.executor is not None:
                self.recipe.request.executor.close()
        return look_at(self._written, planned, workspace)

    def image(self, content: ImageContent, planned: BuildPlan, steps: Sequence[LayerStep]) -> Image:
        """The image with the config and history that the Dockerfile makes."""
        return image_of(
            self._written[content.platform],
            content.platform,
            [step.layer for step in steps],
            content.options,
            family=planned.family,
            epoch=planned.request.epoch,
            annotations=planned.annotations.on_manifest(content.platform, is_root=not planned.is_index),
        )


def _toolchain(request: BuildRequest, spec: BuildSpec) -> str:
    """How the folder is built; a Dockerfile that was named decides."""
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
        has_files=bool(request.copies) or spec.has_files,
    )


def _refuse_beside_dockerfile(request: BuildRequest, spec: BuildSpec) -> None:
    """Raise UsageError for what would have to happen beside a Dockerfile."""
    after, copied = "write it after FROM", "write COPY into the Dockerfile"
    above = "build upon an image that has it, or COPY it"
    said = {
        "--base": (request.base, after),
        "--copy": (request.copies, copied),
        "--with": (request.extras, above),
        "base in ocitool.toml": (spec.common.base, after),
        "a list of files in ocitool.toml": (spec.has_files, copied),
        "with in ocitool.toml": (spec.extras, above),
    }
    for words, (is_said, hint) in said.items():
        if is_said:
            raise UsageError(
                f"{words} has no place beside a Dockerfile, which says what is in the image", hint=hint
            )


def _recipe(request: BuildRequest, spec: BuildSpec, platforms: Sequence[Platform], workspace: Workspace) -> Recipe:
    """The Dockerfile for some platforms; no image is asked for."""
    _refuse_windows(platforms)
    if request.dockerfile.sent is not None and spec.stages:
        raise Unsupported(
            f"{spec.stages[0].at} compiles in the folder of the context, and there is none",
            ability="stages of an archive",
            hint="unpack the archive, and name the folder",
        )
    run, executor = request.dockerfile.run, request.executor
    if not run.is_allowed:
        executor = None
    elif executor is None:
        executor = executor_of(run, workspace, request.environ)
    asked = DockerfileRequest(
        request.source, request.dockerfile, tuple(platforms), workspace.host, spec.stages, executor
    )
    return read_recipe(asked)


def _refuse_windows(platforms: Sequence[Platform]) -> None:
    """Raise Unsupported for Windows: its layers have folders and records of their own (K059)."""
    for platform in platforms:
        if platform.os == "windows":
            raise Unsupported(
                f"an image for {platform} cannot be built yet: layers for Windows have a form of their own",
                ability=str(platform),
                hint="ocitool index create takes Windows images that were made elsewhere",
            )
