"""Stages carried out as far as that is deciding: config, history, and the entries of each layer.

Nothing is packed or compiled here; files are looked at, and read only where accounts are asked for. What a RUN
leaves behind is asked of `Resources.ran`. Spec: BuildKit's Dockerfile reference.
"""

import posixpath
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import Any, Final

from ocitool.dockerfile.context import Alone, Context
from ocitool.dockerfile.copy import CopyAttributes, LayerBuilder, Order, copy, not_found
from ocitool.dockerfile.resources import Process, Resources
from ocitool.dockerfile.run.refuse import refuse
from ocitool.dockerfile.run.trace import start_of
from ocitool.dockerfile.sources import check_sources, is_web
from ocitool.dockerfile.stages import OriginKind, ResolvedStage, StageBase, StageRequest, global_scope, triggers
from ocitool.dockerfile.state import HistoryLine, StageState
from ocitool.dockerfile.syntax import instructions
from ocitool.dockerfile.syntax.expand import expand
from ocitool.dockerfile.syntax.ignore import IgnoreRules
from ocitool.dockerfile.syntax.instructions import Copy, Dockerfile, Instruction, Stage
from ocitool.dockerfile.syntax.lines import heredoc_name, placed
from ocitool.dockerfile.syntax.ownership import mode_of, owner_of
from ocitool.dockerfile.syntax.parse import parse_trigger
from ocitool.dockerfile.syntax.patterns import literal
from ocitool.dockerfile.variables import declared
from ocitool.errors import MalformedDocument, NotFound, UsageError
from ocitool.image.base import BaseImage
from ocitool.image.options import PATH, env_of, set_env, workdir_of
from ocitool.model.files import FileKind, clean
from ocitool.model.platform import Platform
from ocitool.pack.entries import BytesContent, Entry
from ocitool.rootfs.files import Files, Layered

_ACCOUNTS_LIMIT: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Written:
    """What a stage comes to for one platform: layers' entries over a base, history, and the config's settings."""

    platform: Platform
    base: BaseImage | None
    layers: tuple[tuple[Entry, ...], ...]
    told: tuple[HistoryLine, ...]
    settings: Mapping[str, Any] = field(hash=False)
    author: str
    files: Files | None = field(default=None, hash=False, compare=False, repr=False)


def evaluate(
    file: Dockerfile, needed: Sequence[ResolvedStage], wanted: StageRequest, resources: Resources
) -> Written:
    """What the last of the needed stages comes to.

    Raises UsageError and NotFound with file and line, Unsupported for a RUN that a base image leaves to its
    children, and what reading contexts and images raises.
    """
    evaluator = _Evaluator(file, wanted, resources)
    for one in needed:
        evaluator.stage(one)
    state = evaluator.states[needed[-1].stage.number]
    return Written(
        state.platform,
        state.base,
        tuple(state.layers),
        tuple(state.told),
        state.settings,
        state.author,
        state.files,
    )


