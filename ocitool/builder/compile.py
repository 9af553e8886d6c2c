"""From a spec and platforms to the commands that compile, and where their programs go in the image."""

import posixpath
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from ocitool.errors import Unsupported, UsageError
from ocitool.model.platform import Platform
from ocitool.project.values import BuildSpec, PlatformSpec, ProgramSpec
from ocitool.toolchains.base import Planned, Program, Project, Target, Toolchain, file_name, folder_name
from ocitool.toolchains.c import CToolchain, compiler_cache, compiler_environ, find_sources
from ocitool.toolchains.command import CommandToolchain, command_environ, find_command
from ocitool.toolchains.compilers import find_compiler
from ocitool.toolchains.go import GoToolchain, find_go, find_programs, go_environ

TOOLCHAINS: Final = ("go", "c", "command", "prebuilt")
"""The words that `--toolchain` takes; nothing is compiled for `prebuilt`, nor where a Dockerfile decides."""


def plan_compile(
    toolchain: str, spec: BuildSpec, platforms: Sequence[Platform], project: Project
) -> tuple[Planned, ...]:
    """The jobs for every program and platform, platform by platform; starts nothing and writes nothing.

    Compilers get a part of the environment. Raises Unsupported if the compiler is not there or cannot compile
    for a platform, UsageError if there is nothing to compile, LocalIOError for a folder that cannot be read.
    """
    if toolchain in {"prebuilt", "dockerfile"}:
        return ()
    planned: list[Planned] = []
    go = find_go(project.environ) if toolchain == "go" else None
    for platform in platforms:
        part = spec.part(platform)
        for program in _programs(toolchain, part, project.source):
            made = _toolchain(toolchain, program, part, platform, go=go, project=project)
            output = project.work.absolute() / folder_name(platform) / file_name(program.program, platform)
            target = Target(program.program, platform, project.source.absolute(), output)
            planned.append(Planned(made.plan(target), _place(program, platform)))
    return tuple(planned)


def _toolchain(
    name: str, program: ProgramSpec, part: PlatformSpec, platform: Platform, *, go: Path | None, project: Project
) -> Toolchain:
    if go is not None:
        return GoToolchain(go, go_environ(project.environ, go, program.go), program.go)
    if name == "c":
        compiler = find_compiler(part.compiler, platform, project.environ)
        c = replace(program.c, sources=find_sources(project.source, program.c.sources))
        environ = compiler_environ(project, part.compiler)
        return CToolchain(compiler, c, tuple(environ.items()), compiler_cache(project))
    if name == "command":
        found = find_command(program.command, project.source, project.environ)
        return CommandToolchain(program.command, found, command_environ(project.environ, program.command))
    raise Unsupported(
        f"no toolchain {name!r} in this version", ability=name, hint=f"one of {', '.join(TOOLCHAINS)}"
    )


def _programs(toolchain: str, part: PlatformSpec, source: Path) -> tuple[ProgramSpec, ...]:
    """The programs that the spec names, complete with their packages; else those that the sources hold."""
    if toolchain == "go":
        if part.programs:
            return tuple(_with_package(program, source) for program in part.programs)
        if part.package:
            words = [word for word in part.package.split("/") if word not in {"", "."}]
            found: tuple[Program, ...] = (Program(words[-1], part.package),) if words else find_programs(source)
        else:
            found = find_programs(source)
        return tuple(ProgramSpec(program, f"/bin/{program.name}", part.go) for program in found)
    if part.programs:
        return part.programs
    if toolchain == "c":
        name = source.absolute().name
        return (ProgramSpec(Program(name), f"/bin/{name}", c=part.c),)
    name = posixpath.basename(part.command.output) or source.absolute().name
    return (ProgramSpec(Program(name), f"/bin/{name}", command=part.command),)


def _with_package(program: ProgramSpec, source: Path) -> ProgramSpec:
    if program.program.package:
        return program
    found = find_programs(source)
    same = [one for one in found if one.name == program.program.name] or list(found)
    if len(same) > 1:
        raise UsageError(
            f"{program.program.name} could be any of {', '.join(one.package for one in same)}",
            hint=f'say which one: package = "{same[0].package}"',
        )
    return replace(program, program=replace(program.program, package=same[0].package))


def _place(program: ProgramSpec, platform: Platform) -> str:
    """The program's path, with the ending its file has on that platform."""
    folder, name = posixpath.split(program.path)
    if name == program.program.name:
        name = file_name(program.program, platform)
    return posixpath.join(folder, name)
