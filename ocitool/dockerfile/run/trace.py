"""A stage's lines followed without looking at any image: where each RUN stands, and what is known there."""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ocitool.dockerfile.run.go_build import GOPATH
from ocitool.dockerfile.sources import is_web
from ocitool.dockerfile.stages import OriginKind, ResolvedStage, StageRequest, global_scope
from ocitool.dockerfile.syntax import instructions
from ocitool.dockerfile.syntax.expand import expand
from ocitool.dockerfile.syntax.instructions import Copy, Dockerfile, Run, Stage
from ocitool.dockerfile.syntax.lines import heredoc_name
from ocitool.dockerfile.variables import declared
from ocitool.errors import UsageError
from ocitool.image.options import workdir_of
from ocitool.model.files import clean


@dataclass(frozen=True, slots=True)
class RunLine:
    """A RUN where it stands: WORKDIR, the variables known there, and which folder of the context went where.

    `folders` are known to be directories of the stage.
    """

    run: Run
    workdir: str
    variables: Mapping[str, str]
    brought: tuple[tuple[str, str], ...]
    folders: frozenset[str]

    def source_of(self, folder: str) -> str:
        """The folder of the context that is `folder` in the stage: that of the last COPY which brought it."""
        for place, source in reversed(self.brought):
            if is_in(folder, place):
                return posixpath.normpath(posixpath.join(source, posixpath.relpath(folder, place)))
        return "."


def start_of(image: str) -> tuple[str, dict[str, str]]:
    """WORKDIR and variables that a stage apart begins with: those of the images of Go, for its own are not read."""
    name = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    return (GOPATH, {"GOPATH": GOPATH}) if name == "golang" else ("/", {})


def is_in(path: str, folder: str) -> bool:
    """Whether an absolute or relative path is the folder or below it."""
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def joined(folder: str, path: str) -> str:
    """The absolute path, its last slash kept."""
    found = posixpath.normpath(posixpath.join(folder, path))
    return f"{found}/" if path.endswith("/") and found != "/" else found


class Walk:
    """The lines of a stage, and of those it is built upon, followed without looking at any image."""

    def __init__(
        self, file: Dockerfile, needed: Sequence[ResolvedStage], wanted: StageRequest, source: Path
    ) -> None:
        self._file = file
        self._needed = {one.stage.number: one for one in needed}
        self._wanted = wanted
        self._source = source
        self._outer = global_scope(file, wanted)
        self.workdir = "/"
        self.variables: dict[str, str] = {}
        self.brought: list[tuple[str, str]] = []
        self.foreign: list[tuple[int, str]] = []
        self.is_of_go = False
        self._folders: set[str] = set()

    def lines(self, stage: Stage) -> tuple[RunLine, ...]:
        """The RUN lines of the stage, those that ONBUILD lines below it leave to it included.

        What is known after its last line stays in this object.
        """
        chain = [stage]
        while (ground := self._needed[chain[-1].number].ground).origin is OriginKind.STAGE:
            chain.append(self._file.stages[ground.stage])
        self.workdir, variables = start_of(ground.name)
        self.is_of_go = "GOPATH" in variables
        self.variables = dict(variables)
        for below in reversed(chain[1:]):
            for instruction in (*self._needed[below.number].left, *below.body):
                self._follow(instruction)
        found = []
        for instruction in (*self._needed[stage.number].left, *stage.body):
            if isinstance(instruction, Run):
                brought = (*self.brought, *self._mounted(instruction))
                variables, folders = dict(self.variables), frozenset(self._folders)
                found.append(RunLine(instruction, self.workdir, variables, tuple(brought), folders))
            else:
                self._follow(instruction)
        return tuple(found)

    def _follow(self, instruction: instructions.Instruction) -> None:
        match instruction:
            case instructions.Arg():
                found = declared(instruction, self._wanted.arguments, self._outer, self._text)
                self.variables |= {name: value or "" for name, value in found}
            case instructions.Env():
                self.variables |= {self._text(key): self._text(value) for key, value in instruction.pairs}
            case instructions.Workdir():
                self.workdir = workdir_of(self.workdir, self._text(instruction.path))
                self._folders.add(self.workdir)
            case Copy():
                self._copied(instruction)
            case _:
                pass

    def _copied(self, copy: Copy) -> None:
        written = self._text(copy.destination)
        place = posixpath.normpath(posixpath.join(self.workdir, written))
        into = written.endswith(("/", "/.")) or written in {".", ""} or len(copy.sources) > 1
        words = [self._text(word) for word in copy.sources if heredoc_name(word) is None]
        if copy.source_stage or copy.heredocs or (copy.is_add and any(map(is_web, words))):
            self.foreign.append((copy.line.number, place))
            return
        for source in map(clean, words):
            if source is None:
                continue
            if (self._source / source).is_dir():
                self.brought.append((place, source or "."))
                self._folders.add(place)
            elif posixpath.basename(source).startswith("go."):
                self.brought.append((place if into else posixpath.dirname(place), posixpath.dirname(source) or "."))

    def _mounted(self, run: Run) -> Iterator[tuple[str, str]]:
        """The folders of the context that a RUN mounts for itself."""
        for flag, value in run.flags:
            options = dict(item.partition("=")[::2] for item in (value or "").split(","))
            target = next((options[key] for key in ("target", "dst", "destination") if key in options), "")
            if flag == "mount" and options.get("type", "bind") == "bind" and target and "from" not in options:
                source = clean(next((options[key] for key in ("source", "src") if key in options), "")) or "."
                yield posixpath.normpath(posixpath.join(self.workdir, self._text(target))), source

    def _text(self, word: str) -> str:
        try:
            return expand(word, self.variables, escape=self._file.escape).text
        except UsageError:
            return word  # evaluating the line says what is wrong with it
