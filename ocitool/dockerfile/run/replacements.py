"""What stands in for the RUN lines of one Dockerfile, for each platform: all that a build asks about them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ocitool.builder.compile import Planned, Project
from ocitool.dockerfile.context import Files, Layered
from ocitool.dockerfile.resources import Process, Ran
from ocitool.dockerfile.run.effects import MAKES_A_USER, deeds
from ocitool.dockerfile.run.override_jobs import Replacing, StandIn, stand_in
from ocitool.dockerfile.run.overrides import Backed, Roles, replaced_stages, roles
from ocitool.dockerfile.sources import cloned_by
from ocitool.dockerfile.stages import Ground, Needed, Origin, Wanted, runs
from ocitool.dockerfile.syntax.instructions import Copy, Dockerfile, Run, Stage
from ocitool.errors import OcitoolError, Unsupported
from ocitool.model.platform import Platform
from ocitool.project.values import StageSpec


@dataclass(frozen=True, slots=True)
class Replacements:
    """The roles of the needed stages and, once they are `planned`, what the replaced ones get.

    This is where an executor of RUN would be asked: `left` are the lines that it would have to take, and `ran` is
    what a line left behind.
    """

    file: Dockerfile
    source: Path
    needed: Mapping[Platform, Sequence[Needed]] = field(hash=False)
    roles: Mapping[Platform, Roles] = field(hash=False)
    stand_ins: Mapping[Platform, Mapping[int, StandIn]] = field(default_factory=dict, hash=False)

    @classmethod
    def of(
        cls, file: Dockerfile, source: Path, needed: Mapping[Platform, Sequence[Needed]], specs: Iterable[StageSpec]
    ) -> "Replacements":
        """Those that ocitool.toml asks for. Raises UsageError for a stage that the Dockerfile does not have."""
        replaced = replaced_stages(file, specs)
        return cls(file, source, needed, {platform: roles(one, replaced) for platform, one in needed.items()})

    def left(self) -> tuple[tuple[Stage, Run], ...]:
        """The RUN lines that would have to be carried out, each once, in their order."""
        found = {
            run.line.number: (stage, run)
            for platform, one in self.needed.items()
            for stage, run in runs(one)
            if not self.roles[platform].takes(stage, run)
        }
        return tuple(found[number] for number in sorted(found))

    def clones(self) -> tuple[Copy, ...]:
        """The ADDs of git repositories that would have to be carried out, each once, in their order."""
        found = {
            step.line.number: step
            for platform, needed in self.needed.items()
            for one in needed
            if one.stage.number not in self.roles[platform].apart
            for step in one.stage.body
            if isinstance(step, Copy) and cloned_by(step)
        }
        return tuple(found[number] for number in sorted(found))

    def planned(self, wanted: Mapping[Platform, Wanted], work: Path, environ: Mapping[str, str]) -> "Replacements":
        """The same with the compiles decided; their programs will stand below `work`. Raises as `stand_in` does."""
        project = Project(self.source, work, environ)
        found = {
            platform: {
                number: stand_in(
                    Replacing(self.file, self.file.stages[number], spec, project), needed, wanted[platform]
                )
                for number, spec in self.roles[platform].replaced.items()
            }
            for platform, needed in self.needed.items()
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
        self, stage: int, platform: Platform, own: Files | None, image_files: Callable[[Ground], Files]
    ) -> Files | None:
        """The files of a stage; of one that is apart those of its base as well, once they are asked for."""
        if not self.is_apart(stage, platform) or self.is_idle(stage, platform):
            return own
        by_number = {one.stage.number: one for one in self.needed[platform]}
        chain = [by_number[stage]]
        while chain[-1].ground.origin is Origin.STAGE:
            chain.append(by_number[chain[-1].ground.stage])
        ground = chain[-1].ground

        def base() -> Files:
            try:
                return Layered(()) if ground.origin is Origin.SCRATCH else image_files(ground)
            except OcitoolError as error:
                gives = self.gives(stage, platform)
                error.add_note(f"{gives}; anything else is looked for in its base {ground.name}")
                raise

        def refused(path: str) -> None:
            for _, run in runs(chain):
                if any(deed is MAKES_A_USER for deed in deeds(run)):
                    place = f"{self.file.file}:{run.line.number}"
                    raise Unsupported(
                        f"/{path} of stage {chain[0].stage.name} would lack the user of {place}, which is not run",
                        ability="RUN",
                        hint=MAKES_A_USER.instead,
                    )

        return Backed(own or Layered(()), base, refused)
