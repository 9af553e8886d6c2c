"""A Dockerfile as part of a build: found, parsed, refused where it must be, and carried out for each platform."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocitool.dockerfile.context import Alone, Context
from ocitool.dockerfile.downloads import Downloads, certain
from ocitool.dockerfile.evaluate import Written, evaluate
from ocitool.dockerfile.lint.engine import Report, lint, refuse_warnings
from ocitool.dockerfile.outline import Outline, outline
from ocitool.dockerfile.remote_context import DOCKERFILE_LIMIT, NAMES, Sent
from ocitool.dockerfile.resources import Process, Ran
from ocitool.dockerfile.run.overrides import Replacements
from ocitool.dockerfile.run.refuse import refuse
from ocitool.dockerfile.run.suggest import draft
from ocitool.dockerfile.spool import LayerContent, Spool
from ocitool.dockerfile.stages import (
    OriginKind,
    ResolvedStage,
    StageBase,
    StageRequest,
    context_name,
    needed_stages,
)
from ocitool.dockerfile.syntax.ignore import IgnoreRules
from ocitool.dockerfile.syntax.instructions import Arg, Dockerfile
from ocitool.dockerfile.syntax.lines import placed
from ocitool.dockerfile.syntax.parse import parse
from ocitool.dockerfile.variables import automatic, unused
from ocitool.errors import NotFound, Unsupported, UsageError, local_io
from ocitool.events import Noted
from ocitool.findings import Severity
from ocitool.image.base import BaseImage, FoundBase, check_fits, open_base
from ocitool.model.digest import Digest
from ocitool.model.platform import Platform
from ocitool.model.views import Index
from ocitool.pack.entries import Content, Entry
from ocitool.project.values import StageSpec
from ocitool.rootfs.files import Files, Imaged, Layered
from ocitool.rootfs.tree import Node, read_tree

if TYPE_CHECKING:
    from ocitool.workspace import Workspace

_LOOKS_LIKE_ONE: Final = re.compile(r"(?i)(?:docker|container)file(?:\.(?!dockerignore$).*)?|.*\.dockerfile")
_IMAGE: Final = "docker-image://"
_LAYOUT: Final = "oci-layout://"


@dataclass(frozen=True, slots=True)
class DockerfileOptions:
    """What is said about a Dockerfile; `sent` is what came in place of a folder, with or without files beside it.

    `text` is the Dockerfile of a folder where it came from standard input.
    """

    file: Path | None = None
    text: bytes | None = None
    sent: Sent | None = None
    target: str = ""
    arguments: tuple[tuple[str, str], ...] = ()
    contexts: tuple[tuple[str, str], ...] = ()

    @property
    def places(self) -> dict[str, str]:
        """The contexts by the names they go by; of two for one name the later. Raises UsageError."""
        return {context_name(name): place for name, place in self.contexts}


@dataclass(frozen=True, slots=True)
class Recipe:
    """A Dockerfile and what each platform needs of it; nothing in it needs a process.

    `warnings` is the number of findings that a build lets pass.
    """

    file: Dockerfile
    source: Path
    ignore: IgnoreRules
    options: DockerfileOptions
    wanted: Mapping[Platform, StageRequest] = field(hash=False)
    needed: Mapping[Platform, tuple[ResolvedStage, ...]] = field(hash=False)
    replacements: Replacements
    warnings: int = 0

    def line_of(self, needed: ResolvedStage) -> str:
        """The file, and the line with the FROM of a stage."""
        return f"{self.file.file}:{needed.stage.base.line.number}"


def read_recipe(
    source: Path,
    options: DockerfileOptions,
    platforms: Sequence[Platform],
    host: Platform,
    stages: Sequence[StageSpec] = (),
) -> Recipe:
    """The Dockerfile of a folder for these platforms. Reads it and its ignore file, nothing else.

    `stages` are those that are made without their RUN lines. Raises NotFound without a Dockerfile, UsageError with
    file and line, Unsupported for every RUN that would have to be carried out. With `check=error=true` warnings are
    errors.
    """
    data, path = _read(source, options)
    file = _parsed(data, path, options)
    wanted = _wanted(options, platforms, host)
    needed = {platform: needed_stages(file, one) for platform, one in wanted.items()}
    replacements = Replacements.of(file, source, needed, stages)
    if left := replacements.left():
        first = next(iter(wanted))
        tables = draft(file, needed[first], wanted[first], source, {run.line.number for _, run in left})
        refuse(file.file, left, tables, replacements.clones())
    refuse(file.file, (), clones=replacements.clones())
    ignore = _ignore(source, path, options)
    report = lint(file, tuple(wanted.values()), ignore, needed_only=True)
    refuse_warnings(report)
    return Recipe(file, source, ignore, options, wanted, needed, replacements, len(report.of(Severity.WARNING)))


def check_recipe(
    source: Path,
    options: DockerfileOptions,
    platforms: Sequence[Platform],
    host: Platform,
    stages: Sequence[StageSpec] = (),
) -> tuple[Report, str]:
    """What the checks find in the Dockerfile of a folder, and its text. Looks at the context; no network.

    Lines that `stages` replace are not told to need a process. Raises NotFound without a Dockerfile, UsageError
    with file and line for what cannot be parsed.
    """
    data, path = _read(source, options)
    file, ignore = _parsed(data, path, options), _ignore(source, path, options)
    wanted = _wanted(options, platforms, host)
    report = lint(file, tuple(wanted.values()), ignore, main_context(source, options, ignore))
    if stages and report.problem is None:
        needed = {platform: needed_stages(file, one) for platform, one in wanted.items()}
        replacements = Replacements.of(file, source, needed, stages)
        left = {run.line.number for _, run in replacements.left()}
        clones = {add.line.number for add in replacements.clones()}
        report = report.without("RunNeedsProcess", keep=left | clones)
    return report, data.decode()


def outline_recipe(
    source: Path, options: DockerfileOptions, platform: Platform, host: Platform
) -> tuple[Dockerfile, Outline, bytes]:
    """The Dockerfile of a folder, what its target takes, and its bytes. Looks at nothing else.

    Raises NotFound without a Dockerfile or target, UsageError with file and line for what cannot be parsed.
    """
    data, path = _read(source, options)
    file = _parsed(data, path, options)
    return file, outline(file, _wanted(options, [platform], host)[platform]), data


def _parsed(data: bytes, path: Path | None, options: DockerfileOptions) -> Dockerfile:
    sent = options.sent.label if options.sent is not None else "standard input"
    return parse(data, str(path) if path is not None else sent)


def _wanted(
    options: DockerfileOptions, platforms: Sequence[Platform], host: Platform
) -> dict[Platform, StageRequest]:
    arguments, contexts = dict(options.arguments), options.places
    return {platform: StageRequest(platform, host, options.target, arguments, contexts) for platform in platforms}


def with_stand_ins(recipe: Recipe, work: Path, environ: Mapping[str, str]) -> Recipe:
    """The recipe with the compiles of its replaced stages planned; their programs will stand below `work`.

    Raises as `stand_in` does.
    """
    return replace(recipe, replacements=recipe.replacements.planned(recipe.wanted, work, environ))


def _read(source: Path, options: DockerfileOptions) -> tuple[bytes, Path | None]:
    if options.sent is not None:
        return options.sent.text, None
    if options.text is not None:
        return options.text, None
    hint = "is this a Dockerfile?"
    try:
        if options.file is not None:
            path = options.file if options.file.exists() or options.file.is_absolute() else source / options.file
            return _bounded(path, hint), path
        path = next((source / name for name in NAMES if (source / name).is_file()), source / NAMES[0])
        return _regular(path, hint), path
    except FileNotFoundError:
        way = "name it with -f" if options.file is None else f"-f is looked for here and in {source}"
        hint = f"{way}{_others(source)}"
        raise NotFound(f"no Dockerfile {path}", name=str(path), where=str(source), hint=hint) from None
    except OSError as error:
        raise local_io(error, f"read {error.filename or source}") from error


def _regular(path: Path, hint: str) -> bytes:
    """The same of a file that nobody named: it might be a pipe that never ends."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise UsageError(f"{path} is no regular file", hint="put a file in its place")
    return _bounded(path, hint)


