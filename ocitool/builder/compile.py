"""From a spec and platforms to the commands that compile, and where their programs go in the image.

One of the tables where code is loaded late: only the toolchain that compiles.
"""

import posixpath
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ocitool.errors import Unsupported, UsageError
from ocitool.model.files import FileKind
from ocitool.model.platform import Platform
from ocitool.pack.entries import Entry, FileContent, scan
from ocitool.project.values import BuildSpec, PlatformSpec, ProgramSpec
from ocitool.toolchains.base import CompileJob, Planned, Project, Target, Toolchain, file_name, folder_name
from ocitool.toolchains.options import SYSTEMS, BuildSystemOptions, CProgram, Program, RustOptions
from ocitool.values import dataclass, replace

if TYPE_CHECKING:
    from ocitool.dockerfile.run.override_jobs import NativeTarget
    from ocitool.toolchains.compilers import Compiler
    from ocitool.toolchains.sysroot import Sysroot

TOOLCHAINS: Final = ("go", "rust", "c", *SYSTEMS, "command", "prebuilt")
"""The words that `--toolchain` takes; nothing is compiled for `prebuilt`, nor where a Dockerfile decides."""
_TOLD: Final = 5


def plan_compile(
    toolchain: str,
    spec: BuildSpec,
    platforms: Sequence[Platform],
    project: Project,
    sysroots: "Mapping[Platform, Sysroot]" = MappingProxyType({}),
) -> tuple[Planned, ...]:
    """The jobs for every program and platform, platform by platform; starts nothing and writes nothing.

    Compilers get a part of the environment. Raises Unsupported if the compiler is not there or cannot compile
    for a platform, UsageError if there is nothing to compile, LocalIOError for a folder that cannot be read.
    """
    if toolchain in {"prebuilt", "dockerfile"}:
        return ()
    planned: list[Planned] = []
    go = _find_go(project) if toolchain == "go" else None
    for platform in platforms:
        part = spec.part(platform)
        wanted = _Wanted(part, platform, project, sysroots.get(platform))
        for program in _programs(toolchain, part, project.source):
            made = _toolchain(toolchain, program, wanted, go)
            output = project.work.absolute() / folder_name(platform) / file_name(program.program, platform)
            target = Target(program.program, platform, project.source.absolute(), output)
            files = part.systems[toolchain].files if toolchain in part.systems else ()
            place = "/" if toolchain in SYSTEMS else _place(program, platform)
            planned.append(Planned(made.plan(target), place, files=files))
    return tuple(planned)


