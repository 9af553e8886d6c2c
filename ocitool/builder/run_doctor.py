"""RUN on this machine as `doctor` tells of it: for which platforms it works and by what, how owners are kept."""

from collections.abc import Mapping, Sequence

from ocitool.errors import OcitoolError
from ocitool.executor.runtime import RuntimeExecutor
from ocitool.model.platform import Platform
from ocitool.values import dataclass
from ocitool.workspace import Workspace

LIMITS = "watched, no cgroup is used: what passes --run-memory, --run-pids or --run-disk is ended a moment later"


@dataclass(frozen=True, slots=True)
class RunAbility:
    """Whether commands for a platform can be run; `by` is the emulator, empty for this machine itself."""

    platform: Platform
    by: str = ""
    problem: str = ""
    hint: str = ""

    @property
    def word(self) -> str:
        """How it is: natively, emulated, or not at all."""
        return "no" if self.problem else f"emulated by {self.by}" if self.by else "natively"


@dataclass(frozen=True, slots=True)
class RunDiagnosis:
    """What carries RUN lines out here; `problem` says why nothing does, and there is nothing else then."""

    runtime: str = ""
    owners: str = ""
    limits: str = LIMITS
    abilities: tuple[RunAbility, ...] = ()
    problem: str = ""
    hint: str = ""


def diagnose_run(platforms: Sequence[Platform], workspace: Workspace, environ: Mapping[str, str]) -> RunDiagnosis:
    """What a build would find that carries RUN lines out; it is tried."""
    if environ.get("OCITOOL_NO_RUN"):
        return RunDiagnosis(problem="OCITOOL_NO_RUN is set", hint="unset it")
    executor = RuntimeExecutor(workspace.machine, environ=environ)
    try:
        maps, runtime = executor.maps, executor.runtime
        kept = f"lost, one user stands for all: {maps.why}" if maps.is_single else "kept"
        abilities = tuple(_ability(executor, platform) for platform in platforms)
        return RunDiagnosis(runtime, kept, abilities=abilities)
    except OcitoolError as error:
        return RunDiagnosis(problem=error.what, hint=error.hint)
    finally:
        executor.close()


def _ability(executor: RuntimeExecutor, platform: Platform) -> RunAbility:
    try:
        executor.check((platform,))
        return RunAbility(platform, executor.emulator(platform))
    except OcitoolError as error:
        return RunAbility(platform, problem=error.what, hint=error.hint)
