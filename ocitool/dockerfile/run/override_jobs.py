"""Compiles in place of a replaced stage's RUN lines, started outside of any image.

What ocitool.toml does not say is read off the stage's own `go build`.
"""

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from ocitool.dockerfile.run.go_build import GoBuild, foreign_flags, go_builds
from ocitool.dockerfile.run.native_build import NativeBuild, native_build
from ocitool.dockerfile.run.run_lines import RunLine, is_in, joined, run_lines
from ocitool.dockerfile.stages import ResolvedStage, StageGraph
from ocitool.dockerfile.syntax.instructions import Stage
from ocitool.errors import NotFound, Unsupported, UsageError
from ocitool.image.essentials import EXTRA_PLACES, extra_entries
from ocitool.model.files import FileKind, clean
from ocitool.model.platform import Platform
from ocitool.pack.entries import CopyRule, Entry, FileContent, expand, parse_copy
from ocitool.project.values import StageSpec
from ocitool.toolchains.base import CompileJob, Planned, Project, Target, folder_name
from ocitool.toolchains.command import CommandToolchain, command_environ, find_command
from ocitool.toolchains.go import GoToolchain, find_go, go_environ, program_name, programs_below
from ocitool.toolchains.options import NATIVE, GoOptions, Program
from ocitool.values import dataclass, replace

_KEYS: Final = ("package", "output", "ldflags", "tags", "flags")
"""What ocitool.toml can say of a go build, in the order in which a table is written."""


@dataclass(frozen=True, slots=True)
class NativeTarget:
    """A program of C, C++ or Rust that is wanted from a toolchain, and what the RUN lines say of it.

    `result` is its file in the build tree, for a build system.
    """

    toolchain: str
    target: Target
    build: NativeBuild
    result: str


PlanNative: TypeAlias = Callable[[NativeTarget], CompileJob]
"""Makes the job of one, by what else ocitool.toml says of compilers."""


def _no_native(wanted: NativeTarget) -> CompileJob:
    raise Unsupported(f"no {wanted.toolchain} for stages of a Dockerfile here", ability=wanted.toolchain)


@dataclass(frozen=True, slots=True)
class StandIn:
    """What a replaced stage gets for one platform, where its line `at` stands.

    The programs of `jobs` go to their places once they are compiled; `rules` are files that are there. `unseen` are
    lines whose files the compiler does not see, because only the stage has them.
    """

    spec: StageSpec
    at: int
    jobs: tuple[Planned, ...] = ()
    rules: tuple[CopyRule, ...] = ()
    unseen: tuple[int, ...] = ()

    @property
    def gives(self) -> tuple[str, ...]:
        """Where its programs and files go."""
        extras = (f"/{EXTRA_PLACES[word]}" for word in self.spec.extras)
        return (*(job.place for job in self.jobs), *(rule.destination for rule in self.rules), *extras)

    def entries(self, platform: Platform, source: Path) -> tuple[Entry, ...]:
        """The programs and files, each at its path. Raises what reading them raises."""
        programs = [
            Entry(job.place.lstrip("/"), FileKind.FILE, 0o755, content=FileContent(_output_of(job.job)))
            for job in self.jobs
        ]
        try:
            files = [entry for rule in self.rules for entry in expand(rule, platform, source)]
        except NotFound as error:
            raise NotFound(f"{self.spec.at}: {error.what}", name=error.name, where=error.where) from error
        there = {entry.path for entry in files}
        return (*programs, *files, *extra_entries(self.spec.extras, there.__contains__))


@dataclass(frozen=True, slots=True)
class Replacing:
    """A stage of a Dockerfile that ocitool.toml replaces, and where compiling happens."""

    graph: StageGraph
    resolved: ResolvedStage
    spec: StageSpec
    project: Project
    plan_native: PlanNative = _no_native

    @property
    def stage(self) -> Stage:
        """The stage."""
        return self.resolved.stage

    @property
    def file(self) -> str:
        """The Dockerfile for messages."""
        return self.graph.file.file


@dataclass(frozen=True, slots=True)
class _Found:
    """A compile of a stage, the line it stands on, and the folder of the context it happens in."""

    line: int
    build: GoBuild
    source: str


