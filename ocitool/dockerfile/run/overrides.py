"""Stages that are made without their RUN lines: which they are, and what is found in them.

`[stage.NAME]` of ocitool.toml names a stage. Its COPY, WORKDIR, ENV and ARG lines are carried out as ever, its RUN
lines are not; `standin` says what it gets in their place.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocitool.dockerfile.resources import Process, Ran
from ocitool.dockerfile.sources import cloned_by
from ocitool.dockerfile.stages import (
    OriginKind,
    ResolvedStage,
    StageBase,
    StageGraph,
    Step,
    find_stage,
    named,
    runs,
)
from ocitool.dockerfile.syntax.instructions import Dockerfile, Run, Stage
from ocitool.errors import OcitoolError, Unsupported, UsageError
from ocitool.model.files import FileKind, FileTree, ancestors, name_bytes
from ocitool.model.platform import Platform
from ocitool.pack.entries import Entry
from ocitool.project.values import StageSpec
from ocitool.rootfs.files import Files, Layered
from ocitool.toolchains.base import Planned, Project
from ocitool.values import dataclass, field, replace

if TYPE_CHECKING:
    from ocitool.dockerfile.run.override_jobs import PlanNative, StandIn

_SHARED: Final = frozenset(
    [
        "bin", "boot", "dev", "etc", "etc/ssl", "etc/ssl/certs", "go", "go/pkg", "go/src", "home", "lib", "lib64",
        "media", "mnt", "opt", "proc", "root", "run", "sbin", "srv", "sys", "tmp", "usr", "usr/bin", "usr/include",
        "usr/lib", "usr/lib64", "usr/libexec", "usr/local", "usr/local/bin", "usr/local/lib", "usr/local/sbin",
        "usr/local/share", "usr/sbin", "usr/share", "usr/src", "var", "var/cache", "var/lib", "var/log", "var/run",
    ]
)  # fmt: skip
"""Directories that images have of themselves: a stage's own files in them are not all there is."""
_ANY: Final = StageSpec("", "", "prebuilt")
_ACCOUNTS: Final = frozenset({"etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"})


@dataclass(frozen=True, slots=True)
class Roles:
    """What is done with the needed stages: by number, those that ocitool.toml replaces, and those `apart`.

    Of a stage apart nothing but single files is wanted, so that its base need not be fetched. Those of them that
    nothing replaces are the base of one that is, or another name for one, or `idle`: what such a stage would have
    of them is not missed, as modules that one downloads.
    """

    replaced: Mapping[int, StageSpec] = field(default_factory=dict, hash=False)
    apart: frozenset[int] = frozenset()
    idle: frozenset[int] = frozenset()

    def takes(self, stage: Stage, run: Run) -> bool:
        """Whether the line need not be carried out.

        In a stage that the image is built upon, only a line that does nothing but build is.
        """
        if stage.number in self.apart:
            return True
        if stage.number not in self.replaced:
            return False
        from ocitool.dockerfile.run.effects import effects

        return all(effect.builds for effect in effects(run))


def replaced_stages(file: Dockerfile, specs: Iterable[StageSpec]) -> dict[int, StageSpec]:
    """The stages that are replaced, by number. Raises UsageError for one that the Dockerfile does not have."""
    found: dict[int, StageSpec] = {}
    for spec in specs:
        stage = find_stage(file, spec.name)
        if stage is None:
            raise UsageError(f"{spec.at}: no such stage in {file.file}", hint=f"it has {named(file.stages)}")
        if stage.number in found:
            raise UsageError(f"{spec.at}: is the stage of {found[stage.number].at}", hint="name it once")
        found[stage.number] = spec
    return found


def roles(graph: StageGraph, replaced: Mapping[int, StageSpec]) -> Roles:
    """The role of each needed stage; the target comes last among them."""
    needed = graph.needed
    built_upon: dict[int, set[int]] = {}
    taken_from: dict[int, set[int]] = {}
    mounted_by: dict[int, set[int]] = {}
    for one in needed:
        if one.stage_base.origin is OriginKind.STAGE:
            built_upon.setdefault(one.stage_base.stage, set()).add(one.stage.number)
        for source in one.sources.values():
            if source.origin is OriginKind.STAGE:
                taken_from.setdefault(source.stage, set()).add(one.stage.number)
        for source in one.mounted.values():
            if source.origin is OriginKind.STAGE:
                mounted_by.setdefault(source.stage, set()).add(one.stage.number)
    apart: set[int] = set()
    idle: set[int] = set()
    for one in reversed(needed[:-1]):
        number = one.stage.number
        upon, taken = built_upon.get(number, set()), taken_from.get(number, set())
        if not apart.issuperset(upon | mounted_by.get(number, set())):  # only RUN lines would see a mount
            continue
        if number in replaced or (upon and not taken) or _is_another_name(one, graph, replaced):
            apart.add(number)
        elif apart.issuperset(taken) and (_only_prepares(one) or all(_misses_nothing(n, replaced) for n in taken)):
            apart.add(number)
            idle.add(number)
    kept = {number: spec for number, spec in replaced.items() if number in graph.reached}
    return Roles(kept, frozenset(apart), frozenset(idle))


