"""Stages carried out as far as that is deciding: config, history, and the entries of each layer.

Nothing is packed or compiled here; files are looked at, and read only where accounts are asked for. What a RUN
leaves behind is asked of `Resources.ran`. Spec: BuildKit's Dockerfile reference.
"""

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import Any, Final, Protocol

from ocitool.build.base import BaseImage
from ocitool.build.dockerfile import instructions as made
from ocitool.build.dockerfile import settings as config
from ocitool.build.dockerfile.attributes import mode_of, owner_of
from ocitool.build.dockerfile.copying import Attributes, Growing, Order, copy, not_found
from ocitool.build.dockerfile.ignore import IgnoreRules
from ocitool.build.dockerfile.instructions import Copy, Dockerfile, Instruction, Stage
from ocitool.build.dockerfile.lines import heredoc_name
from ocitool.build.dockerfile.origins import check_sources, is_web
from ocitool.build.dockerfile.parse import parse_trigger
from ocitool.build.dockerfile.patterns import literal
from ocitool.build.dockerfile.refuse import refuse
from ocitool.build.dockerfile.shell import expand, expand_words
from ocitool.build.dockerfile.sources import Context, Files, Layered
from ocitool.build.dockerfile.stages import Ground, Needed, Origin, Wanted, global_scope, triggers
from ocitool.build.dockerfile.variables import declared
from ocitool.build.dockerfile.walk import start_of
from ocitool.errors import Cancelled, MalformedDocument, NotFound, OcitoolError, UsageError
from ocitool.model.digest import Digest
from ocitool.model.files import Kind, clean, resolve
from ocitool.model.platform import Platform
from ocitool.pack.entries import BytesContent, Content, Entry

_ACCOUNTS_LIMIT: Final = 1024 * 1024


