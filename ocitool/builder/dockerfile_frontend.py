"""The frontend of a build that is made from a Dockerfile; loaded where there is one."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ocitool.attest.provenance import Material, file_material, image_material
from ocitool.builder.compile import plan_native
from ocitool.builder.contents import look_at
from ocitool.builder.executors import RememberedExecutor, digest_of, executor_of
from ocitool.builder.project import refuse_windows
from ocitool.builder.request import BuildPlan, BuildRequest, ImageContent
from ocitool.dockerfile.base_images import BaseImages
from ocitool.dockerfile.evaluate import Written
from ocitool.dockerfile.frontend import (
    Recipe,
    bases_of,
    native_platforms,
    only_platform,
    read_recipe,
    resources_of,
    run_lines_of,
    with_images,
    with_stand_ins,
    write,
)
from ocitool.dockerfile.image import image_of
from ocitool.dockerfile.reached import Reached
from ocitool.dockerfile.request import DockerfileRequest
from ocitool.errors import Unsupported, UsageError
from ocitool.image.assemble import Image, LayerStep
from ocitool.image.base import BaseImage
from ocitool.image.base_note import same_labels
from ocitool.model.platform import Platform
from ocitool.pack.entries import FileOrigin
from ocitool.project.values import BuildSpec
from ocitool.toolchains.base import Planned, Project
from ocitool.toolchains.options import NATIVE
from ocitool.values import dataclass, field
from ocitool.workspace import Workspace

if TYPE_CHECKING:
    from ocitool.toolchains.sysroot import Sysroot


@dataclass(frozen=True, slots=True)
class DockerfileFrontend:
    """A Dockerfile, whose images are what BuildKit makes of it: no labels of the checkout unless asked for."""

    toolchain: str
    recipe: Recipe
    reached: Reached
    bases: Mapping[Platform, BaseImage] = field(hash=False)
    labels_checkout: bool = False
    asks_platforms: bool = False
    _opened: BaseImages | None = field(default=None, compare=False, repr=False)
    _written: dict[Platform, Written] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(
        cls, toolchain: str, request: BuildRequest, spec: BuildSpec, workspace: Workspace, work: Path
    ) -> "DockerfileFrontend":
        """That of a request, the images looked into that its stages stand on."""
        refuse_beside_dockerfile(request, spec)
        said = request.platforms or spec.platforms
        images = BaseImages(request.dockerfile.places, workspace, allow_foreign=request.allow_foreign)
        recipe = _recipe(request, spec, said or (workspace.host,), workspace)
        own = only_platform(recipe, images) if not said else None
        if own is not None and not own.same(workspace.host):
            recipe = _recipe(request, spec, (own,), workspace)
        project = Project(request.source, work, request.environ, workspace.machine.root)
        native = partial(
            plan_native, spec=spec, project=project, sysroots=_sysroots(recipe, request, spec, workspace)
        )
        recipe = with_stand_ins(with_images(recipe, images), project, native)
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
        return cls(
            toolchain, recipe, reached, bases_of(recipe, images), asks_platforms=own is not None, _opened=images
        )

    def materials(self, platform: Platform) -> tuple[Material, ...]:
        """The file, images of FROM and --from and files of ADD for all platforms, and this one's emulators."""
        opened = self._opened.read if self._opened is not None else ()
        found = [image_material(one.label, one.manifest.document.digest, one.config.platform) for one in opened]
        found.append(file_material("Dockerfile", self.recipe.digest))
        for url, digest in sorted(self.reached.downloaded):
            found.append(file_material("download", digest, url))
        return (*found, *self._emulators(platform))

    def origins(self, platform: Platform) -> tuple[Mapping[str, FileOrigin], ...]:
        """Those of the files that COPY and ADD put into each layer."""
        written = self._written[platform]
        below = len(written.base.manifest.layers) if written.base is not None else 0
        own = (
            {one.path: one.origin.of(one.path) for one in layer if one.origin is not None}
            for layer in written.layers
        )
        return (*({},) * below, *own)

    def _emulators(self, platform: Platform) -> Iterator[Material]:
        """The programs that emulate others for an image, and the images that the user took them out of."""
        executor = self.recipe.request.executor
        if executor is None:
            return
        named = executor.named if isinstance(executor, RememberedExecutor) else {}
        for place in map(executor.emulator, native_platforms(self.recipe, platform)):
            if not place:
                continue
            yield file_material(f"emulator {Path(place).name}", digest_of(Path(place)))
            image = named.get(Path(place))
            if image is not None:
                label, digest = image.label, image.manifest.document.digest
                yield image_material(label, digest, image.config.platform, "emulator")

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """Those of the recipe."""
        return tuple(self.recipe.graphs)

    @property
    def runs(self) -> tuple[tuple[Platform, str, str], ...]:
        """Those of the recipe; a stage that is the same for several platforms once."""
        return run_lines_of(self.recipe)

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
        written = self._written[content.platform]
        reads = written.reads | same_labels(written.base, content.options, (one.created_by for one in written.told))
        if written.base is not None and self._is_read_elsewhere(content.platform, written.base):
            reads |= {"stages"}
        if self.asks_platforms:
            reads |= {"platforms"}
        return image_of(
            written,
            content.platform,
            [step.layer for step in steps],
            content.options,
            family=planned.family,
            epoch=planned.request.epoch,
            annotations=planned.on_manifest(content.platform, written.base, reads),
        )

    def _is_read_elsewhere(self, platform: Platform, base: BaseImage) -> bool:
        """Whether what the last stage stands on is the base of another stage too, or has files copied from it."""
        graph, opened = self.recipe.graphs[platform], self._opened
        if opened is None:
            return False
        needed = graph.checked().needed
        own = {one.stage.number for one in graph.below(graph.stages[graph.target.number])}
        others = [one.stage_base for one in needed if one.stage.number not in own]
        taken = [found for one in needed for found in (*one.sources.values(), *one.mounted.values())]
        return any(one.stage in own or opened.is_named(one, base) for one in taken) or any(
            opened.is_named(one, base) for one in others
        )


def _sysroots(
    recipe: Recipe, request: BuildRequest, spec: BuildSpec, workspace: Workspace
) -> "Mapping[Platform, Sysroot]":
    """The sysroots of stages whose C is compiled here."""
    if not any(one.toolchain in NATIVE for one in spec.stages):
        return {}
    from ocitool.builder.sysroots import find_sysroots

    return find_sysroots(spec, tuple(recipe.graphs), request, workspace)


def refuse_beside_dockerfile(request: BuildRequest, spec: BuildSpec) -> None:
    """Raise UsageError for what would have to happen beside a Dockerfile."""
    after, copied = "write it after FROM", "write COPY into the Dockerfile"
    above = "build upon an image that has it, or COPY it"
    said = {
        "--base": (request.base, after),
        "--copy": (request.copies, copied),
        "--with": (request.extras, above),
        "--debug-files": (request.debug_files is not None, "build the sources without it"),
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
    refuse_windows(platforms)
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
        request.source,
        request.dockerfile,
        tuple(platforms),
        workspace.host,
        spec.stages,
        executor,
        workspace.machine.memo,
    )
    return read_recipe(asked)