def _only_prepares(one: ResolvedStage) -> bool:
    """Whether the stage has RUN lines, and they leave nothing that an image needs."""
    lines = tuple(run for *_, run in runs((one,)))
    if not lines:
        return False
    from ocitool.dockerfile.run.effects import EffectKind, effects

    kinds = {effect.kind for run in lines for effect in effects(run)}
    return kinds == {EffectKind.PREPARE}


def _is_another_name(one: ResolvedStage, graph: StageGraph, replaced: Mapping[int, StageSpec]) -> bool:
    """Whether the stage runs nothing itself and is built upon one that is replaced."""
    for below in graph.below(one) if replaced else ():
        if below.stage.number in replaced or any(runs((below,))):
            return below.stage.number in replaced
    return False


def _misses_nothing(number: int, replaced: Mapping[int, StageSpec]) -> bool:
    """Whether the stage gets all it gives from ocitool.toml; a compiler of Go sees what others bring it."""
    return number in replaced and replaced[number].toolchain != "go"


def replaceable(graph: StageGraph) -> frozenset[int]:
    """The stages that a table of ocitool.toml would set apart."""
    return roles(graph, dict.fromkeys(graph.reached, _ANY)).apart


class Backed(FileTree[Entry]):
    """The files of a stage apart: its own, and those of its base where a file is asked for that it does not have.

    `base` is called when that happens, and only then. A directory that images do not have of themselves is the
    stage's own with everything in it.
    """

    def __init__(self, own: Files, base: Callable[[], Files], refused: Callable[[str], None]) -> None:
        self._own = own
        self._base = base
        self._refused = refused

    def get(self, path: str) -> Entry | None:
        """The stage's own entry, else the base's. Raises Unsupported for accounts that RUN lines would change."""
        own = self._own.get(path)
        if own is not None or self._is_own(path):
            return own
        if path in _ACCOUNTS:
            self._refused(path)
        base = self._base()
        entry = base.get(base.resolve(path, follow_last=False))
        return None if entry is None else replace(entry, path=path)

    def names(self, path: str) -> tuple[str, ...]:
        """The names in a directory."""
        own = self._own.names(path)
        if self._own.kind_at(path) is FileKind.DIRECTORY and (path in _SHARED or not path):
            return tuple(sorted({*own, *self._base().names(path)}, key=name_bytes))
        return own if own or self._own.kind_at(path) is not None or self._is_own(path) else self._base().names(path)

    def _is_own(self, path: str) -> bool:
        """Whether the path is below something that only the stage has."""
        return any(
            self._own.kind_at(above) not in {None, FileKind.DIRECTORY}
            or (above not in _SHARED and self._own.kind_at(above) is FileKind.DIRECTORY)
            for above in ancestors(path)
        )