def stand_in(replacing: Replacing) -> StandIn:
    """What a replaced stage gets for one platform; starts nothing.

    Raises UsageError where neither ocitool.toml nor the RUN lines say what is compiled, Unsupported if a compiler
    is not there or cannot compile for the platform.
    """
    spec, stage, platform = replacing.spec, replacing.stage, replacing.graph.wanted.platform
    found_lines = run_lines(replacing.graph, replacing.resolved, replacing.project.source)
    lines = found_lines.lines
    if not lines:
        raise UsageError(
            f"{spec.at}: stage {stage.name} has no RUN line to stand in for", hint="leave the table out"
        )
    at = lines[-1].run.line.number
    rules = tuple(_rule(spec, text) for text in spec.files)
    if spec.toolchain == "prebuilt":
        return StandIn(spec, at, rules=rules)
    if spec.toolchain == "command":
        place = joined(lines[-1].workdir, spec.output)
        return StandIn(spec, at, (Planned(_command(replacing, place, platform), place, stage.name),), rules)
    if spec.toolchain in NATIVE:
        job, folder = _native(replacing, lines, platform)
        unseen = tuple(number for number, place in found_lines.foreign if is_in(place, folder))
        return StandIn(spec, at, (job,), rules, unseen)
    found = _compiles(replacing, lines)
    jobs = tuple(_go_jobs(replacing, found, platform))
    places = [job.place for job in jobs]
    twice = next((place for place in places if places.count(place) > 1), "")
    if twice:
        raise UsageError(f"{spec.at}: two programs would go to {twice}", hint="say package and output")
    folders = {one.build.folder for one in found}
    unseen = tuple(
        number for number, place in found_lines.foreign if any(is_in(place, folder) for folder in folders)
    )
    return StandIn(spec, found[-1].line, jobs, rules, unseen)


def _native(replacing: Replacing, lines: Sequence[RunLine], platform: Platform) -> tuple[Planned, str]:
    """The compile of C, C++ or Rust, and its folder in the stage."""
    spec, last = replacing.spec, lines[-1]
    build = native_build(lines)
    if build is None or build.toolchain != spec.toolchain:
        build = NativeBuild(spec.toolchain, last.workdir, last.workdir)
    place = joined(last.workdir, spec.output)
    source = _below(replacing, spec.source or last.source_of(build.folder))
    name = (spec.result or build.program) if spec.toolchain == "rust" else ""
    name = _plain(posixpath.basename(name or place))
    target = Target(Program(name), platform, source.absolute(), _output(replacing, platform, 0, name))
    wanted = NativeTarget(spec.toolchain, target, build, spec.result or build.result(place))
    return Planned(replacing.plan_native(wanted), place, replacing.stage.name), build.folder


def _output_of(job: CompileJob) -> Path:
    """The program that a job made; of a build system the one that was picked from its tree."""
    return job.outputs[0] if job.tree is None else next((job.tree.installed / "usr/bin").iterdir())


def _rule(spec: StageSpec, text: str) -> CopyRule:
    try:
        return parse_copy(text)
    except UsageError as error:
        raise UsageError(f"{spec.at}.files: {error.what}", hint=error.hint) from error


def _compiles(replacing: Replacing, lines: Sequence[RunLine]) -> tuple[_Found, ...]:
    """The compiles of the stage's own lines, or the one that ocitool.toml describes alone.

    Raises UsageError where a value is missing, or only a shell could tell it.
    """
    spec = replacing.spec
    found = tuple(
        _Found(line.run.line.number, build, spec.source or line.source_of(build.folder))
        for line in lines
        for build in go_builds(line.run, line.workdir, line.variables, line.folders)
    )
    if not found and not spec.output:
        raise UsageError(
            f"{replacing.file}:{lines[-1].run.line.number}: no go build in the RUN lines of stage"
            f" {replacing.stage.name}, so nothing says where its program goes",
            hint=f'write output = "/PATH" into [stage.{spec.name}]; package = "./DIR" names the main package',
        )
    if not found:
        last = lines[-1]
        source = spec.source or last.source_of(last.workdir)
        found = (_Found(last.run.line.number, GoBuild(last.workdir), source),)
    if len(found) > 1 and spec.said & {"package", "output"}:
        wanted = posixpath.normpath(spec.package)
        found = (next((one for one in found if posixpath.normpath(one.build.package) == wanted), found[0]),)
    return tuple(_complete(replacing, one) for one in found)


