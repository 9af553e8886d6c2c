"""The tables of an ocitool.toml that would stand in for the RUN lines of a Dockerfile, as far as it tells.

A draft for a human to look over: what others copy from a stage and its own lines do not bring has to come from
somewhere, and the table says from where it could. Nothing is read but the names of the context's folders.
"""

import json
import posixpath
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from ocitool.dockerfile.run.effects import MAKES_A_USER, EffectKind, effects
from ocitool.dockerfile.run.go_build import GoBuild, foreign_flags, go_builds
from ocitool.dockerfile.run.native_build import native_build
from ocitool.dockerfile.run.overrides import replaceable
from ocitool.dockerfile.run.run_lines import RunLine, is_in, run_lines
from ocitool.dockerfile.stages import OriginKind, ResolvedStage, StageGraph, runs
from ocitool.dockerfile.syntax.instructions import Copy, Run
from ocitool.dockerfile.trace import Trace, is_of_go
from ocitool.project.toml import key_text
from ocitool.values import dataclass, field

_EXTRAS: Final = (
    ("ca-certificates", "/etc/ssl/certs", "ca-certificates"),
    ("tzdata", "/usr/share/zoneinfo", "zoneinfo"),
)
"""Packages whose files `with` has: the package, where others find them, and the word."""
_INSTALLED: Final = {
    "npm": "node_modules",
    "yarn": "node_modules",
    "pnpm": "node_modules",
    "bun": "node_modules",
    "uv": ".venv",
    "poetry": ".venv",
    "composer": "vendor",
}
"""What a program leaves in the folder that it is started in."""
_FOR_ONE: Final = re.compile(r"TARGETARCH|TARGETPLATFORM|uname -m|--print-architecture|native|jlink")
"""Words of lines whose results differ between platforms."""
_NOWHERE: Final = Path("/dev/null")
"""A context that has no folder."""
_COMPILER: Final = 'run = ["./compile.sh", "{os}", "{arch}", "{output}"]'


@dataclass(frozen=True, slots=True)
class Table:
    """`[stage.NAME]` for one stage: its toolchain, the lines below it, which kind of RUN its compiler replaces."""

    name: str
    toolchain: str
    lines: tuple[str, ...] = ()
    compiles: EffectKind = EffectKind.GO

    @property
    def head(self) -> str:
        """The table's name in its brackets."""
        return f"[{key_text(('stage', self.name))}]"

    @property
    def brief(self) -> str:
        """The table in a sentence."""
        return f'{self.head} toolchain = "{self.toolchain}"'

    @property
    def text(self) -> str:
        """The table as it is written."""
        return "\n".join((self.head, f'toolchain = "{self.toolchain}"', *self.lines))


@dataclass(frozen=True, slots=True)
class SuggestedTables:
    """The tables by the numbers of their stages.

    `served` are stages whose work only a stage with a table takes.
    """

    tables: Mapping[int, Table] = field(default_factory=dict, hash=False)
    served: Mapping[int, Table] = field(default_factory=dict, hash=False)

    @property
    def text(self) -> str:
        """All tables, an empty line between them."""
        return "\n\n".join(table.text for table in self.tables.values())


NOTHING: Final = SuggestedTables()


def draft(graph: StageGraph, source: Path | None = None, left: Collection[int] | None = None) -> SuggestedTables:
    """The tables that would stand in for the stages with RUN lines which only give files to others.

    `source` is the context, None if it is not known. `left` are the numbers of the lines that nothing replaces yet;
    None means all.
    """
    if not any(runs(graph.needed)):
        return NOTHING
    drafter = _Drafter(graph, source or _NOWHERE)
    tables = {}
    for one in graph.needed:
        lines = [run for *_, run in runs((one,)) if left is None or run.line.number in left]
        if lines and one.stage.number in drafter.given:
            tables[one.stage.number] = drafter.table(one)
        elif one.stage.number not in drafter.apart and any(map(_compiles_alone, lines)):
            tables[one.stage.number] = drafter.in_place(one)
    return SuggestedTables(tables, drafter.served(tables))