class _Evaluator:
    """One file for one platform."""

    def __init__(self, file: Dockerfile, wanted: StageRequest, resources: Resources) -> None:
        self._file = file
        self._wanted = wanted
        self._resources = resources
        self._outer = global_scope(file, wanted)
        self.states: dict[int, StageState] = {}

    def stage(self, needed: ResolvedStage) -> None:
        """Carry out one stage; those it needs have been."""
        ground = needed.ground
        where = f"{self._file.file}:{needed.stage.base.line.number}"
        with placed(where):
            state, left = self._start(ground, where, needed.stage.number)
        state.stage = needed.stage.number
        self.states[needed.stage.number] = state
        for place, instruction in left:
            self._do(state, needed, instruction, place)
        for instruction in needed.stage.body:
            self._do(state, needed, instruction, f"{self._file.file}:{instruction.line.number}")

    def _start(
        self, ground: StageBase, where: str, number: int
    ) -> tuple[StageState, list[tuple[str, Instruction]]]:
        """A stage before its first line, and the instructions that its ground leaves to it."""
        if ground.origin is OriginKind.STAGE:
            state = self.states[ground.stage].fork()
            parent = self._file.stages[ground.stage]
            return state, [(where, one) for one in triggers(parent, self._file)]
        state = StageState(self._wanted.platform, self._file.escape)
        if ground.origin is OriginKind.SCRATCH:
            state.settings = {"Env": [PATH], "WorkingDir": "/"}
            state.variables = env_of(state.settings)
            return state, []
        if self._resources.is_apart(number, self._wanted.platform):
            workdir, variables = start_of(ground.name)
            state.settings = {"Env": [PATH], "WorkingDir": workdir}
            state.variables = {**env_of(state.settings), **variables}
            return state, []
        image = self._resources.image(ground)
        state.base, state.author = image, image.config.author
        state.settings = deepcopy(dict(image.config.settings))
        if "PATH" not in env_of(state.settings):
            set_env(state.settings, [("PATH", PATH.partition("=")[2])])
        state.variables = env_of(state.settings)
        state.files = self._resources.image_files(image)
        texts = state.settings.pop("OnBuild", None) or []
        left = [parse_trigger(text, f"ONBUILD of {image.label}") for text in texts if isinstance(text, str)]
        place = f"{where} (ONBUILD of {image.label})"
        refuse(place, ((self._file.stages[0], one) for one in left if isinstance(one, instructions.Run)))
        return state, [(place, one) for one in left]

    # Instructions

    def _do(self, state: StageState, needed: ResolvedStage, instruction: Instruction, where: str) -> None:
        with placed(where):
            match instruction:
                case Copy():
                    try:
                        self._copy(state, needed, instruction)
                    except NotFound:
                        ground = needed.sources.get(instruction.source_stage)
                        if ground is None or not self._resources.is_idle(ground.stage, self._wanted.platform):
                            raise
                case instructions.Arg():
                    self._arg(state, instruction)
                case instructions.Workdir():
                    self._workdir(state, instruction)
                case instructions.OnBuild():
                    state.settings["OnBuild"] = [*(state.settings.get("OnBuild") or []), instruction.text]
                case instructions.Maintainer():
                    state.author = instruction.text
                    state.tell(f"MAINTAINER {instruction.text}")
                case instructions.Run():
                    self._run(state, needed.stage, instruction)
                case _:
                    state.set(instruction)

    def _arg(self, state: StageState, arg: instructions.Arg) -> None:
        words = []
        for name, value in declared(arg, self._wanted.arguments, self._outer, state.text):
            if value is not None:
                state.variables[name] = value
            words.append(name if value is None else f"{name}={value}")
        state.tell(f"ARG {' '.join(words)}")

    def _workdir(self, state: StageState, workdir: instructions.Workdir) -> None:
        path = workdir_of(state.workdir, state.text(workdir.path))
        state.settings["WorkingDir"] = path
        layer = LayerBuilder(state.files)
        user = str(state.settings.get("User") or "")
        is_there = layer.kind_at(layer.resolve(path)) is FileKind.DIRECTORY
        layer.directory(path, self._owner(state, user) if user and not is_there else None)
        self._layer(state, f"WORKDIR {path}", layer)

    def _run(self, state: StageState, stage: Stage, run: instructions.Run) -> None:
        """What whoever carries RUN lines out says that this one left behind."""
        user = str(state.settings.get("User") or "")
        variables, platform = dict(state.variables), self._wanted.platform
        ran = self._resources.ran(Process(stage, run, platform, state.workdir, user, variables, state.files))
        if ran is None:
            refuse(self._file.file, [(stage, run)])
            return
        layer = LayerBuilder(state.files)
        for entry in ran.entries:
            above, _, name = entry.path.rpartition("/")
            layer.put(replace(entry, path=f"{layer.directory(above, None)}/{name}".lstrip("/")))
        if ran.told or ran.entries:
            self._layer(state, ran.told, layer)

    def _copy(self, state: StageState, needed: ResolvedStage, one: Copy) -> None:
        """COPY and ADD: the sources of each kind in turn into one layer."""
        files = [state.text(word) for word in one.sources if heredoc_name(word) is None]
        checksum = check_sources(one, files, state.text(one.checksum))
        written = state.text(one.destination)
        destination = posixpath.join(state.workdir, "./" if written in {"", "."} else written)
        chown, chmod = state.text(one.chown), state.text(one.chmod)
        attributes = CopyAttributes(
            self._owner(state, chown) if chown else None,
            mode_of(chmod) if chmod else None,
            int(chmod, 8) & 0o777 if chmod.isdigit() else 0o755,
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
                    entry = self._resources.download(url, checksum)
                    order = Order((literal(entry.path),), destination, attributes)
                    copy(order, Layered((entry,)), layer, _lost, unpack if one.unpack else None)
                continue
            source, where, hint = self._source(needed, one)
            order = Order(tuple(group), destination, attributes, exclude, parents=one.parents)
            missing = partial(_missing, where=where, hint=hint)
            copy(order, source, layer, missing, unpack if one.unpack is not False else None)
        if here:
            order = Order(tuple(map(literal, here)), destination, attributes)
            copy(order, Layered(here.values()), layer, _lost)
        flags = [f"--{flag}={text}" for flag, text in (("chown", chown), ("chmod", chmod)) if text]
        flags = [*(["--parents"] if one.parents else []), *flags]
        words = [*files, *(f"<<{heredoc.name}" for heredoc in one.heredocs), written]
        self._layer(state, f"{one.line.name} {' '.join((*flags, *words))} # buildkit", layer)

    def _source(self, needed: ResolvedStage, one: Copy) -> tuple[Files, str, Any]:
        """The tree that files are taken from, what to call it, and what to say of a path it lacks."""
        name = one.source_stage
        if not name:
            context = self._resources.context("")

            def hint(path: str) -> str:
                return context.why_absent(clean(path) or "") if isinstance(context, Context | Alone) else ""

            return context, "the context", hint
        ground = needed.sources[name]
        if ground.origin is OriginKind.STAGE:
            files = self._resources.whole(ground.stage, self._wanted.platform, self.states[ground.stage].files)
            gives = self._resources.gives(ground.stage, self._wanted.platform)
            return files or Layered(()), f"stage {name}", lambda _: gives
        if ground.origin is OriginKind.CONTEXT:
            return self._resources.context(ground.name, ground.platform), f"context {ground.name}", lambda _: ""
        if ground.origin is OriginKind.SCRATCH:
            return Layered(()), "scratch", lambda _: ""
        image = self._resources.image(ground, is_copied=True)
        return self._resources.image_files(image), f"image {name}", lambda _: ""

    def _heredoc(self, state: StageState, heredoc: Any) -> Entry:  # noqa: ANN401 - lines.Heredoc
        text = heredoc.content
        if heredoc.is_expanded:
            text = expand(text, state.variables, keeps_quotes=True).text
        if "/" in heredoc.name or heredoc.name in {".", ".."}:
            raise UsageError(f"not a file name for a heredoc: {heredoc.name!r}")
        return Entry(heredoc.name, FileKind.FILE, 0o644, content=BytesContent(text.encode()))

    def _layer(self, state: StageState, line: str, layer: LayerBuilder) -> None:
        entries = self._resources.shared(layer.sorted())
        if entries:
            state.files = Layered(entries, state.files)
        state.tell(line, entries)

    def _owner(self, state: StageState, text: str) -> tuple[int, int]:
        if all(part.isdigit() for part in text.split(":") if part):
            return owner_of(text, "", "")
        files = self._resources.whole(state.stage, self._wanted.platform, state.files)
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


def _lost(path: str) -> NotFound:
    return not_found(path, "this very line", "")