def _complete(replacing: Replacing, one: _Found) -> _Found:
    """The compile with what ocitool.toml says in place of the line's words."""
    spec, build = replacing.spec, one.build
    where = f"{replacing.file}:{one.line}"
    missing = [key for key in _KEYS if key in build.unclear and key not in spec.said]
    if missing:
        guesses = dict(build.guesses)
        lines = " and ".join(f"{key} = {guesses.get(key, '[…]')}" for key in missing)
        raise UsageError(
            f"{where}: only a shell in the image could tell the {' and the '.join(missing)} of this go build",
            hint=f"write {lines} into [stage.{spec.name}]",
        )
    words = () if "flags" in spec.said else build.flags
    words += () if "GOFLAGS" in dict(spec.go.env) else tuple(dict(build.env).get("GOFLAGS", "").split())
    for flag in foreign_flags(words):
        raise UsageError(
            f"{where}: {flag} of this go build means programs or files of the image",
            hint=f"write flags = [] into [stage.{spec.name}], or what is meant for this machine; env has GOFLAGS",
        )
    if spec.package:
        build = replace(build, package=spec.package)
    if spec.output:
        build = replace(build, output=joined(build.folder, spec.output))
    return replace(one, build=build)


def _go_jobs(replacing: Replacing, found: Sequence[_Found], platform: Platform) -> Iterator[Planned]:
    project, stage = replacing.project, replacing.stage
    go = find_go(project.environ)
    number = 0
    for one in found:
        if one.build.system not in {"", platform.os}:
            where = f"{replacing.file}:{one.line}"
            raise UsageError(
                f"{where}: this go build is for {one.build.system}, the image for {platform}",
                hint=f'compile it before the build; [stage.{stage.name}] toolchain = "prebuilt" takes it in',
            )
        folder = _below(replacing, one.source)
        for program, place in _programs(one.build, folder):
            options = _options(replacing.spec, one.build)
            target = Target(
                program, platform, folder.absolute(), _output(replacing, platform, number, program.name)
            )
            yield Planned(
                GoToolchain(go, go_environ(project.environ, go, options), options).plan(target), place, stage.name
            )
            number += 1


def _programs(build: GoBuild, source: Path) -> tuple[tuple[Program, str], ...]:
    """The programs of one compile, each with its place in the stage."""
    if not build.package.endswith("..."):
        name = posixpath.basename(build.output) or program_name(source, build.package)
        place = f"{posixpath.dirname(build.output).rstrip('/')}/{name}"
        return ((Program(_plain(name), build.package), place),)
    found = programs_below(source, build.package.removesuffix("...") or ".")
    if not found or (len(found) > 1 and not build.output.endswith("/")):
        raise UsageError(
            f"{build.package} holds {len(found)} programs, which cannot become {build.output}",
            hint="name one with package, or end output with a slash for all of them",
        )
    return tuple((one, build.output + one.name if build.output.endswith("/") else build.output) for one in found)


def _plain(name: str) -> str:
    """A program's name for messages and for the compiler's output, whatever its file is called."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", name).lstrip("-.+") or "program"


def _options(spec: StageSpec, build: GoBuild) -> GoOptions:
    """How to compile: what ocitool.toml says, else what the line says."""
    return replace(
        spec.go,
        tags=spec.go.tags if "tags" in spec.said else build.tags,
        ldflags=spec.go.ldflags if "ldflags" in spec.said else build.ldflags,
        flags=spec.go.flags if "flags" in spec.said else build.flags,
        env=tuple({**dict(build.env), **dict(spec.go.env)}.items()),
        cgo=spec.go.cgo if "cgo" in spec.said else build.cgo is True,
    )


def _command(replacing: Replacing, place: str, platform: Platform) -> CompileJob:
    options, environ = replacing.spec.command, replacing.project.environ
    source = _below(replacing, replacing.spec.source)
    name = _plain(posixpath.basename(place))
    target = Target(Program(name), platform, source.absolute(), _output(replacing, platform, 0, name))
    found = find_command(options, source, environ)
    return CommandToolchain(options, found, command_environ(environ, options)).plan(target)


def _output(replacing: Replacing, platform: Platform, number: int, name: str) -> Path:
    """A file that nobody else writes: one folder a stage, platform and program."""
    work = replacing.project.work.absolute() / "stages" / replacing.stage.name
    return work / folder_name(platform) / str(number) / name


def _below(replacing: Replacing, folder: str) -> Path:
    """A folder of the context. Raises UsageError for one outside of it."""
    path = clean(folder)
    if path is None or folder.startswith("/"):
        raise UsageError(
            f"{replacing.spec.at}: the sources are in {folder}, which is no folder of the context",
            hint='write source = "DIR", a folder below PATH',
        )
    return replacing.project.source / path
