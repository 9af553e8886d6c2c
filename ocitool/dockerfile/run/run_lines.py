"""Where each RUN of a stage stands: its folder, its variables, and which folder of the context went where."""

import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path

from ocitool.dockerfile.places import is_web
from ocitool.dockerfile.stages import ResolvedStage, StageGraph
from ocitool.dockerfile.syntax.instructions import Copy, Run, Workdir
from ocitool.dockerfile.syntax.lines import heredoc_name
from ocitool.dockerfile.trace import Trace, TracedStep, VariableScope
from ocitool.model.files import clean
from ocitool.values import dataclass, field


@dataclass(frozen=True, slots=True)
class RunLine:
    """A RUN where it stands: WORKDIR, the variables known there, and which folder of the context went where.

    `folders` are known to be directories of the stage.
    """

    run: Run
    workdir: str
    variables: Mapping[str, str] = field(hash=False)
    brought: tuple[tuple[str, str], ...]
    folders: frozenset[str]

    def source_of(self, folder: str) -> str:
        """The folder of the context that is `folder` in the stage: that of the last COPY which brought it."""
        for place, source in reversed(self.brought):
            if is_in(folder, place):
                return posixpath.normpath(posixpath.join(source, posixpath.relpath(folder, place)))
        return "."


@dataclass(frozen=True, slots=True)
class RunLines:
    """The RUN lines of a stage; `foreign` are lines that bring what the context does not have, and the places."""

    lines: tuple[RunLine, ...]
    foreign: tuple[tuple[int, str], ...]


def run_lines(graph: StageGraph, stage: ResolvedStage, source: Path) -> RunLines:
    """The RUN lines of a stage, those that ONBUILD lines below leave to it included; `source` is the context."""
    trace, found = Trace(graph), _Found(source)
    for one in reversed(tuple(graph.below(stage))):
        found.lines.clear()
        for traced, scope in trace.follow(one):
            found.take(traced, scope)
    return RunLines(tuple(found.lines), tuple(found.foreign))


def is_in(path: str, folder: str) -> bool:
    """Whether an absolute or relative path is the folder or below it."""
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def joined(folder: str, path: str) -> str:
    """The absolute path, its last slash kept."""
    found = posixpath.normpath(posixpath.join(folder, path))
    return f"{found}/" if path.endswith("/") and found != "/" else found


class _Found:
    """What is known of the files of a stage from line to line."""

    def __init__(self, source: Path) -> None:
        self._source = source
        self._brought: list[tuple[str, str]] = []
        self._folders: set[str] = set()
        self.lines: list[RunLine] = []
        self.foreign: list[tuple[int, str]] = []

    def take(self, traced: TracedStep, scope: VariableScope) -> None:
        """The next line."""
        one = traced.instruction
        if isinstance(one, Workdir):
            self._folders.add(joined(scope.workdir, traced.text(one.path)).rstrip("/") or "/")
        elif isinstance(one, Copy):
            self._copied(one, traced, scope.workdir)
        elif isinstance(one, Run):
            brought = (*self._brought, *_mounted(one, scope))
            variables = {**dict.fromkeys(scope.blank, ""), **scope.variables}
            self.lines.append(RunLine(one, scope.workdir, variables, brought, frozenset(self._folders)))

    def _copied(self, copy: Copy, traced: TracedStep, workdir: str) -> None:
        written = traced.text(copy.destination)
        place = posixpath.normpath(posixpath.join(workdir, written))
        into = written.endswith(("/", "/.")) or written in {".", ""} or len(copy.sources) > 1
        words = [traced.text(word) for word in copy.sources if heredoc_name(word) is None]
        if copy.source_stage or copy.heredocs or (copy.is_add and any(map(is_web, words))):
            self.foreign.append((copy.line.number, place))
            return
        for source in map(clean, words):
            if source is None:
                continue
            if (self._source / source).is_dir():
                self._brought.append((place, source or "."))
                self._folders.add(place)
            elif posixpath.basename(source).startswith("go."):
                place_of_file = place if into else posixpath.dirname(place)
                self._brought.append((place_of_file, posixpath.dirname(source) or "."))


def _mounted(run: Run, scope: VariableScope) -> Iterator[tuple[str, str]]:
    """The folders of the context that a RUN mounts for itself."""
    for options in mounts(run):
        target = target_of_mount(options)
        if options.get("type", "bind") == "bind" and target and "from" not in options:
            source = clean(next((options[key] for key in ("source", "src") if key in options), "")) or "."
            yield posixpath.normpath(posixpath.join(scope.workdir, scope.attempt(target))), source


def mounts(run: Run) -> Iterator[dict[str, str]]:
    """The options of each --mount of a RUN; one without a value is true."""
    for flag, text in run.flags:
        if flag == "mount":
            parts = (item.partition("=") for item in (text or "").split(","))
            yield {key: value if equals else "true" for key, equals, value in parts}


def target_of_mount(options: Mapping[str, str]) -> str:
    """Where it is mounted; empty if that is not said."""
    return next((options[key] for key in ("target", "dst", "destination") if key in options), "")