class _Drafter:
    """One Dockerfile for one platform, and who takes what from whom."""

    def __init__(self, graph: StageGraph, source: Path) -> None:
        self._graph, self._needed, self._source = graph, graph.needed, source
        self._trace = Trace(graph)
        self.apart = replaceable(graph)
        self._kinds = {
            one.stage.number: {effect.kind for *_, run in runs((one,)) for effect in effects(run)}
            for one in self._needed
        }
        self._is_compiled = {number for number, kinds in self._kinds.items() if EffectKind.GO in kinds}
        self.given: dict[int, list[str]] = {}
        for one in reversed(self._needed):
            if one.stage.number not in self.apart or one.stage.number in self._is_compiled:
                self._take(one)

    def _take(self, taker: ResolvedStage) -> None:
        """Note what a stage that is made as it is written, or whose compiler needs it, copies from others."""
        for traced, _ in self._trace.follow(taker):
            step = traced.instruction
            stage_base = taker.sources.get(step.source_stage) if isinstance(step, Copy) else None
            if not isinstance(step, Copy) or stage_base is None or stage_base.origin is not OriginKind.STAGE:
                continue
            number = self._made_in(stage_base.stage)
            if number is None or (taker.stage.number in self.apart and self._kinds[number] == {EffectKind.PREPARE}):
                continue
            paths = (traced.text(word) for word in step.sources)
            self.given.setdefault(number, []).extend(posixpath.normpath(f"/{path.lstrip('/')}") for path in paths)

    def _made_in(self, number: int) -> int | None:
        """The stage with RUN lines that a stage apart is or is built upon."""
        while number in self.apart:
            if any(runs((self._graph.stages[number],))):
                return number
            stage_base = self._graph.stages[number].stage_base
            if stage_base.origin is not OriginKind.STAGE:
                return None
            number = stage_base.stage
        return None

    def served(self, tables: Mapping[int, Table]) -> dict[int, Table]:
        """For a stage apart the first table of one built upon it or copying from it, by however many steps."""
        found = dict(tables)
        users: dict[int, int] = {}
        for one in reversed(self._needed):  # whoever uses a stage comes after it
            number = one.stage.number
            if number not in found and number in users:
                found[number] = found[users[number]]
            if number in found and number in self.apart:
                users |= dict.fromkeys(one.uses, number)
        return {number: table for number, table in found.items() if number in self.apart}

    def table(self, one: ResolvedStage) -> Table:
        """The table of a stage."""
        lines = run_lines(self._graph, one, self._source).lines
        kinds, name = self._kinds[one.stage.number], one.stage.name
        below = tuple(self._graph.below(one))
        chain = [run for *_, run in runs(below)]
        extras, paths = [], []
        for path in dict.fromkeys(self.given[one.stage.number]):
            word = _extra(path, chain)
            if word:
                extras.append(word)
            elif not _is_of_the_base(path, chain):
                paths.append(path)
        last = [f"with = {json.dumps(sorted(set(extras)))}"] if extras else []
        if EffectKind.GO in kinds:
            said, places = _go_lines(lines)
            paths = [path for path in paths if not any(_gives(place, path) for place in places)]
            paths = [path for path in paths if not self._is_brought(path, lines)]
            return Table(name, "go", tuple(said + _files(paths, lines, "") + last))
        made = [path for path in paths if path in _workspace(lines) or not self._is_brought(path, lines)]
        paths = made or paths
        if EffectKind.COMPILE in kinds and len(paths) == 1 and not self._is_folder(paths[0]):
            if is_of_go(below[-1].stage_base.name):
                return Table(name, "go", (f"output = {json.dumps(paths[0])}", *last), EffectKind.COMPILE)
            native = native_build(lines)
            if native is not None:
                at = (f"output = {json.dumps(_named(paths[0]))}", *last)
                return Table(name, native.toolchain, at, EffectKind.COMPILE)
            return Table(name, "command", (_COMPILER, f"output = {json.dumps(_named(paths[0]))}", *last))
        differs = EffectKind.COMPILE in kinds or any(_FOR_ONE.search(_text(run)) for run in chain)
        return Table(name, "prebuilt", tuple(_files(paths, lines, "out/{arch}/" if differs else "") + last))

    def in_place(self, one: ResolvedStage) -> Table:
        """The table of a stage that the image is built upon: it stands in for the compiles alone."""
        return Table(one.stage.name, "go", tuple(_go_lines(run_lines(self._graph, one, self._source).lines)[0]))

    def _is_folder(self, path: str) -> bool:
        """Whether something in the Dockerfile names a path below this one."""
        return any(f"{path}/" in line.rest for line in self._graph.file.lines)

    def _is_brought(self, path: str, lines: Sequence[RunLine]) -> bool:
        """Whether a COPY of the stage brings it from the context, where it is."""
        return any(
            is_in(path, place) and (self._source / source / posixpath.relpath(path, place)).exists()
            for place, source in lines[-1].brought
        )