def _bounded(path: Path, hint: str) -> bytes:
    """All of a file. Raises UsageError for too much, OSError."""
    with path.open("rb") as file:
        data = file.read(DOCKERFILE_LIMIT + 1)
    if len(data) > DOCKERFILE_LIMIT:
        raise UsageError(f"{path} has more than {DOCKERFILE_LIMIT} bytes", hint=hint)
    return data


def _others(source: Path) -> str:
    """The files of a folder that are Dockerfiles by their names, as an example."""
    try:
        names = sorted(path.name for path in source.iterdir() if _LOOKS_LIKE_ONE.fullmatch(path.name))
    except OSError:
        return ""
    return f", such as {source / names[0]}" if names else ""


def main_context(
    source: Path, options: DockerfileOptions, rules: IgnoreRules, *, allow_sparse: bool = False
) -> Files:
    """The files that COPY takes: those of the folder, or those that were sent in its place."""
    if options.sent is not None:
        return Layered(options.sent.files) if options.sent.files else Alone()
    return Context(source, rules, allow_sparse=allow_sparse)


def _ignore(source: Path, path: Path | None, options: DockerfileOptions) -> IgnoreRules:
    """The Dockerfile's own ignore file, else the context's; none for a context that was sent."""
    if options.sent is not None:
        return IgnoreRules()
    own = [path.with_name(f"{path.name}.dockerignore")] if path is not None else []
    for place in (*own, source / ".dockerignore"):
        try:
            data = _regular(place, "is this a list of patterns?")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise local_io(error, f"read {place}") from error
        return IgnoreRules.parse(data.decode("utf-8", "surrogateescape"), str(place))
    return IgnoreRules()


