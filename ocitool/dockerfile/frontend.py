"""A Dockerfile as part of a build: found, parsed, refused where it must be, and carried out for each platform."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocitool.dockerfile.base_images import BaseImages
from ocitool.dockerfile.evaluate import Written, evaluate
from ocitool.dockerfile.lint.engine import Report, lint, refuse_warnings
from ocitool.dockerfile.reached import Reached, main_context
from ocitool.dockerfile.remote_context import NAMES
from ocitool.dockerfile.request import DOCKERFILE_LIMIT, DockerfileOptions, DockerfileRequest
from ocitool.dockerfile.run.overrides import Replacements
from ocitool.dockerfile.stages import (
    ImageStart,
    OriginKind,
    ResolvedStage,
    StageBase,
    StageGraph,
    StageRequest,
    Starts,
    Step,
)
from ocitool.dockerfile.syntax.ignore import IgnoreRules
from ocitool.dockerfile.syntax.instructions import Arg, Dockerfile, Run
from ocitool.dockerfile.syntax.lines import placed
from ocitool.dockerfile.syntax.parse import parse
from ocitool.dockerfile.variables import automatic, unused
from ocitool.errors import Cancelled, LocalIOError, NotFound, OcitoolError, Unsupported, UsageError, local_io
from ocitool.events import Noted
from ocitool.findings import Severity
from ocitool.image.base import BaseImage
from ocitool.model.digest import Digest
from ocitool.model.platform import Platform
from ocitool.model.views import Index
from ocitool.pack.entries import Content
from ocitool.pack.entry_table import kept_objects
from ocitool.project.build_files import followed
from ocitool.tasks import TaskGroup
from ocitool.toolchains.base import Project
from ocitool.values import dataclass, field, replace

if TYPE_CHECKING:
    from ocitool.dockerfile.outline import Outline
    from ocitool.dockerfile.run.override_jobs import PlanNative
    from ocitool.workspace import Workspace

_LOOKS_LIKE_ONE: Final = re.compile(r"(?i)(?:docker|container)file(?:\.(?!dockerignore$).*)?|.*\.dockerfile")


@dataclass(frozen=True, slots=True)
class Recipe:
    """A Dockerfile with its graph for each platform; whatever in it needs a process can be carried out.

    `digest` is that of its bytes, `warnings` the number of findings that a build lets pass.
    """

    file: Dockerfile
    request: DockerfileRequest
    ignore: IgnoreRules
    graphs: Mapping[Platform, StageGraph] = field(hash=False)
    replacements: Replacements
    digest: Digest
    warnings: int = 0

    def line_of(self, needed: ResolvedStage) -> str:
        """The file, and the line with the FROM of a stage."""
        return f"{self.file.file}:{needed.stage.base.line.number}"


def read_recipe(asked: DockerfileRequest) -> Recipe:
    """The Dockerfile that is asked for. Reads it and its ignore file, nothing else.

    Raises NotFound without a Dockerfile, UsageError with file and line, Unsupported for every RUN that would have
    to be carried out. With `check=error=true` warnings are errors.
    """
    data, path = _read(asked.source, asked.options)
    file, ignore = _parsed(data, path, asked.options), _ignore(asked.source, path, asked.options)
    graphs = _graphs(file, asked)
    replacements = Replacements.of(file, asked.source, graphs, asked.stages)
    return _accepted(Recipe(file, asked, ignore, graphs, replacements, Digest.of(data)))


def with_images(recipe: Recipe, images: BaseImages) -> Recipe:
    """The recipe with the images looked into that the stages stand on, for what their ONBUILD leaves (K205).

    Raises Unsupported for a RUN among it, UsageError for what is no trigger, and what reading an image raises.
    """
    graphs, replacements = _looked_into(recipe.file, recipe.request, recipe.graphs, images, images.start)
    found = replace(recipe, graphs=graphs, replacements=replacements)
    is_new = any(graph.reached != recipe.graphs[platform].reached for platform, graph in graphs.items())
    has_triggers = (one.start is not None and one.start.triggers for g in graphs.values() for one in g.needed)
    if is_new or any(has_triggers) or any(graph.problem for graph in graphs.values()):
        return _accepted(found)
    return found


def _accepted(recipe: Recipe) -> Recipe:
    """The recipe with its warnings counted.

    Raises the problem of a graph, Unsupported for every line that would have to be carried out, and UsageError
    where the file makes warnings errors.
    """
    graphs, replacements = tuple(recipe.graphs.values()), recipe.replacements
    for graph in graphs:
        graph.checked()
    left, clones = replacements.left(), replacements.clones()
    problem = _cannot_run(recipe) if left else None
    if problem is not None and not _may_be_known(recipe):
        from ocitool.dockerfile.run.refuse import refuse
        from ocitool.dockerfile.run.suggest import draft

        tables = draft(graphs[0], recipe.request.source, {run.line.number for *_, run in left})
        refuse(left, tables, clones, problem if recipe.request.executor is not None else None)
    if clones:
        from ocitool.dockerfile.run.refuse import refuse

        refuse((), clones=clones)
    report = lint(graphs, recipe.ignore, for_build=True)
    refuse_warnings(report)
    return replace(recipe, warnings=len(report.of(Severity.WARNING)))


def _cannot_run(recipe: Recipe) -> Unsupported | None:
    """Why the RUN lines that are left cannot be carried out here; None if they can be."""
    executor = recipe.request.executor
    if executor is None:
        return Unsupported("RUN needs a process in the image, and nothing is run here", ability="RUN")
    try:
        executor.check(native_platforms(recipe))
    except Unsupported as error:
        return error
    return None


def _may_be_known(recipe: Recipe) -> bool:
    """Whether all that RUN lines leave may be in a cache, so that nothing has to be carried out after all.

    Where one is not, the build ends there with the reason.
    """
    asked, options = recipe.request, recipe.request.options.run
    if asked.executor is None or not options.use_cache:
        return False
    if options.cache_from:
        return True
    from ocitool.dockerfile.run.execution import line_key

    lines = ((platform, run.words) for platform, _, _, run in _native_lines(recipe))
    return asked.memo is not None and all(asked.memo.recall(line_key(*one)) is not None for one in lines)


def _native_lines(recipe: Recipe) -> Iterator[tuple[Platform, Platform, Step, Run]]:
    """The RUN lines that are left, with the platform whose programs they start, and the one that they are for."""
    for platform, one, step, run in recipe.replacements.left_of_each():
        *_, bottom = recipe.graphs[platform].below(one)
        yield bottom.stage_base.platform or platform, platform, step, run


def run_lines_of(recipe: Recipe) -> tuple[tuple[Platform, str, str], ...]:
    """The RUN lines that are carried out: the platform whose programs they start, the place, and the words."""
    found: dict[tuple[Platform, str, str], None] = {}
    for platform, _, step, run in _native_lines(recipe):
        found.setdefault((platform, step.where, " ".join(" ".join(run.words).split())))
    return tuple(found)


def native_platforms(recipe: Recipe, target: Platform | None = None) -> tuple[Platform, ...]:
    """The platforms whose programs the RUN lines that are left would start, each once; for one `target` alone."""
    lines = _native_lines(recipe)
    return tuple(dict.fromkeys(native for native, platform, *_ in lines if target in {None, platform}))


def _looked_into(
    file: Dockerfile,
    asked: DockerfileRequest,
    graphs: Mapping[Platform, StageGraph],
    images: BaseImages,
    start: Callable[[StageBase], ImageStart | None],
) -> tuple[Mapping[Platform, StageGraph], Replacements]:
    """The graphs with what images leave to the stages upon them; those of stages apart are not looked into.

    What a trigger copies from is needed too, and may stand on an image with triggers of its own.
    """

    def only(numbers: frozenset[int]) -> Starts:
        return lambda stage_base, number: start(stage_base) if number in numbers else None

    known: Mapping[Platform, frozenset[int]] = dict.fromkeys(graphs, frozenset())
    while True:
        replacements = Replacements.of(file, asked.source, graphs, asked.stages)
        more = {p: known[p] | (graph.reached - replacements.roles[p].apart) for p, graph in graphs.items()}
        if more == known:
            return graphs, replacements
        known = more
        images.read_ahead(one.stage_base for p, g in graphs.items() for n, one in g.stages.items() if n in known[p])
        graphs = {p: StageGraph.of(file, graph.wanted, only(known[p])) for p, graph in graphs.items()}


def check_recipe(asked: DockerfileRequest, images: BaseImages) -> tuple[Report, str]:
    """What the checks find in the Dockerfile that is asked for, and its text; the context's files are looked at.

    A RUN that something stands in for, or that can be carried out here, is not told of. Images are asked for their
    triggers, and left open where that fails. Raises NotFound without a Dockerfile or target, UsageError with file
    and line for what cannot be parsed.
    """
    from ocitool.dockerfile.lint.tracked import tracked_files

    data, path = _read(asked.source, asked.options)
    file, ignore = _parsed(data, path, asked.options), _ignore(asked.source, path, asked.options)
    graphs, replacements = _looked_into(file, asked, _graphs(file, asked), images, _if_there(images))
    context = main_context(asked.source, asked.options, ignore)
    tracked = tracked_files(asked.source.absolute()) if asked.options.sent is None else frozenset()
    report = lint(tuple(graphs.values()), ignore, context, tracked=tracked)
    can_run = asked.executor is not None
    if (asked.stages or can_run) and report.problem is None:
        recipe = Recipe(file, asked, ignore, graphs, replacements, Digest.of(data))
        try:
            can_run = can_run and bool(replacements.left()) and _cannot_run(recipe) is None
        except LocalIOError:  # a look needs no store
            can_run = False
        left = set() if can_run else {run.line.number for *_, run in replacements.left()}
        clones = {step.line.number for step in replacements.clones()}
        report = report.without("RunNeedsProcess", keep=left | clones)
    return report, data.decode()


def outline_recipe(asked: DockerfileRequest, images: BaseImages) -> "tuple[Dockerfile, Outline, bytes]":
    """The Dockerfile that is asked for, what its target takes, and its bytes; images are asked for their triggers.

    Raises NotFound without a Dockerfile or target, UsageError with file and line for what cannot be parsed.
    """
    from ocitool.dockerfile.outline import outline

    data, path = _read(asked.source, asked.options)
    file = _parsed(data, path, asked.options)
    graphs, _ = _looked_into(file, asked, _graphs(file, asked), images, _if_there(images))
    return file, outline(graphs[asked.platforms[0]]), data


def images_of(asked: DockerfileRequest, images: BaseImages) -> tuple[str, ...]:
    """Where the images are that the target stands on, copies from or mounts on some platform, each once.

    Raises as `outline_recipe` does, and what reading images raises, which are asked for their triggers.
    """
    data, path = _read(asked.source, asked.options)
    file = _parsed(data, path, asked.options)
    graphs, _ = _looked_into(file, asked, _graphs(file, asked), images, images.start)
    needed = (one for graph in graphs.values() for one in graph.checked().needed)
    named = (name for one in needed for name in (one.stage_base, *one.sources.values(), *one.mounted.values()))
    outside = (images.locator(one) for one in named if one.origin in {OriginKind.IMAGE, OriginKind.CONTEXT})
    return tuple(dict.fromkeys(filter(None, outside)))


def _if_there(images: BaseImages) -> Callable[[StageBase], ImageStart | None]:
    """What an image leaves; None for one that cannot be had, which is asked for once."""
    gone: set[str] = set()

    def start(stage_base: StageBase) -> ImageStart | None:
        try:
            return images.start(stage_base) if stage_base.name not in gone else None
        except Cancelled:
            raise
        except OcitoolError:  # a build tells what is wrong with it
            gone.add(stage_base.name)
            return None

    return start


def _graphs(file: Dockerfile, asked: DockerfileRequest) -> dict[Platform, StageGraph]:
    options = asked.options
    arguments, contexts = dict(options.arguments), options.places
    wanted = (StageRequest(one, asked.host, options.target, arguments, contexts) for one in asked.platforms)
    return {one.platform: StageGraph.of(file, one) for one in wanted}


def _parsed(data: bytes, path: Path | None, options: DockerfileOptions) -> Dockerfile:
    sent = options.sent.label if options.sent is not None else "standard input"
    return parse(data, str(path) if path is not None else sent)


def with_stand_ins(recipe: Recipe, project: Project, plan_native: "PlanNative") -> Recipe:
    """The recipe with the compiles of its replaced stages planned; their programs will stand in the project's work.

    Raises as `stand_in` does.
    """
    return replace(recipe, replacements=recipe.replacements.planned(project, plan_native))


def _read(source: Path, options: DockerfileOptions) -> tuple[bytes, Path | None]:
    if options.sent is not None:
        return options.sent.text, None
    if options.text is not None:
        return options.text, None
    hint = "is this a Dockerfile?"
    try:
        if options.file is not None:
            is_here = os.path.lexists(options.file) or options.file.is_absolute()
            path = options.file if is_here else source / options.file
            return _bounded(followed(path, source), hint), path
        places = [source / name for name in NAMES]
        path = next((path for path in places if path.is_file() or path.is_symlink()), places[0])
        return _regular(followed(path, source), hint), path
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


def _ignore(source: Path, path: Path | None, options: DockerfileOptions) -> IgnoreRules:
    """The Dockerfile's own ignore file, else the context's; none for a context that was sent."""
    if options.sent is not None:
        return IgnoreRules()
    own = [path.with_name(f"{path.name}.dockerignore")] if path is not None else []
    for place in (*own, source / ".dockerignore"):
        try:
            data = _regular(followed(place, source), "is this a list of patterns?")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise local_io(error, f"read {place}") from error
        return IgnoreRules.parse(data.decode("utf-8", "surrogateescape"), str(place))
    return IgnoreRules()


def resources_of(
    recipe: Recipe,
    images: BaseImages,
    workspace: "Workspace",
    spool: Path,
    *,
    allow_sparse: bool = False,
    use_cache: bool = True,
    epoch: int | None = None,
    environ: Mapping[str, str] | None = None,
) -> Reached:
    """The world around a recipe; files on their way into layers are kept in `spool`."""
    options, source = recipe.request.options, recipe.request.source
    reached = Reached(
        main_context(source, options, recipe.ignore, allow_sparse=allow_sparse, own=workspace.own),
        options.places,
        recipe.replacements,
        images,
        workspace,
        spool=spool,
        allow_sparse=allow_sparse,
        use_cache=use_cache,
    )
    executor = recipe.request.executor
    if executor is not None and recipe.replacements.left():
        from ocitool.dockerfile.run.executed import RunExecutions

        reached.runs = RunExecutions(
            executor,
            options.run,
            workspace,
            reached.spool,
            project=source,
            arguments=dict(options.arguments),
            context=reached.context,
            epoch=epoch,
            environ=environ,
        )
    return reached


def undeclared(recipe: Recipe) -> tuple[str, ...]:
    """The build arguments that nothing in the file declares, nor a trigger of a base."""
    graphs = tuple(recipe.graphs.values())
    steps = (step.instruction for graph in graphs for one in graph.stages.values() for step in one.steps)
    args = (*recipe.file.arguments, *(one for one in steps if isinstance(one, Arg)))
    host = graphs[0].wanted.host
    names = {name for arg in args for name, _ in arg.items}
    return unused(dict(recipe.request.options.arguments), (*names, *automatic(host, host)))


def bases_of(recipe: Recipe, images: BaseImages) -> dict[Platform, BaseImage]:
    """The image that the last stage of each platform stands on; scratch has none.

    Raises WrongPlatform where FROM names a platform that does not fit the one that is built for.
    """
    found = {}
    for platform, graph in recipe.graphs.items():
        bottom = _bottom(graph)
        if bottom.stage_base.origin is not OriginKind.SCRATCH:
            with placed(recipe.line_of(bottom)):
                found[platform] = images.stage_base(bottom.stage_base, platform)
    return found


def only_platform(recipe: Recipe, images: BaseImages) -> Platform | None:
    """The platform that FROM names, else that of a base that is one image; None for an index and for scratch."""
    (graph,) = recipe.graphs.values()
    bottom = _bottom(graph)
    stage_base = bottom.stage_base
    if stage_base.is_explicit:
        return stage_base.platform
    if stage_base.origin is OriginKind.SCRATCH:
        return None
    with placed(recipe.line_of(bottom)):
        base = images.base(stage_base)
        return None if isinstance(base.root, Index) else base.platforms()[0]


def _bottom(graph: StageGraph) -> ResolvedStage:
    """The lowest of the stages that the target stands on."""
    *_, bottom = graph.below(graph.stages[graph.target.number])
    return bottom


def write(recipe: Recipe, reached: Reached, workspace: "Workspace") -> tuple[Written, ...]:
    """What the Dockerfile comes to for each platform, in their order; files out of layers are fetched.

    RUN lines are carried out, the platforms side by side.
    """
    for name in undeclared(recipe):
        workspace.listener(Noted(f"build argument {name} is declared by no ARG"))
    if recipe.warnings:
        count = f"{recipe.warnings} warning{'s' if recipe.warnings > 1 else ''}"
        workspace.listener(Noted(f"{recipe.file.file}: {count}; ocitool build --check shows them", "notice"))
    sent = recipe.request.options.sent
    if sent is not None and any(entry.path == ".dockerignore" for entry in sent.files):
        workspace.listener(Noted("note: .dockerignore is for folders; all of the archive is the context", "notice"))
    for number in recipe.replacements.unseen:
        place = f"{recipe.file.file}:{number}"
        workspace.listener(
            Noted(f"{place}: what it brings is not seen by the compiler, which works in the context")
        )
    written = _evaluated(recipe, reached, workspace)
    for platform, one in zip(recipe.graphs, written, strict=True):
        if not one.layers and (one.base is None or not one.base.manifest.layers):
            workspace.listener(Noted(f"note: {platform}: the image has no layer: there is no file in it", "notice"))
    reached.spool.fill(content_of(written))
    return written


def _evaluated(recipe: Recipe, reached: Reached, workspace: "Workspace") -> tuple[Written, ...]:
    """Every platform's, one after the other where nothing is run."""
    graphs, runs = tuple(recipe.graphs.values()), reached.runs
    if runs is None:
        return tuple(evaluate(graph, reached) for graph in graphs)
    for note in about_emulation(recipe, workspace.host):
        workspace.listener(Noted(note, "notice"))

    def carry_out(graph: StageGraph) -> Written:
        with runs.turn:
            return evaluate(graph, reached)

    with TaskGroup(workspace.scope, workspace.width) as group:
        runs.scope = group.scope
        tasks = [group.spawn(carry_out, graph) for graph in graphs]
    runs.scope = workspace.scope
    runs.cache.export(workspace.scope)
    return tuple(task.result for task in tasks)


def about_emulation(recipe: Recipe, host: Platform) -> Iterator[str]:
    """What there is to say of RUN lines whose programs are not this machine's; compiles have another way."""
    slow = [p for p in native_platforms(recipe) if p.normalised().architecture != host.normalised().architecture]
    if not slow:
        return
    yield f"note: RUN is emulated for {', '.join(map(str, slow))}: this machine is {host}"
    from ocitool.dockerfile.run.suggest import draft

    graph = recipe.graphs[next(iter(recipe.graphs))]
    lines = {run.line.number for *_, run in recipe.replacements.left()}
    tables = draft(graph, recipe.request.source, lines)
    if tables.text and tables.tables:
        yield f"note: compile natively: add these lines to ocitool.toml\n{tables.text.rstrip()}"


def content_of(written: Iterable[Written]) -> Iterable[Content | None]:
    """The contents of everything that is to be packed."""
    return (entry.content for one in written for layer in one.layers for entry in kept_objects(layer))
