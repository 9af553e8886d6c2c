"""Stages carried out as far as that is deciding: config, history, and the entries of each layer.

Nothing is packed, compiled or run here; files are looked at, and read only where accounts are asked for. What a
RUN leaves behind is asked of `Resources.ran`. Spec: BuildKit's Dockerfile reference.
"""

import posixpath
from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from functools import partial
from itertools import groupby
from typing import Any, Final

from ocitool.dockerfile.context import Alone, Context
from ocitool.dockerfile.copy import CopyAttributes, LayerBuilder, Order, copy, not_found
from ocitool.dockerfile.places import is_web, shown
from ocitool.dockerfile.resources import Mounted, Process, Resources, Root
from ocitool.dockerfile.sources import check_sources, public_url
from ocitool.dockerfile.stages import OriginKind, ResolvedStage, StageGraph, Step
from ocitool.dockerfile.state import HistoryLine, StageState
from ocitool.dockerfile.syntax import instructions
from ocitool.dockerfile.syntax.ignore import IgnoreRules
from ocitool.dockerfile.syntax.instructions import Copy
from ocitool.dockerfile.syntax.lines import heredoc_name, placed
from ocitool.dockerfile.syntax.ownership import mode_of, owner_of
from ocitool.dockerfile.syntax.run_flags import parse_mount
from ocitool.dockerfile.trace import VariableScope
from ocitool.errors import MalformedDocument, NotFound, UsageError
from ocitool.image.base import BaseImage
from ocitool.model.files import FileKind, TreeBudget, clean
from ocitool.model.numbers import MIB, is_digits
from ocitool.model.path_pattern import literal
from ocitool.model.platform import Platform
from ocitool.pack.entries import BytesContent, Entry, FileOrigin
from ocitool.pack.layer import StoredTar
from ocitool.rootfs.files import Files, Layered
from ocitool.values import dataclass, field, replace

_ACCOUNTS_LIMIT: Final = MIB


@dataclass(frozen=True, slots=True)
class Written:
    """What a stage comes to for one platform: layers' entries over a base, history, and the config's settings.

    `tars` are the layers that are packed already, by their number. `reads` is what the base was asked for beside
    its files, in the words of `image.base_note`.
    """

    platform: Platform
    base: BaseImage | None
    layers: tuple[Collection[Entry], ...]
    told: tuple[HistoryLine, ...]
    settings: Mapping[str, Any] = field(hash=False)
    author: str
    files: Files | None = field(default=None, compare=False, repr=False)
    tars: Mapping[int, StoredTar] = field(default_factory=dict, hash=False)
    reads: frozenset[str] = frozenset()


def evaluate(graph: StageGraph, resources: Resources) -> Written:
    """What the target of a graph comes to, whose images were looked into.

    Raises UsageError and NotFound with file and line, Unsupported for a RUN that nobody takes, and what reading
    contexts and images raises.
    """
    evaluator = _Evaluator(graph, resources)
    for one in graph.checked().needed:
        evaluator.stage(one)
    state = evaluator.states[graph.target.number]
    return Written(
        state.platform,
        state.base,
        tuple(state.layers),
        tuple(state.told),
        state.config,
        state.author,
        state.files,
        state.tars,
        state.reads,
    )