def _compiles_alone(run: Run) -> bool:
    """Whether a line compiles Go and does nothing that an image would miss."""
    done = effects(run)
    return any(effect.kind is EffectKind.GO for effect in done) and all(effect.builds for effect in done)


def _extra(path: str, chain: Sequence[Run]) -> str:
    """The word of `with` for what others copy, if a line installs the package."""
    for package, folder, word in _EXTRAS:
        if is_in(path, folder) and any(package in _text(run) for run in chain):
            return word
    return ""


def _is_of_the_base(path: str, chain: Sequence[Run]) -> bool:
    """Whether a file that images have of themselves is as the base has it."""
    if any(is_in(path, folder) for _, folder, _ in _EXTRAS):
        return True
    is_of_users = path in {"/etc/passwd", "/etc/group"}
    return is_of_users and not any(effect is MAKES_A_USER for run in chain for effect in effects(run))


def _text(run: Run) -> str:
    return " ".join((*run.words, *(heredoc.content for heredoc in run.line.heredocs)))


def _go_lines(lines: Sequence[RunLine]) -> tuple[list[str], list[str]]:
    """What a table has to say of the compiles of these lines, and where their programs go."""
    found: list[GoBuild] = [
        build for line in lines for build in go_builds(line.run, line.workdir, line.variables, line.folders)
    ]
    guesses: dict[str, str] = {}
    for build in found:
        for key, value in build.guesses:
            guesses.setdefault(key, value)  # a table says a key once, for all its compiles
    said = [f"{key} = {value}" for key, value in guesses.items()]
    if any(foreign_flags(build.flags) for build in found):
        said.append("flags = []")
    return said, [build.output for build in found]


def _gives(place: str, path: str) -> bool:
    """Whether a program's place, which ends with a slash if it is a folder, is the path or may be."""
    return is_in(place.rstrip("/"), path) or (place.endswith("/") and posixpath.dirname(path) == place.rstrip("/"))


def _workspace(lines: Sequence[RunLine]) -> frozenset[str]:
    """The working folder and those above it: whoever copies one takes whatever was made in it."""
    folder = lines[-1].workdir
    return frozenset({folder, *(str(parent) for parent in Path(folder).parents)}) - {"/"}


def _files(paths: Sequence[str], lines: Sequence[RunLine], folder: str) -> list[str]:
    """The line `files` with a rule for each path: where the context could have it, and the path."""
    line, rules, more = lines[-1], [], []
    for path in paths:
        place = _named(path)
        if path in _workspace(lines):
            name = next((folder for name, folder in _INSTALLED.items() if _starts(lines, name)), "")
            if name:
                place = f"{line.workdir.rstrip('/')}/{name}"
            elif any(is_in(line.workdir, at) for at, _ in line.brought):
                more.append(f"# and what RUN makes below {path}")
                continue
        source = place.lstrip("/")
        if folder:
            source = posixpath.basename(place)
        elif is_in(place, line.workdir) and place != line.workdir:
            is_there = any(is_in(place, at) for at, _ in line.brought)
            source = line.source_of(place) if is_there else posixpath.relpath(place, line.workdir)
        rules.append(f"{folder}{source}:{place}")
    return [f"files = {json.dumps(rules, ensure_ascii=False)}", *more] if rules or more else []


def _starts(lines: Sequence[RunLine], program: str) -> bool:
    return any(re.search(rf"(?:^|[\s;&|]){program}\s", _text(line.run)) for line in lines)


def _named(path: str) -> str:
    """A pattern as the one name it could stand for: `*.jar` is app.jar, `app*` is app."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/{re.sub(r'[*?]+', '', name) if not name.startswith('*') else re.sub(r'[*?]+', 'app', name)}"