@dataclass(frozen=True, slots=True)
class Replacements:
    """The roles of the needed stages and, once they are `planned`, what the replaced ones get.

    This is where an executor of RUN would be asked: `left` are the lines that it would have to take, and `ran` is
    what a line left behind.
    """

    file: Dockerfile
    source: Path
    graphs: Mapping[Platform, StageGraph] = field(hash=False)
    roles: Mapping[Platform, Roles] = field(hash=False)
    stand_ins: "Mapping[Platform, Mapping[int, StandIn]]" = field(default_factory=dict, hash=False)

    @classmethod
    def of(
        cls,
        file: Dockerfile,
        source: Path,
        graphs: Mapping[Platform, StageGraph],
        specs: Iterable[StageSpec],
    ) -> "Replacements":
        """Those that ocitool.toml asks for. Raises UsageError for a stage that the Dockerfile does not have."""
        replaced = replaced_stages(file, specs)
        return cls(file, source, graphs, {platform: roles(one, replaced) for platform, one in graphs.items()})

    def left(self) -> tuple[tuple[ResolvedStage, Step, Run], ...]:
        """The RUN lines that would have to be carried out, each once, in their order."""
        found = {(step.where, run): (one, step, run) for _, one, step, run in self.left_of_each()}
        return tuple(sorted(found.values(), key=lambda one: one[1].instruction.line.number))

    def left_of_each(self) -> Iterator[tuple[Platform, ResolvedStage, Step, Run]]:
        """The same for each platform."""
        for platform, graph in self.graphs.items():
            for one, step, run in runs(graph.needed):
                if not self.roles[platform].takes(one.stage, run):
                    yield platform, one, step, run

    def clones(self) -> tuple[Step, ...]:
        """The ADDs of git repositories that would have to be carried out, each once, in their order."""
        found = dict.fromkeys(
            step
            for platform, graph in self.graphs.items()
            for one in graph.needed
            if one.stage.number not in self.roles[platform].apart
            for step in one.steps
            if cloned_by(step.instruction)
        )
        return tuple(sorted(found, key=lambda step: step.instruction.line.number))

    def planned(self, project: Project, plan_native: "PlanNative") -> "Replacements":
        """The same with the compiles decided, whose programs will stand in the project's work.

        Raises as `stand_in` does.
        """
        found: dict[Platform, dict[int, StandIn]] = {platform: {} for platform in self.graphs}
        if not any(one.replaced for one in self.roles.values()):
            return replace(self, stand_ins=found)
        from ocitool.dockerfile.run.override_jobs import Replacing, stand_in

        found = {
            platform: {
                number: stand_in(Replacing(graph, graph.stages[number], spec, project, plan_native))
                for number, spec in self.roles[platform].replaced.items()
            }
            for platform, graph in self.graphs.items()
        }
        return replace(self, stand_ins=found)

    @property
    def jobs(self) -> tuple[Planned, ...]:
        """The compiles, platform by platform."""
        return tuple(job for stages in self.stand_ins.values() for one in stages.values() for job in one.jobs)

    @property
    def unseen(self) -> tuple[int, ...]:
        """The lines whose files a compiler does not see, because only a stage has them."""
        return tuple(
            sorted({n for stages in self.stand_ins.values() for one in stages.values() for n in one.unseen})
        )

    def is_apart(self, stage: int, platform: Platform) -> bool:
        """Whether the base of a stage is looked at only for a file that nothing else gives."""
        return stage in self.roles[platform].apart

    def is_idle(self, stage: int, platform: Platform) -> bool:
        """Whether a stage only prepares what a replaced one would do, so that nobody misses what it lacks."""
        return stage in self.roles[platform].idle

    def gives(self, stage: int, platform: Platform) -> str:
        """What a stage that is made without its RUN lines has to offer; empty for any other."""
        found = self.stand_ins[platform].get(stage)
        if found is None and not self.is_apart(stage, platform):
            return ""
        gives = f" and gives {', '.join(found.gives)}" if found is not None else ""
        return f"stage {self.file.stages[stage].name} is made without its RUN lines{gives}"

    def ran(self, process: Process) -> Ran | None:
        """What stands in for a RUN: the programs of its stage, or nothing; None for a line that nobody takes."""
        platform, line = process.platform, process.run.line.number
        if not self.roles[platform].takes(process.stage, process.run):
            return None
        found = self.stand_ins[platform].get(process.stage.number)
        if found is None or found.at != line:
            return Ran()
        told = f"ocitool build {found.spec.toolchain}: {' '.join(found.gives)}"
        return Ran(told, found.entries(platform, self.source))

    def whole(
        self, stage: int, platform: Platform, own: Files | None, image_files: Callable[[StageBase], Files]
    ) -> Files | None:
        """The files of a stage; of one that is apart those of its base as well, once they are asked for."""
        if not self.is_apart(stage, platform) or self.is_idle(stage, platform):
            return own
        graph = self.graphs[platform]
        chain = tuple(graph.below(graph.stages[stage]))
        stage_base = chain[-1].stage_base

        def base() -> Files:
            try:
                return Layered(()) if stage_base.origin is OriginKind.SCRATCH else image_files(stage_base)
            except OcitoolError as error:
                gives = self.gives(stage, platform)
                error.add_note(f"{gives}; anything else is looked for in its base {stage_base.name}")
                raise

        def refused(path: str) -> None:
            from ocitool.dockerfile.run.effects import MAKES_A_USER, effects

            for _, step, run in runs(chain):
                if any(effect is MAKES_A_USER for effect in effects(run)):
                    raise Unsupported(
                        f"/{path} of stage {chain[0].stage.name} would lack the user of {step.where}, which is not"
                        " run",
                        ability="RUN",
                        hint=MAKES_A_USER.instead,
                    )

        return Backed(own or Layered(()), base, refused)