class Resources(Protocol):
    """What a Dockerfile can reach outside itself."""

    def image(self, ground: Ground) -> BaseImage:
        """An image that FROM or --from names. Raises NotFound, WrongPlatform."""

    def image_files(self, image: BaseImage) -> Files:
        """Its merged tree."""

    def context(self, name: str) -> Files:
        """The files of a named context, of the build's own for an empty name."""

    def download(self, url: str, checksum: Digest | None) -> Entry:
        """The file at a URL under its own name. Raises DigestMismatch, and what asking for it raises."""

    def shared(self, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
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
class Process:
    """What a RUN would start, and the stage as it stands there: all that an executor has to know.

    `variables` are those of ENV and ARG; `files` is None for an empty root.
    """

    stage: Stage
    run: made.Run
    platform: Platform
    workdir: str
    user: str
    variables: Mapping[str, str] = field(hash=False)
    files: Files | None = field(hash=False, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a RUN: its line of history, empty for none, and the entries of its layer at their paths."""

    told: str = ""
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """A line of history; `layer` is the number of the layer it made, None for none."""

    created_by: str
    layer: int | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What a stage comes to for one platform: layers' entries over a base, history, and the config's settings."""

    platform: Platform
    base: BaseImage | None
    layers: tuple[tuple[Entry, ...], ...]
    told: tuple[Told, ...]
    settings: Mapping[str, Any] = field(hash=False)
    author: str
    files: Files | None = field(default=None, hash=False, compare=False, repr=False)


class _State:
    """A stage in the making."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.stage = 0
        self.base: BaseImage | None = None
        self.files: Files | None = None
        self.settings: dict[str, Any] = {}
        self.author = ""
        self.layers: list[tuple[Entry, ...]] = []
        self.told: list[Told] = []
        self.variables: dict[str, str] = {}
        self.has_cmd = False

    def fork(self) -> "_State":
        """The start of a stage that is built upon this one."""
        state = _State(self.platform)
        state.base, state.files, state.author = self.base, self.files, self.author
        state.settings = {key: deepcopy(value) for key, value in self.settings.items() if key != "OnBuild"}
        state.layers, state.told = list(self.layers), list(self.told)
        state.variables = {**self.variables, **config.env_of(state.settings)}  # ENV goes before ARG once more
        return state

    @property
    def workdir(self) -> str:
        return str(self.settings.get("WorkingDir") or "/")

    def tell(self, line: str, entries: Sequence[Entry] = ()) -> None:
        """One more line of history, and the layer it made if there is anything in it."""
        if entries:
            self.layers.append(tuple(entries))
        self.told.append(Told(line, len(self.layers) - 1 if entries else None))


def evaluate(file: Dockerfile, needed: Sequence[Needed], wanted: Wanted, resources: Resources) -> Written:
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

    def __init__(self, file: Dockerfile, wanted: Wanted, resources: Resources) -> None:
        self._file = file
        self._wanted = wanted
        self._resources = resources
        self._outer = global_scope(file, wanted)
        self.states: dict[int, _State] = {}

    def stage(self, needed: Needed) -> None:
        """Carry out one stage; those it needs have been."""
        ground = needed.ground
        where = f"{self._file.file}:{needed.stage.base.line.number}"
        with _placed(where):
            state, left = self._start(ground, where, needed.stage.number)
        state.stage = needed.stage.number
        self.states[needed.stage.number] = state
        for place, instruction in left:
            self._do(state, needed, instruction, place)
        for instruction in needed.stage.body:
            self._do(state, needed, instruction, f"{self._file.file}:{instruction.line.number}")

    def _start(self, ground: Ground, where: str, number: int) -> tuple[_State, list[tuple[str, Instruction]]]:
        """A stage before its first line, and the instructions that its ground leaves to it."""
        if ground.origin is Origin.STAGE:
            state = self.states[ground.stage].fork()
            parent = self._file.stages[ground.stage]
            return state, [(where, one) for one in triggers(parent, self._file)]
        state = _State(self._wanted.platform)
        if ground.origin is Origin.SCRATCH:
            state.settings = {"Env": [config.PATH], "WorkingDir": "/"}
            state.variables = config.env_of(state.settings)
            return state, []
        if self._resources.is_apart(number, self._wanted.platform):
            workdir, variables = start_of(ground.name)
            state.settings = {"Env": [config.PATH], "WorkingDir": workdir}
            state.variables = {**config.env_of(state.settings), **variables}
            return state, []
        image = self._resources.image(ground)
        state.base, state.author = image, image.config.author
        state.settings = deepcopy(dict(image.config.settings))
        if "PATH" not in config.env_of(state.settings):
            config.set_env(state.settings, [("PATH", config.PATH.partition("=")[2])])
        state.variables = config.env_of(state.settings)
        state.files = self._resources.image_files(image)
        texts = state.settings.pop("OnBuild", None) or []
        left = [parse_trigger(text, f"ONBUILD of {image.label}") for text in texts if isinstance(text, str)]
        place = f"{where} (ONBUILD of {image.label})"
        refuse(place, ((self._file.stages[0], one) for one in left if isinstance(one, made.Run)))
        return state, [(place, one) for one in left]

    # Instructions

    def _do(self, state: _State, needed: Needed, instruction: Instruction, where: str) -> None:
        with _placed(where):
            match instruction:
                case Copy():
                    try:
                        self._copy(state, needed, instruction)
                    except NotFound:
                        ground = needed.sources.get(instruction.source_stage)
                        if ground is None or not self._resources.is_idle(ground.stage, self._wanted.platform):
                            raise
                case made.Arg():
                    self._arg(state, instruction)
                case made.Workdir():
                    self._workdir(state, instruction)
                case made.OnBuild():
                    state.settings["OnBuild"] = [*(state.settings.get("OnBuild") or []), instruction.text]
                case made.Maintainer():
                    state.author = instruction.text
                    state.tell(f"MAINTAINER {instruction.text}")
                case made.Run():
                    self._run(state, needed.stage, instruction)
                case _:
                    self._set(state, instruction)

    def _set(self, state: _State, instruction: Instruction) -> None:
        """An instruction that changes nothing but the config."""
        settings = state.settings
        match instruction:
            case made.Env():
                pairs = self._pairs(state, instruction.pairs)
                config.set_env(settings, pairs)
                state.variables |= dict(pairs)
                state.tell(f"ENV {' '.join(f'{key}={value}' for key, value in pairs)}")
            case made.Label():
                pairs = self._pairs(state, instruction.pairs)
                settings["Labels"] = {**(settings.get("Labels") or {}), **dict(pairs)}
                state.tell(f"LABEL {' '.join(f'{key}={value}' for key, value in pairs)}")
            case made.User():
                user = self._text(state, instruction.text)
                settings["User"] = user
                if not user:  # whoever the runtime starts programs as when nothing is said
                    del settings["User"]
                state.tell(f"USER {user}")
            case made.Expose():
                words = [
                    word
                    for port in sorted(instruction.ports)
                    for word in expand_words(port, state.variables, escape=self._file.escape)
                ]
                ports = config.ports_of(words)
                settings["ExposedPorts"] = {**(settings.get("ExposedPorts") or {}), **{port: {} for port in ports}}
                state.tell(f"EXPOSE {config.bare(ports)}")
            case made.Volume():
                paths = [self._some(state, path, "VOLUME names no path") for path in instruction.paths]
                settings["Volumes"] = {**(settings.get("Volumes") or {}), **{path: {} for path in paths}}
                state.tell(f"VOLUME {config.bare(paths)}")
            case made.StopSignal():
                signal = config.signal_of(self._some(state, instruction.text, "STOPSIGNAL names no signal"))
                settings["StopSignal"] = signal
                state.tell(f"STOPSIGNAL {signal}")
            case made.Shell():
                settings["Shell"] = list(instruction.words)
                state.tell(f"SHELL {config.bare(instruction.words)}")
            case made.Cmd():
                words = config.set_command(settings, "Cmd", instruction.words, is_shell=instruction.is_shell)
                settings["ArgsEscaped"] = True
                state.has_cmd = True
                state.tell(f"CMD {config.quoted(words)}")
            case made.Entrypoint():
                words = config.set_command(settings, "Entrypoint", instruction.words, is_shell=instruction.is_shell)
                if not state.has_cmd:
                    settings.pop("Cmd", None)
                state.tell(f"ENTRYPOINT {config.quoted(words)}")
            case made.Healthcheck():
                state.tell(config.set_health(settings, instruction))

    def _arg(self, state: _State, arg: made.Arg) -> None:
        words = []
        for name, value in declared(arg, self._wanted.arguments, self._outer, lambda w: self._text(state, w)):
            if value is not None:
                state.variables[name] = value
            words.append(name if value is None else f"{name}={value}")
        state.tell(f"ARG {' '.join(words)}")

    def _workdir(self, state: _State, workdir: made.Workdir) -> None:
        path = config.workdir_of(state.workdir, self._text(state, workdir.path))
        state.settings["WorkingDir"] = path
        layer = Growing(state.files)
        user = str(state.settings.get("User") or "")
        is_there = layer.kind_at(resolve(path, layer.link_at)) is Kind.DIRECTORY
        layer.directory(path, self._owner(state, user) if user and not is_there else None)
        self._layer(state, f"WORKDIR {path}", layer)

    def _run(self, state: _State, stage: Stage, run: made.Run) -> None:
        """What whoever carries RUN lines out says that this one left behind."""
        user = str(state.settings.get("User") or "")
        variables, platform = dict(state.variables), self._wanted.platform
        ran = self._resources.ran(Process(stage, run, platform, state.workdir, user, variables, state.files))
        if ran is None:
            refuse(self._file.file, [(stage, run)])
            return
        layer = Growing(state.files)
        for entry in ran.entries:
            above, _, name = entry.path.rpartition("/")
            layer.put(replace(entry, path=f"{layer.directory(above, None)}/{name}".lstrip("/")))
        if ran.told or ran.entries:
            self._layer(state, ran.told, layer)

    def _copy(self, state: _State, needed: Needed, one: Copy) -> None:
        """COPY and ADD: the sources of each kind in turn into one layer."""
        files = [self._text(state, word) for word in one.sources if heredoc_name(word) is None]
        checksum = check_sources(one, files, self._text(state, one.checksum))
        written = self._text(state, one.destination)
        destination = posixpath.join(state.workdir, "./" if written in {"", "."} else written)
        chown, chmod = self._text(state, one.chown), self._text(state, one.chmod)
        attributes = Attributes(
            self._owner(state, chown) if chown else None,
            mode_of(chmod) if chmod else None,
            int(chmod, 8) & 0o777 if chmod.isdigit() else 0o755,
        )
        layer = Growing(
            None if one.link and not chmod else state.files
        )  # BuildKit links nothing whose mode it sets
        has_more = bool(one.heredocs) or any(map(is_web, files))  # copy() counts the files of one tree alone
        if has_more and not one.parents and len(one.sources) > 1 and not destination.endswith(("/", "/.")):
            there = resolve(destination, layer.link_at)
            if layer.kind_at(there) is not Kind.DIRECTORY:
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
            order = Order(tuple(here), destination, attributes)
            copy(order, Layered(here.values()), layer, _lost)
        flags = [f"--{flag}={text}" for flag, text in (("chown", chown), ("chmod", chmod)) if text]
        flags = [*(["--parents"] if one.parents else []), *flags]
        words = [*files, *(f"<<{name}" for name in here), written]
        self._layer(state, f"{one.line.name} {' '.join((*flags, *words))} # buildkit", layer)

    def _source(self, needed: Needed, one: Copy) -> tuple[Files, str, Any]:
        """The tree that files are taken from, what to call it, and what to say of a path it lacks."""
        name = one.source_stage
        if not name:
            context = self._resources.context("")

            def hint(path: str) -> str:
                return context.why_absent(clean(path) or "") if isinstance(context, Context) else ""

            return context, "the context", hint
        ground = needed.sources[name]
        if ground.origin is Origin.STAGE:
            files = self._resources.whole(ground.stage, self._wanted.platform, self.states[ground.stage].files)
            gives = self._resources.gives(ground.stage, self._wanted.platform)
            return files or Layered(()), f"stage {name}", lambda _: gives
        if ground.origin is Origin.CONTEXT:
            return self._resources.context(name), f"context {name}", lambda _: ""
        if ground.origin is Origin.SCRATCH:
            return Layered(()), "scratch", lambda _: ""
        return self._resources.image_files(self._resources.image(ground)), f"image {name}", lambda _: ""

    def _heredoc(self, state: _State, heredoc: Any) -> Entry:  # noqa: ANN401 - lines.Heredoc
        text = heredoc.content
        if heredoc.is_expanded:
            text = expand(text, state.variables, keeps_quotes=True).text
        if "/" in heredoc.name:
            raise UsageError(f"not a file name for a heredoc: {heredoc.name!r}")
        return Entry(heredoc.name, Kind.FILE, 0o644, content=BytesContent(text.encode()))

    def _layer(self, state: _State, line: str, layer: Growing) -> None:
        entries = self._resources.shared(layer.sorted())
        if entries:
            state.files = Layered(entries, state.files)
        state.tell(line, entries)

    # Words

    def _text(self, state: _State, word: str) -> str:
        return expand(word, state.variables, escape=self._file.escape).text

    def _some(self, state: _State, word: str, otherwise: str) -> str:
        text = self._text(state, word)
        if not text:
            raise UsageError(otherwise, hint="a variable in it is empty")
        return text

    def _pairs(self, state: _State, pairs: made.Pairs) -> list[tuple[str, str]]:
        found = [(self._text(state, key), self._text(state, value)) for key, value in pairs]
        if not all(key for key, _ in found):
            raise UsageError("a name is empty", hint="a variable in it is empty")
        return found

    def _owner(self, state: _State, text: str) -> tuple[int, int]:
        if all(part.isdigit() for part in text.split(":") if part):
            return owner_of(text, "", "")
        files = self._resources.whole(state.stage, self._wanted.platform, state.files)
        return owner_of(text, _read(files, "etc/passwd"), _read(files, "etc/group"))


def _read(files: Files | None, path: str) -> str:
    """A small text file of a tree; empty if there is none."""
    if files is None:
        return ""
    try:
        entry = files.entry_at(resolve(path, files.link_at))
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


@contextmanager
def _placed(where: str) -> Iterator[None]:
    """Errors inside say their line."""
    try:
        yield
    except NotFound as error:
        raise NotFound(f"{where}: {error.what}", name=error.name, where=error.where, hint=error.hint) from error
    except UsageError as error:
        raise UsageError(f"{where}: {error.what}", hint=error.hint) from error
    except OcitoolError as error:
        if isinstance(error, Cancelled) or error.what.startswith(where):
            raise
        error.what = f"{where}: {error.what}"
        raise