def plan_native(
    wanted: "NativeTarget", spec: BuildSpec, project: Project, sysroots: "Mapping[Platform, Sysroot]"
) -> CompileJob:
    """The job that makes a program of a Dockerfile's stage; what ocitool.toml leaves out the RUN lines say.

    Raises as `plan_compile` does.
    """
    target, build = wanted.target, wanted.build
    part = spec.part(target.platform)
    if part.rust == RustOptions():
        part = replace(part, rust=build.rust)
    c = part.c if part.c != CProgram() else build.c
    if wanted.toolchain in SYSTEMS:
        own = replace(part.systems.get(wanted.toolchain, build.system), programs=(wanted.result,))
        part = replace(part, systems={wanted.toolchain: own})
    project = replace(project, source=target.source)
    ours = _Wanted(part, target.platform, project, sysroots.get(target.platform))
    program = ProgramSpec(target.program, f"/bin/{target.program.name}", c=c)
    return _toolchain(wanted.toolchain, program, ours, None).plan(target)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One platform of a build, and what its programs are compiled with."""

    part: PlatformSpec
    platform: Platform
    project: Project
    sysroot: "Sysroot | None"

    @property
    def compiler(self) -> "Compiler":
        """The C compiler. Raises Unsupported."""
        from ocitool.toolchains.compilers import find_compiler

        options = replace(self.part.compiler, with_debug=self.project.with_debug)
        return find_compiler(options, self.platform, self.project.environ, self.sysroot)


def _toolchain(name: str, program: ProgramSpec, wanted: _Wanted, go: Path | None) -> Toolchain:
    if go is not None:
        return _go(go, program, wanted)
    if name == "c":
        return _c(program, wanted)
    if name == "rust":
        return _rust(wanted)
    if name in SYSTEMS:
        return _build_system(name, wanted)
    if name == "command":
        return _command(program, wanted)
    raise Unsupported(
        f"no toolchain {name!r} in this version", ability=name, hint=f"one of {', '.join(TOOLCHAINS)}"
    )


def _find_go(project: Project) -> Path:
    from ocitool.toolchains.go import find_go

    return find_go(project.environ)


def _go(go: Path, program: ProgramSpec, wanted: _Wanted) -> Toolchain:
    from ocitool.toolchains.go import GoToolchain, go_environ, has_own_compiler

    project = wanted.project
    wants_c = program.go.cgo and not has_own_compiler(project.environ, program.go)
    environ = go_environ(project.environ, go, program.go)
    options, c = replace(program.go, with_debug=project.with_debug), wanted.compiler if wants_c else None
    return GoToolchain(go, environ, options, c, project.compiler_cache)


def _c(program: ProgramSpec, wanted: _Wanted) -> Toolchain:
    from ocitool.toolchains.c import CToolchain, compiler_environ, find_sources

    project = wanted.project
    sources = find_sources(project.source, program.c.sources)
    seen = tuple(compiler_environ(project, wanted.part.compiler).items())
    return CToolchain(wanted.compiler, replace(program.c, sources=sources), seen, project.compiler_cache)


def _command(program: ProgramSpec, wanted: _Wanted) -> Toolchain:
    from ocitool.toolchains.command import CommandToolchain, command_environ, find_command

    project = wanted.project
    found = find_command(program.command, project.source, project.environ)
    return CommandToolchain(program.command, found, command_environ(project.environ, program.command))


def _rust(wanted: _Wanted) -> Toolchain:
    from ocitool.toolchains.rust import (
        RustToolchain,
        find_build_compiler,
        find_cargo,
        find_std,
        rust_environ,
        rust_triple,
    )

    part, project = wanted.part, wanted.project
    cargo, compiler = find_cargo(project.environ), wanted.compiler
    environ = rust_environ(project, part.compiler)
    std = find_std(rust_triple(wanted.platform, compiler.libc), environ, project.source, wanted.sysroot)
    above = (project.source, *project.source.absolute().parents)  # a workspace has one lock for its packages
    has_lock = any((folder / "Cargo.lock").is_file() for folder in above)
    return RustToolchain(
        cargo,
        compiler,
        part.rust,
        tuple(environ.items()),
        project.compiler_cache,
        has_lock=has_lock,
        std=std,
        for_build=find_build_compiler(environ),
    )


def _build_system(name: str, wanted: _Wanted) -> Toolchain:
    from ocitool.toolchains.build_systems import (
        BuildSystemToolchain,
        check_install,
        check_options,
        find_configure,
        find_tools,
    )
    from ocitool.toolchains.c import compiler_environ

    part, project = wanted.part, wanted.project
    options = part.systems.get(name, BuildSystemOptions())
    check_options(options, project.source)
    check_install(name, options, project.source / options.directory)
    configure = find_configure(project.source / options.directory) if name == "autotools" else None
    return BuildSystemToolchain(
        name=name,
        compiler=wanted.compiler,
        options=options,
        environ=tuple(compiler_environ(project, part.compiler).items()),
        cache=project.compiler_cache,
        tools=find_tools(name, options, configure, project.environ),
        width=project.width,
        configure=configure,
    )


def _programs(toolchain: str, part: PlatformSpec, source: Path) -> tuple[ProgramSpec, ...]:
    """The programs that the spec names, complete with their packages; else those that the sources hold."""
    if toolchain == "go":
        from ocitool.toolchains.go import find_programs

        if part.programs:
            return tuple(_with_package(program, source) for program in part.programs)
        if part.package:
            words = [word for word in part.package.split("/") if word not in {"", "."}]
            found: tuple[Program, ...] = (Program(words[-1], part.package),) if words else find_programs(source)
        else:
            found = find_programs(source)
        return tuple(ProgramSpec(program, f"/bin/{program.name}", part.go) for program in found)
    if toolchain == "rust":
        if part.programs:
            return part.programs
        from ocitool.toolchains.rust import find_bins

        bins = find_bins(source, part.rust.package)
        return tuple(ProgramSpec(program, f"/bin/{program.name}") for program in bins)
    if toolchain in SYSTEMS and len(part.programs) > 1:
        raise UsageError(
            f"[[program]] says nothing to {toolchain}, which installs whatever it builds",
            hint=f'name targets, or files = ["usr/bin/*"], in [{toolchain}]',
        )
    if part.programs:
        return part.programs
    if toolchain in SYSTEMS:
        name = source.absolute().name
        return (ProgramSpec(Program(_as_name(name)), "/"),)
    if toolchain == "c":
        name = _as_name(source.absolute().name)
        return (ProgramSpec(Program(name), f"/bin/{name}", c=part.c),)
    name = posixpath.basename(part.command.output) or source.absolute().name
    return (ProgramSpec(Program(name), f"/bin/{name}", command=part.command),)


def compiled_entries(planned: Planned) -> tuple[Entry, ...]:
    """What a compile gave to the image: its program, or of a build system the files that it installed.

    Raises LocalIOError, UsageError for files that no image can hold or patterns that nothing fits.
    """
    if planned.job.tree is None:
        output = FileContent(planned.job.outputs[0])
        return (Entry(planned.place.lstrip("/"), FileKind.FILE, 0o755, content=output),)
    installed = f"{planned.job.tree.installed}/"
    entries = tuple(
        replace(entry, link=f"/{entry.link.removeprefix(installed)}") if entry.link.startswith(installed) else entry
        for entry in scan(planned.job.tree.installed, planned.place.strip("/"))
    )  # `ln -s $(PREFIX)/bin/a b` with a prefix below DESTDIR means the file in the image
    if not planned.files:
        return entries
    kept = [
        entry
        for entry in entries
        if entry.kind is not FileKind.DIRECTORY and any(fnmatchcase(entry.path, one) for one in planned.files)
    ]
    if not kept:
        raise UsageError(
            f"none of the installed files is one of {', '.join(planned.files)}",
            hint=f"installed: {names_of(entries)}",
        )
    folders = {parent.as_posix() for entry in kept for parent in PurePosixPath(entry.path).parents}
    return tuple(entry for entry in entries if entry in kept or entry.path in folders)


def names_of(entries: Sequence[Entry]) -> str:
    """The files among the entries, as many as one can read."""
    names = [f"/{entry.path}" for entry in entries if entry.kind is not FileKind.DIRECTORY]
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return f"{' '.join(names[:_TOLD])}{more}"


def _as_name(folder: str) -> str:
    """The name of a folder as one that a program can have."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", folder).strip("-.+") or "app"


def _with_package(program: ProgramSpec, source: Path) -> ProgramSpec:
    if program.program.package:
        return program
    from ocitool.toolchains.go import find_programs

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