class _Evaluator:
    """One file for one platform."""

    def __init__(self, graph: StageGraph, resources: Resources) -> None:
        self._graph = graph
        self._platform = graph.wanted.platform
        self._resources = resources
        self._budget = TreeBudget()
        self.states: dict[int, StageState] = {}

    def stage(self, needed: ResolvedStage) -> None:
        """Carry out one stage; those it needs have been."""
        with placed(f"{self._graph.file.file}:{needed.stage.base.line.number}"):
            state = self._start(needed)
        state.stage = needed.stage.number
        self.states[needed.stage.number] = state
        for step in needed.steps:
            self._do(state, needed, step)

    def _start(self, needed: ResolvedStage) -> StageState:
        """A stage before its first line."""
        stage_base = needed.stage_base
        if stage_base.origin is OriginKind.STAGE:
            return self.states[stage_base.stage].fork()
        state = StageState(self._platform, VariableScope.of(self._graph, needed))
        if stage_base.origin is OriginKind.SCRATCH or self._resources.is_apart(needed.stage.number, self._platform):
            state.settings = {"WorkingDir": state.scope.workdir}
            return state
        image = self._resources.image(stage_base)
        state.base, state.author = image, image.config.author
        state.settings = deepcopy(dict(image.config.settings))
        state.settings.pop("OnBuild", None)
        state.files = self._resources.image_files(image)
        return state

    # Instructions

    def _do(self, state: StageState, needed: ResolvedStage, step: Step) -> None:
        instruction = step.instruction
        with placed(step.where):
            match instruction:
                case Copy():
                    try:
                        self._copy(state, needed, instruction)
                    except NotFound:
                        stage_base = needed.sources.get(instruction.source_stage)
                        if stage_base is None or not self._resources.is_idle(stage_base.stage, self._platform):
                            raise
                case instructions.Arg():
                    self._arg(state, instruction)
                case instructions.Workdir():
                    self._workdir(state, instruction)
                case instructions.OnBuild():
                    state.settings.setdefault("OnBuild", []).append(instruction.text)
                case instructions.Maintainer():
                    state.author = instruction.text
                    state.tell(f"MAINTAINER {instruction.text}")
                case instructions.Run():
                    self._run(state, needed, step, instruction)
                case _:
                    state.set(instruction)

    def _arg(self, state: StageState, arg: instructions.Arg) -> None:
        words = [
            name if value is None else f"{name}={value}" for name, value in state.scope.declare(arg, state.text)
        ]
        state.tell(f"ARG {' '.join(words)}")

    def _workdir(self, state: StageState, workdir: instructions.Workdir) -> None:
        state.scope.enter(state.text(workdir.path))
        path = state.settings["WorkingDir"] = state.scope.workdir
        layer = LayerBuilder(state.files)
        user = str(state.settings.get("User") or "")
        is_there = layer.kind_at(layer.resolve(path)) is FileKind.DIRECTORY
        layer.directory(path, self._owner(state, user) if user and not is_there else None)
        self._layer(state, f"WORKDIR {path}", layer)

    def _run(self, state: StageState, needed: ResolvedStage, step: Step, run: instructions.Run) -> None:
        """What whoever carries RUN lines out says that this one left behind."""
        user, scope = str(state.settings.get("User") or ""), state.scope
        state.runs = True
        shell = state.settings.get("Shell")
        bottom = list(self._graph.below(needed))[-1].stage_base
        process = Process(
            needed.stage,
            run,
            self._platform,
            bottom.platform or self._platform,
            scope.workdir,
            user,
            dict(scope.variables),
            tuple(scope.args),
            tuple(map(str, shell)) if isinstance(shell, list) and shell else ("/bin/sh", "-c"),
            Root(state.base, tuple(state.layers)),
            state.files,
            lambda: tuple(self._mounted(state, needed, text) for text in run.options.mounts),
            self._label(bottom.platform or self._platform, needed, step, run),
        )
        ran = self._resources.ran(process)
        if ran is None:
            from ocitool.dockerfile.run.refuse import refuse

            refuse([(needed, step, run)])
            return
        if ran.was_run:
            entries = self._resources.shared(ran.entries)
            if entries:
                state.files = Layered(entries, state.files)
            state.tell(ran.told, entries, ran.tar)
            return
        layer = LayerBuilder(state.files)
        for entry in ran.entries:
            above, _, name = entry.path.rpartition("/")
            layer.put(replace(entry, path=f"{layer.directory(above, None)}/{name}".lstrip("/")))
        if ran.told or ran.entries:
            self._layer(state, ran.told, layer)

    def _label(self, native: Platform, needed: ResolvedStage, step: Step, run: instructions.Run) -> str:
        """How a RUN is called while it is carried out: its platform, its stage, how far that is, and its words."""
        stage = needed.stage.base.name or (
            f"stage-{needed.stage.number}" if len(self._graph.file.stages) > 1 else ""
        )
        place = " ".join(filter(None, (self._platforms(native), stage, f"{step.at + 1}/{len(needed.steps)}")))
        words = " ".join(" ".join(run.words).split())
        return f"[{place}] RUN {words}" if len(words) < 70 else f"[{place}] RUN {words[:67]}…"

    def _platforms(self, native: Platform) -> str:
        """The platform of a line's programs, and behind an arrow the one it is done for, if that differs."""
        target = str(self._platform).removeprefix(f"{native.os}/")
        return str(native) if native.same(self._platform) else f"{native}->{target}"

    def _mounted(self, state: StageState, needed: ResolvedStage, text: str) -> Mounted:
        """A --mount with its variables, and what it shows."""
        mount = parse_mount(text, state.text)
        if mount.type not in {"bind", "cache"} or not mount.source_stage:
            return Mounted(mount)
        stage_base = needed.mounted[mount.source_stage]
        match stage_base.origin:
            case OriginKind.STAGE:
                given = self.states[stage_base.stage]
                return Mounted(mount, Root(given.base, tuple(given.layers)))
            case OriginKind.SCRATCH:
                return Mounted(mount, Root())
            case OriginKind.CONTEXT:
                return Mounted(mount, files=self._resources.context(stage_base.name, stage_base.platform))
        return Mounted(mount, Root(self._resources.image(stage_base, is_copied=True)))

    def _copy(self, state: StageState, needed: ResolvedStage, one: Copy) -> None:
        """COPY and ADD: the sources of each kind in turn into one layer."""
        words = [word for word in one.sources if heredoc_name(word) is None]
        files = list(map(state.text, words))
        as_written = dict(zip(files, words, strict=True))
        step = shown(f"{one.line.name} {one.line.rest}".partition("\n")[0])
        checksum = check_sources(one, files, state.text(one.checksum))
        written = state.text(one.destination)
        destination = posixpath.join(state.scope.workdir, "./" if written in {"", "."} else written)
        chown, chmod = state.text(one.chown), state.text(one.chmod)
        attributes = CopyAttributes(
            self._owner(state, chown) if chown else None,
            mode_of(chmod) if chmod else None,
            int(chmod, 8) & 0o777 if is_digits(chmod) else 0o755,
        )
        layer = LayerBuilder(
            None if one.link and not chmod else state.files
        )  # BuildKit links nothing whose mode it sets
        has_more = bool(one.heredocs) or any(map(is_web, files))  # copy() counts the files of one tree alone
        if has_more and not one.parents and len(one.sources) > 1 and not destination.endswith(("/", "/.")):
            there = layer.resolve(destination)
            if layer.kind_at(there) is not FileKind.DIRECTORY:
                raise UsageError(
                    f"{len(one.sources)} sources go to {written}, which is no directory",
                    hint=f"write {written}/ to copy into a directory",
                )
        exclude = IgnoreRules.of(one.exclude)
        here = {heredoc.name: self._heredoc(state, heredoc) for heredoc in one.heredocs}
        unpack = self._resources.unpack if one.is_add else None
        for are_urls, group in groupby(files, is_web):
            if are_urls:
                for url in group:
                    place = public_url(url, as_written[url], self._graph.wanted.arguments)
                    entry = self._resources.download(url, checksum, place)
                    order = Order(
                        (literal(entry.path),),
                        destination,
                        attributes,
                        origin=partial(_whole, FileOrigin(step, place)),
                    )
                    copy(order, Layered((entry,)), layer, _lost, unpack if one.unpack else None)
                continue
            source, where, hint = self._source(needed, one)
            origin = partial(FileOrigin, step, where.removeprefix("the "))
            order = Order(tuple(group), destination, attributes, exclude, parents=one.parents, origin=origin)
            missing = partial(_missing, where=where, hint=hint)
            copy(order, source, layer, missing, unpack if one.unpack is not False else None)
        if here:
            origin = partial(_whole, FileOrigin(step, "Dockerfile"))
            order = Order(tuple(map(literal, here)), destination, attributes, origin=origin)
            copy(order, Layered(here.values()), layer, _lost)
        flags = [f"--{flag}={text}" for flag, text in (("chown", chown), ("chmod", chmod)) if text]
        flags = [*(["--parents"] if one.parents else []), *flags]
        told = [*flags, *files, *(f"<<{heredoc.name}" for heredoc in one.heredocs), written]
        self._layer(state, f"{one.line.name} {' '.join(told)} # buildkit", layer)

    def _source(self, needed: ResolvedStage, one: Copy) -> tuple[Files, str, Any]:
        """The tree that files are taken from, what to call it, and what to say of a path it lacks."""
        name = one.source_stage
        if not name:
            context = self._resources.context("")

            def hint(path: str) -> str:
                return context.why_absent(clean(path) or "") if isinstance(context, Context | Alone) else ""

            return context, "the context", hint
        stage_base = needed.sources[name]
        if stage_base.origin is OriginKind.STAGE:
            files = self._resources.whole(stage_base.stage, self._platform, self.states[stage_base.stage].files)
            gives = self._resources.gives(stage_base.stage, self._platform)
            return files or Layered(()), f"stage {name}", lambda _: gives
        if stage_base.origin is OriginKind.CONTEXT:
            return (
                self._resources.context(stage_base.name, stage_base.platform),
                f"context {stage_base.name}",
                lambda _: "",
            )
        if stage_base.origin is OriginKind.SCRATCH:
            return Layered(()), "scratch", lambda _: ""
        image = self._resources.image(stage_base, is_copied=True)
        return self._resources.image_files(image), f"image {name}", lambda _: ""

    def _heredoc(self, state: StageState, heredoc: Any) -> Entry:  # noqa: ANN401 - lines.Heredoc
        text = heredoc.content
        if heredoc.is_expanded:
            text = state.scope.expand(text, is_body=True).text
        if "/" in heredoc.name or heredoc.name in {".", ".."}:
            raise UsageError(f"not a file name for a heredoc: {heredoc.name!r}")
        return Entry(heredoc.name, FileKind.FILE, 0o644, content=BytesContent(text.encode()))

    def _layer(self, state: StageState, line: str, layer: LayerBuilder) -> None:
        entries = self._resources.shared(layer.sorted())
        try:
            for path in layer.entries.paths():
                self._budget.add(len(path))
        except MalformedDocument as error:
            raise UsageError(f"{error.what}: a layer has all folders above what it brings") from None
        if entries:
            state.files = Layered(entries, state.files)
        state.tell(line, entries)

    def _owner(self, state: StageState, text: str) -> tuple[int, int]:
        if all(is_digits(part) for part in text.split(":") if part):
            return owner_of(text, "", "")
        files = self._resources.whole(state.stage, self._platform, state.files)
        return owner_of(text, _read(files, "etc/passwd"), _read(files, "etc/group"))


def _read(files: Files | None, path: str) -> str:
    """A small text file of a tree; empty if there is none."""
    if files is None:
        return ""
    try:
        entry = files.get(files.resolve(path))
    except MalformedDocument:
        return ""
    if entry is None or entry.content is None:
        return ""
    if entry.content.size > _ACCOUNTS_LIMIT:
        raise UsageError(f"/{path} has {entry.content.size} bytes, more than {_ACCOUNTS_LIMIT}")
    return b"".join(entry.content.pieces()).decode("utf-8", "surrogateescape")


def _missing(path: str, where: str, hint: Callable[[str], str]) -> NotFound:
    return not_found(path, where, hint(path))


def _whole(origin: FileOrigin, _path: str, *, is_folder: bool = False) -> FileOrigin:  # noqa: ARG001 - as others
    """The origin of what is no part of a tree."""
    return origin


def _lost(path: str) -> NotFound:
    return not_found(path, "this very line", "")