def undeclared(recipe: Recipe) -> tuple[str, ...]:
    """The build arguments that nothing in the file declares."""
    host = next(iter(recipe.wanted.values())).host
    names = [name for arg in recipe.file.arguments for name, _ in arg.items]
    bodies = (one for stage in recipe.file.stages for one in stage.body if isinstance(one, Arg))
    names += [name for arg in bodies for name, _ in arg.items]
    return unused(dict(recipe.options.arguments), (*names, *automatic(host, host)))


class Reached:
    """Everything outside the Dockerfile that one build looks into, each thing opened once."""

    def __init__(
        self,
        recipe: Recipe,
        around: "Workspace",
        spool: Path,
        *,
        allow_foreign: bool = False,
        allow_sparse: bool = False,
        use_cache: bool = True,
    ) -> None:
        self._recipe = recipe
        self._around = around
        self._allow_foreign = allow_foreign
        self._allow_sparse = allow_sparse
        self._bases: dict[str, FoundBase] = {}
        self._images: dict[tuple[str, Platform | None, bool], BaseImage] = {}
        self._files: dict[str, Files] = {}
        self._contexts: dict[str, Files] = {}
        self.spool = Spool(spool, around.scope)
        each = (certain(recipe.file, needed, recipe.wanted[platform]) for platform, needed in recipe.needed.items())
        self._downloads = Downloads(around, dict.fromkeys(chain.from_iterable(each)), use_cache=use_cache)
        self._shared: dict[tuple[Entry, ...], tuple[Entry, ...]] = {}

    def base(self, ground: StageBase) -> FoundBase:
        """What FROM or --from names, or a named context that is an image: read once for all platforms."""
        if ground.name not in self._bases:
            name = self._recipe.options.places.get(ground.name, ground.name)
            if name.startswith(_LAYOUT):
                name = "oci:" + name.removeprefix(_LAYOUT)
            elif ground.origin is OriginKind.CONTEXT and not name.startswith(_IMAGE):
                raise Unsupported(
                    f"context {ground.name} is a folder, and no stage can be built upon one",
                    ability="FROM folder",
                    hint="write FROM scratch and COPY --from it",
                )
            store, found = self._around.opener.open(name.removeprefix(_IMAGE))
            self._bases[ground.name] = open_base(store, found)
        return self._bases[ground.name]

    def image(self, ground: StageBase, *, is_copied: bool = False) -> BaseImage:
        """The image of a ground for its platform.

        One of another platform is refused as a base; where files are only copied from it, it is told: they may
        be data, and programs among them are looked at like all others.
        """
        key = (ground.name, ground.platform, is_copied)
        if key not in self._images:
            platform = ground.platform or self._around.host
            self._images[key] = self.base(ground).image(
                platform,
                self._around.listener,
                allow_foreign=self._allow_foreign or is_copied,
                role="image" if is_copied else "base",
            )
        return self._images[key]

    def ground(self, ground: StageBase, platform: Platform) -> BaseImage:
        """The image that what is built for a platform stands on. Raises WrongPlatform for one that does not fit."""
        image = self.image(ground)
        if ground.is_explicit:
            check_fits(image, platform, self._around.listener, allow_foreign=self._allow_foreign)
        return image

    def image_files(self, image: BaseImage) -> Files:
        """The merged tree of an image."""
        digest = str(image.manifest.document.digest)
        if digest not in self._files:
            tree = read_tree(image.store, image.manifest, self._around.machine.memo, scope=self._around.scope)

            def content_of(_path: str, node: Node) -> Content:
                layer = image.manifest.layers[node.layer]
                return LayerContent(self.spool, image.store, layer, node.offset, node.size)

            self._files[digest] = Imaged(tree, content_of)
        return self._files[digest]

    def context(self, name: str, platform: Platform | None = None) -> Files:
        """The files of a context; the ignore rules are for the main one. An image is that of the platform."""
        value = self._recipe.options.places.get(name, "")
        if value.startswith((_IMAGE, _LAYOUT)):
            ground = StageBase(OriginKind.CONTEXT, name, platform=platform)
            return self.image_files(self.image(ground, is_copied=True))
        if "://" in value or value.endswith(".git"):
            raise Unsupported(
                f"context {name}={value} is not on this machine",
                ability=value,
                hint="fetch it, and name the folder",
            )
        if name not in self._contexts:
            sparse, recipe = self._allow_sparse, self._recipe
            self._contexts[name] = (
                Context(Path(value), allow_sparse=sparse)
                if name
                else main_context(recipe.source, recipe.options, recipe.ignore, allow_sparse=sparse)
            )
        return self._contexts[name]

    def download(self, url: str, checksum: Digest | None) -> Entry:
        """The file at a URL, downloaded once for all platforms."""
        return self._downloads.entry(url, checksum)

    def shared(self, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        """The entries, or the equal ones of another platform."""
        return self._shared.setdefault(entries, entries)

    def unpack(self, content: Content) -> tuple[Entry, ...] | None:
        """The entries of an archive; None if the file is none."""
        return self.spool.unpack(content)

    def is_apart(self, stage: int, platform: Platform) -> bool:
        """Whether the base of a stage is looked at only for a file that nothing else gives."""
        return self._recipe.replacements.is_apart(stage, platform)

    def is_idle(self, stage: int, platform: Platform) -> bool:
        """Whether a stage only prepares what a replaced one would do."""
        return self._recipe.replacements.is_idle(stage, platform)

    def whole(self, stage: int, platform: Platform, own: Files | None) -> Files | None:
        """The files of a stage; of one that is apart its base's as well, once they are asked for."""
        return self._recipe.replacements.whole(
            stage, platform, own, lambda ground: self.image_files(self.image(ground))
        )

    def gives(self, stage: int, platform: Platform) -> str:
        """What a stage that is made without its RUN lines has to offer."""
        return self._recipe.replacements.gives(stage, platform)

    def ran(self, process: Process) -> Ran | None:
        """What stands in for a RUN; None for a line that nobody takes."""
        return self._recipe.replacements.ran(process)


def bases_of(recipe: Recipe, reached: Reached) -> dict[Platform, BaseImage]:
    """The image that the last stage of each platform stands on; scratch has none.

    Raises WrongPlatform where FROM names a platform that does not fit the one that is built for.
    """
    found = {}
    for platform, stages in recipe.needed.items():
        bottom = _bottom(stages)
        if bottom.ground.origin is not OriginKind.SCRATCH:
            with placed(recipe.line_of(bottom)):
                found[platform] = reached.ground(bottom.ground, platform)
    return found


def only_platform(recipe: Recipe, reached: Reached) -> Platform | None:
    """The platform that FROM names, else that of a base that is one image; None for an index and for scratch."""
    (stages,) = recipe.needed.values()
    bottom = _bottom(stages)
    ground = bottom.ground
    if ground.is_explicit:
        return ground.platform
    if ground.origin is OriginKind.SCRATCH:
        return None
    with placed(recipe.line_of(bottom)):
        base = reached.base(ground)
        return None if isinstance(base.root, Index) else base.platforms()[0]


def _bottom(stages: Sequence[ResolvedStage]) -> ResolvedStage:
    """The lowest of the stages that the last one stands on."""
    by_number = {one.stage.number: one for one in stages}
    bottom = stages[-1]
    while bottom.ground.origin is OriginKind.STAGE:
        bottom = by_number[bottom.ground.stage]
    return bottom


def write(recipe: Recipe, reached: Reached, around: "Workspace") -> tuple[Written, ...]:
    """What the Dockerfile comes to for each platform, in their order; files out of layers are fetched."""
    for name in undeclared(recipe):
        around.listener(Noted(f"build argument {name} is declared by no ARG"))
    if recipe.warnings:
        count = f"{recipe.warnings} warning{'s' if recipe.warnings > 1 else ''}"
        around.listener(Noted(f"{recipe.file.file}: {count}; ocitool build --check shows them", "notice"))
    sent = recipe.options.sent
    if sent is not None and any(entry.path == ".dockerignore" for entry in sent.files):
        around.listener(Noted("note: .dockerignore is for folders; all of the archive is the context", "notice"))
    for number in recipe.replacements.unseen:
        place = f"{recipe.file.file}:{number}"
        around.listener(Noted(f"{place}: what it brings is not seen by the compiler, which works in the context"))
    written = tuple(
        evaluate(recipe.file, needed, recipe.wanted[platform], reached)
        for platform, needed in recipe.needed.items()
    )
    reached.spool.fill(content_of(written))
    return written


def content_of(written: Iterable[Written]) -> Iterable[Content | None]:
    """The contents of everything that is to be packed."""
    return (entry.content for one in written for layer in one.layers for entry in layer)
